"""A machine by SSH: streams, commands, files, and one connection for all of them."""

from __future__ import annotations

import asyncio

import pytest

from console.errors import NoWayIn, Refused, TimedOut
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, echo


async def test_a_command_gives_status_and_output(server: Server, ssh: Make) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["sh", "-c", "printf 123456789; echo no >&2; exit 3"], 5, cap=4)
    assert (done.status, done.stdout, done.stderr) == (3, b"1234", b"no\n")


async def test_a_stream_is_forwarded(server: Server, ssh: Make) -> None:
    await server.start()
    far, port = await echo()
    async with far:
        stream = await ssh(server.configure()).connect("127.0.0.1", port, 5)
        assert await stream.read() == b"220 here\r\n"
        await stream.write(b"hello")
        assert await stream.read() == b"hello"
        assert stream.peer == ("127.0.0.1", port)
        assert stream.local is not None and stream.local[0] == "127.0.0.1"
        stream.close()
