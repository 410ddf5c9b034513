"""How long the tunnel takes, by a clock that stands at its end, and whether that is too long.

Our own connection is timed here: a busy machine and the way to the proxy count too. It is not shown as the tunnel's."""

from __future__ import annotations

from msgspec.structs import replace

from console.model import Rung
from console.observation import LaneData, SweepData

SLOW = 1000.0
"""Milliseconds of a connection through the tunnel from which it counts as slow: one lost SYN costs that much."""

UNTIMED = "nobody at the proxy told how long the tunnel takes; a time taken here holds our own side too"


def tunnel_time(seen: SweepData, lane: LaneData) -> tuple[float, str] | None:
    """Milliseconds through the tunnel and who says so; None when nobody there told.

    A ping from the proxy says it best. HAProxy times its checks in whole milliseconds (`check_duration`): of one that
    ends with the connection (L4OK) that is the tunnel and nothing else; 0.0 is less than one. A check is as old as its
    interval: where all is slow here now, a fast one proves nothing."""
    host = lane.lane.target.host if lane.lane.target else ""
    proxy = seen.vantages.get("proxy", "the proxy")
    pinged = seen.asked.pings.get("vm") if seen.asked else None
    if pinged is not None and pinged.fastest is not None and pinged.address == host:
        return pinged.fastest, f"ping from {proxy} to {host}"
    if seen.stats is None or seen.stats.error:
        return None
    same = [other.lane for other in seen.lanes.values() if other.lane.target and other.lane.target.host == host]
    rows = [seen.stats.server(each.proxy, each.server) for each in same if each.proxy]
    timed = {(row.proxy, row.name): row.took for row in rows if row and row.check == "L4OK" and row.took is not None}
    if not timed:
        return None
    own = timed.get((lane.lane.proxy, lane.lane.server))
    beside = "" if own is not None else ", of another lane"
    took = own if own is not None else min(timed.values())
    if took < SLOW <= seen.answered.get(host, 0.0):
        return None
    return took, f"HAProxy's own check on {proxy}{beside}"


def tunnel_slow(seen: SweepData, lane: LaneData) -> bool:
    """Whether even the fastest answer of that host was slow: a single lost packet must not colour a lane.

    What is slow here alone, while a ping from the proxy is not, is not the tunnel."""
    host = lane.lane.target.host if lane.lane.target else ""
    known = tunnel_time(seen, lane)
    return seen.answered.get(host, 0.0) >= SLOW and (known is None or known[0] >= SLOW)


def timed(seen: SweepData, lane: LaneData, rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """Return the rungs of our connection without its time, and what is known of the tunnel's."""
    known = tunnel_time(seen, lane)
    told = Rung("ask", "skipped", UNTIMED) if known is None else Rung("ask", "ok", known[1], known[0])
    if tunnel_slow(seen, lane) and known is not None:
        told = replace(told, outcome="degraded")
    return (*(replace(rung, ms=None) if rung.name == "connect" else rung for rung in rungs), told)
