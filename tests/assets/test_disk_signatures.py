"""Whatever somebody's program laid on a disk: it is refused, and keeps every byte.

The offsets and magics are those that libblkid looks for (util-linux, libblkid/src/superblocks and partitions). A magic
alone is often not enough for libblkid to name it; then it is data, and is refused as that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assets.plain_disk import MIB, SIZE, PlainDisk
from tests.assets.signed import CASES, MAKERS, load

KIB = 1024
NAMES = {"luks1": "crypto_LUKS", "luks2": "crypto_LUKS", "verity": "DM_verity_hash", "ext4-1k": "ext4",
         "swap-64k": "swap", "gpt-sgdisk": "gpt", "gpt-head-lost": "gpt"}  # fmt: skip
"""What wipefs calls a recorded disk, where that is not its name up to the dash."""


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_a_disk_that_a_real_program_laid_something_on_is_refused_by_its_name(plain: PlainDisk, name: str) -> None:
    plain.size = load(name, plain.image)
    before = plain.sum()
    status, words = plain.format()
    assert status == 3
    assert words.startswith("not done: wipefs finds ")
    assert NAMES.get(name, name.partition("-")[0]) in words.removeprefix("not done: wipefs finds ").split(", ")
    assert plain.sum() == before


def test_every_program_that_can_be_recorded_is_recorded() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(MAKERS)


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_what_a_real_program_laid_on_a_disk_is_refused_though_no_command_knows_it(plain: PlainDisk, name: str) -> None:
    """An old libblkid may not know it: then its bytes tell."""
    plain.size = load(name, plain.image)
    plain.answers["wipefs"] = (0, "", "")
    plain.answers["blkid"] = (2, "", "")
    before = plain.sum()
    status, words = plain.format()
    assert status == 3
    assert words == "not done: its first MiB is not zero" or words.startswith("not done: there is data at byte ")
    assert plain.sum() == before


MAGICS: tuple[tuple[str, int, bytes], ...] = (
    ("ext", KIB + 56, b"\x53\xef"),
    ("xfs", 0, b"XFSB"),
    ("exfs", 0, b"EXFS"),
    ("btrfs", 64 * KIB + 64, b"_BHRfS_M"),
    ("apfs", 32, b"NXSB"),
    ("bcache", 4 * KIB + 24, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")),
    ("bcachefs", 4 * KIB + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")),
    ("bcachefs, second", 2 * MIB + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")),
    ("bcachefs, last", -MIB + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef")),
    ("befs", 32, b"BFS1"),
    ("befs, second", 512 + 32, b"1SFB"),
    ("bfs", 0, b"\xce\xfa\xad\x1b"),
    ("bitlocker, vista", 0, b"\xeb\x52\x90-FVE-FS-"),
    ("bitlocker, 7", 0, b"\xeb\x58\x90-FVE-FS-"),
    ("bitlocker, to go", 0, b"\xeb\x58\x90MSWIN4.1"),
    ("bluestore", 0, b"bluestore block device"),
    ("cramfs", 0, b"\x45\x3d\xcd\x28"),
    ("cramfs, big endian", 0, b"\x28\xcd\x3d\x45"),
    ("core storage", 88, b"CS"),
    ("drbd", -4 * KIB + 60, b"\x83\x74\x02\x6b"),
    ("drbd, unclean", -4 * KIB + 60, b"\x83\x74\x02\x6c"),
    ("drbd 9", -4 * KIB + 60, b"\x83\x74\x02\x6d"),
    ("drbd manage", 0, b"$DRBDmgr=q"),
    ("drbd proxy", 0, b"DRBDdlh*"),
    ("erofs", KIB, b"\xe2\xe1\xf5\xe0"),
    ("exfat", 3, b"EXFAT   "),
    ("f2fs", KIB, b"\x10\x20\xf5\xf2"),
    ("gfs", 64 * KIB, b"\x01\x16\x19\x70"),
    ("hfs", KIB, b"BD"),
    ("hfs+", KIB, b"H+"),
    ("hfsx", KIB, b"HX"),
    ("hpfs", 8 * KIB, b"\x49\xe8\x95\xf9"),
    ("iso9660", 32 * KIB + 1, b"CD001"),
    ("high sierra", 32 * KIB + 9, b"CDROM"),
    ("jfs", 32 * KIB, b"JFS1"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("luks, second header", 16 * KIB, b"SKUL\xba\xbe"),
    ("lvm1", 0, b"HM\1\0"),
    ("lvm2, sector 0", 24, b"LVM2 001"),
    ("lvm2, sector 1", 512 + 24, b"LVM2 001"),
    ("lvm2, sector 2", KIB + 24, b"LVM2 001"),
    ("lvm2, sector 3", KIB + 512 + 24, b"LVM2 001"),
    ("dm snapshot", 0, b"SnAp"),
    ("dm verity", 0, b"verity\0\0"),
    ("dm integrity", 0, b"integrt\0"),
    ("vdo", 0, b"dmvdo001"),
    ("stratis", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("stratis, second", 9 * 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("minix 1", KIB + 16, b"\x7f\x13"),
    ("minix 2", KIB + 16, b"\x68\x24"),
    ("minix 3", KIB + 24, b"\x5a\x4d"),
    ("mpool", 0, b"\x00\x6c\x6f\x6f\x70\x6d\x4d\x61"),
    ("nss", 4 * KIB, b"SPB5"),
    ("nilfs2", KIB + 6, b"\x34\x34"),
    ("nilfs2, second", -4 * KIB + 6, b"\x34\x34"),
    ("ntfs", 3, b"NTFS    "),
    ("ocfs", 8 * KIB, b"OracleCFS"),
    ("ocfs2, 512", KIB, b"OCFSV2"),
    ("ocfs2, 1 KiB", 2 * KIB, b"OCFSV2"),
    ("ocfs2, 2 KiB", 4 * KIB, b"OCFSV2"),
    ("ocfs2, 4 KiB", 8 * KIB, b"OCFSV2"),
    ("oracle asm", 32, b"ORCLDISK"),
    ("refs", 0, b"\0\0\0ReFS\0"),
    ("reiserfs 3.5", 8 * KIB + 52, b"ReIsErFs"),
    ("reiserfs 3.6", 64 * KIB + 52, b"ReIsEr2Fs"),
    ("reiserfs jr", 64 * KIB + 52, b"ReIsEr3Fs"),
    ("reiser4", 64 * KIB, b"ReIsEr4"),
    ("romfs", 0, b"-rom1fs-"),
    ("scoutfs", 64 * KIB + 4, b"\x8b\x42\x3c\x10"),
    ("squashfs", 0, b"hsqs"),
    ("squashfs, big endian", 0, b"sqsh"),
    ("swap, 4 KiB pages", 4 * KIB - 10, b"SWAPSPACE2"),
    ("swap, old", 4 * KIB - 10, b"SWAP-SPACE"),
    ("swap, 8 KiB pages", 8 * KIB - 10, b"SWAPSPACE2"),
    ("swap, 16 KiB pages", 16 * KIB - 10, b"SWAPSPACE2"),
    ("swap, 32 KiB pages", 32 * KIB - 10, b"SWAPSPACE2"),
    ("swap, 64 KiB pages", 64 * KIB - 10, b"SWAPSPACE2"),
    ("hibernation", 4 * KIB - 10, b"S1SUSPEND"),
    ("hibernation 2", 4 * KIB - 10, b"S2SUSPEND"),
    ("hibernation, uswsusp", 4 * KIB - 10, b"ULSUSPEND"),
    ("hibernation, x86", 4 * KIB - 10, b"LINHIB0001"),
    ("hibernation, toi", 0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"),
    ("xenix", 2 * KIB, b"\x2b\x55\x44"),
    ("sysv", 512 + 504, b"\x20\x7e\x18\xfd"),
    ("ubi", 0, b"UBI#"),
    ("ubifs", 0, b"\x31\x18\x10\x06"),
    ("udf", 32 * KIB + 1, b"BEA01"),
    ("udf, nsr", 34 * KIB + 1, b"NSR02"),
    ("ufs", 8 * KIB + 1372, b"\x54\x19\x01\x00"),
    ("ufs2", 64 * KIB + 1372, b"\x19\x01\x54\x19"),
    ("vfat", 82, b"FAT32   "),
    ("fat16", 54, b"FAT16   "),
    ("fat12", 54, b"FAT12   "),
    ("boot sector", 510, b"\x55\xaa"),
    ("vmfs volume", MIB, b"\x0d\xd0\x01\xc0"),
    ("vmfs", 2 * MIB, b"\x5e\xf1\xab\x2f"),
    ("vxfs", KIB, b"\xf5\xfc\x01\xa5"),
    ("vxfs, big endian", 8 * KIB, b"\xa5\x01\xfc\xf5"),
    ("zfs, first label", 128 * KIB, b"\x0c\xb1\xba\0\0\0\0\0"),
    ("zfs, second label", 384 * KIB, b"\x0c\xb1\xba\0\0\0\0\0"),
    ("zfs, third label", -512 * KIB + 128 * KIB, b"\x0c\xb1\xba\0\0\0\0\0"),
    ("zfs, fourth label", -256 * KIB + 128 * KIB, b"\x0c\xb1\xba\0\0\0\0\0"),
    ("zonefs", 0, b"SFOZ"),
    ("md 0.90", -64 * KIB, b"\xfc\x4e\x2b\xa9"),
    ("md 0.90, big endian", -64 * KIB, b"\xa9\x2b\x4e\xfc"),
    ("md 1.0", -8 * KIB, b"\xfc\x4e\x2b\xa9\1"),
    ("md 1.1", 0, b"\xfc\x4e\x2b\xa9\1"),
    ("md 1.2", 4 * KIB, b"\xfc\x4e\x2b\xa9\1"),
    ("ddf raid", -512, b"\xde\x11\xde\x11"),
    ("ddf raid, adaptec", -257 * 512, b"\xde\x11\xde\x11"),
    ("intel raid", -1024, b"Intel Raid ISM Cfg Sig. "),
    ("nvidia raid", -1024, b"NVIDIA  "),
    ("via raid", -512, b"\x55\xaa"),
    ("silicon raid", -512 + 96, b"\0\0\0\x2f"),
    ("jmicron raid", -512, b"JM"),
    ("lsi raid", -512, b"$XIDE$"),
    ("adaptec raid", -512, b"DPTM"),
    ("highpoint 37x", 4 * KIB + 544, b"\xf0\x16\x78\x5a"),
    ("highpoint 45x", -11 * 512, b"\xf3\x16\x78\x5a"),
    *((f"promise raid {sector}", -sector * 512, b"Promise Technology, Inc.")
      for sector in (16, 63, 255, 256, 399, 591, 675, 735, 911, 951, 974, 991, 3087)),
    ("dos", 510, b"\x55\xaa"),
    ("gpt", 512, b"EFI PART"),
    ("gpt, second", -512, b"EFI PART"),
    ("mac", 0, b"ER"),
    ("bsd", 512, b"\x57\x45\x56\x82"),
    ("sgi", 0, b"\x0b\xe5\xa9\x41"),
    ("sun", 508, b"\xda\xbe"),
    ("solaris", 512 + 12, b"\xee\xde\x0d\x60"),
    ("unixware", 29 * 512 + 4, b"\x0d\x60\xe5\xca"),
    ("aix", 0, b"\xc9\xc2\xd4\xc1"),
    ("dasd", 8, b"\xd3\xd5\xe7\xf1"),
    ("atari", 0x1C6, b"\1GEM"),
    ("ultrix", 16 * KIB - 72, b"\x02\x29\x03\0"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "offset", "magic"), MAGICS, ids=[each[0] for each in MAGICS])
def test_a_disk_with_the_magic_of_anything_that_libblkid_knows_is_refused(
    plain: PlainDisk, name: str, offset: int, magic: bytes
) -> None:
    plain.put(offset, magic)
    before = plain.sum()
    status, words = plain.format()
    assert (status, words.split()[:2]) == (3, ["not", "done:"]), words
    assert any(each in words for each in ("wipefs finds", "its first MiB is not zero", "there is data at byte"))
    assert plain.sum() == before


BEYOND = [each for each in MAGICS if not 0 <= each[1] < MIB and each[0] != "promise raid 3087"]


@pytest.mark.parametrize(("name", "offset", "magic"), BEYOND, ids=[each[0] for each in BEYOND])
def test_a_magic_beyond_the_first_mib_is_found_though_no_command_knows_it(
    plain: PlainDisk, name: str, offset: int, magic: bytes
) -> None:
    plain.put(offset, magic)
    plain.answers["wipefs"] = (0, "", "")
    plain.answers["blkid"] = (2, "", "")
    place = offset % SIZE + len(magic) - len(magic.lstrip(b"\0"))
    assert plain.format() == (3, f"not done: there is data at byte {place}")


def test_a_recorded_disk_is_as_large_as_it_was(tmp_path: Path) -> None:
    for name, (size, _) in MAKERS.items():
        assert load(name, tmp_path / name) == size * MIB == (tmp_path / name).stat().st_size
