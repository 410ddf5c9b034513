"""A disk is formatted only when it is the right one and blank; what is refused keeps every byte."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assets import disk
from tests.assets.plain_disk import ID, MIB, NUMBER, SERIAL, SIZE, PlainDisk, said

UUID = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"


def ext4(plain: PlainDisk, uuid: str = UUID, label: str = "cowhand-opt") -> None:
    subprocess.run(["mkfs.ext4", "-q", "-L", label, "-U", uuid, "-E", "nodiscard", str(plain.image)], check=True)


# ── formatted ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_blank_disk_becomes_a_sound_ext4_without_a_mark(plain: PlainDisk) -> None:
    status, words = plain.format()
    found = plain.look()
    assert (status, words) == (0, f"formatted, UUID {found['uuid']}")
    assert (found["kind"], found["label"], found["bytes"]) == ("ext4", "cowhand-opt", SIZE)
    assert subprocess.run(["e2fsck", "-f", "-n", str(plain.image)], capture_output=True, check=False).returncode == 0
    assert plain.read(disk.mark_offset(SIZE), disk.ROOM) == bytes(disk.ROOM)


def test_a_disk_is_looked_at_and_marked_before_and_checked_after_it_is_formatted(plain: PlainDisk) -> None:
    marks = []

    def mkfs(*argv: str) -> tuple[int, str, str]:
        marks.append(disk.format_mark(plain.read(disk.mark_offset(SIZE), disk.ROOM)))
        return plain.real(*argv)

    plain.answers["mkfs.ext4"] = mkfs
    assert plain.format()[0] == 0
    look = ["lsblk", "wipefs", "blkid"]
    assert [argv[0] for argv in plain.asked] == [*look, *look, "mkfs.ext4", "e2fsck"]
    node = str(plain.image)
    assert plain.asked[6] == ("mkfs.ext4", "-q", "-L", "cowhand-opt", "-U", *marks, "-E", "nodiscard", node)
    assert plain.asked[7] == ("e2fsck", "-f", "-n", node)
    assert plain.look()["uuid"] == marks[0]


def test_every_format_gives_another_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        disks.append(PlainDisk(tmp_path / name, monkeypatch))
        monkeypatch.undo() if name == "a" and disks[0].format()[0] else None
    assert disks[1].format()[0] == 0
    words = [subprocess.run(["blkid", "-p", "-o", "value", "-s", "UUID", str(each.image)], capture_output=True,
                            check=True).stdout for each in disks]  # fmt: skip
    assert words[0] != words[1]


def test_one_of_several_serials_is_enough(plain: PlainDisk) -> None:
    assert plain.format(serials=f"other,{SERIAL}")[0] == 0


# ── judged ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, ""),
        ({"busy": "Device or resource busy"}, ""),
        ({"zero": False, "format_mark": UUID}, ""),
        ({"parts": ["sdb1", "sdb2"]}, "it has partitions: sdb1, sdb2"),
        ({"holders": ["dm-0"], "mounted": ["/mnt"]}, "it is in use by dm-0, /mnt"),
        ({"wipefs": None}, "wipefs gives no answer"),
        ({"wipefs": 1}, "wipefs gives no answer"),
        ({"signatures": ["xfs", "dos"]}, "wipefs finds xfs, dos"),
        ({"blkid": None}, "blkid ended with status None"),
        ({"blkid": 0, "kind": "xfs"}, "blkid finds xfs"),
        ({"blkid": 1}, "blkid ended with status 1"),
        ({"blkid": 3}, "blkid ended with status 3"),
        ({"zero": False}, "its first MiB is not zero"),
        ({"first_data_offset": 0}, "there is data at byte 0"),
        ({"first_data_offset": 1}, "there is data at byte 1"),
        ({"format_mark": UUID, "first_data_offset": 1}, "there is data at byte 1"),
    ],
)
def test_a_disk_is_blank_only_when_everything_says_so(plain: PlainDisk, told: dict[str, object], reason: str) -> None:
    assert disk.not_blank({**plain.look(), **told}) == reason  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, ""),
        ({"device": "/dev/sdc"}, "it is not a whole disk"),
        ({"disk": False}, "it is not a whole disk"),
        ({"size": SIZE + 1}, f"its size is {SIZE + 1} bytes and its serial {SERIAL}"),
        ({"serial": ""}, f"its size is {SIZE} bytes and its serial unknown"),
        ({"serial": "b,a"}, f"its size is {SIZE} bytes and its serial b,a"),
        ({"readonly": True}, "it is read-only"),
    ],
)
def test_a_disk_is_the_right_one_only_when_everything_says_so(
    plain: PlainDisk, told: dict[str, object], reason: str
) -> None:
    found = {**plain.look(), **told}
    assert disk.not_the_disk(found, str(plain.image), str(SIZE), f"a,{SERIAL},b") == reason  # type: ignore[arg-type]


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def held(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program has the disk open for itself alone: mounted here or in another namespace, RAID, LVM, LUKS."""
    real = os.open

    def refuse(path: str, flags: int, *args: object, **kwargs: object) -> int:
        if flags & os.O_EXCL and not flags & os.O_CREAT:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)


