"""How Incus is reached: by its socket on a host, carried here through that host's way in, or by HTTPS."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from console.errors import HostError, Refused, StreamError
from console.hosts.host import Host, Stream

SOCKETS = (
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
    "/var/lib/lxd/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
)
"""Where the socket is: Incus as Debian and Zabbly package it, then LXD, then LXD as a snap."""

CONNECT = 8.0
"""Seconds a connection may take."""


class Way(Struct, frozen=True):
    """Where pylxd connects to: `url`, and for HTTPS the files of the client's certificate and key, and the server's own
    certificate, which alone is accepted. `project` "" stands for all of them."""

    url: str
    certificate: str = ""
    key: str = ""
    server: str = ""
    project: str = ""


@asynccontextmanager
async def carried(host: Host, project: str = "", path: str = "") -> AsyncIterator[Way]:
    """Listen on a private socket here and carry each connection to Incus' socket on `host`, as root where we become it.

    `path` is the socket's place; without it, and without INCUS_SOCKET for this very machine, the usual ones are tried.
    Raises `HostError` when none of them answers."""
    named = path or (os.environ.get("INCUS_SOCKET", "") if host.role == "here" else "")
    there = await _find(host, (named,) if named else SOCKETS)
    folder = tempfile.mkdtemp(prefix="cowhand-")  # 0700, and short: a socket's path has at most 107 bytes
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_carry(host, there, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_unix_server(accept, f"{folder}/s")
    try:
        yield Way(f"http+unix://{quote(f'{folder}/s', safe='')}", project=project)
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        shutil.rmtree(folder, ignore_errors=True)


async def _find(host: Host, paths: tuple[str, ...]) -> str:
    why: HostError | None = None
    for path in paths:
        try:
            (await host.connect_unix(path, CONNECT)).close()
            return path
        except Refused as error:  # as where there is none
            why = why or error
    raise Refused(f"Incus has no socket on {host.name} ({', '.join(paths)}): {why}")


async def _carry(host: Host, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry both directions until one of them ends: what we ask is over when Incus has closed, or pylxd has."""
    stream: Stream | None = None
    try:
        stream = await host.connect_unix(path, CONNECT)
        ways = {asyncio.ensure_future(_out(reader, stream)), asyncio.ensure_future(_back(stream, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ways:
                each.cancel()
            await asyncio.wait(ways)
    except StreamError:
        return
    finally:
        if stream is not None:
            stream.close()
        with suppress(OSError):
            writer.close()


async def _out(reader: asyncio.StreamReader, stream: Stream) -> None:
    with suppress(OSError, StreamError):
        while data := await reader.read(65536):
            await stream.write(data)


async def _back(stream: Stream, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, StreamError):
        while data := await stream.read():
            writer.write(data)
            await writer.drain()


def https(url: str, certificate: Path, key: Path, server: Path, project: str = "") -> Way:
    """By HTTPS, with a client certificate that the server trusts; nothing but `server` is taken for its certificate."""
    return Way(url.rstrip("/"), str(certificate), str(key), str(server), project)
