"""How far the files of an OpenTofu folder may lead: nothing in them makes us read outside of their own repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class Boundary:
    """The folders that may be read: the site's, those of the root modules, and the repositories these are in."""

    def __init__(self, site: Path, roots: Iterable[Path]) -> None:
        self.tops: set[Path] = set()
        for folder in (site, *roots):
            real = Path(os.path.realpath(folder))
            self.tops.add(_repository(real) or real)

    def holds(self, path: Path) -> bool:
        """Say whether a path, links followed, is inside."""
        real = Path(os.path.realpath(path))
        return any(real == top or top in real.parents for top in self.tops)


def _repository(folder: Path) -> Path | None:
    """Return the root of the git repository a folder is in; a home folder under git is too wide to be one."""
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 (it never raises)
    for each in (folder, *folder.parents):
        if each in (home, Path("/")):
            return None
        if (each / ".git").exists():
            return each
    return None
