"""This machine's resolver, with a limit of ours: what its configuration says can be minutes, or for ever."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

from console.errors import NoWayIn, Unresolved
from console.text import clean

LIMIT = 6.0
"""Seconds for a name: after 5 (resolv.conf's default) a second name server is asked, which may still answer."""

MOST = 128
"""Look-ups that may hang at once; beyond them a name is refused at once, so that threads do not gather."""

ADDRESSES = 32
"""Addresses of one name that count: each is dialled, and a name server can give thousands."""

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""What getaddrinfo gives: family, kind, protocol, canonical name, socket address."""

THREAD = "resolver"
"""What the threads of look-ups are called."""


async def look_up(name: str, port: int | None = None, family: int = 0) -> list[Address]:
    """Return the addresses of a name for TCP, as getaddrinfo does; raises `Unresolved`, or `NoWayIn` in time.

    The look-up has a daemon thread of its own: a thread pool's would keep the process from ending."""
    what = clean(name, 80)
    with suppress(OSError, UnicodeError):
        numeric = socket.AI_NUMERICHOST
        return socket.getaddrinfo(name, port, family=family, type=socket.SOCK_STREAM, flags=numeric)  # type: ignore[return-value]
    if sum(thread.name == THREAD for thread in threading.enumerate()) >= MOST:
        raise NoWayIn(f"{what} was not resolved: this machine's resolver does not answer")
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Address]] = loop.create_future()

    def settle(result: list[Address] | Exception) -> None:
        if found.done():
            return
        if isinstance(result, Exception):
            found.set_exception(result)
        else:
            found.set_result(result)

    def ask() -> None:
        result: list[Address] | Exception
        try:
            result = socket.getaddrinfo(name, port, family=family, type=socket.SOCK_STREAM)  # type: ignore[assignment]
        except (OSError, UnicodeError) as error:
            result = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=ask, name=THREAD, daemon=True).start()
    try:
        async with asyncio.timeout(LIMIT):
            return (await found)[:ADDRESSES]
    except TimeoutError:
        words = f"{what} was not resolved within {LIMIT:g} s: this machine's resolver does not answer"
        raise NoWayIn(words) from None
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            raise NoWayIn(f"{what} was not resolved: this machine's resolver does not answer") from None
        raise Unresolved(f"{what} has no address") from None
