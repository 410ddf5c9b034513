"""What an earlier change left running on its host is found by its mark, waited for or ended, never begun twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from console.events import FlowSaid
from console.hosts import lock, marks
from console.hosts.host import ANY, Before, Completed
from console.hosts.local import Local
from console.hosts.lock import Console, HostLock, described
from console.hosts.marks import VARIABLE, guarding, marked, marking, plainly, unmarked
from console.hosts.shell import line
from console.runner import unsettled
from console.store import journal
from tests.console.flows.playing import SITE, Leave, Play

MARK = f"20260101-000000-000000-{os.getpid()}"
"""Nobody else's on this machine, whoever else runs these tests."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and take it that a command has its mark as soon as it was begun."""
    monkeypatch.setattr(unsettled, "OFTEN", 0.01)
    monkeypatch.setattr(unsettled, "SETTLE", 0.0)


def lost(tmp_path: Path, *argv: str, ago: float = 0.0, mark: str = MARK, key: str = "here") -> None:
    """Leave the journal of a console that was killed while a command ran."""
    (tmp_path / "site.toml").write_text(SITE)
    made = journal.Journal(journal.place(tmp_path / "site.toml"))
    with pytest.MonkeyPatch.context() as patch:
        moment = time.time() - ago
        patch.setattr(time, "time", lambda: moment)
        made.write("began", flow="play", pid=1)
        made.write("do", step="x", flow="play", host="here", key=key, text=" ".join(argv), argv=list(argv),
                   limit=60, mark=mark)  # fmt: skip
    made.close()


