"""The way back of a step that laid files: the very files from before, each put back by a rename."""

from __future__ import annotations

from console.flows import Action, Run, StepContext
from console.flows.putting_back import digest


async def actions(context: StepContext, step: str) -> tuple[Action, ...] | None:
    """What takes back a past run of a step, in reverse; None where somebody has changed a file since."""
    found: list[Action] = []
    for each in reversed(context.past.get(step, [])):
        host, path = str(each.get("key", "")), str(each.get("path", ""))
        if words := tuple(map(str, each.get("run", ()))):
            found.append(Run(host, words))
        if not path:
            continue
        if digest(await context.data(host, path)) != each["after"]:
            return None
        if not each["before"]:
            found.append(Run(host, ("rm", "--", path)))
            continue
        if digest(await context.data(host, f"{path}.previous")) != each["before"]:
            return None
        found.append(Run(host, ("mv", "-f", "-T", "--", f"{path}.previous", path)))
    return tuple(found)
