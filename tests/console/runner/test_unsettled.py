"""How long a lost command is waited for, what is asked and said of it, and how it is ended.

The clock, the host and the operator are stand-ins here; tests/console/runner/test_session.py has real commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import NoWayIn
from console.hosts import marks
from console.runner import unsettled
from console.runner.progress import Unsettled
from console.runner.unsettled import Leftover, settle

BEGUN = Unsettled("run-1", "mark-1", "cow", "mkfs /dev/vdb", 1000.0, 60.0)
LAST_LOOK = 1065.0
"""Its beginning, its limit and five seconds of grace."""

Found = tuple[int, ...] | None


class Progress:
    """Stands for a run's: each pause lets the clock go on, and `found` says what a look at the host finds then."""

    def __init__(self, now: float, found: Callable[[float], Found], answer: str | None = None) -> None:
        self.now, self.found, self.reply = now, found, answer
        self.answers_at = now
        self.unsettled = [BEGUN]
        self.at = 7
        self.said: list[str] = []
        self.written: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.signals: list[tuple[float, str]] = []
        self.looks: list[float] = []
        self.pauses: list[float] = []
        self.checks = 0
        self.withdrawn = False
        self.host: Any = SimpleNamespace(name="cow at home")
        self.context = SimpleNamespace(missing={}, machine=self.machine)
        self.journal = SimpleNamespace(write=lambda kind, **data: self.written.append((kind, data)))

    def machine(self, name: str) -> Any:
        assert name == "cow"
        if isinstance(self.host, Exception):
            raise self.host
        return self.host

    def say(self, text: str) -> None:
        self.said.append(text)

    def checkpoint(self) -> None:
        self.checks += 1

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    async def choose(self, *words: Any) -> str | None:
        self.asked.append(words)
        try:
            while self.now < self.answers_at:  # noqa: ASYNC110  # the clock is ours
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.withdrawn = True
            raise
        return self.reply


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Progress]:
    """Make a run at a moment, for which looks find what `found` says of the moment."""

    def made(now: float, found: Callable[[float], Found], answer: str | None = None) -> Progress:
        run = Progress(now, found, answer)

        async def find(host: object, mark: str) -> Found:
            assert (host, mark) == (run.host, "mark-1")
            run.looks.append(run.now)
            return run.found(run.now)

        async def signal(host: object, mark: str, name: str) -> None:
            assert (host, mark) == (run.host, "mark-1")
            run.signals.append((run.now, name))

        async def wait(tasks: set[asyncio.Task[Any]], timeout: float | None = None) -> None:
            for task in tasks:
                if timeout is None:
                    await asyncio.gather(task, return_exceptions=True)
            run.now += timeout or 0
            for _ in range(3):
                await asyncio.sleep(0)

        monkeypatch.setattr(marks, "find", find)
        monkeypatch.setattr(marks, "signal", signal)
        monkeypatch.setattr(unsettled, "time", SimpleNamespace(time=lambda: run.now, monotonic=lambda: run.now))
        monkeypatch.setattr(
            unsettled, "asyncio", SimpleNamespace(create_task=asyncio.create_task, wait=wait, Task=asyncio.Task)
        )
        return run

    return made


Begin = Callable[..., Progress]


def until(moment: float) -> Callable[[float], Found]:
    """It runs until that moment, as process 5."""
    return lambda now: (5,) if now < moment else ()


SETTLED = [("settled", {"mark": "mark-1", "host": "cow", "text": "mkfs /dev/vdb"})]


async def test_nothing_is_done_where_nothing_was_left(begin: Begin) -> None:
    run = begin(1100.0, until(0))
    run.unsettled = []
    await settle(run)  # type: ignore[arg-type]
    assert (run.looks, run.written) == ([], [])


