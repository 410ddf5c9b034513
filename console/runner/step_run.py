"""One step of a run: checked, planned, agreed to, changed, proven; and what is true when that failed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from console.errors import CowhandError, HostError
from console.events import StepPlanned, StepState
from console.runner import guard, show
from console.runner.agreement import agreed
from console.runner.context import Unanswered
from console.runner.ending import Ended
from console.runner.executor import Executor, Failed
from console.runner.guard import Guards
from console.runner.lanes import cut_off, well
from console.runner.looking import patiently, read
from console.runner.plan import Action, CheckResult, NotYetKnown, Plan, Refusal, Run
from console.runner.progress import Entry, Progress, Stopped
from console.runner.read_only import Forbidden
from console.runner.unsettled import Leftover, settle
from console.text import join_words

TURNS = 3
"""How often a plan may have changed between its yes and its start before the step is given up."""


class StepRun:
    """One step of a run, from its check to its result."""

    def __init__(self, progress: Progress, entry: Entry) -> None:
        self.progress, self.entry = progress, entry
        self.step, self.context = entry.step, progress.context
        self.guards = Guards(self.context, entry.flow, self.step)
        self.well: frozenset[str] = frozenset()
        """The lanes that mail could use before the change."""
        self.own: tuple[Action, ...] = ()
        """The actions of the plan that are the step's, not its rollbacks'."""
        self.deciding = False
        """Whether the deciding host may have been told to keep the change."""
        self.turns = 0

    async def walk(self) -> None:
        """Bring the step to its end, as often as the operator retries."""
        while True:
            try:
                plan = await self._look()
                if plan is None or not await agreed(self.progress, self.entry, plan):
                    return
                if await self._change(plan):
                    return
            except Unanswered as error:
                if not await self.progress.answer(self.entry, error.questions):
                    self.context.planned.add(self.step.name)
                    return
            except NotYetKnown as error:
                if not self.progress.dry:
                    await self._failed(f"{self.step.name}: {error}", None)
                    continue
                self.progress.stand(self.entry, "later", str(error))
                self.context.planned.add(self.step.name)
                return
            except Refusal as error:
                raise self._refuse(str(error)) from None

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look(self) -> Plan | None:
        """Check and plan; None when there is nothing to do here. Questions are put before anything is read again."""
        progress = self.progress
        while True:
            progress.checkpoint()
            progress.stand(self.entry, "checking", "")
            self.context.invalidate()
            try:
                await settle(progress)
                await self.guards.look()
                if self.guards.kept and not progress.dry:
                    await self._keep()
                found = await read(self.step, self.context, self.step.check)
                if found.state == "done" and self.guards.armed and not progress.dry:
                    if await self._prove_late():
                        return None
                    continue
                if found.state != "done" and self.step.together and self.guards.armed:
                    await self._begin_again()
                    continue
                if found.state == "done" and self.entry.identity in progress.unproven and not progress.dry:
                    found = await self._prove()
                    if found.state != "done":
                        await self._failed(f"{self.step.name} is not there after all: {found.words}", None)
                        continue
                if found.state in ("done", "skipped"):
                    state: StepState = "so" if found.state == "done" else "skipped"
                    progress.stand(self.entry, state, found.words, found.evidence)
                    return None
                if found.state == "refused":
                    raise self._refuse(found.words, found.evidence)
                if found.state == "wrong":
                    progress.stand(self.entry, "failed", found.words, found.evidence)
                    return None
                plan = await self._answered_plan()
            except (HostError, Forbidden, Leftover, Failed) as error:
                await self._blind(str(error))
                continue
            if plan is None:
                return None
            progress.stand(self.entry, "planned", found.words, found.evidence)
            shown = show.plan(self.context, plan)
            progress.tell(StepPlanned(progress.journal.run, progress.index(self.entry), shown, path=self.entry.path))
            if progress.dry:
                progress.planned.append((self.step, found, plan))
                self.context.planned.add(self.step.name)
                return None
            return plan

    async def _answered_plan(self) -> Plan | None:
        """The plan, its questions answered from what the check has read; None when a dry run goes on without it."""
        while True:
            try:
                return await self._plan()
            except Unanswered as error:
                if not await self.progress.answer(self.entry, error.questions):
                    self.context.planned.add(self.step.name)
                    return None

    async def _plan(self) -> Plan:
        self.context.keeping = True
        try:
            plan = await patiently(self.step, self.step.plan(self.context))
            before = await self.guards.before(plan)
            notes = await self.guards.notes(plan)
        finally:
            self.context.keeping = False
        self.own = plan.actions
        return replace(plan, actions=(*before, *plan.actions), notes=(*plan.notes, *notes))

    def _refuse(self, words: str, evidence: Sequence[str] = ()) -> Ended:
        self.progress.stand(self.entry, "refused", words, evidence)
        return self.progress.end("refused", f"{self._named()}: {words}; {self.progress.so_far()}")

    def _named(self) -> str:
        return f"step {self.progress.index(self.entry) + 1}, {self.step.words or self.step.name}"

    async def _blind(self, why: str) -> None:
        """The hosts could not be asked: have it tried again, or end."""
        self.progress.stand(self.entry, "failed", why)
        text = f"{self._named()}: could not be looked at: {why}"
        if await self._choose(text, {"retry": "look again", "stop": "stop here"}) != "retry":
            raise self.progress.end("failed", f"{text}; {self.progress.so_far()}")

    async def _choose(self, text: str, choices: dict[str, str]) -> str | None:
        return await self.progress.choose(self.progress.index(self.entry), "failed", text, choices, "stop")

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, plan: Plan) -> bool:
        """Do what was agreed to, and prove it; False when the step begins again."""
        progress = self.progress
        self.context.invalidate()
        try:
            for host in dict.fromkeys(action.host for action in plan.actions):
                await self.context.lock(host)
            await self.guards.look()
            found = await read(self.step, self.context, self.step.check)
            fresh = await self._plan() if found.state == "needed" else None
        except (HostError, Forbidden) as error:
            await self._blind(str(error))
            return False
        if fresh != plan:
            self.turns += 1
            if self.turns > TURNS:
                words = f"{self.step.name}: something changes its plan each time it is looked at"
                raise progress.end("failed", f"{words}; {progress.so_far()}")
            progress.say(f"{self.step.name}: things have changed since the plan was shown; this is the new plan")
            return False
        executor = Executor(progress, self.entry, plan)
        try:
            progress.stand(self.entry, "applying", "")
            await self._apply(executor, plan)
            progress.stand(self.entry, "verifying", "")
            found = await self._verify()
        except Stopped:
            why = await self._take_back("stopped by the operator", [each.host for each in plan.rollbacks])
            progress.stand(self.entry, "stopped", await self._truth(why, executor))
            raise progress.end("stopped", f"stopped in {self.step.name}; {progress.so_far()}") from None
        except (CowhandError, NotImplementedError) as error:
            why = await self._take_back(str(error), [each.host for each in plan.rollbacks])
            if progress.stopping:
                progress.stand(self.entry, "stopped", await self._truth(f"stopped by the operator: {why}", executor))
                raise progress.end("stopped", f"stopped in {self.step.name}; {progress.so_far()}") from None
            await self._failed(why, executor)
            return False
        progress.stand(self.entry, "done", found.words, found.evidence)
        return True

    async def _apply(self, executor: Executor, plan: Plan) -> None:
        progress = self.progress
        actions = [action.text for action in plan.actions]
        progress.journal.write("intent", step=self.step.name, flow=self.entry.flow, actions=actions)
        progress.unproven.add(self.entry.identity)
        self.deciding = False
        executor.guards = True
        for action in plan.actions[: len(plan.actions) - len(self.own)]:
            await executor.do(action)
        executor.guards = False
        if plan.rollbacks:
            await self.guards.look()
            for each in plan.rollbacks:
                if each.host not in self.guards.armed:
                    raise Failed(f"{self.context.name(each.host)} has not armed its rollback: nothing else was done")
        if self.step.together:
            self.well = await well(self.context.lanes)
        executor.under = self.guards.over(plan.rollbacks)
        await self.step.apply(executor, replace(plan, actions=self.own))

    async def _verify(self) -> CheckResult:
        """Prove it, and then disarm: a rollback that has begun meanwhile undoes it again."""
        armed = self.guards.armed
        self.context.invalidate()
        found = await patiently(self.step, self.step.verify(self.context))
        if found.state != "done":
            raise Failed(f"{self.step.name} is not there after all: {found.words}")
        if lost := await cut_off(self.well, self.context.lanes):
            raise Failed(f"{join_words(sorted(lost))} could be used before, and cannot any more")
        if armed:
            await self._decide(armed)
            self.context.invalidate()
            found = await patiently(self.step, self.step.verify(self.context))
            if found.state != "done":
                raise Failed(f"{self.step.name} was taken back by its rollback: {found.words}")
        return found

    async def _prove(self) -> CheckResult:
        """It was changed, and not proven: by this run, or by one that was cut off."""
        self.progress.stand(self.entry, "verifying", "it was changed and not proven yet")
        self.context.invalidate()
        return await patiently(self.step, self.step.verify(self.context))

    async def _prove_late(self) -> bool:
        """An earlier run was cut off after it had changed this: prove it, and disarm; False to begin again."""
        self.progress.stand(self.entry, "verifying", "an earlier run was cut off here")
        try:
            found = await self._verify()
        except Stopped:
            raise
        except CowhandError as error:
            await self._failed(await self._take_back(str(error), self.guards.hosts), None)
            return False
        self.progress.stand(self.entry, "done", found.words, found.evidence)
        return True

    async def _begin_again(self) -> None:
        """An earlier run was cut off before it had changed all: what it changed is taken back, as the hosts would."""
        if self.progress.dry:
            raise NotYetKnown("an earlier run was cut off here: what it has changed is taken back first")
        self.progress.say(f"{self.step.name}: an earlier run was cut off here; what it has changed is taken back first")
        self.deciding = False
        words = await self._take_back("an earlier run was cut off here", ())
        await self.guards.look()
        if self.guards.armed:
            raise Failed(words)

    async def _decide(self, armed: tuple[str, ...]) -> None:
        """Keep the change everywhere: the first host decides, the others follow; raises `Failed` when one has not."""
        await self.guards.look()
        gone = [host for host in armed if host not in self.guards.armed]
        if gone:
            raise Failed(f"{join_words([self.context.name(host) for host in gone])} took it back before it was proven")
        await self._keep()

    async def _keep(self) -> None:
        """Disarm every rollback that is armed, the deciding one first."""
        self.deciding = True
        for host in self.guards.armed:
            await self._do_now(guard.disarm(host, self.guards.name(host)))
        await self.guards.look()
        if self.guards.armed:
            names = join_words([self.context.name(host) for host in self.guards.armed])
            raise Failed(f"the rollback is still armed on {names}: it will be taken back there")

    async def _do_now(self, action: Run, always: bool = False) -> None:
        """Do what belongs to the rollbacks of the plan that was shown."""
        executor = Executor(self.progress, self.entry, Plan((action,)))
        executor.always, executor.guards = always, True
        await executor.do(action)

    async def _take_back(self, why: str, changed: Sequence[str]) -> str:
        """Take back at once, in reverse, what was to be true on several hosts or on none; returns what came of it.

        Nothing is done once the deciding host has kept its change, or may have: then each host finds out by itself.
        Nor when one of the `changed` hosts has kept its own, waiting in vain for a decider that a restart forgot."""
        if not self.step.together:
            return why
        await self.guards.look(known=False)
        armed, decider = self.guards.armed, self.guards.decider
        if not armed or self.guards.kept:
            return why
        if decider not in self.guards.states and self.deciding:
            return f"{why}; {self.context.name(decider)} may have decided to keep it, and the others will follow it"
        alone = [host for host in changed if host in self.guards.states and self.guards.states[host].word == "kept"]
        if alone:
            names = join_words([self.context.name(host) for host in alone])
            return f"{why}; {names} has kept its change by itself, so nothing is taken back on one side only"
        parts = [why]
        for host in reversed(armed):
            try:
                await self._do_now(guard.fire(host, self.guards.name(host)), always=True)
                parts.append(f"taken back on {self.context.name(host)}")
            except CowhandError as error:
                parts.append(f"not taken back on {self.context.name(host)} yet: {error}")
        return "; ".join(parts)

    # ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _truth(self, why: str, executor: Executor | None) -> str:
        """What is known now: asked of the hosts, not remembered."""
        self.context.invalidate()
        parts = [why]
        if executor is not None and len(executor.plan.actions) > 1:
            parts.append(f"{executor.made} of {len(executor.plan.actions)} changes were made")
        try:
            found = await read(self.step, self.context, self.step.check)
            parts.append(f"now: {found.words}")
            await self.guards.look(known=False)
            names = join_words([self.context.name(host) for host in self.guards.armed])
            if self.guards.kept:
                decider = self.context.name(self.guards.decider)
                parts.append(f"{decider} keeps it; {names} was not told yet, and keeps it when it has seen that")
            elif names:
                parts.append(f"its rollback is armed: {names} takes it back by itself")
        except (Unanswered, NotYetKnown):
            pass
        except CowhandError as error:
            parts.append(f"the state now is not known: {error}")
        return "; ".join(parts)

    async def _failed(self, why: str, executor: Executor | None) -> None:
        """Say what is true now, and what can be done; returns when it is to be tried again."""
        truth = await self._truth(why, executor)
        self.progress.stand(self.entry, "failed", truth)
        while True:
            undo = await self._undoable() if executor is not None else None
            choices = {"retry": "look again, and go on from there"}
            if undo is not None:
                choices["undo"] = "undo it"
            said = await self._choose(truth, {**choices, "stop": "stop here"})
            if said == "retry":
                return
            if said != "undo" or undo is None:
                raise self.progress.end("failed", f"{self.step.name} failed: {truth}")
            await self._undo(undo)

    async def _undoable(self) -> Plan | None:
        if self.progress.unsettled:
            return None  # what may still run cannot be taken back yet
        self.context.past[self.step.name] = self.progress.made.get(self.entry.identity, [])
        try:
            return await patiently(self.step, self.step.undo(self.context))
        except CowhandError:
            return None

    async def _undo(self, plan: Plan) -> None:
        progress = self.progress
        at = progress.index(self.entry)
        shown = show.plan(self.context, plan)
        progress.tell(StepPlanned(progress.journal.run, at, shown, undo=True, path=self.entry.path))
        text = f"take back {self.step.words or self.step.name}?"
        if await progress.choose(at, "confirm", text, {"yes": "undo it", "stop": "stop here"}, "stop", "yes") != "yes":
            return
        executor = Executor(progress, self.entry, plan)
        try:
            actions = [action.text for action in plan.actions]
            progress.journal.write("intent", step=self.step.name, flow=self.entry.flow, undo=True, actions=actions)
            for action in plan.actions:
                await executor.do(action)
        except Stopped:
            raise
        except CowhandError as error:
            progress.stand(self.entry, "failed", await self._truth(f"taking it back failed: {error}", executor))
            return
        truth = await self._truth("taken back", executor)
        progress.stand(self.entry, "undone", truth)
        raise progress.end("failed", f"{self.step.name} was undone: {truth}")
