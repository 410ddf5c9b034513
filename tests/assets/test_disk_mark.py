"""What changes between the two looks, and what our mark on a disk vouches for after a format that was cut off."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from assets import disk
from tests.assets.plain_disk import MIB, SIZE, PlainDisk
from tests.assets.test_disk_format import OTHER, UUID, answer, ext4, holder, partition


def second(command: str, then: Callable[[], tuple[int, str, str] | None], plain: PlainDisk) -> None:
    """Have something happen when a command is asked for the second time."""
    count = [0]

    def ask(*argv: str) -> tuple[int, str, str]:
        count[0] += 1
        answer = then() if count[0] == 2 else None
        return answer if answer is not None else plain.real(*argv)

    plain.answers[command] = ask


CHANGES: tuple[tuple[str, Callable[[PlainDisk], tuple[int, str, str] | None]], ...] = (
    ("wipefs", lambda plain: ext4(plain, OTHER)),
    ("wipefs", lambda plain: (0, '{"signatures": [{"type": "xfs"}]}', "")),
    ("wipefs", lambda plain: (1, "", "")),
    ("blkid", lambda plain: (0, "TYPE=xfs\n", "")),
    ("blkid", lambda plain: plain.put(512, b"\1")),
)


@pytest.mark.parametrize(("command", "change"), CHANGES, ids=range(5))
def test_a_disk_that_changes_between_the_two_looks_is_refused_and_our_mark_is_taken_back(
    plain: PlainDisk, command: str, change: Callable[[PlainDisk], tuple[int, str, str] | None]
) -> None:
    after = ""

    def then() -> tuple[int, str, str] | None:
        nonlocal after
        answer = change(plain)
        spot, block = disk.mark_offset(SIZE), plain.read(disk.mark_offset(SIZE), disk.ROOM)
        plain.put(spot, bytes(disk.ROOM))
        after = plain.sum()
        plain.put(spot, block)
        return answer

    second(command, then, plain)
    assert plain.format() == (3, "not done: it changed while it was checked")
    assert plain.sum() == after


def test_a_mark_that_somebody_wrote_over_meanwhile_is_left_as_they_wrote_it(plain: PlainDisk) -> None:
    spot = disk.mark_offset(SIZE)
    second("wipefs", lambda: plain.put(spot, b"theirs"), plain)
    assert plain.format() == (3, "not done: it changed while it was checked")
    assert plain.read(spot, 6) == b"theirs"


def test_another_mark_than_ours_is_not_formatted_over(plain: PlainDisk) -> None:
    second("wipefs", lambda: plain.mark(OTHER), plain)
    assert plain.format() == (3, "not done: it changed while it was checked")
    assert disk.format_mark(plain.read(disk.mark_offset(SIZE), disk.ROOM)) == OTHER


def test_the_mark_is_on_the_disk_before_mkfs_begins(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    pwrite, fsync = os.pwrite, os.fsync
    monkeypatch.setattr(os, "pwrite", lambda *a: (events.append("write"), pwrite(*a))[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd))[1])
    plain.answers["mkfs.ext4"] = lambda *argv: (events.append("mkfs"), plain.real(*argv))[1]
    assert plain.format()[0] == 0
    assert events == ["write", "fsync", "mkfs", "write", "fsync"]


# ── commands that fail ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((1, "", "mkfs.ext4: no room"), "mkfs.ext4: mkfs.ext4: no room"),
        ((1, "on stdout", ""), "mkfs.ext4: on stdout"),
        ((9, "", ""), "mkfs.ext4: status 9"),
        ((124, "", "no answer within 540 seconds"), "mkfs.ext4: no answer within 540 seconds"),
        ((127, "", "mkfs.ext4: command not found"), "mkfs.ext4: mkfs.ext4: command not found"),
    ],
)
def test_a_mkfs_that_fails_or_hangs_leaves_nothing_but_the_mark_and_the_next_run_goes_on(
    plain: PlainDisk, answer: tuple[int, str, str], reason: str
) -> None:
    before = plain.sum()
    plain.answers["mkfs.ext4"] = answer
    assert plain.format() == (3, f"not done: {reason}")
    mark = disk.format_mark(plain.read(disk.mark_offset(SIZE), disk.ROOM))
    plain.put(disk.mark_offset(SIZE), bytes(disk.ROOM))
    assert plain.sum() == before
    plain.mark(mark)
    del plain.answers["mkfs.ext4"]
    assert plain.format() == (0, f"formatted, UUID {mark}")


def test_mkfs_and_e2fsck_get_nine_minutes_each(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[str, float] = {}
    real = disk.call

    def call(*argv: str, limit: float = 120) -> tuple[int, str, str]:
        limits[argv[0]] = limit
        return real(*argv, limit=limit)

    monkeypatch.setattr(disk, "call", call)
    assert plain.format()[0] == 0
    assert limits == {"lsblk": 120, "wipefs": 120, "blkid": 120, "mkfs.ext4": 540, "e2fsck": 540}


@pytest.mark.parametrize("status", [4, 8, 12])
def test_a_new_file_system_that_e2fsck_finds_unsound_keeps_its_mark(plain: PlainDisk, status: int) -> None:
    plain.answers["e2fsck"] = (status, "", "errors")
    assert plain.format() == (3, "not done: e2fsck does not find the new file system sound")
    assert plain.look()["format_mark"] == plain.look()["uuid"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [((127, "", "e2fsck: command not found"), "e2fsck: e2fsck: command not found"),
     ((124, "", "no answer within 540 seconds"), "e2fsck: no answer within 540 seconds"),
     ((16, "", ""), "e2fsck: status 16"), ((1, "", ""), "e2fsck: status 1"), ((3, "", ""), "e2fsck: status 3"),
     ((32, "", ""), "e2fsck: status 32")],
)  # fmt: skip
def test_an_e2fsck_that_cannot_tell_has_nothing_formatted_again(
    plain: PlainDisk, answer: tuple[int, str, str], reason: str
) -> None:
    ext4(plain)
    plain.mark(UUID)
    before = plain.sum()
    plain.answers["e2fsck"] = answer
    assert plain.format() == (3, f"not done: {reason}")
    assert plain.sum() == before


# ── interrupted ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_format_that_came_to_its_end_is_not_done_again(plain: PlainDisk) -> None:
    ext4(plain)
    before = plain.sum()
    plain.mark(UUID)
    assert plain.format() == (0, f"formatted, UUID {UUID}")
    assert "mkfs.ext4" not in [argv[0] for argv in plain.asked]
    assert plain.sum() == before


def test_a_format_that_was_interrupted_is_done_again_with_its_uuid(plain: PlainDisk) -> None:
    plain.put(2048, b"group descriptors")
    plain.put(20 * MIB, b"inode tables")
    plain.mark(UUID)
    assert plain.format() == (0, f"formatted, UUID {UUID}")
    assert plain.look()["uuid"] == UUID


def test_an_unsound_file_system_of_ours_that_was_never_mounted_is_made_again(plain: PlainDisk) -> None:
    ext4(plain)
    plain.put(1024 + 58, b"\2\0")  # errors were found in it
    plain.put(16 * MIB, bytes(4096))
    plain.mark(UUID)
    assert plain.format() == (0, f"formatted, UUID {UUID}")
    assert plain.asked[-2][0] == "mkfs.ext4"


@pytest.mark.parametrize(("offset", "data"), [(44, b"\1"), (47, b"\1"), (52, b"\1"), (53, b"\1")])
def test_a_volume_that_was_mounted_since_is_not_formatted_whatever_its_mark_says(
    plain: PlainDisk, offset: int, data: bytes
) -> None:
    """The time of the last mount, or the number of mounts, is in the superblock."""
    ext4(plain)
    plain.put(1024 + offset, data)
    plain.put(1024 + 58, b"\2\0")
    plain.mark(UUID)
    before = plain.sum()
    assert plain.format() == (3, "not done: wipefs finds ext4")
    assert plain.sum() == before


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda plain: ext4(plain, OTHER), "wipefs finds ext4"),
        (partition, "it has partitions: sdb1"),
        (holder, "it is in use by dm-0"),
        (lambda plain: plain.mount("/mnt"), "it is in use by /mnt"),
        (answer("blkid", 8), "blkid ended with status 8"),
        (answer("wipefs", 1), "wipefs gives no answer"),
        (answer("wipefs", 0, '{"signatures": [{"type": "xfs"}]}'), "wipefs finds xfs"),
    ],
    ids=range(7),
)
def test_a_mark_vouches_for_nothing_but_data_without_a_signature(
    plain: PlainDisk, trouble: Callable[[PlainDisk], None], reason: str
) -> None:
    trouble(plain)
    plain.mark(UUID)
    before = plain.sum()
    assert plain.format() == (3, f"not done: {reason}")
    assert plain.sum() == before


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (partition, "it has partitions: sdb1"),
        (holder, "it is in use by dm-0"),
        (answer("wipefs", 0, '{"signatures": [{"type": "ext4"}, {"type": "xfs"}]}'), "wipefs finds xfs"),
        (answer("wipefs", 1, '{"signatures": [{"type": "ext4"}]}'), "wipefs gives no answer"),
    ],
    ids=range(4),
)
def test_an_unfinished_file_system_of_ours_with_something_else_beside_it_is_refused(
    plain: PlainDisk, trouble: Callable[[PlainDisk], None], reason: str
) -> None:
    ext4(plain)
    plain.mark(UUID)
    trouble(plain)
    plain.answers["e2fsck"] = (4, "", "")
    before = plain.sum()
    assert plain.format() == (3, f"not done: {reason}")
    assert plain.sum() == before


def test_a_blank_disk_without_a_uuid_is_not_taken_for_one_that_we_began(plain: PlainDisk) -> None:
    """Neither its mark nor its UUID is there, and both are the same empty text."""
    plain.answers["e2fsck"] = (8, "", "")
    plain.answers["wipefs"] = (0, '{"signatures": [{"type": "ext4"}]}', "")
    before = plain.sum()
    assert plain.format() == (3, "not done: wipefs finds ext4")
    assert plain.sum() == before
