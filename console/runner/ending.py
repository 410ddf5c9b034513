"""How a run ends."""

from __future__ import annotations

from msgspec import Struct

from console.events import RunOutcome


class Ending(Struct, frozen=True):
    """How a run ended, what is true then, and the answer that was missing."""

    outcome: RunOutcome
    words: str
    missing: str = ""


class Ended(Exception):
    """Ends the run from wherever it is."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
