"""A folder that stands for a host on which assets/rollback.sh works, with a clock that only moves when it is told to.

The script, its shells and its watchdogs are real."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import assets

SCRIPT = Path(assets.__file__).parent / "rollback.sh"
SHELLS = tuple(shell for shell in ("dash", "bash", "busybox", "mksh") if shutil.which(shell))
PATIENCE = 60
"""Seconds after which a process that should have ended, or a state that should have come, is a failure."""


def ended(pid: int) -> bool:
    """Wait until a process has ended; False when it does not."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


def wait_until(true: Callable[[], bool]) -> None:
    """Ask until something is true."""
    for _ in range(PATIENCE * 50):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it has not come true")


class Machine:
    """A host: `way` is the file that is changed, `log` has a line for each time it was taken back."""

    def __init__(self, root: Path, shell: str = "sh") -> None:
        self.root = root
        self.store = root / "var/lib/cowhand/rollback"
        for name in ("bin", "etc", "proc/sys/kernel/random", "var/lib/cowhand/rollback"):
            (root / name).mkdir(parents=True)
        shutil.copy(SCRIPT, self.store)
        (root / "bin/sh").symlink_to(shutil.which(shell) or shell)
        self.way, self.log, self.heard = root / "etc/way", root / "log", root / "heard"
        self.way.write_text("new\n")
        os.mkfifo(self.heard)
        self._ear = -1
        self._started: list[subprocess.Popen[str]] = []
        self._starts, self._up = 1, 1000.0
        self._clock()
        self.environment = {"PATH": f"{root}/bin:{os.environ['PATH']}"}

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """The file that is changed, the log, and where it is heard that taking back is done."""
        return self.way, self.log, self.heard

    # ── its clock ───────────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._up += seconds
        self._clock()

    def reboot(self) -> None:
        """Restart it: every process is gone, and its clock begins anew."""
        for pid in self.processes(f"{self.store}/rollback.sh"):
            self._kill(pid)
        self._starts, self._up = self._starts + 1, 20.0
        self._clock()

    def _clock(self) -> None:
        for name, text in (
            ("uptime", f"{self._up:.2f} 1.00\n"),
            ("sys/kernel/random/boot_id", f"boot-{self._starts}\n"),
        ):
            draft = self.root / "proc/draft"
            draft.write_text(text)
            draft.rename(self.root / "proc" / name)

    # ── its tools ───────────────────────────────────────────────────────────────────────────────────────────────────

    def tool(self, name: str, text: str) -> None:
        """Put a tool of that name before those of this machine."""
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def only(self, *names: str) -> None:
        """Leave it nothing but these tools."""
        for name in names:
            if not (self.root / "bin" / name).is_symlink():
                (self.root / "bin" / name).symlink_to(shutil.which(name) or name)
        self.environment["PATH"] = f"{self.root}/bin"

    # ── the script ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        started = self.start(*words)
        out, err = started.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(words, started.returncode, out, err)

    def good(self, *words: str) -> str:
        """Run it, and return what it says; it must end well and complain of nothing."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def start(self, *words: str, held: bool = False) -> subprocess.Popen[str]:
        """Start it in a session of its own, as a host does; a `held` one waits before its first rename."""
        environment = dict(self.environment)
        if held:
            environment["PATH"] = f"{self.root}/held:{environment['PATH']}"
        process = subprocess.Popen(
            [str(self.root / "bin/sh"), str(self.store / "rollback.sh"), *words],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        """What it complained of."""
        return process.communicate(timeout=PATIENCE)[1]

    def state(self, name: str) -> str:
        """Where a rollback stands."""
        return self.good("state", name).strip()

    def wait_for_state(self, name: str, *wanted: str) -> str:
        """Wait until it stands so."""
        wait_until(lambda: self.state(name).split()[0] in wanted)
        return self.state(name)

    def fires(self, name: str) -> subprocess.Popen[str]:
        """Start to fire it, and wait until its command has changed all it changes, and has not ended."""
        firing = self.start("fire", name)
        wait_until(lambda: self.log.exists() and self.log.read_text() != "")
        return firing

    def settle(self, name: str) -> str:
        """Wait until nobody is at it any more."""
        return self.wait_for_state(name, "fired", "failed", "kept", "none")

    def watchdog(self, name: str) -> int:
        """The process that waits, when it is there."""
        self.wait_for_state(name, "armed", "firing")
        return int((self.store / name / "pid").read_text())

    def kill_watchdog(self, name: str) -> None:
        """End it, so that nobody looks but the test."""
        self._kill(self.watchdog(name))

    def answer(self, status: int) -> None:
        """What `unless` says from now on."""
        (self.root / "answer.new").write_text(f"{status}\n")
        (self.root / "answer.new").rename(self.root / "answer")

    # ── being there ─────────────────────────────────────────────────────────────────────────────────────────────────

    def listen(self) -> None:
        """Let what is written to `heard` pass."""
        if self._ear < 0:
            self._ear = os.open(self.heard, os.O_RDONLY | os.O_NONBLOCK)

    def hear(self) -> None:
        """Wait until taking back writes to `heard`."""
        ear = os.open(self.heard, os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert select.select([ear], [], [], PATIENCE)[0], "it was not taken back"
        finally:
            os.close(ear)

    @contextmanager
    def held_rename(self) -> Iterator[Callable[[], None]]:
        """Processes started as `held` stop right before they rename for the first time, until they are released."""
        for name in ("reached", "released"):
            os.mkfifo(self.root / name)
        (self.root / "held").mkdir()
        mv = self.root / "held/mv"
        mv.write_text(
            f"#!/bin/sh\nrm {mv}; echo > {self.root}/reached; cat {self.root}/released\n"
            f'exec {shutil.which("mv")} "$@"\n'
        )
        mv.chmod(0o755)

        def release() -> None:
            (self.root / "released").write_text("")

        yield release

    def renames(self) -> None:
        """Wait until the held one is about to rename."""
        (self.root / "reached").read_text()

    def processes(self, word: str) -> list[int]:
        """The processes that have a word among their arguments."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if word.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def _kill(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        ended(pid)

    def close(self) -> None:
        """End all that it still runs."""
        if self._ear >= 0:
            os.close(self._ear)
        for pid in self.processes(f"{self.root}/"):
            if pid != os.getpid():
                self._kill(pid)
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture(params=[SHELLS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in SHELLS[1:])])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A host whose `sh` is each of the shells that this machine has."""
    made = Machine(tmp_path / "host", request.param)
    yield made
    made.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Machine]:
    """A host with the usual `sh`."""
    made = Machine(tmp_path / "host")
    yield made
    made.close()


def back(machine: Machine) -> tuple[str, ...]:
    """A command that takes back, and is heard of when it has."""
    return ("sh", "-c", 'echo old > "$1"; echo back >> "$2"; echo > "$3"', "sh", *map(str, machine.files))


def after(machine: Machine, hold: int = 0) -> tuple[str, ...]:
    """Asks a file for the status."""
    return ("after", "mail", str(hold), "4", "sh", "-c", 'exit "$(cat "$0")"', str(machine.root / "answer"))
