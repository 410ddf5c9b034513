"""A proof is written onto the volume that is mounted at a path and nowhere else, and read from the disk."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

import pytest

from assets import disk
from tests.assets.plain_disk import MIB, said

DEVICE = "/dev/sdb"


class Volume:
    """A folder that mountinfo tells to be a mounted volume."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.path = root / "mail"
        self.path.mkdir()
        self.proof = self.path / disk.PROOF
        state = self.path.stat()
        self.number = f"{os.major(state.st_dev)}:{os.minor(state.st_dev)}"
        (root / "sys/dev/block").mkdir(parents=True)
        for number, name in ((self.number, "sdb"), ("8:99", "sdc")):
            (root / "sys" / name).mkdir()
            (root / "sys/dev/block" / number).symlink_to(f"../../{name}")
        self.mounts = root / "mountinfo"
        self.mount(self.number)
        monkeypatch.setattr(disk, "SYSTEM", f"{root}/sys")
        monkeypatch.setattr(disk, "MOUNTS", str(self.mounts))

    def mount(self, number: str, target: str = "") -> None:
        with self.mounts.open("a") as table:
            table.write(f"36 35 {number} / {target or self.path} rw - ext4 {DEVICE} rw\n")

    def write(self) -> tuple[int, str]:
        return said(["write-proof", DEVICE, str(self.path)])

    def check(self) -> tuple[int, str]:
        return said(["check-proof", DEVICE, str(self.path)])


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    return Volume(tmp_path, monkeypatch)


def test_a_proof_is_1_mib_with_its_own_checksum_and_for_us_alone(volume: Volume) -> None:
    assert volume.write() == (0, "1 MiB written, and read back from the disk")
    data = volume.proof.read_bytes()
    assert len(data) == MIB
    assert hashlib.sha256(data[32:]).digest() == data[:32]
    assert volume.proof.stat().st_mode & 0o777 == 0o600


def test_every_proof_is_another_one(volume: Volume) -> None:
    volume.write()
    first = volume.proof.read_bytes()
    assert volume.write()[0] == 0
    assert volume.proof.read_bytes() != first


def test_a_proof_that_holds_is_removed_once_it_was_read_again(volume: Volume) -> None:
    volume.write()
    assert volume.check() == (0, "the file is still what was written; it was removed")
    assert not volume.proof.exists()
    assert list(volume.path.iterdir()) == []


def test_half_a_proof_of_an_earlier_run_is_replaced(volume: Volume) -> None:
    volume.proof.write_bytes(b"half")
    assert volume.write()[0] == 0
    assert volume.check()[0] == 0


@pytest.mark.parametrize("offset", [0, 31, 32, 4096, MIB - 1])
def test_a_proof_with_one_bit_changed_is_told_and_stays(volume: Volume, offset: int) -> None:
    volume.write()
    data = bytearray(volume.proof.read_bytes())
    data[offset] ^= 1
    volume.proof.write_bytes(data)
    assert volume.check() == (3, f"not done: {volume.proof} is not what was written")
    assert volume.proof.exists()


@pytest.mark.parametrize("length", [0, 32, 33, 4096, MIB - 4096, MIB - 1])
def test_a_proof_that_is_cut_short_is_told_even_with_a_checksum_that_fits(volume: Volume, length: int) -> None:
    data = bytes(length - 32) if length > 32 else b""
    volume.proof.write_bytes((hashlib.sha256(data).digest() + data)[:length])
    assert volume.check() == (3, f"not done: {volume.proof} is not what was written")
    assert volume.proof.exists()


def test_a_proof_that_is_not_there_is_told(volume: Volume) -> None:
    assert volume.check() == (3, f"not done: {volume.proof} is not what was written")


def test_a_proof_that_does_not_reach_the_disk_is_told_at_once(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.readv

    def lose(fd: int, buffers: list[memoryview]) -> int:
        count = real(fd, buffers)
        buffers[0][5000] ^= 1
        return count

    monkeypatch.setattr(os, "readv", lose)
    assert volume.write() == (3, f"not done: {volume.proof} is not what was written")


def test_the_file_and_its_name_are_on_the_disk_before_it_is_read(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, readv = os.fsync, os.readv

    def brought(fd: int) -> None:
        events.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        assert volume.proof.stat().st_size == MIB if events[-1] == disk.PROOF else True
        fsync(fd)

    monkeypatch.setattr(os, "fsync", brought)
    monkeypatch.setattr(os, "readv", lambda fd, buffers: (events.append("read"), readv(fd, buffers))[1])
    assert volume.write()[0] == 0
    assert events == [disk.PROOF, "mail", "read"]
    events.clear()
    assert volume.check()[0] == 0
    assert events == ["read", "mail"]


def test_the_proof_is_read_from_the_disk_past_the_memory(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of the file is dropped, and the read is a direct one where the file system has those."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, *rest: asked.append(rest))
    monkeypatch.setattr(fcntl, "fcntl", lambda fd, *rest: asked.append(rest))
    assert volume.write()[0] == 0
    assert asked == [(0, 0, os.POSIX_FADV_DONTNEED), (fcntl.F_SETFL, os.O_DIRECT)]


def test_a_file_system_without_direct_reads_is_proven_all_the_same(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, *rest: object) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    assert volume.write()[0] == 0
    assert volume.check()[0] == 0


# ── where ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_path_on_which_nothing_is_mounted_is_refused_and_nothing_is_written(volume: Volume) -> None:
    volume.mounts.write_text("")
    for step in (volume.write, volume.check):
        assert step() == (3, f"not done: {DEVICE} is not mounted at {volume.path}")
    assert list(volume.path.iterdir()) == []


def test_only_what_was_mounted_last_at_a_path_counts(volume: Volume) -> None:
    volume.mount("8:99")
    assert volume.write() == (3, f"not done: {DEVICE} is not mounted at {volume.path}")
    volume.mount(volume.number)
    assert volume.write()[0] == 0


def test_a_mount_at_another_path_does_not_count(volume: Volume) -> None:
    volume.mounts.write_text("")
    volume.mount(volume.number, f"{volume.path}er")
    assert volume.write()[0] == 3


def test_a_path_that_leads_away_from_the_volume_is_refused(volume: Volume) -> None:
    """The table tells the device, and the folder that is opened is on another one."""
    (volume.root / "sys/dev/block" / "8:98").symlink_to("../../sdb")
    volume.mount("8:98")
    assert volume.write() == (3, f"not done: {DEVICE} is not mounted at {volume.path}")
    assert list(volume.path.iterdir()) == []


def test_another_disk_than_the_mounted_one_is_refused(volume: Volume) -> None:
    status, words = said(["write-proof", "/dev/sdc", str(volume.path)])
    assert (status, words) == (3, f"not done: /dev/sdc is not mounted at {volume.path}")


def test_a_disk_is_the_one_that_its_name_leads_to(volume: Volume) -> None:
    (volume.root / "by-id").symlink_to(DEVICE)
    assert said(["write-proof", f"{volume.root}/by-id", str(volume.path)])[0] == 0


def test_no_descriptor_is_left_open(volume: Volume) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    volume.write()
    before = count()
    volume.write()
    volume.check()
    volume.check()
    volume.mounts.write_text("")
    volume.write()
    assert count() == before
