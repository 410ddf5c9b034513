"""The timed rollback of a step that can cut the way we came in: a systemd timer on the host that takes it back."""

from __future__ import annotations

import asyncio
import re

from console.errors import TimedOut
from console.runner.context import StepContext
from console.runner.plan import Plan, Rollback, Run
from console.runner.step import Step

LOOK = 10.0
"""Seconds systemd may take to answer."""

SETTLE = 120
"""Half seconds a rollback that has begun may take to end."""


def unit(flow: str, step: str) -> str:
    """The name of a step's timer: the same in every run, so that a later run finds what an earlier one armed."""
    return "cowhand-" + re.sub(r"[^a-z0-9]+", "-", f"{flow} {step}".lower()).strip("-")


def arm(host: str, name: str, rollback: Rollback) -> Run:
    """The command that arms the timer."""
    timer = ("--collect", f"--unit={name}", f"--on-active={rollback.seconds}s", "--timer-property=AccuracySec=1s")
    return Run(host, ("systemd-run", *timer, "--", *rollback.argv), 30.0)


def disarm(host: str, name: str) -> Run:
    """The command that stops the timer; what it has begun already is not stopped."""
    return Run(host, ("systemctl", "stop", f"{name}.timer"), 30.0)


async def armed(context: StepContext, host: str, name: str) -> bool:
    """Whether the timer waits; raises as `Host.run` does."""
    done = await context.host(host, fresh=True).run(["systemctl", "is-active", f"{name}.timer"], LOOK)
    return done.stdout.strip() == b"active"


async def settle(context: StepContext, host: str, name: str) -> None:
    """Wait until the rollback itself does not run; raises as `Host.run` does, or `TimedOut`."""
    for _ in range(SETTLE):
        done = await context.host(host, fresh=True).run(["systemctl", "is-active", f"{name}.service"], LOOK)
        if done.stdout.strip() not in (b"active", b"activating", b"deactivating"):
            return
        await asyncio.sleep(0.5)
    raise TimedOut(f"{name}.service on {context.name(host)} has not ended")


def guarded(step: Step, plan: Plan, name: str, waiting: bool) -> tuple[Run, ...]:
    """What is done before the plan's own actions: an old timer is stopped, a new one armed."""
    before: list[Run] = []
    if step.guarded and waiting:
        before.append(disarm(step.guarded, name))
    if plan.rollback:
        assert step.guarded is not None, f"{step.name}: a plan with a rollback needs a guarded host"
        before.append(arm(step.guarded, name, plan.rollback))
    return tuple(before)