def partition(plain: PlainDisk) -> None:
    """The kernel knows of a partition, whatever the disk's bytes are."""
    (plain.root / "sys/dev/block" / NUMBER / "sdb1").mkdir()
    (plain.root / "sys/dev/block" / NUMBER / "sdb1" / "partition").write_text("1\n")


def is_partition(plain: PlainDisk) -> None:
    (plain.root / "sys/dev/block" / NUMBER / "partition").write_text("1\n")


def holder(plain: PlainDisk) -> None:
    (plain.root / "sys/dev/block" / NUMBER / "holders" / "dm-0").mkdir()


def answer(command: str, status: int, text: str = "", words: str = "") -> Callable[[PlainDisk], None]:
    def trouble(plain: PlainDisk) -> None:
        plain.answers[command] = (status, text, words)

    trouble.__name__ = f"{command}-{status}-{text[:12]}"
    return trouble


def table(kind: str) -> Callable[[PlainDisk], None]:
    """A partition table as sfdisk lays it."""

    def trouble(plain: PlainDisk) -> None:
        if kind == "dos":
            entry = b"\0\x20\x21\0\x83\xfe\xff\xff" + (2048).to_bytes(4, "little") + (8192).to_bytes(4, "little")
            plain.put(446, entry.ljust(64, b"\0") + b"\x55\xaa")
        else:
            plain.put(510, b"\x55\xaa")
            plain.put(450, b"\xee")
            plain.put(512, b"EFI PART\0\0\1\0\x5c\0\0\0")

    trouble.__name__ = kind
    return trouble


def data(offset: int) -> Callable[[PlainDisk], None]:
    def trouble(plain: PlainDisk) -> None:
        plain.put(offset, b"\1")

    trouble.__name__ = f"data-{offset}"
    return trouble


SAMPLE = SIZE // 256
TIME = "no answer within 120 seconds"
WRONG = f"its size is {SIZE} bytes and its serial"

