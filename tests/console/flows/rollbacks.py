"""Timed rollbacks of a host that a folder stands for: assets/rollback.sh itself, with a clock that is told to move."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from console.runner.guard import PROGRAM, STORE


def lay(root: Path) -> None:
    """Give it a clock, an id of its start, and a place for the script."""
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "var/lib").mkdir(parents=True)
    _tell(root, 1, 1000)


def _tell(root: Path, starts: int, up: int) -> None:
    for name, text in (("uptime", f"{up}.00 1.00\n"), ("sys/kernel/random/boot_id", f"{starts}\n")):
        (root / "proc/draft").write_text(text)
        (root / "proc/draft").rename(root / "proc" / name)


def _told(root: Path) -> tuple[int, int]:
    starts = int((root / "proc/sys/kernel/random/boot_id").read_text())
    return starts, int((root / "proc/uptime").read_text().partition(".")[0])


def wait(root: Path, seconds: int) -> None:
    """Let time pass on it, and let its watchdogs look."""
    starts, up = _told(root)
    _tell(root, starts, up + seconds)
    look(root)


def look(root: Path) -> None:
    """Look once at each rollback, as its watchdog does every second."""
    for name in armed(root):
        run(root, "once", name)


def run(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the script; the tools of the host come before those of this machine."""
    program = root / PROGRAM.lstrip("/")
    environment = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}"}
    return subprocess.run(["sh", str(program), *words], capture_output=True, check=False, timeout=120, env=environment)


def armed(root: Path) -> list[str]:
    """The rollbacks that wait, or are under way."""
    store = root / STORE.lstrip("/")
    return sorted({path.parent.name for name in ("armed", "firing.*") for path in store.glob(f"*/{name}")})


def state(root: Path, name: str) -> str:
    """How one stands."""
    return run(root, "state", name).stdout.decode().strip()


def fire(root: Path) -> None:
    """Let time pass until each has taken back."""
    for _ in range(50):
        if not armed(root):
            return
        wait(root, 1000)
    raise AssertionError(f"{armed(root)} does not end")


def watchdogs(root: Path) -> list[int]:
    """The processes that run the script of this host."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(root / PROGRAM.lstrip("/")).encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def kill(root: Path) -> None:
    """End its watchdogs, so that nobody looks but the test."""
    for pid in watchdogs(root):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def reboot(root: Path) -> None:
    """Restart it: its watchdogs are gone, and its clock begins anew."""
    kill(root)
    _tell(root, _told(root)[0] + 1, 30)


def marked(root: Path) -> list[int]:
    """The processes of a change that run under a rollback of this host."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"COWHAND_GUARD={root}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found