async def test_one_that_has_ended_is_noted_and_let_go_of(begin: Begin) -> None:
    run = begin(1100.0, until(0))
    await settle(run)  # type: ignore[arg-type]
    assert (run.looks, run.unsettled, run.written) == ([1100.0], [], SETTLED)
    assert (run.said, run.asked) == ([], [])


async def test_all_are_settled_in_their_order(begin: Begin) -> None:
    run = begin(1100.0, until(0))
    run.unsettled = [BEGUN, Unsettled("run-1", "mark-1", "cow", "second", 1000.0, 60.0)]
    await settle(run)  # type: ignore[arg-type]
    assert [data["text"] for _, data in run.written] == ["mkfs /dev/vdb", "second"]


async def test_one_that_may_not_have_its_mark_yet_is_looked_for_until_it_would_have(begin: Begin) -> None:
    run = begin(1000.0, until(0))
    await settle(run)  # type: ignore[arg-type]
    assert run.looks == [1000.0, 1000.5, 1001.0, 1001.5]
    assert run.pauses == [0.5] * 3


async def test_one_that_still_runs_is_said_and_asked_about_once_and_waited_for(begin: Begin) -> None:
    run = begin(1010.0, until(1012.0))
    run.answers_at = 9999.0
    await settle(run)  # type: ignore[arg-type]
    assert run.said == ["still runs on cow at home, as process 5; waiting until it ends: mkfs /dev/vdb"]
    text = "the run run-1 began this, and it still runs on cow at home, as process 5: mkfs /dev/vdb"
    choices = {"wait": "wait until it ends", "end": "end it now", "stop": "stop here; it goes on by itself"}
    assert run.asked == [(7, "answer", text, choices, "wait", "running")]
    assert run.looks == [1010.0, 1010.5, 1011.0, 1011.5, 1012.0]
    assert (run.checks, run.pauses) == (4, []), "the operator may stop at each look"
    assert run.withdrawn, "the question goes when the command has gone"
    assert run.written == SETTLED


@pytest.mark.parametrize("answer", ["wait", None])
async def test_after_an_answer_to_wait_it_is_waited_for_without_a_question(begin: Begin, answer: str | None) -> None:
    run = begin(1010.0, until(1012.0), answer)
    await settle(run)  # type: ignore[arg-type]
    assert len(run.asked) == 1 and run.pauses and run.written == SETTLED


@pytest.mark.parametrize(("ends", "settled"), [(LAST_LOOK + 0.5, True), (LAST_LOOK + 1, False)])
async def test_it_is_waited_for_until_its_own_limit_and_a_grace_are_over(
    begin: Begin, ends: float, settled: bool
) -> None:
    run = begin(1010.0, until(ends))
    run.answers_at = 9999.0
    if settled:
        await settle(run)  # type: ignore[arg-type]
        assert run.written == SETTLED
        return
    with pytest.raises(Leftover) as caught:
        await settle(run)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "a command of the run run-1 still runs as process 5 on cow; "
        "end it, or wait until it ends, and start again: mkfs /dev/vdb"
    )
    assert run.looks[-1] == LAST_LOOK + 0.5 and run.withdrawn
    assert (run.unsettled, run.written) == ([BEGUN], [])


async def test_where_nobody_can_tell_its_host_has_ended_it_when_its_time_is_over(begin: Begin) -> None:
    run = begin(1010.0, lambda now: None)
    await settle(run)  # type: ignore[arg-type]
    assert run.looks[-1] == LAST_LOOK + 0.5 and run.written == SETTLED
    assert (run.asked, run.said) == ([], [])


@pytest.mark.parametrize(
    ("left", "what"), [((5,), "still runs as process 5"), ((5, 6), "still runs as process 5"), (None, "may still run")]
)
async def test_the_operator_may_stop_and_is_told_that_it_goes_on(begin: Begin, left: Found, what: str) -> None:
    run = begin(1010.0, lambda now: (5,) if now < 1010.5 else left, "stop")
    with pytest.raises(Leftover) as caught:
        await settle(run)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"a command of the run run-1 {what} on cow; end it, or wait until it ends, and start again: mkfs /dev/vdb"
    )
    assert (run.signals, run.written) == ([], [])


