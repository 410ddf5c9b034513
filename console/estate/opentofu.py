"""The OpenTofu files of a site, and the local modules they call, read as one."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial

from console.errors import InputError
from console.estate import text_file
from console.estate.boundary import Boundary
from console.estate.files import File, Files, stamps, visible
from console.sources import opentofu
from console.sources.opentofu import grammar, override
from console.sources.opentofu.files import Tofu
from console.sources.opentofu.syntax import Document
from console.text import clean

LARGEST = 4 << 20
"""Bytes of a file that is read."""

MOST_FOLDERS = 64
"""Most module folders that are read."""


def read(files: Files) -> Tofu | None:
    """Read the files that `opentofu` of the site file names; None when it names none."""
    return _Reading(files).tofu()


class _Reading:
    def __init__(self, files: Files) -> None:
        self.files = files

    def tofu(self) -> Tofu | None:
        before = len(self.files.problems)
        documents: list[Document] = []
        files: list[File] = []
        for shown, where in self.files.entries("opentofu", override.chosen, "*.tf"):
            if file := self.files.read(shown, where, LARGEST):
                files.append(file)
                if document := self._document(file):
                    documents.append(document)
        if not files:
            return None
        folder = posixpath.dirname(files[0].shown)
        boundary = self.files.boundary(files)
        modules, more = self._modules(documents, boundary)
        problems = tuple(self.files.problems[before:])
        environment = {name[7:]: value for name, value in os.environ.items() if name.startswith("TF_VAR_")}
        text = partial(self.files.beside, "tofu", boundary, folder)
        known = (tuple(map(str, problems)), tuple(sorted(environment.items())))
        stamp = (stamps(files + more), *known, self.files.versions("tofu"))
        linked = self.files.memo.once(
            ("tofu", self.files.file), stamp, lambda: opentofu.link(documents, modules, problems, environment, text)
        )
        self.files.problems += linked.problems[len(problems) :]
        return linked

    def _document(self, file: File) -> Document | None:
        """Parse one file of HCL."""
        found = self.files.memo.once(("hcl", file.path, file.shown), file.stamp, lambda: _parse(file))
        if isinstance(found, InputError):
            self.files.problems.append(found)
            return None
        return found

    def _modules(self, root: Sequence[Document], boundary: Boundary) -> tuple[dict[str, list[Document]], list[File]]:
        """Read the folders of the local modules that are called, and of those that they call."""
        modules: dict[str, list[Document]] = {}
        files: list[File] = []
        waiting = [block for document in root for block in document.blocks]
        while waiting and len(modules) < MOST_FOLDERS:
            block = waiting.pop(0)
            folder = opentofu.folder(block)
            if folder is None or folder in modules:
                continue
            modules[folder] = []
            source = block.get("source")
            place = source.span if source else block.span
            if not boundary.holds(self.files.path_of(folder)):
                problem = (
                    f'the module\'s folder "{clean(folder, 120)}" is outside of this site and its repository: not read'
                )
                self.files.problems.append(InputError(place.file, place.line, place.column, problem))
                continue
            try:
                names = override.chosen(visible(self.files.path_of(folder)))
            except OSError as error:
                problem = f'the module\'s folder "{clean(folder, 120)}" {text_file.reason(error)}'
                self.files.problems.append(InputError(place.file, place.line, place.column, problem))
                continue
            for name in names:
                if override.is_variables(name) or not (
                    file := self.files.read(posixpath.join(folder, name), place, LARGEST)
                ):
                    continue
                files.append(file)
                if document := self._document(file):
                    modules[folder].append(document)
                    waiting.extend(document.blocks)
        return modules, files


def _parse(file: File) -> Document | InputError:
    _keep_grammar()
    try:
        return opentofu.document(file.text, file.shown)
    except InputError as error:
        return error


@cache
def _keep_grammar() -> None:
    """Keep the compiled grammar in the private cache folder; one that cannot be written is no reason to fail."""
    from console.store import atomic
    from console.store.folders import cache_folder

    def load() -> bytes | None:
        folder = cache_folder()
        try:
            return (folder / "hcl.msgpack").read_bytes() if folder else None
        except OSError:
            return None

    def save(data: bytes) -> None:
        if folder := cache_folder():
            with suppress(OSError):
                atomic.write(folder / "hcl.msgpack", data)

    grammar.keep(load, save)
