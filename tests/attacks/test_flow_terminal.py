"""`cowhand flow` on a terminal: a signal ends it whatever Python is doing, and what it asks in steers no terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from console.commands import flow_operator, flow_terminal
from console.process import signals
from tests.attacks.test_signals import computing

FLOW = '''\
"""Does what an attacker would have it do."""

import os
import re

from console.flows import Ask, Flow, CheckResult, Plan, Step, StepContext, needed

ASKED = "who is \\x1b]0;owned\\x07greeted\\x1b[2J?\\r\\n  sudo password of deploy: "


class Held(Step):
    name, words = "held", "hold the interpreter"

    async def check(self, context: StepContext) -> CheckResult:
        if os.environ.get("HOLDS"):
            print("holding", flush=True)
            re.match(r"(a+)+$", "a" * 64 + "!")
        return needed("it is asked for")

    async def plan(self, context: StepContext) -> Plan:
        secret = bool(os.environ.get("SECRET"))
        who = context.ask(Ask("who", ASKED, secret=secret, default=None if secret else "bob\\x1b[1mby"))
        return Plan((), (f"for {who}",))


FLOW = Flow(lambda context: (Held(),))
'''

START = """
import sys, console.flows, console.hosts.lock
console.hosts.lock.LOCKS = "{more}/locks"
console.flows.__path__.append("{more}")
from console.__main__ import main
sys.exit(main(["flow", "held", *sys.argv[1:]]))
"""


class Terminal:
    """`cowhand flow held` on a terminal of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.leader, self.follower = pty.openpty()
        self.before = termios.tcgetattr(self.follower)
        self.shown = b""
        more = folder / "more"
        more.mkdir()
        (more / "held.py").write_text(FLOW)
        (folder / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n')
        homes = {f"XDG_{each}_HOME": str(folder / each) for each in ("STATE", "CACHE", "CONFIG")}
        root = str(Path(__file__).parents[2])
        self.process = subprocess.Popen(
            [sys.executable, "-c", START.format(more=more)],
            stdin=self.follower, stdout=self.follower, stderr=self.follower, start_new_session=True, cwd=folder,
            env={**os.environ, "PYTHONPATH": root, **homes, **environment},
        )  # fmt: skip

    def until(self, wanted: bytes) -> None:
        """Read until this was shown."""
        while wanted not in self.shown:
            data = os.read(self.leader, 4096)
            assert data, self.shown
            self.shown += data

    def hears(self, number: int) -> None:
        """Wait until no signal of a number is pending: two at once would be one."""
        status = Path(f"/proc/{self.process.pid}/status")
        while self.process.poll() is None:
            masks = [int(line.split()[1], 16) for line in status.read_text().splitlines() if line.startswith("ShdPnd")]
            if not any(mask >> (number - 1) & 1 for mask in masks):
                return

    def leave(self) -> int:
        """Wait for the end; return the status."""
        status = self.process.wait(60)
        os.set_blocking(self.leader, False)
        with suppress(OSError):
            while data := os.read(self.leader, 4096):
                self.shown += data
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.leader)
        os.close(self.follower)


@pytest.fixture
def terminal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    made = Terminal(tmp_path, **getattr(request, "param", {}))
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [{"HOLDS": "1"}], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_flow_while_c_code_holds_the_interpreter(terminal: Terminal, number: signal.Signals) -> None:
    terminal.until(b"holding")
    computing(terminal.process.pid)
    terminal.process.send_signal(number)
    assert terminal.leave() == -signal.SIGKILL
    assert termios.tcgetattr(terminal.follower)[3] == terminal.before[3]


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [{"HOLDS": "1"}], indirect=True)
def test_so_does_the_third_ctrl_c(terminal: Terminal) -> None:
    terminal.until(b"holding")
    computing(terminal.process.pid)
    for _ in range(signals.PRESSES):
        terminal.process.send_signal(signal.SIGINT)
        terminal.hears(signal.SIGINT)
    assert terminal.leave() == -signal.SIGKILL


class Listening:
    """Stands for the second process, the session and the printer: counts what the first is told."""

    heard_of = 0

    def heard(self) -> None:
        self.heard_of += 1

    def stop(self) -> None: ...

    def say(self, text: str) -> None: ...

    async def cut(self) -> None: ...


@pytest.mark.parametrize(
    ("pressed", "limited"),
    [([signal.SIGINT], 0), ([signal.SIGINT] * 2, 0), ([signal.SIGINT] * 3, 1), ([signal.SIGTERM], 1),
     ([signal.SIGINT, signal.SIGHUP], 1)],
)  # fmt: skip
async def test_ctrl_c_gives_the_command_under_way_all_its_time(pressed: list[signal.Signals], limited: int) -> None:
    second = Listening()

    async def run() -> None:
        hearing = flow_terminal.Signals(second, second, second)  # type: ignore[arg-type]
        for number in pressed:
            hearing._hear(number)

    await asyncio.wait({asyncio.ensure_future(run())})
    assert second.heard_of == limited


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_in_the_ordinary_case_a_flow_leaves_by_itself_and_nothing_of_it_stays(
    terminal: Terminal, number: signal.Signals
) -> None:
    terminal.until(b"[bob")
    pid = terminal.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children, "the second process"
    terminal.process.send_signal(number)
    assert terminal.leave() == 128 + number
    assert not any(Path(f"/proc/{child}").exists() for child in children)


@pytest.mark.slow
@pytest.mark.parametrize("terminal", [{}, {"SECRET": "1"}], indirect=True, ids=["shown", "secret"])
def test_a_question_is_one_line_and_steers_no_terminal(terminal: Terminal) -> None:
    terminal.until(b"sudo password of deploy")
    os.write(terminal.leader, b"\n\n\n")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.leave()
    assert b"\x1b" not in terminal.shown and b"\x07" not in terminal.shown
    (line,) = [each for each in terminal.shown.split(b"\r\n") if b"greeted" in each and b"sudo password" in each]
    assert b"who is \\x1b]0;owned\\x07greeted\\x1b[2J?\\r\\n  sudo password of deploy" in line


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb: ", "\u202eb", "\u3164", "x" * 5000, "e\u0301\u0301\u0301", "  "])
def test_a_prompt_stays_on_its_line(text: str) -> None:
    shown = flow_operator._asked(f"  {text} [y/N] ")
    assert shown.startswith("  ") and shown.endswith(" ") and shown.isprintable()
    assert len(shown) <= flow_operator.LONGEST + 3
    assert "\u3164" not in shown and "\u0301\u0301\u0301" not in shown


def test_the_second_process_ends_with_what_it_watched() -> None:
    second = signals.Second(None, b"", 1.0)
    second.heard()
    second.end()
    with pytest.raises(ProcessLookupError):
        os.kill(second.pid, 0)
