"""The journal as an operator reads it, and a run undone from there: the real engine on a real folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from screens.app import CowhandApp
from tests.screens.barnyard import build, lay, register, typed, unregister, until
from tests.screens.house import rows_of, settle

pytestmark = pytest.mark.slow

SMALL = (80, 24)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    register()
    folder = tmp_path / "barn"
    folder.mkdir()
    yield lay(folder)
    unregister()


async def choose_blue_and_stop(app: CowhandApp, root: Path) -> None:
    """Leave one run in the journal, which wrote one file."""
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "6")
        await until(pilot, "4 of 6 steps to do")
        await settle(pilot, "enter", "d")
        await until(pilot, "↑ ↓ and enter")
        await settle(pilot, "down", "enter")
        await until(pilot, "type yes to do it")
        await typed(pilot, "yes")
        await until(pilot, "d type the name")
        await settle(pilot, "x")
        await typed(pilot, "stop")
        await until(pilot, "■ stopped")
    assert (root / "colour").read_text() == "blue\n"


async def test_a_run_is_read_and_undone_only_after_its_plan_was_agreed_to(root: Path) -> None:
    first, engine = build(root)
    await choose_blue_and_stop(first, root)
    assert engine.close(60)
    app, engine = build(root)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "7")
        text = await until(pilot, "undo it: each step is planned")
        assert "paint-barn" in text and "■ stopped" in text
        await settle(pilot, "enter")
        text = await until(pilot, "colour: about to change")
        assert "answered colour: blue" in text
        await settle(pilot, "escape")
        assert "about to change" not in "\n".join(rows_of(app))
        await settle(pilot, "u")
        text = await until(pilot, "type yes to do it")
        assert "take back" in text
        assert (root / "colour").exists()
        await typed(pilot, "yes")
        await until(pilot, "✓ done")
        assert not (root / "colour").exists()
        await settle(pilot, "7")
        text = await until(pilot, "undo of ")
        assert "cannot be undone" in text  # the undo itself is the latest run
        await settle(pilot, "u")
        assert "took back" in rows_of(app)[-1]
    assert engine.close(60)
    assert engine.failure is None


async def test_read_only_shows_the_journal_and_has_no_key_that_undoes(root: Path) -> None:
    first, engine = build(root)
    await choose_blue_and_stop(first, root)
    assert engine.close(60)
    app, engine = build(root, read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "7")
        await until(pilot, "read-only: it cannot be undone from here")
        await settle(pilot, "u")
        assert app.view.NAME == "journal"
    assert (root / "colour").exists()
    assert engine.close(60)
