"""What a flow is made of: steps, each with a check, a plan, a proof and perhaps a way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from console.hosts.host import Completed
from console.runner import reversal
from console.runner.context import StepContext
from console.runner.plan import Action, CheckResult, NotYetKnown, Plan, needed, skipped


class Change(Protocol):
    """What `apply` works with: it does the actions of the plan that was shown, and refuses everything else."""

    context: StepContext

    async def do(self, action: Action) -> Completed | None:
        """Do one action, told and journalled before and after; None for a `Write`. Raises when it failed."""


class Step:
    """One change and its proof; subclass it. `name` is short and unique in its flow, `words` say what it does.

    `guarded` names the hosts on which a plan's `Rollback`s are armed, for a step that can cut the way we came in. What
    is done `together` on several hosts is taken back on all of them at once when anything fails (see groups.py).
    `patience` is how many seconds a check, plan, verification or undo may take to find out what it wants to know.
    After a step that `renews`, the site's files are read again, new hosts are reached, and the rest of the flow is
    listed again: for a step that makes a machine, an address or a site file.
    A step that `sums_up` only looks, and what it finds are the words that the run ends with."""

    name: str = ""
    words: str = ""
    guarded: tuple[str, ...] = ()
    together: bool = False
    patience: float = 60.0
    renews: bool = False
    sums_up: bool = False

    async def check(self, context: StepContext) -> CheckResult:
        """Say whether the step's result is there; reads only."""
        raise NotImplementedError(f"{type(self).__name__}.check")

    async def plan(self, context: StepContext) -> Plan:
        """Say what would change; reads only. Called when `check` found that it is needed."""
        raise NotImplementedError(f"{type(self).__name__}.plan")

    async def apply(self, change: Change, plan: Plan) -> None:
        """Do the actions of the plan, in order; `change.do` refuses what is not in it."""
        for action in plan.actions:
            await change.do(action)

    async def verify(self, context: StepContext) -> CheckResult:
        """Prove the result from outside, never by a command's status; `check` once more unless it is overridden."""
        return await self.check(context)

    async def undo(self, context: StepContext) -> Plan | None:
        """Plan what takes the change back, given how things are now; None when nothing can.

        Unless it is overridden: each change in reverse by its own way back, when each has one and nothing has changed
        what it left."""
        return await reversal.plan(context, self.name)


async def first_open(context: StepContext, steps: Sequence[Step]) -> CheckResult:
    """Check steps in their order; returns what the first that is not done says, else what the last done one says."""
    found = skipped("there is nothing to do here")
    for step in steps:
        try:
            now = await step.check(context)
        except NotYetKnown as error:
            return needed(str(error))
        if now.state in ("needed", "refused", "wrong"):
            return now
        found = now if now.state == "done" else found
    return found


class Flow(Struct, frozen=True):
    """A guided change: `steps` lists its steps and the flows inside it, from what the files say; no machine is asked.

    `steps` may raise `NotYetKnown`: the flow is then listed when its turn comes. `standing` answers for the whole flow,
    with a few reads, when only the list of flows is shown; without it every step is checked for that."""

    steps: Callable[[StepContext], Sequence[Step | Flow]]
    name: str = ""
    words: str = ""
    standing: Callable[[StepContext], Awaitable[CheckResult]] | None = None
