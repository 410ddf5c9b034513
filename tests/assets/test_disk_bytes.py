"""What the bytes of a disk tell: the mark of a format, data anywhere, the size of a file system."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets import disk
from tests.assets.plain_disk import MIB, SIZE, PlainDisk

GIB = 1 << 30
UUID = "11111111-2222-4333-8444-555555555555"


# ── the mark ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mark_is_told_by_its_uuid() -> None:
    assert disk.format_mark(disk.mark_block(UUID)) == UUID


def test_a_mark_on_a_disk_is_what_it_was_in_the_first_version() -> None:
    """Disks of running hosts may have it: it never changes."""
    head = b"cowhand began to format this disk\n" + UUID.encode()
    assert disk.mark_block(UUID) == (head + hashlib.sha256(head).hexdigest().encode()).ljust(4096, b"\0")


@pytest.mark.parametrize("byte", [0, 33, 34, 69, 70, 133, 134, 4095])
def test_a_mark_with_one_byte_changed_is_none(byte: int) -> None:
    block = bytearray(disk.mark_block(UUID))
    block[byte] ^= 1
    assert disk.format_mark(bytes(block)) == ""


@pytest.mark.parametrize("length", [0, 34, 70, 134, 4095])
def test_a_mark_that_is_cut_short_is_none(length: int) -> None:
    assert disk.format_mark(disk.mark_block(UUID)[:length]) == ""


@pytest.mark.parametrize(
    "uuid", ["", "-L", UUID.upper().replace("1", "A"), "g" + UUID[1:], UUID[:-1], UUID + "0", "\n" + UUID[1:],
             UUID.replace("-", "0"), UUID.replace("-2222", "2-222")],
)  # fmt: skip
def test_a_mark_of_what_is_no_uuid_is_none_though_its_checksum_is_right(uuid: str) -> None:
    """It becomes an argument of mkfs.ext4."""
    assert disk.format_mark(disk.mark_block(uuid)) == ""


@given(st.binary(max_size=200))
def test_no_noise_is_taken_for_a_mark(noise: bytes) -> None:
    assert disk.format_mark(noise) == ""
    assert disk.format_mark((disk.MAGIC + noise).ljust(disk.ROOM, b"\0")) == ""


# ── where the mark is ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size", "offset"),
    [
        (24 * MIB, 22 * MIB),
        (32 * MIB, 30 * MIB),
        (64 * MIB, 54 * MIB),
        (64 * MIB + 10 * MIB + 699_050, 54 * MIB),
        (64 * MIB + 10 * MIB + 699_051, 62 * MIB),
        (512 * MIB - 1, 382 * MIB),
        (512 * MIB, 480 * MIB),
        (512 * MIB + 1, 480 * MIB),
        (682 * MIB, 480 * MIB),
        (683 * MIB, 608 * MIB),
        (10 * GIB, 7776 * MIB),
        (50 * GIB, 38496 * MIB),
        (16 << 40, (12 << 40) + 96 * MIB),
    ],
)
def test_the_mark_is_in_the_group_at_three_quarters_of_the_disk(size: int, offset: int) -> None:
    assert disk.mark_offset(size) == offset


@given(st.integers(24 * MIB, 1 << 50))
def test_the_mark_is_on_the_disk_and_no_group_begins_there(size: int) -> None:
    group = (128 if size >= 512 * MIB else 8) * MIB
    offset = disk.mark_offset(size)
    assert offset + disk.ROOM <= size
    assert offset % group == group * 3 // 4
    assert abs(offset - size * 3 / 4) <= group


@pytest.mark.parametrize("size", [32, 64, 256, 511, 512, 513, 1024, 4096, 10240])
def test_the_mark_outlives_mkfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Else an interrupted mkfs could not be told from somebody's data."""
    plain = PlainDisk(tmp_path, monkeypatch, size * MIB)
    plain.mark(UUID)
    assert plain.real("mkfs.ext4", "-q", "-E", "nodiscard", str(plain.image))[0] == 0
    assert disk.format_mark(plain.read(disk.mark_offset(plain.size), disk.ROOM)) == UUID


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Sparse:
    """A disk of any size that is zero but for a few bytes; it counts what is read."""

    def __init__(self, size: int, data: dict[int, bytes]) -> None:
        self.size, self.data, self.at, self.count = size, data, 0, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = self.size + offset if whence == os.SEEK_END else offset
        if self.at > self.size:
            raise OSError(errno.EINVAL, "Invalid argument")  # as a block device does
        return self.at

    def read(self, length: int) -> bytes:
        length = max(0, min(length, self.size - self.at))
        found = bytearray(length)
        for offset, data in self.data.items():
            for place, byte in enumerate(data, offset):
                if self.at <= place < self.at + length:
                    found[place - self.at] = byte
        self.at += length
        self.count += length
        return bytes(found)


