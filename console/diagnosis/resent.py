"""Connections that took whole seconds more than their fellows: their first packets were sent again, so some were lost.

It is a reason to ask, and no proof by itself: a filter that limits new connections makes them as late."""

from __future__ import annotations

from console.observation import SweepData

SLOW = 300.0
"""Milliseconds that a connection takes at least on a way whose delays say nothing of lost packets."""

AGAIN = ((950, 1500), (1950, 2400), (2950, 3500))
"""Milliseconds of delay after which the first packet was sent again: 1 s and 3 s; each second since Linux 6.5."""


def times(seen: SweepData, at: str) -> list[float]:
    """Milliseconds that connections took from "here" or from the proxy to the "vm", those that were made."""
    lanes = seen.lanes.values()
    some = [ladder for lane in lanes for ladder in (lane.public.values() if at == "here" else [lane.vm])]
    took = [ladder.latency for ladder in some if ladder is not None]
    return [each for each in took if each is not None]


def resent(times: list[float]) -> list[float]:
    """The connections that took so much longer than the fastest as one whose first packet was sent again.

    Where even the fastest took long, delays say nothing of lost packets."""
    if not times or min(times) > SLOW:
        return []
    return [each for each in times if any(least < each - min(times) < most for least, most in AGAIN)]


def resent_checks(seen: SweepData) -> list[float]:
    """The milliseconds of HAProxy's own checks of the mail host that ended with a connection made so late."""
    rows = seen.stats.servers if seen.stats is not None else ()
    return resent([row.took for row in rows if row.check == "L4OK" and row.took is not None])


def late_across(seen: SweepData) -> bool:
    """Whether connections from the proxy to the mail host were late."""
    return bool(resent(times(seen, "vm")) or resent_checks(seen))


def late_from_here(seen: SweepData) -> bool:
    """Whether connections from here to the proxy were late."""
    return bool(resent(times(seen, "here")))
