"""Streams by a command of the machine: each tool there is, and what each says when it fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from console.errors import HostError, NoWayIn, Refused, TimedOut, Unreachable, Unresolved
from console.hosts import relay
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, echo, shut_port, until

NEEDED = ("sh", "env", "cat", "kill", "head", "getent")


def only(server: Server, *tools: str) -> None:
    """Leave the server these tools, of those that can carry a stream."""
    place = server.folder / "few"
    place.mkdir()
    for name in (*NEEDED, *tools):
        found = sys.executable if name == "python3" else shutil.which(name)
        if found:
            (place / name).symlink_to(Path(found).resolve())
    server.path = str(place)


PRESENT = [tool for tool in ("python3", "bash") if shutil.which(tool)]
"""The two that every machine of ours has; the others are proven against the real daemons."""


@pytest.mark.parametrize("tool", PRESENT)
async def test_where_forwarding_is_forbidden_a_command_opens_the_stream_and_says_so(
    server: Server, ssh: Make, tool: str
) -> None:
    only(server, tool)
    server.forwarding = False
    await server.start()
    said: list[str] = []
    host = ssh(server.configure(), tell=said.append)
    far, port = await echo()
    async with far:
        for _ in range(3):
            stream = await host.connect("127.0.0.1", port, 5)
            assert await stream.read(4) == b"220 "
            assert await stream.read() == b"here\r\n"
            await stream.write(b"x" * 300000)
            back = b""
            while len(back) < 300000:
                back += await stream.read()
            assert stream.local is not None and stream.local[0] == "127.0.0.1" and stream.local[1] > 0
            assert (stream.took is not None) == (tool == "python3")  # the others do not tell
            stream.close()
    assert said == [f"forwarding is forbidden by vps: asked by {tool} there"]
    assert len(server.forwards) == 1


@pytest.mark.parametrize("tool", PRESENT)
async def test_a_refused_port_is_refused_by_command_too(server: Server, ssh: Make, tool: str) -> None:
    only(server, tool)
    server.forwarding = False
    await server.start()
    with pytest.raises(Refused):
        await ssh(server.configure()).connect("127.0.0.1", shut_port(), 5)


@pytest.mark.parametrize("tool", PRESENT)
async def test_a_stream_by_command_ends_when_the_far_end_closes(server: Server, ssh: Make, tool: str) -> None:
    only(server, tool)
    server.forwarding = False
    await server.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"421 no\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as far:
        stream = await ssh(server.configure()).connect("127.0.0.1", far.sockets[0].getsockname()[1], 5)
        assert await stream.read() == b"421 no\r\n"
        assert await stream.read() == b""
        stream.close()


async def test_a_machine_with_no_tool_at_all_is_told(server: Server, ssh: Make) -> None:
    only(server)
    server.forwarding = False
    await server.start()
    with pytest.raises(NoWayIn, match="forwarding is forbidden by vps, which has no"):
        await ssh(server.configure()).connect("127.0.0.1", 25, 5)


@pytest.mark.slow
async def test_the_sessions_of_closed_streams_are_free_again(server: Server, ssh: Make) -> None:
    only(server, "python3")
    server.forwarding = False
    await server.start()
    host = ssh(server.configure())
    far, port = await echo()
    async with far:
        for _ in range(12):
            stream = await host.connect("127.0.0.1", port, 5)
            assert await stream.read() == b"220 here\r\n"
            stream.close()
        assert server.most <= 8
        await until(lambda: server.at_once == 0)


async def test_a_lost_connection_is_no_end_of_a_stream_by_command(server: Server, ssh: Make) -> None:
    only(server, "python3")
    server.forwarding = False
    await server.start()
    far, port = await echo()
    async with far:
        stream = await ssh(server.configure()).connect("127.0.0.1", port, 5)
        assert await stream.read() == b"220 here\r\n"
        server.cut()
        with pytest.raises(NoWayIn):
            await stream.read()
        stream.close()


SAID = [
    ("Connection refused", Refused),
    ("nc: connect to 10.0.0.1 port 25 (tcp) failed: Connection refused", Refused),
    ("2026/01/01 socat[1] E connect(5, AF=2 127.0.0.1:1, 16): Connection refused", Refused),
    ("Ncat: Connection refused.", Refused),
    ("bash: connect: Connection refused", Refused),
    ("Connection reset by peer", Refused),
    ("Connection timed out", TimedOut),
    ("Ncat: TIMEOUT.", TimedOut),
    ("timed out", TimedOut),
    ("No route to host", Unreachable),
    ("Network is unreachable", Unreachable),
    ("Name or service not known", Unresolved),
    ("Temporary failure in name resolution", Unresolved),
    ("Permission denied", NoWayIn),
]


@pytest.mark.parametrize(("said", "kind"), SAID)
def test_what_a_tool_says_is_understood(said: str, kind: type[HostError]) -> None:
    assert type(relay.explain(said, "10.0.0.1:25", 5)) is kind


def test_a_missing_socket_is_refused_and_a_missing_tool_is_not() -> None:
    assert type(relay.explain("nc: unix connect failed: No such file or directory", "/run/a.sock", 5)) is Refused
    assert relay.explain("env: 'python3': No such file or directory", "10.0.0.1:25", 5) is None


def test_a_refusal_of_sudo_is_no_word_about_the_port() -> None:
    said = b"Sorry, user a is not allowed to execute '/usr/bin/timeout 9 python3' as root on vps.\n"
    assert type(relay._failed(1, said, "10.0.0.1:25", 5)) is NoWayIn


def test_words_that_mean_nothing_known_are_left_alone() -> None:
    assert relay.explain("open failed", "10.0.0.1:25", 5) is None
    assert relay.explain("", "10.0.0.1:25", 5) is None


def test_a_socket_path_that_a_tool_would_misread_is_left_to_the_others() -> None:
    assert relay.unix("socat", "/run/a,b.sock", 5) is None
    assert relay.unix("bash", "/run/a.sock", 5) is None
    assert os.path.isabs(relay.unix("python3", "/run/a.sock", 5)[5])  # type: ignore[index]  # noqa: PTH117
