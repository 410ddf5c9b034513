"""Taking a past run back: its steps in reverse, each by its own `undo`; planned, confirmed, verified like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from console.errors import CowhandError
from console.runner.context import StepContext
from console.runner.plan import CheckResult, NotYetKnown, Plan, done, needed, skipped
from console.runner.step import Flow, Step
from console.store.journal import Record
from console.text import clean


class UndoRefused(CowhandError):
    """A run cannot be taken back; the text says why."""


class Undo(Step):
    """Takes one step back: it is done when the step's own check no longer finds its result."""

    def __init__(self, step: Step, past: list[dict[str, Any]]) -> None:
        self.step, self.past = step, past
        self.name, self.words = step.name, f"take back: {step.words or step.name}"
        self.guarded, self.patience = (), step.patience

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while the step's result is there and can be taken back."""
        found = await self.step.check(context)
        if found.state != "done":
            return done(f"its result is not there: {found.words}", *found.evidence)
        if await self._way_back(context) is None:
            return skipped(f"nothing takes this back: {found.words}", *found.evidence)
        return needed(found.words, *found.evidence)

    async def plan(self, context: StepContext) -> Plan:
        """The step's own way back."""
        plan = await self._way_back(context)
        if plan is None:
            raise NotYetKnown("nothing takes this back")
        return plan if plan.undo else replace(plan, undo="start the flow again to make it once more")

    async def _way_back(self, context: StepContext) -> Plan | None:
        context.past[self.step.name] = self.past
        return await self.step.undo(context)

    async def verify(self, context: StepContext) -> CheckResult:
        """Proven when the step's result is gone."""
        found = await self.step.check(context)
        if found.state == "done":
            return needed(f"its result is still there: {found.words}")
        return done(f"taken back: {found.words}", *found.evidence)


class Unknown(Step):
    """A step of the run that its flow does not have any more."""

    def __init__(self, name: str) -> None:
        self.name, self.words = name, f"take back: {name}"

    async def check(self, context: StepContext) -> CheckResult:
        """Skipped, with the reason."""
        return skipped("the flow has no step of this name for this site now: it is left as it is")


def changed(record: Record) -> list[tuple[str, str]]:
    """(flow, step) of each step that a run began to change, in order of its last change, without those it undid."""
    found: dict[tuple[str, str], None] = {}
    for entry in record.entries:
        key = str(entry.data.get("flow") or record.flow), str(entry.data.get("step", ""))
        if entry.kind == "intent":
            found.pop(key, None)
            if not entry.data.get("undo"):
                found[key] = None
        elif entry.kind == "step" and entry.data.get("state") == "undone":
            found.pop(key, None)
    return list(found)


def ways_back(record: Record) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(flow, step) → what takes back each change that it made, in order; an empty one where nothing does."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    begun: dict[str, dict[str, Any]] = {}
    for entry in record.entries:
        mark = str(entry.data.get("mark", ""))
        if entry.kind == "do" and not entry.data.get("guard"):
            begun[mark] = {**entry.data.get("undo", {}), "key": entry.data.get("key", "")}
        elif entry.kind == "did" and mark in begun and not entry.data.get("problem"):
            key = str(entry.data.get("flow") or record.flow), str(entry.data.get("step", ""))
            found.setdefault(key, []).append(begun[mark])
    return found


def answers(record: Record) -> dict[str, str]:
    """What was answered in a run; secrets were not kept."""
    return {str(entry.data["key"]): str(entry.data.get("value", "")) for entry in record.entries
            if entry.kind == "answer" and "key" in entry.data}  # fmt: skip


def refuse(name: str, record: Record) -> None:
    """Raise `UndoRefused` when a run is not of the flow `name`, still runs, was an undo or changed nothing."""
    if record.flow != name:
        raise UndoRefused(f"{record.run} is a run of {clean(record.flow, 40)}, not of {name}")
    if record.state == "running":
        raise UndoRefused(f"{record.run} still runs")
    if record.undo:
        raise UndoRefused(f"{record.run} took back {record.undo}: start {name} to make it again")
    if not changed(record):
        raise UndoRefused(f"{record.run} changed nothing")


def reverse(flow: Flow, record: Record, context: StepContext) -> Flow:
    """The flow that takes a run back; raises `UndoRefused` as `refuse` does."""
    refuse(flow.name, record)
    wanted = changed(record)
    for key, value in answers(record).items():
        context.answers.setdefault(key, value)
    past = ways_back(record)

    def steps(context: StepContext) -> Sequence[Step]:
        known = {(each, step.name): step for each, step in _all(flow, context)}
        found = [(key, known.get(key)) for key in reversed(wanted)]
        return [Undo(step, past.get(key, [])) if step is not None else Unknown(key[1]) for key, step in found]

    return Flow(steps, flow.name, f"take back the run {record.run}")


def _all(flow: Flow, context: StepContext) -> Iterator[tuple[str, Step]]:
    try:
        listed = tuple(flow.steps(context))
    except NotYetKnown:
        return
    for each in listed:
        if isinstance(each, Flow):
            yield from _all(each, context)
        else:
            yield flow.name, each
