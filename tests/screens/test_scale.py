"""A key costs the same at 60 lanes and at 1,000, and a file is split into lines once: counted in calls, by no clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from console.events import EstateRead, FindingsChanged, ReadingsChanged
from console.model import Span
from screens.app import CowhandApp
from screens.board import Board
from screens.views.evidence import MOST_PLACES, evidence, plain
from tests.screens.house import build, rows_of, settle
from tests.screens.stage import CALM, Stage, crowd
from tests.screens.stage_estate import STATIC

pytestmark = pytest.mark.slow

FEW, MANY = 60, 1000


def estate(count: int) -> Stage:
    """Many lanes; one finding has a place, and a lane, for each of them, in a file of ten lines a lane."""
    stage = crowd(count)
    read = next(event for event in stage.opening if isinstance(event, EstateRead))
    found = replace(
        STATIC[0],
        where=Span("haproxy.cfg", 1),
        also=tuple(Span("haproxy.cfg", 10 * at + 1) for at in range(1, count)),
        lanes=tuple(lane.id for lane in read.topology.lanes),
        hop="haproxy",
    )
    texts = {"haproxy.cfg": "".join(f"# line {line}\n" for line in range(10 * count))}
    return Stage((replace(read, findings=(found,), texts=texts), *stage.opening[1:]), lines=stage.lines)


def counted(calls: list[int]) -> Callable[[FrameType, str, object], None]:
    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and ("/screens/" in frame.f_code.co_filename or "/console/" in frame.f_code.co_filename):
            calls[0] += 1

    return count


async def cost(pilot: Pilot[None], *keys: str) -> int:
    """Calls of our own functions that the keys need."""
    calls = [0]
    sys.setprofile(counted(calls))
    try:
        for key in keys:
            await pilot.press(key)
    finally:
        sys.setprofile(None)
    return calls[0]


async def costs(count: int) -> dict[str, int]:
    app = build(estate(count))
    found = {}
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        for screen in ("1", "2", "3", "4"):
            await settle(pilot, screen, "j")
            found[screen] = await cost(pilot, "j", "j", "k")
        await settle(pilot, "1", "l")
        found["l"] = await cost(pilot, "h", "l", "j", "k")
    return found


@pytest.mark.slow
async def test_a_key_costs_the_same_however_many_lanes_there_are() -> None:
    few, many = await costs(FEW), await costs(MANY)
    assert all(many[key] <= 1.3 * few[key] + 200 for key in few), (few, many)


async def test_a_file_is_split_once_until_the_estate_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    split: list[str] = []
    lines = Board._lines
    monkeypatch.setattr(Board, "_lines", lambda self, file: (split.append(file), lines(self, file))[1])
    stage = estate(MANY)
    app = build(stage)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot, "l", "h", "l", "j", "k")
        stage.notify(ReadingsChanged(tuple(replace(one, latency_ms=90.0) for one in CALM)))
        await settle(pilot, "l", "2", "j")
        assert split.count("haproxy.cfg") == 1
        assert isinstance(stage.opening[0], EstateRead)
        stage.notify(replace(stage.opening[0], texts={"haproxy.cfg": "new\n" * 20_000}))
        await settle(pilot, "1", "h", "l")
        assert split.count("haproxy.cfg") == 2
        assert any("new" in row for row in rows_of(app))


async def test_places_that_are_not_shown_are_counted() -> None:
    app: CowhandApp = build(estate(MANY))
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot, "l")
        chosen = app.board.lanes[0], "haproxy"
        rows = ["".join(text for text, _ in line) for line in evidence(app.board, app.ink, chosen, 100)]  # type: ignore[arg-type]
        shown = [row for row in rows if "haproxy.cfg:" in row]
        more = next(int(row.split()[1]) for row in rows if "more places" in row)
        assert len(shown) <= MOST_PLACES and MANY <= more + MOST_PLACES <= MANY + 10
        assert plain(app.board, *chosen).count("haproxy.cfg:") >= MANY  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["1", "2", "4"])
async def test_what_is_kept_is_made_again_with_news(key: str) -> None:
    stage = estate(FEW)
    app = build(stage)
    async with app.run_test(size=(120, 36)) as pilot:
        before = await settle(pilot, key)
        lanes = app.board.lanes
        broken = tuple(
            replace(one, lane=lane.id, outcome="failed", word="refused") for lane in lanes for one in CALM[:5]
        )
        stage.notify(ReadingsChanged(broken))
        stage.notify(FindingsChanged((), "down", "", None, 0.0))
        after = await settle(pilot)
        assert before != after
        assert app.board.shared("public") and "failed" in app.board.outcomes_seen
