"""A file copied between two hosts in pieces: each piece is proven to follow what is there, the whole by its sum."""

from __future__ import annotations

import time
from collections.abc import Callable

from console.errors import FileError
from console.hosts.host import ABSENT, Completed, Host
from console.runner.plan import Amount, Copy
from console.text import count

SMALLEST, LARGEST = 1 << 18, 1 << 23
"""Bytes of a piece: the first is small, for nobody knows yet how fast the way is."""

BRISK = 2.0
"""Seconds within which a piece should arrive: below that the next is larger, above it smaller."""

LOOK = 30.0
"""Seconds a small command may take."""

SUM = 3600.0
"""Seconds the sum of a large file may take."""

PART, PIECE = ".cowhand-part", ".cowhand-piece"
"""What the beginning of a copy is called at the target, and the piece that is on its way to it."""

STATE = """\
[ ! -L "$1" ] && [ -f "$1" ] || { echo 0; exit 0; }
size=$(wc -c < "$1")
[ "$size" -le "$2" ] || size=0
echo "$size"
"""

TAKE = """\
set -eu
umask 077
part=$1 piece=$2 at=$3 size=$4
[ ! -L "$part" ] || { echo "$part is a link" >&2; exit 3; }
[ "$at" -ne 0 ] || : > "$part"
[ "$(wc -c < "$part")" -eq "$at" ] || { echo "$part is not as far as it was" >&2; exit 3; }
[ "$(wc -c < "$piece")" -eq "$size" ] || { echo "$piece did not arrive whole" >&2; exit 3; }
cat "$piece" >> "$part"
rm -f -- "$piece" "$piece.previous"
"""

PLACE = """\
set -eu
part=$1 path=$2 mode=$3 before=$4
now=
if [ -e "$path" ] || [ -L "$path" ]; then
  [ ! -L "$path" ] && [ -f "$path" ] || { echo "$path is no plain file" >&2; exit 3; }
  now=$(sha256sum < "$path" | cut -d ' ' -f 1)
fi
[ "$now" = "$before" ] || { echo "$path has changed since its plan was shown" >&2; exit 3; }
chmod -- "$mode" "$part"
if [ -n "$now" ]; then
  chown --reference="$path" -- "$part"
  ln -f -T -- "$path" "$path.previous"
fi
sync "$part" 2>/dev/null || sync
mv -f -T -- "$part" "$path"
sync "$(dirname -- "$path")" 2>/dev/null || sync
"""


async def digest(host: Host, path: str, size: int | None = None) -> str:
    """The SHA-256 of a file on a host, or of its first `size` bytes; raises `FileError`."""
    script = 'head -c "$2" -- "$1" | sha256sum' if size is not None else 'sha256sum < "$1"'
    done = await host.run(["sh", "-c", script, "sh", path, str(size)], SUM)
    word = done.stdout[:64].decode("ascii", "replace")
    if done.status or len(word) != 64:
        raise FileError(f"{path} on {host.name} cannot be read: {_said(done)}")
    return word


async def copy(source: Host, target: Host, action: Copy, tell: Callable[[Amount], None]) -> None:
    """Copy a file; raises `FileError` when it is not what the plan says, or `HostError`. Cut off, it goes on later."""
    part, piece = action.path + PART, action.path + PIECE
    at = await _begun(source, target, action, part)
    step = SMALLEST
    while at < action.size:
        tell(Amount(at, action.size, "B", action.path))
        began = time.monotonic()
        data = await _piece(source, action.source, at, min(step, action.size - at))
        await target.write(piece, data, 0o600, ABSENT)
        await _run(target, TAKE, part, piece, str(at), str(len(data)))
        at += len(data)
        took = time.monotonic() - began
        step = min(step * 2, LARGEST) if took < BRISK else max(step // 2, SMALLEST)
    if action.size == 0:
        await target.write(piece, b"", 0o600, ABSENT)
        await _run(target, TAKE, part, piece, "0", "0")
    tell(Amount(at, action.size, "B", action.path))
    if (found := await digest(target, part)) != action.sha256:
        await _run(target, 'rm -f -- "$1"', part)
        raise FileError(f"{action.path} on {target.name} did not arrive as it was sent: its sum is {found}")
    await _run(target, PLACE, part, action.path, f"{action.mode:04o}", action.before)


async def _begun(source: Host, target: Host, action: Copy, part: str) -> int:
    """How many bytes of an earlier copy can be kept: those that are proven to be the source's."""
    await _run(target, 'rm -f -- "$1" "$1.previous"', action.path + PIECE)
    said = await target.run(["sh", "-c", STATE, "sh", part, str(action.size)], LOOK)
    at = (count(said.stdout.decode("ascii", "replace").strip()) or 0) if said.status == 0 else 0
    if at and await digest(target, part) != await digest(source, action.source, at):
        return 0
    return at


async def _piece(host: Host, path: str, at: int, size: int) -> bytes:
    done = await host.run(["sh", "-c", 'tail -c "+$2" -- "$1" | head -c "$3"', "sh", path, str(at + 1), str(size)],
                          LOOK + SUM / 10, size + 1)  # fmt: skip
    if len(done.stdout) != size:
        raise FileError(f"{path} on {host.name} has become shorter, or cannot be read: {_said(done)}")
    return done.stdout


async def _run(host: Host, script: str, *words: str) -> None:
    done = await host.run(["sh", "-c", script, "sh", *words], SUM)
    if done.status:
        raise FileError(f"{words[0]} on {host.name}: {_said(done)}")


def _said(done: Completed) -> str:
    return done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"status {done.status}"
