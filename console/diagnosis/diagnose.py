"""From what was seen and judged to findings: what explains the symptoms, and every observed rule; the gravest first."""

from __future__ import annotations

from collections.abc import Iterable

from console.diagnosis.conclude import conclude
from console.diagnosis.explain import explain
from console.diagnosis.lamps import align, culprits, doubt
from console.diagnosis.rule import OBSERVED, Observed
from console.diagnosis.world import World
from console.model import HOPS, Finding, Reading, Severity, Verdict
from console.observation import SweepData

GRAVITY: dict[Severity, int] = {"critical": 0, "high": 1, "medium": 2, "low": 3}


def diagnose(seen: SweepData, readings: Iterable[Reading]) -> tuple[Finding, ...]:
    """Return the findings that hold: by severity, then by how many lanes they touch, then by hop from the left."""
    return judge(seen, readings)[0]


def judge(seen: SweepData, readings: Iterable[Reading]) -> tuple[tuple[Finding, ...], list[Reading]]:
    """Return the findings that hold, in the order of `diagnose`, and the readings as they follow from them."""
    from console.diagnosis.rules import drift, observed, unseen  # noqa: F401  register their rules

    given = list(readings)
    world = World(seen)
    told = explain(world)
    both = Observed(seen, {reading.key: reading for reading in given})
    ruled = [finding for _, rule in OBSERVED for finding in rule(both)]
    found = [*conclude(world, told), *ruled]
    if seen.kept.places or seen.kept.push or seen.kept.users:
        from console.diagnosis.kept import kept

        found += kept(seen, found)
    found.sort(key=lambda f: (GRAVITY[f.severity], -len(f.lanes), HOPS.index(f.hop) if f.hop else 9, f.id))
    blamed = culprits(world, told)
    # What is condemned by itself, such as a certificate, is no effect of what else is wrong with its lane.
    own = {(lane, each.hop) for each in ruled if each.severity == "critical" and each.hop for lane in each.lanes}
    return tuple(found), doubt(world, align(given, blamed, own), blamed)


def overall(summed: Verdict, findings: Iterable[Finding]) -> Verdict:
    """Return the verdict of all readings, but not "well" where something grave shows in none of them: a full disk."""
    grave = any(finding.severity in ("critical", "high") for finding in findings)
    return "degraded" if grave and summed == "well" else summed
