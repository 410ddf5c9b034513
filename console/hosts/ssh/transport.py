"""The bytes below SSH: a TCP connection, or a proxy command with its own pipes and its own end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress

from console.errors import NoWayIn, Unresolved
from console.hosts.process import spawn
from console.hosts.programs import own_environment, program
from console.hosts.resolver import look_up
from console.hosts.ssh.config import Resolved
from console.text import clean, quote

ADDRESSES = 6
"""Addresses of a host that are dialled, one after the other."""

CAP = 2000
"""Bytes kept of what a proxy command says on its error output."""


async def dial(resolved: Resolved) -> socket.socket:
    """Open a TCP connection to the destination's host and port; raises `NoWayIn` with what came of the last address."""
    loop = asyncio.get_running_loop()
    what = f"{clean(resolved.host, 80)}:{resolved.port}"
    try:
        found = await look_up(resolved.host, resolved.port, resolved.family)
    except Unresolved:
        raise NoWayIn(f"{what} has no address here") from None
    failure = "has no address here"
    for family, kind, protocol, _, address in found[:ADDRESSES]:
        sock = socket.socket(family, kind, protocol)
        try:
            _prepare(sock, resolved)
            async with asyncio.timeout(resolved.timeout):
                await loop.sock_connect(sock, address)
        except TimeoutError:
            failure = f"did not answer within {resolved.timeout:g} s"
        except OSError as error:
            refused = isinstance(error, ConnectionRefusedError)
            failure = "refused the connection" if refused else (error.strerror or str(error)).lower()
        else:
            return sock
        finally:
            if sock.fileno() >= 0 and not _connected(sock):
                sock.close()
    raise NoWayIn(f"{what} {failure}")


def _prepare(sock: socket.socket, resolved: Resolved) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(resolved.keepalive))
    if resolved.interface:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, resolved.interface.encode())
    if resolved.bind:
        sock.bind((resolved.bind, 0))


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


class Proxy:
    """A ProxyCommand of the operator's, run by their shell; `sock` is our end of its input and output."""

    def __init__(self, process: asyncio.subprocess.Process, sock: socket.socket) -> None:
        self.process, self.sock = process, sock
        self.said = bytearray()
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def start(cls, command: str) -> Proxy:
        """Run `command`; raises `NoWayIn` when there is no shell to run it."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            process = await spawn(
                program(os.environ.get("SHELL", "")) or "/bin/sh",
                "-c",
                f"exec {command}",
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
                env=own_environment(),
            )
        except OSError as error:
            ours.close()
            raise NoWayIn(f"the ProxyCommand was not started: {error.strerror}") from None
        finally:
            theirs.close()
        return cls(process, ours)

    def complaint(self) -> str:
        """The last line it said on its error output."""
        return quote(bytes(self.said).strip().rpartition(b"\n")[2], 160)

    async def close(self) -> None:
        """End it with its children."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        await self._listening
        self.sock.close()

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(4096):
            self.said += data
            del self.said[:-CAP]
