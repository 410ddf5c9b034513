"""Who holds a site: its lock and the line that says whose it is."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from console.store import journal
from console.store.journal import Holder, JournalError, Lock, SiteLocked
from tests.console.store.site_journal import descriptors, folder, lay

__all__ = ["folder"]


HOLDER = json.dumps({"pid": 7, "user": "u", "host": "h", "since": 100.0, "flow": "f"})


@contextmanager
def held(folder: Path, said: str) -> Iterator[None]:
    """A site that somebody else holds, with these words about it."""
    (folder / journal.LOCK).write_text(said)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def test_a_holder_s_line_that_is_a_link_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("kept")
    (folder / journal.LOCK).symlink_to(target)
    with Lock(folder, "x"):
        assert not (folder / journal.LOCK).is_symlink()
    assert target.read_text() == "kept"


def test_a_folder_that_is_a_link_or_gone_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for name in ("link", "gone"):
        with pytest.raises(JournalError, match=f"{name} cannot be used: "), Lock(tmp_path / name, "x"):
            pass


def test_a_lock_can_be_taken_let_go_and_taken_again_and_leaves_nothing_open(folder: Path) -> None:
    before = descriptors()
    lock = Lock(folder, "x")
    lock.__exit__()
    for _ in range(2):
        with lock as held:
            assert held is lock
            with pytest.raises(SiteLocked), Lock(folder, "y"):
                pass
            assert descriptors() == before + 1
        lock.__exit__()
    assert descriptors() == before


def test_the_holder_s_line_replaces_that_of_the_one_before(folder: Path) -> None:
    (folder / journal.LOCK).write_text("x" * 5000)
    with Lock(folder, "play") as lock:
        said = (folder / journal.LOCK).read_bytes()
        assert said == msgspec.json.encode(lock.holder) + b"\n"


@pytest.mark.parametrize("said", ["", "{}", "[1", '{"pid": "x"}'])
def test_a_lock_that_does_not_say_who_holds_it_is_held_all_the_same(said: str, folder: Path) -> None:
    with held(folder, said):
        with pytest.raises(SiteLocked, match=r"^another console runs a flow on this site$"), Lock(folder, "y"):
            pass
        path = lay(folder, "20260101-000000-000000", {"kind": "began", "pid": 1})
        assert journal.read(path).state == "interrupted"


def test_a_lock_is_waited_for_a_moment_and_no_longer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with Lock(folder, "x"), pytest.raises(SiteLocked), Lock(folder, "y"):
        pass
    assert waits == [0.03] * 5


def test_who_holds_a_site_is_shown_without_what_could_steer_a_terminal_and_not_endlessly() -> None:
    words = str(Holder(7, "u" * 99, "h" * 99, 0.0, "f" * 99))
    assert [len(word.strip(",")) for word in words.split() if word[0] in "ufh" and len(word) > 20] == [60, 40, 60]


@pytest.mark.parametrize(
    ("pid", "began", "state"),
    [(7, 99.0, "running"), (7, 98.9, "interrupted"), (7, 100.0, "running"), (8, 100.0, "interrupted")],
)
def test_a_run_is_on_while_the_process_that_began_it_holds_the_site(
    pid: int, began: float, state: str, folder: Path
) -> None:
    path = folder / "20260101-000000-000000.jsonl"
    path.write_text(json.dumps({"at": began, "kind": "began", "pid": pid}) + "\n")
    other = lay(folder, "20260101-000000-000001", {"kind": "step"})
    with held(folder, HOLDER):
        before = descriptors()
        assert journal.read(path).state == state
        assert journal.read(other).state == "interrupted"
        assert descriptors() == before
    assert journal.read(path).state == "interrupted"


def test_a_holder_s_line_that_is_a_link_tells_nothing_of_a_run(folder: Path, tmp_path: Path) -> None:
    path = lay(folder, "20260101-000000-000000", {"kind": "began", "pid": 7})
    with held(folder, HOLDER):
        assert journal.read(path).state == "running"
        (folder / journal.LOCK).rename(tmp_path / "elsewhere")
        (folder / journal.LOCK).symlink_to(tmp_path / "elsewhere")
        assert journal.read(path).state == "interrupted"
