"""A session from its lock to its end: what it writes first, what it carries over, and how it is stopped and cut."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.errors import NoWayIn
from console.hosts import marks
from console.hosts.host import Host
from console.hosts.local import Local
from console.hosts.lock import Console, HostLocks
from console.hosts.recorded import Recorded
from console.runner import session as sessions
from console.runner.progress import Running
from console.store import journal
from tests.console.flows.playing import Leave, Play


def left(play: Play, *kinds: str) -> list[dict[str, Any]]:
    return [entry.data for entry in play.record.entries if entry.kind in kinds]


async def test_a_run_begins_with_who_and_where_and_lets_go_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[HostLocks] = []
    closed: list[str] = []
    real_release, real_close = HostLocks.release, journal.Journal.close

    async def release(self: HostLocks) -> None:
        released.append(self)
        await real_release(self)

    def close(self: journal.Journal) -> None:
        closed.append(self.run)
        real_close(self)

    monkeypatch.setattr(HostLocks, "release", release)
    monkeypatch.setattr(journal.Journal, "close", close)
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    assert (await play.run()).outcome == "done"
    (began,) = left(play, "began")
    assert began == {
        "flow": "play", "site": str(tmp_path / "site.toml"), **journal.whoever(), "carries": True
    }  # fmt: skip
    assert released == [play.context.locks]
    assert closed == [play.record.run]
    assert released[0].console == Console(play.record.run, "play", **journal.whoever())
    assert play.session.planned is not None
    with journal.Lock(play.folder, "another"):
        pass


async def test_a_dry_run_locks_and_writes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    step = Leave(tmp_path / "a")
    play = Play(tmp_path, [step], dry=True)
    with journal.Lock(play.folder, "another"):
        assert (await play.run()).outcome in ("done", "dry", "planned")
    assert play.session.planned is not None
    planned, steps = play.session.planned
    assert ([each.name for each, _, _ in planned], steps, play.prompts) == (["leave"], [step], [])
    assert (journal.runs(play.folder), play.context.locks, (tmp_path / "a").exists()) == ((), None, False)


async def test_nothing_is_planned_before_a_run_begins(tmp_path: Path) -> None:
    assert Play(tmp_path, [Leave(tmp_path / "a")]).session.planned is None


async def test_a_run_carries_over_what_earlier_ones_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"name": "bob"}
    begun = {"mark": "no-such-mark", "key": "here", "text": "touch /x", "at": 1.0, "limit": 1.0, "run": "R"}
    carried = journal.Carried(frozenset({("play", "leave"), ("a", "b")}), (begun,), answers)
    monkeypatch.setattr(journal, "carried", lambda folder: carried)
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["stop"])
    await play.run()
    (began,) = left(play, "began")
    assert (began["unproven"], began["answers"]) == ([["a", "b"], ["play", "leave"]], answers)
    assert began["open"] == [begun]
    assert left(play, "settled") == [{"mark": "no-such-mark", "host": "here", "text": "touch /x"}]
    progress = play.session._progress
    assert progress is not None
    assert (progress.unproven, progress.offered, progress.offered is answers) == (
        {("play", "leave"), ("a", "b")}, answers, False
    )  # fmt: skip


async def test_a_run_that_is_stopped_before_it_begins_asks_and_changes_nothing(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    play.session.stop()
    assert (await play.run()).outcome == "stopped"
    assert (play.prompts, (tmp_path / "a").exists()) == ([], False)


async def test_a_run_is_stopped_while_it_waits(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    play.before = lambda prompt: play.session.stop()
    assert (await play.run()).outcome == "stopped"
    assert not (tmp_path / "a").exists()


async def test_a_cut_of_a_run_that_has_not_begun_or_does_nothing_is_a_stop(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    await play.session.cut()
    assert (await play.run()).outcome == "stopped"
    await play.session.cut()


@pytest.mark.parametrize(("heeds", "reached"), [(True, True), (False, True), (False, False)])
async def test_a_cut_sends_the_signal_once_and_waits_some_seconds(
    heeds: bool, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")])
    running = Running("here", "m", "USR1")
    stopped: list[bool] = []
    play.session._progress = cast("Any", SimpleNamespace(running=running, stop=lambda: stopped.append(True)))
    sent: list[tuple[Host, str, str]] = []
    given: list[float] = []
    real = asyncio.timeout

    async def signal(host: Host, mark: str, name: str) -> None:
        sent.append((host, mark, name))
        if not reached:
            raise NoWayIn("gone")
        if heeds:
            asyncio.get_running_loop().call_soon(running.ended.set)

    def timeout(seconds: float) -> asyncio.Timeout:
        given.append(seconds)
        return real(0.0 if not heeds else 60.0)

    monkeypatch.setattr(marks, "signal", signal)
    monkeypatch.setattr(sessions, "asyncio", SimpleNamespace(timeout=timeout))
    await play.session.cut()
    assert sent == [(play.context.machine("here"), "m", "USR1")]
    assert (given, stopped, running.ended.is_set()) == ([10.0], [True], heeds)


async def test_what_is_recorded_of_a_host_is_without_secrets(tmp_path: Path) -> None:
    recorded = Recorded(Local(), deque())
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"], hosts={"here": recorded, "other": Local()})
    play.context.hide("hunter2x")
    await play.run()
    assert recorded.hide("hunter2x") == "••••••"


async def test_a_past_run_is_taken_back_by_a_run_that_says_which(tmp_path: Path) -> None:
    first = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    await first.run()
    record = first.record
    second = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"], undoing=record)
    await second.run()
    assert not (tmp_path / "a").exists()
    assert left(second, "began")[0]["undo"] == record.run
