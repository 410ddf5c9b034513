"""Which files an OpenTofu folder may refer to: nothing in it makes cowhand read outside of its repository."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from console.store.folders import repository


class Boundary:
    """The folders that may be read: the site's, those of the root modules, and the repositories these are in."""

    def __init__(self, site: Path, roots: Iterable[Path]) -> None:
        self.tops: set[Path] = set()
        for folder in (site, *roots):
            real = Path(os.path.realpath(folder))
            self.tops.add(repository(real) or real)

    def holds(self, path: Path) -> bool:
        """Return whether a path is inside, with its symbolic links resolved."""
        real = Path(os.path.realpath(path))
        return any(real == top or top in real.parents for top in self.tops)
