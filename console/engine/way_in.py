"""Hosts that are still being connected to when a first sweep begins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from console.model import Role


async def coming(
    opening: Mapping[Role, asyncio.Future[bool]], soon: float, patience: float
) -> dict[Role, asyncio.Future[bool]]:
    """Wait `soon` seconds for connections; return those still missing, as what ends `patience` seconds later.

    The connections themselves go on: a question to the operator may take minutes."""
    if opening:
        await asyncio.wait(opening.values(), timeout=soon)
    return {role: asyncio.ensure_future(_ended(task, patience)) for role, task in opening.items() if not task.done()}


async def _ended(task: asyncio.Future[bool], patience: float) -> bool:
    done, _ = await asyncio.wait({task}, timeout=patience)
    return bool(done)
