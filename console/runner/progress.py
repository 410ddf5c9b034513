"""How far a run is: its steps and their states, what it tells, asks and writes down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from console.errors import CowhandError
from console.events import FlowAsked, FlowEvent, FlowSaid, Prompt, RunOutcome, StepChanged, StepState
from console.runner import show
from console.runner.answers import choices, problem
from console.runner.context import StepContext
from console.runner.ending import Ended, Ending
from console.runner.plan import Ask, CheckResult, Loss, Plan
from console.runner.step import Step
from console.store.journal import Journal
from console.text import join_words

Operator = Callable[[Prompt], Awaitable[str | None]]
"""Puts a prompt to the operator; None: there is no answer."""

UNDER_WAY: tuple[StepState, ...] = ("checking", "planned", "applying", "verifying")


class Stopped(CowhandError):
    """The operator stopped the run, between two actions."""


class Entry(Struct, frozen=True):
    """One step in the list of a run; `flows` are the flows that it is in, the outermost first."""

    flows: tuple[str, ...]
    step: Step

    @property
    def flow(self) -> str:
        """The flow that the step belongs to, whichever flow was started."""
        return self.flows[-1]

    @property
    def path(self) -> tuple[str, ...]:
        """The flows and the step's own name."""
        return (*self.flows, self.step.name)

    @property
    def identity(self) -> tuple[str, str]:
        """What stays the same however the step is reached: its own flow and its name."""
        return self.flow, self.step.name


class Unsettled(Struct, frozen=True):
    """A command that was begun and of whose end nothing is known; `at` and `limit` are seconds."""

    run: str
    mark: str
    host: str
    text: str
    at: float
    limit: float


class Running:
    """The action under way: its host by key, its mark, the signal that ends it in good order, and when it has ended."""

    def __init__(self, host: str, mark: str, signal: str) -> None:
        self.host, self.mark, self.signal = host, mark, signal
        self.ended = asyncio.Event()


