"""What runs on a connection: streams that it forwards, and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from console.errors import NoWayIn
from console.hosts.process import lost

if TYPE_CHECKING:
    import asyncssh


class ForwardedStream:
    """A stream that the machine's SSH server opened for us; `took` is how long that lasted, in milliseconds."""

    note = ""

    def __init__(
        self,
        host: str,
        reader: asyncssh.SSHReader[bytes],
        writer: asyncssh.SSHWriter[bytes],
        released: Callable[[], None],
    ) -> None:
        self._host, self._reader, self._writer, self._released = host, reader, writer, released
        self._local: tuple[str, int] | None = None
        self._peer: tuple[str, int] | None = None
        self.took = 0.0
        self._closed = False

    def place(self, local: tuple[str, int] | None, peer: tuple[str, int] | None, took: float) -> ForwardedStream:
        """Say where it runs from and to, and how long it took to open."""
        self._local, self._peer, self.took = local, peer, took
        return self

    @property
    def local(self) -> tuple[str, int] | None:
        """The address it leaves the machine with, when that told; the port is made up, for sshd does not tell."""
        return self._local

    @property
    def peer(self) -> tuple[str, int] | None:
        """The address it was opened to."""
        return self._peer

    async def read(self, limit: int = 65536) -> bytes:
        """Return what has come; b"" when the far end closed or reset; raises `NoWayIn` when the SSH connection went."""
        import asyncssh

        try:
            data: bytes = await self._reader.read(limit)
        except (asyncssh.Error, OSError):
            data = b""
        if not data and self._gone():
            raise lost(self._host)
        return data

    async def write(self, data: bytes) -> None:
        """Send; a far end that has gone shows at the next read."""
        import asyncssh

        with suppress(asyncssh.Error, OSError):
            self._writer.write(data)
            await self._writer.drain()

    def close(self) -> None:
        """Let go, at once."""
        if not self._closed:
            self._closed = True
            self._writer.channel.abort()
            self._released()

    def _gone(self) -> bool:
        connection: Any = self._writer.get_extra_info("connection")
        return connection is None or connection.is_closed()


class RemoteProcess:
    """A command on the machine, without a terminal."""

    def __init__(self, host: str, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self.host, self.process = host, process
        self.connection: Any = process.get_extra_info("connection")

    async def read_out(self, limit: int) -> bytes:
        """Return some of its output; b"" at its end."""
        return await self._read(self.process.stdout, limit)

    async def read_err(self, limit: int) -> bytes:
        """Return some of its error output; b"" at its end."""
        return await self._read(self.process.stderr, limit)

    async def _read(self, reader: asyncssh.SSHReader[bytes], limit: int) -> bytes:
        import asyncssh

        try:
            data: bytes = await reader.read(limit)
        except (asyncssh.Error, OSError):
            data = b""
        if not data and self.connection.is_closed():
            raise lost(self.host)
        return data

    async def send(self, data: bytes) -> None:
        """Write to its input."""
        import asyncssh

        with suppress(asyncssh.Error, OSError):
            self.process.stdin.write(data)
            await self.process.stdin.drain()

    def end_input(self) -> None:
        """Close its input."""
        with suppress(OSError):
            self.process.stdin.write_eof()

    async def wait(self) -> int:
        """Return its status, minus the signal's number when one ended it; raises `NoWayIn` when it was lost."""
        await self.process.wait_closed()
        status = self.process.returncode
        if status is None:
            raise lost(self.host) if self.connection.is_closed() else NoWayIn(f"{self.host} did not say how it ended")
        return status

    async def kill(self) -> None:
        """End it; a server that does not take signals ends it when it next writes."""
        with suppress(OSError):
            self.process.kill()
        self.process.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait_closed(), 1)
