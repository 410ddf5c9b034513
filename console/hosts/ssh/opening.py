"""A channel asked of a server: opened, not opened and why, or given up while it still answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from console.errors import NoWayIn
from console.text import clean

if TYPE_CHECKING:
    import asyncssh

PULSE = 4.0
"""Seconds a connection has to show that it is alive, when something on it did not answer."""

FAILED = 2
"""The far end could not be connected to (RFC 4254, 5.1)."""

FORBIDDEN = (1, 3)
"""The server does not forward: it is told not to, or does not know how (RFC 4254, 5.1)."""

T = TypeVar("T")

ROOM = 30.0
"""Seconds to wait for a free session or stream; they are not counted against the far end."""


class Places:
    """The `what` that may be under way at once on a host; one waits for a free place, but not for ever."""

    def __init__(self, host: str, count: int, what: str) -> None:
        self._host, self._what, self._free = host, f"{count} {what}", asyncio.Semaphore(count)

    async def take(self) -> None:
        """Take a place; raises `NoWayIn` when none becomes free."""
        try:
            async with asyncio.timeout(ROOM):
                await self._free.acquire()
        except TimeoutError:
            raise NoWayIn(f"{self._what} are under way on {self._host}, and none ended within {ROOM:g} s") from None

    def release(self) -> None:
        """Give a place back."""
        self._free.release()

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *raised: object) -> None:
        self.release()


class NotOpened(Exception):
    """The server did not open the channel: its code (RFC 4254) and its words."""

    def __init__(self, code: int, said: str) -> None:
        self.code, self.said = code, said
        super().__init__(said)


async def beats(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether the server still answers anything at all."""
    import asyncssh

    try:
        async with asyncio.timeout(PULSE):
            # what it says is dropped as it comes: in so many seconds a server can say a gigabyte
            nothing = asyncssh.DEVNULL
            await connection.run("exec true", stdin=nothing, stdout=nothing, stderr=nothing, encoding=None)
    except TimeoutError:
        return False
    except (asyncssh.Error, OSError):
        return not connection.is_closed()
    return True


def hang_up(process: asyncssh.SSHClientProcess[bytes] | None) -> None:
    if process is not None:
        with suppress(OSError):
            process.kill()
        process.close()


def reason(error: Exception) -> str:
    return clean(str(getattr(error, "reason", "") or error), 120)


async def patiently(
    openings: set[asyncio.Future[Any]],
    opening: Coroutine[Any, Any, T],
    drop: Callable[[T | None], None],
    timeout: float | None = None,
) -> T:
    """What `opening` gives; raises TimeoutError. What we do not wait for is `drop`ped when it comes all the same;
    until then it is one of the `openings`.

    A server opens what it was asked to open; one that we forget stays open there, and counts."""
    task = asyncio.ensure_future(opening)
    openings.add(task)

    def late(task: asyncio.Future[T]) -> None:
        openings.discard(task)
        drop(None if task.cancelled() or task.exception() is not None else task.result())

    try:
        await asyncio.wait({task}, timeout=timeout)
    except asyncio.CancelledError:
        task.add_done_callback(late)
        raise
    if not task.done():
        task.add_done_callback(late)
        raise TimeoutError
    openings.discard(task)
    return task.result()
