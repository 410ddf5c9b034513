"""Which differences between a file of the repository and its host's count."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable


def lines(text: str) -> list[str]:
    """Return a file's lines without line ends, trailing blanks, a byte order mark and empty last lines."""
    return [line.rstrip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]


def _extra(text: str) -> list[str]:
    """extra.cf: Mailcow's start script deletes lines with `myhostname` (not `$myhostname`) and writes its own."""
    return [line for line in lines(text) if "myhostname" not in line or "$myhostname" in line]


def _main(text: str) -> list[str]:
    """main.cf: Mailcow's start script appends extra.cf below the line "User overrides"."""
    found = lines(text)
    marks = [number for number, line in enumerate(found) if "User overrides" in line]
    return found[: marks[0]] if marks else found


def _generated(text: str) -> list[str]:
    """sni.map: Mailcow generates it at each start."""
    return []


_NORMAL: dict[str, Callable[[str], list[str]]] = {"extra.cf": _extra, "main.cf": _main, "sni.map": _generated}

_KEY = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=")


def normal(path: str, ours: str, theirs: str) -> tuple[list[str], list[str]]:
    """Return the lines to compare, of the repository's file and of the host's.

    Of mailcow.conf only names that the repository's sets: the host's has passwords that belong in no repository."""
    if posixpath.basename(path) in ("mailcow.conf", ".env"):
        names = {match[1] for line in lines(ours) if (match := _KEY.match(line))}
        return _settings(ours, names), _settings(theirs, names)
    read = _NORMAL.get(posixpath.basename(path), lines)
    return read(ours), read(theirs)


def _settings(text: str, names: set[str]) -> list[str]:
    found = {match[1]: line.strip() for line in lines(text) if (match := _KEY.match(line)) and match[1] in names}
    return [found[name] for name in sorted(found)]
