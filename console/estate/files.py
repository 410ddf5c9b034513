"""The files that a site names, each read once; a file that cannot be read is reported where it is named."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import stat
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from console.errors import InputError
from console.estate import cache, site_file, text_file
from console.estate.boundary import Boundary
from console.estate.places import operators_own
from console.model import Span
from console.sources import toml_places
from console.text import clean

Where = toml_places.Path
Stamp = tuple[int, int, int]
T = TypeVar("T")


MOST_FILES = 512
"""Files of one estate, those that files name apart (`compose.further`, `opentofu.scope`)."""

MOST_BYTES = 8 << 20
"""Bytes of these files."""


class File(Struct, frozen=True):
    """A file that was read: its name as shown, its path, the stamp of its version, its text."""

    shown: str
    path: str
    stamp: Stamp
    text: str


class Memo:
    """Results made of files, kept until the files change; those of `known` are shared."""

    def __init__(self, known: Memo | None = None) -> None:
        self._results: dict[Hashable, tuple[Hashable, object]] = known._results if known else {}
        self.asked: dict[tuple[str, str], dict[str, Stamp | None]] = known.asked if known else {}
        """By kind and site file: the further files that OpenTofu's expressions and compose read."""

    def beside(self, path: Path) -> tuple[str, ...]:
        """Return the paths of further files that were looked for, whether they exist or not."""
        return tuple(name for kind in ("tofu", "compose", "haproxy") for name in self.asked.get((kind, str(path)), ()))

    def once(self, key: Hashable, stamp: Hashable, make: Callable[[], T]) -> T:
        """Return the result of `make` for this key; it is made again when the stamp has changed."""
        kept = self._results.get(key)
        if kept is None or kept[0] != stamp:
            kept = self._results[key] = (stamp, make())
        found: T = kept[1]  # type: ignore[assignment]
        return found


