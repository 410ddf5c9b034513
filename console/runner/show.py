"""Plans and actions as they are shown: redacted, and nothing in them that could steer a terminal."""

from __future__ import annotations

import time

from console.events import ActionShown, PlanShown
from console.runner.step import Action, Plan, Rollback, Run
from console.runner.world import World
from console.text import clean

LONGEST = 4000
"""Characters of one line that are shown: a command is exact, however long it is within reason."""


def line(world: World, text: str, limit: int = LONGEST) -> str:
    """One printable line without secrets."""
    return clean(world.redact(text), limit)


def lines(world: World, text: str) -> str:
    """Printable lines without secrets."""
    return "\n".join(clean(each, LONGEST) for each in world.redact(text).split("\n"))


def action(world: World, planned: Action) -> ActionShown:
    """An action with its host by the operator's name."""
    host = world.name(planned.host)
    if isinstance(planned, Run):
        return ActionShown("run", host, line(world, planned.text))
    return ActionShown("write", host, line(world, planned.text), lines(world, planned.diff.expandtabs()))


def plan(world: World, planned: Plan) -> PlanShown:
    """A plan, whole."""
    return PlanShown(
        tuple(action(world, each) for each in planned.actions),
        tuple(line(world, note) for note in planned.notes),
        tuple((loss.name, line(world, loss.words)) for loss in planned.loses),
        line(world, planned.undo),
        rollback(world, planned.rollback) if planned.rollback else "",
        line(world, planned.later),
    )


def rollback(world: World, planned: Rollback) -> str:
    """What a host takes back by itself."""
    return f"after {planned.seconds} s, unless this was verified: {line(world, Run('here', planned.argv).text)}"


def clock(seconds: float) -> str:
    """A time of the day."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
