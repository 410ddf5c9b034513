"""What takes edited files back: on the host by itself (assets/put_back.sh), and by a later run that undoes this one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import assets
from console.flows import Action, Rollback, Run, StepContext, Write

PROGRAM = "/var/lib/cowhand/put_back.sh"

IF_THERE = '[ ! -e "$0" ] || exec sh "$0" "$@"'
"""The script is laid as the first change: before that there is nothing to put back."""

CANDIDATE = ".cowhand-candidate"
"""What a file is called, beside its place, until it has been checked."""


@lru_cache(maxsize=1)
def program() -> str:
    """The text of the script."""
    return (Path(assets.__file__).parent / "put_back.sh").read_text(encoding="utf-8")


async def lay(context: StepContext, host: str) -> tuple[Action, ...]:
    """What brings the script to a host that does not have it; its folder is that of the timed rollbacks."""
    there = await context.data(host, PROGRAM)
    if there == program().encode():
        return ()
    note = f"assets/put_back.sh of this cowhand, {program().count(chr(10))} lines"
    return (Write(host, PROGRAM, there, program().encode(), 0o700, summary=note),)


def back(host: str, writes: Sequence[Write], command: Sequence[str], seconds: int) -> Rollback:
    """What a host does by itself when its change is not proven in time: the files as they were, then a command."""
    told = [word for each in writes for word in (each.path, digest(each.before), digest(each.after))]
    return Rollback(host, ("sh", "-c", IF_THERE, PROGRAM, *told, "--", *command), seconds)


async def undone(context: StepContext, step: str, host: str) -> list[Action] | None:
    """What puts back the files that a past run of a step wrote on a host; None when somebody has changed one since."""
    key = context.key(host)
    actions: list[Action] = []
    for each in context.past.get(step, ()):
        path = str(each.get("path", ""))
        if not path or path == PROGRAM or path.endswith(CANDIDATE) or each.get("key") != key:
            continue
        now = await context.data(host, path)
        if digest(now) != (each["after"] or "-"):
            return None
        if not each["before"]:
            actions.append(Run(host, ("rm", "--", path)))
            continue
        before = await context.data(host, f"{path}.previous")
        if now is None or before is None or digest(before) != each["before"]:
            return None
        actions.append(Write(host, path, now, before, await context.mode(host, path, 0o644)))
    return actions[::-1]


def digest(data: bytes | None) -> str:
    """The sum of a file as the script takes it."""
    return "-" if data is None else hashlib.sha256(data).hexdigest()
