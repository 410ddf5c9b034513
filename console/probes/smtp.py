"""SMTP as far as a good guest goes: wait for the whole greeting, say QUIT.

postscreen greets with a `220-` teaser and watches who talks before its final `220 `; a client that does is logged as
PREGREET and may be banned. So nothing is sent before the final line, whatever the wait."""

from __future__ import annotations

import time

from console.probes.wire import Broken, Wire

TEASER_PATIENCE = 15.0
"""Seconds to wait between teaser and greeting; Postfix's postscreen_greet_wait is 6 s, 2 s under stress."""


async def greet(wire: Wire) -> str:
    """Return the final greeting line; raises `Broken` with cause "refused" when the answer is 4xx or 5xx."""
    line = await wire.line()
    began = time.perf_counter()
    while line.startswith("220-"):
        line = await wire.line(TEASER_PATIENCE)
        wire.imposed = time.perf_counter() - began
    if line.startswith("220 ") or line == "220":
        return line
    if line[:3] in ("500", "502") and wire.imposed:
        raise Broken("out-of-step", f"answered {line} before anything was said", line)
    if line[:1] in "45" and line[:3].isdigit():
        raise Broken("refused", f"answered {line}", line)
    raise Broken("unexpected", f"not a mail server's greeting: {line}", line)


async def capability(wire: Wire) -> tuple[str, ...]:
    """Return the extensions EHLO lists, in upper case."""
    await wire.say("EHLO [127.0.0.1]")
    found: list[str] = []
    while True:
        line = await wire.line()
        if line[:3] != "250":
            raise Broken("unexpected", f"EHLO was answered {line}", line)
        found.append(line[4:].upper())
        if line[3:4] != "-":
            return tuple(found[1:])


async def starttls(wire: Wire) -> None:
    """Ask for TLS; returns when the handshake may begin."""
    if "STARTTLS" not in await capability(wire):
        raise Broken("no-starttls", "STARTTLS is not offered")
    await wire.say("STARTTLS")
    line = await wire.line()
    if line[:3] != "220":
        raise Broken("no-starttls", f"STARTTLS was answered {line}", line)


async def leave(wire: Wire) -> str:
    """Say goodbye; return what was answered instead of 221, "" when that was in order."""
    await wire.say("QUIT")
    line = await wire.line()
    return "" if line[:3] == "221" else line
