"""What an earlier change left running on its host is found by its mark, waited for or ended, never begun twice."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.events import FlowSaid
from console.hosts import marks
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.marks import VARIABLE, guarding, marked, marking, plainly, unmarked
from console.runner import unsettled
from console.store import journal
from tests.console.flows.playing import SITE, Leave, Play
from tests.console.runner.haste import quick

__all__ = ["quick"]


MARK = f"20260101-000000-000000-{os.getpid()}"
"""Nobody else's on this machine, whoever else runs these tests."""


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