class Progress:
    """The state of one run, and the only way in which it tells, asks and journals. A `dry` run changes nothing."""

    def __init__(
        self,
        context: StepContext,
        operator: Operator,
        tell: Callable[[FlowEvent], None],
        journal: Journal,
        dry: bool = False,
    ) -> None:
        self.context, self.journal, self.dry, self.tell = context, journal, dry, tell
        self.entries: Sequence[Entry] = ()
        self.states: dict[tuple[str, ...], StepState] = {}
        self.words: dict[tuple[str, ...], str] = {}
        """Why each step stands as it does, in words."""
        self.planned: list[tuple[Step, CheckResult, Plan]] = []
        """What a dry run found to be needed, in order."""
        self.unproven: set[tuple[str, str]] = set()
        """Identities of the steps that were begun and not proven, by this run or an earlier one."""
        self.unsettled: list[Unsettled] = []
        """Commands that may still run, begun by this run or an earlier one."""
        self.made: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """What takes back each change that succeeded in this run, by the identity of its step, in order."""
        self.running: Running | None = None
        self.typed: set[Loss] = set()
        """What the operator agreed to lose, by typing its name."""
        self.offered: dict[str, str] = {}
        """What was answered in the run before, offered again; secrets are not kept."""
        self.missing: dict[str, Ask] = {}
        """Answers that a dry run went on without."""
        self.agreed = False
        """Whether the operator said yes to all that follows."""
        self.begun = 0
        """Changes that were begun, however they ended."""
        self.at = 0
        """The step that was told of last: where a question that belongs to no step is put."""
        self._operator = operator
        self._stopping = asyncio.Event()
        self._prompts = 0

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def index(self, entry: Entry) -> int:
        """The place of a step in the list that was told last."""
        return next(number for number, known in enumerate(self.entries) if known.path == entry.path)

    def stand(self, entry: Entry, state: StepState, words: str, evidence: Sequence[str] = ()) -> None:
        """Set a step's state, tell it, and journal what is not a mere look."""
        self.states[entry.path], self.words[entry.path] = state, words
        self.at = self.index(entry)
        told = show.line(self.context, words)
        rows = tuple(show.line(self.context, each) for each in evidence)
        if state not in UNDER_WAY:
            self.journal.write(
                "step", step=entry.step.name, flow=entry.flow, state=state, words=told, evidence=list(rows)
            )
        if state in ("done", "so", "undone"):
            self.unproven.discard(entry.identity)
        self.tell(StepChanged(self.journal.run, self.at, state, told, rows, time.time(), entry.path))

    def say(self, text: str) -> None:
        """Tell the operator a sentence."""
        self.tell(FlowSaid(self.journal.run, show.line(self.context, text), time.time()))

    def close_steps(self, state: StepState, words: str) -> None:
        """Tell of every step under way that the run has ended in it; nothing more is journalled."""
        line = show.line(self.context, words)
        for entry in self.entries:
            if self.states.get(entry.path) in UNDER_WAY:
                self.states[entry.path] = state
                self.tell(StepChanged(self.journal.run, self.index(entry), state, line, (), time.time(), entry.path))

    def so_far(self) -> str:
        """What this run has changed, in a sentence."""
        if not self.begun:
            return "nothing was changed"
        made = [entry.step.name for entry in self.entries if self.states.get(entry.path) in ("done", "so")]
        return (
            f"{join_words(made)} {'is' if len(made) == 1 else 'are'} done"
            if made
            else "something was changed, see above"
        )

    # ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """End before the next action, or at once while the run waits for the operator."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether the operator wants an end."""
        return self._stopping.is_set()

    def checkpoint(self) -> None:
        """Raise `Stopped` when the operator wants an end."""
        if self._stopping.is_set():
            raise Stopped("stopped by the operator")

    async def pause(self, seconds: float) -> None:
        """Wait; raises `Stopped` when the operator wants an end."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise Stopped("stopped by the operator")

    def end(self, outcome: RunOutcome, words: str, missing: str = "") -> Ended:
        """What to raise to end the run."""
        return Ended(Ending(outcome, words, missing))

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def prompt(self, prompt: Prompt) -> str | None:
        """Put a prompt and wait; raises `Stopped` when the operator stops the run instead."""
        self.checkpoint()
        self.tell(FlowAsked(self.journal.run, prompt))
        asking = asyncio.ensure_future(self._operator(prompt))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Stopped("stopped by the operator")
            return asking.result()
        finally:
            asking.cancel()
            stopping.cancel()
            self.tell(FlowAsked(self.journal.run, None))

    def id(self) -> str:
        """A name for the next prompt of this run."""
        self._prompts += 1
        return f"{self.journal.run}:{self._prompts}"

    async def choose(
        self, step: int, kind: str, text: str, choices: dict[str, str], default: str, key: str = ""
    ) -> str | None:
        """Have one of several choices picked; None when there is no answer."""
        line = show.line(self.context, text)
        return await self.prompt(Prompt(self.id(), kind, step, line, key, choices, default))  # type: ignore[arg-type]

    async def answer(self, entry: Entry | None, questions: Sequence[Ask]) -> bool:
        """Have questions answered, one after the other; False when a dry run goes on without, else the run ends."""
        for number, question in enumerate(questions, 1):
            if not await self._answer(entry, question, (number, len(questions))):
                return False
        return True

    async def _answer(self, entry: Entry | None, question: Ask, part: tuple[int, int]) -> bool:
        """Ask until the answer can be used; the same wrong one twice, or none, is no answer."""
        given, key = self.context.answers.get(question.key), question.key
        wrong = problem(question, given) if given is not None else ""
        before = given if wrong else None
        while True:
            text = await self.prompt(self._prompt(entry, question, wrong, part))
            if text == "" and question.default is not None:
                text = question.default
            why = problem(question, text) if text is not None else ""
            if text is None or text == before:
                reason = f"{wrong}; " if wrong else ""
                words = f"{reason}needs an answer: {question.text} (--answer {key}=…)"
                if self.dry and entry is not None:
                    self.missing[key] = question
                    self.stand(entry, "later", words)
                    return False
                raise self.end("unanswered", f"{words}; {self.so_far()}", key)
            if not why:
                break
            wrong, before = why, text
        self.context.answers[key] = text
        if question.secret or question.kind == "secret":
            self.context.hide(text)
        else:
            self.journal.write("answer", flow=entry.flow if entry else "", key=key, value=text)
        return True

    def _prompt(self, entry: Entry | None, question: Ask, wrong: str, part: tuple[int, int]) -> Prompt:
        hidden = question.secret or question.kind == "secret"
        last = None if hidden else self.offered.get(question.key)
        return Prompt(
            self.id(),
            "answer",
            self.index(entry) if entry else self.at,
            show.line(self.context, question.text),
            question.key,
            {value: show.line(self.context, words) for value, words in choices(question).items()},
            question.default,
            secret=hidden,
            wants=question.kind,
            wrong=show.line(self.context, wrong),
            last=last if last is not None and not problem(question, last) else None,
            part=part,
        )
