"""The first minute: lanes are painted before HCL and compose are read, and what is missing is said, ready to copy."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from console import __main__ as entry
from console.estate import compose, opentofu
from console.process import collector
from screens.app import CowhandApp
from tests.bench import seed
from tests.screens.house import build, rows_of, settle
from tests.screens.stage import Stage
from tests.screens.stage_estate import ESTATE

PORTS = ("25 ", "465 ", "993 ", "4190 ")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The seed, in a home that nobody has started cowhand from."""
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    return seed(tmp_path)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Until this is set, neither HCL nor compose can be read."""
    released = threading.Event()

    def hold(read: Callable[[object], object]) -> Callable[[object], object]:
        def held(files: object) -> object:
            assert released.wait(60)
            return read(files)

        return held

    for module in (opentofu, compose):
        monkeypatch.setattr(module, "read", hold(module.read))
    yield released
    released.set()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (what is waited for happens in another thread)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("large", [False, True], ids=["before the first paint", "by the engine, for large files"])
async def test_lanes_are_painted_while_hcl_and_compose_cannot_be_read(
    site: Path, release: threading.Event, large: bool
) -> None:
    opening = None if large else entry._first(site)
    engine = entry._engine(argparse.Namespace(lab=False, every=30.0), site, opening)
    app = CowhandApp(engine, title="seed", read_only=False, lab=False, opening=opening)
    collector.seldom()
    async with app.run_test(size=(120, 36)) as pilot:
        if large:
            await until(lambda: app.board.estate is not None)
            await pilot.pause()
        rows = rows_of(app)
        assert not release.is_set()
        assert all(any(row.startswith(f" {port}") for row in rows) for port in PORTS)
        assert "the other files follow" in rows[1]
        release.set()
        await until(lambda: app.board.estate is not None and not app.board.estate.partial)
        assert app.board.estate is not None
        assert app.board.estate.topology.volumes and app.board.estate.topology.published
        await until(lambda: app.board.observed is not None)
        await until(lambda: gc.get_threshold() == collector.USUAL)  # else RSS would grow for hours
    engine.close(60)


async def test_nothing_is_said_to_be_well_or_wrong_while_files_are_still_read() -> None:
    app = build(Stage((replace(ESTATE, findings=(), partial=True),)))
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot)
        assert rows[1] == " the lanes are read; the other files follow"
        assert " the files are still being read" in await settle(pilot, "2")


LACKS = '[public]\nnames = ["mail.example.org"]'


async def test_what_a_site_lacks_stands_beside_a_cell_that_could_not_be_asked_and_is_copied() -> None:
    app = build(Stage((replace(ESTATE, missing=LACKS),)))
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot)
        at = next(at for at, row in enumerate(rows) if "site.toml lacks this" in row)
        assert [row.strip() for row in rows[at + 1 : at + 3]] == LACKS.split("\n")
        assert app.view.text() == LACKS + "\n"


HINT = """
import os, sys
from textual.app import App
from console.__main__ import main

def run(self, **options):
    print(self._said)
    sys.stdout.flush()
    os._exit(0)

for stream in (sys.stdin, sys.stderr):
    stream.isatty = lambda: True
App.run = run
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [(), ("--lab",)], ids=["no site", "asked for"])
def test_a_rehearsal_that_nobody_asked_for_says_what_it_is(
    tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("COWHAND_SITE", raising=False)
    monkeypatch.setenv("COWHAND_LAB", f"cowhand-nobody-{os.getpid()}")
    empty = tmp_path / "empty"
    empty.mkdir()
    said = subprocess.run([sys.executable, "-c", HINT, *words], cwd=empty, capture_output=True, text=True, timeout=60)
    assert said.stdout.strip() == ("" if words else entry.REHEARSAL), said.stderr
    assert len(entry.REHEARSAL) <= 78


def test_a_lab_that_is_joined_is_said_to_be_shared(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from console.lab import place

    monkeypatch.setenv("COWHAND_LAB", f"cowhand-joined-{os.getpid()}")
    there = place.Place(place.well_known())
    try:
        said = subprocess.run([sys.executable, "-c", HINT, "--lab"], capture_output=True, text=True, timeout=60)
    finally:
        there.close()
    assert said.stdout.strip() == entry.JOINED, said.stderr
    assert len(entry.JOINED) <= 78
