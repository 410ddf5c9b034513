"""What has lanes in it: the site file and HAProxy's files. It is read first, and without what reads HCL and YAML."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from console.errors import InputError
from console.estate import site_file
from console.estate.files import File, Files, Memo, stamps
from console.events import EstateRead
from console.model import Span
from console.sources.haproxy import Configuration, parse_files
from console.sources.haproxy.routing import files_of
from console.text import clean
from console.topology.build import build
from console.topology.sources import Sources

LARGEST_HAPROXY = 8 << 20
"""Bytes of a file: hundreds of thousands of lines."""

MOST_AT_ONCE = 128 << 10
"""Bytes of HAProxy's files that are read before the first paint: thousands of lines, in some 20 ms."""

MOST_LISTS = 64
"""Maps and lists of HAProxy's that are read."""

SHARED = Memo()
"""What was read here is not read again with the whole estate."""


def first(path: Path, largest: int = MOST_AT_ONCE) -> EstateRead | None:
    """Return the lanes, from the site file and HAProxy's files alone: what can be shown before the rest is read.

    None when the site file cannot be used, or HAProxy's files have more than `largest` bytes."""
    try:
        return LaneFiles(SHARED, path, {}).first(largest)
    except (InputError, OSError):
        return None


ABOVE = 60
"""Lines above one that is quoted, which may say that it is a secret: the beginning of a key or of a block."""


def unquoted(problems: tuple[InputError, ...], texts: Mapping[str, str]) -> tuple[InputError, ...]:
    """Return what is wrong with files, with dots for the words of a line that are not shown in the line itself."""
    if not problems:
        return ()
    from console.mask import DOTS, mask

    found = []
    lines = {file: texts[file].split("\n") for file in {each.file for each in problems} if file in texts}
    for each in problems:
        rows = lines.get(each.file, [])[max(0, each.line - ABOVE) : each.line] if each.line else []
        said = mask(each.problem)
        quoted = {word for word in _WORD.findall(rows[-1]) if word in said} if rows else set()
        shown = mask("\n".join(rows)).split("\n")[-1] if quoted else ""
        for word in sorted((word for word in quoted if word not in shown), key=len, reverse=True):
            said = said.replace(word, DOTS)
        found.append(each if said == each.problem else InputError(each.file, each.line, each.column, said))
    return tuple(found)


_WORD = re.compile(r"[^\s\"'`,;()\[\]{}]{4,}")


class LaneFiles(Files):
    """One reading of the files that have lanes."""

    haproxy_files: tuple[File, ...] = ()

    def first(self, largest: int) -> EstateRead | None:
        """Read what has lanes in it, unless it is more than `largest` bytes."""
        if sum(self._size(entry) for entry in self.site.sources.haproxy) > largest:
            return None
        found = self.haproxy()
        sources = Sources(
            site=self.site, haproxy=found, declared=self.declared(), texts=self.texts, lists=self.lists(found)
        )
        problems = unquoted(tuple(self.problems), self.texts)
        return EstateRead(self.title(), build(sources), (), problems, {}, partial=True)

    def _size(self, entry: str) -> int:
        path = self.path_of(entry)
        each = path.glob("*.cfg") if path.is_dir() else (path,)
        return sum(file.stat().st_size for file in each if file.exists())

    def title(self) -> str:
        """Return the estate's name: its own, else its file's or folder's."""
        return clean(self.site.name or site_file.title(self.path) or "estate", 120)

    def declared(self) -> tuple[Span, ...]:
        """Return the places of the site file's [[lane]] entries."""
        return tuple(Span(self.file, *self.places.get(("lane", at), (1, 1))) for at in range(len(self.site.lane)))

    def haproxy(self) -> Configuration | None:
        """Read HAProxy's files; None when none could be read."""
        entries = self.entries("haproxy", lambda names: [name for name in names if name.endswith(".cfg")], "*.cfg")
        found = [self.read(shown, where, LARGEST_HAPROXY, lenient=True) for shown, where in entries]
        files = [file for file in found if file]
        if not files:
            return None
        self.haproxy_files = tuple(files)
        pairs = [(file.shown, file.text) for file in files]
        configuration = self.memo.once(("haproxy", self.file), stamps(files), lambda: parse_files(pairs))
        self.problems += configuration.problems
        if not configuration.proxies and not configuration.problems and len(files) == len(found):
            problem = "no listen, frontend or backend section; is this the right file?"
            self.problems.append(InputError(files[0].shown, 1, 1, problem))
        return configuration

    def lists(self, configuration: Configuration | None) -> dict[str, str]:
        """Read the maps and lists that HAProxy's conditions name, where copies lie beside its files."""
        names = files_of(configuration.proxies) if configuration else set()
        boundary = self.boundary(self.haproxy_files)
        found: dict[str, str] = {}
        for name in sorted(names)[:MOST_LISTS]:
            parts = [part for part in name.split("/") if part not in ("", ".", "..")]
            for document in configuration.documents if configuration else ():
                folder = posixpath.dirname(document.file)
                for at in range(len(parts)):
                    text = self.beside("haproxy", boundary, folder, "/".join(parts[at:]))
                    if text is not None:
                        found.setdefault(name, text)
        return found
