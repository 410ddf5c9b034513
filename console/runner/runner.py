"""One run of a flow, from its list of steps to its end: the only mechanism by which cowhand changes a host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from console.errors import CowhandError, summarize
from console.events import FlowBegan, FlowEnded, RunOutcome, StepsListed, StepState
from console.runner import show
from console.runner.context import StepContext, Unanswered
from console.runner.ending import Ended, Ending
from console.runner.plan import Ask, CheckResult, NotYetKnown, Plan
from console.runner.progress import Entry, Progress, Stopped
from console.runner.step import Flow, Step
from console.runner.step_run import StepRun
from console.text import join_words


class Unlisted(Step):
    """Stands in the list for a flow whose steps are not known before earlier steps are done."""

    def __init__(self, flow: Flow, why: str) -> None:
        self.name, self.words, self.why = flow.name, flow.words, why

    async def check(self, context: StepContext) -> CheckResult:
        """Nothing is known yet."""
        raise NotYetKnown(self.why)

    async def plan(self, context: StepContext) -> Plan:
        """Nothing is known yet."""
        raise NotYetKnown(self.why)


class Runner:
    """Walks the steps of a flow, and of the flows inside it, in order."""

    def __init__(self, flow: Flow, progress: Progress) -> None:
        self.flow, self.progress = flow, progress
        self.context = progress.context

    async def run(self) -> Ending:
        """Walk the steps and return how it ended; raises nothing but `CancelledError`, with the journal written."""
        progress = self.progress
        ending = Ending("stopped", "it was cut off")
        try:
            ending = await self._walk()
        except asyncio.CancelledError:
            progress.close_steps("stopped", ending.words)
            raise
        finally:
            try:
                progress.journal.write("ended", outcome=ending.outcome, words=ending.words)
            except CowhandError as error:
                ending = replace(ending, words=f"{ending.words}; {error}")
            ending = replace(ending, words=show.line(self.context, ending.words))
            progress.tell(FlowEnded(progress.journal.run, ending.outcome, ending.words, ending.missing, time.time()))
        return ending

    async def _walk(self) -> Ending:
        progress = self.progress
        try:
            await self._list()
            while (entry := self._next()) is not None:
                if isinstance(entry.step, Unlisted):
                    await self._list()
                    entry = self._next() or entry
                await StepRun(progress, entry).walk()
                if entry.step.renews and progress.states[entry.path] == "done":
                    await self.context.renew()
                    await self._list()
        except Ended as ended:
            return ended.ending
        except Stopped:
            progress.close_steps("stopped", "stopped by the operator")
            return Ending("stopped", f"stopped; {progress.so_far()}")
        except CowhandError as error:
            progress.close_steps("failed", str(error))
            return Ending("failed", f"{error}; {progress.so_far()}")
        except Exception as error:
            progress.close_steps("failed", summarize(error))
            return Ending("failed", f"cowhand itself is at fault: {summarize(error)}; {progress.so_far()}")
        return self._end()

    def _next(self) -> Entry | None:
        """The first step that was not looked at yet."""
        return next((entry for entry in self.progress.entries if entry.path not in self.progress.states), None)

    async def _list(self) -> None:
        """List the steps, and tell them when they are new; questions that this depends on are put."""
        progress = self.progress
        while True:
            try:
                entries = tuple(self._entries(self.flow, ()))
            except Unanswered as error:
                await progress.answer(None, error.questions)
                continue
            break
        assert len({entry.path for entry in entries}) == len(entries), f"{self.flow.name}: two steps of one name"
        if not progress.entries:
            progress.entries = entries
            names, paths = _told(entries)
            run, flow = progress.journal.run, self.flow
            progress.tell(FlowBegan(run, flow.name, flow.words, names, progress.dry, time.time(), paths))
        elif [entry.path for entry in entries] != [entry.path for entry in progress.entries]:
            progress.entries = entries
            progress.tell(StepsListed(progress.journal.run, *_told(entries), time.time()))
        else:
            progress.entries = entries

    def _entries(self, flow: Flow, within: tuple[str, ...]) -> Iterator[Entry]:
        flows = (*within, flow.name)
        try:
            listed: Sequence[Step | Flow] = tuple(flow.steps(self.context))
        except NotYetKnown as error:
            yield Entry(flows, Unlisted(flow, str(error)))
            return
        for each in listed:
            if isinstance(each, Flow):
                yield from self._entries(each, flows)
            else:
                yield Entry(flows, each)

    def _end(self) -> Ending:
        progress = self.progress
        left = [entry.step.name for entry in progress.entries if progress.states.get(entry.path) == "left"]
        if progress.missing:
            wanted = ", ".join(f"--answer {key}={_offered(each)}" for key, each in progress.missing.items())
            words = f"questions without an answer yet: give {wanted}; nothing was changed"
            return Ending("unanswered", words, next(iter(progress.missing)))
        if progress.dry:
            return Ending("planned", "this is what would be done; nothing was changed")
        if left:
            return Ending("incomplete", f"left out: {join_words(left)}; {progress.so_far()}")
        if summed := self._summed():
            return summed
        if not progress.begun:
            return Ending("done", "nothing to do: everything is as it should be")
        return Ending("done", "done, and verified")

    def _summed(self) -> Ending | None:
        """What the step found that sums the run up, else what is wrong; None when neither says anything."""
        progress = self.progress
        outcomes: dict[StepState, RunOutcome] = {"so": "done", "failed": "failed", "skipped": "incomplete"}
        for entry in progress.entries:
            outcome = outcomes.get(progress.states.get(entry.path, "waiting"))
            if entry.step.sums_up and outcome:
                return Ending(outcome, progress.words[entry.path])
        bad = [entry for entry in progress.entries if progress.states.get(entry.path) == "failed"]
        return Ending("failed", f"{bad[-1].step.name}: {progress.words[bad[-1].path]}") if bad else None


def _offered(question: Ask) -> str:
    """What may be given for an answer: the values to choose from, else what kind of thing it is."""
    return "|".join(question.choices) or question.kind.upper()


def _told(entries: Sequence[Entry]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, ...], ...]]:
    return tuple((entry.step.name, entry.step.words) for entry in entries), tuple(entry.flows for entry in entries)
