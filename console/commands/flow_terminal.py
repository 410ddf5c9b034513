"""A flow without screens: what `cowhand flow` prints, asks and returns."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands.flow_operator import Operator
from console.commands.flow_options import FlowOptions
from console.commands.flow_printer import Printer
from console.engine import lanes
from console.errors import CowhandError
from console.events import (
    RunOutcome,
)
from console.process.signals import PRESSES
from console.runner.context import StepContext, Surroundings
from console.runner.ending import Ending
from console.runner.session import Session
from console.runner.step import Flow
from console.text import clean, join_words

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.process.signals import Second
    from console.store.journal import Record

EXIT: dict[RunOutcome, int] = {
    "done": 0, "planned": 0, "failed": 1, "refused": 1, "stopped": 1, "incomplete": 1, "unanswered": 4,
}  # fmt: skip

OPENING = 20.0
"""Seconds that connecting to the hosts may take before the first step is checked."""

CUT = 0.3
"""Seconds that the action under way may still take after SIGTERM or SIGHUP."""

UNREAD = 2.0
"""Seconds that a reader has after a signal; without one it has all the time it wants, as a pager does."""


async def run(
    flow: Flow,
    estate: Estate,
    opened: Vantages,
    asked: FlowOptions,
    folder: Path | None,
    load: Callable[[], Estate],
    undoing: Record | None = None,
    second: Second | None = None,
) -> int:
    """Run a flow in this terminal and return its exit status.

    `load` reads the estate again, for a flow that changes it; with `undoing` that earlier run is taken back."""
    printer = Printer(asked)

    async def renewal() -> Surroundings:
        fresh = await asyncio.to_thread(load)
        await opened.renew(fresh.site)
        return Surroundings(fresh, opened.named, opened.reasons)

    context = StepContext(estate, opened.named, opened.reasons, asked.answers, asked.destroy, renewal)
    lanes.attach(context, opened)
    operator = Operator(asked, printer)
    session = Session(flow, context, operator.ask, printer.tell, None if asked.dry else folder, undoing)
    signals = Signals(session, printer, second)
    signals.install()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENING):
                await opened.open()
        ending: Ending = await session.run()
        if unasked := sorted({*asked.answers} - context.asked):
            printer.say(f"--answer {join_words(unasked)}: this run asked nothing by that name")
    except asyncio.CancelledError:
        return 128 + signals.number if signals.number else 1
    except CowhandError as error:
        printer.say(str(error))
        return 1
    finally:
        signals.remove()
        await opened.close()
        await printer.close(UNREAD if signals.number else None)
    if asked.runbook and session.planned is not None:
        from console.runner import runbook

        if ending.outcome != "planned":
            print(f"cowhand: no runbook: {clean(ending.words, 400)}", file=sys.stderr)
        else:
            print(runbook.write(flow.name, flow.words, context, *session.planned), end="")
    return 128 + signals.number if signals.number else EXIT[ending.outcome]


class Signals:
    """Ctrl+C stops the run after the action under way, a second one ends that action, a third one cuts it off.

    SIGTERM and SIGHUP cut it soon. What cuts it is heard within seconds, or the second process ends this one; an action
    that is to come to its end after the first two may take its time. asyncio's own handlers would take the descriptor
    that the second process hears of signals by (`process.signals`), so these are plain ones; `second` is None where
    there is none."""

    def __init__(self, session: Session, printer: Printer, second: Second | None = None) -> None:
        self.session, self.printer, self.second = session, printer, second
        self._before: dict[int, Any] = {}
        self.number = self.times = 0
        self._task = asyncio.current_task()
        self._cutting: asyncio.Future[None] | None = None

    def install(self) -> None:
        """Install the handlers."""
        loop = asyncio.get_running_loop()

        def take(number: int, _: object) -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hear, number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, take)

    def remove(self) -> None:
        """Remove the handlers."""
        for number, before in self._before.items():
            signal.signal(number, before)

    async def _cut(self, task: asyncio.Task[Any]) -> None:
        await self.session.cut()
        task.cancel()

    def _hear(self, number: int) -> None:
        assert self._task is not None
        times, self.number = self.times, number
        if self.second is not None and (number != signal.SIGINT or times + 1 >= PRESSES):
            self.second.heard()
        self.times += 1
        self.session.stop()
        if number == signal.SIGINT and times == 0:
            self.printer.say("stopping after the command under way; ctrl+c again ends that too")
        elif number == signal.SIGINT and times == 1:
            self.printer.say("ending the command under way; ctrl+c again cuts it off")
            self._cutting = asyncio.ensure_future(self._cut(self._task))
        elif number == signal.SIGINT:
            self._task.cancel()
        else:
            asyncio.get_running_loop().call_later(CUT, self._task.cancel)
