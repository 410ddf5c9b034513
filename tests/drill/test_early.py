"""What is told before the slow ladders end is as true as at the end, and says whose answer is waited for."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from console.diagnosis.early import UNANSWERED, certain, waiting
from console.diagnosis.modes import MODES
from console.ladders import Ladder, ProbeTarget
from console.model import Rung
from console.observation import SweepData
from tests.drill.record import FAULTS, place, read
from tests.drill.score import TRUE_TOO

CUT = 5.2
"""Seconds of the sweep that had gone by."""

OPEN = ("not known here", "probably blocks")
"""How a sentence leaves room for what is in no row."""


def cut(seen: SweepData, after: float) -> SweepData:
    """The same sweep so many seconds after it began: ladders that took longer still climb."""
    for ladder in ladders(seen):
        spent, kept = 0.0, []
        for rung in ladder.rungs:
            spent += (rung.ms or 0.0) / 1000
            kept += [rung] if spent <= after else []
        if len(kept) < len(ladder.rungs):
            ladder.rungs, ladder.cause, ladder.said, ladder.done = kept, "", "", False
            ladder.began = seen.at
    seen.ended, seen.early = False, True
    return seen


def ladders(seen: SweepData) -> Iterable[Ladder]:
    for lane in seen.lanes.values():
        yield from lane.public.values()
        yield from (each for each in (lane.vm, lane.service) if each is not None)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 3.5, 4.5, CUT, 7.0])
def test_nothing_false_is_told_early(after: float) -> None:
    false = []
    for id in sorted(id for id in FAULTS if place(id).exists()):
        seen = cut(read(id), after)
        truth = {*FAULTS[id].truth, *(TRUE_TOO.get(half, "") for half in id.split("+"))}
        true = {mode.finding for mode in MODES if mode.id in truth}
        told = [each for each in certain(seen, seen.at + after) if each.id not in true]
        false += [(id, each.id, each.summary) for each in told if not any(word in each.summary for word in OPEN)]
    assert not false


@pytest.mark.parametrize(
    ("id", "finding"), [("own-tunnel-cut", "CH016"), ("haproxy-frozen", "CH041"), ("vm-off", "CH032")]
)
def test_the_cause_is_told_within_six_seconds(id: str, finding: str) -> None:
    seen = cut(read(id), CUT)
    assert [each.id for each in certain(seen, seen.at + CUT)] == [finding]


def test_a_way_into_the_mail_host_that_hangs_delays_no_cause() -> None:
    seen = cut(read("vm-off"), CUT)
    for lane in seen.lanes.values():
        if lane.service is not None:
            lane.service = Ladder(lane.service.target, lane.service.vantage)
    (told,) = certain(seen, seen.at + CUT)
    assert "mailcow is off, or hangs" in told.summary and "not known here" in told.summary


def test_before_we_are_in_the_proxys_machine_what_was_asked_from_here_tells_once_all_of_it_has_ended() -> None:
    seen = cut(read("vps-off"), CUT)
    for lane in seen.lanes.values():
        lane.vm = Ladder(ProbeTarget("10.10.10.214", 10025, "smtp"), "vps")
    (told,) = certain(seen, seen.at + CUT)
    assert told.id == "CH031" and "not known here" in told.summary
    (ladder, *_) = [each for lane in seen.lanes.values() for each in lane.public.values()]
    ladder.rungs, ladder.done, ladder.cause, ladder.began = [], False, "", seen.at + CUT - 1
    assert not certain(seen, seen.at + CUT)


def test_a_connection_that_is_dialled_long_enough_counts_as_unanswered_and_no_sooner() -> None:
    seen = cut(read("vm-off"), 2.0)
    assert not certain(seen, seen.at + UNANSWERED - 0.1)
    assert [each.id for each in certain(seen, seen.at + UNANSWERED)] == ["CH032"]


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("own-tunnel-cut", "no answer for 1.5 s from vps to 10.10.10.214, lanes 25, 465, 993, 4190 and 443"),
        ("vps-off", "no answer for 1.5 s at the public address from here, lanes 25, 465, 993, 4190 and 443"),
        (
            "haproxy-frozen",
            "connections from here are accepted, and nothing is said for 1.5 s, lanes 993, 4190 and 443",
        ),
        ("calm", ""),
    ],
)
def test_whose_answer_is_waited_for_is_said_at_once(id: str, said: str) -> None:
    seen = cut(read(id), 1.5)
    assert waiting(seen, seen.at + 1.5) == said


def test_who_is_asked_late_is_not_waited_for_since_the_sweep_began() -> None:
    seen = cut(read("own-tunnel-cut"), 1.5)
    for lane in seen.lanes.values():
        assert lane.vm is not None
        lane.vm.began = seen.at + 3.0
        lane.public.clear()
    assert waiting(seen, seen.at + 3.4) == ""
    assert waiting(seen, seen.at + 3.7).startswith("no answer for 0.7 s from vps to 10.10.10.214")


def test_who_has_begun_tls_is_not_told_to_say_nothing() -> None:
    seen = cut(read("haproxy-frozen"), 1.5)
    for lane in seen.lanes.values():
        for ladder in lane.public.values():
            ladder.rungs.append(Rung("tls", "ok", "TLSv1.3"))
    assert waiting(seen, seen.at + 1.5) == ""
