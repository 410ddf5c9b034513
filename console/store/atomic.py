"""Files written whole or not at all, below an opened folder: no link is followed once the file's place is known."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from console.store.safe_folder import Place, UnsafePathError, open_place, user_name
from console.text import clean

DRAFT = ".cowhand."
"""How the name of a file begins that is not yet in its place: hidden, and read by no daemon."""


_DRAFT = re.compile(re.escape(DRAFT) + r"[0-9a-f]{64}")


class ChangedError(OSError):
    """The file is not any more what it was taken to be; nothing was written."""

    def __init__(self) -> None:
        super().__init__(errno.ESTALE, "it was changed by somebody else meanwhile")


def write(path: Path, data: bytes, *, before: bytes | None = None, keep: str = "") -> None:
    """Replace a file by its new content, keeping its owner and mode (ours and 0600 for a new one); raises `OSError`.

    A symbolic link stays, and what it points at is replaced; a reader sees the old content or the new. Where another
    user could redirect the write it is refused with `UnsafePathError`. With `before`, a file with another content
    raises `ChangedError`. With `keep`, the old version stays beside it under its name and that suffix."""
    with open_place(path) as place:
        old = _plain(place)
        with _draft(place, data, old) as draft:
            found = _content(place)
            if before not in (None, found):
                raise ChangedError
            if keep and found is not None:
                with _draft(place, found, old) as kept:
                    _rename(place, kept, place.name + keep)
            _rename(place, draft, place.name)
        os.fsync(place.folder)


def read(path: Path) -> bytes:
    """Return the content of a plain file that `write` would replace; raises `OSError` where it would."""
    with open_place(path) as place:
        found = _content(place)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return found


def sweep(folder: Path) -> None:
    """Remove the drafts that killed programs left in a private folder; raises `OSError`.

    A draft is locked as long as it is written, and the lock ends with its program. One that is taken away in the moment
    between its making and its lock is a cache that is not written this time: use this for folders of caches alone."""
    for each in folder.iterdir():
        if not _DRAFT.fullmatch(each.name):
            continue
        with contextlib.suppress(OSError):
            handle = os.open(each, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                each.unlink()
            finally:
                os.close(handle)


def _plain(place: Place) -> os.stat_result | None:
    """What is at the place now; None when nothing is. Raises `UnsafePathError` unless it is a plain file."""
    try:
        found = os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return _check_plain(place, found)


def _check_plain(place: Place, found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a plain file"
        raise UnsafePathError(f"{clean(place.path)} is {what}")
    return found


def _content(place: Place) -> bytes | None:
    if _plain(place) is None:
        return None
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(place.name, flags, dir_fd=place.folder), "rb") as file:
        _check_plain(place, os.fstat(file.fileno()))
        return file.read()


@contextlib.contextmanager
def _draft(place: Place, data: bytes, like: os.stat_result | None) -> Iterator[str]:
    """Write a new file beside the place, with the owner and mode of `like`, to the disk; an error removes it."""
    name = DRAFT + secrets.token_hex()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # which follows no link
    handle = os.open(name, flags, 0o600, dir_fd=place.folder)
    try:
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(OSError):  # a file system without locks: then it is nobody's to sweep
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _own(handle, place, like)
            file.write(data)
            file.flush()
            os.fsync(handle)
            yield name
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=place.folder)
        raise


def _rename(place: Place, draft: str, name: str) -> None:
    os.rename(draft, name, src_dir_fd=place.folder, dst_dir_fd=place.folder)


def _own(handle: int, place: Place, like: os.stat_result | None) -> None:
    """Give a draft its owner, then its mode: a change of owner takes mode bits away."""
    if like is None:
        return
    ours = os.fstat(handle)
    if (ours.st_uid, ours.st_gid) != (like.st_uid, like.st_gid):
        try:
            os.fchown(handle, like.st_uid, like.st_gid)
        except PermissionError:
            owner = user_name(like.st_uid)
            raise UnsafePathError(f"{clean(place.path)} belongs to {owner}, and that cannot be kept") from None
    os.fchmod(handle, like.st_mode & 0o777)
