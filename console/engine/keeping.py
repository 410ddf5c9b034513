"""When to look at the certificates that machines store: beside sweeps, now and then, and when others are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from console.errors import Report, summarize, unreported
from console.model import Kept
from console.observation import SweepData

EVERY = 300.0
"""Seconds between two looks."""

LONGEST = 60.0
"""Seconds that a look may take."""


class Keeping:
    """Holds what the last look found. `wait` is how many seconds a sweep waits for one (0: none).

    `heard` is called when a look ends that no sweep waited for; it is set by who sweeps."""

    def __init__(self, look: Callable[[], Awaitable[Kept]], report: Report = unreported, wait: float = 0.0) -> None:
        self.look, self.report, self.wait = look, report, wait
        self.heard: Callable[[], None] = lambda: None
        self.known = Kept()
        self._task: asyncio.Task[None] | None = None
        self._next = 0.0
        self._served: frozenset[str] | None = None
        """Fingerprints of what was served beside the last look."""
        self._moved = False
        """Whether others are served since the last look began."""

    def begin(self, force: bool = False) -> None:
        """Start a look when one is due, or `force`; one that is under way goes on."""
        if self._task is None and (force or time.monotonic() >= self._next):
            self._start()

    async def settle(self, seen: SweepData) -> Kept:
        """Return what is known at the end of a sweep; look again when other certificates are served than before."""
        served = fingerprints(seen)
        if self._served is not None and served != self._served:
            self._moved = True
            await self._settled()
            self._start()
        self._served = served
        await self._settled()
        return self.now()

    def now(self) -> Kept:
        """Return what is known; where a sweep waited in vain, that nothing was seen."""
        late = self.wait and self._task is not None
        unseen = (f"the look at them did not end within {self.wait:.0f} s",) if late else self.known.unseen
        return replace(self.known, settled=not self._moved, unseen=unseen)

    def close(self) -> None:
        """End a look that is under way."""
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is not None:
            self._next = 0.0  # what it saw may be older than the change: the next sweep looks again
            return
        self._next = time.monotonic() + EVERY
        self._task = asyncio.create_task(self._look(self._moved))

    async def _settled(self) -> None:
        if self._task is not None and self.wait:
            await asyncio.wait({self._task}, timeout=self.wait)

    async def _look(self, moved: bool) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                self.known = await self.look()
            if moved:
                self._moved = False
        except TimeoutError:
            # what was true before is not known to be true now
            self.known = Kept(unseen=(f"the look at them did not end within {LONGEST:.0f} s",))
        except Exception as error:
            self.known = Kept(unseen=(f"cowhand failed here: {summarize(error)}",))
            self.report(error)
        self._task = None
        self.heard()


def fingerprints(seen: SweepData) -> frozenset[str]:
    """Which certificates the public ports serve."""
    ladders = (ladder for lane in seen.lanes.values() for ladder in lane.public.values())
    return frozenset(ladder.certificate.fingerprint for ladder in ladders if ladder.certificate is not None)
