"""How the console leaves: on a signal, a dropped link, a crash, a stalled terminal. The real program, the real lab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.anchors.terminal import Terminal

pytestmark = pytest.mark.slow

COWHAND = [sys.executable, "-m", "console", "--lab", "--every", "2"]
LEFT_SCREEN = b"\x1b[?1049l"
SHOWN_CURSOR = b"\x1b[?25h"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "COWHAND_LAB": f"signals-{os.getpid()}-{tmp_path.name}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


@pytest.fixture
def console(environment: dict[str, str]) -> Iterator[Terminal]:
    terminal = Terminal(COWHAND, environment=environment)
    terminal.wait("lanes well")
    yield terminal
    terminal.close()


def all_children(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        found |= {int(word) for word in (task / "children").read_text().split()}
    return found


def gone(pids: set[int]) -> bool:
    """Wait until none of these processes runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_in_order_and_restores_the_terminal(console: Terminal, number: signal.Signals) -> None:
    lab = all_children(console.pid)
    assert lab
    console.signal(number)
    assert console.leave() == 128 + number
    console.settle(0.2)
    assert LEFT_SCREEN in console.received
    assert SHOWN_CURSOR in console.received
    assert termios.tcgetattr(console.descriptor)[3] == console.attributes[3]
    assert gone(lab)


def test_a_dropped_link_ends_the_console_and_its_lab(console: Terminal) -> None:
    lab = all_children(console.pid)
    console.hang_up()
    assert console.leave() in (128 + signal.SIGHUP, -signal.SIGHUP)
    assert gone(lab)


def test_a_closed_terminal_ends_the_console_whose_parent_leads_the_session(environment: dict[str, str]) -> None:
    """make is such a parent: the kernel sends SIGHUP to it alone, and it waits for its child."""
    terminal = Terminal(["/bin/sh", "-c", 'trap : HUP; "$@"; exit 7', "sh", *COWHAND], environment=environment)
    terminal.wait("lanes well")
    started = all_children(terminal.pid)
    started |= {child for pid in started for child in all_children(pid)}
    terminal.hang_up()
    try:
        assert terminal.leave() == 7
        assert len(started) > 2
        assert gone(started)
    finally:
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_kill_nine_leaves_no_lab_behind(console: Terminal) -> None:
    lab = all_children(console.pid)
    assert lab
    console.signal(signal.SIGKILL)
    console.leave()
    assert gone(lab)


def test_a_signal_behind_a_stalled_terminal_still_leaves(console: Terminal) -> None:
    lab = all_children(console.pid)
    console.stall()
    for key in b"?1234" * 60:
        console.send(bytes((key,)))
    time.sleep(1)
    console.signal(signal.SIGTERM)
    assert console.leave() == 128 + signal.SIGTERM
    assert termios.tcgetattr(console.descriptor)[3] == console.attributes[3]
    assert gone(lab)


def test_leaving_by_key_is_quiet_and_zero(console: Terminal) -> None:
    lab = all_children(console.pid)
    console.send("q")
    assert console.leave() == 0
    assert gone(lab)


def test_without_a_terminal_the_screens_say_so(environment: dict[str, str]) -> None:
    done = subprocess.run(
        COWHAND,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 2
    assert "need a terminal" in done.stderr
    assert done.stdout == ""


def test_a_crash_prints_no_value_and_restores_the_terminal(tmp_path: Path) -> None:
    fifo = tmp_path / "cues"
    os.mkfifo(fifo, 0o600)
    terminal = Terminal([sys.executable, str(Path(__file__).parent / "puppet.py"), str(fifo)])
    try:
        terminal.wait("imaps")
        fifo.write_text("crash\n")
        assert terminal.leave() == 1
        terminal.settle(0.2)
        assert b"correct horse" not in terminal.received
        assert b"passphrase" not in terminal.received
        assert b"cowhand stopped: ValueError" in terminal.received
        assert LEFT_SCREEN in terminal.received
    finally:
        terminal.close()
