"""What a command says while it runs: its output in whole lines, how far it is, and whether it has fallen silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from console.runner.plan import Amount

TAIL = 4000
"""Characters of a command's output that are told and kept: its end."""

OFTEN = 0.5
"""Seconds between two tellings of what a command says, or how far it is."""

SMOOTH = 10.0
"""Seconds over which a rate is averaged."""


class Ear:
    """Hears a command and tells the end of what it said, in whole lines: half a secret would not be known as one.

    `read` gets each whole line, for those who read a command's progress from it."""

    def __init__(self, tell: Callable[[str], None], read: Callable[[str], None] | None = None) -> None:
        self.heard = time.monotonic()
        """When anything was said last."""
        self._tell, self._read = tell, read
        self._kept = bytearray()
        self._line = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        """Take what was said."""
        self.heard = time.monotonic()
        if self._read is not None:
            self._lines(data)
        self._kept += data
        if len(self._kept) > 4 * TAIL:
            del self._kept[: self._kept.find(b"\n", len(self._kept) - 4 * TAIL) + 1 or len(self._kept)]
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(OFTEN, self._flush)

    async def silence(self, seconds: float) -> None:
        """Return when nothing was said for so long."""
        while (left := self.heard + seconds - time.monotonic()) > 0:  # noqa: ASYNC110  # each sleep has its own length
            await asyncio.sleep(left)

    def close(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _lines(self, data: bytes) -> None:
        assert self._read is not None
        self._line += data.replace(b"\r", b"\n")
        *whole, rest = self._line.split(b"\n")
        self._line = bytearray(rest[-TAIL:])
        for line in whole[-100:]:
            self._read(line.decode("utf-8", "replace"))

    def _flush(self) -> None:
        self._timer = None
        whole = self._kept[: self._kept.rfind(b"\n") + 1]
        if whole:
            self._tell(text(bytes(whole)))


class Gauge:
    """Turns amounts into a rate and the seconds that remain; passes on one every `OFTEN` seconds, and the last."""

    def __init__(self, tell: Callable[[Amount, float, float], None]) -> None:
        self._tell = tell
        self._seen: list[tuple[float, float]] = []
        self._told = float("-inf")

    def take(self, amount: Amount) -> None:
        """Take how far it is now."""
        now = time.monotonic()
        if self._seen and amount.done < self._seen[-1][1]:
            self._seen.clear()
        recent = [(at, done) for at, done in self._seen if at >= now - SMOOTH]
        self._seen = [*recent[-200:], (now, amount.done)]
        whole = bool(amount.total) and amount.done >= amount.total
        if now - self._told < OFTEN and not whole:
            return
        self._told = now
        first, done = self._seen[0]
        rate = (amount.done - done) / (now - first) if now > first else 0.0
        left = (amount.total - amount.done) / rate if rate and amount.total else 0.0
        self._tell(amount, rate, max(left, 0.0))


def text(data: bytes) -> str:
    """Output as text, without the newlines around it."""
    return data.decode("utf-8", "replace").strip("\n")
