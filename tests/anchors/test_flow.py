"""A flow behind a real terminal: one that hangs costs it no step, and one that waits costs the link no byte."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchors.terminal import Terminal
from tests.screens.barnyard import lay

pytestmark = pytest.mark.slow

BARN = str(Path(__file__).parent / "barn.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "barn"
    folder.mkdir()
    for name in ("colour", "ashes"):
        (folder / name).write_text("by hand\n")
    return lay(folder)


@pytest.fixture
def terminal(root: Path, tmp_path: Path) -> Iterator[Terminal]:
    """The console, at the plan of the first step that is to do."""
    made = Terminal([sys.executable, BARN, str(root)], environment={"XDG_STATE_HOME": str(tmp_path / "state")})
    made.wait("1 lanes")
    made.send("6")
    made.wait("2 of 6 steps to do")
    made.send("\r")
    made.wait("paint  to do")
    yield made
    made.close()


def begin(terminal: Terminal) -> None:
    """Agree to all that is to do, and wait until the painter waits at the gate."""
    terminal.send("a")
    terminal.wait("type all to do it")
    terminal.send("all\r")
    terminal.wait(lambda text: "runs since" in text and "first coat" in text)


def appears(path: Path) -> bool:
    """Wait for a file."""
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


def test_behind_a_hanging_terminal_the_flow_goes_on_to_its_end(terminal: Terminal, root: Path) -> None:
    begin(terminal)
    terminal.stall()
    for key in range(100):
        terminal.send("126?"[key % 4])
    assert not (root / "painted").exists()
    (root / "gate").write_text("go\n")
    assert appears(root / "painted")
    assert appears(root / "roof")
    terminal.resume()
    terminal.settle()
    terminal.send("16")
    terminal.wait("✓ done at")
    terminal.send("\r")
    terminal.wait("done, and verified")
    terminal.send("q")
    assert terminal.leave() == 0


def test_a_run_that_waits_sends_not_one_byte(terminal: Terminal, root: Path) -> None:
    begin(terminal)
    before = terminal.settle(1.0)
    assert terminal.settle(gap=3.0, timeout=3.5) == before
    terminal.send("1")
    terminal.wait("▸ paint-barn 5/6")
    before = terminal.settle(1.0)
    assert terminal.settle(gap=3.0, timeout=3.5) == before
    (root / "gate").write_text("go\n")  # nobody is left at the gate
    assert appears(root / "painted")


def test_opening_the_flows_and_one_flow_fits_the_budget(terminal: Terminal) -> None:
    for keys in ("1", "6", "\r", "j", "k"):
        before = terminal.settle()
        terminal.send(keys)
        assert 0 < terminal.settle() - before <= 20_000
