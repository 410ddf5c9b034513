"""What a flow says without screens: its events as lines, or as JSON."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TextIO

import msgspec

from console.commands.flow_options import FlowOptions
from console.events import (
    ActionBegan,
    ActionEnded,
    ActionProgressed,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowSaid,
    PlanShown,
    StepChanged,
    StepPlanned,
    StepsListed,
)
from console.text import clean, progress

if TYPE_CHECKING:
    pass

MARKS = {
    "so": "✓", "done": "✓", "skipped": "·", "left": "·", "later": "…", "planned": "▸", "refused": "✗", "failed": "✗",
    "undone": "↶", "stopped": "■",
}  # fmt: skip

PROGRESS = 10.0
"""Seconds between two lines that say how far an action is."""


class Printer:
    """Prints events from a thread of its own, so that a stalled terminal delays no step."""

    def __init__(self, asked: FlowOptions) -> None:
        self.asked = asked
        self.out: TextIO = sys.stderr if asked.runbook else sys.stdout
        self._names: tuple[tuple[str, str], ...] = ()
        self._paths: tuple[tuple[str, ...], ...] = ()
        self._within: tuple[str, ...] = ()
        self._far = 0.0
        self._lines: queue.SimpleQueue[tuple[TextIO, str] | None] = queue.SimpleQueue()
        self._printed: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        self._lines.put((sys.stderr, f"{clean(text, 1000)}\n"))

    def ask(self, text: str) -> None:
        """Print a prompt, without ending its line."""
        self._lines.put((sys.stderr, text))

    def tell(self, event: FlowEvent) -> None:
        """Print an event: as a line of JSON, or as an operator reads it."""
        if self.asked.json:
            self._lines.put((self.out, msgspec.json.encode(event).decode() + "\n"))
            return
        text = self._text(event)
        if text and not (self.asked.runbook and _in_runbook(event)):
            self._lines.put((self.out, text + "\n"))

    async def close(self, patience: float | None = None) -> None:
        """Wait until everything is printed, however slowly it is read, or until `patience` seconds are over."""
        printed = asyncio.Event()
        self._printed = partial(asyncio.get_running_loop().call_soon_threadsafe, printed.set)
        self._lines.put(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await printed.wait()

    def _print(self) -> None:
        while (item := self._lines.get()) is not None:
            file, text = item
            with suppress(OSError, ValueError):
                file.write(text)
                file.flush()
        with suppress(RuntimeError):  # nobody waits any more
            self._printed()

    def _text(self, event: FlowEvent) -> str:
        match event:
            case FlowBegan():
                self._names, self._paths, self._within = event.steps, event.paths, (event.flow,)
                return f"{event.flow}  {event.words}" + ("  (dry run: nothing is changed)" if event.dry else "")
            case StepsListed():
                self._names, self._paths = event.steps, event.paths
                return ""
            case StepChanged(state=("checking" | "applying" | "verifying")):
                return ""
            case StepChanged():
                name = self._names[event.step][0]
                head = f"{MARKS.get(event.state, ' ')} {event.step + 1} {name}  {event.words}"
                rows = [*self._heading(event.step), head.rstrip()]
                return "\n".join([*rows, *(f"      {line}" for line in event.evidence)])
            case StepPlanned():
                return "\n".join(plan_lines(event.plan))
            case ActionBegan():
                self._far = event.at
                first, *more = event.action.lines
                return f"    ─ {event.action.host}: {first}{' …' if more else ''}"
            case ActionProgressed() if event.at - self._far >= PROGRESS:
                self._far = event.at
                far = progress(event.done, event.total, event.unit, event.rate, event.left)
                return f"      {f'{event.words} {far}'.strip()}"
            case ActionEnded():
                took = f"{event.seconds:.1f} s"
                rows = [f"      {row}" for row in event.output.split("\n") if row]
                status = "" if event.status is None else f"status {event.status}, "
                ending = f"✗ {event.problem} ({took})" if event.problem else f"{status}{took}"
                return "\n".join([*rows, f"      {ending}"])
            case FlowSaid():
                return f"  {event.text}"
            case FlowEnded():
                return f"{event.outcome}: {event.words}"
        return ""

    def _heading(self, step: int) -> list[str]:
        """The flow that the following steps belong to, when it is another one than before."""
        within = self._paths[step] if step < len(self._paths) else self._within
        if within == self._within:
            return []
        self._within = within
        return [" / ".join(within)]


def _in_runbook(event: FlowEvent) -> bool:
    """Whether a runbook, which follows on stdout, says it too: all but what keeps it from being written."""
    match event:
        case StepChanged():
            return event.state not in ("refused", "failed", "stopped")
        case FlowEnded():
            return event.outcome == "planned"
    return True


def plan_lines(plan: PlanShown) -> list[str]:
    """Return the lines of a plan."""
    rows = [f"      {note}" for note in plan.notes]
    for action in plan.actions:
        first, *more = action.lines
        rows += [f"    {action.host}: {first}", *(f"      {row}" for row in more)]
        rows += [f"      {row}" for row in action.diff.split("\n") if row]
    rows += [f"    lost: {words} (type {name})" for name, words in plan.loses]
    rows += [f"    {label}: {words}" for label, words in _rest(plan) if words]
    return rows


def _rest(plan: PlanShown) -> list[tuple[str, str]]:
    undo = plan.undo or ("" if not plan.actions else "cannot be undone")
    back = [("reverts by itself", words) for words in plan.rollbacks]
    return [("not exact yet", plan.later), *back, ("undo", undo)]
