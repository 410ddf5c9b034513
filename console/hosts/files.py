"""Files of a machine read and written by commands, which are root when we become root; SFTP would not be."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence

from console.errors import Changed, FileError, Missing
from console.hosts.host import ANY, Before, Completed
from console.hosts.process import Dialogue
from console.text import clean

READ = 10.0
"""Seconds a file may take to be read."""

WRITE = 30.0
"""Seconds a file may take to be written and to reach the disk."""

PREVIOUS = ".previous"
"""What the version before is called, beside the file: not a name that HAProxy, nginx or Dovecot would load."""

Run = Callable[[Sequence[str], Dialogue, float, int], Awaitable[Completed]]

LOCKS = "/run/cowhand"
"""Where root's locks are on a host: a folder that only root may enter, and that does not outlive the system's start."""

SAID, CHANGED = 3, 4
"""The script's status when its last line says what is wrong, and when the file is not what it must be."""

SHARED = ("conf", "assets")
"""The folders in Mailcow's data that are mounted in containers too."""

PLAIN = """[ ! -e "$0" ] || [ -f "$0" ] || { echo 'it is not a plain file' >&2; exit 1; }; exec "$@\""""
"""Root of a container may have laid a link to a device, some of which do something when they are opened."""

SCRIPT = """\
set -eu
umask 077
path=$1 mode=$2 size=$3 ready=$4 draft=./$5 before=$6 kept=./$7 locks=$8
me=$(id -u)
say() { printf '%s\\n' "$1" >&2; exit 3; }
belongs() { say "$1 belongs to $(stat -c %U -- "$2"), who could redirect what is written there"; }
check() {
  set -- "$1" $(stat -c '%u %a' .)
  if [ "$me" != 0 ] && [ "$1" != last ]; then return; fi
  if [ "$2" != 0 ] && [ "$2" != "$me" ]; then belongs "$shown" .; fi
  who=
  case $3 in
    *[2367]) who=everybody ;;
    *[2367]?) if [ "$me" = 0 ]; then who="group $(stat -c %G .)"; fi ;;
  esac
  case $1$3 in parent[1357]???) who= ;; esac
  [ -z "$who" ] || say "$who can change $shown (mode $3), and so what is written there"
}
case $path in /*) ;; *) path=$(pwd -P)/$path ;; esac
cd /
shown=/ rest=$path links=0 mounted=
case $path in
  */data/conf/*) mounted=/${path#*/data/conf/} ;;
  */data/assets/*) mounted=/${path#*/data/assets/} ;;
esac
while :; do
  part=${rest%%/*}
  case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
  case $part in ''|.) [ -n "$rest" ] || say "it is a folder"; continue ;; esac
  here=${shown%/}/$part
  check parent
  if [ -L "./$part" ]; then
    links=$((links + 1))
    [ $links -le 40 ] || say "Too many levels of symbolic links"
    if [ "$me" = 0 ] && [ "$(stat -c %u -- "./$part")" != 0 ]; then belongs "$here" "./$part"; fi
    case $here/$mounted in
      */data/conf/*|*/data/assets/*|*/"$part${rest:+/$rest}")
        say "$here is a link, and root of a container may have laid it" ;;
    esac
    target=$(readlink -- "./$part")
    case $target in /*) cd /; shown=/ ;; esac
    rest=$target${rest:+/$rest}
  elif [ -n "$rest" ] || [ "$part" = .. ]; then
    [ -e "./$part" ] || say "there is no folder $here"
    cd -P -- "./$part" 2>/dev/null || say "$here is no folder that can be entered"
    shown=$(pwd -P)
    [ "$part" = .. ] || [ "$shown" = "$here" ] || say "$here is another folder now"
  else
    break
  fi
done
check last
file=./$part
flat=-T
[ -n "$mounted" ] || case $(mv --help 2>&1) in *-T*) ;; *) flat= ;; esac
trap 'rm -f -- "$draft" "$kept"' EXIT
trap 'exit 5' HUP INT TERM PIPE
set -C
exec 9>"$draft"
set +C
out=/proc/self/fd/9
[ -e $out ] || say "/proc is not mounted there"
printf %s "$ready" >&2
cat >&9
[ "$(stat -L -c %s $out)" -eq "$size" ] || say "what was sent did not arrive whole"
sync $out 2>/dev/null || sync
command -v flock >/dev/null || say "there is no flock there (of util-linux)"
if [ "$me" = 0 ]; then
  mkdir -p -- "$locks"
  if [ -L "$locks" ] || [ "$(stat -c '%u %a' -- "$locks")" != "0 700" ]; then
    say "$locks is not a folder of root alone (mode 0700)"
  fi
  exec 8>>"$locks/files"
else
  exec 8<.
fi
tries=0
until flock -n 8; do
  tries=$((tries + 1))
  [ $tries -le 100 ] || say "another program has held the lock on $shown for 10 seconds"
  sleep 0.1
done
was=absent
if [ -e "$file" ] || [ -L "$file" ]; then
  [ ! -d "$file" ] || say "it is a folder"
  if [ -L "$file" ] || [ ! -f "$file" ]; then say "it is not a plain file"; fi
  exec 7<"$file"
  was=$(head -c 16777217 <&7 | sha256sum) # of a larger one, its beginning: it may have no end
  was=${was%% *}
fi
case $before in any | "$was") ;; *) exit 4 ;; esac
new=$(sha256sum <$out)
if [ "$was" != absent ]; then
  owner=$(stat -L -c %u:%g /proc/self/fd/7)
  if [ "$owner" != "$(stat -L -c %u:%g $out)" ]; then
    chown "$owner" $out 2>/dev/null || say "its owner cannot be kept"
  fi
fi
chmod "$mode" $out
if [ "$was" != absent ] && [ "$was" != "${new%% *}" ]; then
  ln -- "$file" "$kept"
  rm -f -- "$file.previous"
  mv -f $flat -- "$kept" "$file.previous"
fi
mv -f $flat -- "$draft" "$file"
sync . 2>/dev/null || sync
"""
"""Goes to the file's folder step by step and works from there, by names without a slash and by descriptors.

No link is followed but root's own, when we are root, and none below the folders that Mailcow mounts in containers: root
there is this root, and may lay a link to a folder at any name that it can know. So what is made has a name that nobody
knows before (`draft`, `kept`), and gets its own by a rename that goes into no folder (an old busybox has no -T). Owner
and mode are the draft's before it gets its name: a reader sees the old file or the new one, and a cut changes neither.
What the file is now is compared under a lock."""


