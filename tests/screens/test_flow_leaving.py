"""Leaving, stopping and quitting while a flow runs, and another console that holds the site."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.events import EngineFailed
from console.store import journal
from screens.app import CowhandApp
from tests.screens.barnyard import build, open_gate, typed, until
from tests.screens.flow_stage import FORMATTING, flows
from tests.screens.flow_world import SMALL, app, painting, root, things
from tests.screens.house import build as build_stage
from tests.screens.house import rows_of, settle

__all__ = ["app", "root"]

pytestmark = pytest.mark.slow


async def test_leaving_the_screen_leaves_the_run_and_coming_back_shows_it(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await painting(root, pilot)
        text = "\n".join(await settle(pilot, "2"))
        assert "▸ paint-barn 5/6" in text
        text = "\n".join(await settle(pilot, "6"))
        assert "▸ step 5 of 6" in text
        await settle(pilot, "1")
        await open_gate(root)
        text = await until(pilot, "✓ paint-barn 6/6 done")
        assert app.view.NAME == "lanes"
        await settle(pilot, "6", "enter", "g", "j", "j", "j", "j")
        text = await until(pilot, "second coat")
        assert "✓ status 0" in text
        assert "paint-barn 6/6" not in text


async def test_what_a_command_says_cannot_steer_the_terminal(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await painting(root, pilot)
        await open_gate(root)
        await until(pilot, "✓ done")
        await settle(pilot, "g", "j", "j", "j", "j")
        text = await until(pilot, "first coat")
        assert "first coat \\x1b[31m[bold]" in text
        assert "\x1b" not in text


async def test_stop_ends_after_the_command_and_cut_at_once(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await painting(root, pilot)
        text = "\n".join(await settle(pilot, "x"))
        assert "stop paint-barn? Under way on here: sh -c" in text
        await typed(pilot, "maybe")
        await until(pilot, "maybe is neither stop nor cut: it goes on")
        await typed(pilot, "stop")
        assert "▸ paint-barn 5/6" in rows_of(app)[0]
        await settle(pilot, "x")
        await typed(pilot, "cut")
        await until(pilot, "■ stopped")
    assert not (root / "painted").exists()


async def test_quitting_asks_while_a_flow_runs_and_stays_by_default(app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await painting(root, pilot)
        text = "\n".join(await settle(pilot, "1", "q"))
        assert "paint-barn runs, at step 5 of 6; leaving ends it. Under way on here:" in text
        await settle(pilot, "enter")
        await settle(pilot, "q", "escape")
        assert app.is_running
        await settle(pilot, "q")
        await typed(pilot, "stop")
        assert app.is_running
        await open_gate(root)
        for _ in range(6000):
            if not app.is_running:
                break
            await pilot.pause(0.01)
    assert app.return_code == 0
    assert journal.find(journal.place(root / "site.toml"), "last").state in ("done", "stopped")
    assert (root / "painted").exists()


async def test_read_only_has_no_key_that_changes_and_says_so(root: Path) -> None:
    made, engine = build(root, read_only=True)
    async with made.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "6")
        text = await until(pilot, "4 of 6 steps to do")
        assert "read-only: plans can be read, nothing can be changed from here" in text
        await settle(pilot, "enter", "d", "a", "S", "R", "u", "x")
        text = await until(pilot, "read-only: nothing can be changed from here")
        rows = text.split("\n")
        assert "READ-ONLY" in rows[0]
        assert not any(word in rows[-1] for word in ("d do", "a do all", "x stop"))
        assert made.board.flow is None
    assert engine.close(60)
    assert things(root) == ["gate", "old", "site.toml"]


HOLDER = """
import sys
from pathlib import Path
from console.store.journal import Lock, place
with Lock(place(Path(sys.argv[1])), "paint-barn"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(root: Path) -> Iterator[int]:
    words = [sys.executable, "-c", HOLDER, str(root / "site.toml")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.communicate()


async def test_another_console_that_holds_the_lock_is_named(other: int, app: CowhandApp, root: Path) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "4 of 6 steps to do")
        await settle(pilot, "enter", "d")
        text = await until(pilot, "✗ refused")
        assert f"paint-barn runs already: process {other} of " in text
        assert "… 3 choose the colour" in text
    assert not (root / "colour").exists()


async def test_when_the_engine_has_stopped_leaving_asks_nothing() -> None:
    stage = flows(*FORMATTING)
    made = build_stage(stage)
    async with made.run_test(size=SMALL) as pilot:
        await settle(pilot)
        stage.say(EngineFailed("OSError at hand.py:90"))
        await settle(pilot, "q")
        assert not made.is_running
    assert made.return_code == 70
