"""Signs of lost packets: connections that took whole seconds more than others, and pings of which some were answered.

A late connection is a reason to ask, and no proof: a filter that limits new connections delays them in the same way."""

from __future__ import annotations

from console.answers import FEW, Ping
from console.ladders import Ladder
from console.observation import SweepData

AWAITED = 800.0
"""Milliseconds within which a ping's answer surely was awaited: one that came later was not counted, nor lost."""

SLOW = 300.0
"""Milliseconds that a connection takes at least on a way whose delays say nothing of lost packets."""

AGAIN = ((950, 1500), (1950, 2400), (2950, 3500), (3950, 4500))
"""Milliseconds of delay after which the first packet was sent again: 1 s and 3 s; each second since Linux 6.5."""

LATE = 950.0
"""Milliseconds that no connection takes on a way whose others take less than SLOW, unless something held it up."""


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


def unheard_from_here(seen: SweepData) -> list[Ladder]:
    """The connections from here that were not made in time, or took a second and more, where others were made; or of
    which packets were sent again, more than one in all.

    That is a reason to ask how many packets are lost, and says nothing by itself: a filter does the same."""
    ladders = [ladder for lane in seen.lanes.values() for ladder in lane.public.values()]
    if not any(ladder.connected for ladder in ladders):
        return []
    again = sum(ladder.resent for ladder in ladders) > 1
    return [e for e in ladders if e.cause == "timeout" or (e.latency or 0.0) >= LATE or (again and e.resent)]


def partly_lost(ping: Ping, late: int = 0) -> bool:
    """Whether some were lost and others not: of many more than one, for one may be any machine's, or one beside two
    connections that were `late`."""
    lost = ping.sent - ping.answered
    enough = lost >= 1 if ping.sent == FEW or late > 1 else lost > 1
    return ping.answered > 0 and enough and (ping.fastest or 0.0) < AWAITED


def steady(ping: Ping) -> bool:
    """Whether so many were sent that lost packets would show, and none was lost."""
    return ping.sent > FEW and ping.sent == ping.answered


UNLIKELY = 1e-6
"""A chance so small that something else is meant."""


def silences(share: float, count: int) -> float:
    """The chance that so many conversations all stay silent for ten seconds, where that share of pings is lost.

    A packet that is lost is sent again at least three times in ten seconds, and a greeting takes about eight."""
    return min(1.0, 8 * share**4) ** count


def counted(ping: Ping) -> str:
    """How many of some pings were answered, as words that stand behind others."""
    return f" ({ping.answered} of {ping.sent} pings of {ping.address} were answered)"
