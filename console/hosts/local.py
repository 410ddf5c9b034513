"""This machine as a host: sockets and sub-processes, each with a time limit and a cap."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from console.errors import FULL, NoWayIn, Refused, StreamError, TimedOut, Unreachable, Unresolved
from console.hosts import files, relay
from console.hosts.become import Become
from console.hosts.host import ANY, Before, Completed, Stream, feeding
from console.hosts.marks import marked, plainly
from console.hosts.process import Dialogue, LocalProcess, attend, called
from console.hosts.programs import environment, program
from console.hosts.resolver import look_up
from console.model import Role
from console.questions import Asker, Credentials


class SocketStream:
    """A stream over an asyncio reader and writer pair; `took` is the milliseconds it took to open, if known."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, took: float | None = None) -> None:
        self.reader, self.writer, self.took = reader, writer, took

    @property
    def local(self) -> tuple[str, int] | None:
        """This end's address and port."""
        return _pair(self.writer.get_extra_info("sockname"))

    @property
    def peer(self) -> tuple[str, int] | None:
        """The far end's address and port."""
        return _pair(self.writer.get_extra_info("peername"))

    @property
    def resent(self) -> int:
        """How many packets of this connection's had to be sent again, as Linux counts them; 0 where nobody tells."""
        sock = self.writer.get_extra_info("socket")
        told = _told(sock) if sock is not None else b""
        return int.from_bytes(told[100:104], sys.byteorder)

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


def _handshake(sock: socket.socket) -> float | None:
    """Milliseconds from SYN to SYN-ACK as Linux counted them, for our loop may hear of it late.

    None where the kernel does not tell, or sent the SYN again: then the wait was longer than one round trip."""
    told = _told(sock)
    rtt, again = (int.from_bytes(told[at : at + 4], sys.byteorder) for at in (68, 100))
    return rtt / 1000 if rtt and not again else None


def _told(sock: socket.socket) -> bytes:
    """Return struct tcp_info of linux/tcp.h up to tcpi_total_retrans at 100 (tcpi_rtt, in microseconds, is at 68)."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            return told if len(told) == 104 else b""
    return b""


def _numeric(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _pair(name: object) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


class Local:
    """The machine cowhand runs on; with `become`, commands are run by sudo and `ask` puts its question.

    `keep` are beginnings of environment variables that its commands get, beside those of `programs.environment`; with
    `only` those commands alone that have that word: another program needs no key of a cloud."""

    def __init__(
        self,
        name: str = "here",
        role: Role = "here",
        *,
        become: str | None = None,
        ask: Asker | Credentials | None = None,
        keep: Sequence[str] = (),
        only: str = "",
    ) -> None:
        self.name, self.role, self.keep, self.only = name, role, keep, only
        self.credentials = ask if isinstance(ask, Credentials) else Credentials(ask)
        self.root = Become(name, self.credentials) if become else None

    async def open(self) -> None:
        """Find out how we become root, if we do, and wait for the password."""
        if self.root is not None:
            await self.root.open(self._execute)

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name by this machine's resolver, IPv4 first."""
        addresses = dict.fromkeys(str(entry[4][0]) for entry in await look_up(name))
        return tuple(sorted(addresses, key=lambda address: ":" in address))

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        """Open a TCP stream from this machine; a name is resolved first, in the resolver's own time."""
        what = f"{address}:{port}"
        if not _numeric(address):
            address = (await self.resolve(address))[0]
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(address, port)
        except (OSError, UnicodeError) as error:
            raise _explained(error, what, timeout) from None
        sock = writer.transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketStream(reader, writer, _handshake(sock))

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """Open a stream to a UNIX socket of this machine, as root when we become root and only root may."""
        try:
            async with asyncio.timeout(timeout):
                return SocketStream(*await asyncio.open_unix_connection(path))
        except OSError as error:
            if self.root is None or error.errno not in (errno.EACCES, errno.EPERM):
                raise _explained(error, path, timeout) from None
        return await self._unix_as_root(self.root, path, timeout)

    async def _unix_as_root(self, root: Become, path: str, timeout: float) -> Stream:
        dialogue = Dialogue(stay=True)
        found = [tool for tool in relay.TOOLS if program(tool)]
        argv = next((made for tool in found if (made := relay.unix(tool, path, timeout))), None)
        if argv is None:
            raise NoWayIn(f"{path} was not asked: only root may, and there is neither python3 nor socat here")
        prefix = await root.prefix(self._execute, dialogue, timeout)
        process = await LocalProcess.start([*prefix, *argv], environment())
        stream = relay.CommandStream(process, None, lambda: None, f"{path}: only root may open it, asked by {argv[0]}")
        try:
            await stream.open(dialogue, path, timeout)
        except BaseException:
            stream.close()
            raise
        return stream

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command in a session of its own, away from the terminal; ended with its children when time is up."""
        return await self.execute(argv, Dialogue(feeding.get()), timeout, cap)

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Return a file's content, read as `run` would."""
        return await files.read(self.execute, self.name, path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Replace a file whole or not at all, written as `run` would."""
        await files.write(self.execute, self.name, path, data, mode, before)

    def forget(self) -> None:
        """Try again what sudo refused, and ask again."""
        self.credentials.forget()
        if self.root is not None:
            self.root.forget()

    async def close(self) -> None:
        """Withdraw what is asked."""
        if self.root is not None:
            self.root.close()

    async def execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        """Run a command with a dialogue, as root when we become root."""
        words = marked(argv, self.name)
        if self.root is None:
            return plainly(argv, await self._execute(words, dialogue, timeout, cap))
        return plainly(argv, await self.root.run(self._execute, words, dialogue, timeout, cap))

    async def _execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        try:
            kept = self.keep if not self.only or self.only in argv else ()
            process = await LocalProcess.start(argv, environment(kept))
        except FileNotFoundError:
            return Completed(127, b"", f"{argv[0]}: command not found".encode())
        except OSError as error:
            return Completed(126, b"", f"{argv[0]}: {error.strerror}".encode())
        try:
            async with asyncio.timeout(timeout):
                return await attend(process, dialogue, cap)
        except TimeoutError:
            raise TimedOut(f"{called(argv)} did not end within {timeout:g} s on {self.name}") from None
        finally:
            await process.kill()


def _explained(error: Exception, what: str, timeout: float) -> StreamError | NoWayIn:
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) == errno.ETIMEDOUT:
        return TimedOut(f"{what} did not answer within {timeout:g} s")
    if isinstance(error, UnicodeError | socket.gaierror):
        return Unresolved(f"{what} has no address here")
    number = getattr(error, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE):
        return NoWayIn(f"{what} was not asked: {FULL}")
    if number in (errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM):
        return NoWayIn(f"{what} was not asked: {os.strerror(number)}")
    if isinstance(error, ConnectionRefusedError | ConnectionResetError | FileNotFoundError):
        return Refused(f"{what} refused the connection")
    return Unreachable(f"{what}: {os.strerror(number)}" if number else f"{what} cannot be reached")
