"""What a sweep in the middle of a change leaves undecided is not told beside its cause, and is asked again soon."""

from __future__ import annotations

from console.diagnosis.catalogue import finding
from console.engine.settling import Settling
from console.model import Finding

CAUSE = finding("CH021", "nobody listens on public port 993", "vps", observed=True, lanes=("993/imaps",))


def undecided(*lanes: str) -> Finding:
    return finding("CH032", "either this; or that", "vps", observed=True, lanes=lanes)


def test_what_is_newly_undecided_beside_its_cause_waits_for_the_next_sweep_and_no_longer() -> None:
    settling, doubt = Settling(), undecided("993/imaps")
    assert settling.settle((), 1.0) == ()
    assert not settling.surprised
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE,)
    assert settling.surprised
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE,), "the same sweep, concluded again"
    assert settling.settle((CAUSE, doubt), 3.0) == (CAUSE, doubt)
    assert not settling.surprised


def test_it_is_told_at_once_where_nothing_else_tells_of_its_lanes_or_nothing_was_seen_before() -> None:
    doubt = undecided("993/imaps", "25/smtp")
    settling = Settling()
    assert settling.settle((CAUSE, undecided("993/imaps")), 1.0) == (CAUSE, undecided("993/imaps"))
    assert not settling.surprised
    settling = Settling()
    settling.settle((), 1.0)
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE, doubt)
    assert settling.surprised
