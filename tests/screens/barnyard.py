"""A real engine on a real folder with one flow in it, and the console that shows it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

import console.flows
from console.engine.engine import Engine
from console.engine.vantages import Vantages
from console.estate.load import Estate, load
from console.flows import registry
from console.hosts.local import Local
from console.hosts.recorded import Recorded
from console.questions import Asker
from screens.app import CowhandApp
from tests.screens.house import rows_of, settle

BARN = Path(__file__).parent / "barn"
MODULES = registry.modules


def register() -> None:
    """Have the barn's flow and no other."""
    console.flows.__path__.append(str(BARN))
    registry.modules = lambda: {"paint-barn": "console.flows.paint_barn"}  # type: ignore[assignment]


def unregister() -> None:
    """Forget the barn."""
    console.flows.__path__.remove(str(BARN))
    registry.modules = MODULES
    sys.modules.pop("console.flows.paint_barn", None)


def lay(root: Path) -> Path:
    """An estate without lanes, an old barn, and a gate to paint behind."""
    (root / "site.toml").write_text("[sources]\nhaproxy = []\n")
    (root / "old").write_text("hay\n")
    os.mkfifo(root / "gate")
    return root


def build(root: Path, *, read_only: bool = False) -> tuple[CowhandApp, Engine]:
    """The console and its engine."""

    def vantages(estate: Estate, log: deque[str], ask: Asker) -> Vantages:
        return Vantages({"here": Recorded(Local(), log)}, {}, log)

    engine = Engine(lambda: load(root / "site.toml"), vantages, 3600)
    return CowhandApp(engine, title="barn", read_only=read_only, lab=False), engine


async def until(pilot: Pilot[None], seen: Callable[[str], bool] | str) -> str:
    """Wait until the screen shows something, and return all of it; fails with what it shows instead."""
    text = ""
    for _ in range(6000):
        await pilot.pause(0.01)
        text = "\n".join(rows_of(pilot.app))
        if seen in text if isinstance(seen, str) else seen(text):
            return text
    raise AssertionError(f"not seen: {seen!r}; the screen shows\n{text}")


async def typed(pilot: Pilot[None], word: str) -> None:
    """Type a word and enter."""
    names = {"-": "minus", "_": "underscore"}
    await settle(pilot, *(names.get(letter, letter) for letter in word), "enter")


async def open_gate(root: Path) -> None:
    """Let the painter go on."""
    await asyncio.to_thread((root / "gate").write_text, "go\n")