async def test_an_answer_to_end_it_ends_it_gently_and_waits_until_it_has_gone(begin: Begin) -> None:
    run = begin(1010.0, until(1015.0), "end")
    await settle(run)  # type: ignore[arg-type]
    assert [name for _, name in run.signals] == ["TERM"]
    signal = {"signal": "TERM", "mark": "mark-1", "host": "cow", "text": "mkfs /dev/vdb"}
    assert run.written == [("signal", signal), *SETTLED]
    assert run.looks[-1] == 1015.0 and set(run.pauses) == {0.5}


async def test_one_that_heeds_nothing_is_killed_ten_seconds_later(begin: Begin) -> None:
    run = begin(1010.0, until(1025.0), "end")
    await settle(run)  # type: ignore[arg-type]
    assert run.signals == [(1010.5, "TERM"), (1020.5, "KILL")]
    assert [data["signal"] for kind, data in run.written if kind == "signal"] == ["TERM", "KILL"]


async def test_one_that_outlives_even_that_is_told_and_nothing_begins(begin: Begin) -> None:
    run = begin(1010.0, until(9999.0), "end")
    with pytest.raises(Leftover, match="still runs as process 5 on cow"):
        await settle(run)  # type: ignore[arg-type]
    assert run.looks[-1] == 1030.5 and run.unsettled == [BEGUN]


async def test_an_answer_to_end_what_has_just_gone_signals_nobody(begin: Begin) -> None:
    run = begin(1001.0, lambda now: (5,) if now < 1001.5 else None if now < 1003.0 else (), "end")
    await settle(run)  # type: ignore[arg-type]
    assert run.signals == [] and run.written == SETTLED


async def test_a_host_that_is_out_of_reach_is_an_error(begin: Begin) -> None:
    run = begin(LAST_LOOK + 1, until(0))
    run.host = NoWayIn("no way")
    run.context.missing = {"cow": "why"}
    with pytest.raises(NoWayIn, match="no way"):
        await settle(run)  # type: ignore[arg-type]
    assert (run.said, run.written) == ([], [])


@pytest.mark.parametrize(("now", "let_go"), [(LAST_LOOK, False), (LAST_LOOK + 0.1, True)])
async def test_a_host_that_the_site_no_longer_has_is_let_go_of_when_its_time_is_over(
    begin: Begin, now: float, let_go: bool
) -> None:
    run = begin(now, until(0))
    run.host = NoWayIn("no way")
    if let_go:
        await settle(run)  # type: ignore[arg-type]
        said = "mkfs /dev/vdb was begun on cow, which is no longer in site.toml: its end is not known"
        assert (run.said, run.written, run.looks) == ([said], SETTLED, [])
    else:
        with pytest.raises(NoWayIn, match="no way"):
            await settle(run)  # type: ignore[arg-type]
        assert run.said == []


# ── as a journal tells of it ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        (
            {"run": "r", "mark": "m", "key": "k", "text": "t\x1b", "at": 1, "limit": 2},
            Unsettled("r", "m", "k", "t\\x1b", 1.0, 2.0),
        ),
        ({}, Unsettled("run-9", "", "", "", 0.0, 0.0)),
        ({"run": ""}, Unsettled("run-9", "", "", "", 0.0, 0.0)),
        ({"text": "t" * 400}, Unsettled("run-9", "", "", "t" * 400, 0.0, 0.0)),
        ({"text": "t" * 401}, Unsettled("run-9", "", "", "t" * 399 + "…", 0.0, 0.0)),
    ],
)
def test_a_change_is_read_as_a_journal_tells_of_it(entry: dict[str, Any], read: Unsettled) -> None:
    assert unsettled.read("run-9", entry) == read
