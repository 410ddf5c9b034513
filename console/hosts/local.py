"""This machine as a host: sockets and sub-processes, each with a time limit and a cap."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

from console.errors import NoWayIn, Refused, StreamError, TimedOut, Unreachable, Unresolved
from console.hosts.host import Completed
from console.model import Role


class SocketStream:
    """A stream over an asyncio reader and writer pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @property
    def local(self) -> tuple[str, int] | None:
        """This end's address and port."""
        return _pair(self.writer.get_extra_info("sockname"))

    @property
    def peer(self) -> tuple[str, int] | None:
        """The far end's address and port."""
        return _pair(self.writer.get_extra_info("peername"))

    async def read(self, limit: int = 65536) -> bytes:
        """Return what has come; b"" when the far end closed or reset."""
        try:
            return await self.reader.read(limit)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        """Send; a far end that has gone shows at the next read."""
        with suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    def close(self) -> None:
        """Close at once, without waiting for what is unsent."""
        if self.writer.transport is not None:
            self.writer.transport.abort()


def _pair(name: object) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


class Local:
    """The machine cowhand runs on."""

    def __init__(self, name: str = "here", role: Role = "here") -> None:
        self.name, self.role = name, role

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name by this machine's resolver, IPv4 first."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) == socket.EAI_AGAIN:
                raise NoWayIn(f"{name} was not resolved: the resolver does not answer here") from None
            raise Unresolved(f"{name} has no address") from None
        addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
        return tuple(sorted(addresses, key=lambda address: ":" in address))

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        """Open a TCP stream from this machine."""
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(address, port)
        except (OSError, UnicodeError) as error:
            raise _explained(error, f"{address}:{port}", timeout) from None
        writer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketStream(reader, writer)

    async def connect_unix(self, path: str, timeout: float) -> SocketStream:
        """Open a stream to a UNIX socket of this machine."""
        try:
            async with asyncio.timeout(timeout):
                return SocketStream(*await asyncio.open_unix_connection(path))
        except OSError as error:
            raise _explained(error, path, timeout) from None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command in a session of its own, away from the terminal; ended with its children when time is up."""
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            return Completed(127, b"", f"{argv[0]}: command not found".encode())
        except OSError as error:
            return Completed(126, b"", f"{argv[0]}: {error.strerror}".encode())
        assert process.stdout is not None and process.stderr is not None
        try:
            async with asyncio.timeout(timeout):
                out, err = await asyncio.gather(_capped(process.stdout, cap), _capped(process.stderr, cap))
                return Completed(await process.wait(), out, err)
        except TimeoutError:
            raise TimedOut(f"{argv[0]} did not end within {timeout:g} s on {self.name}") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def close(self) -> None:
        """Nothing to let go of."""


async def _capped(reader: asyncio.StreamReader, cap: int) -> bytes:
    kept = bytearray()
    while data := await reader.read(65536):
        kept += data[: cap - len(kept)]
    return bytes(kept)


def _explained(error: Exception, what: str, timeout: float) -> StreamError | NoWayIn:
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) == errno.ETIMEDOUT:
        return TimedOut(f"{what} did not answer within {timeout:g} s")
    if isinstance(error, UnicodeError | socket.gaierror):
        return Unresolved(f"{what} has no address here")
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM):
        return NoWayIn(f"{what} was not asked: {os.strerror(number)}")
    if isinstance(error, ConnectionRefusedError | ConnectionResetError | FileNotFoundError):
        return Refused(f"{what} refused the connection")
    return Unreachable(f"{what}: {os.strerror(number)}" if number else f"{what} cannot be reached")
