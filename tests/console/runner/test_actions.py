"""What a plan may do beside running and writing: small changes, requests, waiting; progress, silence, good ends."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.errors import NoWayIn
from console.events import ActionProgressed, ActionSaid
from console.flows import (
    Amount,
    Call,
    CheckResult,
    Plan,
    Run,
    Step,
    StepContext,
    Wait,
    done,
    link,
    make_folder,
    needed,
    remove,
    set_mode,
    set_owner,
)
from console.hosts.host import Completed
from console.hosts.local import Local
from console.runner import hearing
from console.runner.hearing import Ear, Gauge
from tests.console.flows.playing import Leave, Play
from tests.console.runner.acting import Doing, play


async def undone(tmp_path: Path, first: Play) -> str:
    back = Play(tmp_path, list(first.session.flow.steps(first.context)), ["all"], undoing=first.record)  # type: ignore[arg-type]
    return (await back.run()).outcome


# ── small changes, each with its way back ───────────────────────────────────────────────────────────────────────────


async def test_a_folder_is_made_with_its_mode_and_taken_back_while_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first = await play(tmp_path, folder, make_folder("here", str(folder), 0o750))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert await undone(tmp_path, first) == "done"
    assert not folder.exists()


async def test_a_folder_that_is_there_already_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir(mode=0o700)
    first = await play(tmp_path, tmp_path / "mark", make_folder("here", str(folder), 0o755))
    assert first.ending.outcome == "failed"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_link_is_made_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "link"
    first = await play(tmp_path, path, link("here", str(path), "one"))
    assert path.readlink() == Path("one")
    assert await undone(tmp_path, first) == "done"
    assert not os.path.lexists(path)


async def test_a_link_is_pointed_elsewhere_and_back(tmp_path: Path) -> None:
    path, mark = tmp_path / "link", tmp_path / "mark"
    path.symlink_to("one")
    touch = Run("here", ("touch", str(mark)), undo=("rm", str(mark)))
    first = await play(tmp_path, mark, link("here", str(path), "two", before="one"), touch)
    assert path.readlink() == Path("two")
    assert await undone(tmp_path, first) == "done"
    assert path.readlink() == Path("one")


async def test_a_link_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    first = await play(tmp_path, tmp_path / "mark", link("here", str(tmp_path / "file"), "elsewhere"))
    assert (first.ending.outcome, (tmp_path / "file").read_text()) == ("failed", "mine\n")


async def test_a_file_that_is_removed_is_kept_beside_and_put_back(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_text("mine\n")

    class Gone(Doing):
        async def check(self, context: StepContext) -> CheckResult:
            return needed("it is there") if path.exists() else done("it is gone")

    step = Gone(path, remove("here", str(path)))
    first = Play(tmp_path, [step], ["yes"])
    assert (await first.run()).outcome == "done"
    assert (path.exists(), (tmp_path / "old.previous").read_text()) == (False, "mine\n")
    assert (await Play(tmp_path, [step], ["yes"], undoing=first.record).run()).outcome == "done"
    assert path.read_text() == "mine\n"


async def test_mode_and_owner_are_set_and_set_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    path.chmod(0o644)
    me = f"{os.getuid()}:{os.getgid()}"
    mode, owner = set_mode("here", str(path), 0o600, 0o644), set_owner("here", str(path), me, me)
    touch = Run("here", ("touch", str(tmp_path / "mark")), undo=("rm", str(tmp_path / "mark")))
    first = await play(tmp_path, tmp_path / "mark", mode, owner, touch)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await undone(tmp_path, first) == "done"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# ── a written file goes back by itself ──────────────────────────────────────────────────────────────────────────────


class Plain(Leave):
    """Has no way back of its own."""

    async def undo(self, context: StepContext) -> Plan | None:
        return await Step.undo(self, context)


async def test_a_written_file_is_put_back_from_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("old\n")
    path.chmod(0o640)
    step = Plain(path, "new\n")
    first = Play(tmp_path, [step], ["yes"])
    assert (await first.run()).outcome == "done"
    assert (await Play(tmp_path, [step], ["yes"], undoing=first.record).run()).outcome == "done"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("old\n", 0o640)


@pytest.mark.parametrize("touched", ["conf", "conf.previous"])
async def test_what_somebody_else_has_changed_since_is_not_put_back(tmp_path: Path, touched: str) -> None:
    path = tmp_path / "conf"
    path.write_text("old\n")

    class Named(Plain):
        async def check(self, context: StepContext) -> CheckResult:
            there = await context.text("here", self.path) or ""
            return done("it has our line") if "new\n" in there else needed("it has not")

    step = Named(path, "new\n")
    first = Play(tmp_path, [step], ["yes"])
    assert (await first.run()).outcome == "done"
    with (tmp_path / touched).open("a") as file:
        file.write("theirs\n")
    kept = path.read_text()
    back = Play(tmp_path, [step], ["yes"], undoing=first.record)
    assert (await back.run()).outcome == "done"
    assert (back.states(), path.read_text()) == (["skipped"], kept)


async def test_a_step_with_a_change_that_nothing_takes_back_is_left_whole(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    touch = Run("here", ("touch", str(one)), undo=("rm", str(one)))
    first = await play(tmp_path, two, touch, Run("here", ("touch", str(two))))
    back = Play(tmp_path, list(first.session.flow.steps(first.context)), ["yes"], undoing=first.record)  # type: ignore[arg-type]
    assert (await back.run()).outcome == "done"
    assert (back.states(), one.exists(), two.exists()) == (["skipped"], True, True)


async def test_after_a_failure_what_was_made_can_be_taken_back(tmp_path: Path) -> None:
    one = tmp_path / "one"
    touch = Run("here", ("touch", str(one)), undo=("rm", str(one)))
    first = await play(tmp_path, tmp_path / "mark", touch, Run("here", ("false",)), say=("yes", "undo", "yes"))
    assert (first.states(), one.exists()) == (["undone"], False)


# ── requests and waiting ────────────────────────────────────────────────────────────────────────────────────────────


class Answering:
    """Stands for an interface: notes what it is asked, and makes a file."""

    def __init__(self, mark: Path, status: int = 0) -> None:
        self.mark, self.status = mark, status
        self.asked: list[tuple[str, str, str]] = []

    async def call(self, method: str, path: str, body: str, timeout: float) -> Completed:
        self.asked.append((method, path, body))
        if not self.status:
            self.mark.touch()
        return Completed(self.status, b"", b"" if not self.status else b"Error: not found")


async def test_a_request_is_planned_journalled_and_proven_like_a_command(tmp_path: Path) -> None:
    api = Answering(tmp_path / "mark")
    call = Call("here", "incus", "POST", "/1.0/instances/mail/snapshots", '{"name":"before"}')
    first = Play(tmp_path, [Doing(tmp_path / "mark", call)], ["yes"], apis={"incus": api})
    assert (await first.run()).outcome == "done"
    assert api.asked == [("POST", "/1.0/instances/mail/snapshots", '{"name":"before"}')]
    done_ = [entry.data for entry in first.record.entries if entry.kind in ("do", "did")]
    assert [each["text"] for each in done_] == [call.text] * 2


async def test_a_request_that_is_refused_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    api = Answering(tmp_path / "mark", 1)
    first = Play(tmp_path, [Doing(tmp_path / "mark", Call("here", "incus", "DELETE", "/x"))], ["yes", "stop"],
                 apis={"incus": api})  # fmt: skip
    ending = await first.run()
    assert (ending.outcome, "Error: not found" in ending.words) == ("failed", True)


async def test_a_request_to_what_is_not_connected_is_a_failure(tmp_path: Path) -> None:
    first = await play(tmp_path, tmp_path / "mark", Call("here", "incus", "GET", "/x"))
    assert "cowhand is not connected to incus" in first.ending.words


class Patient(Local):
    """Makes a file when it was asked so often whether it is there."""

    def __init__(self, path: Path, after: int) -> None:
        super().__init__()
        self.path, self.after = path, after

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if argv[0] == "test":
            self.after -= 1
            if self.after == 0:
                raise NoWayIn("the machine is starting")
            if self.after < 0:
                self.path.touch()
        return await super().run(argv, timeout, cap)


async def test_a_wait_ends_when_the_condition_holds_and_outlasts_a_host_that_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    wait = Wait("here", ("test", "-e", str(path)), "it is there", 60, every=0.0)
    first = await play(tmp_path, path, wait, host=Patient(path, 3))
    assert first.ending.outcome == "done"


async def test_a_wait_in_vain_says_what_it_waited_for(tmp_path: Path) -> None:
    wait = Wait("here", ("test", "-e", str(tmp_path / "mark")), "the machine answers", 0.05, every=0.01)
    first = await play(tmp_path, tmp_path / "mark", wait)
    assert "in vain until the machine answers" in first.ending.words


async def test_a_wait_may_not_change_anything(tmp_path: Path) -> None:
    wait = Wait("here", ("touch", str(tmp_path / "x")), "it is touched", 1, every=0.0)
    first = await play(tmp_path, tmp_path / "mark", wait)
    assert (first.ending.outcome, (tmp_path / "x").exists()) == ("failed", False)


# ── progress, silence, and an end in good order ─────────────────────────────────────────────────────────────────────


def percent(line: str) -> Amount | None:
    return Amount(float(line[:-1]), 100, "%", "copying") if line.endswith("%") else None


async def test_progress_is_read_from_what_a_command_says(tmp_path: Path) -> None:
    script = f"printf '10%%\\r55%%\\r'; printf 'words\\n100%%\\n'; touch {tmp_path}/mark"
    first = await play(tmp_path, tmp_path / "mark", Run("here", ("sh", "-c", script), progress=percent))
    told = [event for event in first.events if isinstance(event, ActionProgressed)]
    assert (told[0].done, told[-1].done, told[-1].total, told[-1].words) == (10, 100, 100, "copying")


def test_a_rate_and_what_remains_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(hearing.time, "monotonic", lambda: now)
    told: list[tuple[float, float, float]] = []
    gauge = Gauge(lambda amount, rate, left: told.append((amount.done, rate, left)))
    for at, value in ((100.0, 0), (100.1, 1), (102.0, 20), (104.0, 40), (104.1, 100)):
        now = at
        gauge.take(Amount(value, 100))
    assert told == [(0, 0, 0), (20, 10, 8), (40, 10, 6), (100, pytest.approx(100 / 4.1), 0)]


def test_a_rate_is_that_of_late_and_begins_again_when_the_amount_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(hearing.time, "monotonic", lambda: now)
    told: list[float] = []
    gauge = Gauge(lambda amount, rate, left: told.append(rate))
    for at, value in ((0.0, 0), (100.0, 1000), (101.0, 1001), (102.0, 5)):
        now = at
        gauge.take(Amount(value))
    assert told == [0, 0, 1, 0]


async def test_a_command_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    run = Run("here", ("sh", "-c", "echo begun; sleep 60"), 60, silence=0.05)
    first = await play(tmp_path, tmp_path / "mark", run)
    assert "said nothing for 0.05 s" in first.ending.words


async def test_one_that_keeps_talking_is_not_given_up(tmp_path: Path) -> None:
    ear = Ear(lambda text: None)
    ear.heard = 0.0
    waiting = asyncio.ensure_future(ear.silence(60))
    await asyncio.sleep(0)
    assert waiting.done(), "nothing was ever said"
    ear.hear(b"words\n")
    waiting = asyncio.ensure_future(ear.silence(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    ear.close()


async def test_a_cut_sends_the_commands_own_signal_first(tmp_path: Path) -> None:
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    script = f'trap "touch {ended}; exit 0" USR1; touch {ready}; echo ready; while :; do sleep 0.01; done'
    run = Run("here", ("sh", "-c", script), 60, signal="USR1")
    first = Play(tmp_path, [Doing(tmp_path / "mark", run)], ["yes"])
    task = asyncio.ensure_future(first.run())
    while not ready.exists():  # noqa: ASYNC110  # it is another process that makes it
        await asyncio.sleep(0)
    await first.session.cut()
    assert (await task).outcome == "stopped"
    assert ended.exists()
    assert not any(isinstance(event, ActionSaid) and "Terminated" in event.output for event in first.events)
