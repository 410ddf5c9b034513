"""From what was seen to readings: at which hop does a lane break?

A client's packets cross five hops. `failed` marks the hop that is at fault; a hop that merely shows the effect of a
fault elsewhere is `degraded`, so that the eye, and the verdict, land on one place. None means: too early to say."""

from __future__ import annotations

from console.diagnosis.hops_back import service, tunnel, vm
from console.diagnosis.hops_front import haproxy, public
from console.diagnosis.reading import UNASKED
from console.model import Reading, Verdict
from console.observation import LaneData, SweepData


def judge_lane(seen: SweepData, lane: LaneData) -> list[Reading]:
    """Return a reading for each hop of a lane of which enough is known."""
    readings = [
        public(seen, lane), haproxy(seen, lane), tunnel(seen, lane), vm(seen, lane), service(seen, lane),
    ]  # fmt: skip
    return [reading for reading in readings if reading is not None]


def verdict(readings: list[Reading]) -> Verdict:
    """Sum up readings of any number of lanes; a lane nobody could look at makes the whole unknown, not well.

    One that answers a client is well though a hop behind it was not asked: what was not seen is said beside it. One
    that nobody could ask from outside is not, however well all is behind."""
    lanes: dict[str, list[Reading]] = {}
    for reading in readings:
        lanes.setdefault(reading.lane, []).append(reading)
    verdicts = {_lane_verdict(hops) for hops in lanes.values()} or {"unknown"}
    order: tuple[Verdict, ...] = ("down", "degraded", "unknown", "well")
    return next(word for word in order if word in verdicts)


def _lane_verdict(hops: list[Reading]) -> Verdict:
    outcomes = {reading.outcome for reading in hops}
    unseen = any(reading.hop == "public" and (reading.outcome, reading.word) == UNASKED for reading in hops)
    if "failed" in outcomes:
        return "down"
    if "degraded" in outcomes:
        return "degraded"
    proof = {reading.hop for reading in hops if reading.outcome == "ok"}
    return "well" if proof & {"public", "vm"} and not unseen else "unknown"
