"""Findings of one rule stand in one row with all their places, and lead to the same ones."""

from __future__ import annotations

from console.model import Finding
from screens.views.findings import Findings, folded
from tests.screens.house import build, settle
from tests.screens.stage import TROUBLE, UNTRUSTED, calm, trouble
from tests.screens.stage_estate import ESTATE, LANES, STATIC


def test_alike_ones_are_one_row_with_all_places_and_lanes() -> None:
    rows = folded(ESTATE.findings)
    blind = next(row for row in rows if row.id == "CH004")
    assert blind.name == "blind-health-check ×4"
    assert [str(place) for place in (blind.where, *blind.also)] == [str(each.where) for each in STATIC[:4]]
    assert set(blind.lanes) == {lane.id for lane in LANES[:4]}
    assert all(each.summary in blind.summary for each in STATIC[:4])
    assert [row.id for row in rows] == list(dict.fromkeys(each.id for each in ESTATE.findings))


def test_what_was_observed_is_never_folded() -> None:
    (one,) = TROUBLE.findings
    assert folded([one, one]) == [one, one]
    assert UNTRUSTED


async def test_the_list_says_how_many_there_are_and_a_cell_leads_to_the_row() -> None:
    app = build(calm())
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "2")
        assert any("blind-health-check ×4" in row for row in rows)
        assert any(f"({len(ESTATE.findings)} findings, alike ones folded)" in row for row in rows)
        app.show_finding(STATIC[2])
        await settle(pilot)
        assert isinstance(app.view, Findings)
        found = app.view.finding()
        assert isinstance(found, Finding)
        assert found.id == "CH004"


async def test_escape_on_the_first_screen_leads_nowhere() -> None:
    app = build(trouble())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "2", "4", "1", "escape")
        assert app.view.NAME == "lanes"


async def test_the_two_warnings_are_the_last_to_leave_the_header() -> None:
    app = build(trouble(), read_only=True, lab=True)
    async with app.run_test(size=(44, 20)) as pilot:
        rows = await settle(pilot)
    assert "LAB" in rows[0]
    assert "READ-ONLY" in rows[0]
    assert "✗ down" in rows[0]
