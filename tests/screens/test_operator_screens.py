"""The screens beside the lanes: the map, sources and log, at every size, and what they cost."""

from __future__ import annotations

import pytest
from textual import events
from textual._compositor import ChopsUpdate

from console.events import EstateRead, ReadingsChanged
from tests.screens.house import build, settle
from tests.screens.stage import CALM, WELL, Stage, calm, reading, trouble
from tests.screens.stage_estate import ESTATE, LANES, TOPOLOGY
from tests.screens.test_operator import SMALL, cell


async def test_the_map_says_when_opentofu_could_not_tell() -> None:
    remark = "OpenTofu: there is no state yet; what is shown is what its files say"
    app = build(Stage((EstateRead("benoit", TOPOLOGY, (), (), {}, remark),)))
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "4", "G")
    assert any(row.strip() == remark for row in rows)


async def test_the_map_says_in_eighty_columns_how_opentofu_comes_to_be_asked() -> None:
    remark = "OpenTofu: not asked, for this folder is not trusted (see cowhand trust)"
    whole = f"{remark}; what is shown is what its files say"
    app = build(Stage((EstateRead("benoit", TOPOLOGY, (), (), {}, whole),)))
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "4", "G")
    assert any(row.strip().startswith(remark) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (20, 5), (60, 15), (119, 30), (160, 20), (300, 90)])
async def test_every_size_of_terminal_draws_every_screen(size: tuple[int, int]) -> None:
    app = build(trouble())
    async with app.run_test(size=size) as pilot:
        for key in ("1", "2", "3", "4", "5", "question_mark", "colon"):
            await settle(pilot, key)
        assert app.crash is None


async def test_a_resize_takes_another_shape_and_keeps_the_cursor() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        for size in ((200, 50), (120, 36), (50, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            rows = await settle(pilot)
        assert cell(app) == ("imaps", "vm")
    assert "✗ untrusted" in rows[6]


@pytest.mark.slow
async def test_n_in_the_sources_goes_from_finding_to_finding() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "3")
        seen: list[int] = []
        for _ in range(5):
            place = app.view.place()
            assert place is not None
            seen.append(place.line)
            await settle(pilot, "n")
        assert seen == [6, 13, 15, 20, 27]
        place = app.view.place()
        assert place is not None
        assert place.line == 6


async def test_tab_opens_the_next_file_at_its_first_finding() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "3", "tab")
        assert any(row.startswith("▸◆ CH024  19 ") for row in rows)
        rows = await settle(pilot, "shift+tab")
        assert any(row.startswith("▸◆ CH004   6 ") for row in rows)


@pytest.mark.slow
async def test_a_search_in_the_sources_goes_to_the_line() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "3", "slash", *"sieve", "enter")
        place = app.view.place()
    assert place is not None
    assert place.line == 22


@pytest.mark.slow
async def test_long_lines_move_left_and_right() -> None:
    app = build(calm())
    async with app.run_test(size=(60, 20)) as pilot:
        before = await settle(pilot, "3")
        after = await settle(pilot, "l", "l", "l")
        back = await settle(pilot, "h", "h", "h")
    assert not any("check port 10025" in row for row in before)
    assert any("check port 10025" in row for row in after)
    assert back == before


async def test_the_log_follows_its_end_until_one_scrolls_up() -> None:
    stage = calm()
    stage.lines = tuple(f"14:00:00  line {at}" for at in range(60))
    async with build(stage).run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "5")
        assert rows[-2].endswith("line 59")
        rows = await settle(pilot, "k", "k")
        assert rows[-2].endswith("line 57")
        stage.lines = (*stage.lines, "14:00:01  line 60")
        pilot.app.view._look()  # type: ignore[attr-defined]
        rows = await settle(pilot)
        assert rows[-2].endswith("line 57")
        rows = await settle(pilot, "G")
        assert rows[-2].endswith("line 60")


@pytest.mark.slow
async def test_the_frames_of_the_map_are_all_closed_at_the_same_column() -> None:
    app = build(trouble())
    for width in (80, 100, 120, 200):
        async with build(trouble()).run_test(size=(width, 60)) as pilot:
            rows = await settle(pilot, "4")
        ends = {len(row) for row in rows[3:-1] if row.endswith(("┐", "│", "┘"))}
        assert len(ends) <= 2, width
    assert app.crash is None


async def test_a_latency_that_changes_adds_to_the_history() -> None:
    stage = Stage((ESTATE, ReadingsChanged(CALM), WELL))
    async with build(stage).run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert rows[10].endswith("▄")
        for ms in (1.0, 300.0):
            stage.say(ReadingsChanged((reading(LANES[0], "public", "ok", f"{ms:.0f} ms", ms),)))
            rows = await settle(pilot)
    assert rows[10].endswith("█")  # the slowest of these minutes
    assert rows[11].strip() == f"13:08{' ' * 20}14:07"


async def test_a_window_that_loses_the_focus_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        before = await settle(pilot)
        sent: list[object] = []
        monkeypatch.setattr(app, "_display", lambda screen, update: sent.append(update))
        for event in (events.AppBlur(), events.AppFocus()):
            app.post_message(event)
            assert await settle(pilot) == before
    assert [update for update in sent if update is not None] == []


@pytest.mark.slow
async def test_a_screen_that_was_left_and_opened_again_sends_only_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(trouble())
    async with app.run_test(size=(200, 50)) as pilot:
        await settle(pilot, "2", "1", "4", "1")
        sent: list[object] = []
        monkeypatch.setattr(app, "_display", lambda screen, update: sent.append(update))
        await settle(pilot, "n")
    updates = [update for update in sent if isinstance(update, ChopsUpdate)]
    assert updates
    assert sum(end - start for update in updates for _, start, end in update.spans) < 1_000
