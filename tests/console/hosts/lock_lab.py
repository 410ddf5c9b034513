"""Shells and folders in which the lock of a host is taken, and the consoles that want it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.hosts import lock
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.lock import Console
from console.lab.machines.locks import Locks

ROOT = os.geteuid() == 0
BOB = Console("run-1", "mount-volumes", 17, "bob", "laptop")
EVE = Console("run-2", "provision", 18, "eve", "desk")


class Shell(Local):
    """This machine with another program as its sh."""

    def __init__(self, shell: str) -> None:
        super().__init__("vps")
        self.shell = ["busybox", "sh"] if shell == "busybox" else [shell]

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        return await super().run([*self.shell, *argv[1:]], timeout, cap)


class Lab(Local):
    """The lab's own stand-in for the lock, which must answer as the script does."""

    def __init__(self) -> None:
        super().__init__("vps")
        self.locks = Locks()

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        assert tuple(argv[:3]) == ("sh", "-c", lock.SCRIPT)
        done = self.locks.run("vps", argv[4:])
        return Completed(done.status, done.stdout.encode(), done.stderr.encode())


@pytest.fixture(params=["dash", "bash", "busybox", "lab"])
def host(request: pytest.FixtureRequest) -> Local:
    if request.param == "lab":
        return Lab()
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    return Shell(request.param)


@pytest.fixture
def folder(home: Path) -> Path:
    """Where the record is: what `home` made of root's folder, or the user's own."""
    return Path(lock.LOCKS) if ROOT else home / "state" / "cowhand" / "locks" / os.uname().nodename


def age(host: Local, folder: Path, seconds: float) -> None:
    """Make the last renewal so much older."""
    if isinstance(host, Lab):
        run, site, since, renewed, told = host.locks.held["vps"]
        host.locks.held["vps"] = run, site, since, renewed - seconds, told
        return
    lines = (folder / "lock").read_text().splitlines()
    lines[3] = str(int(lines[3]) - int(seconds))
    (folder / "lock").write_text("\n".join(lines) + "\n")


@pytest.fixture
def real(folder: Path) -> Shell:
    return Shell("sh")