Marked = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def running() -> Iterator[Marked]:
    """Starts a command with a mark that outlives its console."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, mark: str = MARK) -> subprocess.Popen[bytes]:
        token = marking.set(mark)
        started.append(subprocess.Popen(marked(argv)))
        marking.reset(token)
        while started[-1].poll() is None and mark.encode() not in environment(started[-1].pid):
            pass
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


class Ending(Play):
    """Ends the lost command, and reaps it, when the run says that it waits for it."""

    left: subprocess.Popen[bytes]

    def _hear(self, event: object) -> None:
        super()._hear(event)  # type: ignore[arg-type]
        if isinstance(event, FlowSaid) and "still runs" in event.text:
            self.left.kill()
            self.left.wait()


async def test_a_command_that_still_runs_is_waited_for(tmp_path: Path, running: Marked) -> None:
    lost(tmp_path, "sleep", "60")
    play = Ending(tmp_path, [Leave(tmp_path / "a")], ["wait", "yes"])
    play.left = running("sleep", "60")
    assert (await play.run()).outcome == "done"
    said = [event.text for event in play.events if isinstance(event, FlowSaid)]
    assert said == [f"still runs on here, as process {play.left.pid}; waiting until it ends: sleep 60"]


async def test_it_is_known_by_its_mark_and_not_by_its_words(tmp_path: Path, running: Marked) -> None:
    lost(tmp_path, "sleep", "60")
    running("sleep", "60", mark="another")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    assert (await play.run()).outcome == "done"
    assert [prompt.kind for prompt in play.prompts] == ["confirm"]


async def test_it_is_ended_when_the_operator_says_so(tmp_path: Path, running: Marked) -> None:
    lost(tmp_path, "sleep", "60")
    left = running("sleep", "60")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["end", "yes"])
    outcome = await _reaping(play, left)
    assert (outcome, left.returncode) == ("done", -15)
    signals = [entry.data["signal"] for entry in play.record.entries if entry.kind == "signal"]
    assert signals == ["TERM"]


async def _reaping(play: Play, left: subprocess.Popen[bytes]) -> str:
    """Run, and reap what was ended meanwhile, as the init of its host does."""
    import asyncio

    task = asyncio.ensure_future(play.run())
    while not task.done():
        left.poll()
        await asyncio.sleep(0)
    return (await task).outcome


async def test_one_that_runs_beyond_its_limit_is_named_and_nothing_begins(tmp_path: Path, running: Marked) -> None:
    lost(tmp_path, "sleep", "60", ago=100)
    left = running("sleep", "60")
    ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["wait", "stop"]).run()
    assert ending.outcome == "failed"
    assert f"still runs as process {left.pid} on here; end it, or wait" in ending.words
    assert not (tmp_path / "a").exists()


async def test_what_was_not_waited_for_is_still_known_to_the_next_run_and_the_one_after(
    tmp_path: Path, running: Marked
) -> None:
    lost(tmp_path, "sleep", "60", ago=100)
    left = running("sleep", "60")
    for _ in range(8):
        ending = await Play(tmp_path, [Leave(tmp_path / "a")], ["stop"]).run()
        assert (ending.outcome, (tmp_path / "a").exists()) == ("failed", False)
    left.kill()
    left.wait()
    assert (await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()).outcome == "done"
    assert journal.carried(journal.place(tmp_path / "site.toml")).open == ()


async def test_one_that_has_ended_holds_nothing_up(tmp_path: Path) -> None:
    lost(tmp_path, "sleep", "60")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    assert (await play.run()).outcome == "done"
    assert [entry.data["mark"] for entry in play.record.entries if entry.kind == "settled"] == [MARK]


class Blind(Local):
    """A host that does not show its processes."""

    async def run(self, argv: object, timeout: float, cap: int = 1 << 20) -> Completed:
        return Completed(3, b"", b"")


@pytest.mark.parametrize(("ago", "waits"), [(60 + unsettled.GRACE + 1, False), (0, True)])
async def test_where_nobody_can_tell_its_limit_is_waited_for(tmp_path: Path, ago: float, waits: bool) -> None:
    lost(tmp_path, "sleep", "60", ago=ago)
    play = Play(tmp_path, [Leave(tmp_path / "a")], host=Blind())
    looks = 0

    async def find(host: object, mark: str) -> tuple[int, ...] | None:
        nonlocal looks
        looks += 1
        if looks > 2:
            play.session.stop()
        return await found(host, mark)  # type: ignore[arg-type]

    found = marks.find
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "find", find)
        await play.run()
    assert (looks > 2) == waits
    assert not (tmp_path / "a").exists() or not waits


async def test_one_on_a_host_that_the_site_no_longer_has_is_said_and_let_go_of(tmp_path: Path) -> None:
    lost(tmp_path, "sleep", "60", ago=100, key="gone")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    assert (await play.run()).outcome == "done"
    assert any("no longer in site.toml" in event.text for event in play.events if isinstance(event, FlowSaid))


async def test_waiting_can_be_stopped(tmp_path: Path, running: Marked) -> None:
    lost(tmp_path, "sleep", "60")
    running("sleep", "60")
    play = Play(tmp_path, [Leave(tmp_path / "a")])
    play.before = lambda prompt: play.session.stop()
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("stopped", "stopped; nothing was changed")


# ── marks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_change_has_its_mark_and_a_look_has_none(tmp_path: Path) -> None:
    host = Local()
    token = marking.set("m-1")
    try:
        assert (await host.run(["printenv", VARIABLE], 10)).stdout == b"m-1\n"
    finally:
        marking.reset(token)
    assert (await host.run(["printenv", VARIABLE], 10)).status == 1


async def test_a_command_that_is_not_there_is_said_as_without_a_mark(tmp_path: Path) -> None:
    token = marking.set("m-1")
    try:
        done = await Local().run(["no-such-command"], 10)
    finally:
        marking.reset(token)
    assert (done.status, done.stderr) == (127, b"no-such-command: command not found")


def test_a_status_127_of_the_command_itself_is_left_as_it_is() -> None:
    done = Completed(127, b"", b"docker: its own words\n")
    assert plainly(["docker"], done) is done


def test_a_command_is_put_under_the_rollback_of_its_own_host_alone() -> None:
    mark = marking.set("run-1")
    guard = guarding.set(("mail", "/store/rollback.sh", "way"))
    try:
        assert marked(["head", "x"], "vps") == ["env", f"{VARIABLE}=run-1", "head", "x"]
        words = marked(["head", "x"], "mail")
        assert words == ["env", f"{VARIABLE}=run-1", "sh", "/store/rollback.sh", "under", "way", "head", "x"]
        assert unmarked(words) == ["head", "x"]
    finally:
        guarding.reset(guard)
        marking.reset(mark)


def test_a_mark_is_taken_off_again() -> None:
    token = marking.set("m-1")
    words = marked(["mkfs.ext4", "-q"])
    marking.reset(token)
    assert (words[:2], unmarked(words), unmarked(["env", "A=1"])) == (
        ["env", f"{VARIABLE}=m-1"], ["mkfs.ext4", "-q"], ["env", "A=1"],
    )  # fmt: skip


async def test_the_children_of_a_command_have_its_mark_too(running: Marked) -> None:
    shell = running("sh", "-c", "sleep 60 & wait", mark=f"m-2-{os.getpid()}")
    found: tuple[int, ...] | None = ()
    while len(found or ()) < 2:
        found = await marks.find(Local(), f"m-2-{os.getpid()}")
    assert found is not None
    assert shell.pid in found
    await marks.signal(Local(), f"m-2-{os.getpid()}", "KILL")
    shell.wait()
    while await marks.find(Local(), f"m-2-{os.getpid()}"):
        pass


async def test_a_mark_that_begins_like_another_is_another(running: Marked) -> None:
    running("sleep", "60", mark=f"m-34-{os.getpid()}")
    assert await marks.find(Local(), f"m-34-{os.getpid()}"[:-1]) == ()


# ── the lock of each host ───────────────────────────────────────────────────────────────────────────────────────────

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
