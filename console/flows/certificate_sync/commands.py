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
  what=$1
  shift
  said=$(timeout -s KILL 60 ssh -F none -T -a -x -i "$identity" -o BatchMode=yes -o IdentitiesOnly=yes \\
    -o StrictHostKeyChecking=yes -o ConnectTimeout=15 -o "UserKnownHostsFile=$known" \\
    -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no "$@" </dev/null 2>&1 >/dev/null)
  status=$?
  case $status:$said in 10:*refused*) return 0 ;; esac
  echo "$what, asked for with the key, ended with status $status: $(printf '%s\\n' "$said" | tail -n 1)" >&2
  exit 3
}
try 'a command' "$target" id
try sftp -s "$target" sftp
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

ACME = "acme-mailcow"

INSTALL = "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends openssh-server"
PURGE = "DEBIAN_FRONTEND=noninteractive apt-get purge -y openssh-server"
