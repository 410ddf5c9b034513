"""Edits of /etc/fstab that keep every other byte."""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

FIELD = re.compile(r"[^ \t]+")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Line(Struct, frozen=True):
    """One line that mounts something: its number from 0, its fields as written, and where each begins."""

    number: int
    fields: tuple[str, ...]
    starts: tuple[int, ...]

    @property
    def device(self) -> str:
        """What is mounted, without the quotes that a tag may have."""
        return plain(self.fields[0]).replace('"', "")

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return plain(self.fields[1]).rstrip("/") or "/"

    @property
    def kind(self) -> str:
        """The file system."""
        return self.fields[2]

    @property
    def options(self) -> tuple[str, ...]:
        """The options; `defaults` when there are none."""
        return tuple(self.fields[3].split(",")) if len(self.fields) > 3 else ("defaults",)


def lines(text: str) -> tuple[Line, ...]:
    """The lines that mount something, in order; comments and lines with less than three fields mount nothing."""
    found = []
    for number, row in enumerate(text.split("\n")):
        words = list(FIELD.finditer(row.rstrip("\r")))
        if len(words) > 2 and not words[0][0].startswith("#"):
            found.append(Line(number, tuple(w[0] for w in words), tuple(w.start() for w in words)))
    return tuple(found)


def mend(text: str, line: Line, device: str, without: Collection[str] = ()) -> str:
    """Put `device` into a line, and take options out of it; `defaults` is what is left of none."""
    rows = text.split("\n")
    row = rows[line.number]
    if len(line.fields) > 3 and (kept := [each for each in line.options if each not in without]) != list(line.options):
        at = line.starts[3]
        row = row[:at] + (",".join(kept) or "defaults") + row[at + len(line.fields[3]) :]
    at = line.starts[0]
    rows[line.number] = row[:at] + device + row[at + len(line.fields[0]) :]
    return "\n".join(rows)


def add(text: str, device: str, path: str, kind: str = "ext4", options: str = "defaults") -> str:
    """Add a line at the end; a last line that nothing ends is ended first."""
    before = text if not text or text.endswith("\n") else text + "\n"
    return f"{before}{device} {written(path)} {kind} {options} 0 2\n"


def drop(text: str, line: Line) -> str:
    """Take a line out."""
    rows = text.split("\n")
    del rows[line.number]
    return "\n".join(rows)


def written(path: str) -> str:
    """A path as fstab wants it: blanks and backslashes in octal."""
    return re.sub(r"[\s\\#]", lambda match: f"\\{ord(match[0]):03o}", path)


def plain(field: str) -> str:
    """A field without its octal escapes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
