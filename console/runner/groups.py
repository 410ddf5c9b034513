"""Steps on several hosts that are true together or not at all.

A `Group` is one step. Its members each change one host; each has a timed rollback there. The first member that has to
be changed is the *decider*. What is done, in this order:

 1. The rollback of the decider is armed, then those of the others.
 2. Every member's change is made. A command of it is begun only while its host's rollback is armed, and is ended before
    that rollback takes back (`rollback.sh under`): no change takes effect after its rollback.
 3. The result is proven once, from outside.
 4. The decider is disarmed, which is one rename on one disk: before it nothing is decided, after it the change is kept.
 5. The others are disarmed.

When anything fails before 4 all that is armed is taken back at once, in reverse. When the console is cut off anywhere,
the hosts end in the same two ways without it:

 - Cut before 4: nobody disarms the decider, so it goes back when its time is up. The others' time is up later. Each
   then asks whether the decider has kept its change, sees that it has not, and goes back.
 - Cut after 4: the decider's change stays for good. Each other host sees it unchanged for `hold` seconds and keeps its
   own. It cannot have gone back before: its time is up later than the decider's, and as long as the decider's change is
   there the answer is not "no".
 - Cut in 4: the rename has happened or it has not; a disarm and a fire cannot both win it.

Why `hold`: a decider whose clock stood still (a paused machine) or that was restarted is still armed when the others'
time is up, so for a while it looks as if it had kept its change. But while it can be seen, its clock runs. It is seen
without a gap for `hold` seconds, which is more than its whole time, the grace after a restart and the time that taking
back may need: had it been armed, it would have gone back by then.

What is assumed. A host can at some time ask the decider's host; until it can, it keeps its change, armed, and asks
again every few seconds, so one side of a network that stays cut stays changed for as long. The question says "no" only
when the decider's change is surely not there, and "yes" only when it is there. Taking back succeeds (a failure is told:
`failed STATUS`). The decider's watchdog is there: where nothing starts it again after a restart (the plan says so) the
decider stays changed until a console comes back, and the others follow it: changed everywhere, though not proven."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from console.runner.context import StepContext
from console.runner.plan import Action, CheckResult, Loss, Plan, Rollback, done, needed, refused, skipped
from console.runner.step import Step

MARGIN = 60
"""Seconds by which the others' time is up later than the decider's, at least."""

SLACK = 300
"""Seconds by which `hold` is longer than the decider's time: the grace after a restart, and taking back itself."""

Proof = Callable[[StepContext], Awaitable[CheckResult]]


class Member(Step):
    """One host's part of a group: `guarded` is that host, and the plan has one rollback, on it.

    Its actions are done in order: a member has no `apply` of its own. It must be possible to take it back after a
    change that was only half made. Its `verify` says whether the host has taken the change; the proof from outside is
    the group's."""

    def asks(self, decider: str) -> tuple[str, ...]:
        """The command that says on this member's host whether the host `decider` has kept its change.

        Status 0: its change is there; 1: it is surely not there; anything else: that cannot be told now. It is run
        long after the console may have gone, so it brings its own time limit and needs nothing but the host."""
        raise NotImplementedError(f"{type(self).__name__}.asks")


class Group(Step):
    """Members that are changed together, proven once by `proof`, and taken back together."""

    together = True

    def __init__(self, name: str, words: str, members: Sequence[Member], proof: Proof) -> None:
        assert all(len(member.guarded) == 1 for member in members), f"{name}: each member guards the host it changes"
        self.name, self.words = name, words
        self.members, self.proof = tuple(members), proof
        self.guarded = tuple(member.guarded[0] for member in members)
        self.patience = sum(member.patience for member in members)

    async def check(self, context: StepContext) -> CheckResult:
        """Done when every member is; refused when one is."""
        return self._sum(context, [(member, await member.check(context)) for member in self.members])

    def _sum(self, context: StepContext, found: Sequence[tuple[Member, CheckResult]]) -> CheckResult:
        words = "; ".join(f"{context.name(member.guarded[0])}: {each.words}" for member, each in found)
        evidence = [line for _, each in found for line in each.evidence]
        for state, make in (("refused", refused), ("needed", needed), ("done", done)):
            if any(each.state == state for _, each in found):
                return make(words, *evidence)
        return skipped(words, *evidence)

    async def plan(self, context: StepContext) -> Plan:
        """The plans of the members that are needed, in order, with rollbacks that wait for the first one's."""
        plans = [
            (member, await member.plan(context))
            for member in self.members
            if (await member.check(context)).state == "needed"
        ]
        actions: list[Action] = []
        notes: list[str] = []
        loses: list[Loss] = []
        rollbacks: list[Rollback] = []
        for member, plan in plans:
            assert len(plan.rollbacks) == 1, f"{self.name}: {member.name} needs one rollback"
            actions += plan.actions
            notes += plan.notes
            loses += plan.loses
            rollbacks.append(self._follows(context, member, plan.rollbacks[0], rollbacks))
        undo = "; ".join(plan.undo for _, plan in reversed(plans) if plan.undo)
        later = next((plan.later for _, plan in plans if plan.later), "")
        return Plan(tuple(actions), tuple(notes), tuple(loses), undo, tuple(rollbacks), later)

    def _follows(
        self, context: StepContext, member: Member, rollback: Rollback, earlier: Sequence[Rollback]
    ) -> Rollback:
        if not earlier:
            return rollback
        first = earlier[0]
        decider = context.key(first.host)
        return replace(
            rollback,
            seconds=max(rollback.seconds, first.seconds + MARGIN),
            after=decider,
            asks=member.asks(decider),
            hold=first.seconds + SLACK,
        )

    async def verify(self, context: StepContext) -> CheckResult:
        """The proof from outside, when every member finds its own change."""
        found = self._sum(context, [(member, await member.verify(context)) for member in self.members])
        return found if found.state != "done" else await self.proof(context)

    async def undo(self, context: StepContext) -> Plan | None:
        """The members' ways back, in reverse; None when one has none."""
        actions: list[Action] = []
        loses: list[Loss] = []
        for member in reversed(self.members):
            if (await member.check(context)).state == "needed":
                continue
            plan = await member.undo(context)
            if plan is None:
                return None
            actions += plan.actions
            loses += plan.loses
        return Plan(tuple(actions), loses=tuple(loses)) if actions else None
