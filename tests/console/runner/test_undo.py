"""A past run is taken back: in reverse, by each step's own way back, planned, confirmed and proven like any change."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.events import StepPlanned
from console.flows import CheckResult, Flow, Plan, Run, Step, StepContext, done, needed
from console.runner.undo import UndoRefused
from console.store import journal
from tests.console.flows.playing import Leave, Play


def leaving(tmp_path: Path, *names: str) -> list[Step]:
    return [Leave(tmp_path / name, name=name) for name in names]


async def made(tmp_path: Path, *steps: Step | Flow) -> journal.Record:
    play = Play(tmp_path, steps, ["all"])
    assert (await play.run()).outcome == "done"
    return play.record


async def test_a_run_is_taken_back_in_reverse(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a", "b", "c")
    record = await made(tmp_path, *steps)
    play = Play(tmp_path, steps, ["all"], undoing=record)
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("done", "done, and verified")
    assert [step.name for step in play.state.steps] == ["c", "b", "a"]  # type: ignore[union-attr]
    assert not any((tmp_path / name).exists() for name in "abc")
    assert play.record.undo == record.run


async def test_only_what_that_run_changed_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("hello\n")
    steps = leaving(tmp_path, "a", "b")
    record = await made(tmp_path, *steps)
    assert (await Play(tmp_path, steps, ["all"], undoing=record).run()).outcome == "done"
    assert ((tmp_path / "a").exists(), (tmp_path / "b").exists()) == (True, False)


async def test_a_yes_is_asked_for_and_without_it_nothing_is_taken_back(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a")
    record = await made(tmp_path, *steps)
    ending = await Play(tmp_path, steps, undoing=record).run()
    assert (ending.outcome, (tmp_path / "a").exists()) == ("unanswered", True)


async def test_a_plan_of_it_changes_nothing(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a", "b")
    record = await made(tmp_path, *steps)
    play = Play(tmp_path, steps, dry=True, undoing=record)
    assert (await play.run()).outcome == "planned"
    plans = [event.plan.actions[0].text for event in play.events if isinstance(event, StepPlanned)]
    assert plans == [f"rm -f -- {tmp_path / name}" for name in "ba"]


async def test_a_step_of_a_flow_inside_is_taken_back_too(tmp_path: Path) -> None:
    whole = [Flow(lambda context: leaving(tmp_path, "a"), "inner", "inside"), *leaving(tmp_path, "b")]
    record = await made(tmp_path, *whole)
    assert (await Play(tmp_path, whole, ["all"], undoing=record).run()).outcome == "done"
    assert not (tmp_path / "a").exists()


class Final(Step):
    """A step that nothing takes back."""

    name, words = "final", "do it for good"

    def __init__(self, path: Path) -> None:
        self.path = path

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is done") if self.path.exists() else needed("it is not done")

    async def plan(self, context: StepContext) -> Plan:
        return Plan((Run("here", ("touch", str(self.path))),))


async def test_what_nothing_takes_back_is_said_and_left(tmp_path: Path) -> None:
    steps = [*leaving(tmp_path, "a"), Final(tmp_path / "b")]
    record = await made(tmp_path, *steps)
    play = Play(tmp_path, steps, ["all"], undoing=record)
    assert (await play.run()).outcome == "done"
    assert play.state is not None
    assert [(step.state, step.said) for step in play.state.steps] == [
        ("skipped", "nothing takes this back: it is done"), ("done", "taken back: it is not there"),
    ]  # fmt: skip
    assert (tmp_path / "b").exists()


class Stubborn(Leave):
    """A step whose way back does nothing."""

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("here", ("true",)),))


async def test_a_way_back_that_does_not_help_is_a_failure(tmp_path: Path) -> None:
    steps = [Stubborn(tmp_path / "a", name="a")]
    record = await made(tmp_path, *steps)
    ending = await Play(tmp_path, steps, ["yes", "stop"], undoing=record).run()
    assert (ending.outcome, "its result is still there" in ending.words) == ("failed", True)


async def test_a_step_that_the_flow_no_longer_has_is_said_and_left(tmp_path: Path) -> None:
    record = await made(tmp_path, *leaving(tmp_path, "a", "b"))
    play = Play(tmp_path, leaving(tmp_path, "b"), ["all"], undoing=record)
    assert (await play.run()).outcome == "done"
    assert play.states() == ["done", "skipped"]


async def test_what_is_gone_already_is_no_work(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a")
    record = await made(tmp_path, *steps)
    (tmp_path / "a").unlink()
    ending = await Play(tmp_path, steps, undoing=record).run()
    assert ending.words.startswith("nothing to do")


async def test_an_undo_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a", "b")
    record = await made(tmp_path, *steps)
    assert (await Play(tmp_path, steps, ["yes", "stop"], undoing=record).run()).outcome == "stopped"
    assert ((tmp_path / "a").exists(), (tmp_path / "b").exists()) == (True, False)
    assert (await Play(tmp_path, steps, ["all"], undoing=record).run()).outcome == "done"
    assert not (tmp_path / "a").exists()


async def test_the_answers_of_that_run_are_given_again(tmp_path: Path) -> None:
    from console.flows import Ask

    class Named(Leave):
        async def undo(self, context: StepContext) -> Plan | None:
            assert context.ask(Ask("owner", "who?")) == "bob"
            return await super().undo(context)

        async def plan(self, context: StepContext) -> Plan:
            context.ask(Ask("owner", "who?"))
            return await super().plan(context)

    steps = [Named(tmp_path / "a", name="a")]
    play = Play(tmp_path, steps, ["bob", "yes"])
    assert (await play.run()).outcome == "done"
    undone = Play(tmp_path, steps, ["yes"], undoing=play.record)
    assert (await undone.run()).outcome == "done"


async def test_what_cannot_be_taken_back_is_refused_in_words(tmp_path: Path) -> None:
    steps = leaving(tmp_path, "a")
    record = await made(tmp_path, *steps)
    nothing = Play(tmp_path, steps)
    await nothing.run()
    idle = nothing.record
    back = Play(tmp_path, steps, ["all"], undoing=record)
    await back.run()
    for undoing, why in ((idle, "changed nothing"), (back.record, "took back")):
        with pytest.raises(UndoRefused, match=why):
            await Play(tmp_path, steps, undoing=undoing).run()
    with pytest.raises(UndoRefused, match="is a run of play, not of other"):
        await Play(tmp_path, steps, name="other", undoing=record).run()
