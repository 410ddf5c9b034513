"""An Incus that is anybody's: what it says is bounded in bytes and depth, and it sends us nowhere else."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from console.errors import HostError, TimedOut
from console.hosts.local import Local
from console.incus import bounded, client
from console.incus.seen import Change
from console.incus.way import carried
from tests.console.incus.standin import RECORDED, STOPPED, Incus

Answer = Callable[[str, asyncio.StreamWriter], Any]


@asynccontextmanager
async def hostile(path: Path, answer: Answer) -> AsyncIterator[str]:
    """Serve on a socket: `answer` writes what is said to a request for a path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await answer(head.split(" ", 2)[1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield str(path)
    finally:
        server.close()


async def look(path: Path, answer: Answer) -> None:
    async with hostile(path, answer) as there, carried(Local(), path=there) as way:
        await client.look(way)


def whole(body: bytes, more: str = "") -> Answer:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


async def test_it_sends_us_to_no_other_server(tmp_path: Path) -> None:
    reached = []

    async def inner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(inner, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def elsewhere(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n".encode())

    with pytest.raises(HostError, match="it sends us elsewhere"):
        await look(tmp_path / "s", elsewhere)
    server.close()
    assert reached == []


@pytest.mark.parametrize("how", ["with a length", "in chunks", "without an end"])
async def test_an_answer_that_does_not_end_is_not_kept(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MOST", 1 << 20)
    begin = {"with a length": "Content-Length: 99999999999\r\n", "in chunks": "Transfer-Encoding: chunked\r\n"}
    sent = 0

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\n{begin.get(how, '')}\r\n".encode())
        while sent < 64 << 20:
            writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
            await writer.drain()
            sent += 65536

    with pytest.raises(HostError, match="says more than 1 MiB"):
        await look(tmp_path / "s", endless)
    assert sent < 16 << 20


async def test_what_is_packed_is_not_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64 << 20), 1)
    with pytest.raises(HostError, match="it packs what it says"):
        await look(tmp_path / "s", whole(bomb, "Content-Encoding: gzip\r\n"))


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, json.dumps(RECORDED["/1.0"])[:-1].encode() + b', "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"],
    ids=["deep", "deep in a member"],
)
async def test_brackets_in_each_other_are_no_crash(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="this is not its API"):
        await look(tmp_path / "s", whole(body))


@pytest.mark.parametrize("usage", [float("inf"), "1", [1], {}, 10**400])
async def test_a_measure_that_is_none_is_no_crash(usage: object, tmp_path: Path) -> None:
    instances = "/1.0/instances?recursion=2&all-projects=true"
    found = json.loads(json.dumps(RECORDED[instances]))
    found["metadata"][0]["state"].update({"memory": {"usage": usage}, "cpu": {"usage": usage}})
    incus = Incus(answers={instances: found})
    try:
        async with incus.serving(tmp_path / "s") as path, carried(Local(), path=path) as way:
            await client.look(way)
    except HostError as error:
        assert "this is not its API" in str(error)


async def test_one_that_drips_is_given_up_and_holds_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WHOLE", 0.3)
    gone = asyncio.Event()

    async def drip(path: str, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            gone.set()

    with pytest.raises(TimedOut):
        await look(tmp_path / "s", drip)


async def test_an_event_without_an_end_ends_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MESSAGE", 4096)
    incus, heard = Incus(), list[Change]()
    async with incus.serving(tmp_path / "s") as path, carried(Local(), path=path) as way:
        ready = asyncio.Event()
        task = asyncio.ensure_future(client.follow(way, heard.append, ready.set))
        await ready.wait()
        await incus.heard_of.wait()
        incus.tell(STOPPED)
        for each in incus.listeners:
            each.write(b"\x01\x7e\xff\xff" + b"x" * 65535)  # a fragment, of a message that goes on
        await asyncio.wait_for(task, 60)
    assert [each.name for each in heard] == ["mailcow"]
