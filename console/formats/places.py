"""File names that the reader of a report can open: relative to the current folder when they are below it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from console.estate.load import Estate


def path(estate: Estate, file: str) -> str:
    """Return a file's path, relative to the current folder when it is inside; bytes that are not UTF-8 are replaced."""
    at = (estate.file.parent / file).absolute() if file != str(estate.file) else estate.file.absolute()
    here = Path.cwd()
    found = at.relative_to(here).as_posix() if at.is_relative_to(here) else at.as_posix()
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def uri(estate: Estate, file: str) -> str:
    """Return a file's URI reference: relative when it is below the current folder."""
    found = path(estate, file)
    return f"file://{quote(found)}" if found.startswith("/") else quote(found)
