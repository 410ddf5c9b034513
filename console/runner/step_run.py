"""One step of a run: looked at, agreed to, changed, proven; and what is true when it was not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from console.errors import CowhandError, HostError, TimedOut
from console.events import Prompt, StepPlanned, StepState
from console.runner import guard, show
from console.runner.context import StepContext, Unanswered
from console.runner.ending import Ended
from console.runner.executor import Executor, Failed, Stopped
from console.runner.read_only import Forbidden
from console.runner.step import CheckResult, NotYetKnown, Plan, Refusal

if TYPE_CHECKING:
    from console.runner.runner import Runner

T = TypeVar("T")

TURNS = 3
"""How often a plan may have changed between its yes and its start before the step is given up."""


class StepRun:
    """One step of a run, from its check to its result."""

    def __init__(self, runner: Runner, index: int) -> None:
        self.runner, self.index = runner, index
        self.step, self.context = runner.steps[index], runner.context
        self.unit = guard.unit(runner.flow.name, self.step.name)
        self.waiting = False
        self.turns = 0

    async def walk(self) -> None:
        """Bring the step to its end, as often as the operator retries."""
        while True:
            try:
                plan = await self._look()
                if plan is None or not await self._agree(plan):
                    return
                if await self._change(plan):
                    return
            except Unanswered as error:
                if not await self.runner.answer(self.index, error.question):
                    return
            except NotYetKnown as error:
                if not self.runner.dry:
                    await self._failed(f"{self.step.name}: {error}", None)
                    continue
                self.runner.stand(self.index, "later", str(error))
                return
            except Refusal as error:
                raise self._refuse(str(error)) from None

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _look(self) -> Plan | None:
        """Check and plan; None when there is nothing to do here."""
        runner = self.runner
        while True:
            runner.checkpoint()
            runner.stand(self.index, "checking", "")
            self.context.forget()
            try:
                found = await self._ask_world(self.step.check)
                if found.standing == "done" and self.waiting and not runner.dry:
                    if await self._disarm():
                        return None
                    continue
                if found.standing == "done" and self.step.name in runner.unproven and not runner.dry:
                    found = await self._prove()
                    if found.standing != "done":
                        await self._failed(f"{self.step.name} is not so after all: {found.words}", None)
                        continue
                if found.standing in ("done", "skipped"):
                    state: StepState = "so" if found.standing == "done" else "skipped"
                    runner.stand(self.index, state, found.words, found.evidence)
                    return None
                if found.standing == "refused":
                    raise self._refuse(found.words, found.evidence)
                plan = await self._plan()
            except (HostError, Forbidden) as error:
                await self._blind(str(error))
                continue
            runner.stand(self.index, "planned", found.words, found.evidence)
            runner.tell(StepPlanned(runner.journal.run, self.index, show.plan(self.context, plan)))
            if runner.dry:
                runner.planned.append((self.step, found, plan))
                return None
            return plan

    async def _ask_world(self, ask: Callable[[StepContext], Awaitable[T]]) -> T:
        if self.step.guarded:
            self.waiting = await guard.armed(self.context, self.step.guarded, self.unit)
        return await self._patiently(ask(self.context))

    async def _patiently(self, asked: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.step.patience):
                return await asked
        except TimeoutError:
            raise TimedOut(f"{self.step.name} did not find out within {self.step.patience:g} s") from None

    async def _plan(self) -> Plan:
        plan = await self._patiently(self.step.plan(self.context))
        return replace(plan, actions=(*guard.guarded(self.step, plan, self.unit, self.waiting), *plan.actions))

    def _refuse(self, words: str, evidence: Sequence[str] = ()) -> Ended:
        self.runner.stand(self.index, "refused", words, evidence)
        return self.runner.end("refused", f"{self.step.name} was refused: {words}; {self.runner.so_far()}")

    async def _blind(self, why: str) -> None:
        """Nobody could look: ask whether to try again, or end."""
        self.runner.stand(self.index, "failed", why)
        choices = {"retry": "look again", "stop": "leave it so"}
        text = f"{self.step.name} could not be looked at: {why}"
        if await self._choose(text, choices) != "retry":
            raise self.runner.end("failed", f"{text}; {self.runner.so_far()}")

    async def _choose(self, text: str, choices: dict[str, str]) -> str | None:
        line = show.line(self.context, text)
        return await self.runner.prompt(Prompt(self.runner.id(), "failed", self.index, line, "", choices, "stop"))

    # ── agreeing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _agree(self, plan: Plan) -> bool:
        """Have the plan agreed to, and what is lost typed; False when the operator leaves the step out."""
        runner = self.runner
        for loss in plan.loses:
            if loss.name not in self.context.destroy and loss not in runner.typed:
                text = f"type {loss.name}: {loss.words}"
                line = show.line(self.context, text)
                typed = await runner.prompt(
                    Prompt(runner.id(), "destroy", self.index, line, "destroy", typed=loss.name)
                )
                if typed != loss.name:
                    key = "" if typed else f"destroy={loss.name}"
                    words = f"{loss.name} was not typed: {loss.words}" if typed else f"needs an answer: {text}"
                    runner.stand(self.index, "stopped", words)
                    raise runner.end(
                        "unanswered" if key else "stopped", f"{words} (--answer {key}); {runner.so_far()}"
                        if key else f"{words}; {runner.so_far()}", key,
                    )  # fmt: skip
                runner.typed.add(loss)
        if runner.all:
            return True
        choices = {"yes": "do it", "all": "do it, and all that follows", "skip": "leave it out", "stop": "end here"}
        text = f"{self.step.words or self.step.name}?"
        said = await runner.prompt(
            Prompt(runner.id(), "confirm", self.index, show.line(self.context, text), "yes", choices, "stop")
        )
        if said == "all":
            runner.take_all()
        if said in ("yes", "all"):
            return True
        if said == "skip":
            runner.stand(self.index, "left", "left out by the operator")
            return False
        runner.stand(self.index, "stopped", "not agreed to: nothing of it was done")
        if said is None:
            raise runner.end("unanswered", f"{self.step.name} waits for a yes (--yes); {runner.so_far()}", "yes")
        raise runner.end("stopped", f"stopped before {self.step.name}; {runner.so_far()}")

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, plan: Plan) -> bool:
        """Do what was agreed to, and prove it; False when the step begins anew."""
        self.context.forget()
        try:
            found = await self._ask_world(self.step.check)
            fresh = await self._plan() if found.standing == "needed" else None
        except (HostError, Forbidden) as error:
            await self._blind(str(error))
            return False
        if fresh != plan:
            self.turns += 1
            if self.turns > TURNS:
                raise self.runner.end("failed", f"{self.step.name}: its plan is never twice the same")
            self.runner.say(f"{self.step.name}: the world has changed since the plan was shown")
            return False
        hand = self._hand(plan)
        try:
            self.runner.stand(self.index, "applying", "")
            await self._apply(hand, plan)
            self.runner.stand(self.index, "verifying", "")
            found = await self._verify(plan.rollback is not None)
        except Stopped:
            self.runner.count(hand.begun)
            self.runner.stand(self.index, "stopped", await self._truth("stopped by the operator", hand))
            raise self.runner.end("stopped", f"stopped in {self.step.name}; {self.runner.so_far()}") from None
        except (CowhandError, NotImplementedError) as error:
            self.runner.count(hand.begun)
            await self._failed(str(error), hand)
            return False
        self.runner.count(hand.begun)
        self.runner.stand(self.index, "done", found.words, found.evidence)
        return True

    def _hand(self, plan: Plan) -> Executor:
        runner = self.runner
        where = self.index, self.step.name
        return Executor(self.context, plan, where, runner.journal, runner.tell, runner.checkpoint)

    async def _apply(self, hand: Executor, plan: Plan) -> None:
        actions = [action.text for action in plan.actions]
        self.runner.journal.write("intent", step=self.step.name, actions=actions)
        self.runner.unproven.add(self.step.name)
        armed = guard.guarded(self.step, plan, self.unit, self.waiting)
        for action in armed:
            await hand.do(action)
        if plan.rollback and self.step.guarded:
            if not await guard.armed(self.context, self.step.guarded, self.unit):
                raise Failed(f"the rollback {self.unit} was not armed: nothing else was done")
            self.waiting = True
        await self.step.apply(hand, replace(plan, actions=plan.actions[len(armed) :]))

    async def _verify(self, armed: bool) -> CheckResult:
        """Prove it, and then disarm: a rollback that has begun meanwhile makes it untrue again."""
        self.context.forget()
        found = await self._patiently(self.step.verify(self.context))
        if found.standing != "done":
            raise Failed(f"{self.step.name} is not so after all: {found.words}")
        if armed:
            await self._stop_timer()
            self.context.forget()
            found = await self._patiently(self.step.verify(self.context))
            if found.standing != "done":
                raise Failed(f"{self.step.name} was taken back by its rollback: {found.words}")
        return found

    async def _prove(self) -> CheckResult:
        """It was changed, and not proven: by this run, or by one that was cut off."""
        self.runner.stand(self.index, "verifying", "it was changed and not proven yet")
        self.context.forget()
        return await self._patiently(self.step.verify(self.context))

    async def _disarm(self) -> bool:
        """An earlier run was cut off after it had changed this: prove it, and stop its timer; False to begin anew."""
        self.runner.stand(self.index, "verifying", "an earlier run was cut off here")
        try:
            found = await self._verify(armed=True)
        except CowhandError as error:
            await self._failed(str(error), None)
            return False
        self.runner.stand(self.index, "done", found.words, found.evidence)
        return True

    async def _stop_timer(self) -> None:
        assert self.step.guarded
        stop = guard.disarm(self.step.guarded, self.unit)
        hand = self._hand(Plan((stop,)))
        await hand.do(stop)
        self.runner.count(hand.begun)
        if await guard.armed(self.context, self.step.guarded, self.unit):
            raise Failed(f"the rollback {self.unit} is still armed: it takes this back by itself")
        await guard.settle(self.context, self.step.guarded, self.unit)
        self.waiting = False

    # ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _truth(self, why: str, hand: Executor | None) -> str:
        """What is known now, asked of the world and not remembered."""
        self.context.forget()
        parts = [why]
        if hand is not None and len(hand.plan.actions) > 1:
            parts.append(f"{hand.made} of {len(hand.plan.actions)} changes were made")
        try:
            found = await self._ask_world(self.step.check)
            parts.append(f"now: {found.words}")
            if self.waiting:
                parts.append("its rollback is armed: the host takes it back by itself")
        except (Unanswered, NotYetKnown):
            pass
        except CowhandError as error:
            parts.append(f"how it stands now is not known: {error}")
        return "; ".join(parts)

    async def _failed(self, why: str, hand: Executor | None) -> None:
        """Say what is true now, and what can be done; returns when it is to be tried again."""
        truth = await self._truth(why, hand)
        self.runner.stand(self.index, "failed", truth)
        while True:
            undo = await self._undoable() if hand is not None else None
            choices = {"retry": "look again, and go on from there"}
            if undo is not None:
                choices["undo"] = "take it back"
            said = await self._choose(truth, {**choices, "stop": "leave it so"})
            if said == "retry":
                return
            if said != "undo" or undo is None:
                raise self.runner.end("failed", f"{self.step.name} failed: {truth}")
            await self._undo(undo)

    async def _undoable(self) -> Plan | None:
        try:
            return await self._patiently(self.step.undo(self.context))
        except CowhandError:
            return None

    async def _undo(self, plan: Plan) -> None:
        runner = self.runner
        runner.tell(StepPlanned(runner.journal.run, self.index, show.plan(self.context, plan), undo=True))
        choices = {"yes": "take it back", "stop": "leave it so"}
        text = f"take back {self.step.words or self.step.name}?"
        line = show.line(self.context, text)
        if await runner.prompt(Prompt(runner.id(), "confirm", self.index, line, "yes", choices, "stop")) != "yes":
            return
        hand = self._hand(plan)
        try:
            runner.journal.write("intent", step=self.step.name, undo=True, actions=[a.text for a in plan.actions])
            for action in plan.actions:
                await hand.do(action)
        except Stopped:
            raise
        except CowhandError as error:
            runner.stand(self.index, "failed", await self._truth(f"taking it back failed: {error}", hand))
            return
        finally:
            runner.count(hand.begun)
        truth = await self._truth("taken back", hand)
        runner.stand(self.index, "undone", truth)
        raise runner.end("failed", f"{self.step.name} was undone: {truth}")
