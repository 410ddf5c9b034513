"""What the screens send over the wire, counted: an operator on a bad link pays for every byte."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchors.terminal import Terminal

pytestmark = pytest.mark.slow

PUPPET = str(Path(__file__).parent / "puppet.py")
SIZES = [
    pytest.param((80, 24), id="80x24"),
    pytest.param((120, 36), id="120x36", marks=pytest.mark.slow),
    pytest.param((200, 50), id="200x50", marks=pytest.mark.slow),
]


class Stage:
    """The puppet in its terminal, and the string that moves it."""

    def __init__(self, folder: Path, columns: int, rows: int) -> None:
        self.fifo = folder / "cues"
        os.mkfifo(self.fifo, 0o600)
        self.terminal = Terminal([sys.executable, PUPPET, str(self.fifo)], columns=columns, rows=rows)
        self.terminal.wait("imaps")
        self.terminal.settle()

    def say(self, cue: str) -> int:
        """Give a cue; return the bytes it cost."""
        before = self.terminal.settle()
        self.fifo.write_text(f"{cue}\n")
        return self.terminal.settle() - before

    def press(self, keys: str) -> int:
        """Type; return the bytes it cost."""
        before = self.terminal.settle()
        self.terminal.send(keys)
        return self.terminal.settle() - before


@pytest.fixture(params=SIZES)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, *request.param)
    yield made
    made.terminal.close()


def test_live_changes_cost_few_bytes_at_any_size(stage: Stage) -> None:
    flip = stage.say("flip")
    assert "refused" in stage.terminal.text()
    assert 0 < flip <= 250
    stage.say("heal")
    cause = stage.say("cause")
    assert "dovecot refuses the proxy" in stage.terminal.text()
    assert 0 < cause <= 600
    stage.say("heal")
    ten = stage.say("ten")
    assert stage.terminal.text().count("refused") >= 10
    assert 0 < ten <= 1500


def test_nothing_is_sent_for_what_did_not_change(stage: Stage) -> None:
    assert stage.say("same") == 0


def test_a_screen_switch_fits_its_budget(stage: Stage) -> None:
    budget = 40_000 if stage.terminal.columns == 200 else 20_000 if stage.terminal.columns == 80 else 30_000
    for key in "23451":
        assert 0 < stage.press(key) <= budget
    assert 0 < stage.press("?") <= budget
    stage.press("\x1b")
    assert 0 < stage.press(":") <= 4_000


def test_moving_the_cursor_costs_little(stage: Stage) -> None:
    for key in "jjlkh":
        assert stage.press(key) <= 6_000
