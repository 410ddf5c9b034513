"""From what was seen and judged to findings: every observed rule, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable

from console.diagnosis.rule import OBSERVED, Observed
from console.model import HOPS, Finding, Reading, Severity
from console.observation import SweepData

GRAVITY: dict[Severity, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}


def diagnose(seen: SweepData, readings: Iterable[Reading]) -> tuple[Finding, ...]:
    """Return the findings that hold: by severity, then by how many lanes they touch, then by hop from the left."""
    from console.diagnosis.rules import drift, observed  # noqa: F401  register their rules

    both = Observed(seen, {reading.key: reading for reading in readings})
    found = [finding for _, rule in OBSERVED for finding in rule(both)]
    found.sort(key=lambda f: (GRAVITY[f.severity], -len(f.lanes), HOPS.index(f.hop) if f.hop else 9, f.id))
    return tuple(found)
