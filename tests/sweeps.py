"""Sweeps of a site, a row each: seconds, those of the slowest ladder, and what a server made it wait, apart."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from console.engine.vantages import open_site
from console.estate.load import load
from console.ladders import Ladder
from console.observation import SweepData
from console.probes.sweep import sweep


def ladders(seen: SweepData) -> list[Ladder]:
    """Every ladder of a sweep."""
    found = (ladder for lane in seen.lanes.values() for ladder in (*lane.public.values(), lane.vm, lane.service))
    return [ladder for ladder in found if ladder is not None]


async def main(site: Path, count: int) -> None:
    """Print a row a sweep, after one that is not counted."""
    read = load(site)
    opened = open_site(read.site)
    try:
        await opened.open()
        await sweep(read.topology, opened.hosts, lambda seen, lane: None, opened.missing)
        for _ in range(count):
            began = time.perf_counter()
            seen = await sweep(read.topology, opened.hosts, lambda seen, lane: None, opened.missing)
            took = time.perf_counter() - began
            climbed = ladders(seen)
            imposed = max(climbed, key=lambda ladder: ladder.seconds).imposed
            print(took - imposed, max(ladder.seconds - ladder.imposed for ladder in climbed), imposed)
    finally:
        await opened.close()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3))
