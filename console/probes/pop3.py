"""POP3 (RFC 1939, 2449, 2595) before anybody logs in."""

from __future__ import annotations

from console.probes.wire import Broken, Wire


async def greet(wire: Wire) -> str:
    """Return the greeting; raises `Broken` with cause "refused" on -ERR."""
    line = await wire.line()
    if line == "+OK" or line.startswith("+OK "):
        return line
    cause = "refused" if line.startswith("-ERR") else "unexpected"
    raise Broken(cause, f"not a POP3 greeting: {line}", line)


async def capability(wire: Wire) -> tuple[str, ...]:
    """Return what CAPA lists, in upper case."""
    await wire.say("CAPA")
    if not (line := await wire.line()).startswith("+OK"):
        raise Broken("unexpected", f"CAPA was answered {line}", line)
    found: list[str] = []
    while (line := await wire.line()) != ".":
        found.append(line.upper())
    return tuple(found)


async def starttls(wire: Wire) -> None:
    """Ask for TLS; returns when the handshake may begin."""
    if "STLS" not in await capability(wire):
        raise Broken("no-starttls", "STLS is not offered")
    await wire.say("STLS")
    if not (line := await wire.line()).startswith("+OK"):
        raise Broken("no-starttls", f"STLS was answered {line}", line)


async def leave(wire: Wire) -> str:
    """Say goodbye; return what was answered instead of +OK, "" when that was in order."""
    await wire.say("QUIT")
    line = await wire.line()
    return "" if line.startswith("+OK") else line
