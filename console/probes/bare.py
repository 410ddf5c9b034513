"""Any other TCP service: that it accepts a connection is all that can be asked."""

from __future__ import annotations

from console.probes.wire import Broken, Wire


async def greet(wire: Wire) -> str:
    """Nothing is known of what it would say."""
    return "accepted the connection"


async def capability(wire: Wire) -> tuple[str, ...]:
    """Nothing is known of what it can do."""
    return ()


async def starttls(wire: Wire) -> None:
    """There is none to ask for."""
    raise Broken("no-starttls", "this protocol has no STARTTLS that we know")


async def leave(wire: Wire) -> str:
    """Nothing to say."""
    return ""
