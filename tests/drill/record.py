"""Records what one sweep of the real lab sees of each fault: `python -m tests.drill.record [FAULT…]`, as root."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import sys
import tempfile
from pathlib import Path

import msgspec

from console.errors import NoWayIn
from console.hosts.host import Host
from console.model import Role, Topology
from console.observation import SweepData
from console.probes.sweep import sweep
from tests.drill.blind import BLIND
from tests.drill.faults import FAULTS as LISTED
from tests.drill.faults import Drill
from tests.drill.fresh import FRESH
from tests.drill.pairs import PAIRS
from tests.drill.unseen import UNSEEN
from tests.reallab import inside, warden
from tests.reallab.lab import RealLab

FAULTS = {**LISTED, **FRESH, **UNSEEN, **BLIND, **PAIRS}
FOLDER = Path(__file__).parent / "recorded"
WHY = "203.0.113.10:22 did not answer within 10 s"


class Closed(inside.Inside):
    """A machine that nobody gets into."""

    async def resolve(self, name: str) -> tuple[str, ...]:
        raise NoWayIn(WHY)

    async def connect(self, address: str, port: int, timeout: float) -> inside.SocketStream:
        raise NoWayIn(WHY)

    async def connect_unix(self, path: str, timeout: float) -> inside.Stream:
        raise NoWayIn(WHY)

    async def run(self, argv: object, timeout: float, cap: int = 1 << 20) -> inside.Completed:
        raise NoWayIn(WHY)


async def look(lab: RealLab, closed: tuple[Role, ...], haproxy: str = "") -> SweepData:
    """Sweep once, as the operator's machine would."""
    with tempfile.TemporaryDirectory() as folder:
        topology = inside.estate(Path(folder), haproxy).topology
    hosts: dict[Role, Host] = dict(inside.hosts(lab))
    for role in closed:
        shut = hosts[role]
        assert isinstance(shut, inside.Inside)
        hosts[role] = Closed(lab, shut.machine, role)
    return await sweep(topology, hosts, lambda seen, lane: None)


def record(lab: RealLab, fault: Drill) -> SweepData:
    """Break, wait until HAProxy's checks have had their time, look, heal."""
    try:
        fault.break_(lab)
        lab.run("vps", ["sleep", "3"])
        told = lab.read("vps", "/etc/haproxy/mail.cfg") if fault.told else ""
        return asyncio.run(look(lab, fault.closed, told))
    finally:
        fault.heal(lab)
        lab.recover()


def place(id: str) -> Path:
    """Where a recording is."""
    return FOLDER / f"{id}.json.gz"


def write(id: str, seen: SweepData) -> None:
    """Keep a recording, without what it tells of the machine it was made on; the same data gives the same bytes."""
    FOLDER.mkdir(exist_ok=True)
    seen.topology = Topology(lanes=seen.topology.lanes, public=seen.topology.public)
    seen.disks = tuple(disk for disk in seen.disks if disk.place not in (str(warden.PROJECT), sys.prefix))
    text = re.sub(rb'"file":"[^"]*/([^"/]+)"', rb'"file":"\1"', msgspec.json.encode(seen))
    place(id).write_bytes(gzip.compress(text, mtime=0))


def read(id: str) -> SweepData:
    """Return a recording."""
    return msgspec.json.decode(gzip.decompress(place(id).read_bytes()), type=SweepData)


def main(wanted: list[str]) -> None:
    """Record the faults that are wanted, or those that have no recording yet."""
    lab = RealLab(f"cowdrill{os.getpid()}")
    lab.up()
    try:
        lab.recover()
        if not wanted and not place("calm").exists():
            write("calm", asyncio.run(look(lab, ())))
        for id in wanted or [each for each in FAULTS if not place(each).exists()]:
            try:
                seen = record(lab, FAULTS[id])
                write(id, seen)
                print("recorded", id, flush=True)
            except (OSError, AssertionError) as error:
                print("FAILED", id, error, flush=True)
    finally:
        lab.down()


if __name__ == "__main__":
    main(sys.argv[1:])
