"""What changes the proxy's file and reloads HAProxy, and what puts the file before back."""

from __future__ import annotations

from console.flows import Action, Plan, Rollback, Run, StepContext, Write
from console.flows.haproxy_listeners.running import Found
from console.flows.putting_back import CANDIDATE, back, lay, undone

CHECK, RELOAD, SECONDS = 60.0, 90.0, 180
"""Seconds: HAProxy's check of a file, its reload, and what the proxy waits before it takes the file back by itself."""

TRY = 'haproxy -c -f "$1"; said=$?; rm -f -- "$1" "$1.previous"; exit "$said"'
"""HAProxy's own check of the candidate, which is gone afterwards."""

COMMAND = ("systemctl", "reload", "haproxy")


def reload(path: str) -> Run:
    """Have HAProxy read its file, which it has to accept right before."""
    return Run("proxy", COMMAND, RELOAD, guards=(("haproxy", "-c", "-f", path),))


async def reloading(context: StepContext, found: Found, text: str) -> tuple[tuple[Action, ...], Rollback]:
    """The candidate beside the file, HAProxy's check of it, the file, the reload; and what takes that back."""
    if text == found.text:
        return (reload(found.path),), back("proxy", (), COMMAND, SECONDS)
    candidate = f"{found.path}{CANDIDATE}"
    write = await context.edit("proxy", found.path, text)
    beside = await context.edit("proxy", candidate, text, write.mode)
    words = f"the {text.count(chr(10))} lines as they will be"
    shown = Write("proxy", candidate, beside.before, beside.after, write.mode, summary=words)
    check = Run("proxy", ("sh", "-c", TRY, "sh", candidate), CHECK)
    actions = (*await lay(context, "proxy"), shown, check, write, reload(found.path))
    return actions, back("proxy", (write,), COMMAND, SECONDS)


async def restore(context: StepContext, step: str, path: str) -> Plan | None:
    """Plan the way back of a past run of a step; None when somebody has changed the file since."""
    actions = await undone(context, step, "proxy")
    return Plan((*actions, reload(path)), undo="start the flow again") if actions else None
