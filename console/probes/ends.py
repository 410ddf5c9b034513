"""Whose connections HAProxy's own rules end: ours, by its count each time that those who hang up on us are dialled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

from console.answers import Ended, Stats
from console.diagnosis.symptoms import AT_ONCE
from console.errors import HostError
from console.facts import haproxy_stats
from console.hosts.host import Host
from console.ladders import Ladder, ProbeTarget
from console.observation import LaneData
from console.probes.ladder import climb

REDIAL, COUNTING = 0.7, 5.0
"""Seconds that we listen to those who hang up on us, when they are dialled once more, for a rule does so at once; and
seconds that all of it may take."""

TRIES = 2
"""How often it is tried to count ours alone."""


async def ask(lanes: Sequence[LaneData], stats: Stats, proxy: Host, here: Host) -> dict[str, Ended]:
    """Return by frontend how many connections its rules end while we make so many.

    It counts since it began, and anybody's: what it counted before may be of another day. A frontend that has ended
    none at all has ended none of ours."""
    again: dict[str, list[ProbeTarget]] = {}
    told: dict[str, Ended] = {}
    for lane in lanes:
        front = stats.frontend(lane.lane.frontend, lane.lane.proxy)
        dialled = [each.target for each in lane.public.values() if _hung_up(each)]
        if front is None or front.dropped is None or not dialled:
            continue
        if front.ended:
            again[front.name] = dialled
        else:
            told[front.name] = Ended(len(dialled), 0)
    for _ in range(TRIES):  # the proxy dials itself at the same time, which is counted, too
        again = {name: targets for name, targets in again.items() if name not in told}
        told |= await _counted(stats, again, proxy, here) if again else {}
    return told


async def _counted(stats: Stats, again: Mapping[str, list[ProbeTarget]], proxy: Host, here: Host) -> dict[str, Ended]:
    """Dial these twice, and count before, between and after; {} where HAProxy cannot be asked any more.

    A frontend of which some are ended while we dial none, or not as many each time, is left out: they are others'."""
    targets = [target for some in again.values() for target in some]
    with suppress(HostError, TimeoutError, ValueError):
        async with asyncio.timeout(COUNTING):
            counts = [await _ended(proxy, stats.socket)]
            for dialling in (True, False, True):
                if dialling:
                    await _dial(targets, here)
                counts.append(await _ended(proxy, stats.socket))
        told: dict[str, Ended] = {}
        for name, mine in again.items():
            first, idle, second = (after.get(name, 0) - before.get(name, 0) for before, after in pairwise(counts))
            if not idle and first == second:
                told[name] = Ended(len(mine), first)
        return told
    return {}


async def _ended(proxy: Host, socket: str) -> dict[str, int]:
    """How many connections the rules of each frontend have ended until now."""
    said = await haproxy_stats.tell(proxy, socket, "show stat", COUNTING)
    return {each.name: each.ended for each in haproxy_stats.parse_frontends(said)}


async def _dial(targets: Sequence[ProbeTarget], here: Host) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(REDIAL):
            await asyncio.gather(*(climb(target, here) for target in targets))


def _hung_up(ladder: Ladder) -> bool:
    """Whether somebody refused us, or took the connection and ended it or said nothing: HAProxy's own rules may."""
    if not ladder.connected:
        return ladder.cause == "refused"
    return ladder.cause == "silent" or (ladder.cause == "closed" and ladder.after < AT_ONCE)