def first(size: int, *offsets: int) -> int:
    return disk.first_data_offset(Sparse(size, dict.fromkeys(offsets, b"\x01")), size)  # type: ignore[arg-type]


SIZES = (32 * MIB, 64 * MIB, 511 * MIB, 10 * GIB, 50 * GIB + 512, 3 << 40)


@pytest.mark.parametrize("size", SIZES)
def test_a_blank_disk_has_no_data(size: int) -> None:
    assert first(size) == -1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 1, 2, 63, 128, 254, 255])
def test_data_at_each_of_256_places_is_found(size: int, number: int) -> None:
    place = size * number // 256 // 4096 * 4096
    assert first(size, place) == place
    assert first(size, place + 4095) == place + 4095


@pytest.mark.parametrize("size", SIZES)
def test_data_in_the_last_mib_is_found(size: int) -> None:
    for offset in (size - MIB, size - MIB + 1, size - 600_000, size - 512, size - 1):
        assert first(size, offset) == offset


@pytest.mark.parametrize("start", [0, MIB], ids=["disk", "partition"])
@pytest.mark.parametrize(
    "offset",
    [8193 * 1024 + 56, 16384 * 2048 + 56, 32768 * 4096 + 56, 64 * MIB + 64],
    ids=["ext4 with 1 KiB blocks", "ext4 with 2 KiB blocks", "ext4 with 4 KiB blocks", "btrfs"],
)
def test_the_second_superblock_of_a_file_system_whose_first_was_overwritten_is_found(start: int, offset: int) -> None:
    """Its magic is 56 bytes into an ext4's, 64 bytes into that of a btrfs."""
    for size in (10 * GIB, 50 * GIB + 512):
        assert first(size, start + offset) == start + offset


@pytest.mark.parametrize("offset", [MIB, MIB + 4095, 2 * MIB])
def test_data_where_a_first_partition_begins_is_found(offset: int) -> None:
    assert first(50 * GIB, offset) == offset


@pytest.mark.parametrize("size", SIZES)
def test_data_where_the_mark_would_go_is_found(size: int) -> None:
    place = disk.mark_offset(size)
    assert first(size, place) == place
    assert first(size, place + disk.ROOM - 1) == place + disk.ROOM - 1


def test_the_first_of_several_places_is_told() -> None:
    assert first(10 * GIB, 9 * GIB, 40 * MIB * 77, 40 * MIB * 76 + 9) == 40 * MIB * 76 + 9


def test_what_lies_between_the_samples_is_not_looked_at() -> None:
    """A limit, and a known one: all of a large disk would take hours to read."""
    assert first(10 * GIB, 40 * MIB + 4096) == -1
    assert first(10 * GIB, 10 * GIB - MIB - 1) == -1


def test_a_disk_of_a_terabyte_costs_as_many_reads_as_a_small_one() -> None:
    for size in SIZES:
        raw = Sparse(size, {})
        disk.first_data_offset(raw, size)  # type: ignore[arg-type]
        assert raw.count <= (256 + 13) * 4096 + MIB


def test_a_disk_smaller_than_a_mib_is_read_to_its_end() -> None:
    assert first(4096 * 3, 4096 * 3 - 1) == 4096 * 3 - 1
    assert first(4096 * 3) == -1


@pytest.mark.parametrize("length", [1, 7, 4096])
def test_a_part_of_a_disk_is_read_whole_though_each_read_is_short(tmp_path: Path, length: int) -> None:
    data = bytes(range(256)) * 40

    class Short(Sparse):
        def read(self, count: int) -> bytes:
            return super().read(min(count, length))

    raw = Short(len(data), {0: data})
    assert disk.read_at(raw, 100, 5000) == data[100:5100]  # type: ignore[arg-type]
    assert disk.read_at(raw, len(data) - 10, 5000) == data[-10:]  # type: ignore[arg-type]
    assert disk.read_at(raw, len(data), 5) == b""  # type: ignore[arg-type]
    assert disk.read_at(raw, len(data) + 1, 5) == b""  # type: ignore[arg-type]


