"""Where a lab is found: a Linux abstract socket, which leaves nothing behind, or a file in a folder of our own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

from console.errors import LabError

ABSTRACT = sys.platform == "linux"
"""Whether the kernel has socket names without files."""

BACKLOG = 128


def well_known() -> str:
    """The name of this user's one public lab: `COWHAND_LAB`, else one that carries the user id."""
    name = os.environ.get("COWHAND_LAB") or f"cowhand-lab-{os.getuid()}"
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", name):
        raise LabError("COWHAND_LAB must be 1 to 60 letters, digits, dots, dashes or underscores")
    return name


def unlisted() -> str:
    """A name that nobody else has."""
    return f"cowhand-lab-{os.getuid()}-{secrets.token_hex(8)}"


def address(name: str) -> str:
    """What to bind or connect to for a lab of that name."""
    return f"\0{name}" if ABSTRACT else str(_folder() / f"{name}.sock")


class Place:
    """A lab's own bound and listening socket, which a child may take over by inheriting its `fds`."""

    def __init__(self, name: str) -> None:
        """Take the name; raises `FileExistsError` when a lab has it already."""
        self.name = name
        self.lock: int | None = None
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            if not ABSTRACT:
                self.lock = _lock(name)
            self.socket.bind(address(name))
            self.socket.listen(BACKLOG)
        except LabError:
            self.close()
            raise
        except OSError as error:
            self.close()
            if isinstance(error, BlockingIOError) or error.errno == errno.EADDRINUSE:
                raise FileExistsError(name) from None
            raise LabError(f"the lab cannot listen: {error.strerror}") from None

    @property
    def fds(self) -> tuple[int, ...]:
        """The listening socket and, where there is one, the lock."""
        return (self.socket.fileno(),) if self.lock is None else (self.socket.fileno(), self.lock)

    def close(self) -> None:
        """Let go of this process's copy."""
        self.socket.close()
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def vacate(name: str) -> None:
    """Remove what a name left on disk."""
    if not ABSTRACT:
        for suffix in ("sock", "lock"):
            (_folder() / f"{name}.{suffix}").unlink(missing_ok=True)


def connect(name: str, timeout: float) -> socket.socket | None:
    """Connect to the lab of that name; None when there is none; raises `LabError` when it is another user's."""
    there = socket.socket(socket.AF_UNIX)
    there.settimeout(timeout)
    try:
        there.connect(address(name))
    except (ConnectionRefusedError, FileNotFoundError):
        there.close()
        return None
    except OSError as error:
        there.close()
        raise LabError(f"the lab cannot be reached: {error.strerror or 'it does not answer'}") from None
    if not ours(there):
        there.close()
        raise LabError(f"the name {name} is taken by another user's process")
    return there


def ours(there: socket.socket) -> bool:
    """Whether the far end of a UNIX socket belongs to this user."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder is 0700 and was checked to be ours
    credentials = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"cowhand-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise LabError(f"{folder} is not a folder of yours alone (0700): remove it")
    return folder


def _lock(name: str) -> int:
    """Hold the lock that dies with its holder, then sweep what dead labs left; raises BlockingIOError when held."""
    for dead in _folder().glob("*.lock"):
        try:
            held = _flock(dead)
        except OSError:
            continue
        dead.with_suffix(".sock").unlink(missing_ok=True)
        if dead.stem != name:
            dead.unlink(missing_ok=True)
        os.close(held)
    return _flock(_folder() / f"{name}.lock")


def _flock(path: Path) -> int:
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(held).st_ino == path.stat().st_ino:
                return held
        except FileNotFoundError:
            pass  # somebody swept it between open and lock
        except OSError:
            os.close(held)
            raise
        os.close(held)