class Files:
    """The files of one site, read once; `texts` and `problems` collect the results.

    `instead` has texts that are used instead of the files of these names."""

    def __init__(self, memo: Memo, path: Path, instead: Mapping[str, str]) -> None:
        self.memo, self.path, self.file, self.instead = memo, path, str(path), instead
        text = instead[self.file] if self.file in instead else site_file.read(path)
        self.site = site_file.parse(text, self.file)
        self.places = toml_places.find(text)
        self.texts: dict[str, str] = {self.file: text}
        self.problems: list[InputError] = []
        self.own = operators_own(path)
        self._around = Boundary(path.absolute().parent, ())
        self._named: dict[Path, bool] = {}
        self._bytes, self._full = 0, False

    def complain(self, where: Where | Span, problem: str) -> None:
        """Report a problem at a place of the site file, or of another one."""
        if isinstance(where, Span):
            self.problems.append(InputError(where.file, where.line, where.column, problem))
        else:
            self.problems.append(InputError(self.file, *self.places.get(where, (1, 1)), problem))

    def _room(self, path: Path, size: int, where: Where | Span, shown: str) -> bool:
        """Count a file; returns whether it is within the estate's limits. The first that is not is a problem."""
        if path in self._named:
            return self._named[path]
        most = len(self._named) >= MOST_FILES or self._bytes + size > MOST_BYTES
        self._bytes += size
        if most and not self._full:
            said = f'more than {MOST_FILES} files, or {MOST_BYTES >> 20} MiB: "{clean(shown, 120)}" and what follows'
            self.complain(where, f"{said} is not read; is this the right folder?")
        self._full = self._full or most
        self._named[path] = not self._full
        return self._named[path]

    def path_of(self, shown: str) -> Path:
        """Return the path of a file that the site file names."""
        written = Path(shown)
        with contextlib.suppress(RuntimeError):
            written = written.expanduser()
        return self.path.parent / written

    def outside(self, shown: str, where: Where | Span) -> bool:
        """Report a file that this site may not name: only the operator's own site file names what is elsewhere."""
        if self.own or self._around.holds(self.path_of(shown)):
            return False
        what = f'"{clean(shown, 120)}" is outside of this site and its repository: not read'
        self.complain(where, f"{what}. Copy it here, or name it in a site file in ~/.config/cowhand")
        return True

    def read(
        self, shown: str, where: Where | Span, largest: int = text_file.LARGEST, lenient: bool = False
    ) -> File | None:
        """Read a file; when that fails, the problem is reported where the file is named."""
        path = self.path_of(shown)
        if shown in self.instead:
            text = self.texts[shown] = self.instead[shown]
            return File(shown, str(path), (hash(text), len(text), -1), text)
        if self.outside(shown, where):
            return None
        try:
            found = path.stat()
            # One that is too large is not read at all.
            if not self._room(path, found.st_size if found.st_size <= largest else 0, where, shown):
                return None
            stamp = cache.version(found)
            within = None if self.own else self._around.holds
            read = self.memo.once(
                ("text", str(path), shown), stamp, lambda: _attempt(path, shown, largest, lenient, within)
            )
        except OSError as error:
            self.complain(where, f'"{clean(shown, 120)}" {text_file.reason(error)}')
            return None
        whole, problem = read
        if problem is not None:
            self.problems.append(problem)
        if whole is None:
            return None
        self.texts[shown] = whole
        return File(shown, str(path), stamp, whole)

    def entries(self, key: str, take: Callable[[list[str]], list[str]], pattern: str) -> Iterator[tuple[str, Where]]:
        """Yield the files that the entries of a list stand for, each with the place of its entry."""
        for index, entry in enumerate(getattr(self.site.sources, key)):
            where = ("sources", key, index)
            if self.elsewhere(entry, where):
                continue
            if not is_a(self.path_of(entry), stat.S_ISDIR):
                yield entry, where
                continue
            if self.outside(entry, where):
                continue
            try:
                names = visible(self.path_of(entry))
            except OSError as error:
                self.complain(where, f'"{clean(entry, 120)}" {text_file.reason(error)}')
                continue
            chosen = take(names)
            for name in [name for name in chosen if not name.isprintable()]:
                chosen.remove(name)
                self.complain(where, f'"{clean(name, 60)}" in "{clean(entry, 60)}" is no plain name: rename the file')
            if not chosen:
                self.complain(where, f'"{clean(entry, 120)}" has no {pattern}: name the file itself, or mend the path')
            for name in chosen:
                yield posixpath.join(entry, name), where

    def elsewhere(self, entry: str, where: Where) -> bool:
        """Report an entry that is written `host:path`; returns whether it is one."""
        match = re.fullmatch(r"([\w.@-]+):.+", entry)
        if not match or is_a(self.path_of(entry), lambda mode: True):
            return False
        what = f'"{clean(entry, 120)}" is on another machine, and only files on this one are read'
        if match[1] not in self.site.hosts:
            what = f'"{clean(entry, 120)}" names no host of this file'
        self.complain(where, f"{what}: copy it here and name the copy")
        return True

    def single(self, written: str, where: Where, largest: int = text_file.LARGEST) -> File | None:
        """Read the file of a key that names a single one."""
        return None if self.elsewhere(written, where) else self.read(written, where, largest)

    def boundary(self, files: Sequence[File]) -> Boundary:
        """Return the boundary of these files."""
        return Boundary(self.path.absolute().parent, [self.path_of(file.shown).parent for file in files])

    def beside(self, kind: str, boundary: Boundary, folder: str, name: str) -> str | None:
        """Return the text of a file that another one refers to; None when it does not exist or may not be read."""
        path = self.path_of(posixpath.join(folder, name))
        if not boundary.holds(path):
            return None
        self.memo.asked.setdefault((kind, self.file), {})[str(path)] = cache.stamp(path)
        try:
            return text_file.read(path, name, within=boundary.holds)
        except (OSError, InputError):
            return None

    def versions(self, kind: str) -> tuple[tuple[str, Stamp | None], ...]:
        """Return the stamps of the further files that were read last time: a result depends on them too."""
        return tuple((name, cache.stamp(Path(name))) for name in sorted(self.memo.asked.get((kind, self.file), ())))


def _attempt(
    path: Path, shown: str, largest: int, lenient: bool, within: Callable[[Path], bool] | None
) -> tuple[str | None, InputError | None]:
    """Return the text, and what is wrong with it; one with a byte that is not UTF-8 is read all the same."""
    try:
        return text_file.read(path, shown, largest, lenient=lenient, within=within), None
    except text_file.NotUnicodeError as error:
        return error.text, error
    except InputError as error:
        return None, error


def is_a(path: Path, kind: Callable[[int], bool]) -> bool:
    """Return whether a path exists and its mode is of that kind."""
    try:
        return kind(path.stat().st_mode)
    except OSError:
        return False


def visible(folder: Path) -> list[str]:
    """Return the names in a folder that are not hidden, in C order."""
    return sorted((each.name for each in folder.iterdir() if not each.name.startswith(".")), key=os.fsencode)


def stamps(files: Sequence[File]) -> tuple[tuple[str, str, Stamp], ...]:
    """Return what identifies these versions of these files."""
    return tuple((file.shown, file.path, file.stamp) for file in files)
