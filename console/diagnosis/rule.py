"""How a rule is written: one decorated function, in any module of `rules/`, that yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from console.model import Finding, HopName, Reading, Topology
from console.observation import SweepData

if TYPE_CHECKING:
    from console.topology.sources import Sources


class Observed(Struct, frozen=True):
    """What a sweep saw and how it was judged, for the rules that need both."""

    seen: SweepData
    readings: dict[tuple[str, HopName], Reading]


StaticRule = Callable[["Sources", Topology], Iterator[Finding]]
ObservedRule = Callable[[Observed], Iterator[Finding]]

STATIC: list[tuple[str, StaticRule]] = []
OBSERVED: list[tuple[str, ObservedRule]] = []


def static(id: str) -> Callable[[StaticRule], StaticRule]:
    """Register a rule that needs the files alone; `id` is its entry in the catalogue."""

    def register(rule: StaticRule) -> StaticRule:
        STATIC.append((id, rule))
        return rule

    return register


def observed(id: str) -> Callable[[ObservedRule], ObservedRule]:
    """Register a rule that judges what a sweep saw; `id` is its entry in the catalogue."""

    def register(rule: ObservedRule) -> ObservedRule:
        OBSERVED.append((id, rule))
        return rule

    return register
