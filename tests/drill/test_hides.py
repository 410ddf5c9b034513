"""A fault counts as hidden by the table alone, and the table says nothing that a recording shows to be otherwise."""

from __future__ import annotations

from itertools import permutations

import pytest

from console.diagnosis.explain import Explanation, explain
from console.diagnosis.modes import MODES
from console.diagnosis.world import World
from tests.drill import hides, score
from tests.drill.faults import FAULTS
from tests.drill.fresh import FRESH
from tests.drill.pairs import PAIRS, pair
from tests.drill.record import read

SINGLE = {**FAULTS, **FRESH}
EACH = [pair(f"{one} {other}") for one, other in permutations(sorted(SINGLE), 2)]
TOLD: dict[str, Explanation] = {id: explain(World(read(id))) for id in ("vm-off", "own-tunnel-cut", "nginx-stopped")}


def _both(words: str) -> tuple[str, str]:
    one, other = words.split("+")
    return one, other


@pytest.mark.parametrize("told", TOLD.values(), ids=list(TOLD))
def test_hidden_is_what_the_table_says_whatever_was_told(told: Explanation) -> None:
    for each in EACH:
        one, other = _both(each.id)
        grade = score.score(each.id, each.truth, told).grade
        assert grade != "hidden" or hides.hidden(SINGLE[one], SINGLE[other]), each.id


@pytest.mark.parametrize("told", TOLD.values(), ids=list(TOLD))
def test_with_an_empty_table_nothing_is_hidden(told: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hides, "HIDES", ())
    assert not [each.id for each in EACH if score.score(each.id, each.truth, told).grade == "hidden"]


def test_nothing_that_was_told_counts_as_hidden() -> None:
    """A pair of which both were named once shows that the one does not hide the other."""
    known = {id: pair for id, pair in PAIRS.items() if score.halves(id)}
    named = [id for id in known if score.score(id, known[id].truth, explain(World(read(id)))).grade == "right"]
    assert len(named) > 40
    assert not [id for id in named if hides.hidden(*score.halves(id))]


def test_each_row_means_faults_that_there_are() -> None:
    ids, modes = {*SINGLE}, {mode.id for mode in MODES}
    for row in hides.HIDES:
        assert row.why
        for word in f"{row.by} {row.what}".split():
            known = any(mode.startswith(word) for mode in modes) if word.endswith("/") else word in modes | ids
            assert known, word


def test_a_fault_hides_nothing_on_lanes_that_it_does_not_touch() -> None:
    for each in EACH:
        one, other = (SINGLE[id] for id in _both(each.id))
        if not {*other.ports} <= {*one.ports}:
            assert not any(hides.hides(one, truth, other) for truth in other.truth)


def test_both_figures_are_told() -> None:
    grades = [("vm-off+nginx-stopped", "hidden"), ("maint+nginx-502", "right"), ("wan-loss+maint", "hop"),
              ("maint", "FALSE")]  # fmt: skip
    words = score.of_both(grades)  # type: ignore[arg-type]
    assert words == "both named: 1 of 3 = 33% of all pairs; 1 of 2 = 50% of those in which both can be seen"
