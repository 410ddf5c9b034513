"""Questions of a flow: what can be answered, asked again when wrong, offered in the next run; secrets kept apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.commands.flow_options import flow_options
from console.errors import InputError
from console.flows import Ask, CheckResult, Plan, Run, Step, StepContext, done, needed
from console.hosts.host import Completed
from console.hosts.local import Local
from console.runner.answers import problem
from console.secret import Secret
from tests.console.flows.playing import Play

COLOURS = {"red": "like blood", "blue": "like the sky"}


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (Ask("a", "?"), ["", "anything at all"], []),
        (Ask("a", "?", COLOURS), ["red", "blue"], ["green", "Red", ""]),
        (Ask("a", "?", COLOURS, kind="one"), ["red"], ["red,blue"]),
        (Ask("a", "?", kind="yes-no"), ["yes", "no"], ["y", ""]),
        (Ask("a", "?", COLOURS, kind="several"), ["red", "red,blue", "blue red"], ["", " , ", "red,green"]),
        (Ask("a", "?", kind="number", range=(1, 65535)), ["1", "65535"], ["0", "65536", "-1", "1.5", "", "１"]),
        (Ask("a", "?", kind="number", range=(2, 0)), ["2", "99999"], ["1"]),
        (Ask("a", "?", kind="path"), ["/opt/mailcow", "/"], ["opt", "", "/a/../b", "/a\nb", "~/x"]),
        (Ask("a", "?", kind="host"), ["mail.example.org", "mail", "a-b.example.", "x" * 63],
         ["", "-mail", "mail-.example", "a..b", "a b", "x" * 64, "ma_il", "$(id)", ".".join(["x" * 60] * 5)]),
        (Ask("a", "?", kind="name"), ["vps", "a.b-c_d", "x" * 63], ["", "-a", "a/b", "a b", "x" * 64, "a;b", "a-"]),
        (Ask("a", "?", kind="secret"), ["hunter2 with blanks"], ["", "two\nlines", "a\0b"]),
        (Ask("a", "?", check=lambda text: "" if text.islower() else "it has capitals"), ["low"], ["High"]),
    ],
)  # fmt: skip
def test_an_answer_can_be_used_or_the_reason_is_said(question: Ask, right: list[str], wrong: list[str]) -> None:
    assert [text for text in right if problem(question, text)] == []
    assert [text for text in wrong if not problem(question, text)] == []


def test_what_is_wrong_with_a_secret_is_said_without_it() -> None:
    assert "hunter2" not in problem(Ask("a", "?", COLOURS, secret=True), "hunter2")
    assert "hunter2" not in problem(Ask("a", "?", kind="secret"), "hunter2\nmore")


class Asking(Step):
    """Writes what it was told."""

    name, words = "asking", "write what was told"

    def __init__(self, path: Path, *questions: Ask) -> None:
        self.path, self.questions = path, questions

    async def check(self, context: StepContext) -> CheckResult:
        looked = await context.host("here").run(["test", "-e", str(self.path)], 10)
        return done("it is there") if looked.status == 0 else needed("it is not there")

    async def plan(self, context: StepContext) -> Plan:
        told = context.ask_all(*self.questions)
        return Plan((await context.edit("here", str(self.path), "\n".join(told) + "\n"),))


class Counting(Local):
    """Counts how often each thing is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[str] = []

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if argv[0] == "test":
            self.looks.append(" ".join(argv))
        return await super().run(argv, timeout, cap)


async def test_two_questions_and_a_yes_look_at_the_host_twice(tmp_path: Path) -> None:
    host = Counting()
    step = Asking(tmp_path / "a", Ask("one", "the first?"), Ask("two", "the second?"))
    play = Play(tmp_path, [step], ["1", "2", "yes"], host=host)
    assert (await play.run()).outcome == "done"
    assert (tmp_path / "a").read_text() == "1\n2\n"
    before_the_proof = host.looks[:-1]
    assert len(before_the_proof) == 2, "once for the plan that is shown, once right before it is done"
    assert [prompt.part for prompt in play.prompts] == [(1, 2), (2, 2), (1, 1)]


async def test_a_wrong_answer_is_asked_for_again_with_the_reason(tmp_path: Path) -> None:
    step = Asking(tmp_path / "a", Ask("port", "which port?", kind="number", range=(1, 65535)))
    play = Play(tmp_path, [step], ["many", "70000", "25", "yes"])
    assert (await play.run()).outcome == "done"
    wrong = [prompt.wrong for prompt in play.prompts if prompt.kind == "answer"]
    assert wrong == ["", "“many” is not a whole number", "“70000” is not between 1 and 65535"]


