"""A plain file that stands for a disk, so that assets/disk.py can be tried without root.

wipefs, blkid, mkfs.ext4 and e2fsck are the real ones. /sys, /dev/disk/by-id and mountinfo are folders and files of the
test; lsblk, which takes only block devices, is answered in its place, and so is every command a test wants to fail."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from assets import disk

Answer = tuple[int, str, str]

MIB = 1 << 20
SIZE = 32 * MIB
SERIAL = "incus_opt"
ID = "scsi-0QEMU_QEMU_HARDDISK_incus_opt"
NUMBER = "8:16"


class PlainDisk:
    """The disk, /dev/sdb of its machine; `answers` are given for commands, `asked` is what was called."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, size: int = SIZE) -> None:
        self.root = root
        self.size = size
        self.answers: dict[str, Answer | Callable[..., Answer]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.mounts = root / "mountinfo"
        self.mounts.write_text("")
        self.image = root / "dev" / "sdb"
        for folder in ("dev", "by-id", f"sys/dev/block/{NUMBER}/holders", "sys/class/block"):
            (root / folder).mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(size)
        self.name(ID)
        self.serial(SERIAL)
        self._call = disk.call
        for key, value in {"BY_ID": f"{root}/by-id/", "SYSTEM": f"{root}/sys", "MOUNTS": str(self.mounts),
                           "block_number": lambda state: NUMBER, "call": self.call}.items():  # fmt: skip
            monkeypatch.setattr(disk, key, value)

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def device(self) -> str:
        """The by-id name, by which commands call it."""
        return f"{self.root}/by-id/{ID}"

    def name(self, name: str, target: str = "../dev/sdb") -> None:
        """Give it one more by-id name."""
        (self.root / "by-id" / name).symlink_to(target)

    def serial(self, serial: str | None, readonly: object = False) -> None:
        """Have lsblk tell a serial."""
        row = {"serial": serial, "ro": readonly, "size": self.size}
        self.answers["lsblk"] = (0, json.dumps({"blockdevices": [row]}), "")

    def put(self, offset: int, data: bytes) -> None:
        """Write some bytes; a negative offset is from the end."""
        with self.image.open("r+b") as file:
            file.seek(offset if offset >= 0 else self.size + offset)
            file.write(data)

    def read(self, offset: int, length: int) -> bytes:
        """Read some bytes."""
        with self.image.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def sum(self) -> str:
        """All of its bytes, in one number: every block that is not zero, with its place."""
        total = hashlib.sha256(str(self.image.stat().st_size).encode())
        with self.image.open("rb") as file:
            for offset, data in blocks(file):
                total.update(offset.to_bytes(8, "little") + data)
        return total.hexdigest()

    def mount(self, target: str, number: str = NUMBER) -> None:
        """Have mountinfo tell a mount."""
        with self.mounts.open("a") as file:
            file.write(f"36 35 {number} / {target} rw,relatime shared:1 - ext4 /dev/sdb rw\n")

    def mark(self, uuid: str) -> None:
        """Write the mark of a format that was begun."""
        self.put(disk.mark_offset(self.size), disk.mark_block(uuid))

    # ── what is done with it ────────────────────────────────────────────────────────────────────────────────────

    def call(self, *argv: str, limit: float = 120, fds: tuple[int, ...] = ()) -> Answer:
        """Answer a command from the table, or run it."""
        self.asked.append(argv)
        answer = self.answers.get(argv[0])
        if callable(answer):
            return answer(*argv)
        return answer if answer is not None else self._call(*argv, limit=limit, fds=fds)

    def real(self, *argv: str) -> Answer:
        """Run a command, whatever the table says."""
        return self._call(*argv)

    def look(self) -> disk.Disk:
        """Look at it."""
        return disk.describe_disk([ID], disk.mounted())

    def format(self, size: int | None = None, serials: str = SERIAL) -> tuple[int, str]:
        """Format it as the command line does; returns the status and what was said."""
        return said(["format", self.device, str(self.size if size is None else size), serials, "cowhand-opt"])


def blocks(file: BinaryIO, length: int = 4096) -> Iterator[tuple[int, bytes]]:
    """The blocks of a file that are not zero, with their places; holes are not read."""
    end = file.seek(0, os.SEEK_END)
    at = 0
    while at < end:
        try:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA) // length * length
        except OSError:  # nothing but a hole is left
            return
        stop = os.lseek(file.fileno(), at, os.SEEK_HOLE) if at < end else end
        for offset in range(at, stop, length):
            data = os.pread(file.fileno(), length, offset)
            if data != bytes(len(data)):
                yield offset, data
        at = max(stop, at + length)


def said(words: list[str]) -> tuple[int, str]:
    """Run the command line; returns its status and what it printed, on either stream."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        status = disk.main(words)
    return status, text.getvalue().strip()
