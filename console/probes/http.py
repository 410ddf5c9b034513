"""HTTP/1.1, one HEAD request: the server speaks only when spoken to, so here the question is part of the greeting."""

from __future__ import annotations

import re

from console.probes.wire import Broken, Wire

_STATUS = re.compile(r"HTTP/1\.[0-9] ([1-5][0-9][0-9])(?: |$)")
"""A status line (RFC 9112, 4). An answer without one does not show that the server is well."""


async def greet(wire: Wire) -> str:
    """Return the status line, with the Location of a redirect; raises `Broken` on 4xx and 5xx.

    401 is a question, and 405 says of HEAD alone that it is not served: both come from a server that is well."""
    await wire.say(
        f"HEAD / HTTP/1.1\r\nHost: {wire.name or 'localhost'}\r\nUser-Agent: cowhand\r\nConnection: close\r\n"
    )
    status, code, location = await _answer(wire)
    while code.startswith("1"):  # "100 Continue" and its like come before the answer (RFC 9110, 15.2)
        status, code, location = await _answer(wire)
    if code == "400":
        raise Broken("out-of-step", f"answered {status}", status)
    if code[0] in "45" and code not in ("401", "405"):
        raise Broken("refused", f"answered {status}", status)
    return f"{status} → {location}" if location else status


async def _answer(wire: Wire) -> tuple[str, str, str]:
    """Return a status line, its code, and the Location among its headers."""
    status = await wire.line()
    match = _STATUS.match(status)
    if match is None:
        raise Broken("unexpected", f"not an HTTP answer: {status}", status)
    location = ""
    while header := await wire.line():
        name, _, value = header.partition(":")
        if name.lower() == "location":
            location = value.strip()
    return status, match[1], location


async def capability(wire: Wire) -> tuple[str, ...]:
    """HTTP has none to list."""
    return ()


async def starttls(wire: Wire) -> None:
    """HTTP has no STARTTLS in use."""
    raise Broken("no-starttls", "HTTP offers no STARTTLS")


async def leave(wire: Wire) -> str:
    """The request said `Connection: close`; nothing is left to say."""
    return ""
