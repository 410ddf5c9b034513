"""Folders below a folder, however deep: os.walk calls itself for each level before Python 3.12, and so ends there."""

from __future__ import annotations

import os
from collections.abc import Iterator


def walk(top: str | os.PathLike[str], *, followlinks: bool = False) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder with the names of its folders and of its files, as os.walk does; what cannot be read is empty.

    The list of folders may be changed, to go into others or in another order."""
    todo = [os.fspath(top)]
    while todo:
        here = todo.pop()
        try:
            with os.scandir(here) as found:
                entries = list(found)
        except OSError:
            continue
        folders: list[str] = []
        names: list[str] = []
        for each in entries:
            (folders if _is_folder(each) else names).append(each.name)
        yield here, folders, names
        for name in reversed(folders):
            path = os.path.join(here, name)  # noqa: PTH118  texts, as os.walk has them
            if followlinks or not os.path.islink(path):  # noqa: PTH114
                todo.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
