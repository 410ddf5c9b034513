"""What a drifted file says of the lane that breaks: the changed line beside the lane that it describes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from console.diagnosis.mode import Proof, Scope
from console.diagnosis.world import World
from console.text import clean

_HUNK = re.compile(r"@@ -(\d+)")
END_OF_FILE = 1 << 30


def changed_here(world: World, scope: Scope) -> Proof:
    """The deployed file differs from yours in the very section that describes this lane."""
    port = scope.ports[0]
    lane = world.lanes[port].lane
    for drifted in world.seen.drifted:
        if drifted.kind != "file" or drifted.file != lane.source.file:
            continue
        first, last = _section(world, port)
        lines = [line for number, line in changes(drifted.diff) if first <= number < last and _matters(line)]
        if lines:
            told = " ".join(clean(" ".join(line.split()), 100) for line in lines[:3])
            words = tuple(clean(line, 160) for line in lines[:4])
            return Proof(True, words, {"file": drifted.file, "on": drifted.host, "lines": told})
    return Proof(False)


def _section(world: World, port: int) -> tuple[int, int]:
    """The lines of the file that describe a lane: up to where the next one begins."""
    source = world.lanes[port].lane.source
    others = (each.lane.source for each in world.lanes.values())
    starts = sorted(other.line for other in others if other.file == source.file and other.line > source.line)
    return source.line, starts[0] if starts else END_OF_FILE


def changes(diff: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield (line of the repository's file, changed line) of a unified diff."""
    number = 0
    for line in diff:
        if line[:3] in ("---", "+++"):
            continue
        if match := _HUNK.match(line):
            number = int(match[1])
            continue
        if line[:1] in ("+", "-"):
            yield number, line
        number += line[:1] in (" ", "-")


def _matters(line: str) -> bool:
    """Whether a changed line says anything to HAProxy."""
    text = line[1:].strip()
    return bool(text) and not text.startswith("#")
