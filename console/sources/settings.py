"""`name = value` files to names, values and their places: Postfix's extra.cf, Dovecot's extra.conf."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from console.model import Span


class Setting(Struct, frozen=True):
    """One value as it counts, and the place of its name."""

    value: str
    span: Span


class Settings(Struct, frozen=True):
    """A file's settings; the last of a name counts. Dovecot's blocks are looked through."""

    file: str
    values: dict[str, Setting] = {}

    def get(self, name: str) -> str:
        """Return a value, "" when it is not set."""
        return self.values[name].value if name in self.values else ""

    def place(self, name: str) -> Span:
        """Return where a name is set, the file's beginning when it is not."""
        return self.values[name].span if name in self.values else Span(self.file, 1)

    def expand(self, value: str) -> str:
        """Return a value with `$name`, `${name}` and `$(name)` of this file put in, as Postfix does; others stay."""
        for _ in range(_DEEPEST):
            if "$" not in value or len(value) > _LONGEST:
                break
            value = _NAMED.sub(lambda match: self.get(match[1] or match[2] or match[3]) or match[0], value)
        return value


_NAMED = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))")
_DEEPEST = 4
_LONGEST = 4096
_SETTING = re.compile(r"(\s*)([A-Za-z_][\w.]*)\s*=\s*(.*)")


def read(text: str, file: str, *, continued: bool = False) -> Settings:
    """Read a file; `continued` says that a line which begins with a blank goes on with the one before, as Postfix's do.

    What is no setting (a block, `!include`) is passed over."""
    found: dict[str, tuple[list[str], Span]] = {}
    last = ""
    for number, bare in _rows(text) if continued else joined(text):
        if continued and bare[0] in " \t":
            if last:
                found[last][0].append(bare.strip())
            continue
        match = _SETTING.fullmatch(bare)
        last = match[2] if match else ""
        if match:
            start = len(match[1]) + 1
            found[match[2]] = [match[3].strip()], Span(file, number, start, start + len(match[2]))
    return Settings(file, {name: Setting(" ".join(parts).strip(), span) for name, (parts, span) in found.items()})


def _rows(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that say something, each with its number."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        bare = line.rstrip()
        if bare and not bare.lstrip().startswith("#"):
            yield number, bare


def joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file of Dovecot's without comments, those that end in a backslash with the next ones.

    What an empty line, a comment or the file's end follows there is dropped, as Dovecot drops it (doveconf 2.3)."""
    kept: list[str] = []
    begun = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.split("#", 1)[0].rstrip()
        if not line:
            kept, begun = [], 0
        elif line.endswith("\\"):
            begun = begun or number
            kept.append(line[:-1].strip() if kept else line[:-1].rstrip())
        elif kept:
            yield begun, " ".join((*kept, line.lstrip()))
            kept, begun = [], 0
        else:
            yield number, line
