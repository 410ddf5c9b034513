"""The journal says how much a run changed and how long it took, in the words of the screens."""

from __future__ import annotations

from console.formats.journal import headline, rows
from console.store.journal import Entry, Record


def record(*kinds: str, ended: float) -> Record:
    """A run with entries of some kinds."""
    entries = tuple(Entry(10.0, kind, {}) for kind in kinds)
    return Record("20260213-140500-abc123", "mount-volumes", "site", 10.0, ended, "done", None, False, entries)


def test_a_run_says_how_many_changes_it_made_and_how_long_it_took() -> None:
    assert headline(record("did", "step", "did", ended=190)).endswith("  mount-volumes  done, 2 changes in 3 min")
    assert headline(record("did", ended=50)).endswith("done, 1 change in 40 s")
    assert headline(record(ended=12)).endswith("done, no changes in 2 s")
    assert headline(record("did", ended=0)).endswith("  done")


def test_a_step_that_was_there_already_is_told_in_words() -> None:
    (row,) = rows(Entry(10.0, "step", {"step": "find", "state": "so", "words": "2 volumes"}))
    assert row.endswith("  find: already done: 2 volumes")