REFUSED: tuple[tuple[Callable[[PlainDisk], None], str], ...] = (
    (lambda plain: plain.mount("/mnt"), "it is in use by /mnt"),
    (partition, "it has partitions: sdb1"),
    (is_partition, "it is not a whole disk"),
    (holder, "it is in use by dm-0"),
    (lambda plain: plain.serial(""), f"{WRONG} unknown"),
    (lambda plain: plain.serial(None), f"{WRONG} unknown"),
    (lambda plain: plain.serial("incus_var"), f"{WRONG} incus_var"),
    (lambda plain: plain.serial("incus_op"), f"{WRONG} incus_op"),
    (lambda plain: plain.serial(SERIAL, True), "it is read-only"),
    (lambda plain: plain.serial(SERIAL, "1"), "it is read-only"),
    (lambda plain: ext4(plain, label="mail"), "wipefs finds ext4"),
    (table("dos"), "wipefs finds dos"),
    (table("gpt"), "wipefs finds PMBR"),
    (data(0), "its first MiB is not zero"),
    (data(700_000), "its first MiB is not zero"),
    (data(MIB - 1), "its first MiB is not zero"),
    (data(MIB), f"there is data at byte {MIB}"),
    (data(9 * MIB), f"there is data at byte {9 * MIB}"),
    (data(77 * SAMPLE + 4095), f"there is data at byte {77 * SAMPLE + 4095}"),
    (data(255 * SAMPLE), f"there is data at byte {255 * SAMPLE}"),
    (data(30 * MIB), f"there is data at byte {30 * MIB}"),
    (data(SIZE - MIB), f"there is data at byte {SIZE - MIB}"),
    (data(SIZE - 1), f"there is data at byte {SIZE - 1}"),
    (answer("wipefs", 127, "", "wipefs: command not found"), "wipefs gives no answer"),
    (answer("wipefs", 124, "", TIME), "wipefs gives no answer"),
    (answer("wipefs", 1, "", "wipefs: error"), "wipefs gives no answer"),
    (answer("wipefs", 0, "not json"), "wipefs gives no answer"),
    (answer("wipefs", 0, '{"signatures": [{}]}'), "wipefs gives no answer"),
    (answer("wipefs", 0, '{"signatures": null}'), "wipefs gives no answer"),
    (answer("wipefs", 0, '{"signatures": [{"type": "xfs"}, {"type": "dos"}]}'), "wipefs finds xfs, dos"),
    (answer("wipefs", 1, '{"signatures": [{"type": "xfs"}]}'), "wipefs finds xfs"),
    (answer("blkid", 127), "blkid ended with status 127"),
    (answer("blkid", 124), "blkid ended with status 124"),
    (answer("blkid", 4), "blkid ended with status 4"),
    (answer("blkid", 8), "blkid ended with status 8"),
    (answer("blkid", 0), "blkid ended with status 0"),
    (answer("blkid", 0, "DEVNAME=/dev/sdb\nTYPE=xfs\n"), "blkid finds xfs"),
    (answer("blkid", 0, "DEVNAME=/dev/sdb\nPTTYPE=gpt\n"), "blkid finds gpt"),
    (answer("lsblk", 127), f"{WRONG} unknown"),
    (answer("lsblk", 124), f"{WRONG} unknown"),
    (answer("lsblk", 32, '{"blockdevices": [{"serial": "incus_opt"}]}'), f"{WRONG} unknown"),
    (answer("lsblk", 0, "not json"), f"{WRONG} unknown"),
    (answer("lsblk", 0, '{"blockdevices": []}'), f"{WRONG} unknown"),
    (answer("lsblk", 0, '{"blockdevices": [7]}'), f"{WRONG} unknown"),
    (answer("lsblk", 0, "{}"), f"{WRONG} unknown"),
)


@pytest.mark.parametrize(("trouble", "reason"), REFUSED, ids=[f"{n}-{words}" for n, (_, words) in enumerate(REFUSED)])
def test_a_disk_that_is_not_proven_to_be_the_right_one_and_blank_is_refused_and_keeps_every_byte(
    plain: PlainDisk, trouble: Callable[[PlainDisk], None], reason: str
) -> None:
    trouble(plain)
    before = plain.sum()
    assert plain.format() == (3, f"not done: {reason}")
    assert plain.sum() == before
    assert "mkfs.ext4" not in [argv[0] for argv in plain.asked]


