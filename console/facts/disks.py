"""How full a machine's file systems are: `df -P` for bytes, `df -Pi` for inodes (POSIX; btrfs counts no inodes)."""

from __future__ import annotations

import re

from msgspec import Struct

from console.answers import Disk
from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

BYTES = ("df", "-P")
INODES = ("df", "-Pi")

_LINE = re.compile(r"(\S+(?: \S+)*?)\s+\d+\s+\d+\s+-?\d+\s+(\d{1,9})%\s+(/.*)")
_FOREIGN = re.compile(r"/dev/(?:loop|sr)\d|shm$|overlay$|devtmpfs$")
"""Devices that are full by nature, or shown a second time: images, Docker's layers."""
_SYSTEM = ("/dev", "/proc", "/sys", "/run/user", "/snap", "/boot", "/run/credentials")


class Disks(Struct, frozen=True):
    """The file systems, or why nobody could tell."""

    found: tuple[Disk, ...] = ()
    error: str = ""


async def ask(host: Host) -> Disks:
    """Ask `host` how full its disks are; failures are in the result, never raised.

    df complains of a place it may not look into, and tells of the others all the same."""
    used, inodes = await run(host, BYTES), await run(host, INODES)
    if not used.text.strip():
        return Disks(error=used.error or f"df on {host.name} said nothing")
    return Disks(parse(used.text, inodes.text))


def parse(used: str, inodes: str = "") -> tuple[Disk, ...]:
    """Read both answers; what is no disk, such as /dev and /proc, is left out."""
    counted = {match[3]: int(match[2]) for match in map(_LINE.match, inodes.split("\n")) if match}
    found = {}
    for match in map(_LINE.match, used.split("\n")):
        layer = match is not None and _FOREIGN.match(match[1]) and match[3] != "/"
        if match and not layer and not match[3].startswith(_SYSTEM):
            place = clean(match[3], 120)
            found[place] = Disk(place, int(match[2]), counted.get(match[3], 0))
    return tuple(found.values())
