"""What is certain before the slow ladders end: who has not answered so far, and what is proven by then."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from console.diagnosis.conclude import RIVALS, conclude, lanes
from console.diagnosis.explain import Explanation, explain
from console.diagnosis.world import World
from console.model import Finding, Rung
from console.observation import Ladder, LaneData, SweepData

PATIENT = 4.0
"""Seconds after which a peer that took the connection, and greets first at once, counts as silent so far."""

SLOW_TO_GREET = frozenset(("smtp", "submission", "smtps"))
"""Protocols whose servers may make clients wait on purpose."""


def waiting(seen: SweepData, now: float) -> str:
    """One sentence on whose answer is still waited for, at the hop where most are missing; "" when nobody's is.

    `now` is the time of day, as `SweepData.at` is."""
    since = f"for {now - seen.at:.1f} s"
    if ports := [lane.lane.port for lane in seen.lanes.values() if lane.vm is not None and _dialling(lane.vm)]:
        hosts = {lane.lane.target.host for lane in seen.lanes.values() if lane.lane.target}
        return (
            f"no answer {since} from {seen.vantages.get('proxy', 'the proxy')} to {min(hosts)}, {lanes(tuple(ports))}"
        )
    here = seen.vantages.get("here", "here")
    if ports := [port for port, ladder in _public(seen) if _dialling(ladder)]:
        return f"no answer {since} at the public address from {here}, {lanes(tuple(dict.fromkeys(ports)))}"
    if ports := [port for port, ladder in _public(seen) if _mute(ladder)]:
        some = tuple(dict.fromkeys(ports))
        return f"connections from {here} are accepted, and nothing is said {since}, {lanes(some)}"
    return ""


def _public(seen: SweepData) -> Iterator[tuple[int, Ladder]]:
    for lane in seen.lanes.values():
        for ladder in lane.public.values():
            yield lane.lane.port, ladder


def _dialling(ladder: Ladder) -> bool:
    return not ladder.done and not ladder.rungs


def _mute(ladder: Ladder) -> bool:
    return not ladder.done and ladder.connected and ladder.target.protocol not in SLOW_TO_GREET


def certain(seen: SweepData, now: float) -> list[Finding]:
    """Return the findings of causes that are proven by what was seen so far.

    Rivals are told only where all has ended that was asked across the tunnel; the mail host may be awaited."""
    world = World(_so_far(seen, now))
    told = explain(world)
    across = [lane.vm for lane in seen.lanes.values() if lane.vm is not None]
    inside = [lane.service for lane in seen.lanes.values() if lane.service is not None and lane.service.rungs]
    whole = all(ladder.done for ladder in (*across, *inside))
    causes = [each for each in told.causes if each.proven or (whole and len(each.suspects) <= RIVALS)]
    return conclude(world, Explanation(tuple(causes)))


def _so_far(seen: SweepData, now: float) -> SweepData:
    """What was seen, where a ladder that has waited long enough for a word counts as silent."""
    found = {id: _with_silence(lane, now) for id, lane in seen.lanes.items()}
    return replace(seen, lanes=found)


def _with_silence(lane: LaneData, now: float) -> LaneData:
    def ended(ladder: Ladder) -> Ladder:
        if not _mute(ladder) or now - ladder.began < PATIENT:
            return ladder
        rung = Rung("greeting", "failed", f"silent for {now - ladder.began:.0f} s so far")
        return replace(ladder, rungs=[*ladder.rungs, rung], cause="silent", done=True)

    return replace(lane, public={address: ended(ladder) for address, ladder in lane.public.items()})
