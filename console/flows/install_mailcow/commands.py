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
      echo "docker.io here is ${version:-unknown}, and Mailcow needs 24: install Docker's own packages" >&2
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

_CLONED = re.compile(r"(Receiving objects|Resolving deltas|Updating files): +\d+% \((\d+)/(\d+)\)")
_LAYER = re.compile(r"([0-9a-f]{12}): (.+)")

PULLED = ("Pull complete", "Already exists")


def cloning(line: str) -> Amount | None:
    """What `git clone --progress` says: its part, and how many objects of how many."""
    match = _CLONED.search(line)
    return Amount(int(match[2]), int(match[3]), "objects", match[1]) if match else None


class Layers:
    """Reads the lines of one `docker pull`: its layers, and how many of them are there."""

    def __init__(self, image: str) -> None:
        self.image = image
        self._states: dict[str, str] = {}

    def __call__(self, line: str) -> Amount | None:
        """Take a line; returns how far it is when the line tells of a layer."""
        match = _LAYER.match(line.strip())
        if match is None:
            return None
        self._states[match[1]] = match[2]
        there = sum(state.startswith(PULLED) for state in self._states.values())
        return Amount(there, len(self._states), "layers", self.image)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layers) and other.image == self.image

    def __hash__(self) -> int:
        return hash(self.image)
