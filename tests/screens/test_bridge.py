"""What crosses from the engine's thread to the screens', and what of it is kept."""

from __future__ import annotations

from msgspec.structs import replace

from console.events import EngineFailed, FindingsChanged, FlowSaid, ReadingsChanged, SweepOverdue
from screens.board import Board
from screens.bridge import TRAIL, Bridge, EngineSpoke, News
from tests.screens.house import build
from tests.screens.stage import CALM, START, TROUBLE, UNTRUSTED, WELL, calm, reading
from tests.screens.stage_estate import CUT, ESTATE, LANES


def bridge() -> tuple[Bridge, list[int]]:
    woken: list[int] = []
    return Bridge(lambda: woken.append(1)), woken


def test_many_events_wake_the_screens_once_until_they_are_drained() -> None:
    made, woken = bridge()
    for _ in range(100):
        made.notify(WELL)
    assert len(woken) == 1
    made.drain()
    made.notify(WELL)
    assert len(woken) == 2


def test_only_the_latest_of_each_thing_is_kept() -> None:
    made, _ = bridge()
    for event in (ESTATE, CUT, WELL, TROUBLE, SweepOverdue(1.0, "a"), SweepOverdue(2.0, "b"), EngineFailed("x")):
        made.notify(event)
    news = made.drain()
    assert news.estate is CUT
    assert news.findings is TROUBLE
    assert news.overdue == SweepOverdue(2.0, "b")
    assert news.failed == EngineFailed("x")


def test_a_long_stall_grows_no_queue() -> None:
    made, _ = bridge()
    for at in range(5_000):
        made.notify(ReadingsChanged((replace(CALM[0], latency_ms=float(at)), replace(CALM[1], latency_ms=float(at)))))
    news = made.drain()
    assert len(news.readings) == 2 * TRAIL
    assert news.readings[TRAIL - 1].latency_ms == 4_999.0


def test_a_run_with_much_to_say_wakes_the_screens_once_and_is_kept_by_the_engine_alone() -> None:
    made, woken = bridge()
    for _ in range(1_000):
        made.notify(FlowSaid("run", "x" * 1_000, START))
    assert len(woken) == 1
    assert made.drain() == News(flows=True)
    assert made.drain() == News()


def test_what_was_drained_is_not_given_twice() -> None:
    made, _ = bridge()
    made.notify(ReadingsChanged(CALM))
    made.notify(ESTATE)
    made.drain()
    assert made.drain() == News()


def test_a_change_names_the_cells_it_touched() -> None:
    board = Board("benoit")
    change = board.take(News(estate=ESTATE, readings=UNTRUSTED))
    assert change.estate
    assert change.cells == {("993/imaps", "vm"), ("4190/sieve", "vm")}
    assert not change.findings


def test_the_history_has_changes_only() -> None:
    board = Board("benoit")
    slow = reading(LANES[0], "tunnel", "ok", "90 ms", 90.0)
    board.take(News(readings=(CALM[2], CALM[2], slow, slow, CALM[2])))
    assert [one.latency_ms for one in board.trails[CALM[2].key]] == [41.2, 90.0, 41.2]


def test_a_lane_is_well_when_something_answered_and_nothing_is_broken() -> None:
    board = Board("benoit")
    lane = LANES[0]
    assert not board.well(lane)
    board.take(News(readings=(reading(lane, "public", "unknown", "timeout"),)))
    assert not board.well(lane)
    board.take(News(readings=(reading(lane, "vm"),)))
    assert board.well(lane)
    board.take(News(readings=(reading(lane, "service", "degraded", "slow"),)))
    assert not board.well(lane)


def test_a_lane_is_not_counted_as_well_beside_a_cause_that_was_told_before_its_own_ladders_ended() -> None:
    board = Board("benoit")
    board.take(News(estate=ESTATE, readings=CALM, findings=WELL))
    assert board.counted == (5, 5)
    board.take(News(findings=TROUBLE))
    named = {id for each in TROUBLE.findings for id in each.lanes}
    assert board.counted == (5 - len(named), 5)


def test_a_lane_breaks_at_its_first_failed_hop_and_not_at_a_degraded_one_before() -> None:
    board = Board("benoit")
    lane = LANES[0]
    board.take(News(readings=(reading(lane, "haproxy", "degraded", "L4"), reading(lane, "vm", "failed", "refused"))))
    assert board.break_hop(lane) == "vm"
    board.take(News(readings=(reading(lane, "vm"),)))
    assert board.break_hop(lane) == "haproxy"


def test_observed_findings_stand_before_read_ones_and_the_worst_before_the_rest() -> None:
    board = Board("benoit")
    board.take(News(estate=ESTATE, findings=TROUBLE))
    order = [(found.observed, found.severity) for found in board.findings()]
    ranks = ["critical", "high", "medium", "low"]
    assert order == sorted(order, key=lambda item: (not item[0], ranks.index(item[1])))
    assert order[0] == (True, "critical")


def test_an_overdue_sweep_is_forgotten_when_it_has_ended() -> None:
    board = Board("benoit")
    board.take(News(overdue=SweepOverdue(START, "no answer")))
    assert board.overdue is not None
    board.take(News(overdue=SweepOverdue(START, "")))
    assert board.overdue is None


def test_findings_follow_the_engine_and_not_the_readings() -> None:
    board = Board("benoit")
    board.take(News(findings=TROUBLE))
    board.take(News(findings=FindingsChanged((), "well", "", None, START)))
    assert board.findings() == []


async def test_news_that_comes_while_the_app_shuts_down_is_ignored() -> None:
    app = build(calm())
    async with app.run_test():
        pass
    app.on_engine_spoke(EngineSpoke())
    assert app.crash is None
