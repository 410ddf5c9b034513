"""HTTP/1.1, one HEAD request: the server speaks only when spoken to, so here the question is part of the greeting."""

from __future__ import annotations

from console.probes.wire import Broken, Wire


async def greet(wire: Wire) -> str:
    """Return the status line, with the Location of a redirect; raises `Broken` on 4xx and 5xx.

    401 is a question, and 405 says of HEAD alone that it is not served: both come from a server that is well."""
    await wire.say(
        f"HEAD / HTTP/1.1\r\nHost: {wire.name or 'localhost'}\r\nUser-Agent: cowhand\r\nConnection: close\r\n"
    )
    status = await wire.line()
    if not status.startswith("HTTP/1."):
        raise Broken("unexpected", f"not an HTTP answer: {status}", status)
    location = ""
    while header := await wire.line():
        name, _, value = header.partition(":")
        if name.lower() == "location":
            location = value.strip()
    if status[9:12] == "400":
        raise Broken("out-of-step", f"answered {status}", status)
    if status[9:10] in ("4", "5") and status[9:12] not in ("401", "405"):
        raise Broken("refused", f"answered {status}", status)
    return f"{status} → {location}" if location else status


async def capability(wire: Wire) -> tuple[str, ...]:
    """HTTP has none to list."""
    return ()


async def starttls(wire: Wire) -> None:
    """HTTP has no STARTTLS in use."""
    raise Broken("no-starttls", "HTTP offers no STARTTLS")


async def leave(wire: Wire) -> str:
    """The request said `Connection: close`; nothing is left to say."""
    return ""
