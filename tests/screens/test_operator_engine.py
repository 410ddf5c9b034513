"""What the screens say when files cannot be used, a sweep does not end, or the engine stops; and what servers say."""

from __future__ import annotations

import pytest

from console.events import EngineFailed, SweepOverdue
from tests.screens.house import build, settle
from tests.screens.stage import EVIL, START, Stage, calm, crowd, hostile, trouble
from tests.screens.stage_estate import ESTATE
from tests.screens.test_operator import SMALL


async def test_a_sweep_that_does_not_end_is_said_until_it_does() -> None:
    stage = calm()
    async with build(stage).run_test(size=SMALL) as pilot:
        await settle(pilot)
        stage.say(SweepOverdue(START, "the vps does not answer"))
        rows = await settle(pilot)
        assert "nothing answered since 14:00:00" in rows[0]
        assert rows[1] == " sweeps do not finish: the vps does not answer"
        stage.say(SweepOverdue(START, ""))
        rows = await settle(pilot)
        assert "nothing answered since" not in rows[0]
        assert rows[1] == " all 5 lanes well since 14:00"


async def test_an_engine_that_stopped_is_said_and_leaves_with_status_70() -> None:
    stage = trouble()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        stage.say(EngineFailed("ValueError at sweep.py:41"))
        rows = await settle(pilot)
        assert rows[1] == " ✗ the engine stopped, nothing below is live: ValueError at sweep.py:41"
        await pilot.press("q")
    assert app.return_code == 70


async def test_an_engine_that_never_began_says_why_whole() -> None:
    stage = Stage((ESTATE,))
    why = "LabError: COWHAND_LAB must be 1 to 60 letters, digits, dots, dashes or underscores"
    async with build(stage).run_test(size=SMALL) as pilot:
        await settle(pilot)
        stage.say(EngineFailed(why))
        rows = await settle(pilot)
        assert rows[0].startswith(" ✗ stopped")
        assert rows[1].endswith("…")
        assert why in " ".join(row.strip() for row in rows)


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_leaving_is_one_key(key: str) -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press(key)
    assert app.return_code == 0


@pytest.mark.slow
async def test_what_a_server_says_cannot_reach_the_terminal_as_more_than_text() -> None:
    app = build(hostile())
    async with app.run_test(size=SMALL) as pilot:
        for key in "12345":
            rows = await settle(pilot, key)
            assert all(row.isprintable() for row in rows)
    assert not EVIL.isprintable()


async def test_markup_in_an_answer_stays_as_it_was_written() -> None:
    async with build(hostile()).run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
    assert "[bold]markup[/]" in rows[1]


async def test_forty_lanes_scroll_with_the_cursor() -> None:
    app = build(crowd(40))
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert "2007 lane07" in "\n".join(rows)
        rows = await settle(pilot, "G")
        assert "2039 lane39" in "\n".join(rows[3:14])
        rows = await settle(pilot, "g")
        assert "2000 lane00" in rows[4]
