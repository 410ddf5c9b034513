"""Finds the files of a site: in a folder and its sub-folders, by their names and what stands in them."""

from __future__ import annotations

import os
from pathlib import Path

from console.errors import InputError
from console.estate import text_file
from console.estate.boundary import Boundary
from console.setup.kinds import Kind, kind_of, worth_reading
from console.store.folders import configuration_folder
from console.text import clean

DEPTH = 2
"""Sub-folders below the folder itself that are looked into."""

MOST_FOLDERS, MOST_FILES = 400, 400
"""Folders looked into, and files read, at most: a set-up that is started in a home folder ends all the same."""

PASSED_OVER = frozenset(("node_modules", "venv", "__pycache__", "site-packages", "snapshots", "tests"))
"""Folders that no operator keeps these files in; neither are hidden ones."""


def find(folder: Path) -> dict[Kind, tuple[str, ...]]:
    """Return the files of each kind, by their path below the folder; raises `InputError` for what is no folder."""
    if not folder.is_dir():
        raise InputError(str(folder), 0, 0, "is not a folder that is there; name the one with your files")
    found: dict[Kind, list[str]] = {}
    folders = files = 0
    around = Boundary(folder, ())
    for top, inner, names in os.walk(folder):
        depth = len(Path(top).relative_to(folder).parts)
        inner[:] = sorted(
            each for each in inner if each[:1] not in ("", ".") and each.isprintable() and each not in PASSED_OVER
        )
        if depth >= DEPTH:
            inner[:] = []
        folders += 1
        if folders > MOST_FOLDERS:
            break
        for name in sorted(names):
            if not worth_reading(name) or not name.isprintable() or name.startswith(".") or files >= MOST_FILES:
                continue
            files += 1
            path = Path(top) / name
            if not around.holds(path):  # a link of the folder's leads elsewhere: only its operator names what is there
                continue
            if kind := kind_of(name, _text(path)):
                found.setdefault(kind, []).append(path.relative_to(folder).as_posix())
    return {kind: tuple(paths) for kind, paths in found.items()}


def _text(path: Path) -> str:
    try:
        return text_file.read(path, path.name, lenient=True)
    except (OSError, InputError):
        return ""  # its name decides; what is wrong with it is said when it is read as what it is


def stays_here(path: Path) -> None:
    """Raise `InputError` for a file to be written that is a link out of its folder and the repository around it.

    A clone may have laid it, so that what is written becomes a file that a shell reads. Links in the operator's own
    configuration folder are theirs."""
    folder = path.absolute().parent
    own = Path(os.path.realpath(folder)) == Path(os.path.realpath(configuration_folder()))
    if path.is_symlink() and not own and not Boundary(folder, ()).holds(path):
        where = clean(os.path.realpath(path), 200)
        raise InputError(
            str(path), 0, 0, f"is a link to {where}, outside of this folder: nothing is written through it; remove it"
        )


def check(folder: Path, kind: Kind, written: str) -> None:
    """Raise `InputError` unless an operator's answer names a file or folder of this kind."""
    path = folder / Path(written).expanduser()
    if not path.exists():
        raise InputError(written, 0, 0, "is not there: name a file or folder that is")
    if kind == "opentofu" and path.is_dir() and not any(path.glob("*.tf")):
        raise InputError(written, 0, 0, "has no *.tf: name the folder that tofu is run in, or none")
    if kind == "haproxy" and path.is_dir() and not any(path.glob("*.cfg")):
        raise InputError(written, 0, 0, "has no *.cfg: name HAProxy's file, or none")
