"""Folders below a folder, however deep: os.walk calls itself for each level before Python 3.12, and so ends there."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path


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


def files_of(top: str | os.PathLike[str], most: int, without: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files of a repository and its links to folders, but git's own: one more than `most`, if it has more.

    Too many are yielded where there are too many folders."""
    count = 0
    for seen, (here, folders, names) in enumerate(walk(top)):
        if seen > most:  # as many folders: nobody waits for all of a home
            yield from (Path(here, str(number)) for number in range(most + 1))
            return
        folders[:] = sorted(name for name in folders if name != ".git" and Path(here, name) not in without)
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]  # noqa: PTH114, PTH118
        for name in sorted([*names, *links]):
            count += 1
            if count > most + 1:
                return
            yield Path(here, name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
