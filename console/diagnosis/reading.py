"""A reading of one hop, and the words and figures that its lamp shows."""

from __future__ import annotations

from console.diagnosis.blame import overloaded
from console.ladders import Cause, Ladder
from console.model import HopName, Outcome, Reading, Rung
from console.observation import LaneData

_WORDS: dict[Cause, str] = {
    "unresolved": "no address",
    "refused": "refused",
    "timeout": "no answer",
    "unreachable": "no route",
    "closed": "closed",
    "silent": "silent",
    "flood": "floods",
    "unfinished": "unfinished",
    "unexpected": "strange",
    "tls": "TLS fails",
    "not-tls": "no TLS",
    "no-starttls": "no STARTTLS",
    "out-of-step": "header seen",
}

UNASKED = ("unknown", "not asked")
"""Outcome and word of a hop that nobody could ask."""


def reading(
    lane: LaneData,
    hop: HopName,
    vantage: str,
    outcome: Outcome,
    word: str,
    evidence: tuple[Rung, ...] = (),
    latency: float | None = None,
    asked: str = "",
    whole: bool = True,
) -> Reading:
    """Return what one hop of a lane shows; `latency` is in milliseconds, not `whole` is what may still change."""
    return Reading(lane.lane.id, hop, vantage, outcome, word, evidence, latency, asked=asked, whole=whole)


def milliseconds(value: float) -> str:
    """Write a duration as a lamp does: "0.4 ms", "41 ms", "1.3 s"."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    if value == 0:
        return "<1 ms"  # of a clock that counts whole milliseconds
    return f"{value:.0f} ms" if value >= 1 else f"{max(value, 0.1):.1f} ms"


def word_of(ladder: Ladder) -> str:
    """The word of a lamp for how a ladder ended: "refused", "says 502"."""
    if overloaded(ladder):
        return "busy"
    if (
        ladder.cause == "refused"
        and (said := ladder.said.removeprefix("HTTP/1.0 ").removeprefix("HTTP/1.1 "))[:3].isdigit()
    ):
        return f"says {said[:3]}"
    return _WORDS.get(ladder.cause, ladder.cause)
