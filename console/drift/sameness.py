"""Which differences between a file of the repository and its host's count."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable


def lines(text: str) -> list[str]:
    """Return a file's lines without what no reader of it sees: line ends, blanks at their ends, a last empty line."""
    return [line.rstrip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]


def _extra(text: str) -> list[str]:
    """extra.cf: Mailcow's start deletes each line with `myhostname` (but for `$myhostname`), and writes its own."""
    return [line for line in lines(text) if "myhostname" not in line or "$myhostname" in line]


def _main(text: str) -> list[str]:
    """main.cf: Mailcow's start puts extra.cf behind the line that names the user's overrides."""
    found = lines(text)
    marks = [number for number, line in enumerate(found) if "User overrides" in line]
    return found[: marks[0]] if marks else found


def _generated(text: str) -> list[str]:
    """sni.map is made anew at each start."""
    return []


_NORMAL: dict[str, Callable[[str], list[str]]] = {"extra.cf": _extra, "main.cf": _main, "sni.map": _generated}

_KEY = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=")


def normal(path: str, ours: str, theirs: str) -> tuple[list[str], list[str]]:
    """Return the lines of a file of the repository and of its host that are to be compared.

    Of mailcow.conf those of the names that ours sets: the host's has passwords that belong in no repository."""
    if posixpath.basename(path) in ("mailcow.conf", ".env"):
        names = {match[1] for line in lines(ours) if (match := _KEY.match(line))}
        return _settings(ours, names), _settings(theirs, names)
    read = _NORMAL.get(posixpath.basename(path), lines)
    return read(ours), read(theirs)


def _settings(text: str, names: set[str]) -> list[str]:
    found = {match[1]: line.strip() for line in lines(text) if (match := _KEY.match(line)) and match[1] in names}
    return [found[name] for name in sorted(found)]
