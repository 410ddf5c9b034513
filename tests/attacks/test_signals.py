"""A signal ends the console whatever Python is doing: code in C that lets no other code run does not keep it."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.process import signals
from tests.anchors.terminal import Terminal
from tests.anchors.test_signals import LEFT_SCREEN, SHOWN_CURSOR, all_children, gone

PUPPET = Path(__file__).parents[1] / "anchors/puppet.py"


@pytest.fixture
def cues(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "cues", 0o600)
    return tmp_path / "cues"


@pytest.fixture
def console(cues: Path) -> Iterator[Terminal]:
    """The real screens, with a thread that does what it is told."""
    terminal = Terminal([sys.executable, str(PUPPET), str(cues)])
    terminal.wait("imaps")
    yield terminal
    terminal.close()


def computing(pid: int) -> None:
    """Wait until the process has computed for a while in one go: no other thread of it ran meanwhile."""
    before = _ticks(pid)
    while _ticks(pid) - before < 30:
        time.sleep(0.05)


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("what", ["regex", "power", "main-power", "text"])
def test_a_signal_ends_the_console_while_c_code_holds_the_interpreter(
    console: Terminal, cues: Path, what: str, number: signal.Signals
) -> None:
    children = all_children(console.pid)
    cues.write_text(f"{what}\n")
    computing(console.pid)
    console.signal(number)
    assert console.leave() == -signal.SIGKILL
    assert gone(children)
    console.settle(0.2)
    assert LEFT_SCREEN in console.received and SHOWN_CURSOR in console.received
    assert termios.tcgetattr(console.descriptor)[3] == console.attributes[3]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_in_the_ordinary_case_the_console_leaves_by_itself(console: Terminal, number: signal.Signals) -> None:
    children = all_children(console.pid)
    console.signal(number)
    assert console.leave() == 128 + number
    assert gone(children)
    assert termios.tcgetattr(console.descriptor)[3] == console.attributes[3]


TERM, HUP, WINCH, CHLD = (bytes([n]) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGCHLD))


@pytest.mark.parametrize(
    ("said", "deadline", "then"),
    [
        (TERM, None, 100 + signals.DEAF),
        (HUP, None, 100 + signals.DEAF),
        (WINCH + TERM, None, 100 + signals.DEAF),
        (WINCH + CHLD, None, None),
        (WINCH, 101.0, 101.0),
        (TERM, 101.0, 101.0),
        (signals.HEARD, 101.0, 100 + signals.ORDERLY),
        (TERM + signals.HEARD, None, 100 + signals.ORDERLY),
    ],
)
def test_the_console_has_until_then(said: bytes, deadline: float | None, then: float | None) -> None:
    assert signals.time_limit(said, deadline, 100.0) == then
