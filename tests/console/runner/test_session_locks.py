"""The lock of each host: taken before a run's last check, kept while it changes, given back at its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.hosts import lock
from console.hosts.host import ANY, Before, Completed
from console.hosts.local import Local
from console.hosts.lock import Console, HostLock, described
from console.hosts.shell import line
from tests.console.flows.playing import Leave, Play
from tests.console.runner.haste import quick

__all__ = ["quick"]


EVE = Console("run-2", "provision", 18, "eve", "desk")


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock is fresh: each is asked for before each change."""
    monkeypatch.setattr(lock, "FRESH", 0.0)


class Watched(Local):
    """This machine; `before` happens right before a command or a write, with what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.before: Callable[[str], None] = lambda what: None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        what = described(argv)
        self.heard.append(line(argv) if what is None else what or "renew the lock")
        self.before(self.heard[-1])
        return await super().run(argv, timeout, cap)

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        self.heard.append(f"read {Path(path).name}")
        return await super().read(path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        self.heard.append(f"write {Path(path).name}")
        self.before(self.heard[-1])
        await super().write(path, data, mode, before)


def record() -> Path:
    """Where this machine's lock is recorded."""
    own = Path(os.environ["XDG_STATE_HOME"], "cowhand", "locks", os.uname().nodename)
    return (Path(lock.LOCKS) if os.geteuid() == 0 else own) / "lock"


def quieten() -> None:
    """Make the lock's last renewal as old as it must be to be taken over."""
    lines = record().read_text().splitlines()
    lines[3] = str(int(lines[3]) - int(lock.QUIET))
    record().write_text("\n".join(lines) + "\n")


@pytest.mark.usefixtures("stale")
async def test_a_host_is_locked_from_before_its_last_check_until_the_run_ends(tmp_path: Path) -> None:
    host = Watched()
    steps = [Leave(tmp_path / "a", name="one"), Leave(tmp_path / "b", name="two")]
    assert (await Play(tmp_path, steps, ["yes", "yes"], host=host).run()).outcome == "done"
    told = [what for what in host.heard if what.endswith(("lock", "write a", "write b"))]
    assert told == ["take the lock", "renew the lock", "write a", "renew the lock", "renew the lock", "write b",
                    "release the lock"]  # fmt: skip
    between = host.heard[host.heard.index("take the lock") : host.heard.index("renew the lock")]
    assert "read a" in between, "it is looked at again, now that nobody else changes it"


async def test_a_run_that_changes_nothing_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello\n")
    host = Watched()
    assert (await Play(tmp_path, [Leave(tmp_path / "a")], host=host).run()).outcome == "done"
    assert (await Play(tmp_path, [Leave(tmp_path / "b")], dry=True, host=host).run()).outcome == "planned"
    assert not [what for what in host.heard if "lock" in what]


async def test_a_host_that_another_console_changes_is_left_alone_until_it_is_free(tmp_path: Path) -> None:
    other = HostLock(Local(), EVE, "another site")
    await other.take()
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "stop"])
    ending = await play.run()
    assert ending.outcome == "failed"
    assert "here is locked by the run run-2 of provision: process 18 of eve on desk, since " in ending.words
    assert not (tmp_path / "a").exists()
    assert not [entry for entry in play.record.entries if entry.kind in ("do", "intent")]
    await other.release()
    assert (await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()).outcome == "done"


async def test_the_lock_of_a_quiet_console_is_taken_over_when_the_operator_says_which(tmp_path: Path) -> None:
    await HostLock(Local(), EVE, "another site").take()
    quieten()
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "run-2", "yes"])
    assert (await play.run()).outcome == "done"
    asked = [prompt for prompt in play.prompts if prompt.kind == "answer"]
    assert [(prompt.key, list(prompt.choices)) for prompt in asked] == [("take-over", ["run-2", "no"])]
    assert "last heard of" in asked[0].text
    assert await lock.holder(Local()) is None


async def test_without_an_answer_or_with_a_no_the_quiet_console_keeps_its_lock(tmp_path: Path) -> None:
    await HostLock(Local(), EVE, "another site").take()
    quieten()
    ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()
    assert (ending.outcome, ending.missing) == ("unanswered", "take-over")
    ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "stop"], {"take-over": "no"}).run()
    assert (ending.outcome, "is locked by the run run-2" in ending.words) == ("failed", True)
    ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"], {"take-over": "run-7"}).run()
    assert (ending.outcome, ending.missing) == ("unanswered", "take-over")
    assert not (tmp_path / "a").exists()
    ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"], {"take-over": "run-2"}).run()
    assert ending.outcome == "done"


@pytest.mark.usefixtures("stale")
async def test_a_run_whose_lock_was_taken_over_changes_nothing_more(tmp_path: Path) -> None:
    host = Watched()

    def lose(what: str) -> None:
        if what == "write a":
            record().unlink()

    host.before = lose
    steps = [Leave(tmp_path / "a", name="one"), Leave(tmp_path / "b", name="two")]
    ending = await Play(tmp_path, steps, ["yes", "yes", "stop"], host=host).run()
    assert ending.outcome == "failed"
    assert "the lock of here was lost" in ending.words
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("stale")
async def test_a_lock_that_is_lost_between_the_last_check_and_the_change_stops_the_change(tmp_path: Path) -> None:
    host = Watched()
    renewals: list[str] = []

    def lose(what: str) -> None:
        renewals.extend([what] if what == "renew the lock" else [])
        if what == "renew the lock" and len(renewals) == 1:
            record().unlink()

    host.before = lose
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "stop"], host=host)
    ending = await play.run()
    assert ending.outcome == "failed"
    assert not (tmp_path / "a").exists()
    assert not [entry for entry in play.record.entries if entry.kind == "do"]


async def test_a_run_that_is_cut_off_gives_its_locks_back(tmp_path: Path) -> None:
    host = Watched()
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"], host=host)
    task = asyncio.ensure_future(play.session.run())
    host.before = lambda what: task.cancel() and None if what == "write a" else None
    await asyncio.wait({task})
    assert task.cancelled()
    assert await lock.holder(Local()) is None
