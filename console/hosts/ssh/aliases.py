"""The machines that an OpenSSH configuration names: its Host lines, read as text. Nothing of it is run or asked."""

from __future__ import annotations

import glob
import os
import pwd
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from console.hosts import names
from console.store.plain import open_plain

LARGEST = 1 << 20
"""Bytes of one file that are read."""

MOST_FILES = 64
"""Files of one configuration, those that it includes among them."""

MOST = 500
"""Aliases that are listed."""

_DIRECTIVE = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*)")


def read(file: Path | None = None) -> dict[str, str]:
    """Return the aliases of the operator's configuration, or of `file`: alias → its HostName and User in words.

    Patterns are no aliases. What cannot be read is left out: `ssh` itself says what is wrong with it."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    found: dict[str, dict[str, str]] = {}
    current: list[str] = []
    for word, value in _lines(file or home / ".ssh/config", home, [MOST_FILES]):
        if word == "host":
            current = [each for each in value.replace('"', "").split() if _is_alias(each)]
            for alias in current:
                if len(found) < MOST:
                    found.setdefault(alias, {})
        elif word == "match":
            current = []
        elif word in ("hostname", "user"):
            for alias in current:
                found.get(alias, {}).setdefault(word, value.strip('"'))
    return {alias: _words(alias, settings) for alias, settings in found.items()}


def _is_alias(word: str) -> bool:
    return not set(word) & set("*?!") and not names.complaint(word)


def _words(alias: str, settings: dict[str, str]) -> str:
    host = settings.get("hostname", "").replace("%h", alias)
    user = settings.get("user", "")
    return f"{user}@{host or alias}" if user else host


def _lines(path: Path, home: Path, left: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the directives of a file and of those it includes: the word in lower case, and its value."""
    left[0] -= 1
    if left[0] < 0:
        return
    for line in _text(path).splitlines():
        directive = _DIRECTIVE.match(line)
        if directive is None:
            continue
        word, value = directive[1].lower(), directive[2].strip()
        if word != "include":
            yield word, value
            continue
        for pattern in value.split():
            base = home / pattern[2:] if pattern.startswith("~/") else home / ".ssh" / pattern
            for name in sorted(glob.glob(str(base)))[:MOST_FILES]:  # noqa: PTH207  as ssh's own glob: no ** in it
                yield from _lines(Path(name), home, left)


def _text(path: Path) -> str:
    with suppress(OSError), os.fdopen(open_plain(path), "rb") as file:
        return file.read(LARGEST).decode("utf-8", "replace")
    return ""
