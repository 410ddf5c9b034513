"""What the operator is told of every case, to the word; `python -m tests.console.diagnosis.test_told` writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from console.diagnosis.diagnose import diagnose
from console.diagnosis.judge import judge_lane, verdict
from console.model import Finding, Reading
from console.observation import SweepData
from tests.console.diagnosis.back_cases import BACK
from tests.console.diagnosis.cases import CASES, MARKS, stage
from tests.console.diagnosis.check_cases import CHECKS
from tests.console.diagnosis.front_cases import FRONT
from tests.console.diagnosis.web_cases import WEB

TOLD = Path(__file__).with_name("told.txt")


def tell(seen: SweepData) -> Iterator[str]:
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    yield f"verdict: {verdict(readings)}"
    for reading in readings:
        yield from reading_lines(reading)
    for finding in diagnose(seen, readings):
        yield from finding_lines(finding)


def reading_lines(reading: Reading) -> Iterator[str]:
    parts = [MARKS[reading.outcome], reading.lane, reading.hop, reading.word or "-"]
    parts += [f"{reading.latency_ms:g} ms"] if reading.latency_ms is not None else []
    parts += [f"from {reading.vantage}"] if reading.vantage else []
    parts += [f"to {reading.asked}"] if reading.asked else []
    parts += [] if reading.whole else ["so far"]
    proof = ", ".join(f"{MARKS[rung.outcome]} {rung.name} {rung.detail}".rstrip() for rung in reading.evidence)
    yield f"{' | '.join(parts)} | {proof or '-'}"


def finding_lines(finding: Finding) -> Iterator[str]:
    places = [
        str(place) if isinstance(place, str) else f"{place.file}:{place.line}"
        for place in (finding.where, *finding.also)
    ]
    yield f"{finding.id} {finding.severity} at {', '.join(places)}, hop {finding.hop}, {' '.join(finding.lanes)}"
    yield f"    {finding.summary}"
    yield f"    → {finding.remedy}"
    assert finding.observed


STORIES: dict[str, Callable[[], SweepData]] = {
    **{case.says: partial(stage, case) for case in CASES}, **FRONT, **WEB, **BACK, **CHECKS,
}  # fmt: skip
HEAD = "What the operator is told of each case of cases.py and of the other *cases.py, as `python -m %s` writes it."


def written() -> dict[str, str]:
    stories = TOLD.read_text(encoding="utf-8").split("\n\n── ")
    return {says: told.rstrip("\n") for says, _, told in (story.partition("\n") for story in stories[1:])}


@pytest.mark.parametrize("says", STORIES, ids=lambda says: says.replace(" ", "-"))
def test_the_operator_is_told_exactly_this(says: str) -> None:
    assert "\n".join(tell(STORIES[says]())) == written()[says]


def test_nothing_is_told_of_a_case_that_is_gone() -> None:
    assert written().keys() == STORIES.keys()


if __name__ == "__main__":
    stories = "".join(f"\n\n── {says}\n" + "\n".join(tell(make())) for says, make in STORIES.items())
    TOLD.write_text(HEAD % "tests.console.diagnosis.test_told" + stories + "\n", encoding="utf-8")
