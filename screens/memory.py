"""What panes work out of the board again and again: kept until the board hears something new."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class Memory:
    """Values by a key; a key press asks for what the one before asked for, whatever the number of lanes."""

    def __init__(self) -> None:
        self._known: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of `make` for this key; it is made again after `forget`. Nobody may change it."""
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]  # type: ignore[assignment]
        return found

    def forget(self) -> None:
        """Something has changed."""
        self._known.clear()
