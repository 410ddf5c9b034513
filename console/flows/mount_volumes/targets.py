"""What declared volumes are called on their machine, and what may be done with what is found there."""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from typing import Literal

from msgspec import Struct

from console.facts.volumes import Disk, DiskReport, Wanted, ask
from console.model import Volume
from console.runner.context import StepContext
from console.runner.plan import Ask
from console.text import clean, join_words

FOLDER = "/dev/disk/by-id/"
SCSI = f"{FOLDER}scsi-0QEMU_QEMU_HARDDISK_"
VIRTIO = f"{FOLDER}virtio-"

PATH = re.compile(r"/[\w.@+-]+(/[\w.@+-]+)*", re.ASCII)
"""Paths that need no escape in fstab, a unit of systemd or a shell."""

TAKEN = frozenset({"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"})
"""Where no volume goes: what is there is needed to mount it."""

GRAINS = (1, 8192, 4 << 20)
"""Bytes to which Incus (MinBlockBoundary) and LVM (an extent) round a volume's size up."""

UNITS = {"": 1, "b": 1} | {
    f"{letter}{end}".lower(): base**power
    for power, letter in enumerate("kMGTPE", 1)
    for end, base in (("B", 1000), ("iB", 1024))
}

DiskState = Literal["blank", "begun", "ours", "foreign"]


class Target(Struct, frozen=True):
    """A declared volume: `short` is what its steps call it, `size` in bytes, `ids` are the by-id names it may have."""

    name: str
    short: str
    path: str
    size: int
    ids: tuple[str, ...]
    serials: tuple[str, ...]
    label: str

    @property
    def wanted(self) -> Wanted:
        """What to look for."""
        return Wanted(self.name, self.ids, self.path)


class Judged(Struct, frozen=True):
    """What a disk is to us, why, and the lines that prove it. `foreign` is never touched."""

    standing: DiskState
    words: str
    evidence: tuple[str, ...] = ()


# ── what is declared ────────────────────────────────────────────────────────────────────────────────────────────────


def declared(context: StepContext) -> tuple[Volume, ...]:
    """The block volumes that are attached to an instance."""
    return tuple(each for each in context.estate.topology.volumes if each.device and each.content_type == "block")


def targets(context: StepContext) -> tuple[Target, ...]:
    """The declared volumes with all that is computed from their names; asks for a path that no file tells."""
    found = declared(context)
    devices = [each.device for each in found]
    return tuple(_target(context, each, devices.count(each.device) == 1) for each in found)


def _target(context: StepContext, volume: Volume, alone: bool) -> Target:
    path = volume.mount_path
    if path is None:
        path = context.ask(Ask(f"path-{volume.name}", f"where does the volume {volume.name} belong? a path, like /opt"))
    device = volume.device or ""
    return Target(
        name=volume.name,
        short=device if alone else volume.name,
        path=posixpath.normpath(path),
        size=size(volume.size or ""),
        ids=(f"scsi-0QEMU_QEMU_HARDDISK_incus_{cut(device, 25)}", f"virtio-incus_{cut(device, 14)}"),
        serials=tuple(dict.fromkeys(f"incus_{cut(device, most)}" for most in (30, 25, 14))),
        label=label(device),
    )


def cut(device: str, most: int) -> str:
    """A device's name as Incus gives it to QEMU: slashes and dashes escaped, and hashed when it is too long.

    25 characters in the id of a SCSI disk, 30 in its serial, 14 for virtio-blk (internal/server/instance/drivers)."""
    name = device.replace("-", "--").replace("/", "-")
    if len(name) <= most:
        return name
    return base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode()[:most]


def label(device: str) -> str:
    """The label of our file system: `cowhand-` and the device, a hash where ext4 would cut it at 16 bytes."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", device)
    if len(name) > 8 or name != device:
        name = f"{name[:3]}-{hashlib.sha256(device.encode()).hexdigest()[:4]}"
    return f"cowhand-{name}"


def size(text: str) -> int:
    """A size as Incus writes it ("50GiB", "10GB", "1073741824") in bytes; 0 when it is none."""
    match = re.fullmatch(r"\s*(\d{1,18})\s*([A-Za-z]*)\s*", text)
    return int(match[1]) * UNITS.get(match[2].lower(), 0) if match else 0


def spelled(count: int) -> str:
    """Bytes for people: "10 GiB"; the number itself where it is not round."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if count >= 1024**power and count % 1024**power == 0:
            return f"{count >> 10 * power} {unit}"
    return f"{count} bytes"


def wrong(found: tuple[Target, ...]) -> str:
    """What in the declarations makes them unusable; "" when nothing does."""
    paths = [each.path for each in found]
    for each in found:
        path = clean(each.path, 60)
        if not PATH.fullmatch(each.path) or each.path in TAKEN or each.path.partition("/")[2].startswith("dev/"):
            return f"{clean(each.name, 60)} cannot be mounted at {path}"
        if paths.count(each.path) > 1:
            return f"more than one volume belongs at {path}"
        if not each.size:
            return f"{clean(each.name, 60)} declares no size, so that its disk cannot be told from another"
    inside = [(a, b) for a in paths for b in paths if b.startswith(f"{a}/")]
    return f"{inside[0][1]} is inside {inside[0][0]}: mount those by hand" if inside else ""


# ── what is found ───────────────────────────────────────────────────────────────────────────────────────────────────


async def look(context: StepContext, found: tuple[Target, ...]) -> DiskReport:
    """How the volumes are, asked once until something changes; raises `HostError`."""
    return await context.cached("volumes", lambda: ask(context.host("mail"), [each.wanted for each in found]))


