"""Whose answer the sweep under way waits for: said soon, and again each second, until something better can be told."""

from __future__ import annotations

from collections.abc import Callable

from console.diagnosis.early import waiting
from console.events import Awaited, Event
from console.observation import SweepData

FIRST, LONG, AGAIN = 0.6, 1.5, 1.0
"""Seconds of a sweep until the first sentence: of the first sweep, and of those after it; until it is said again."""


class Awaiting:
    """What was said of it last."""

    def __init__(self, notify: Callable[[Event], None]) -> None:
        self._notify, self._said, self._next = notify, "", 0.0

    def tell(self, seen: SweepData, now: float, first: bool) -> None:
        """Say whose answer is missing, where it is time to; `now` is the time of day, as `SweepData.at` is."""
        if now >= max(seen.at + (FIRST if first else LONG), self._next):
            self._say(waiting(seen, now))
            self._next = now + AGAIN

    def end(self) -> None:
        """Say that nobody's answer is waited for any more."""
        self._say("")
        self._next = 0.0

    def _say(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self._notify(Awaited(words))
