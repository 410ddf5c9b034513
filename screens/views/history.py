"""The last hour of one hop: what it was, when, and how far its latencies spread."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from console.model import Outcome, Reading
from screens.text import Line, Piece, clock
from screens.themes import MARKS, Ink

HOUR = 3600.0

SIZES = (30, 20, 12)
"""How many cells the strip may have, the most that fit: two, three or five minutes each."""

BARS = "▁▂▃▄▅▆▇█"
STEPS_MS = (2, 5, 10, 25, 50, 100, 250)
"""Upper bounds of the bars, in milliseconds."""

FEWEST = 5
"""Latencies from which a spread is told."""

PARTLY = "x"
"""The mark of minutes in which it was broken and was not."""


def strip(ink: Ink, trail: Sequence[Reading], now: float, room: int) -> tuple[list[Piece], list[Piece]]:
    """Return the strip and the axis below it, or nothing where there is no room or nothing is known.

    A cell is the worst of its minutes: `✗` broken all the time, `x` a part of it, `▲` degraded, `?` not known, else a
    bar that is the higher the slower. Cells begin at whole minutes, so that one that has passed stays as it is."""
    size = next((size for size in SIZES if size <= room), 0)
    if not size or not trail or not now:
        return [], []
    step = HOUR / size
    end = ceil(now / step) * step
    pieces = [_cell(ink, trail, end - HOUR + at * step, min(end - HOUR + (at + 1) * step, now)) for at in range(size)]
    first, last = clock(end - HOUR, now), clock(now, now)
    gap = size - len(first) - len(last)
    axis = f"{first}{' ' * gap}{last}" if gap > 0 else last.rjust(size)
    return pieces, [(axis, ink.muted)]


def _cell(ink: Ink, trail: Sequence[Reading], since: float, until: float) -> Piece:
    within = [one for one, next_ in zip(trail, [*trail[1:], None], strict=True)
              if one.at <= until and (next_ is None or next_.at > since)]  # fmt: skip
    outcomes = {one.outcome for one in within}
    order: tuple[Outcome, ...] = ("failed", "degraded", "unknown", "skipped")
    worst: Outcome = next((outcome for outcome in order if outcome in outcomes), "ok")
    if not within:
        return " ", ink.text
    if worst == "failed":
        early = trail[0].at > since  # nobody knows what it was before
        whole = outcomes == {"failed"} and not (early and len(within) > 1)
        return (MARKS["failed"] if whole else PARTLY), ink.broken
    if worst != "ok":
        return MARKS[worst], ink.state(worst)
    slow = max(one.latency_ms or 0.0 for one in within)
    return BARS[next((at for at, most in enumerate(STEPS_MS) if slow < most), len(STEPS_MS))], ink.state("ok")


def spread(latencies: Sequence[float]) -> str:
    """Return median, 95th percentile and worst of what the last sweeps measured, in words; "" of too few."""
    if len(latencies) < FEWEST:
        return ""
    known = sorted(latencies)
    middle, most = known[(len(known) - 1) // 2], known[ceil(len(known) * 0.95) - 1]
    numbers = " · ".join(f"{name} {_ms(ms)}" for name, ms in (("p50", middle), ("p95", most), ("worst", known[-1])))
    return f"{numbers} of {len(known)} sweeps"


def _ms(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 1 else "<1 ms"


def below(ink: Ink, latencies: Sequence[float], axis: list[Piece], width: int) -> Line:
    """Return the row under a cell's verdict: the spread at the left, the axis at the right."""
    words = spread(latencies)
    wide = sum(len(text) for text, _ in axis)
    if len(words) + wide + 5 > width:
        words = words.rpartition(" of ")[0]
    if len(words) + wide + 5 > width:
        words = ""
    return ((f"   {words}", ink.muted), (" " * max(width - len(words) - wide - 4, 0), ink.text), *axis)
