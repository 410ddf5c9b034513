"""Runs flows on the engine's loop, one at a time, independently of the screens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from console.engine.overview import Overview
from console.errors import CowhandError, summarize
from console.events import (
    CertificateSurvey,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowsChecked,
    Prompt,
    RunOutcome,
    RunsRead,
)
from console.runner.session import Session
from console.runner.state import RunStatus, fold

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.runner.context import Surroundings

BETWEEN = 0.25
"""Seconds that closing waits for the action under way before it is cut off."""


class Stage:
    """The run under way, or the last one. `state` may be read from any thread, the rest from the engine's loop."""

    def __init__(
        self,
        notify: Callable[[FlowEvent | FlowsChecked | RunsRead | CertificateSurvey], None],
        renewal: Callable[[], Awaitable[Surroundings]] | None = None,
    ) -> None:
        self.state: RunStatus | None = None
        self.overview = Overview(notify)
        self._notify, self._renewal = notify, renewal
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._cutting: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._surveying: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[str | None]] = {}

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None and not self._task.done()

    def begin(
        self, estate: Estate, vantages: Vantages, name: str, answers: Mapping[str, str], dry: bool, undoing: str = ""
    ) -> None:
        """Start a run, unless one is under way; `undoing` names the earlier run of this flow that it undoes."""
        if not self.busy:
            self.overview.stop()  # a check would make the hosts redact its own secrets, not the run's
            self._task = asyncio.create_task(self._run(estate, vantages, name, answers, dry, undoing))

    def look(self, estate: Estate, vantages: Vantages, name: str | None) -> None:
        """Check the steps of all flows, or of one; during a run only the journal is read."""
        if self.busy:
            self.overview.read(estate, vantages.lab is not None)
        else:
            self.overview.look(estate, vantages, name)

    def read_runs(self, estate: Estate, vantages: Vantages) -> None:
        """Read the journal in a thread; `RunsRead` follows."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.create_task(self._read_runs(estate, vantages.lab is not None))

    async def _read_runs(self, estate: Estate, lab: bool) -> None:
        from console.engine import past

        try:
            self._notify(await asyncio.to_thread(past.read, estate.file, lab))
        except Exception as error:
            self._notify(RunsRead((), f"the journal cannot be read: {summarize(error)}"))

    def look_certificates(self, estate: Estate, vantages: Vantages) -> None:
        """Look at every place of a certificate, unless that is under way; `CertificateSurvey` follows."""
        if self._surveying is None or self._surveying.done():
            self._surveying = asyncio.create_task(self._survey(estate, vantages))

    async def _survey(self, estate: Estate, vantages: Vantages) -> None:
        from console.engine.certificate_survey import survey

        try:
            self._notify(await survey(estate, vantages))
        except Exception as error:
            self._notify(CertificateSurvey(time.time(), unseen=(f"cowhand failed here: {summarize(error)}",)))

    def answer(self, id: str, text: str | None) -> None:
        """Answer the prompt with this id (None: dismissed). An id that is no longer open is ignored."""
        waiting = self._waiting.get(id)
        if waiting is not None and not waiting.done():
            waiting.set_result(text)

    def stop(self, cut: bool = False) -> None:
        """Stop the run after the action under way; `cut` stops that action too."""
        if self._session is not None:
            self._session.stop()
        if cut and self._task is not None and (self._cutting is None or self._cutting.done()):
            self._cutting = asyncio.create_task(self._cut(self._session, self._task))

    async def _cut(self, session: Session | None, task: asyncio.Task[None]) -> None:
        if session is not None:
            await session.cut()
        await asyncio.wait({task}, timeout=BETWEEN)
        task.cancel()

    async def close(self) -> None:
        """Stop the run, after its action when that ends soon, and close its journal."""
        self.overview.stop()
        for task in (self._reading, self._surveying):
            if task is not None:
                task.cancel()
        if self._task is None:
            return
        self.stop()
        if self._cutting is not None:
            self._cutting.cancel()
        await asyncio.wait({self._task}, timeout=BETWEEN)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(
        self, estate: Estate, vantages: Vantages, name: str, answers: Mapping[str, str], dry: bool, undoing: str
    ) -> None:
        from console.engine import lanes
        from console.flows.registry import find
        from console.runner.context import StepContext
        from console.store import journal

        try:
            context = StepContext(estate, vantages.named, vantages.reasons, answers, renewal=self._renewal)
            lanes.attach(context, vantages)
            folder = journal.place(estate.file, lab=vantages.lab is not None)
            record = journal.find(folder, undoing) if undoing else None
            self._session = Session(find(name), context, self._ask, self._hear, None if dry else folder, record)
            await self._session.run()
        except CowhandError as error:
            self._never_began(name, "refused", str(error))
        except Exception as error:
            self._never_began(name, "failed", summarize(error))
        finally:
            self._session = None
        self.overview.read(estate, vantages.lab is not None)

    def _never_began(self, name: str, outcome: RunOutcome, words: str) -> None:
        if self.state is None or self.state.outcome is not None:
            self._hear(FlowBegan("", name, "", (), False, time.time()))
        assert self.state is not None
        self._hear(FlowEnded(self.state.run, outcome, words, "", time.time()))

    async def _ask(self, prompt: Prompt) -> str | None:
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[prompt.id] = waiting
        try:
            return await waiting
        finally:
            del self._waiting[prompt.id]

    def _hear(self, event: FlowEvent) -> None:
        self.state = fold(self.state, event)
        self._notify(event)