def unusable(survey: DiskReport) -> str:
    """Why the machine itself cannot be worked on; "" when it can."""
    if not survey.root:
        return 'we are not root there, and only root can prove a disk blank; add become = "sudo"'
    if survey.lacking:
        packages = {"lsblk": "util-linux", "wipefs": "util-linux", "findmnt": "util-linux", "blkid": "util-linux",
                    "mount": "mount", "umount": "mount"}  # fmt: skip
        needs = sorted({packages.get(tool, "e2fsprogs") for tool in survey.lacking})
        return f"it has no {join_words(list(survey.lacking))}; apt-get install {' '.join(needs)}"
    return ""


def node(target: Target, disk: Disk) -> str:
    """The lasting name of a disk, by which commands call it."""
    return FOLDER + (disk.ids[0] if disk.device and disk.ids else target.ids[0])


def short(name: str) -> str:
    """A by-id name without what all disks of QEMU have in common."""
    return f"…{name[name.find('incus_') :]}" if "incus_" in name else name


def classify_disk(target: Target, disk: Disk) -> Judged:
    """Tell whether a disk is the declared one, and whether it is blank, ours, or somebody else's."""
    why = _stranger(target, disk)
    if why:
        found = f"{disk.device}, {spelled(disk.size)}, serial {disk.serial or 'unknown'}" if disk.device else "none"
        named = f"looked for {' and '.join(FOLDER + each for each in target.ids)}"
        return Judged(
            "foreign", why, (named, f"with {spelled(target.size)}, serial {target.serials[0]}; found {found}")
        )
    known = f"{short(disk.ids[0])} is {disk.device}, {spelled(disk.size)}"
    lines = (f"{known}; serial and size agree",)
    if disk.kind == "ext4" and disk.label == target.label:
        return _ours(target, disk, lines)
    why = _written(disk)
    if why:
        return Judged("foreign", f"{disk.device} is not blank: {why}; it is left as it is", lines)
    if disk.format_mark:
        words = "a format was begun and cut off"
        return Judged("begun", words, (*lines, "it was proven blank before; no signature, nobody holds it"))
    proof = "wipefs none · blkid none · O_EXCL ok · no partitions · first MiB zero"
    return Judged("blank", "it is blank", (*lines, proof))


def _stranger(target: Target, disk: Disk) -> str:
    """Why a disk is not the declared one; "" when it is."""
    if not disk.device:
        if disk.ids:
            return f"more than one disk has its name: {join_words(list(disk.ids))}"
        return f"there is no disk {short(target.ids[0])}: is it attached to the VM, and the VM restarted since?"
    if not disk.disk:
        return f"{disk.device} is not a whole disk"
    if disk.serial not in target.serials:
        serial = f"its serial is {disk.serial}" if disk.serial else "it tells no serial"
        return f"{short(disk.ids[0])} is {disk.device}, but {serial}"
    if disk.size not in {-(-target.size // grain) * grain for grain in GRAINS}:
        return f"{disk.device} has {spelled(disk.size)}, declared are {spelled(target.size)}"
    return f"{disk.device} is read-only" if disk.readonly else ""


def _ours(target: Target, disk: Disk, lines: tuple[str, ...]) -> Judged:
    """Judge a disk with our label on it."""
    if disk.twins:
        return Judged(
            "foreign", f"{disk.device} and {join_words(list(disk.twins))} have the same UUID {disk.uuid}", lines
        )
    if disk.bytes > disk.size:
        return Judged("foreign", f"the file system on {disk.device} is larger than its disk", lines)
    if any(each != target.path for each in disk.mounted):
        return Judged("foreign", f"{disk.device} is mounted at {join_words(list(disk.mounted))}", lines)
    if disk.parts or disk.holders or (disk.busy and not disk.mounted):
        return Judged("foreign", f"{disk.device} is in use: {_used(disk)}", lines)
    if disk.format_mark == disk.uuid:
        return Judged("begun", "its format was not brought to its end", lines)
    small = f" of {spelled(disk.bytes)}" if disk.size - disk.bytes > 4096 * 16 else ""
    return Judged("ours", f"ext4{small}, label {disk.label}", (*lines, f"UUID {disk.uuid}"))


def _written(disk: Disk) -> str:
    """Why a disk is not proven blank, in order of what tells most; "" when it is, or was when we began with it."""
    if disk.parts:
        return f"it has partitions ({join_words(list(disk.parts))})"
    if disk.mounted:
        return f"it is mounted at {join_words(list(disk.mounted))}"
    if disk.signatures or disk.kind:
        found = f"it holds {join_words(list(dict.fromkeys((disk.kind or disk.signatures[0], *disk.signatures))))}"
        return found + (f" with the label {disk.label}" if disk.label else "")
    if disk.busy or disk.holders:
        return f"it is in use: {_used(disk)}"
    if disk.wipefs != 0:
        return f"wipefs ended with status {disk.wipefs}"
    if disk.blkid != 2:
        return f"blkid ended with status {disk.blkid}"
    if disk.format_mark:
        return ""
    if not disk.zero:
        return "its first MiB is not zero: data without a signature"
    return f"there is data without a signature at byte {disk.first_data_offset}" if disk.first_data_offset >= 0 else ""


def _used(disk: Disk) -> str:
    if disk.parts or disk.holders:
        return join_words([*disk.parts, *disk.holders])
    return f"it cannot be opened exclusively ({disk.busy.lower()}), perhaps by another namespace"
