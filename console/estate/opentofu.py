"""The OpenTofu files of a site, and the local modules they call, read as one."""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Sequence
from functools import partial

from console.errors import InputError
from console.estate import tables, text_file
from console.estate.boundary import Boundary
from console.estate.files import File, Files, Where, stamps, visible
from console.masking.names import kind
from console.model import Span
from console.sources import opentofu
from console.sources.opentofu import override
from console.sources.opentofu.files import Tofu
from console.sources.opentofu.syntax import Document
from console.text import clean

LARGEST = 512 << 10
"""Characters of all files that are parsed, and bytes of one: thousands of resources; half a minute at worst."""

MOST_FOLDERS = 64
"""Most module folders that are read."""


def read(files: Files) -> Tofu | None:
    """Read the files that `opentofu` of the site file names; None when it names none."""
    return _Reading(files).tofu()


class _Reading:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.parsed = 0

    def tofu(self) -> Tofu | None:
        before = len(self.files.problems)
        documents: list[Document] = []
        files: list[File] = []
        named = list(self.files.entries("opentofu", override.chosen, "*.tf"))
        hidden = override.hidden([shown for shown, _ in named])
        for shown, where in named:
            if shown in hidden:
                continue
            if file := self.files.read(shown, where, LARGEST):
                files.append(file)
                if document := self._document(file, where):
                    documents.append(document)
        if not files:
            return None
        folder = posixpath.dirname(files[0].shown)
        boundary = self.files.boundary(files)
        modules, more = self._modules(documents, boundary)
        problems = tuple(self.files.problems[before:])
        environment = _given()
        text = partial(self.files.beside, "tofu", boundary, folder)
        known = (tuple(map(str, problems)), tuple(sorted(environment.items())))
        stamp = (stamps(files + more), *known, self.files.versions("tofu"))
        linked = self.files.memo.once(
            ("tofu", self.files.file), stamp, lambda: opentofu.link(documents, modules, problems, environment, text)
        )
        self.files.problems += linked.problems[len(problems) :]
        return linked

    def _document(self, file: File, where: Where | Span) -> Document | None:
        """Parse one file of HCL, unless there are too many; that is said once, where the file is named."""
        before, self.parsed = self.parsed, self.parsed + len(file.text)
        if self.parsed > LARGEST:
            if before <= LARGEST:
                most = f"more than {LARGEST >> 10} KiB of OpenTofu files"
                self.files.complain(where, f'{most}: "{clean(file.shown, 120)}" and what follows is not read')
                self.parsed = LARGEST + 1
            return None
        found = self.files.memo.once(("hcl", file.path, file.shown), file.stamp, lambda: _parse(file))
        if isinstance(found, InputError):
            self.files.problems.append(found)
            return None
        return found

    def _modules(self, root: Sequence[Document], boundary: Boundary) -> tuple[dict[str, list[Document]], list[File]]:
        """Read the folders of the local modules that are called, and of those that they call."""
        modules: dict[str, list[Document]] = {}
        files: list[File] = []
        waiting = deque(block for document in root for block in document.blocks)
        while waiting:
            block = waiting.popleft()
            folder = opentofu.folder(block)
            if folder is None or folder in modules:
                continue
            source = block.get("source")
            place = source.span if source else block.span
            if len(modules) >= MOST_FOLDERS:
                self.files.complain(place, f"more than {MOST_FOLDERS} folders of modules: the rest is not read")
                break
            modules[folder] = []
            if not boundary.holds(self.files.path_of(folder)):
                where = f'the module\'s folder "{clean(folder, 120)}" is outside of this site and its repository'
                self.files.complain(place, f"{where}: not read")
                continue
            try:
                names = override.chosen(visible(self.files.path_of(folder)))
            except OSError as error:
                self.files.complain(place, f'the module\'s folder "{clean(folder, 120)}" {text_file.reason(error)}')
                continue
            for name in names:
                if override.is_variables(name) or not (
                    file := self.files.read(posixpath.join(folder, name), place, LARGEST)
                ):
                    continue
                files.append(file)
                if document := self._document(file, place):
                    modules[folder].append(document)
                    waiting.extend(document.blocks)
        return modules, files


def _given() -> dict[str, str]:
    """Return the variables that the environment sets, but those that are secrets: a clone's files could show them."""
    given = {name[7:]: value for name, value in os.environ.items() if name.startswith("TF_VAR_")}
    return {name: value for name, value in given.items() if not kind(name)}


def _parse(file: File) -> Document | InputError:
    tables.keep()
    try:
        return opentofu.document(file.text, file.shown)
    except InputError as error:
        return error
