"""IMAP (RFC 3501, 9051) before anybody logs in: greeting, capabilities, STARTTLS, goodbye."""

from __future__ import annotations

import re

from console.probes.wire import Broken, Wire, announces

_GREETING = re.compile(r"\* (?:OK|PREAUTH)(?: |$)")


async def greet(wire: Wire) -> str:
    """Return the greeting; raises `Broken` with cause "refused" on BYE."""
    line = await wire.line()
    if announces(line):
        raise Broken("unexpected", f"a greeting that announces more and has no end: {line}", line)
    if _GREETING.match(line):
        return line
    if line.startswith("* BYE"):
        raise Broken("refused", f"answered {line}", line)
    raise Broken("unexpected", f"not an IMAP greeting: {line}", line)


async def capability(wire: Wire) -> tuple[str, ...]:
    """Return the capabilities, in upper case."""
    found: tuple[str, ...] = ()
    for line in await _ask(wire, "CAPABILITY"):
        if match := re.match(r"\* CAPABILITY (.*)", line, re.IGNORECASE):
            found = tuple(match[1].upper().split())
    return found


async def starttls(wire: Wire) -> None:
    """Ask for TLS; returns when the handshake may begin."""
    if "STARTTLS" not in await capability(wire):
        raise Broken("no-starttls", "STARTTLS is not offered")
    await _ask(wire, "STARTTLS")


async def leave(wire: Wire) -> str:
    """Say goodbye; return what was answered instead of BYE, "" when that was in order."""
    await wire.say("c9 LOGOUT")
    line = await wire.line()
    return "" if line.startswith(("* BYE", "c9 OK")) else line


async def _ask(wire: Wire, command: str) -> list[str]:
    await wire.say(f"c1 {command}")
    lines: list[str] = []
    while not (line := await wire.line()).startswith("c1 "):
        lines.append(line)
    if not line.startswith("c1 OK"):
        raise Broken("unexpected", f"{command} was answered {line[3:]}", line)
    return lines
