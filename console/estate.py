"""An estate from disk: the site file, every source it names, and the map they give; what cannot be read is said."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import stat
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from console import intake, recall, site, toml_places, topology
from console.boundary import Boundary
from console.errors import InputError
from console.model import Span, Topology
from console.site import Site
from console.sources import (
    authorized_keys,
    compose,
    env_file,
    haproxy,
    hcl,
    mounts,
    opentofu,
    override,
    settings,
    shell,
)
from console.sources.compose import Compose
from console.sources.env_file import EnvFile
from console.sources.haproxy import Configuration
from console.sources.hcl import Document
from console.sources.mounts import Mounts
from console.sources.opentofu import Tofu
from console.sources.settings import Settings
from console.sources.shell import Script
from console.text import clean
from console.topology import Sources

LARGEST_HAPROXY = 32 << 20
LARGEST_TOFU = 4 << 20
LARGEST_COMPOSE = 2 << 20
LARGEST_SCRIPT = 256 << 10
MOST_FOLDERS = 64
"""Module folders that are followed."""

Where = toml_places.Path
Stamp = tuple[int, int, int]
T = TypeVar("T")


class Estate(Struct, frozen=True):
    """All that was read. `texts` has each file that is text, by its name as the site file writes it.

    `remark` is why OpenTofu did not tell what its files leave open; "" when it did, or is not there to be asked."""

    site: Site
    file: Path
    title: str
    sources: Sources
    topology: Topology
    problems: tuple[InputError, ...] = ()
    texts: dict[str, str] = {}
    remark: str = ""

    @property
    def warnings(self) -> tuple[InputError, ...]:
        """What is read and probably wrong, in the order of the files; it makes nothing unusable."""
        return self.sources.haproxy.warnings if self.sources.haproxy else ()


class Reader:
    """Reads estates, and what has not changed on disk only once."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Hashable, object]] = {}
        self.asked: dict[tuple[str, str], dict[str, Stamp | None]] = {}
        """By kind and site file: what OpenTofu's expressions and compose read beside their own files."""

    def load(self, path: Path, instead: Mapping[str, str] | None = None) -> Estate:
        """Read the site file and all it names; raises `InputError` when the site file itself cannot be used.

        `instead` has texts that are read in the place of files, by their names as shown."""
        return _Loading(self, path, instead or {}).estate()

    def beside(self, path: Path) -> tuple[str, ...]:
        """The paths of what was looked for beside the files that are named, whether it was there or not."""
        return tuple(name for kind in ("tofu", "compose") for name in self.asked.get((kind, str(path)), ()))

    def once(self, key: Hashable, stamp: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave for this key, made again when the stamp has changed."""
        kept = self._kept.get(key)
        if kept is None or kept[0] != stamp:
            kept = self._kept[key] = (stamp, make())
        found: T = kept[1]  # type: ignore[assignment]
        return found


_READER = Reader()


def load(path: Path) -> Estate:
    """Read the estate of a site file; unchanged files cost nothing. Raises `InputError` for the site file itself."""
    return _READER.load(path)


def beside(path: Path) -> tuple[str, ...]:
    """The paths of what the files of this site made `load` look for elsewhere, as `file()` and `env_file` do."""
    return _READER.beside(path)


class _File(Struct, frozen=True):
    """A file that is there: its name as shown, its path, what tells one version of it from another, its text."""

    shown: str
    path: str
    stamp: Stamp
    text: str


class _Loading:
    """One reading of one estate."""

    def __init__(self, reader: Reader, path: Path, instead: Mapping[str, str]) -> None:
        self.reader, self.path, self.file, self.instead = reader, path, str(path), instead
        text = site.read(path)
        self.site = site.parse(text, self.file)
        self.places = toml_places.find(text)
        self.texts: dict[str, str] = {self.file: text}
        self.problems: list[InputError] = []
        self.environment: EnvFile | None = None
        self.environment_file = ""

    def estate(self) -> Estate:
        """Read everything."""
        named = self.site.sources
        haproxy_files, tofu, composed = self._haproxy(), self._tofu(), self._compose()
        sources = Sources(
            site=self.site,
            haproxy=haproxy_files,
            tofu=tofu,
            compose=composed,
            scripts=tuple(
                script
                for key in ("deploy_script", "deploy_hook")
                if (written := getattr(named, key)) and (script := self._script(written, ("sources", key)))
            ),
            declared=tuple(
                Span(self.file, *self.places.get(("lane", index), (1, 1))) for index in range(len(self.site.lane))
            ),
            environment=self.environment,
            environment_file=self.environment_file,
            postfix=self._settings("postfix_conf", "data/conf/postfix/extra.cf", continued=True),
            dovecot=self._settings("dovecot_conf", "data/conf/dovecot/extra.conf"),
            mounts=self._mounts(),
            keys=self._keys(),
            texts=self.texts,
        )
        if not (named.haproxy or named.opentofu or named.compose or self.site.lane):
            self._complain(("sources",), 'nothing to read: name haproxy = ["haproxy.cfg"] in [sources], or a [[lane]]')
        title = self.site.name or self.path.absolute().parent.name or "estate"
        return Estate(
            self.site, self.path, title, sources, topology.build(sources), tuple(self.problems), dict(self.texts)
        )

    def _complain(self, where: Where, problem: str) -> None:
        self.problems.append(InputError(self.file, *self.places.get(where, (1, 1)), problem))

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _path(self, shown: str) -> Path:
        written = Path(shown)
        with contextlib.suppress(RuntimeError):
            written = written.expanduser()
        return self.path.parent / written

    def _read(
        self, shown: str, where: Where | Span, largest: int = intake.LARGEST, lenient: bool = False
    ) -> _File | None:
        """Read one file once; a problem with getting at it is placed where it is named."""
        path = self._path(shown)
        if shown in self.instead:
            text = self.texts[shown] = self.instead[shown]
            return _File(shown, str(path), (hash(text), len(text), -1), text)
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            read = self.reader.once(("text", str(path), shown), stamp, lambda: _attempt(path, shown, largest, lenient))
        except OSError as error:
            problem = f'"{clean(shown, 120)}" {intake.reason(error)}'
            if isinstance(where, Span):
                self.problems.append(InputError(where.file, where.line, where.column, problem))
            else:
                self._complain(where, problem)
            return None
        if isinstance(read, InputError):
            self.problems.append(read)
            return None
        self.texts[shown] = read
        return _File(shown, str(path), stamp, read)

    def _entries(self, key: str, take: Callable[[list[str]], list[str]], pattern: str) -> Iterator[tuple[str, Where]]:
        """Yield the files that the entries of a list stand for, each with the place of its entry."""
        for index, entry in enumerate(getattr(self.site.sources, key)):
            where = ("sources", key, index)
            if self._elsewhere(entry, where):
                continue
            if not _is(self._path(entry), stat.S_ISDIR):
                yield entry, where
                continue
            try:
                names = _names(self._path(entry))
            except OSError as error:
                self._complain(where, f'"{clean(entry, 120)}" {intake.reason(error)}')
                continue
            chosen = take(names)
            for name in [name for name in chosen if not name.isprintable()]:
                chosen.remove(name)
                self._complain(where, f'"{clean(name, 60)}" in "{clean(entry, 60)}" is no plain name: rename the file')
            if not chosen:
                self._complain(where, f'"{clean(entry, 120)}" has no {pattern}: name the file itself, or mend the path')
            for name in chosen:
                yield posixpath.join(entry, name), where

    def _elsewhere(self, entry: str, where: Where) -> bool:
        """Say of `host:path` that it is not read from here."""
        match = re.fullmatch(r"([\w.@-]+):.+", entry)
        if not match or _is(self._path(entry), lambda mode: True):
            return False
        what = f'"{clean(entry, 120)}" is on another machine, and only files on this one are read'
        if match[1] not in self.site.hosts:
            what = f'"{clean(entry, 120)}" names no host of this file'
        self._complain(where, f"{what}: copy it here and name the copy")
        return True

    def _single(self, written: str, where: Where, largest: int = intake.LARGEST) -> _File | None:
        return None if self._elsewhere(written, where) else self._read(written, where, largest)

    # ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _haproxy(self) -> Configuration | None:
        entries = self._entries("haproxy", lambda names: [name for name in names if name.endswith(".cfg")], "*.cfg")
        found = [self._read(shown, where, LARGEST_HAPROXY, lenient=True) for shown, where in entries]
        files = [file for file in found if file]
        if not files:
            return None
        pairs = [(file.shown, file.text) for file in files]
        configuration = self.reader.once(("haproxy", self.file), _stamps(files), lambda: haproxy.parse_files(pairs))
        self.problems += configuration.problems
        if not configuration.proxies and not configuration.problems and len(files) == len(found):
            problem = "no listen, frontend or backend section; is this the right file?"
            self.problems.append(InputError(files[0].shown, 1, 1, problem))
        return configuration

    def _tofu(self) -> Tofu | None:
        before = len(self.problems)
        documents: list[Document] = []
        files: list[_File] = []
        for shown, where in self._entries("opentofu", override.chosen, "*.tf"):
            if file := self._read(shown, where, LARGEST_TOFU):
                files.append(file)
                if document := self._document(file):
                    documents.append(document)
        if not files:
            return None
        folder = posixpath.dirname(files[0].shown)
        boundary = Boundary(self.path.absolute().parent, [self._path(file.shown).parent for file in files])
        modules, more = self._modules(documents, boundary)
        problems = tuple(self.problems[before:])
        environment = {name[7:]: value for name, value in os.environ.items() if name.startswith("TF_VAR_")}
        asked = self.reader.asked.setdefault(("tofu", self.file), {})

        def text(name: str) -> str | None:
            path = self._path(posixpath.join(folder, name))
            if not boundary.holds(path):
                return None
            asked[str(path)] = recall.stamp(path)
            try:
                return intake.read(path, name)
            except (OSError, InputError):
                return None

        known = (tuple(map(str, problems)), tuple(sorted(environment.items())))
        stamp = (_stamps(files + more), *known, self._versions(asked))
        linked = self.reader.once(
            ("tofu", self.file), stamp, lambda: opentofu.link(documents, modules, problems, environment, text)
        )
        self.problems += linked.problems[len(problems) :]
        return linked

    def _document(self, file: _File) -> Document | None:
        """Parse one file of HCL."""
        found = self.reader.once(("hcl", file.path, file.shown), file.stamp, lambda: _parse(file))
        if isinstance(found, InputError):
            self.problems.append(found)
            return None
        return found

    def _modules(self, root: Sequence[Document], boundary: Boundary) -> tuple[dict[str, list[Document]], list[_File]]:
        """Read the folders of the local modules that are called, and of those that they call."""
        modules: dict[str, list[Document]] = {}
        files: list[_File] = []
        waiting = [block for document in root for block in document.blocks]
        while waiting and len(modules) < MOST_FOLDERS:
            block = waiting.pop(0)
            folder = opentofu.folder(block)
            if folder is None or folder in modules:
                continue
            modules[folder] = []
            source = block.get("source")
            place = source.span if source else block.span
            if not boundary.holds(self._path(folder)):
                problem = (
                    f'the module\'s folder "{clean(folder, 120)}" is outside of this site and its repository: not read'
                )
                self.problems.append(InputError(place.file, place.line, place.column, problem))
                continue
            try:
                names = override.chosen(_names(self._path(folder)))
            except OSError as error:
                problem = f'the module\'s folder "{clean(folder, 120)}" {intake.reason(error)}'
                self.problems.append(InputError(place.file, place.line, place.column, problem))
                continue
            for name in names:
                if override.is_variables(name) or not (
                    file := self._read(posixpath.join(folder, name), place, LARGEST_TOFU)
                ):
                    continue
                files.append(file)
                if document := self._document(file):
                    modules[folder].append(document)
                    waiting.extend(document.blocks)
        return modules, files

    def _compose(self) -> Compose | None:
        entries = list(self._entries("compose", _compose_files, "compose file (*.yml)"))
        environment = self._environment(entries[0][0] if entries else None)
        files = [file for shown, where in entries if (file := self._read(shown, where, LARGEST_COMPOSE))]
        if not files:
            return None
        boundary = Boundary(self.path.absolute().parent, [self._path(file.shown).parent for file in files])
        asked = self.reader.asked.setdefault(("compose", self.file), {})

        def text(name: str) -> str | None:
            path = self._path(name)
            if not boundary.holds(path):
                return None
            asked[str(path)] = recall.stamp(path)
            try:
                return intake.read(path, name)
            except (OSError, InputError):
                return None

        stamp = (_stamps(files), tuple(sorted(environment.values.items())), self._versions(asked))
        pairs = [(file.shown, file.text) for file in files]
        merge = partial(compose.merge, pairs, environment.values, text)
        merged = self.reader.once(("compose", self.file), stamp, merge)
        self.problems += merged.problems
        return merged

    @staticmethod
    def _versions(asked: Mapping[str, Stamp | None]) -> tuple[tuple[str, Stamp | None], ...]:
        """Return the versions of files that were asked for last time: they belong to what a change is told by."""
        return tuple((name, recall.stamp(Path(name))) for name in sorted(asked))

    def _environment(self, beside: str | None) -> EnvFile:
        """Read mailcow.conf: the one named, else the one that compose would find beside its file."""
        written = self.site.sources.mailcow_conf
        file = self._single(written, ("sources", "mailcow_conf")) if written else None
        if written is None and beside is not None:
            names = [posixpath.join(posixpath.dirname(beside), name) for name in ("mailcow.conf", ".env")]
            there = next((name for name in names if _is(self._path(name), stat.S_ISREG)), None)
            file = self._read(there, ("sources", "compose")) if there else None
        if file is None:
            return EnvFile()
        found = self.reader.once(
            ("env", file.path, file.shown), file.stamp, lambda: env_file.read(file.text, file.shown)
        )
        self.problems += found.problems
        self.environment, self.environment_file = found, file.shown
        return found

    def _settings(self, key: str, beside: str, *, continued: bool = False) -> Settings | None:
        """Read a file of settings: the one named, else Mailcow's own beside the first compose file."""
        written: str | None = getattr(self.site.sources, key)
        if written is not None:
            file = self._single(written, ("sources", key))
        else:
            first = next(iter(self.site.sources.compose), None)
            if first is None:
                return None
            folder = first if _is(self._path(first), stat.S_ISDIR) else posixpath.dirname(first)
            there = posixpath.join(folder, beside)
            file = self._read(there, ("sources", "compose")) if _is(self._path(there), stat.S_ISREG) else None
        return settings.read(file.text, file.shown, continued=continued) if file else None

    def _mounts(self) -> Mounts | None:
        files = [
            self._single(written, ("sources", "mounts", at)) for at, written in enumerate(self.site.sources.mounts)
        ]
        found = [(file.shown, file.text) for file in files if file]
        return mounts.read(found) if found else None

    def _keys(self) -> tuple[authorized_keys.Entry, ...]:
        written = self.site.sources.authorized_keys
        file = self._single(written, ("sources", "authorized_keys")) if written else None
        return authorized_keys.read(file.text, file.shown) if file else ()

    def _script(self, written: str, where: Where) -> Script | None:
        file = self._single(written, where, LARGEST_SCRIPT)
        if file is None:
            return None
        script = self.reader.once(("shell", file.path, written), file.stamp, lambda: shell.read(file.text, written))
        self.problems += script.problems
        return script


def _attempt(path: Path, shown: str, largest: int, lenient: bool) -> str | InputError:
    try:
        return intake.read(path, shown, largest, lenient=lenient)
    except InputError as error:
        return error


def _parse(file: _File) -> Document | InputError:
    from console.places import cache_folder

    if folder := cache_folder():
        hcl.keep_grammar(str(folder / "hcl.grammar"))
    try:
        return opentofu.document(file.text, file.shown)
    except InputError as error:
        return error


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except OSError:
        return False


def _names(folder: Path) -> list[str]:
    """List what is not hidden, in C order."""
    return sorted((each.name for each in folder.iterdir() if not each.name.startswith(".")), key=os.fsencode)


def _stamps(files: Sequence[_File]) -> tuple[tuple[str, str, Stamp], ...]:
    return tuple((file.shown, file.path, file.stamp) for file in files)


def _compose_files(names: list[str]) -> list[str]:
    """Choose a folder's compose files; overrides come last, for what they say counts."""
    chosen = [name for name in names if re.fullmatch(r"(docker-)?compose.*\.ya?ml", name)]
    return sorted(chosen, key=lambda name: ".override." in name)