def test_a_disk_that_another_program_holds_is_refused_before_it_is_looked_at(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plain.sum()
    held(plain, monkeypatch)
    assert plain.format() == (3, "not done: it cannot be opened exclusively: Device or resource busy")
    assert plain.asked == []
    monkeypatch.undo()
    assert plain.sum() == before


def test_the_disk_is_opened_so_that_nobody_else_can_use_it_before_the_look_and_after_mkfs(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mkfs.ext4 itself opens it so, and would be refused while we have it open."""
    real, opened, during = os.open, [], {}

    def record(path: str, flags: int, *args: object, **kwargs: object) -> int:
        held = real(path, flags, *args, **kwargs)  # type: ignore[arg-type]
        if flags & os.O_EXCL and flags & os.O_RDWR:
            opened.append(held)
        return held

    def holding() -> bool:
        return any(os.path.exists(f"/proc/self/fd/{each}") and
                   os.readlink(f"/proc/self/fd/{each}") == str(plain.image) and
                   fcntl.fcntl(each, fcntl.F_GETFL) & os.O_RDWR for each in opened)  # fmt: skip

    def ask(*argv: str) -> tuple[int, str, str]:
        during.setdefault(argv[0], holding())
        return plain.real(*argv)

    monkeypatch.setattr(os, "open", record)
    for command in ("wipefs", "mkfs.ext4", "e2fsck"):
        plain.answers[command] = ask
    assert plain.format()[0] == 0
    assert during == {"wipefs": True, "mkfs.ext4": False, "e2fsck": True}
    assert len(opened) == 2
    assert not holding()


def test_a_disk_that_somebody_took_while_mkfs_ran_is_left_marked(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkfs(*argv: str) -> tuple[int, str, str]:
        held(plain, monkeypatch)
        return 0, "", ""

    plain.answers["mkfs.ext4"] = mkfs
    assert plain.format() == (3, "not done: it cannot be opened exclusively: Device or resource busy")
    monkeypatch.undo()
    assert disk.format_mark(plain.read(disk.mark_offset(SIZE), disk.ROOM))


@pytest.mark.parametrize("size", [SIZE - 512, SIZE + 512, 0, 1])
def test_a_disk_of_another_size_is_refused(plain: PlainDisk, size: int) -> None:
    before = plain.sum()
    assert plain.format(size=size) == (3, f"not done: its size is {SIZE} bytes and its serial {SERIAL}")
    assert plain.sum() == before


def test_a_disk_without_a_serial_is_refused_even_when_none_is_asked_for(plain: PlainDisk) -> None:
    plain.serial("")
    assert plain.format(serials="")[0] == 3
    plain.serial(SERIAL)
    assert plain.format(serials="")[0] == 3


@pytest.mark.parametrize("size", [4 * MIB, 11 * MIB, 22 * MIB, 22 * MIB + 512, 22 * MIB + 4095])
def test_a_disk_that_is_too_small_for_its_mark_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    (tmp_path / "small").mkdir()
    plain = PlainDisk(tmp_path / "small", monkeypatch, size)
    assert plain.format() == (3, "not done: it is too small")
    assert plain.image.stat().st_size == size
    assert plain.sum() == PlainDisk(tmp_path, monkeypatch, size).sum()


def test_a_disk_whose_mark_just_fits_is_formatted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 22 * MIB + disk.ROOM
    assert disk.mark_offset(size) == 22 * MIB
    (tmp_path / "fits").mkdir()
    assert PlainDisk(tmp_path / "fits", monkeypatch, size).format()[0] == 0


def test_a_name_that_leads_to_another_disk_meanwhile_is_refused(plain: PlainDisk) -> None:
    other = plain.root / "dev" / "sdc"
    other.write_bytes(bytes(64))
    before = plain.sum()

    def lock(fd: int) -> None:
        (plain.root / "by-id" / ID).unlink()
        plain.name(ID, "../dev/sdc")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "lock_disk", lock)
        assert plain.format() == (3, "not done: it is not a whole disk")
    assert (plain.sum(), other.read_bytes()) == (before, bytes(64))


def test_a_name_that_leads_nowhere_is_refused(plain: PlainDisk) -> None:
    status, words = said(["format", f"{plain.root}/by-id/none", str(SIZE), SERIAL, "cowhand-opt"])
    assert (status, words) == (1, f"not done: {plain.root}/by-id/none: No such file or directory")


@pytest.mark.parametrize("tool", disk.TOOLS)
def test_a_machine_that_lacks_a_command_formats_nothing(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setattr(disk.shutil, "which", lambda name, path: None if name == tool else f"/sbin/{name}")
    before = plain.sum()
    assert plain.format() == (3, f"not done: this machine has no {tool}")
    assert (plain.sum(), plain.asked) == (before, [])


# ── locked ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_disk_that_another_program_has_locked_is_waited_for_and_then_refused(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(disk.time, "sleep", waits.append)
    before = plain.sum()
    with plain.image.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert plain.format() == (3, "not done: it is locked by another program")
    assert waits == [0.1] * 50
    assert (plain.sum(), plain.asked) == (before, [])


def test_a_lock_that_is_let_go_is_taken_and_kept_until_the_end(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plain.image.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        monkeypatch.setattr(disk.time, "sleep", lambda seconds: fcntl.flock(other, fcntl.LOCK_UN))
        locked: list[str] = []

        def ask(*argv: str) -> tuple[int, str, str]:
            with plain.image.open("rb") as third:
                try:
                    fcntl.flock(third, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    locked.append(argv[0])
            return plain.real(*argv)

        for command in ("wipefs", "mkfs.ext4", "e2fsck"):
            plain.answers[command] = ask
        assert plain.format()[0] == 0
    assert locked == ["wipefs", "wipefs", "mkfs.ext4", "e2fsck"]
    with plain.image.open("rb") as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)


# ── changed between the looks ───────────────────────────────────────────────────────────────────────────────────────
