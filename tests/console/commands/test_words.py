"""What is typed wrong on the command line is told with what was meant."""

from __future__ import annotations

from typing import Any, cast

import pytest

from console.commands.main import build
from console.runner.context import StepContext
from console.runner.plan import Ask


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chekc"], "cowhand: error: there is no command chekc; did you mean check?"),
        (["xyzzy"], "cowhand: error: there is no command xyzzy; cowhand --help names them"),
        (["check", "--fast"], "cowhand check: error: unrecognized arguments: --fast"),
        (["--fast"], "cowhand: error: unrecognized arguments: --fast"),
    ],
)
def test_a_wrong_word_is_told_with_what_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        build().parse_args(words)
    assert left.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_right_line_is_read_as_before() -> None:
    found = build().parse_args(["--lab", "check", "--json"])
    assert (found.lab, found.command, found.json) == (True, "check", True)


def test_an_answer_that_nothing_asked_for_is_known() -> None:
    world = StepContext(cast(Any, None), {}, answers={"foo": "bar", "colour": "red"})
    assert world.ask(Ask("colour", "which?")) == "red"
    assert {*world.answers} - world.asked == {"foo"}