@pytest.mark.parametrize(("data", "place"), [(b"", -1), (b"\0\0", -1), (b"\1", 0), (b"\0\0\1\0\2", 2), (b"\0\xff", 1)])
def test_the_first_byte_that_is_not_zero_is_told_by_its_place_on_the_disk(data: bytes, place: int) -> None:
    raw = Sparse(9000, {500: data})
    assert disk.first_byte(raw, 500, len(data)) == (place + 500 if place >= 0 else -1)  # type: ignore[arg-type]


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_blank_disk_is_told_to_be_one(plain: PlainDisk) -> None:
    found = plain.look()
    assert (found["size"], found["zero"], found["first_data_offset"], found["format_mark"]) == (SIZE, True, -1, "")
    assert (found["wipefs"], found["blkid"], found["signatures"], found["kind"]) == (0, 2, [], "")


@pytest.mark.parametrize("offset", [0, 4096, MIB - 1])
def test_data_in_the_first_mib_needs_no_sample(plain: PlainDisk, offset: int) -> None:
    plain.put(offset, b"\1")
    plain.put(20 * MIB, b"\1")
    assert (plain.look()["zero"], plain.look()["first_data_offset"]) == (False, -1)


def test_the_first_mib_ends_where_the_samples_begin(plain: PlainDisk) -> None:
    plain.put(MIB, b"\1")
    assert (plain.look()["zero"], plain.look()["first_data_offset"]) == (True, MIB)


def test_a_disk_with_a_mark_is_not_sampled(plain: PlainDisk) -> None:
    plain.mark(UUID)
    plain.put(SIZE - 1, b"\1")
    assert (plain.look()["zero"], plain.look()["first_data_offset"], plain.look()["format_mark"]) == (True, -1, UUID)


@pytest.mark.parametrize("block", [1024, 2048, 4096])
def test_the_size_of_an_ext4_is_told_in_bytes(plain: PlainDisk, block: int) -> None:
    plain.real("mkfs.ext4", "-q", "-b", str(block), str(plain.image), f"{24 * MIB // 1024}k")
    assert plain.look()["bytes"] == 24 * MIB


def test_the_size_of_a_large_ext4_has_more_than_32_bits_of_blocks(plain: PlainDisk) -> None:
    plain.real("mkfs.ext4", "-q", "-O", "64bit", "-b", "4096", str(plain.image))
    plain.put(1024 + 336, (3).to_bytes(4, "little") + b"\1")  # the next field is that of reserved blocks
    plain.answers["blkid"] = (0, "TYPE=ext4\n", "")
    assert plain.look()["bytes"] == (3 << 32) * 4096 + SIZE


def test_only_an_ext4_has_its_size_told(plain: PlainDisk) -> None:
    plain.put(1024 + 4, b"\1")
    plain.answers["blkid"] = (0, "TYPE=xfs\n", "")
    assert plain.look()["bytes"] == 0


def test_a_mark_counts_while_its_file_system_was_never_mounted(plain: PlainDisk) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.mark(UUID)
    assert plain.look()["format_mark"] == UUID


@pytest.mark.parametrize("offset", [44, 45, 46, 47, 52, 53])
def test_a_mark_counts_no_more_once_its_file_system_was_mounted(plain: PlainDisk, offset: int) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.mark(UUID)
    plain.put(1024 + offset, b"\1")
    assert plain.look()["format_mark"] == ""


@pytest.mark.parametrize("offset", [43, 48, 51, 54])
def test_other_bytes_of_the_superblock_say_nothing_of_a_mount(plain: PlainDisk, offset: int) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, "-O", "^metadata_csum", str(plain.image))
    plain.mark(UUID)
    plain.put(1024 + offset, b"\1")
    plain.answers["blkid"] = (0, f"TYPE=ext4\nUUID={UUID}\n", "")
    assert plain.look()["format_mark"] == UUID


def test_the_mark_of_another_file_system_is_told_whether_that_was_mounted_or_not(plain: PlainDisk) -> None:
    plain.real("mkfs.ext4", "-q", str(plain.image))
    plain.mark(UUID)
    plain.put(1024 + 52, b"\1")
    assert plain.look()["format_mark"] == UUID
