"""The disks of a machine: `lsblk --json --bytes`, and udev's lasting names for them.

What is on a disk is not asked: lsblk's FSTYPE comes from udev, may be null on a formatted disk, and must decide
nothing. Before util-linux 2.33 every value is a string; MOUNTPOINTS came with 2.37, for one MOUNTPOINT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from msgspec import Struct

from console.facts.command import run
from console.facts.mounts import number
from console.hosts.host import Host
from console.text import clean

COLUMNS = "NAME,KNAME,TYPE,SIZE,RO,SERIAL,MODEL,MAJ:MIN"
COMMANDS = tuple(
    ("lsblk", "--json", "--bytes", "--output", f"{COLUMNS},{mounted}") for mounted in ("MOUNTPOINTS", "MOUNTPOINT")
)
FOLDER = "/dev/disk/by-id"
NAMES = ("find", FOLDER, "-maxdepth", "1", "-type", "l", "-printf", "%f -> %l\\n")
LISTING = ("ls", "-l", FOLDER)
"""For a find without -printf, such as busybox's."""

_LINK = re.compile(r"(\S+) -> (\S+)\s*$")


class Disk(Struct, frozen=True):
    """One block device by its kernel name ("sda1", "dm-0"); size in bytes, `parent` the device it is on.

    `kind` is as lsblk names it ("disk", "part", "lvm", …), `label` the name a mapped device was given."""

    name: str
    kind: str
    size: int
    serial: str = ""
    model: str = ""
    number: str = ""
    readonly: bool = False
    mounted: tuple[str, ...] = ()
    parent: str = ""
    label: str = ""

    @property
    def path(self) -> str:
        """Its device node."""
        return f"/dev/{self.name}"


class Disks(Struct, frozen=True):
    """The block devices, a device before what is on it, and by-id names → kernel names; or why nobody could tell."""

    found: tuple[Disk, ...] = ()
    names: dict[str, str] = {}
    error: str = ""

    def named(self, name: str) -> Disk | None:
        """The device that has that by-id name."""
        return next((disk for disk in self.found if disk.name == self.names.get(name)), None)

    def on(self, disk: Disk) -> tuple[Disk, ...]:
        """What is directly on a device: its partitions, or what maps it."""
        return tuple(each for each in self.found if each.parent == disk.name)


async def ask(host: Host) -> Disks:
    """Ask which disks `host` has; failures are in the result, never raised."""
    for command in COMMANDS:
        answer = await run(host, command)
        if "unknown column" not in answer.error:
            break
    if answer.error:
        return Disks(error=answer.error)
    try:
        found = parse(answer.text)
    except ValueError as error:
        return Disks(error=f"lsblk on {host.name}: {error}")
    return Disks(found, await _names(host))


async def _names(host: Host) -> dict[str, str]:
    """By-id names → kernel names; {} where udev made none."""
    for command in (NAMES, LISTING):
        answer = await run(host, command)
        if not answer.error:
            return parse_names(answer.text)
    return {}


def parse(text: str) -> tuple[Disk, ...]:
    """Read lsblk's JSON of any version; raises ValueError when it is not that."""
    try:
        return tuple(_flat(json.loads(text, strict=False)["blockdevices"], ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the answer to lsblk --json: {clean(str(error), 80)}") from None


def parse_names(text: str) -> dict[str, str]:
    """Read the listing of /dev/disk/by-id, by find or by ls: name → kernel name; other lines are passed over."""
    links = (_LINK.search(line) for line in text.split("\n"))
    return {clean(link[1], 200): clean(link[2].rpartition("/")[2], 80) for link in links if link}


def _flat(rows: list[dict[str, object]], parent: str) -> Iterator[Disk]:
    for row in rows:
        label = clean(str(row["name"]), 80)
        name = clean(str(row.get("kname") or label), 80)
        mounted = row.get("mountpoints", row.get("mountpoint"))
        size = number(row["size"])
        yield Disk(
            name,
            clean(str(row["type"]), 20),
            0 if size is None else size,
            clean(str(row.get("serial") or "").strip(), 80),
            clean(str(row.get("model") or "").strip(), 80),
            clean(str(row.get("maj:min") or "").strip(), 20),
            row.get("ro") in (True, "1", 1),
            tuple(clean(str(each), 400) for each in (mounted if isinstance(mounted, list) else [mounted]) if each),
            parent,
            label if label != name else "",
        )
        children = row.get("children")
        if isinstance(children, list):
            yield from _flat(children, name)
