"""The lanes that mail can use: before a change, and again after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from console.model import Outcome

Look: TypeAlias = "Callable[[], Awaitable[Sequence[tuple[str, Outcome]]]] | None"
"""Sees the lanes from outside, as pairs of a lane and its outcome; None where nobody looks."""

COMES_BACK = 40.0
"""Seconds in which a lane that a change interrupted must be well again: a daemon starts, HAProxy checks it twice."""

OFTEN = 1.0
"""Seconds between two looks at lanes that are not well yet."""


async def well(look: Look) -> frozenset[str]:
    """The lanes that mail can use now; none where nobody looks."""
    if look is None:
        return frozenset()
    return frozenset([lane for lane, outcome in await look() if outcome in ("ok", "degraded")])


async def cut_off(before: frozenset[str], look: Look) -> frozenset[str]:
    """The lanes of those `before` that mail cannot use now, after the time a daemon takes to start."""
    until = time.monotonic() + COMES_BACK
    while lost := before and before - await well(look):
        if time.monotonic() >= until:
            return lost
        await asyncio.sleep(OFTEN)
    return frozenset()
