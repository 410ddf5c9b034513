"""What is mounted where: `findmnt --json --bytes`; without it, or with one too old, /proc/self/mountinfo.

Before util-linux 2.33 every value is a string; 2.27 and 2.28 wrote escapes that JSON does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from msgspec import Struct

from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

COMMAND = ("findmnt", "--json", "--bytes", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS,UUID,SIZE,AVAIL")
QUICK = ("findmnt", "--json", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS,UUID")
"""Without sizes: asking a dead network file system for its size never ends."""
PROC = ("cat", "/proc/self/mountinfo")

_HEX = re.compile(r"(?<!\\)\\x([0-9a-fA-F]{2})")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(Struct, frozen=True):
    """One mounted file system; sizes in bytes, None where they are not told."""

    target: str
    source: str
    kind: str
    options: tuple[str, ...] = ()
    uuid: str = ""
    size: int | None = None
    free: int | None = None


class Mounts(Struct, frozen=True):
    """All that is mounted, in the order it was mounted, or why nobody could tell."""

    found: tuple[Mount, ...] = ()
    error: str = ""

    def on(self, target: str) -> Mount | None:
        """What is mounted on exactly that folder: the last one, for it hides the others."""
        return next((mount for mount in reversed(self.found) if mount.target == target), None)

    def holding(self, path: str) -> Mount | None:
        """The file system that holds a path."""
        inside = [mount for mount in self.found if f"{path}/".startswith(f"{mount.target.rstrip('/')}/")]
        longest = max((len(mount.target) for mount in inside), default=0)
        return next((mount for mount in reversed(inside) if len(mount.target) == longest), None)


async def ask(host: Host) -> Mounts:
    """Ask what is mounted on `host`; failures are in the result, never raised."""
    error = ""
    for command in (COMMAND, QUICK, PROC):
        answer = await run(host, command)
        problem = answer.error
        if not problem:
            try:
                return Mounts(parse(answer.text))
            except ValueError as said:
                problem = f"{command[0]} on {host.name}: {said}"
        error = error or problem
        if answer.status < 0 and not answer.late:
            break
    return Mounts(error=error)


def parse(text: str) -> tuple[Mount, ...]:
    """Read findmnt's JSON or mountinfo; raises ValueError when it is neither."""
    if not text.lstrip().startswith("{"):
        return tuple(_from_proc(line) for line in text.split("\n") if line.strip())
    try:
        document = json.loads(_HEX.sub(r"\\u00\1", text), strict=False)
        return tuple(_flat(document["filesystems"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the answer to findmnt --json: {clean(str(error), 80)}") from None


def number(value: object) -> int | None:
    """A number that may be written as a string, or not at all; raises ValueError for anything else."""
    if value is None or value == "":
        return None
    if isinstance(value, str | int):
        return int(value)
    raise ValueError(f"not a number: {clean(str(value), 40)}")


def _flat(rows: list[dict[str, object]]) -> Iterator[Mount]:
    for row in rows:
        yield Mount(
            clean(str(row["target"]), 400),
            clean(str(row.get("source") or ""), 400),
            clean(str(row.get("fstype") or ""), 40),
            tuple(clean(str(row.get("options") or ""), 2000).split(",")),
            clean(str(row.get("uuid") or ""), 60),
            number(row.get("size")),
            number(row.get("avail")),
        )
        children = row.get("children")
        if isinstance(children, list):
            yield from _flat(children)


def _from_proc(line: str) -> Mount:
    """Read one line of proc(5): six fields, optional ones, a dash, then kind, source and the super block's options."""
    before, dash, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if not dash or len(left) < 6 or len(right) < 2:
        raise ValueError(f"not a line of mountinfo: {clean(line, 60)}")
    root, target, kind, source = (_plain(word) for word in (left[3], left[4], right[0], right[1]))
    if root != "/" and source.startswith("/"):
        source = f"{source}[{root}]"  # a bind mount or subvolume, written as findmnt does
    options = (*left[5].split(","), *(right[2].split(",") if len(right) > 2 else ()))
    unique = dict.fromkeys(clean(option, 200) for option in options)
    return Mount(target, source, kind, tuple(unique))


def _plain(word: str) -> str:
    """Undo the kernel's octal escapes of blanks and backslashes."""
    raw = _OCTAL.sub(lambda match: chr(int(match[1], 8)), word)
    return clean(raw, 400)
