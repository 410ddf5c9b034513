"""A run from its lock to its end: what the command line and the engine both start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from console.errors import CowhandError, HostError
from console.events import FlowEvent
from console.hosts.recorded import Recorded
from console.runner.context import StepContext
from console.runner.ending import Ending
from console.runner.runner import Operator, Runner
from console.runner.step import CheckResult, Flow, Plan, Step
from console.store import journal as journals
from console.store.journal import Journal, Lock, NullJournal
from console.text import clean

RECENT = 5
"""Runs whose unfinished commands are looked for on their hosts."""

LOOK = 10.0
"""Seconds the list of a machine's processes may take."""

SETTLE = 0.6
"""Seconds after which a command that was begun is listed, if it runs."""

GRACE = 5.0
"""Seconds beyond its own limit that a command of a lost console is waited for."""


class Leftover(CowhandError):
    """A command of a run that was cut off still runs on its host."""


class Session:
    """One run of a flow on one site; `folder` is where the site's journals are, None for a dry run."""

    def __init__(
        self,
        flow: Flow,
        context: StepContext,
        operator: Operator,
        tell: Callable[[FlowEvent], None],
        folder: Path | None,
    ) -> None:
        self.flow, self.context, self.operator, self.tell = flow, context, operator, tell
        self.folder = folder
        self._runner: Runner | None = None
        self._stopped = False

    @property
    def planned(self) -> tuple[list[tuple[Step, CheckResult, Plan]], Sequence[Step]] | None:
        """What a dry run found to be needed, and all steps."""
        return (self._runner.planned, self._runner.steps) if self._runner is not None else None

    def stop(self) -> None:
        """End between two actions, or at once while it waits for the operator."""
        self._stopped = True
        if self._runner is not None:
            self._runner.stop()

    async def run(self) -> Ending:
        """Run the flow under the site's lock; raises `SiteLocked`, `Leftover` or `JournalError` before it begins."""
        for host in self.context.hosts.values():
            if isinstance(host, Recorded):
                host.hide = self.context.redact
        if self.folder is None:
            return await self._walk(NullJournal(), dry=True)
        with Lock(self.folder, self.flow.name):
            unproven = await self._look_back(self.folder)
            journal = Journal(self.folder, self.context.redact)
            try:
                site = str(self.context.estate.file)
                journal.write("began", flow=self.flow.name, site=site, **journals.whoever())
                return await self._walk(journal, dry=False, unproven=unproven)
            finally:
                journal.close()

    async def _walk(self, journal: Journal, dry: bool, unproven: set[str] | None = None) -> Ending:
        self._runner = Runner(self.flow, self.context, self.operator, self.tell, journal, dry)
        self._runner.unproven = unproven or set()
        if self._stopped:
            self._runner.stop()
        return await self._runner.run()

    async def _look_back(self, folder: Path) -> set[str]:
        """A command outlives the console that was killed: wait for it, never start it beside itself.

        Returns the steps of this flow that were begun and not proven when it was last on its way."""
        unproven: set[str] = set()
        for record in reversed(journals.runs(folder, RECENT)):
            if record.open and record.open.get("argv"):
                await self._wait_for(record.run, record.open)
            for entry in record.entries if record.flow == self.flow.name else ():
                step = str(entry.data.get("step", ""))
                if entry.kind == "intent":
                    unproven.add(step)
                elif entry.kind == "step" and entry.data.get("state") in ("done", "so", "undone"):
                    unproven.discard(step)
        return unproven

    async def _wait_for(self, run: str, left: dict[str, Any]) -> None:
        until = float(left["at"]) + float(left.get("limit", 0)) + GRACE
        while True:
            pid = await self._pid(left, until)
            if not pid:
                if time.time() > float(left["at"]) + SETTLE:
                    return
                await asyncio.sleep(0.1)  # a process that is just being started has no arguments to be known by
                continue
            if self._stopped:
                raise Leftover(f"stopped, while {clean(str(left.get('text')), 120)} still ran; nothing was changed")
            if time.time() > until:
                raise Leftover(
                    f"{clean(str(left.get('text')), 120)} of the run {run}, which was cut off, still runs on "
                    f"{clean(str(left.get('host')), 60)} as process {pid}: end it, or wait for it, and start again"
                )
            await asyncio.sleep(0.5)

    async def _pid(self, left: dict[str, Any], until: float) -> str:
        """The process that still runs, "" when none does; where nobody can tell, one is assumed until its limit."""
        host = self.context.hosts.get(left["role"])
        wanted = _listed(" ".join(map(str, left["argv"])).encode())
        if host is None:
            return ""
        try:
            done = await host.run(["ps", "-A", "-o", "pid=", "-o", "args="], LOOK, 8 << 20)
        except HostError:
            return ""
        if done.status:
            return "unknown" if time.time() <= until else ""
        for line in done.stdout.splitlines():
            pid, _, args = line.strip().partition(b" ")
            if _runs(_listed(args), wanted):
                return pid.decode("ascii", "replace")
        return ""


def _listed(args: bytes) -> str:
    """Arguments as every ps lists them: in one line, without what some show as a blank or a question mark."""
    return " ".join("".join(chr(byte) if 32 < byte < 127 and byte != 63 else " " for byte in args).split())


def _runs(listed: str, wanted: str) -> bool:
    """Whether a process is that command: by itself, under sudo or timeout, or by the interpreter of its script."""
    at = len(listed) - len(wanted)
    return listed.endswith(wanted) and (at <= 0 or listed[at - 1] in " /")
