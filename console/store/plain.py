"""Plain files, opened without a touch to what is none: opening a device may start a watchdog, or rewind a tape."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotPlainError(OSError):
    """What is there is no file but a device, pipe or socket."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "this is no file but a device, pipe or socket")


def open_plain(path: Path) -> int:
    """Return a descriptor of a plain file, links followed; raises `OSError`, and `NotPlainError` before it is opened.

    What was put in its place since it was looked at is neither waited for nor returned."""
    _check(path.stat().st_mode)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _check(os.fstat(handle).st_mode)
    except OSError:
        os.close(handle)
        raise
    return handle


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise NotPlainError


def read_plain(path: Path, largest: int) -> bytes:
    """Return a plain file's content; raises `OSError`, also for what is none, and for more than `largest` bytes."""
    with os.fdopen(open_plain(path), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it has more than {largest} bytes")
    return data
