"""ManageSieve (RFC 5804): the server speaks first and its greeting *is* the capability list."""

from __future__ import annotations

from console.probes.wire import Broken, Wire, announces


async def greet(wire: Wire) -> str:
    """Return the implementation's name as greeted; raises `Broken` with cause "refused" on BYE or NO."""
    return " ".join(await _response(wire, greeting=True))


async def capability(wire: Wire) -> tuple[str, ...]:
    """Return the capability lines, as sent."""
    await wire.say("CAPABILITY")
    return await _response(wire)


async def starttls(wire: Wire) -> None:
    """Ask for TLS; returns when the handshake may begin."""
    if not any(line.upper().startswith('"STARTTLS"') for line in await capability(wire)):
        raise Broken("no-starttls", "STARTTLS is not offered")
    await wire.say("STARTTLS")
    await _response(wire)


async def leave(wire: Wire) -> str:
    """Say goodbye; return what was answered instead of OK or BYE, "" when that was in order."""
    await wire.say("LOGOUT")
    line = await wire.line()
    while line.startswith('"'):  # after STARTTLS the capabilities come once more, unasked (RFC 5804, 2.2)
        line = await wire.line()
    return "" if line[:3].upper().rstrip() in ("OK", "BYE") else line


async def _response(wire: Wire, greeting: bool = False) -> tuple[str, ...]:
    lines: list[str] = []
    while True:
        line = await wire.line()
        word = line[:3].upper().rstrip()
        if word == "OK":
            if greeting and not any(kept.upper().startswith('"IMPLEMENTATION"') for kept in lines):
                raise Broken("unexpected", "OK without an IMPLEMENTATION", line)
            return tuple(lines)
        if word in ("NO", "BYE"):
            raise Broken("refused", f"answered {line}", line)
        if not line.startswith('"'):
            raise Broken("unexpected", f"not a ManageSieve greeting: {line}", line)
        if announces(line):
            raise Broken("unexpected", f"an answer that announces more and has no end: {line}", line)
        lines.append(line)
