"""The commands of the sync that are more than one word: making the key, trying it, pushing, and taking a push back."""

from __future__ import annotations

KEYGEN = """\
set -eu
umask 077
rm -f -- "$1.new" "$1.new.pub"
if [ -e "$1" ]; then
  ssh-keygen -y -P '' -f "$1" > "$1.new.pub"
  mv -f -T -- "$1.new.pub" "$1.pub"
else
  ssh-keygen -q -t ed25519 -N '' -C "$2" -f "$1.new" </dev/null
  sync "$1.new"
  mv -f -T -- "$1.new.pub" "$1.pub"
  mv -f -T -- "$1.new" "$1"
fi
"""
"""The pair gets its name when both halves are whole; of a key that is there only the public half is made."""

TRY = """\
set -u
identity=$1 known=$2 target=$3
try() {
  what=$1 answer=$2
  shift 2
  said=$({ timeout -s KILL 60 ssh -F none -T -a -x -i "$identity" -o BatchMode=yes -o IdentitiesOnly=yes \\
    -o StrictHostKeyChecking=yes -o ConnectTimeout=15 -o "UserKnownHostsFile=$known" \\
    -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no "$@" </dev/null 2>&1 >/dev/null
    echo "=$?"; } | tail -c 4096)
  status=${said##*=}
  said=${said%=*}
  # shellcheck disable=SC2254 # answer is a pattern
  case $status:$said in $answer) return 0 ;; esac
  echo "$what, asked for with the key, ended with status $status: $(printf %s "$said" | tail -n 1)" >&2
  exit 3
}
try 'a command' '10:*refused*' "$target" id
try sftp '10:*' -s "$target" sftp # sshd passes on no standard error of a subsystem: the status is all there is
echo 'a command and sftp both reach the deploy script alone, which refuses an empty input'
"""

PUSH = 'RENEWED_LINEAGE=$1 exec "$2"'

STORE = "/var/lib/cowhand/certificate"

RESTORE = """\
set -eu
store=$1 script=$2 cert=$3 pushed=$4 name=$5 folder=$6 made=$7
if [ "$pushed" != - ] && [ -e "$store/previous.pem" ]; then
  told=$(openssl x509 -noout -fingerprint -sha256 -in "$cert" | sed 's/.*=//; s/://g' | tr A-F a-f)
  [ "$told" = "$pushed" ] || { echo "another certificate was installed since: it is left as it is" >&2; exit 3; }
  "$script" --folder "$folder" --restore "$name"
fi
[ "$made" != yes ] || rm -rf -- "$store"
"""
"""Puts the pair back that stood before the push, when what was pushed is still there; the store goes if it was new."""

TOLD = """\
told() { openssl x509 -noout -fingerprint -sha256 -in "$1" | sed 's/.*=//; s/://g' | tr A-F a-f; }
"""

OTHERS = """\
others() {
  where=$(cd -P -- "$1" 2>/dev/null && pwd) || return 1
  last=yes
  while :; do
    said=$(stat -c '%u %a' -- "$where") || return 0
    case ${said% *} in 0 | "$(id -u)") ;; *) return 0 ;; esac
    case $last${said#* } in no1???) ;; *[2367]? | *[2367]) return 0 ;; esac
    [ "$where" != / ] || return 1
    where=${where%/*} last=no
    where=${where:-/}
  done
}
"""
"""Whether another user could change a folder, or lay another in its place, as in the hook."""

KEEP = f"""\
set -eu
store=$1 leaf=$2 number=0
shift 2
{TOLD}mkdir -p -- "$store"
umask 077
for each do
  number=$((number + 1))
  [ "$(told "$each")" = "$leaf" ] || cat -- "$each" >"$store/before.$leaf.$number"
done
"""
"""Keeps HAProxy's bundles as they are before a push, for its undo; another push keeps its own beside them."""

RETURN = f"""\
set -eu
umask 077
store=$1 leaf=$2 made=$3 config=$4 number=0 changed=
shift 4
{TOLD}{OTHERS}for each do
  number=$((number + 1))
  old=$store/before.$leaf.$number beside=${{each%/*}}/.cowhand
  if [ ! -e "$old" ] || cmp -s "$old" "$each"; then continue; fi
  [ "$(told "$each")" = "$leaf" ] || {{ echo "$each was changed since: it is left as it is" >&2; exit 3; }}
  ! others "${{each%/*}}" || {{ echo "others can change ${{each%/*}}: $each is left as it is" >&2; exit 3; }}
  mkdir -p -- "$beside"
  cat -- "$old" >"$beside/${{each##*/}}"
  chown --reference="$each" -- "$beside/${{each##*/}}"
  chmod --reference="$each" -- "$beside/${{each##*/}}"
  mv -f -- "$beside/${{each##*/}}" "$each"
  rm -rf -- "$beside"
  changed=yes
done
if [ -n "$changed" ]; then
  haproxy -c -f "$config" >/dev/null 2>&1 && systemctl reload haproxy ||
    {{ echo "the bundles are back, and HAProxy does not take them: it shows what it had" >&2; exit 3; }}
fi
if [ "$made" = yes ]; then rm -rf -- "$store"; else rm -f -- "$store/before.$leaf".*; fi
"""
"""Puts HAProxy's bundles back that stood before the push, where what was pushed is still there."""

ACME = "acme-mailcow"

INSTALL = "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssh-server"
PURGE = "DEBIAN_FRONTEND=noninteractive apt-get purge -y openssh-server"
