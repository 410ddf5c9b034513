"""The sentence of a verdict that is not well and of which no finding tells why."""

from __future__ import annotations

from collections.abc import Iterable

from console.model import Finding, Reading
from console.text import join_words


def unexplained(broken: list[Reading], told: Iterable[Finding] = ()) -> str:
    """One sentence on lanes that break and of which no finding tells why: "lanes 25 and 465 break at vm: …"."""
    named = {lane for finding in told for lane in finding.lanes}
    left = [reading for reading in broken if reading.lane not in named]
    return _sentence(left, "breaks", "break") if left else ""


def shown_only(readings: list[Reading], told: Iterable[Finding]) -> str:
    """One sentence on lanes that are degraded, where nothing is broken and no finding tells why."""
    if any(reading.outcome == "failed" for reading in readings):
        return ""
    named = {lane for finding in told for lane in finding.lanes}
    left = [reading for reading in readings if reading.outcome == "degraded" and reading.lane not in named]
    return _sentence(left, "is degraded", "are degraded") if left else ""


def _sentence(left: list[Reading], one: str, more: str) -> str:
    worst = left[0]
    shown = (rung.detail for rung in reversed(worst.evidence) if rung.outcome not in ("ok", "skipped"))
    detail = next(shown, worst.word)
    same = list(dict.fromkeys(r.lane for r in left if (r.hop, r.word) == (worst.hop, worst.word)))
    return f"{join_words(same)} {one if len(same) == 1 else more} at {worst.hop}: {detail}"


def unasked(readings: list[Reading]) -> str:
    """Why nobody could look, where no answer came at all: each reason once; "" when something answered."""
    if not readings or any(reading.outcome not in ("unknown", "skipped") for reading in readings):
        return ""
    reasons = (rung.detail for reading in readings for rung in reading.evidence if rung.outcome == "unknown")
    return f"nothing could be asked: {'; '.join(list(dict.fromkeys(reasons))[:3])}"
