"""The screens over a real engine and a folder in which a small flow works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from screens.app import CowhandApp
from tests.screens.barnyard import build, lay, register, typed, unregister, until
from tests.screens.house import settle

SMALL = (80, 24)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    register()
    folder = tmp_path / "barn"
    folder.mkdir()
    yield lay(folder)
    unregister()


@pytest.fixture
def app(root: Path) -> Iterator[CowhandApp]:
    made, engine = build(root)
    yield made
    assert engine.close(60)
    assert engine.failure is None


def painted(root: Path, *names: str) -> None:
    """Do some of it by hand."""
    for name in names:
        (root / name).write_text("by hand\n")


def things(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


async def painting(root: Path, pilot: Pilot[None]) -> str:
    """Bring the run to where the painter waits at the gate."""
    painted(root, "colour", "ashes", "roof")
    await settle(pilot, "6")
    await until(pilot, "1 of 6 steps to do")
    await settle(pilot, "enter", "d")
    await until(pilot, "type yes to do it")
    await typed(pilot, "yes")
    return await until(pilot, lambda text: "runs since" in text and "first coat" in text)
