"""Plans and actions as they are shown: redacted, and nothing in them that could steer a terminal."""

from __future__ import annotations

import time

from console.events import ActionShown, PlanShown
from console.runner.context import StepContext
from console.runner.plan import Action, Call, Copy, Plan, Rollback, Run, Wait, Write
from console.text import clean

LONGEST = 4000
"""Characters of one line that are shown: a command is exact, however long it is within reason."""


def line(context: StepContext, text: str, limit: int = LONGEST) -> str:
    """One printable line without secrets."""
    return clean(context.redact(text), limit)


def lines(context: StepContext, text: str) -> str:
    """Printable lines without secrets."""
    return "\n".join(clean(each, LONGEST) for each in context.redact(text).split("\n"))


def action(context: StepContext, planned: Action) -> ActionShown:
    """An action with its host by the operator's name."""
    host = context.name(planned.host)
    text = line(context, planned.text)
    match planned:
        case Write():
            return ActionShown("write", host, text, lines(context, planned.diff.expandtabs()))
        case Run():
            rows = tuple(lines(context, planned.text).split("\n")) if "\n" in planned.text else ()
            rescue = "~ only if what comes before it fails\n"
            diff = rescue if planned.rescue else lines(context, planned.diff.expandtabs())
            return ActionShown("run", host, text, diff, rows)
        case Copy():
            return ActionShown("copy", host, text)
        case Call():
            return ActionShown("call", host, text)
        case Wait():
            return ActionShown("wait", host, text)


def plan(context: StepContext, planned: Plan) -> PlanShown:
    """A plan, whole."""
    return PlanShown(
        tuple(action(context, each) for each in planned.actions),
        tuple(line(context, note) for note in planned.notes),
        tuple((loss.name, line(context, loss.words)) for loss in planned.loses),
        line(context, planned.undo),
        tuple(rollback(context, each) for each in planned.rollbacks),
        line(context, planned.later),
    )


def rollback(context: StepContext, planned: Rollback) -> str:
    """What a host takes back by itself, when, and how."""
    when = f"when {context.name(planned.after)} has gone back" if planned.after else "unless this is proven"
    how = line(context, Run("here", planned.argv).text)
    return f"{context.name(planned.host)} goes back by itself after {planned.seconds} s, {when}: {how}"


def clock(seconds: float) -> str:
    """A time of the day."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
