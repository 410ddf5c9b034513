"""The flows, the state of their steps, and their last runs; nothing is changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from console.errors import CowhandError, summarize
from console.events import FlowBegan, FlowEnded, FlowEvent, FlowsChecked, Prompt, RunOutcome
from console.runner.state import RunStatus, fold
from console.text import clean

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate

PATIENCE = 90.0
"""Seconds a flow may take to say how it stands."""

RECENT = 50
"""Number of runs that are read to find the last one of each flow."""


class LastRun(Struct, frozen=True):
    """A flow's last run, from the journal; `state` as in `journal.Record`, `who` ran it. Times are Unix seconds."""

    run: str
    state: str
    words: str
    who: str
    began: float
    ended: float = 0.0


class Standing(Struct, frozen=True):
    """How a whole flow stands, by its own few reads, in words; `at` is a Unix time.

    `state` is that of a `CheckResult`, or "failed" when it could not be asked."""

    state: str
    words: str
    at: float


class FlowSeen(Struct, frozen=True):
    """A flow, the dry run that last checked its steps (None: never checked), and its last run (None: it never ran).

    `standing` is what the flow last said of itself as a whole, None when every step was checked for that, or newer.
    `looking` is the time at which a check began that has not ended (0.0: none)."""

    name: str
    words: str
    look: RunStatus | None = None
    looking: float = 0.0
    last: LastRun | None = None
    standing: Standing | None = None


class Overview:
    """Checks one flow after another. `seen` may be read from any thread, everything else from the engine's loop."""

    def __init__(self, notify: Callable[[FlowsChecked], None]) -> None:
        self.seen: tuple[FlowSeen, ...] = ()
        self._notify = notify
        self._task: asyncio.Task[None] | None = None

    def look(self, estate: Estate, vantages: Vantages, name: str | None = None) -> None:
        """Check the steps of all flows, or of one; a check under way is started again."""
        self.stop()
        self._task = asyncio.create_task(self._look(estate, vantages, name))

    def stop(self) -> None:
        """Stop checking."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._tell(tuple(replace(each, looking=0.0) for each in self.seen))

    def read(self, estate: Estate, lab: bool) -> None:
        """List the flows and their last runs, from files alone."""
        from console.flows import registry

        last = _last(estate.file, lab)
        known = {each.name: each for each in self.seen}
        flows: list[FlowSeen] = []
        for name in registry.names():
            before = known.get(name) or FlowSeen(name, registry.find(name).words)
            flows.append(replace(before, last=last.get(name)))
        self._tell(tuple(flows))

    async def _look(self, estate: Estate, vantages: Vantages, name: str | None) -> None:
        self.read(estate, vantages.lab is not None)
        wanted = [each.name for each in self.seen if name in (None, each.name)]
        now = time.time()
        self._tell(tuple(replace(each, looking=now) if each.name in wanted else each for each in self.seen))
        for each in wanted:
            whole = await _standing(each, estate, vantages) if name is None else None
            look = await _ask(each, estate, vantages) if whole is None else None
            self._tell(
                tuple(
                    replace(seen, look=look or seen.look, standing=whole, looking=0.0) if seen.name == each else seen
                    for seen in self.seen
                )
            )

    def _tell(self, seen: tuple[FlowSeen, ...]) -> None:
        if seen != self.seen:
            self.seen = seen
            self._notify(FlowsChecked(time.time()))


async def _standing(name: str, estate: Estate, vantages: Vantages) -> Standing | None:
    """Ask a flow as a whole; None when it has no such answer, and each of its steps is to be checked."""
    from console.flows.registry import find
    from console.runner.context import StepContext
    from console.runner.plan import NotYetKnown, Refusal

    try:
        flow = find(name)
        if flow.standing is None:
            return None
        async with asyncio.timeout(PATIENCE):
            found = await flow.standing(StepContext(estate, vantages.named, vantages.reasons))
        return Standing(found.state, clean(found.words, 400), time.time())
    except TimeoutError:
        return Standing("failed", f"no answer within {PATIENCE:.0f} s", time.time())
    except Exception as error:
        state = "needed" if isinstance(error, NotYetKnown) else "refused" if isinstance(error, Refusal) else "failed"
        words = str(error) if isinstance(error, CowhandError) else summarize(error)
        return Standing(state, clean(words, 400), time.time())


async def _ask(name: str, estate: Estate, vantages: Vantages) -> RunStatus | None:
    """Run a flow dry, with no question answered; returns its status, an error included."""
    from console.flows.registry import find
    from console.runner.context import StepContext
    from console.runner.session import Session

    state: RunStatus | None = None

    def hear(event: FlowEvent) -> None:
        nonlocal state
        state = fold(state, event)

    async def nobody(prompt: Prompt) -> str | None:
        return None

    async def walk() -> tuple[RunOutcome, str]:
        try:
            flow = find(name)
            ending = await Session(
                flow, StepContext(estate, vantages.named, vantages.reasons), nobody, hear, None
            ).run()
            return ending.outcome, ending.words
        except CowhandError as error:
            return "failed", str(error)
        except Exception as error:
            return "failed", summarize(error)

    outcome, words = await walk()
    if state is None or state.outcome is None:
        if state is None:
            hear(FlowBegan("dry", name, "", (), True, time.time()))
        hear(FlowEnded("dry", outcome, clean(words, 400), "", time.time()))
    return state


def _last(site: Path, lab: bool) -> dict[str, LastRun]:
    """Return each flow's last run; empty when no journal can be read."""
    from console.store import journal

    try:
        records: Sequence[journal.Record] = journal.runs(journal.place(site, lab=lab), RECENT)
    except CowhandError:
        return {}
    found: dict[str, LastRun] = {}
    for record in records:
        if record.flow and record.flow not in found:
            found[record.flow] = LastRun(
                record.run, clean(record.state, 40), _words(record), _who(record), record.began, record.ended
            )
    return found


def _words(record: object) -> str:
    entries = getattr(record, "entries", ())
    return clean(str(entries[-1].data.get("words", "")), 400) if entries else ""


def _who(record: object) -> str:
    entries = getattr(record, "entries", ())
    data = entries[0].data if entries else {}
    pid, user, host = (clean(str(data.get(key, "?")), 60) for key in ("pid", "user", "host"))
    return f"process {pid} of {user} on {host}"
