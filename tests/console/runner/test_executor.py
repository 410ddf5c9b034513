"""One action of a confirmed plan: what is refused before it, what reaches the host, what is journalled and told of it.

The host here is a stand-in that keeps what it was asked; what real shells make of it is in test_runner.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import FileError, HostError, NoWayIn, StreamError, TimedOut
from console.events import ActionBegan, ActionEnded
from console.hosts.host import Completed, feeding
from console.hosts.marks import guarding, marking
from console.runner import executor, transfer
from console.runner.executor import Failed
from console.runner.plan import Copy, Run, Write
from console.runner.progress import Stopped
from console.runner.read_only import Forbidden
from tests.console.runner.doing import LOOKS, RUN, WELL, Doing, Stand, failed


async def test_a_change_is_journalled_and_told_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_word", lambda: "w")
    now = iter([10.0, 12.3456])
    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: next(now), time=lambda: 5.0))
    doing = Doing(tmp_path, Stand(Completed(0, b"said\n", b"complained\n")), RUN)
    assert await doing.executor.do(RUN) == Completed(0, b"said\n", b"complained\n")
    told = {"step": "second", "flow": "g", "host": "cow", "text": "touch /x", "key": "site-name", "mark": "R-w"}
    assert doing.journal.lines == [
        ("do", told | {"argv": ["touch", "/x"], "limit": 7.0, "undo": {"run": ["rm", "/x"]}}),
        ("did", told | {"status": 0, "output": "said\ncomplained", "seconds": 2.346}),
    ]
    began, ended = doing.events
    assert isinstance(began, ActionBegan)
    assert isinstance(ended, ActionEnded)
    assert (began.run, began.step, began.action.text, began.at, began.path) == (
        "R", 1, "touch /x", 5.0, ("f", "g", "second")
    )  # fmt: skip
    assert (ended.run, ended.step, ended.status, ended.output, ended.problem, ended.seconds, ended.path) == (
        "R", 1, 0, "said\ncomplained", "", 2.346, ("f", "g", "second")
    )  # fmt: skip
    assert [(each.argv, each.timeout, each.mark) for each in doing.host.asked] == [(("touch", "/x"), 7.0, "R-w")]
    assert (doing.executor.begun, doing.executor.made, doing.progress.begun) == (1, 1, 1)
    assert doing.progress.made == {("g", "second"): [{"run": ["rm", "/x"], "key": "site-name"}]}
    assert doing.progress.unsettled == []
    assert (marking.get(), guarding.get(), feeding.get()) == ("", None, b"")


async def test_what_arms_a_rollback_says_so_and_is_not_undone_with_the_step(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    doing.executor.guards = True
    await doing.executor.do(RUN)
    assert doing.journal.lines[0][1]["guard"] is True
    assert doing.progress.made == {}
    assert doing.executor.made == 1


async def test_it_runs_under_the_rollback_of_its_host_and_no_other(tmp_path: Path) -> None:
    for key, guard in (("site-name", ("cow", "p", "n")), ("other", None)):
        doing = Doing(tmp_path, Stand(), RUN)
        doing.executor.under = {key: ("cow", "p", "n")}
        await doing.executor.do(RUN)
        assert doing.host.asked[0].guard == guard
        assert guarding.get() is None


async def test_its_signal_and_its_mark_are_known_while_it_runs(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    seen: list[tuple[str, str, bool]] = []
    running: list[Any] = []

    async def look() -> None:
        now = doing.progress.running
        assert now is not None
        running.append(now)
        seen.append((now.host, now.signal, now.mark == marking.get()))

    doing.host.meanwhile = look
    await doing.executor.do(RUN)
    assert seen == [("site-name", "INT", True)]
    assert running[0].ended.is_set()
    assert doing.progress.running is None


async def test_no_two_actions_have_the_same_mark(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    await doing.executor.do(RUN)
    await doing.executor.do(RUN)
    assert (doing.executor.begun, doing.executor.made, doing.progress.begun) == (2, 2, 2)
    assert len(doing.progress.made["g", "second"]) == 2
    marks = [each.mark for each in doing.host.asked]
    assert len({*marks}) == 2
    assert [len(mark) for mark in marks] == [18, 18]


async def test_nothing_that_was_not_shown_is_done(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    other = Run("mail", ("touch", "/y\x1b"))
    words = await failed(doing, other, Forbidden)
    assert words == "touch '/y\\x1b' was not in the plan that was shown"
    assert (doing.host.asked, doing.journal.lines, doing.executor.begun) == ([], [], 0)


async def test_a_secret_is_never_a_word_of_a_command(tmp_path: Path) -> None:
    run = Run("mail", ("login", "hunter2x"))
    doing = Doing(tmp_path, Stand(), run)
    doing.context.hide("hunter2x")
    assert await failed(doing, run, Forbidden) == "login would show a secret to every user of cow"
    assert (doing.host.asked, doing.journal.lines) == ([], [])


async def test_a_stopped_run_does_nothing_more_but_for_what_takes_back(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    doing.progress.stop()
    await failed(doing, RUN, Stopped)
    assert (doing.host.asked, doing.journal.lines) == ([], [])
    doing.executor.always = True
    await doing.executor.do(RUN)
    assert len(doing.host.asked) == 1


STATUSES = [(0, (0,), True), (1, (0,), False), (1, (0, 1), True), (0, (1,), False), (255, (0,), False)]


@pytest.mark.parametrize(("status", "well", "succeeds"), STATUSES)
async def test_a_status_is_success_or_a_failure_with_its_reason(
    status: int, well: tuple[int, ...], succeeds: bool, tmp_path: Path
) -> None:
    run = Run("mail", ("touch", "/x"), well=well)
    doing = Doing(tmp_path, Stand(Completed(status, b"", b"touch: no space\n")), run)
    if succeeds:
        await doing.executor.do(run)
    else:
        assert await failed(doing, run) == "touch on cow: no space"
    (kind, data) = doing.journal.lines[-1]
    assert (kind, data["status"], data["output"], bool(data.get("problem"))) == (
        "did", status, "touch: no space", not succeeds
    )  # fmt: skip
    assert (doing.executor.begun, doing.executor.made, len(doing.progress.made)) == (1, int(succeeds), int(succeeds))
    assert "unsure" not in data
    assert doing.progress.unsettled == []


UNSURE = [
    (FileError("no space"), False),
    (StreamError("cut"), True),
    (NoWayIn("gone"), True),
    (TimedOut("late"), True),
]


@pytest.mark.parametrize(("error", "unsure"), UNSURE)
async def test_what_may_have_taken_effect_is_kept_as_unsettled(error: HostError, unsure: bool, tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(error), RUN)
    assert await failed(doing, RUN) == str(error)
    data = doing.journal.lines[-1][1]
    assert (data["problem"], data.get("unsure", False), data.get("status")) == (str(error), unsure, None)
    assert [(each.mark, each.host, each.text, each.limit) for each in doing.progress.unsettled] == (
        [(data["mark"], "site-name", "touch /x", 7.0)] if unsure else []
    )
    assert doing.told(ActionEnded)[0].problem == str(error)
    assert doing.progress.running is None
    assert (marking.get(), doing.executor.made, doing.progress.made) == ("", 0, {})


async def test_an_error_without_words_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doing = Doing(tmp_path, Stand(NoWayIn("")), RUN)
    assert await failed(doing, RUN) == ""
    assert (doing.executor.made, doing.progress.made) == (0, {})

    async def stand_in(*_: object) -> None:
        raise Failed("")

    monkeypatch.setattr(transfer, "copy", stand_in)
    copy = Copy("mail", "/x", "mail", "/y", 9, "s")
    doing = Doing(tmp_path, Stand(), copy)
    assert await failed(doing, copy) == ""
    assert (doing.executor.made, doing.progress.made) == (0, {})


async def test_a_host_that_never_says_is_given_up_some_time_after_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    real = asyncio.timeout

    def shorter(seconds: float) -> asyncio.Timeout:
        given.append(seconds)
        return real(0.0)

    monkeypatch.setattr(executor.asyncio, "timeout", shorter)  # type: ignore[attr-defined]
    run = Run("mail", ("touch", "/x"), 7.0, guards=(LOOKS, LOOKS))
    doing = Doing(tmp_path, Stand(), run)
    doing.host.meanwhile = lambda: asyncio.Event().wait()  # type: ignore[assignment]
    assert await failed(doing, run) == "touch /x: it did not end within 17 s"
    assert given == [7.0 + 10.0 + 2 * 30.0]
    data = doing.journal.lines[-1][1]
    assert (data["problem"], data["unsure"]) == ("it did not end within 17 s", True)
    assert len(doing.progress.unsettled) == 1
    doing = Doing(tmp_path, Stand(), RUN)
    doing.host.meanwhile = lambda: asyncio.Event().wait()  # type: ignore[assignment]
    await failed(doing, RUN)
    write = Write("mail", "/x", None, b"a")
    doing = Doing(tmp_path, Stand(), write)
    doing.host.read = lambda path, cap=0: asyncio.Event().wait()  # type: ignore[assignment,return-value,method-assign]
    assert await failed(doing, write) == "write /x (mode 0644, 1 bytes): it did not end within 70 s"
    assert given[1:] == [17.0, 70.0]
    assert doing.journal.lines[0][1]["limit"] == 60.0


async def test_one_that_is_cut_off_may_have_taken_effect(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    doing.host.meanwhile = hang
    task = asyncio.ensure_future(doing.executor.do(RUN))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    data = doing.journal.lines[-1][1]
    words = "cut off while it ran: whether it took effect is not known"
    assert (data["problem"], data["unsure"]) == (words, True)
    assert len(doing.progress.unsettled) == 1


async def test_what_was_read_before_is_forgotten_after_each_action(tmp_path: Path) -> None:
    for answer in (WELL, Completed(1, b"", b"")):
        doing = Doing(tmp_path, Stand(answer), RUN)
        made = 0

        async def make() -> int:
            nonlocal made
            made += 1
            return made

        before = await doing.context.cached("k", make)
        if answer.status:
            await failed(doing, RUN)
        else:
            await doing.executor.do(RUN)
        assert await doing.context.cached("k", make) == before + 1
