"""The way back of a step that has none of its own: each of its changes in reverse, if nothing else touched it since."""

from __future__ import annotations

import hashlib
from typing import Any

from console.mask import DOTS
from console.runner.context import StepContext
from console.runner.plan import Action, Plan, Run, Write

CAP = 32 << 20
"""Bytes of a file that can be put back."""


async def plan(context: StepContext, step: str) -> Plan | None:
    """Plan the way back; None when a change has none, or when a file is not as the step left it."""
    changes = context.past.get(step)
    if not changes:
        return None
    actions: list[Action] = []
    for change in reversed(changes):
        action = await _back(context, change)
        if action is None:
            return None
        actions.append(action)
    return Plan(tuple(actions))


async def _back(context: StepContext, change: dict[str, Any]) -> Action | None:
    host, path = str(change.get("key", "")), str(change.get("path", ""))
    argv = tuple(map(str, change.get("run", ())))
    if any(DOTS in word for word in (host, path, *argv)):
        return None  # the journal has not kept a secret that was in it
    if argv:
        return Run(host, argv)
    if not path:
        return None
    now = await context.data(host, path, CAP)
    if now is None or _sum(now) != change["after"]:
        return None
    if not change["before"]:
        return Run(host, ("rm", "--", path))
    before = await context.data(host, f"{path}.previous", CAP)
    if before is None or _sum(before) != change["before"]:
        return None
    mode = await context.mode(host, path, int(change["mode"]))
    return Write(host, path, now, before, mode, sealed=bool(change.get("sealed")))


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
