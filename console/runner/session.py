"""A run from its lock to its end: what the command line and the engine both start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from console.errors import CowhandError
from console.events import FlowEvent
from console.hosts import marks
from console.hosts.lock import Console, HostLocks
from console.hosts.recorded import Recorded
from console.runner import undo, unsettled
from console.runner.context import StepContext
from console.runner.ending import Ending
from console.runner.plan import CheckResult, Plan
from console.runner.progress import Operator, Progress
from console.runner.runner import Runner
from console.runner.step import Flow, Step
from console.store import journal as journals
from console.store.journal import Journal, Lock, NullJournal, Record

HEED = 10.0
"""Seconds that a command gets to end after its signal, before it is cut off."""


class Session:
    """One run of a flow on one site; `folder` is where the site's journals are, None for a dry run.

    With `undoing` the run takes back what an earlier run of this flow did."""

    def __init__(
        self,
        flow: Flow,
        context: StepContext,
        operator: Operator,
        tell: Callable[[FlowEvent], None],
        folder: Path | None,
        undoing: Record | None = None,
    ) -> None:
        self.flow, self.context, self.operator, self.tell = flow, context, operator, tell
        self.folder, self.undoing = folder, undoing
        self._progress: Progress | None = None
        self._stopped = False

    @property
    def planned(self) -> tuple[list[tuple[Step, CheckResult, Plan]], Sequence[Step]] | None:
        """What a dry run found to be needed, and all steps."""
        if self._progress is None:
            return None
        return self._progress.planned, [entry.step for entry in self._progress.entries]

    def stop(self) -> None:
        """End between two actions, or at once while it waits for the operator."""
        self._stopped = True
        if self._progress is not None:
            self._progress.stop()

    async def cut(self) -> None:
        """End at once, in good order: the command under way gets its own signal, and some seconds to heed it."""
        self.stop()
        running = self._progress.running if self._progress is not None else None
        if running is None:
            return
        with suppress(CowhandError):
            await marks.signal(self.context.machine(running.host), running.mark, running.signal)
        with suppress(TimeoutError):
            async with asyncio.timeout(HEED):
                await running.ended.wait()

    async def run(self) -> Ending:
        """Take the site's lock, walk the flow, let go; raises `SiteLocked` or `JournalError` before it begins."""
        for host in self.context.hosts.values():
            if isinstance(host, Recorded):
                host.hide = self.context.redact
        if self.undoing is not None:
            self.flow = undo.reverse(self.flow, self.undoing, self.context)
        if self.folder is None:
            return await self._walk(NullJournal(), dry=True)
        with Lock(self.folder, self.flow.name):
            carried = journals.carried(self.folder)
            journal = Journal(self.folder, self.context.redact)
            console = Console(journal.run, self.flow.name, **journals.whoever())
            locks = self.context.locks = HostLocks(console, journals.identity(self.folder))
            try:
                journal.write(
                    "began", flow=self.flow.name, site=str(self.context.estate.file), **journals.whoever(),
                    undo=self.undoing.run if self.undoing else None,
                    carries=True,
                    unproven=[list(each) for each in sorted(carried.unproven)], open=list(carried.open),
                    answers=carried.answers or None,
                )  # fmt: skip
                return await self._walk(journal, dry=False, carried=carried)
            finally:
                await locks.release()
                journal.close()

    async def _walk(self, journal: Journal, dry: bool, carried: journals.Carried | None = None) -> Ending:
        progress = self._progress = Progress(self.context, self.operator, self.tell, journal, dry)
        if carried is not None:
            progress.unproven = set(carried.unproven)
            progress.offered = dict(carried.answers)
            progress.unsettled = [unsettled.read("", each) for each in carried.open]
        if self._stopped:
            progress.stop()
        return await Runner(self.flow, progress).run()
