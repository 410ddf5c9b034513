"""Shells that a host may have, as root, and a folder in which they write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.process import Dialogue

SHELLS = ("dash", "bash", "busybox")


class Shell(Local):
    """This machine with another program as its sh; `act` happens when the script is ready to be sent the content.

    With `at`, it happens when the script starts the tool of that name instead."""

    def __init__(self, top: Path, shell: str, locks: Path) -> None:
        super().__init__("vps")
        self.shell = ["busybox", "sh"] if shell == "busybox" else [shell]
        self.bin, self.locks = top / "bin", locks
        self.user: int | None = None
        self.sudo = False
        self.act: Callable[[], None] = lambda: None
        self.bin.mkdir()

    def before(self, tool: str, script: str) -> None:
        """Run a script of the attacker's right before a tool does what it is asked to."""
        real = shutil.which(tool)
        (self.bin / tool).write_text(f'#!/bin/sh\n(\n{script}\n) </dev/null >&2\nexec {real} "$@"\n')
        (self.bin / tool).chmod(0o755)

    async def execute(self, argv: Sequence[str], talk: Dialogue, timeout: float, cap: int) -> Completed:
        assert argv[0] == "sh"
        words = [*self.shell, *argv[1:-1], str(self.locks)]
        if self.sudo:
            words = ["sudo", "-n", "--", *words]
        if self.user is not None:
            words = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *words]
        told = Dialogue(talk.data, talk.ready)
        finish = told._finish

        async def act(process: object) -> None:
            self.act()
            await finish(process)  # type: ignore[arg-type]

        told._finish = act  # type: ignore[method-assign,assignment]
        return await self._execute(["env", f"PATH={self.bin}:{os.environ['PATH']}", *words], told, timeout, cap)


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, top: Path) -> Shell:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    (top / "run").mkdir(mode=0o700)
    return Shell(top, request.param, top / "run")


@pytest.fixture
def folder(top: Path) -> Path:
    """A folder of root's, as /etc is."""
    path = top / "etc"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
