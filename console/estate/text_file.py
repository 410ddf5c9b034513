"""Reads text files of this machine: whole, of limited size, and only text; errors have a place in the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from console.errors import InputError

LARGEST = 1 << 20
"""Bytes of a file by default; a site's files have about a hundredth of it."""


class NotUnicodeError(InputError):
    """A byte that is not UTF-8; `text` has U+FFFD in its place."""

    def __init__(self, text: str, file: str, line: int, column: int, problem: str) -> None:
        super().__init__(file, line, column, problem)
        self.text = text


def read(
    path: Path,
    shown: str,
    largest: int = LARGEST,
    *,
    lenient: bool = False,
    within: Callable[[Path], bool] | None = None,
) -> str:
    """Return a file's text; raises `OSError` when it cannot be opened, `InputError` when it is not text or too large.

    `shown` is its name in messages; `lenient` keeps bytes that are not UTF-8 as surrogates, to be written back.
    `within` says of the file that was opened whether it may be read: a link may have been laid since one looked."""
    from console.store.plain import NotPlainError, open_plain

    try:
        handle = open_plain(path)
    except NotPlainError as error:
        raise InputError(shown, 1, 1, f"{error.strerror}; name the file itself") from None
    with os.fdopen(handle, "rb") as file:
        if within is not None and not within(_opened(handle, path)):
            raise InputError(shown, 1, 1, "became a link that leads out of this site and its repository: not read")
        # The size of the file, not the limit: a buffer of the limit would be allocated for every file.
        expected = os.fstat(handle).st_size
        data = file.read(expected + 1) if expected <= largest else b""
        if 0 < len(data) <= largest:
            data += file.read(largest + 1 - len(data)) if file.peek(1) else b""
    if len(data) > largest or expected > largest:
        size = max(expected, len(data))
        problem = f"{_size(size)} is too large, {_size(largest)} is the most; is this the right file?"
        raise InputError(shown, 1, 1, problem)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(shown, 1, 1, "UTF-16, by its first bytes: save the file as UTF-8")
    nul = data.find(b"\0")
    if nul >= 0:
        raise InputError(
            shown, *place(data, nul), "a binary file, not text: a NUL byte stands here; name the text file"
        )
    try:
        return data.decode("utf-8", "surrogateescape" if lenient else "strict")
    except UnicodeDecodeError as error:
        byte = data[error.start]
        problem = f"not UTF-8: byte 0x{byte:02x} stands here; save the file as UTF-8"
        raise NotUnicodeError(data.decode("utf-8", "replace"), shown, *place(data, error.start), problem) from None


def _opened(handle: int, path: Path) -> Path:
    """Return where a file is that was opened, by the kernel's word; where it tells of none, its path."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115
    except OSError:
        return path


def place(data: bytes, offset: int) -> tuple[int, int]:
    """Return line and column, 1-based, of a byte; columns count characters."""
    begin = data.rfind(b"\n", 0, offset) + 1
    return data.count(b"\n", 0, offset) + 1, len(data[begin:offset].decode("utf-8", "replace")) + 1


def reason(error: OSError) -> str:
    """Say why a file cannot be opened, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "is not there: mend the path, or take the entry out"
    if isinstance(error, PermissionError):
        return "may not be read by this user: change its mode, or run as its owner"
    if isinstance(error, IsADirectoryError):
        return "is a folder: name a file in it"
    return f"cannot be read: {(error.strerror or 'unknown reason').lower()}"


def _size(count: int) -> str:
    return f"{count / (1 << 20):.3g} MiB" if count >= 1 << 20 else f"{count / 1024:.3g} KiB"
