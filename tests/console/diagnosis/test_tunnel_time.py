"""The tunnel's time is told by who stands at it; what was timed here is never shown as the tunnel's."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Asked, Ping, Server, Stats
from console.diagnosis.judge import judge_lane
from console.diagnosis.rule import Observed
from console.diagnosis.rules.observed import tunnel_slow as rule
from console.model import Reading
from console.observation import SweepData
from tests.console.diagnosis.cases import CASES, stage


def busy(ours: float, *took: tuple[int, str, float | None], ping: float | None = None) -> SweepData:
    """An estate that is well, in which our own connections take `ours` ms; HAProxy's checks are (port, kind, ms)."""
    seen = stage(CASES[0])
    for lane in seen.lanes.values():
        assert lane.vm is not None
        lane.vm.rungs = [replace(r, ms=ours) if r.name == "connect" else r for r in lane.vm.rungs]
        seen.answered[lane.vm.target.address] = ours
    lanes = {lane.lane.port: lane.lane for lane in seen.lanes.values()}
    rows = tuple(Server(lanes[p].proxy, lanes[p].server, "UP", kind, "", 1, ms) for p, kind, ms in took)
    seen.stats = Stats(rows)
    if ping is not None:
        seen.asked = Asked(pings={"vm": Ping(next(iter(seen.answered)), 2, 2, ping)})
    return seen


def tunnel(seen: SweepData, port: int) -> Reading:
    """The reading of the tunnel, and not one word of ours in it."""
    lane = next(lane for lane in seen.lanes.values() if lane.lane.port == port)
    found = next(reading for reading in judge_lane(seen, lane) if reading.hop == "tunnel")
    assert all(rung.ms is None for rung in found.evidence if rung.name == "connect")
    return found


@pytest.mark.parametrize(
    ("seen", "word", "latency", "said"),
    [
        (busy(170.0, (25, "L4OK", 3)), "3 ms", 3, "HAProxy's own check on vps"),
        (busy(170.0, (25, "L4OK", 0)), "<1 ms", 0, "HAProxy's own check on vps"),
        (busy(170.0, (993, "L4OK", 4)), "4 ms", 4, "HAProxy's own check on vps, of another lane"),
        (busy(170.0, (25, "L7OK", 90)), "up", None, "nobody at the proxy told how long"),
        (busy(170.0, (25, "L4OK", None)), "up", None, "nobody at the proxy told how long"),
        (busy(170.0, (25, "L4CON", 5)), "up", None, "nobody at the proxy told how long"),
        (busy(170.0, (25, "L4OK", 3), ping=0.3), "0.3 ms", 0.3, "ping from vps to "),
        (busy(1700.0, (25, "L4OK", 3), ping=0.3), "0.3 ms", 0.3, "ping from vps to "),
    ],
)
def test_the_time_is_of_who_knows_it(seen: SweepData, word: str, latency: float | None, said: str) -> None:
    found = tunnel(seen, 25)
    assert (found.outcome, found.word, found.latency_ms) == ("ok", word, latency)
    assert found.evidence[-1].detail.startswith(said)


@pytest.mark.parametrize(
    ("seen", "word", "told"),
    [
        (busy(1700.0, (25, "L4OK", 1210), (993, "L4OK", 1300)), "1.2 s", "tunnel is slow: 1.2 s from vps to "),
        (busy(1700.0, (25, "L4OK", 3)), "slow", "tunnel is slow: over a second, our own side included, from vps to "),
        (busy(1700.0), "slow", "tunnel is slow: over a second, our own side included, from vps to "),
    ],
)
def test_a_slow_tunnel_is_said_with_the_time_of_who_knows_it(seen: SweepData, word: str, told: str) -> None:
    found = tunnel(seen, 25)
    assert (found.outcome, found.word) == ("degraded", word)
    readings = {r.key: r for lane in seen.lanes.values() for r in judge_lane(seen, lane)}
    (finding,) = rule(Observed(seen, readings))
    assert finding.summary.startswith(told)
    assert "relay" in finding.remedy
    assert "re-authenticate" not in finding.remedy


def test_a_machine_of_ours_that_is_slow_makes_no_slow_tunnel() -> None:
    seen = busy(1700.0, (25, "L4OK", 3), ping=0.3)
    readings = {r.key: r for lane in seen.lanes.values() for r in judge_lane(seen, lane)}
    assert not list(rule(Observed(seen, readings)))
