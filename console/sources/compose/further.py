"""The files that compose files include, extend and name as env_file: each read once, and no more than an estate has.

A file is read once for the same variables; both the number of readings and what they bring are limited, because files
that include files multiply. What is beyond a limit is said where it begins, and left out."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import TypeAlias

from console.errors import InputError
from console.sources.compose import env_file
from console.sources.compose.env_file import EnvFile
from console.sources.compose.tree import Item
from console.text import clean

Texts: TypeAlias = Callable[[str], "str | None"]
"""Returns the text of a file by its path, spelled from where the first file's own path starts; None when it is not
there, or is not to be read."""

Variables: TypeAlias = Mapping[str, str]

MOST_READ = 64
"""Readings of files, each with its variables."""

MOST_TEXT = 1 << 20
"""Characters of all readings."""

MOST_USES = 10_000
"""Uses of these files, and services that they bring."""

MOST_VARIABLES = 100_000
"""Variables that services are given, counted once for each service."""


class Further:
    """Reads further files; `complain` hears of what is not there, `limits` of each limit that is reached, once."""

    def __init__(
        self, texts: Texts | None, complain: Callable[[InputError], None], limits: Callable[[InputError], None]
    ) -> None:
        self._texts, self._complain, self.limits = texts, complain, limits
        self._found: dict[str, str | None] = {}
        self._trees: dict[tuple[str, int], Item | None] = {}
        self._env: dict[tuple[str, int], EnvFile] = {}
        self._joined: dict[tuple[str, int, bool], Variables] = {}
        self._same: dict[frozenset[tuple[str, str]], Variables] = {}
        self._kept: list[Variables] = []
        self._read = self._size = self._used = self._given = 0

    def _end(self, item: Item, problem: str) -> None:
        self.limits(InputError(item.span.file, item.span.line, item.span.column, f"{problem}: {_REST}"))

    @property
    def any(self) -> bool:
        """Whether further files are read at all."""
        return self._texts is not None

    def _say(self, item: Item, problem: str) -> None:
        self._complain(InputError(item.span.file, item.span.line, item.span.column, problem))

    def text(self, path: str) -> str | None:
        """Return the text of a file, asked for once."""
        if path not in self._found:
            self._found[path] = self._texts(path) if self._texts else None
        return self._found[path]

    def named(self, item: Item, written: str, beside: str) -> str | None:
        """Return the path of a file that another one names; one that is not to be had is a problem there."""
        path = path_of(written, beside)
        there = bool(written) and "\0" not in written and self.text(path) is not None
        if not there and self._texts:
            self._say(item, f'"{clean(written, 120)}" is not there, or is not ours to read: mend the path')
        return path if there else None

    def use(self, item: Item, count: int = 1) -> bool:
        """Count a use of these files; returns whether it is within the limit."""
        before, self._used = self._used, self._used + count
        if before <= MOST_USES < self._used:
            self._end(item, f"more than {MOST_USES} services or files come from files that include others")
        return self._used <= MOST_USES

    def give(self, item: Item, count: int) -> bool:
        """Count variables that a service is given; returns whether they are within the limit."""
        before, self._given = self._given, self._given + count
        if before <= MOST_VARIABLES < self._given:
            self._end(item, f"services are given more than {MOST_VARIABLES} variables")
        return self._given <= MOST_VARIABLES

    def _begin(self, item: Item, size: int) -> bool:
        """Count a reading; returns whether it is within the limits."""
        full = self._read > MOST_READ or self._size > MOST_TEXT
        self._read, self._size = self._read + 1, self._size + size
        over = self._read > MOST_READ or self._size > MOST_TEXT
        if over and not full:
            least = f"{MOST_READ} files" if self._read > MOST_READ else f"{MOST_TEXT >> 20} MiB"
            self._end(item, f"more than {least} are included, extended or named as env_file")
        return not over

    def tree(
        self, item: Item, path: str, variables: Variables, convert: Callable[[str, str, Variables], Item | None]
    ) -> Item | None:
        """Return the tree of a file with these variables."""
        key = (path, id(variables))
        if key not in self._trees:
            text = self.text(path) or ""
            self._kept.append(variables)
            self._trees[key] = convert(text, path, variables) if self._begin(item, len(text)) else None
        return self._trees[key]

    def env(self, item: Item, path: str, around: Variables | None = None) -> EnvFile:
        """Return an env file, its values expanded with the variables `around` it."""
        key = (path, id(around))
        if key not in self._env:
            text = self.text(path) or ""
            self._kept.append(around or {})
            self._env[key] = env_file.read(text, path, around) if self._begin(item, len(text)) else EnvFile()
        return self._env[key]

    def join(self, path: str, found: EnvFile, variables: Variables, *, over: bool) -> Variables:
        """Return the variables with those of an env file, put `over` them or below; equal ones are the same object."""
        if not found.values:
            return variables
        key = (path, id(variables), over)
        if key not in self._joined:
            self._kept.append(variables)
            both = {**variables, **found.values} if over else {**found.values, **variables}
            self._joined[key] = self._same.setdefault(frozenset(both.items()), both)
        return self._joined[key]


_REST = "the rest is not read; is this the right file?"


def path_of(written: str, beside: str) -> str:
    """Return the path of a file that another one names, from where that one's path starts."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(beside), written))