async def test_the_same_wrong_answer_twice_is_no_answer(tmp_path: Path) -> None:
    step = Asking(tmp_path / "a", Ask("port", "which port?", kind="number"))
    ending = await Play(tmp_path, [step], ["many", "many"]).run()
    assert (ending.outcome, ending.missing) == ("unanswered", "port")
    assert "“many” is not a whole number; needs an answer: which port? (--answer port=…)" in ending.words


async def test_a_wrong_answer_of_the_command_line_is_said(tmp_path: Path) -> None:
    step = Asking(tmp_path / "a", Ask("port", "which port?", kind="number"))
    play = Play(tmp_path, [step], answers={"port": "many"})
    ending = await play.run()
    assert (ending.outcome, "“many” is not a whole number" in ending.words) == ("unanswered", True)


async def test_what_was_answered_is_offered_in_the_next_run_and_a_secret_is_not(tmp_path: Path) -> None:
    step = Asking(tmp_path / "a", Ask("owner", "who?"), Ask("key", "which key?", kind="secret"))
    assert (await Play(tmp_path, [step], ["bob", "hunter2hunter2", "yes"]).run()).outcome == "done"
    (tmp_path / "a").unlink()
    for _ in range(2):
        again = Play(tmp_path, [step])
        assert (await again.run()).outcome == "unanswered"
        assert (again.prompts[0].key, again.prompts[0].last, again.prompts[0].default) == ("owner", "bob", None)
    assert "hunter2" not in "".join(path.read_text() for path in again.folder.glob("*.jsonl"))
    third = Play(tmp_path, [step], ["bob", None])
    await third.run()
    assert (third.prompts[1].secret, third.prompts[1].last) == (True, None)


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Keyed(Step):
    """Gives secrets to a command, which writes down what it got and what all can see of it."""

    name, words = "keyed", "give it the key"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is there") if (self.folder / "got").exists() else needed("it is not there")

    async def plan(self, context: StepContext) -> Plan:
        key = context.secret(Ask("key", "which key?", kind="secret"))
        made = context.generated("password", lambda: "generated-value-4711")
        seen = 'tr "\\0" " " < /proc/$$/cmdline > "$1/seen"; echo "$AUTH_KEY $PW $(cat)" > "$1/got.new"; echo said $PW'
        script = f'{seen}; mv "$1/got.new" "$1/got"'
        run = Run("here", ("sh", "-c", script, "sh", str(self.folder)), stdin=Secret("the input"),
                  environment=(("AUTH_KEY", key), ("PW", made)))  # fmt: skip
        return Plan((run,))


async def test_secrets_reach_a_command_and_nothing_else(tmp_path: Path) -> None:
    play = Play(tmp_path, [Keyed(tmp_path)], ["hunter2 with $(blanks)", "yes"])
    assert (await play.run()).outcome == "done"
    assert (tmp_path / "got").read_text() == "hunter2 with $(blanks) generated-value-4711 the input\n"
    told = f"{play.events} {play.record} {(tmp_path / 'seen').read_text()}"
    assert not re.search(r"hunter2|generated-value|the input", told)


async def test_a_secret_that_was_made_once_is_the_same_in_the_plan_and_in_the_change(tmp_path: Path) -> None:
    numbers = iter(["first-secret", "second-secret"])

    class Made(Keyed):
        async def plan(self, context: StepContext) -> Plan:
            value = context.generated("x", lambda: next(numbers))
            run = Run("here", ("sh", "-c", 'cat > "$1/got"', "sh", str(self.folder)), stdin=value)
            return Plan((run,))

    assert (await Play(tmp_path, [Made(tmp_path)], ["yes"]).run()).outcome == "done"
    assert (tmp_path / "got").read_text() == "first-secret"


def test_an_answer_comes_from_a_file_or_from_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("from the input\n"))
    words = [f"one=@{tmp_path}/key", "two=-", "three=plain=value", "destroy=@name"]
    asked = flow_options(words, True, False, False, False)
    assert asked.answers == {"one": "from a file", "two": "from the input", "three": "plain=value"}
    assert asked.destroy == ("@name",)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"key: .*/none cannot be read: no such file"):
        flow_options([f"key=@{tmp_path}/none"], True, False, False, False)
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        flow_options([f"key=@{tmp_path}/bytes"], True, False, False, False)
