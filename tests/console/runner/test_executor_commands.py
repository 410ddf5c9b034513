"""A command of a confirmed plan: its guards and secrets, how far it is, and one that says nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console.events import ActionProgressed, ActionSaid
from console.hosts.host import Completed, overhear
from console.runner import hearing
from console.runner.executor import TAKE
from console.runner.plan import Amount, Run
from console.secret import Secret
from tests.console.runner.doing import LOOKS, RUN, WELL, Doing, Stand, failed


async def test_guards_are_asked_first_and_one_that_fails_keeps_the_command_back(tmp_path: Path) -> None:
    run = Run("mail", ("touch", "/x"), guards=(LOOKS, ("test", "-d", "/a b")))
    doing = Doing(tmp_path, Stand(), run)
    await doing.executor.do(run)
    assert [(each.argv, each.timeout) for each in doing.host.asked] == [
        (LOOKS, 30.0), (("test", "-d", "/a b"), 30.0), (("touch", "/x"), 60.0)
    ]  # fmt: skip
    doing = Doing(tmp_path, Stand(WELL, Completed(1, b"", b"test: no\n")), run)
    words = await failed(doing, run)
    assert words.startswith("touch was not run, for test -d '/a b' did not succeed: ")
    assert len(doing.host.asked) == 2
    assert doing.journal.lines[-1][1]["problem"] == words
    assert doing.progress.unsettled == []


async def test_secrets_reach_a_command_as_its_input_alone(tmp_path: Path) -> None:
    variables = (("A", Secret("one")), ("B", Secret("two")))
    run = Run("mail", ("login", "-"), environment=variables, stdin=Secret("three"))
    doing = Doing(tmp_path, Stand(), run)
    await doing.executor.do(run)
    (asked,) = doing.host.asked
    assert asked.argv == ("sh", "-c", TAKE, "sh", "2", "A", "B", "login", "-")
    assert asked.fed == b"one\ntwo\nthree"
    assert "undo" not in doing.journal.lines[0][1]
    for more, fed in (({}, b""), ({"stdin": Secret("x")}, b"x")):
        plain = Run("mail", ("login", "-"), **more)  # type: ignore[arg-type]
        doing = Doing(tmp_path, Stand(), plain)
        await doing.executor.do(plain)
        assert (doing.host.asked[0].argv, doing.host.asked[0].fed) == (("login", "-"), fed)


def half(line: str) -> Amount | None:
    return Amount(1.23456, 3.0, "B", "copying") if line == "half" else None


async def test_how_far_it_is_and_what_it_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "OFTEN", 0.0)
    run = Run("mail", ("copy",), progress=half, tells=lambda line: line.upper() if line != "hidden" else "")
    doing = Doing(tmp_path, Stand(Completed(0, b"words\nhidden\n", b"")), run)

    async def say() -> None:
        overhear(b"words\nhalf\nhidden\n")
        while not doing.told(ActionSaid):  # noqa: ASYNC110  # it is told by a timer
            await asyncio.sleep(0)

    doing.host.meanwhile = say
    await doing.executor.do(run)
    (far,) = doing.told(ActionProgressed)
    assert (far.run, far.step, far.done, far.total, far.unit, far.rate, far.left, far.words, far.path) == (
        "R", 1, 1.23456, 3.0, "B", 0.0, 0.0, "copying", ("f", "g", "second")
    )  # fmt: skip
    (said,) = doing.told(ActionSaid)
    assert (said.run, said.step, said.output, said.path) == ("R", 1, "WORDS\nHALF", ("f", "g", "second"))
    assert doing.journal.lines[-1][1]["output"] == "WORDS"
    doing.events.clear()
    overhear(b"after\n")
    assert doing.events == []


async def test_of_what_it_said_the_end_is_kept(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(Completed(0, b"\nab\n" + b"word\n" * 799 + b"last\n", b"")), RUN)
    await doing.executor.do(RUN)
    assert doing.journal.lines[-1][1]["output"] == "\n" + "word\n" * 799 + "last"


async def test_one_that_says_nothing_for_too_long_is_given_up_and_ended(tmp_path: Path) -> None:
    run = Run("mail", ("copy",), silence=0.001)
    doing = Doing(tmp_path, Stand(), run)
    ended = False

    async def hang() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    doing.host.meanwhile = hang
    assert await failed(doing, run) == "copy said nothing for 0.001 s, and was given up"
    assert ended
    assert len(doing.progress.unsettled) == 1


async def test_one_that_ends_in_time_is_not_given_up_and_nothing_is_left_waiting(tmp_path: Path) -> None:
    run = Run("mail", ("copy",), silence=600)
    doing = Doing(tmp_path, Stand(), run)
    before = asyncio.all_tasks()
    await doing.executor.do(run)
    assert asyncio.all_tasks() == before
