"""The commands of the installation that are more than one word, and what they say while they run."""

from __future__ import annotations

import re

from console.facts.installation import MARK
from console.runner.plan import Amount

REPOSITORY = "https://github.com/mailcow/mailcow-dockerized"
BRANCH = "master"

INSTALL = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
dpkg --configure -a
candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: *//p' | grep -v none; }
apt-get -q update
wanted=
for each; do
  case $each in
  docker)
    version=$(candidate docker.io || true)
    major=${version#*:}
    major=${major%%.*}
    if ! [ "${major:-0}" -ge 24 ] 2>/dev/null; then
      echo "docker.io here is ${version:-unknown}, and Mailcow needs 24: start again with --answer docker-from=own" >&2
      exit 3
    fi
    wanted="$wanted docker.io"
    ! candidate docker-cli >/dev/null || wanted="$wanted docker-cli" ;;
  compose)
    if dpkg-query -W docker-ce >/dev/null 2>&1; then wanted="$wanted docker-compose-plugin"
    elif candidate docker-compose-v2 >/dev/null; then wanted="$wanted docker-compose-v2"
    else wanted="$wanted docker-compose"; fi ;;
  *) wanted="$wanted $each" ;;
  esac
done
apt-get install -q -y --no-install-recommends $wanted
case " $* " in *' docker '*) systemctl enable --now docker.service ;; esac
""".lstrip()
"""docker.io of the distribution when that is new enough, compose from where docker came, and the other programs."""

OWN = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
base=$1 system=$2 release=$3 print=$4
shift 4
dpkg --configure -a
apt-get -q update
if ! grep -rqs download.docker.com /etc/apt/sources.list /etc/apt/sources.list.d; then
  apt-get install -q -y --no-install-recommends ca-certificates curl gpg
  new=$(mktemp -d)
  trap 'rm -rf -- "$new"' EXIT
  curl -fsS --proto =https --max-time 120 -o "$new/key" "$base/$system/gpg"
  gpg --homedir "$new" --batch --quiet --with-colons --show-keys "$new/key" >"$new/said"
  found=$(awk -F: '$1 == "pub" { fresh = 1 } fresh && $1 == "fpr" { print $10; fresh = 0 }' "$new/said")
  if [ "$found" != "$print" ]; then
    echo "the key of $base has the fingerprint ${found:-?}, and not $print: nothing of it is installed" >&2
    exit 3
  fi
  mkdir -p -m 755 /etc/apt/keyrings
  install -m 644 "$new/key" /etc/apt/keyrings/docker.asc
  printf 'Types: deb\nURIs: %s/%s\nSuites: %s\nComponents: stable\nSigned-By: /etc/apt/keyrings/docker.asc\n' \
    "$base" "$system" "$release" >"$new/sources"
  install -m 644 "$new/sources" /etc/apt/sources.list.d/docker.sources
  apt-get -q update
fi
apt-get install -q -y --no-remove --no-install-recommends \
  docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin "$@"
systemctl enable --now docker.service
""".lstrip()
"""Docker's own packages, as docs.docker.com/engine/install/debian has it; its key is taken when it is the known one."""

DOCKERS, FINGERPRINT = "https://download.docker.com/linux", "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
"""Docker's repository and the key it is signed with, as its documentation tells (docker/docs, engine/install)."""

SYSTEMS = {"debian": "Debian", "ubuntu": "Ubuntu"}
"""The distributions that Docker has packages for and that this flow knows."""

PACKAGES = {"sha1sum": "coreutils", "cut": "coreutils", "awk": "gawk"}
"""Program → its package, where that has another name."""

CLONE = r"""
set -e
umask 022
rm -rf -- "$2.cowhand-new"
git clone --progress --branch "$3" -- "$1" "$2.cowhand-new"
[ ! -d "$2" ] || rmdir -- "$2"
mv -n -T -- "$2.cowhand-new" "$2"
[ ! -e "$2.cowhand-new" ]
""".lstrip()
"""Clones into a folder beside, and renames it when the clone is complete. Deletes what an interrupted clone left."""

GENERATE = rf"""
set -e
cd -- "$1"
[ ! -e {MARK} ] || rm -f -- mailcow.conf
[ ! -e mailcow.conf ]
: >{MARK}
export MAILCOW_HOSTNAME="$2" MAILCOW_TZ="$3" SKIP_CLAMD="$4" MAILCOW_BRANCH="$5" FORCE=y
umask 022
./generate_config.sh </dev/null
[ -s mailcow.conf ]
chmod 600 mailcow.conf data/assets/ssl/key.pem data/assets/ssl-example/key.pem
rm -f -- {MARK}
""".lstrip()
"""Runs generate_config.sh with all answers given. Replaces only what an interrupted run left."""

_CLONED = re.compile(r"(Receiving objects|Resolving deltas|Updating files): +\d+% \((\d{1,15})/(\d{1,15})\)")
_LAYER = re.compile(r"([0-9a-f]{12}): (.+)")

PULLED = ("Pull complete", "Already exists")

MOST_LAYERS = 1000
"""Layers of one image that are counted: Docker's own limit is 127."""


def cloning(line: str) -> Amount | None:
    """What `git clone --progress` says: its part, and how many objects of how many."""
    match = _CLONED.search(line)
    return Amount(int(match[2]), int(match[3]), "objects", match[1]) if match else None


class Layers:
    """Reads the lines of one `docker pull`: its layers, and how many of them are there."""

    def __init__(self, image: str) -> None:
        self.image = image
        self._states: dict[str, bool] = {}
        self._there = 0

    def __call__(self, line: str) -> Amount | None:
        """Take a line; returns how far it is when the line tells of a layer."""
        match = _LAYER.match(line.strip())
        if match is None:
            return None
        layer, there = match[1], match[2].startswith(PULLED)
        if layer not in self._states and len(self._states) >= MOST_LAYERS:
            return None
        self._there += there - self._states.get(layer, False)
        self._states[layer] = there
        return Amount(self._there, len(self._states), "layers", self.image)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layers) and other.image == self.image

    def __hash__(self) -> int:
        return hash(self.image)