async def read(run: Run, host: str, path: str, cap: int) -> bytes:
    """Return a file's content; raises `Missing`, or `FileError` when we may not, or it has more than `cap` bytes."""
    argv = ["head", "-c", str(cap + 1), "--", path]
    if any(f"/data/{each}/" in path for each in SHARED):
        argv = ["sh", "-c", PLAIN, path, *argv]
    done = await run(argv, Dialogue(), READ, cap + 1)
    if done.status:
        raise _error(done, f"{path} on {host} cannot be read", path, host)
    if len(done.stdout) > cap:
        raise FileError(f"{path} on {host} is larger than {cap} bytes")
    return done.stdout


async def write(run: Run, host: str, path: str, data: bytes, mode: int, before: Before = ANY) -> None:
    """Replace a file whole or not at all, keeping its owner, and the version before as `PATH.previous`.

    Raises `Changed` when it is not what it must be `before`, and `FileError`, also where another user of the host could
    redirect the write; then the file is as it was."""
    mark, draft, kept = f"[{secrets.token_hex(6)}]", *(f".cowhand.{secrets.token_hex(6)}" for _ in range(2))
    words = (path, f"{mode & 0o7777:04o}", str(len(data)), mark, draft, sum_of(before), kept, LOCKS)
    argv = ["sh", "-c", SCRIPT, "sh", *words]
    done = await run(argv, Dialogue(data, mark.encode()), WRITE, 4096)
    if done.status == CHANGED:
        raise Changed(f"{path} on {host} has changed meanwhile; nothing was written")
    if done.status:
        raise _error(done, f"{path} on {host} was not written", path, host)


def sum_of(before: Before) -> str:
    """The SHA-256 of a content in hexadecimal; "any" and "absent" as they are."""
    return before if isinstance(before, str) else hashlib.sha256(before).hexdigest()


def _error(done: Completed, what: str, path: str, host: str) -> FileError:
    said = clean(done.stderr.strip().rpartition(b"\n")[2], 300)
    if b"No such file or directory" in done.stderr and "was not" not in what:
        return Missing(f"{path} is not there on {host}")
    why = said if done.status == SAID else said.rpartition(": ")[2]
    return FileError(f"{what}: {why or f'status {done.status}'}")
