"""The list of flows says how many are out of sight, and a flow says once why it was refused."""

from __future__ import annotations

from console.engine.overview import FlowSeen
from console.events import FlowsChecked
from tests.screens.flow_stage import began, ended, flows, folded, seen, stood
from tests.screens.house import build, settle
from tests.screens.stage import START


async def test_flows_out_of_sight_are_counted() -> None:
    async with build(flows()).run_test(size=(80, 15)) as pilot:
        rows = await settle(pilot, "6")
        assert rows[-2] == " ↓ 1 more", "\n".join(rows)
        rows = await settle(pilot, "G")
        assert rows[-2] == " ↑ 1 more"


async def test_a_refusal_is_told_once_whole_and_with_what_is_true() -> None:
    why = "nothing pushes a renewed certificate to Mailcow: run certificate-sync first"
    look = folded(began(dry=True), stood(0, "refused", why), ended("refused", f"step 1: {why}; nothing was changed"))
    stage = flows()
    stage.seen = (FlowSeen(seen()[0].name, seen()[0].words, look, 0.0, None),)
    stage.opening = (*stage.opening, FlowsChecked(START))
    async with build(stage).run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "6", "enter")
    assert any(row.startswith("─ ✗ refused; nothing was changed ─") for row in rows)
    assert f" {why}" in rows
