"""Recordings of the real lab for the screens: `python -m tests.reallab.recorder FOLDER [FAULT…]`, as root.

For every fault one file: what a sweep from the operator's machine told, through OpenSSH, word for word but the time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.events import FindingsChanged
from console.model import Reading

ROOT = Path(__file__).parents[2]
BEGAN = 1_770_991_200.0
"""2026-02-13 14:00:00 UTC: when every recording was taken, as far as anybody can see."""


class Recording(Struct, frozen=True):
    """One sweep: its readings, and what they mean."""

    fault: str
    readings: tuple[Reading, ...]
    told: FindingsChanged


async def look(site: Path, fault: str) -> Recording:
    """Sweep once from this machine."""
    from console.engine.sweeps import Sweeps
    from console.engine.vantages import open_site
    from console.estate.load import load

    read = load(site)
    opened = open_site(read.site)
    sweeps = Sweeps(read.topology, opened.hosts, opened.missing, lambda event: None)
    try:
        await opened.open()
        seen = await sweeps.sweep()
    finally:
        await opened.close()
    assert sweeps.findings is not None
    shift = BEGAN - seen.at
    readings = tuple(replace(r, at=r.at + shift, since=r.since + shift) for r in sweeps.readings.values())
    return Recording(fault, readings, replace(sweeps.findings, since=sweeps.findings.since + shift))


def record(folder: Path, wanted: list[str]) -> None:
    """Break the lab in every way, one after another, and keep what the operator would see."""
    from tests.reallab.faults import FAULTS
    from tests.reallab.lab import RealLab

    lab = RealLab(f"cowrecord{os.getpid()}")
    lab.up()
    try:
        for fault in FAULTS.values():
            if wanted and fault.id not in wanted:
                continue
            lab.recover()
            fault.break_(lab)
            if lab.servers():
                lab.settle(*fault.down)
            if fault.told:
                lab.write("oper", "/root/site/haproxy.cfg", lab.read("vps", "/etc/haproxy/mail.cfg"))
            script = (
                f"cd {ROOT} && exec {sys.executable} -m tests.reallab.recorder --look /root/site/site.toml {fault.id}"
            )
            done = subprocess.run(lab.argv("oper", ["sh", "-c", script]), capture_output=True, check=True)
            (folder / f"{fault.id}.json").write_bytes(msgspec.json.format(done.stdout, indent=1))
            fault.heal(lab)
            if fault.told:
                lab.write("oper", "/root/site/haproxy.cfg", lab.read("vps", "/etc/haproxy/mail.cfg"))
    finally:
        lab.down()


if __name__ == "__main__":
    if sys.argv[1] == "--look":
        sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(look(Path(sys.argv[2]), sys.argv[3]))))
    else:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        record(Path(sys.argv[1]), sys.argv[2:])
