"""The one mechanism through which everything changes: check, plan, a yes, intent, apply, verify, result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from console.errors import CowhandError, summarize
from console.events import (
    FlowAsked,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowSaid,
    Prompt,
    RunOutcome,
    StepChanged,
    StepState,
)
from console.runner import show
from console.runner.context import StepContext, Unanswered
from console.runner.ending import Ended, Ending
from console.runner.executor import Stopped
from console.runner.step import Ask, CheckResult, Flow, Loss, Plan, Step
from console.runner.step_run import StepRun
from console.store.journal import Journal
from console.text import join_words

Operator = Callable[[Prompt], Awaitable[str | None]]
"""Puts a prompt to whoever can answer; None means nobody can, or not now."""


class Runner:
    """One run of a flow. `tell` hears every event; a run that is `dry` plans each step and changes nothing."""

    def __init__(
        self,
        flow: Flow,
        context: StepContext,
        operator: Operator,
        tell: Callable[[FlowEvent], None],
        journal: Journal,
        dry: bool = False,
    ) -> None:
        self.flow, self.context, self.operator = flow, context, operator
        self.journal, self.dry = journal, dry
        self.steps: Sequence[Step] = ()
        self.states: list[StepState] = []
        self.planned: list[tuple[Step, CheckResult, Plan]] = []
        """What a dry run found to be needed, in order."""
        self.unproven: set[str] = set()
        """Steps that were begun and not proven, by this run or an earlier one."""
        self.typed: set[Loss] = set()
        """What the operator agreed to lose, by typing its name."""
        self.missing: list[str] = []
        """Answers that a dry run went on without."""
        self._tell = tell
        self._stopping = asyncio.Event()
        self._all = False
        self._begun = 0
        self._prompts = 0
        context.dry = dry

    def stop(self) -> None:
        """End before the next action, or at once while it waits for the operator."""
        self._stopping.set()

    async def run(self) -> Ending:
        """StepRun the steps and return how it ended; raises nothing but `CancelledError`, with the journal written."""
        ending = Ending("stopped", "it was cut off")
        try:
            ending = await self._walk()
        except asyncio.CancelledError:
            self._mark("stopped", ending.words)
            raise
        finally:
            try:
                self.journal.write("ended", outcome=ending.outcome, words=ending.words)
            except CowhandError as error:
                ending = replace(ending, words=f"{ending.words}; {error}")
            ending = replace(ending, words=show.line(self.context, ending.words))
            self._tell(FlowEnded(self.journal.run, ending.outcome, ending.words, ending.missing, time.time()))
        return ending

    async def _walk(self) -> Ending:
        try:
            self.steps = await self._read_steps()
            self.states = ["waiting"] * len(self.steps)
            names = tuple((step.name, step.words) for step in self.steps)
            self._tell(FlowBegan(self.journal.run, self.flow.name, self.flow.words, names, self.dry, time.time()))
            for index in range(len(self.steps)):
                await StepRun(self, index).walk()
        except Ended as ended:
            return ended.ending
        except Stopped:
            at = next((i for i, state in enumerate(self.states) if state in ("checking", "planned", "applying")), None)
            if at is not None:
                self.stand(at, "stopped", "stopped by the operator")
            return Ending("stopped", f"stopped; {self._so_far()}")
        except CowhandError as error:
            self._mark("failed", str(error))
            return Ending("failed", f"{error}; {self._so_far()}")
        except Exception as error:
            self._mark("failed", summarize(error))
            return Ending("failed", f"cowhand itself is at fault: {summarize(error)}; {self._so_far()}")
        return self._end()

    async def _read_steps(self) -> Sequence[Step]:
        while True:
            try:
                steps = tuple(self.flow.steps(self.context))
            except Unanswered as error:
                await self.answer(0, error.question)
                continue
            assert len({step.name for step in steps}) == len(steps), f"{self.flow.name}: two steps of one name"
            return steps

    def _end(self) -> Ending:
        left = [step.name for step, state in zip(self.steps, self.states, strict=True) if state == "left"]
        if self.missing:
            return Ending(
                "unanswered", f"needs answers: {join_words(self.missing)}; nothing was changed", self.missing[0]
            )
        if self.dry:
            return Ending("planned", "this is what would be done; nothing was changed")
        if left:
            return Ending("incomplete", f"left out: {join_words(left)}; {self._so_far()}")
        if not self._begun:
            return Ending("done", "nothing to do: it is all so already")
        return Ending("done", "done, and verified")

    def _so_far(self) -> str:
        if not self._begun:
            return "nothing was changed"
        made = [s.name for s, state in zip(self.steps, self.states, strict=True) if state in ("done", "so")]
        return (
            f"{join_words(made)} {'is' if len(made) == 1 else 'are'} done"
            if made
            else "something was changed, see above"
        )

    # ── telling and asking ──────────────────────────────────────────────────────────────────────────────────────────

    def stand(self, index: int, state: StepState, words: str, evidence: Sequence[str] = ()) -> None:
        """Tell how a step stands; whatever ends a state is journalled too."""
        self.states[index] = state
        words = show.line(self.context, words)
        lines = tuple(show.line(self.context, line) for line in evidence)
        self._tell(StepChanged(self.journal.run, index, state, words, lines, time.time()))
        if state not in ("checking", "planned", "applying", "verifying"):
            self.journal.write("step", step=self.steps[index].name, state=state, words=words, evidence=lines)

    def say(self, text: str) -> None:
        """Tell the operator a sentence."""
        self._tell(FlowSaid(self.journal.run, show.line(self.context, text), time.time()))

    def tell(self, event: FlowEvent) -> None:
        """Pass an event on."""
        self._tell(event)

    def count(self, begun: int) -> None:
        """Remember that changes were begun, however they ended."""
        self._begun += begun

    def checkpoint(self) -> None:
        """Raise `Stopped` when the operator wants an end."""
        if self._stopping.is_set():
            raise Stopped("stopped by the operator")

    @property
    def all(self) -> bool:
        """Whether the operator said yes to all that follows."""
        return self._all

    async def prompt(self, prompt: Prompt) -> str | None:
        """Put a prompt and wait; raises `Stopped` when the operator stops the run instead."""
        self.checkpoint()
        self._tell(FlowAsked(self.journal.run, prompt))
        asking = asyncio.ensure_future(self.operator(prompt))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Stopped("stopped by the operator")
            return asking.result()
        finally:
            asking.cancel()
            stopping.cancel()
            self._tell(FlowAsked(self.journal.run, None))

    def id(self) -> str:
        """A name for the next prompt of this run."""
        self._prompts += 1
        return f"{self.journal.run}:{self._prompts}"

    async def answer(self, step: int, question: Ask) -> bool:
        """Have a step's question answered; without an answer a dry run goes on with the next step, any other ends."""
        text = await self.prompt(
            Prompt(
                self.id(),
                "answer",
                step,
                show.line(self.context, question.text),
                question.key,
                {value: show.line(self.context, words) for value, words in question.choices.items()},
                question.default,
                secret=question.secret,
            )
        )
        if text == "" and question.default is not None:
            text = question.default
        if text is None or (question.choices and text not in question.choices):
            wrong = (
                ""
                if text is None
                else f"{show.line(self.context, text, 60)} is none of {join_words([*question.choices])}; "
            )
            words = f"{wrong}needs an answer: {question.text} (--answer {question.key}=…)"
            if self.dry and self.steps:
                self.missing.append(question.key)
                self.stand(step, "later", words)
                return False
            raise Ended(Ending("unanswered", f"{words}; {self._so_far()}", question.key))
        self.context.answers[question.key] = text
        if question.secret:
            self.context.hide(text)
        else:
            self.journal.write("answer", key=question.key, value=text)
        return True

    def take_all(self) -> None:
        """From now on every plan is agreed to; losses are still typed."""
        self._all = True

    def end(self, outcome: RunOutcome, words: str, missing: str = "") -> Ended:
        """What to raise to end the run."""
        return Ended(Ending(outcome, words, missing))

    def so_far(self) -> str:
        """What this run has changed, in a sentence."""
        return self._so_far()

    def _mark(self, state: StepState, words: str) -> None:
        for index, known in enumerate(self.states):
            if known in ("checking", "planned", "applying", "verifying"):
                self.states[index] = state
                line = show.line(self.context, words)
                self._tell(StepChanged(self.journal.run, index, state, line, (), time.time()))
