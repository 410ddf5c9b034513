"""The look at disks is one long command: it travels whole through every way in."""

from __future__ import annotations

from console.facts.volumes import Wanted, ask
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server


async def test_the_look_at_disks_arrives_whole_through_ssh(server: Server, ssh: Make) -> None:
    await server.start()
    found = await ask(ssh(server.configure()), [Wanted("opt's", ("no-such-disk",), "/no/such/folder")])
    assert found.volumes["opt's"].device == ""
    assert found.folders["/no/such/folder"].kind == "none"
