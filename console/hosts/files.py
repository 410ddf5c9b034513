"""Files of a machine read and written by commands, which are root when we become root; SFTP would not be."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence

from console.errors import FileError, Missing
from console.hosts.host import Completed
from console.hosts.process import Dialogue
from console.text import clean

READ = 10.0
"""Seconds a file may take to be read."""

WRITE = 30.0
"""Seconds a file may take to be written and to reach the disk."""

PREVIOUS = ".previous"
"""What the version before is called, beside the file: not a name that HAProxy, nginx or Dovecot would load."""

Run = Callable[[Sequence[str], Dialogue, float, int], Awaitable[Completed]]

SCRIPT = """\
set -eu
umask 077
say() { echo "$1" >&2; exit 3; }
path=$1 mode=$2 size=$3 ready=$4
if [ -L "$path" ]; then path=$(readlink -f -- "$path"); fi
[ ! -d "$path" ] || say "it is a folder"
folder=$(dirname -- "$path")
draft=$(mktemp "$folder/.cowhand.XXXXXX")
trap 'rm -f -- "$draft"' EXIT
trap 'exit 3' HUP INT TERM
if [ -e "$path" ]; then
  owner=$(stat -c %u:%g -- "$path")
  if [ "$owner" != "$(stat -c %u:%g -- "$draft")" ]; then
    chown "$owner" "$draft" 2>/dev/null || say "its owner cannot be kept: Permission denied"
  fi
fi
chmod "$mode" "$draft"
printf %s "$ready" >&2
cat > "$draft"
[ "$(wc -c < "$draft")" -eq "$size" ] || say "what was sent did not arrive whole"
sync "$draft" 2>/dev/null || sync
if [ -e "$path" ] && ! [ "$path" -ef "$path.previous" ]; then ln -f -- "$path" "$path.previous"; fi
mv -f -- "$draft" "$path"
trap - EXIT
sync "$folder" 2>/dev/null || sync
"""
"""Mode first, then content, then disk, then name: a reader sees the old file or the new one, and a cut changes none."""


async def read(run: Run, host: str, path: str, cap: int) -> bytes:
    """Return a file's content; raises `Missing`, or `FileError` when we may not, or it has more than `cap` bytes."""
    done = await run(["head", "-c", str(cap + 1), "--", path], Dialogue(), READ, cap + 1)
    if done.status:
        raise _error(done, f"{path} on {host} cannot be read", path, host)
    if len(done.stdout) > cap:
        raise FileError(f"{path} on {host} is larger than {cap} bytes")
    return done.stdout


async def write(run: Run, host: str, path: str, data: bytes, mode: int) -> None:
    """Replace a file whole or not at all, keeping its owner, and the version before as `PATH.previous`.

    Raises `FileError`; then the file is as it was."""
    mark = f"[{secrets.token_hex(6)}]"
    argv = ["sh", "-c", SCRIPT, "sh", path, f"{mode & 0o7777:04o}", str(len(data)), mark]
    done = await run(argv, Dialogue(data, mark.encode()), WRITE, 4096)
    if done.status:
        raise _error(done, f"{path} on {host} was not written", path, host)


def _error(done: Completed, what: str, path: str, host: str) -> FileError:
    said = clean(done.stderr.strip().rpartition(b"\n")[2], 120)
    if b"No such file or directory" in done.stderr and "was not" not in what:
        return Missing(f"{path} is not there on {host}")
    return FileError(f"{what}: {said.rpartition(': ')[2] or f'status {done.status}'}")
