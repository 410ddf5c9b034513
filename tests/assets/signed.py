"""Disks that real programs laid something on, recorded; `python -m tests.assets.signed` records those it has tools for.

Every 512 bytes that are not zero are kept with their place. A new tool needs a line in `MAKERS`; the Debian packages
are xfsprogs, btrfs-progs, cryptsetup-bin, dosfstools, exfatprogs, f2fs-tools, fdisk, gdisk, jfsutils, reiserfsprogs,
nilfs-tools, gfs2-utils, udftools, bcache-tools, ntfs-3g, genisoimage, squashfs-tools, erofs-utils."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from tests.assets.plain_disk import MIB, blocks

CASES = Path(__file__).parent / "cases" / "signed"

LUKS = "printf x | cryptsetup -q luksFormat --pbkdf-force-iterations 1000"
MAKERS: dict[str, tuple[int, str]] = {
    "ext2": (16, "mkfs.ext2 -q -N 16 DISK"),
    "ext4-1k": (16, "mkfs.ext4 -q -b 1024 -N 16 -O ^has_journal DISK"),
    "xfs": (320, "mkfs.xfs -q DISK"),
    "btrfs": (128, "mkfs.btrfs -q DISK"),
    "swap": (16, "mkswap -q DISK"),
    "swap-64k": (16, "mkswap -q -p 65536 DISK"),
    "vfat-12": (24, "mkfs.vfat -F 12 DISK"),
    "vfat-16": (32, "mkfs.vfat -F 16 DISK"),
    "vfat-32": (64, "mkfs.vfat -F 32 DISK"),
    "exfat": (16, "mkfs.exfat DISK"),
    "ntfs": (16, "mkfs.ntfs -q -F -f DISK"),
    "f2fs": (64, "mkfs.f2fs -q DISK"),
    "jfs": (16, "mkfs.jfs -q DISK"),
    "reiserfs": (64, "mkfs.reiserfs -q -f -f DISK"),
    "nilfs2": (256, "mkfs.nilfs2 -q DISK"),
    "gfs2": (128, "mkfs.gfs2 -q -O -p lock_nolock DISK"),
    "udf": (16, "mkfs.udf DISK"),
    "erofs": (16, "mkfs.erofs --quiet DISK FOLDER; truncate -s 16M DISK"),
    "squashfs": (16, "mksquashfs FOLDER DISK.new -quiet -no-progress; truncate -s 16M DISK.new; mv DISK.new DISK"),
    "iso9660": (16, "genisoimage -quiet -o DISK FOLDER; truncate -s 16M DISK"),
    "minix": (16, "mkfs.minix DISK"),
    "cramfs": (16, "mkfs.cramfs FOLDER DISK; truncate -s 16M DISK"),
    "bfs": (16, "mkfs.bfs DISK"),
    "bcache": (16, "make-bcache -B DISK"),
    "luks1": (16, f"{LUKS} --type luks1 DISK -"),
    "luks2": (32, f"{LUKS} --type luks2 --pbkdf pbkdf2 DISK -"),
    "verity": (16, "truncate -s 1M DISK.data; veritysetup format DISK.data DISK"),
    "gpt": (16, "printf 'label: gpt\\nsize=8M\\n' | sfdisk -q DISK"),
    "gpt-sgdisk": (16, "sgdisk -n 1:0:+4M DISK"),
    "gpt-head-lost": (16, "sgdisk -n 1:0:+4M DISK; dd if=/dev/zero of=DISK bs=1M count=1 conv=notrunc"),
    "dos": (16, "printf 'label: dos\\nsize=8M\\n' | sfdisk -q DISK"),
    "sgi": (16, "printf 'label: sgi\\nsize=8M\\n' | sfdisk -q DISK"),
    "sun": (16, "printf 'label: sun\\nsize=8M\\n' | sfdisk -q DISK"),
}  # fmt: skip
"""Name → MiB, and the script that lays it on DISK."""


def load(name: str, image: Path) -> int:
    """Lay a recorded disk into an image; returns its size in bytes."""
    told = json.loads((CASES / f"{name}.json").read_text())
    data = zlib.decompress(base64.b64decode(told["data"]))
    with image.open("wb") as file:
        file.truncate(told["size"])
        for number, sector in enumerate(told["sectors"]):
            file.seek(sector * 512)
            file.write(data[number * 512 : number * 512 + 512])
    return int(told["size"])


def record(name: str, size: int, script: str) -> str:
    """Record one; returns why not, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "disk"
        image.touch()
        (Path(folder) / "inside").mkdir()
        (Path(folder) / "inside" / "file").write_text("a file\n")
        with image.open("wb") as file:
            file.truncate(size * MIB)
        script = script.replace("DISK", str(image)).replace("FOLDER", f"{folder}/inside")
        done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{name}: {(done.stderr or done.stdout).strip()[-200:]}"
        with image.open("rb") as file:
            found = list(blocks(file, 512))
        # what tells a disk apart is at its two ends; journals and tables between them are left out
        length = image.stat().st_size
        found = [each for each in found if each[0] < 256 << 10][:24] + [
            each for each in found if each[0] >= max(256 << 10, length - (128 << 10))
        ][-8:]
        told = {
            "made_by": script.split()[0],
            "size": length,
            "sectors": [offset // 512 for offset, _ in found],
            "data": base64.b64encode(zlib.compress(b"".join(data.ljust(512, b"\0") for _, data in found), 9)).decode(),
        }
        (CASES / f"{name}.json").write_text(json.dumps(told) + "\n")
    return ""


if __name__ == "__main__":
    CASES.mkdir(parents=True, exist_ok=True)
    print("\n".join(filter(None, (record(name, *how) for name, how in MAKERS.items()))), file=sys.stderr)
