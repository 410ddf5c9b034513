"""What a machine mounts at its start: /etc/fstab, and the systemd drop-ins that wait for it."""

from __future__ import annotations

import re

from msgspec import Struct

from console.model import Span


class Mount(Struct, frozen=True):
    """One line of fstab: what is mounted, where, and how."""

    device: str
    path: str
    options: tuple[str, ...]
    span: Span


class Mounts(Struct, frozen=True):
    """All mounts of the given files, and the paths that a unit requires (`RequiresMountsFor=`)."""

    file: str
    mounts: tuple[Mount, ...] = ()
    required: tuple[str, ...] = ()


_OCTAL = re.compile(r"\\([0-7]{3})")
_SECTION = re.compile(r"^\[\w+\][ \t]*\r?$", re.MULTILINE)
_REQUIRES = re.compile(r"\s*RequiresMountsFor\s*=\s*(.*)")


def read(files: list[tuple[str, str]]) -> Mounts:
    """Read (name, text) pairs: a file with a `[Section]` is a unit or drop-in of systemd, any other one an fstab."""
    mounts: list[Mount] = []
    required: list[str] = []
    units = {name for name, text in files if _SECTION.search(text)}
    tables = [name for name, _ in files if name not in units]
    for name, text in files:
        for number, line in enumerate(text.split("\n"), 1):
            if name in units:
                if match := _REQUIRES.fullmatch(line.rstrip()):
                    required += match[1].split()
            elif (fields := line.split()) and not fields[0].startswith("#") and len(fields) >= 3:
                path = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
                options = tuple(fields[3].split(",")) if len(fields) > 3 else ()
                column = len(line) - len(line.lstrip()) + 1
                mounts.append(Mount(fields[0], path, options, Span(name, number, column, len(line.rstrip()) + 1)))
    return Mounts((tables or [name for name, _ in files])[0], tuple(mounts), tuple(required))
