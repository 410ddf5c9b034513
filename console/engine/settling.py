"""What one sweep alone left undecided: a break in its middle shows to a part of its probes."""

from __future__ import annotations

from collections.abc import Sequence

from console.diagnosis.conclude import UNDECIDED
from console.model import Finding


class Settling:
    """Knows which lanes the sweep before had left undecided; the first sweep has nothing to be compared with."""

    def __init__(self) -> None:
        self._before: frozenset[str] | None = None
        self._now: frozenset[str] | None = None
        self._at = 0.0

    @property
    def surprised(self) -> bool:
        """Whether lanes are undecided now that were not one sweep ago: worth asking again soon."""
        return bool(self._fresh)

    @property
    def _fresh(self) -> frozenset[str]:
        return self._now - self._before if self._now and self._before is not None else frozenset()

    def settle(self, findings: Sequence[Finding], at: float) -> tuple[Finding, ...]:
        """Return what the sweep of a time tells, without what is newly undecided beside a proven cause of its lanes.

        The same sweep may be concluded more than once."""
        if at != self._at:
            self._before, self._at = self._now, at
        self._now = frozenset(lane for each in findings if each.id == UNDECIDED for lane in each.lanes)
        proven = {lane for each in findings if each.observed and each.id != UNDECIDED for lane in each.lanes}
        doubtful = self._fresh & proven
        return tuple(each for each in findings if each.id != UNDECIDED or not doubtful.issuperset(each.lanes))
