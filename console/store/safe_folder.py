"""The folder of a file, opened step by step, and refused where another user could redirect what is written there."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from console.text import clean

MOST_LINKS = 40
"""Symbolic links followed for one path, as Linux does (path_resolution(7))."""

_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW


class UnsafePathError(OSError):
    """A path that is not written to; its text is a sentence for the operator."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPERM, sentence)


class Place(Struct, frozen=True):
    """A file's place: a descriptor of its folder, its name there, and its path without links, for sentences."""

    folder: int
    name: str
    path: str


def why(error: OSError) -> str:
    """The reason of an error as a part of a sentence."""
    said = error.strerror or "unknown reason"
    return said if isinstance(error, UnsafePathError) else said.lower()


@contextmanager
def open_place(path: Path) -> Iterator[Place]:
    """Open the folder of `path`, links resolved once; raises `OSError`, and `UnsafePathError` where it is refused.

    Root goes only through folders and links that are root's and that nobody else can change (a parent may be like
    /tmp: sticky). Any other user needs a last folder that is theirs or root's, and that not everybody can change."""
    step, shown = os.open("/", _STEP), "/"
    try:
        todo = parts(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118  a Path would lose what ".." means
        links = 0
        while True:
            if not todo:
                raise UnsafePathError(f"{clean(shown)} is a folder")
            part = todo.pop()
            here = os.path.join(shown, part)  # noqa: PTH118
            _check(shown, os.fstat(step), last=False)
            link = _link(part, step, here)
            if link is not None:
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                todo += parts(link)
                if link.startswith("/"):
                    step, shown = _enter("/", step), "/"
            elif todo:
                step = _enter(part, step)
                shown = os.path.dirname(shown) if part == ".." else here  # noqa: PTH120
            else:
                _check(shown, os.fstat(step), last=True)
                folder = os.open(".", os.O_RDONLY, dir_fd=step)
                break
    finally:
        os.close(step)
    try:
        yield Place(folder, part, here)
    finally:
        os.close(folder)


def user_name(uid: int) -> str:
    """The name of a user of this machine, or "uid N"."""
    try:
        return clean(pwd.getpwuid(uid).pw_name)
    except KeyError:
        return f"uid {uid}"


def parts(path: str) -> list[str]:
    """The names of a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _link(name: str, folder: int, path: str) -> str | None:
    """Where a symbolic link leads; None when it is none. Refuses, for root, a link that another user made."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    if os.geteuid() == 0 and found.st_uid != 0:
        raise _belongs(path, found.st_uid)
    return os.readlink(name, dir_fd=folder)


def _enter(name: str, step: int) -> int:
    entered = os.open(name, _STEP, dir_fd=step)
    os.close(step)
    return entered


def _check(path: str, found: os.stat_result, last: bool) -> None:
    """Refuse a folder that another user could change."""
    root = os.geteuid() == 0
    if not root and not last:
        return
    if found.st_uid not in (0, os.geteuid()):
        raise _belongs(path, found.st_uid)
    loose = found.st_mode & (0o022 if root else 0o002)
    if not loose or (found.st_mode & stat.S_ISVTX and not last):
        return
    who = "everybody" if found.st_mode & 0o002 else f"group {_group_name(found.st_gid)}"
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    raise UnsafePathError(f"{who} can change {clean(path)} (mode {mode}), and so what is written there")


def _belongs(path: str, uid: int) -> UnsafePathError:
    owner = user_name(uid)
    sentence = f"{clean(path)} belongs to {owner}, who could redirect what is written there"
    return UnsafePathError(f"{sentence}: run this as {owner}" if os.geteuid() == 0 else sentence)


def _group_name(gid: int) -> str:
    try:
        return clean(grp.getgrgid(gid).gr_name)
    except KeyError:
        return str(gid)
