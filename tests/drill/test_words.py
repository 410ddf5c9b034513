"""What the operator is told of every recorded fault, to the word; `python -m tests.drill.test_words` writes it.

Its text (words.txt) is there to be read: whoever changes the model sees in the difference what each fault now says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.diagnosis.diagnose import diagnose
from console.diagnosis.judge import judge_lane, verdict
from console.model import Finding
from console.observation import SweepData
from tests.drill.test_drill import RECORDED, read

WORDS = Path(__file__).with_name("words.txt")
NAMES = ("calm", *RECORDED)


def tell(seen: SweepData) -> Iterator[str]:
    """Yield the verdict, and each finding whole."""
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    yield f"verdict: {verdict(readings)}"
    for finding in diagnose(seen, readings):
        yield from finding_lines(finding)


def finding_lines(finding: Finding) -> Iterator[str]:
    places = ", ".join(str(place) for place in (finding.where, *finding.also))
    yield f"{finding.id} {finding.severity} at {places}, hop {finding.hop}, {' '.join(finding.lanes) or 'no lane'}"
    yield f"    {finding.summary}"
    yield f"    → {finding.remedy}"
    yield from (f"    · {line}" for line in finding.evidence)


def written() -> dict[str, str]:
    stories = WORDS.read_text(encoding="utf-8").split("\n\n── ")
    return {name: told.rstrip("\n") for name, _, told in (story.partition("\n") for story in stories[1:])}


@pytest.mark.parametrize("name", NAMES)
def test_of_a_recorded_fault_the_operator_is_told_exactly_this(name: str) -> None:
    assert "\n".join(tell(read(name))) == written()[name]


def test_nothing_is_told_of_a_fault_that_is_gone() -> None:
    assert tuple(written()) == NAMES


if __name__ == "__main__":
    head = "What the operator is told of each recorded fault, as `python -m tests.drill.test_words` writes it."
    stories = "".join(f"\n\n── {name}\n" + "\n".join(tell(read(name))) for name in NAMES)
    WORDS.write_text(head + stories + "\n", encoding="utf-8")
