"""Where each key of a TOML text stands: tomllib tells values, not places."""

from __future__ import annotations

import re
from typing import TypeAlias

Path: TypeAlias = "tuple[str | int, ...]"
"""Keys and list indices from the top: ("lane", 0, "port")."""

_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")


def find(text: str) -> dict[Path, tuple[int, int]]:
    """Return line and column, 1-based, of every key, table and list element; `text` must be what tomllib accepts."""
    finder = _Finder(text)
    finder.run()
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    places = {}
    line = 0
    for path, offset in sorted(finder.offsets.items(), key=lambda item: item[1]):
        while line + 1 < len(starts) and starts[line + 1] <= offset:
            line += 1
        places[path] = (line + 1, offset - starts[line] + 1)
    return places


class _Finder:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.offsets: dict[Path, int] = {}
        self.lengths: dict[Path, int] = {}

    def run(self) -> None:
        table: Path = ()
        self._space()
        while self.at < len(self.text):
            start = self.at
            if self.text[self.at] == "[":
                array = self.text.startswith("[[", self.at)
                self.at += 2 if array else 1
                path = self._resolve((), self._key(), last=not array)
                if array:
                    index = self.lengths.get(path, 0)
                    self.lengths[path] = index + 1
                    self._keep(path, start)
                    path = (*path, index)
                self._keep(path, start)
                table = path
                self.at += 2 if array else 1
            else:
                self._pair(table)
            self._space()

    def _keep(self, path: Path, offset: int) -> None:
        self.offsets.setdefault(path, offset)

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _resolve(self, base: Path, keys: list[tuple[str, int]], last: bool = False) -> Path:
        """Return the path of keys; one that names a list of tables means its latest."""
        path = base
        for number, (key, _) in enumerate(keys):
            path = (*path, key)
            if path in self.lengths and (last or number < len(keys) - 1):
                path = (*path, self.lengths[path] - 1)
        return path

    def _key(self) -> list[tuple[str, int]]:
        keys: list[tuple[str, int]] = []
        while True:
            self._space()
            start = self.at
            match = _TEXT.match(self.text, self.at) or _BARE.match(self.text, self.at)
            if match is None:
                self.at = max(self.at + 1, start)
                return keys
            self.at = match.end()
            keys.append((_plain(match[0]), start))
            self._space()
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _pair(self, base: Path) -> None:
        keys = self._key()
        for number in range(1, len(keys) + 1):
            self._keep(self._resolve(base, keys[:number]), keys[number - 1][1])
        self._space()
        self.at += 1  # the equals sign
        self._value(self._resolve(base, keys))

    def _value(self, path: Path) -> None:
        self._space()
        if self.text.startswith("[", self.at):
            self._list(path)
        elif self.text.startswith("{", self.at):
            self._table(path)
        else:
            match = _TEXT.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            self.at = match.end() if match else self.at + 1

    def _list(self, path: Path) -> None:
        self.at += 1
        index = 0
        self._space()
        while self.at < len(self.text) and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
            else:
                self._keep((*path, index), self.at)
                self._value((*path, index))
                index += 1
            self._space()
        self.at += 1

    def _table(self, path: Path) -> None:
        self.at += 1
        self._space()
        while self.at < len(self.text) and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
            else:
                self._pair(path)
            self._space()
        self.at += 1


def _plain(key: str) -> str:
    """Return a key without its quotes."""
    if key[0] not in "\"'":
        return key
    import tomllib

    return str(tomllib.loads(f"key = {key}")["key"])
