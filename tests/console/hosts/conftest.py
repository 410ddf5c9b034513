"""What tests of hosts share: an SSH server in this process, and hosts that are let go of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from console.hosts.ssh import Ssh
from tests.console.hosts.ssh_server import Server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that is not listening yet: say how it shall be, then `await server.start()`."""
    made = Server(tmp_path)
    yield made
    await made.stop()


Make = Callable[..., Ssh]


@pytest.fixture
async def ssh(server: Server) -> AsyncIterator[Make]:
    """Make an `Ssh` for the server's configuration; every one is closed at the end."""
    made: list[Ssh] = []

    def make(file: Path, *, alias: str = "vps", **more: Any) -> Ssh:
        made.append(Ssh("vps", "proxy", alias, file=file, **more))
        return made[-1]

    yield make
    for host in made:
        await host.close()
