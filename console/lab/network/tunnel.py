"""What lies between two machines: a link with a delay, that can be slow or cut, and the bytes that cross it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CHUNK = 65536

STALL = 60.0
"""Seconds bytes wait at a cut link before their stream is given up, as TCP does in the end."""

IN_FLIGHT = 64
"""Most chunks one direction of a stream may have under way."""

Counter = Callable[[int], None]


class Link:
    """A line between two machines: `delay` is seconds one way, `added` what a fault puts on top."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay, self.added = delay, 0.0
        self.whole = asyncio.Event()
        self.whole.set()
        self.since = time.time()

    @property
    def immediate(self) -> bool:
        """Whether nothing lies between."""
        return self.delay == 0.0

    def cut(self) -> None:
        """Let nothing cross; what is under way waits."""
        if self.whole.is_set():
            self.since = time.time()
        self.whole.clear()

    def mend(self) -> None:
        """Let everything cross again."""
        if not self.whole.is_set():
            self.since = time.time()
        self.whole.set()

    async def handshake(self) -> None:
        """Wait as long as a TCP connect does: there and back; for ever while the link is cut."""
        for _ in ("there", "back"):
            await asyncio.sleep(self.delay + self.added)
            await self.whole.wait()


class End:
    """One end of a stream: asyncio's reader and writer, and the reset that they cannot say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.socket: socket.socket | None = told(writer, "socket")

    def close(self) -> None:
        """Close in good order."""
        with suppress(OSError, RuntimeError):
            self.writer.close()

    def reset(self) -> None:
        """Close at once; over TCP the far end sees a reset."""
        if self.socket is not None and self.socket.family != socket.AF_UNIX:
            reset_on_close(self.socket)
        if self.writer.transport is not None:
            self.writer.transport.abort()


def told(writer: asyncio.StreamWriter, name: str) -> Any:
    """What asyncio tells of a stream; None, too, once TLS has been torn down below it, where asyncio would raise."""
    try:
        return writer.get_extra_info(name)
    except AttributeError:
        return None


def reset_on_close(there: socket.socket) -> None:
    """Make the close of a TCP socket a reset."""
    with suppress(OSError):
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def relay(
    near: End, far: End, link: Link, first: bytes = b"", sent: Counter | None = None, got: Counter | None = None
) -> None:
    """Carry bytes both ways over `link` until both directions have ended; `first` goes before all else to `far`.

    `sent` and `got` are told how many bytes came from `near` and from `far`. A reset on one side resets the other."""
    out, back = _Direction(link, far, sent), _Direction(link, near, got)
    if first:
        out.under_way.put_nowait((out.arrival(), first))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(out.take(near))
            tasks.create_task(out.give())
            tasks.create_task(back.take(far))
            tasks.create_task(back.give())
    except* OSError:
        near.reset()
        far.reset()
    finally:
        near.close()
        far.close()


class _Direction:
    def __init__(self, link: Link, sink: End, count: Counter | None) -> None:
        self.link, self.sink, self.count = link, sink, count
        self.under_way: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(IN_FLIGHT)

    def arrival(self) -> float:
        return time.monotonic() + self.link.delay + self.link.added

    async def take(self, source: End) -> None:
        """Put what comes, its end included, on its way."""
        while True:
            try:
                data: bytes | OSError = await source.reader.read(CHUNK)
            except OSError as error:
                data = error
            if self.count is not None and isinstance(data, bytes):
                self.count(len(data))
            await self.under_way.put((self.arrival(), data))
            if isinstance(data, OSError) or not data:
                return

    async def give(self) -> None:
        """Hand over what has arrived, in order."""
        while True:
            due, data = await self.under_way.get()
            if not self.link.immediate:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await asyncio.wait_for(self.link.whole.wait(), STALL)
            if isinstance(data, OSError):
                raise data
            if not data:
                self._end()
                return
            self.sink.writer.write(data)
            await self.sink.writer.drain()

    def _end(self) -> None:
        with suppress(OSError, RuntimeError):
            if self.sink.writer.can_write_eof():
                self.sink.writer.write_eof()
            else:
                self.sink.writer.close()
