"""SSH agents of somebody else: SSH_AUTH_SOCK of a long session names a place in /tmp that anybody may take."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from asyncssh.packet import Byte, SSHPacket, String, UInt32

from console.errors import NoWayIn
from console.hosts.ssh import agent
from tests.attacks.conftest import Mallory
from tests.console.hosts.conftest import Make, server, ssh
from tests.console.hosts.ssh_server import Server
from tests.console.hosts.test_ssh_login import with_agent

__all__ = ["server", "ssh"]

LIST, MUCH = 11, 64 << 20


class Hostile:
    """An agent that answers one kind of request with no end, and lists `keys`; `sent` is how much of that was taken."""

    def __init__(self, floods: int, *keys: bytes) -> None:
        self.floods, self.keys = floods, keys
        self.sent = 0
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with suppress(EOFError, OSError):
            while True:
                asked = SSHPacket(await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big")))
                if asked.get_byte() == self.floods:
                    writer.write(b"\xff\xff\xff\xff")
                    while self.sent < MUCH:
                        writer.write(bytes(1 << 20))
                        await writer.drain()
                        self.sent += 1 << 20
                else:
                    held = b"".join(String(key) + String("a key") for key in self.keys)
                    writer.write(String(Byte(12) + UInt32(len(self.keys)) + held))
        writer.close()
        self.left.set()


@pytest.fixture
async def hostile(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[Hostile]:
    """A hostile agent where the configuration of `with_agent` has it, made by a function of the server."""
    made: Hostile = request.param(server)
    async with await asyncio.start_unix_server(made.serve, server.folder / "agent.sock"):
        yield made
        async with asyncio.timeout(60):
            await made.left.wait()


FLOODS = {
    "its list": lambda server: Hostile(LIST),
    "a signature": lambda server: Hostile(13, server.client_key.public_data),
}


@pytest.mark.parametrize("hostile", FLOODS.values(), ids=FLOODS, indirect=True)
async def test_an_agent_that_talks_without_end_does_not_fill_the_memory(
    hostile: Hostile, server: Server, ssh: Make
) -> None:
    await server.start()
    with pytest.raises(NoWayIn):
        await ssh(with_agent(server)).run(["true"], 5)
    assert hostile.sent < MUCH // 8


@pytest.mark.parametrize("hostile", [lambda server: Hostile(0, *[String("")] * 2049)], ids=["2,049"], indirect=True)
async def test_an_agent_with_thousands_of_keys_holds_nobody_up(hostile: Hostile, server: Server, ssh: Make) -> None:
    await server.start()
    with pytest.raises(NoWayIn, match=r"the agent at .* does not answer"):
        await ssh(with_agent(server)).run(["true"], 5)
    assert server.offered == []


@pytest.mark.parametrize(("uid", "taken"), [(64124, False), (0, True), (None, True)], ids=["another", "root", "own"])
async def test_no_agent_of_another_user_is_asked(uid: int | None, taken: bool, mallory: Mallory, top: Path) -> None:
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    path = top / "sticky/agent.1"
    there = socket.socket(socket.AF_UNIX)
    with mallory.acting():
        os.seteuid(0)
        os.seteuid(os.getegid() if uid is None else uid)  # the kernel tells who has begun to listen
        there.bind(os.fspath(path))
        there.listen()
        os.chmod(path, 0o777)  # noqa: PTH101
        os.seteuid(0)
        os.seteuid(os.getegid())
        with there, nullcontext() if taken else pytest.raises(PermissionError):
            _, writer = await agent.Way(str(path)).open_agent_connection()
            writer.close()
            await writer.wait_closed()
