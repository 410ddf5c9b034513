"""What is certain before the slow ladders end: who has not answered so far, and what is proven by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from console.diagnosis.conclude import RIVALS, conclude, lanes
from console.diagnosis.explain import Explanation, explain
from console.diagnosis.world import World
from console.ladders import Ladder
from console.model import Finding, Rung
from console.observation import LaneData, SweepData

UNANSWERED = 4.4
"""Seconds after which a connection that nobody has answered counts as one without an answer so far.

Its first packet went out again after 1 s and 3 s (2 s and 4 s, where Linux sends it each second)."""

PATIENT = 4.0
"""Seconds after which a peer that took the connection, and greets first at once, counts as silent so far."""

JUST_NOW = 0.5
"""Seconds after a question before we say that its answer is missing."""

SLOW_TO_GREET = frozenset(("smtp", "submission", "smtps"))
"""Protocols whose servers may make clients wait on purpose."""


def waiting(seen: SweepData, now: float) -> str:
    """One sentence on whose answer is still waited for, at the hop where most are missing; "" when nobody's is.

    `now` is the time of day, as `SweepData.at` is. Who was asked just now is not waited for yet: we may have got into
    the machine that asks long after the sweep began."""
    across = [(lane.lane.port, lane.vm) for lane in seen.lanes.values() if lane.vm is not None]
    if ports := _unheard(across, _dialling, now):
        hosts = {lane.lane.target.host for lane in seen.lanes.values() if lane.lane.target}
        proxy = seen.vantages.get("proxy", "the proxy")
        return f"no answer {_since(ports)} from {proxy} to {min(hosts)}, {lanes(tuple(ports))}"
    here = seen.vantages.get("here", "here")
    if ports := _unheard(_public(seen), _dialling, now):
        return f"no answer {_since(ports)} at the public address from {here}, {lanes(tuple(ports))}"
    if ports := _unheard(_public(seen), _mute, now):
        return f"connections from {here} are accepted, and nothing is said {_since(ports)}, {lanes(tuple(ports))}"
    return ""


def _unheard(some: Iterable[tuple[int, Ladder]], holds: Callable[[Ladder], bool], now: float) -> dict[int, float]:
    """Ports of ladders for which something holds, with the seconds since it does: half a second or more."""
    found: dict[int, float] = {}
    for port, ladder in some:
        silent = now - ladder.began - sum(rung.ms or 0.0 for rung in ladder.rungs) / 1000
        if holds(ladder) and silent >= JUST_NOW:
            found[port] = min(silent, found.get(port, silent))
    return found


def _since(ports: dict[int, float]) -> str:
    """For how long none of them has answered."""
    return f"for {min(ports.values()):.1f} s"


def _public(seen: SweepData) -> Iterator[tuple[int, Ladder]]:
    for lane in seen.lanes.values():
        for ladder in lane.public.values():
            yield lane.lane.port, ladder


def _dialling(ladder: Ladder) -> bool:
    """Whether it dials: not one whose machine we are not in yet."""
    return not ladder.done and not ladder.rungs and ladder.began > 0


def _mute(ladder: Ladder) -> bool:
    """Whether it was let in, and nothing was said to it since: not even what begins TLS."""
    unheard = bool(ladder.rungs) and ladder.rungs[-1].name in ("connect", "header") and ladder.connected
    return not ladder.done and unheard and ladder.target.protocol not in SLOW_TO_GREET


def certain(seen: SweepData, now: float) -> list[Finding]:
    """Return the findings of causes that are proven by what was seen so far.

    Rivals are told only where all has ended that was asked across the tunnel; the mail host may be awaited. Where we
    are not in the proxy's machine yet, what was asked from here must have ended instead."""
    so_far = _so_far(seen, now)
    world = World(so_far)
    told = explain(world)
    across = [lane.vm for lane in so_far.lanes.values() if lane.vm is not None]
    begun = [ladder for ladder in across if ladder.began or ladder.rungs]
    inside = [lane.service for lane in so_far.lanes.values() if lane.service is not None and lane.service.rungs]
    outside = [] if begun else [ladder for _, ladder in _public(so_far)]
    whole = len(begun) in (0, len(across)) and all(ladder.done for ladder in (*begun, *inside, *outside))
    causes = [each for each in told.causes if each.proven or (whole and len(each.suspects) <= RIVALS)]
    return conclude(world, Explanation(tuple(causes)))


def _so_far(seen: SweepData, now: float) -> SweepData:
    """What was seen, where a ladder that has waited long enough counts as silent, or as one that nobody answers."""
    found = {id: _with_silence(lane, now) for id, lane in seen.lanes.items()}
    return replace(seen, lanes=found)


def _with_silence(lane: LaneData, now: float) -> LaneData:
    def ended(ladder: Ladder) -> Ladder:
        if _dialling(ladder) and now - ladder.began >= UNANSWERED:
            rung = Rung("connect", "failed", f"no answer for {now - ladder.began:.0f} s so far")
            return replace(ladder, rungs=[rung], cause="timeout", done=True)
        if not _mute(ladder) or now - ladder.began < PATIENT:
            return ladder
        rung = Rung("greeting", "failed", f"silent for {now - ladder.began:.0f} s so far")
        return replace(ladder, rungs=[*ladder.rungs, rung], cause="silent", done=True)

    vm = lane.vm if lane.vm is None or not _dialling(lane.vm) else ended(lane.vm)
    return replace(lane, vm=vm, public={address: ended(ladder) for address, ladder in lane.public.items()})
