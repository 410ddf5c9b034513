"""What a run tells, asks and writes down, event by event; the flow's context, its journal and the operator stand in."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from console.events import FlowAsked, FlowSaid, Prompt, StepChanged, StepState
from console.runner import progress as module
from console.runner.ending import Ended, Ending
from console.runner.plan import Ask
from console.runner.progress import Entry, Progress, Running, Stopped
from console.runner.step import Step


class One(Step):
    name = "one"


class Two(Step):
    name = "two"


FIRST, SECOND = Entry(("outer", "inner"), One()), Entry(("outer",), Two())


class Run:
    """A run of two steps; the operator gives `answers` in turn, and None when there are no more."""

    def __init__(self, *answers: str | None, dry: bool = False, given: dict[str, str] | None = None) -> None:
        self.events: list[Any] = []
        self.written: list[tuple[str, dict[str, Any]]] = []
        self.answers = list(answers)
        self.hidden: list[str] = []
        self.given = dict(given or {})
        context: Any = SimpleNamespace(
            redact=lambda text: text.replace("hunter2", "****"), answers=self.given, hide=self.hidden.append
        )
        journal: Any = SimpleNamespace(run="r-1", write=lambda kind, **data: self.written.append((kind, data)))
        self.progress = Progress(context, self.operator, self.events.append, journal, dry)
        self.progress.entries = (FIRST, SECOND)

    async def operator(self, prompt: Prompt) -> str | None:
        return self.answers.pop(0) if self.answers else None

    @property
    def prompts(self) -> list[Prompt]:
        return [each.prompt for each in self.events if isinstance(each, FlowAsked) and each.prompt is not None]


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 12.0))


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_begins_with_nothing_agreed_to_at_its_first_step_and_is_no_dry_one_unless_it_is_said() -> None:
    run = Run().progress
    made = Progress(run.context, run._operator, run.tell, run.journal)
    assert (made.dry, made.agreed, made.at, made.begun) == (False, False, 0, 0)
    assert not Running("cow", "mark", "TERM").ended.is_set(), "nor has a command ended that has just begun"


def test_a_step_belongs_to_the_innermost_flow_however_it_is_reached() -> None:
    assert (FIRST.flow, FIRST.path, FIRST.identity) == ("inner", ("outer", "inner", "one"), ("inner", "one"))


@pytest.mark.parametrize("state", ["checking", "planned", "applying", "verifying"])
def test_a_look_is_told_and_not_written_down(state: StepState) -> None:
    run = Run()
    run.progress.stand(SECOND, state, "hunter2 \x1b", ["row hunter2"])
    assert run.events == [StepChanged("r-1", 1, state, "**** \\x1b", ("row ****",), 12.0, ("outer", "two"))]
    assert (run.written, run.progress.at, run.progress.states) == ([], 1, {("outer", "two"): state})


@pytest.mark.parametrize("state", ["done", "so", "undone", "failed", "skipped", "later"])
def test_what_a_step_came_to_is_told_and_written_down(state: StepState) -> None:
    run = Run()
    run.progress.unproven = {FIRST.identity, SECOND.identity}
    run.progress.stand(FIRST, state, "hunter2")
    assert run.events == [StepChanged("r-1", 0, state, "****", (), 12.0, FIRST.path)]
    assert run.written == [("step", {"step": "one", "flow": "inner", "state": state, "words": "****", "evidence": []})]
    proven = state in ("done", "so", "undone")
    assert run.progress.unproven == ({SECOND.identity} if proven else {FIRST.identity, SECOND.identity})


def test_a_sentence_is_told_without_secrets() -> None:
    run = Run()
    run.progress.say("hunter2")
    assert run.events == [FlowSaid("r-1", "****", 12.0)]


def test_the_steps_under_way_end_with_the_run_and_no_others() -> None:
    run = Run()
    run.progress.states = {FIRST.path: "done", SECOND.path: "applying"}
    run.progress.close_steps("failed", "hunter2")
    assert run.events == [StepChanged("r-1", 1, "failed", "****", (), 12.0, SECOND.path)]
    assert run.progress.states == {FIRST.path: "done", SECOND.path: "failed"} and run.written == []


@pytest.mark.parametrize(
    ("begun", "states", "words"),
    [
        (0, ("done", "done"), "nothing was changed"),
        (1, ("failed", "checking"), "something was changed, see above"),
        (1, ("done", "failed"), "one is done"),
        (1, ("so", "done"), "one and two are done"),
        (2, ("failed", "so"), "two is done"),
    ],
)
def test_what_was_changed_so_far_is_told_in_a_sentence(begun: int, states: tuple[StepState, ...], words: str) -> None:
    run = Run()
    run.progress.begun = begun
    run.progress.states = dict(zip((FIRST.path, SECOND.path), states, strict=True))
    assert run.progress.so_far() == words


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_ends_each_wait_with_the_same_words() -> None:
    run = Run("yes")
    run.progress.checkpoint()
    await run.progress.pause(0.0)
    before = run.progress.stopping
    run.progress.stop()
    assert (before, run.progress.stopping) == (False, True)
    question = Prompt("p", "confirm", 0, "?")
    with pytest.raises(Stopped, match=r"^stopped by the operator$"):
        run.progress.checkpoint()
    for wait in (run.progress.pause(60.0), run.progress.prompt(question)):
        with pytest.raises(Stopped, match=r"^stopped by the operator$"):
            await wait
    assert run.events == [], "nothing is asked any more"


async def test_a_stop_withdraws_the_question_that_is_open() -> None:
    run, withdrawn = Run(), asyncio.Event()

    async def operator(prompt: Prompt) -> str | None:
        run.progress.stop()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            withdrawn.set()
        return None

    run.progress._operator = operator
    question = Prompt("p", "confirm", 0, "?")
    with pytest.raises(Stopped, match=r"^stopped by the operator$"):
        await run.progress.prompt(question)
    await asyncio.wait_for(withdrawn.wait(), 60)
    assert run.events == [FlowAsked("r-1", question), FlowAsked("r-1", None)]


async def test_an_answer_closes_the_question_and_leaves_nothing_waiting() -> None:
    run, question = Run("yes"), Prompt("p", "confirm", 0, "?")
    assert await run.progress.prompt(question) == "yes"
    assert run.events == [FlowAsked("r-1", question), FlowAsked("r-1", None)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_an_end_says_how_what_is_true_and_which_answer_was_missing() -> None:
    run = Run()
    assert run.progress.end("failed", "words").ending == Ending("failed", "words", "")
    assert run.progress.end("unanswered", "words", "key").ending == Ending("unanswered", "words", "key")


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_choice_is_put_with_its_words_and_each_prompt_has_a_name_of_its_own() -> None:
    run = Run("a")
    assert await run.progress.choose(3, "answer", "hunter2?", {"a": "A"}, "b", "key") == "a"
    assert await run.progress.choose(3, "failed", "again?", {"a": "A"}, "b") is None
    assert run.prompts == [
        Prompt("r-1:1", "answer", 3, "****?", "key", {"a": "A"}, "b"),
        Prompt("r-1:2", "failed", 3, "again?", "", {"a": "A"}, "b"),
    ]


async def test_questions_are_put_one_after_the_other_and_their_answers_written_down() -> None:
    run = Run("/a", "3")
    run.progress.offered = {"where": "/old", "many": "x"}
    asks = (
        Ask("where", "where is hunter2?", kind="path", default="/d"),
        Ask("many", "how many?", kind="number"),
    )
    assert await run.progress.answer(SECOND, asks)
    assert run.prompts == [
        Prompt("r-1:1", "answer", 1, "where is ****?", "where", {}, "/d", wants="path", last="/old", part=(1, 2)),
        Prompt("r-1:2", "answer", 1, "how many?", "many", {}, None, wants="number", last=None, part=(2, 2)),
    ]
    assert run.given == {"where": "/a", "many": "3"} and run.hidden == []
    assert run.written == [
        ("answer", {"flow": "outer", "key": "where", "value": "/a"}),
        ("answer", {"flow": "outer", "key": "many", "value": "3"}),
    ]


async def test_a_question_of_no_step_is_put_where_the_run_is_and_choices_are_shown_without_secrets() -> None:
    run = Run("a")
    run.progress.at = 1
    assert await run.progress.answer(None, (Ask("k", "which?", {"a": "hunter2"}),))
    assert run.prompts == [Prompt("r-1:1", "answer", 1, "which?", "k", {"a": "****"}, None, wants="text")]
    assert run.written == [("answer", {"flow": "", "key": "k", "value": "a"})]


@pytest.mark.parametrize("ask", [Ask("k", "?", secret=True), Ask("k", "?", kind="secret")])
async def test_a_secret_is_hidden_and_never_written_down_nor_offered_again(ask: Ask) -> None:
    run = Run("s3cret")
    run.progress.offered = {"k": "old"}
    assert await run.progress.answer(FIRST, (ask,))
    assert (run.hidden, run.written, run.given) == (["s3cret"], [], {"k": "s3cret"})
    assert (run.prompts[0].secret, run.prompts[0].last) == (True, None)


@pytest.mark.parametrize(("default", "given"), [("7", "7"), (None, "5")])
async def test_an_empty_answer_is_the_default_where_there_is_one(default: str | None, given: str) -> None:
    run = Run("", "5")
    assert await run.progress.answer(FIRST, (Ask("k", "?", kind="number", default=default),))
    assert run.given == {"k": given}


WRONG = "“x” is not a whole number"


async def test_a_wrong_answer_is_asked_again_with_the_reason() -> None:
    run = Run("x", "y", "5")
    assert await run.progress.answer(FIRST, (Ask("k", "?", kind="number"),))
    assert [each.wrong for each in run.prompts] == ["", WRONG, "“y” is not a whole number"]


async def test_an_answer_that_was_given_before_and_is_wrong_is_asked_for_with_the_reason() -> None:
    run = Run("5", given={"k": "x"})
    assert await run.progress.answer(FIRST, (Ask("k", "?", kind="number"),))
    assert [each.wrong for each in run.prompts] == [WRONG]
    for answer in ("5", "6"):
        run = Run(answer, given={"k": "5"})
        assert await run.progress.answer(FIRST, (Ask("k", "?", kind="number"),))
        assert ([each.wrong for each in run.prompts], run.given) == ([""], {"k": answer})


NEEDS = "needs an answer: how many? (--answer k=…)"


@pytest.mark.parametrize(
    ("answers", "given", "words"),
    [
        ((None,), {}, NEEDS),
        (("x", "x", "5"), {}, f"{WRONG}; {NEEDS}"),
        (("x", None), {}, f"{WRONG}; {NEEDS}"),
        ((None,), {"k": "x"}, f"{WRONG}; {NEEDS}"),
        (("x", "5"), {"k": "x"}, f"{WRONG}; {NEEDS}"),
        ((None,), {"k": "5"}, NEEDS),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
async def test_none_or_the_same_wrong_one_twice_is_no_answer(
    answers: tuple[str | None, ...], given: dict[str, str], words: str, dry: bool
) -> None:
    run = Run(*answers, dry=dry, given=given)
    asks = (Ask("k", "how many?", kind="number"), Ask("l", "?"))
    if dry:
        assert not await run.progress.answer(SECOND, asks)
        assert [*run.progress.missing] == ["k"] and run.progress.states == {SECOND.path: "later"}
        assert run.written[-1][1]["words"] == words
        return
    with pytest.raises(Ended) as caught:
        await run.progress.answer(SECOND, asks)
    assert caught.value.ending == Ending("unanswered", f"{words}; nothing was changed", "k")
    assert not run.progress.missing and run.written == []


async def test_even_a_dry_run_ends_for_want_of_an_answer_that_belongs_to_no_step() -> None:
    run = Run(dry=True)
    with pytest.raises(Ended):
        await run.progress.answer(None, (Ask("k", "?"),))
