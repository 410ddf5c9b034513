"""The compose files of a site with mailcow.conf, whose values they use."""

from __future__ import annotations

import posixpath
import re
import stat
from functools import partial

from console.estate.files import Files, is_a, stamps
from console.sources import compose
from console.sources.compose import env_file
from console.sources.compose.env_file import EnvFile
from console.sources.compose.files import Compose

LARGEST = 256 << 10
"""Bytes of a compose file that is read; Mailcow's own has a tenth of it."""


def read(files: Files) -> tuple[Compose | None, EnvFile | None, str]:
    """Read the files of `compose` and `mailcow_conf` in the site file; the last item is the name of mailcow.conf."""
    reading = _Reading(files)
    return reading.compose(), reading.environment, reading.environment_file


class _Reading:
    def __init__(self, files: Files) -> None:
        self.files = files
        self.environment: EnvFile | None = None
        self.environment_file = ""

    def compose(self) -> Compose | None:
        entries = list(self.files.entries("compose", _compose_files, "compose file (*.yml)"))
        environment = self._environment(entries[0][0] if entries else None)
        files = [file for shown, where in entries if (file := self.files.read(shown, where, LARGEST))]
        if not files:
            return None
        text = partial(self.files.beside, "compose", self.files.boundary(files), "")
        stamp = (stamps(files), tuple(sorted(environment.values.items())), self.files.versions("compose"))
        pairs = [(file.shown, file.text) for file in files]
        merge = partial(compose.merge, pairs, environment.values, text)
        merged = self.files.memo.once(("compose", self.files.file), stamp, merge)
        self.files.problems += merged.problems
        return merged

    def _environment(self, beside: str | None) -> EnvFile:
        """Read mailcow.conf: the one named, else the one that compose would read beside its file."""
        written = self.files.site.sources.mailcow_conf
        file = self.files.single(written, ("sources", "mailcow_conf")) if written else None
        if written is None and beside is not None:
            names = [posixpath.join(posixpath.dirname(beside), name) for name in ("mailcow.conf", ".env")]
            there = next((name for name in names if is_a(self.files.path_of(name), stat.S_ISREG)), None)
            file = self.files.read(there, ("sources", "compose")) if there else None
        if file is None:
            return EnvFile()
        found = self.files.memo.once(
            ("env", file.path, file.shown), file.stamp, lambda: env_file.read(file.text, file.shown)
        )
        self.files.problems += found.problems
        self.environment, self.environment_file = found, file.shown
        return found


def _compose_files(names: list[str]) -> list[str]:
    """Return a folder's compose files; overrides come last, because they win."""
    chosen = [name for name in names if re.fullmatch(r"(docker-)?compose.*\.ya?ml", name)]
    return sorted(chosen, key=lambda name: ".override." in name)
