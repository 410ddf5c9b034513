"""A flow as an operator walks it: the real engine, a real folder, real commands, every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.css.scalar import Scalar

from console.events import ActionShown, PlanShown
from console.runner.state import RunStatus, StepStatus
from console.store import journal
from screens.app import CowhandApp
from screens.themes import ink
from screens.view import View
from screens.views import flow_rows
from screens.views.flow import Flow
from screens.views.flow_bar import following
from screens.widgets.pane import Pane
from tests.screens.barnyard import open_gate, typed, until
from tests.screens.flow_stage import FORMATTING, flows, seen
from tests.screens.flow_world import SMALL, app, painted, painting, root, things
from tests.screens.house import build as build_stage
from tests.screens.house import rows_of, settle
from tests.screens.stage import trouble

__all__ = ["app", "root"]

pytestmark = pytest.mark.slow


async def test_the_list_asks_every_flow_and_changes_nothing(app: CowhandApp, root: Path) -> None:
    before = things(root)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        text = await until(pilot, "4 of 6 steps to do")
    assert "paint-barn" in text
    assert "Paint the barn, on this machine, in the folder of the site file" in text
    assert "never run" in text
    assert things(root) == before


async def test_a_plan_shows_state_host_exact_command_loss_and_way_back(app: CowhandApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot, "6")
        await until(pilot, "4 of 6 steps to do")
        await settle(pilot, "enter")
        text = await until(pilot, "needs an answer: which colour?")
        assert "✓ 1 find the ground" in text
        assert "– 2 ask the neighbour" in text
        assert "… 3 choose the colour" in text
        await settle(pilot, "g", "j", "j", "j")
        text = await until(pilot, "LOST")
        assert "the old barn, with all that is in it" in text
        assert "to agree, its name is typed: old-barn" in text
        assert "on      here" in text
        assert 'sh -c \'rm -f "$0/old" && touch "$0/ashes"\'' in text
        await settle(pilot, "j")
        text = await until(pilot, "scrape it off")
        assert "two coats" in text


async def test_walking_it_asks_before_each_change_and_ends_with_nothing_to_do(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "4 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "↑ ↓ and enter")
        await settle(pilot, "down", "enter")
        text = await until(pilot, "type yes to do it")
        assert "choose the colour?  on here: 1 file" in text
        assert not (root / "colour").exists()
        await typed(pilot, "yes")
        await until(pilot, "▸ 4 burn the old one")
        assert (root / "colour").read_text() == "blue\n"
        text = await until(pilot, "d type the name")
        await settle(pilot, "d")
        text = await until(pilot, "type old-barn to lose it")
        assert "lost: the old barn, with all that is in it" in text
        await typed(pilot, "barn")
        await until(pilot, "that was not old-barn: nothing was done")
        assert (root / "old").exists()
        await typed(pilot, "old-barn")
        await until(pilot, "type yes to do it")
        await typed(pilot, "yes")
        await until(pilot, "▸ 5 paint it")
        assert not (root / "old").exists()
        await settle(pilot, "d")
        await until(pilot, "type yes to do it")
        await typed(pilot, "yes")
        await until(pilot, "runs since")
        await open_gate(root)
        await until(pilot, "▸ 6 put the roof on")
        await settle(pilot, "d")
        await typed(pilot, "yes")
        text = await until(pilot, "done, and verified")
        assert "✓ 6 put the roof on" in text
        await settle(pilot, "c")
        await until(pilot, "✓ nothing to do")
        await settle(pilot, "d")
        assert rows_of(app)[-1] == " nothing to do; c checks the steps again"
    assert [record.state for record in journal.runs(journal.place(root / "site.toml"))] == ["done"]


async def test_all_is_one_yes_that_names_what_follows_and_losses_are_typed_still(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "painted")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "2 of 6 steps to do")
        await settle(pilot, "enter", "a")
        await until(pilot, "type old-barn to lose it")
        await typed(pilot, "old-barn")
        text = await until(pilot, "type all to do it")
        assert "and all that follow, each verified before the next: paint it, put the roof on" in text
        await typed(pilot, "yes")
        await until(pilot, "that was not all: nothing was done")
        assert not (root / "ashes").exists()
        await typed(pilot, "all")
        await until(pilot, "done, and verified")
    assert (root / "roof").exists()


async def test_all_may_be_said_where_a_name_is_to_be_typed_first(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "painted")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "2 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "type old-barn to lose it")
        await settle(pilot, "escape", "a")
        await typed(pilot, "old-barn")
        await until(pilot, "type all to do it")
        await typed(pilot, "all")
        await until(pilot, "done, and verified")


async def test_escape_leaves_the_run_waiting_and_d_asks_again(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "ashes", "painted")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "1 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "type yes to do it")
        text = "\n".join(await settle(pilot, "escape"))
        assert "? paint-barn 6/6 waits" in text
        assert "d do it" in text
        assert not (root / "roof").exists()
        await settle(pilot, "d")
        await typed(pilot, "yes")
        await until(pilot, "done, and verified")


async def test_a_step_is_left_out_when_its_word_is_typed(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "ashes", "painted")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "1 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "type yes to do it")
        await settle(pilot, "escape", "S")
        await typed(pilot, "skip")
        text = await until(pilot, "■ incomplete")
        assert "○ 6 put the roof on" in text
    assert not (root / "roof").exists()


async def test_a_failure_says_what_is_true_and_a_retry_goes_on(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "ashes", "painted", "storm")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "1 of 6 steps to do")
        await settle(pilot, "enter", "a")
        await until(pilot, "type all to do it")
        await typed(pilot, "all")
        text = await until(pilot, "✗ failed; true now:")
        assert "the storm took it" in text
        assert "now: roof is not there" in text
        assert "R look again" in text
        assert "u undo it" in text
        assert "x stop here" in text
        assert "✗ paint-barn 6/6 failed" in text
        (root / "storm").unlink()
        await settle(pilot, "R")
        assert not (root / "roof").exists()
        await typed(pilot, "retry")
        await until(pilot, "done, and verified")
    assert (root / "roof").exists()


async def test_an_undo_shows_its_own_plan_and_is_agreed_to(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "ashes", "painted", "storm")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "1 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "type yes to do it")
        await typed(pilot, "yes")
        await until(pilot, "✗ failed; true now:")
        assert (root / "beam").exists()
        await settle(pilot, "u")
        text = await until(pilot, "type yes to do it")
        assert "take back put the roof on?  on here: 1 command" in text
        assert 'rm -f "$0/beam"' in text
        assert (root / "beam").exists()
        await typed(pilot, "yes")
        text = await until(pilot, "was undone")
        assert "↶ 6 put the roof on" in text
    assert not (root / "beam").exists()


async def test_what_failed_can_be_left_so(app: CowhandApp, root: Path) -> None:
    painted(root, "colour", "ashes", "painted", "storm")
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "1 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "type yes to do it")
        await typed(pilot, "yes")
        await until(pilot, "✗ failed; true now:")
        await settle(pilot, "x")
        await typed(pilot, "stop")
        text = await until(pilot, "roof failed: ")
        assert "now: roof is not there" in text
        assert "R look again" not in text


async def test_f_on_a_finding_opens_the_flow_that_repairs_it() -> None:
    stage = trouble()
    stage.seen = seen()
    made = build_stage(stage)
    async with made.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "f")
        assert made.view.NAME == "flow"
        assert rows[3].startswith(" proxy-override  Make Dovecot and Postfix trust the one proxy")
        await settle(pilot, "escape")
        assert made.view.NAME == "lanes"
    assert "look proxy-override" in stage.asked


async def test_f_says_by_hand_where_no_flow_repairs_it() -> None:
    stage = trouble()
    made = build_stage(stage)
    async with made.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "f")
        assert any("by hand: no flow does this yet" in row for row in rows)
        assert made.view.NAME == "lanes"


async def test_a_flow_that_stands_still_sends_nothing(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await painting(root, pilot)
        await settle(pilot)
        rows = rows_of(app)
        shown = await until(pilot, "first coat")
        panes = [pane for pane in app.query(Pane) if pane.is_on_screen]
        assert panes
        for pane in panes:
            pane.redraw()
            assert pane._repaint_regions == set()
        assert rows_of(app) == rows == shown.split("\n")


async def test_it_takes_its_shape_even_when_it_is_shown_before_its_parts_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine both come before the parts, and find none.
    monkeypatch.setattr(Flow, "shown", lambda self: None)
    monkeypatch.setattr(View, "on_resize", lambda self: None)
    made = build_stage(flows(*FORMATTING))
    async with made.run_test(size=(120, 36)) as pilot:
        await settle(pilot, "6", "enter")
        assert made.query_one("#flow-steps").styles.width == Scalar.parse("48")


async def test_a_flow_that_cannot_begin_gives_its_reason_first() -> None:
    step = StepStatus("look", "find the certificate, and the hook", state="refused", said="run certificate-sync first")
    look = RunStatus("r", "f", "", steps=(step,), outcome="refused", ending="step 1, find the cert…")
    made = build_stage(flows(*FORMATTING))
    async with made.run_test():
        assert flow_rows.summary(made.ink, look)[:2] == ("✗", "run certificate-sync first")


def test_the_flows_of_a_flow_are_told_by_how_many_steps_each_has() -> None:
    top = StepStatus("reach", "reach the mail host", ("all",))
    disks = [StepStatus(name, f"{name} a disk", ("all", "volumes")) for name in ("find", "format", "mount")]
    assert following([*disks[1:], top, *disks]).endswith(": volumes (5), reach the mail host")
    assert following([*disks[1:], top]).startswith("and the 3 steps that follow, if they are needed")
    assert following(disks) == (
        "and all that follow, each verified before the next: find a disk, format a disk, mount a disk"
    )
    assert following([]) == ""


def test_what_a_script_does_is_told_before_it_is_shown() -> None:
    def told(command: str, *script: str) -> list[str]:
        shown = PlanShown((ActionShown("run", "vm", command, script=script),), ("it installs docker",))
        step = StepStatus("programs", "install Docker", plan=shown)
        rows = ["".join(text for text, _ in line) for line in flow_rows.plan(ink("dark"), step, 0.0, 60)]
        return [row.split()[0] for row in rows if row.strip()]

    rows = told("sh -c 'set -e\\napt-get install docker'", "sh -c 'set -e", "apt-get install docker'")
    assert rows[:4] == ["known", "on", "runs", "apt-get"]
    assert told("docker pull x")[:3] == ["on", "runs", "known"]
