"""Lamps that follow the diagnosis: where proven causes explain every symptom of a lane, it breaks at their hops.

The judge sees one lane at a time and blames the last hop that was seen; who sees all lanes may know better."""

from __future__ import annotations

from collections.abc import Container, Iterable

from msgspec.structs import replace

from console.diagnosis.conclude import hop_of
from console.diagnosis.explain import Explanation
from console.diagnosis.world import World
from console.model import HopName, Reading


def culprits(world: World, told: Explanation) -> dict[str, frozenset[HopName]]:
    """Lane → the hops of its proven causes, for lanes of which nothing is left unexplained or undecided."""
    doubtful = {test.port for test in told.unexplained}
    hops: dict[int, set[HopName]] = {}
    for cause in told.causes:
        ports = {test.port for test in cause.symptoms if test.port}
        if not cause.proven:
            doubtful |= ports
        for port in ports:
            hops.setdefault(port, set()).add(hop_of(cause.suspects[0], cause))
    return {world.lanes[port].lane.id: frozenset(some) for port, some in hops.items() if port not in doubtful}


def align(
    readings: Iterable[Reading],
    blamed: dict[str, frozenset[HopName]],
    own: Container[tuple[str, HopName]] = frozenset(),
) -> list[Reading]:
    """Return the readings with the fault at the hops that are blamed; another hop that failed shows its effect.

    Hops of `own` faults, which nothing else explains, keep theirs."""
    given = list(readings)
    words = {reading.lane: reading.word for reading in given if reading.outcome == "failed"}
    halves = {
        r.lane: r.word for r in given if _is_half(r) and r.lane not in words and "vm" not in blamed.get(r.lane, ("vm",))
    }
    given = [_moved(reading, halves[reading.lane], blamed) if reading.lane in halves else reading for reading in given]
    told = [
        _aligned(reading, blamed[reading.lane], words) if reading.lane in blamed and reading.key not in own else reading
        for reading in given
    ]
    broken = {reading.lane for reading in told if reading.outcome in ("failed", "degraded")}
    return [let_in(reading) if reading.lane in broken else reading for reading in told]


def doubt(world: World, readings: list[Reading], blamed: dict[str, frozenset[HopName]]) -> list[Reading]:
    """Return the readings without what is laid at a hop that may well be innocent, on lanes of which nothing is proven.

    Where a lane fails just as another of the same service does inside the mail host, HAProxy has no cross: a service
    may answer one time, and not the next. Nor has it where words of the mail host crawl to the proxy: that one of them
    came in time does not make the way behind HAProxy well. What only IPv4 clients see is HAProxy's rather than the mail
    host's port."""
    services = {lane.lane.id: world.service(port) for port, lane in world.lanes.items()}
    sick = {(services.get(r.lane, ""), r.word) for r in readings if r.hop == "service" and r.outcome == "failed"}
    halves = {r.lane: r.word for r in readings if _is_half(r) and r.word[:3] == "v4 " and r.lane not in blamed}
    told = [_doubted(each, services.get(each.lane, ""), sick, halves, each.lane in blamed) for each in readings]
    return [_slowed(each) if world.crawls and each.lane not in blamed else each for each in told]


def _slowed(reading: Reading) -> Reading:
    """Take HAProxy's cross where its clients may wait for what crawls behind it."""
    mine = reading.hop == "haproxy" and reading.outcome == "failed"
    return replace(reading, outcome="degraded") if mine else reading


def _doubted(
    reading: Reading, service: str, sick: set[tuple[str, str]], halves: dict[str, str], blamed: bool
) -> Reading:
    if reading.lane in halves and reading.hop == "vm":
        return replace(reading, outcome="ok", word="answers")
    if blamed or reading.hop != "haproxy":
        return reading
    if reading.lane in halves and reading.outcome == "ok":
        return replace(reading, outcome="degraded", word=halves[reading.lane], latency_ms=None)
    if service and reading.outcome == "failed" and (service, reading.word) in sick:
        return replace(reading, outcome="degraded")
    return reading


def _is_half(reading: Reading) -> bool:
    """Whether the mail host's port is well to the proxy, and blamed for what only some clients see (judge)."""
    return reading.hop == "vm" and _of_a_family(reading)


def _of_a_family(reading: Reading) -> bool:
    return reading.outcome == "degraded" and reading.word[:3] in ("v4 ", "v6 ")


def _moved(reading: Reading, word: str, blamed: dict[str, frozenset[HopName]]) -> Reading:
    """Take what only some clients see away from the mail host's port, to the hop that is proven to do it."""
    if _is_half(reading):
        return replace(reading, outcome="ok", word="answers")
    if reading.outcome == "ok" and reading.hop in blamed[reading.lane]:
        return replace(reading, outcome="degraded", word=word, latency_ms=None)
    return reading


_NOT = {"tls": "TLS fails", "greeting": "no answer", "capability": "no answer"}


def let_in(reading: Reading) -> Reading:
    """Return a public port that takes every connection and serves none as one that shows the effect of a fault."""
    if reading.hop != "public" or reading.outcome != "ok":
        return reading
    bad = [rung.name for rung in reading.evidence if rung.outcome == "failed"]
    through = sum(rung.name == "connect" for rung in reading.evidence)
    if not bad or len(bad) < through:
        return reading
    return replace(reading, outcome="degraded", word=_NOT.get(bad[0], "no answer"), latency_ms=None)


def _aligned(reading: Reading, hops: frozenset[HopName], words: dict[str, str]) -> Reading:
    if reading.lane not in words:
        return reading  # nothing failed as a whole: what is degraded stays so
    if reading.hop not in hops:
        return replace(reading, outcome="degraded") if reading.outcome == "failed" else reading
    if reading.outcome == "failed" or (reading.hop == "public" and _of_a_family(reading) and hops - {"public"}):
        return reading  # over the other family clients come as far as the hop behind it that is blamed, too
    word = reading.word if reading.outcome == "degraded" else words[reading.lane]
    return replace(reading, outcome="failed", word=word, latency_ms=None)
