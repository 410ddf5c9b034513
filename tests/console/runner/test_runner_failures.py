"""What a run makes of a failure, of a hang, of a mistake of ours, and of a stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console.events import ActionBegan, ActionEnded, StepPlanned
from console.flows import (
    Change,
    CheckResult,
    Plan,
    Run,
    StepContext,
    done,
    needed,
)
from tests.console.flows.playing import Leave, Play
from tests.console.runner.test_runner import Planned, touch


class Unproven(Leave):
    """Its check is content with a file, its proof is not."""

    proven = False

    async def verify(self, context: StepContext) -> CheckResult:
        return done("proven") if self.proven else needed("nobody sees it from outside")


async def test_what_was_changed_and_not_proven_is_proven_when_it_is_tried_again(tmp_path: Path) -> None:
    step = Unproven(tmp_path / "a")
    play = Play(tmp_path, [step], ["yes", "retry", "stop"])
    assert (await play.run()).outcome == "failed"
    later = Play(tmp_path, [step])
    assert (await later.run()).outcome == "failed"
    step.proven = True
    assert (await Play(tmp_path, [step]).run()).outcome == "done"


async def test_a_failure_says_how_far_it_came_and_what_is_true_now(tmp_path: Path) -> None:
    actions = touch(tmp_path / "a"), Run("here", ("false",)), touch(tmp_path / "b")
    ending = await Play(tmp_path, [Planned(tmp_path / "b", *actions)], ["yes", "stop"]).run()
    assert "false on here ended with status 1; 1 of 3 changes were made; now: it is not so" in ending.words
    assert ((tmp_path / "a").exists(), (tmp_path / "b").exists()) == (True, False)


async def test_a_failure_can_be_tried_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = Run("here", ("sh", "-c", 'test -e "$1" && touch "$2"', "sh", str(gate), str(tmp_path / "b")))
    play = Play(tmp_path, [Planned(tmp_path / "b", script)], ["yes", "retry", "yes"])
    play.before = lambda prompt: gate.touch() if prompt.kind == "failed" else None
    assert (await play.run()).outcome == "done"


class Wrong(Leave):
    async def verify(self, context: StepContext) -> CheckResult:
        return needed("dovecot does not answer")


async def test_a_failure_can_be_taken_back_after_its_plan_was_shown(tmp_path: Path) -> None:
    play = Play(tmp_path, [Wrong(tmp_path / "a")], ["yes", "undo", "yes"])
    ending = await play.run()
    assert (ending.outcome, play.states()) == ("failed", ["undone"])
    assert "was undone" in ending.words
    assert not (tmp_path / "a").exists()
    assert [event.undo for event in play.events if isinstance(event, StepPlanned)] == [False, True]


async def test_a_command_that_hangs_is_ended_at_its_limit(tmp_path: Path) -> None:
    slow = Run("here", ("sh", "-c", 'sleep 30; touch "$1"', "sh", str(tmp_path / "b")), timeout=0.2)
    ending = await Play(tmp_path, [Planned(tmp_path / "b", slow)], ["yes", "stop"]).run()
    assert "sh did not end within 0.2 s on here; now: it is not so" in ending.words


class Stuck(Planned):
    patience = 0.1

    async def check(self, context: StepContext) -> CheckResult:
        await asyncio.sleep(60)
        return done("never")


async def test_a_check_has_a_limit_too(tmp_path: Path) -> None:
    ending = await Play(tmp_path, [Stuck(tmp_path / "b")], ["stop"]).run()
    assert "did not find out within 0.1 s" in ending.words


class Broken(Planned):
    async def apply(self, change: Change, plan: Plan) -> None:
        secret = "hunter2"
        raise KeyError(secret)


async def test_a_mistake_of_ours_is_told_by_its_place_and_never_by_its_values(tmp_path: Path) -> None:
    play = Play(tmp_path, [Broken(tmp_path / "b", touch(tmp_path / "b"))], ["yes"])
    ending = await play.run()
    assert (ending.outcome, play.states()) == ("failed", ["failed"])
    assert "KeyError at" in ending.words
    assert "hunter2" not in play.record.entries.__repr__() + ending.words
    assert play.record.state == "failed"


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_comes_between_two_actions(tmp_path: Path) -> None:
    play = Play(tmp_path, [Planned(tmp_path / "b", touch(tmp_path / "a"), touch(tmp_path / "b"))], ["yes"])
    tell = play.session.tell

    def hear(event: object) -> None:
        tell(event)  # type: ignore[arg-type]
        if isinstance(event, ActionBegan):
            play.session.stop()

    play.session.tell = hear
    ending = await play.run()
    assert (ending.outcome, play.states(), play.record.state) == ("stopped", ["stopped"], "stopped")
    assert ((tmp_path / "a").exists(), (tmp_path / "b").exists()) == (True, False)


async def test_a_stop_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")])

    async def never(prompt: object) -> str | None:
        play.session.stop()
        await asyncio.sleep(60)
        return "yes"

    play.session.operator = never
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("stopped", "stopped; nothing was changed")


async def test_a_cut_ends_the_command_and_closes_the_journal(tmp_path: Path) -> None:
    slow = Run("here", ("sleep", "30"))
    play = Play(tmp_path, [Planned(tmp_path / "b", slow)], ["yes"])
    tell, begun = play.session.tell, asyncio.Event()

    def hear(event: object) -> None:
        tell(event)  # type: ignore[arg-type]
        if isinstance(event, ActionBegan):
            begun.set()

    play.session.tell = hear
    task = asyncio.ensure_future(play.run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = [event for event in play.events if isinstance(event, ActionEnded)]
    assert "cut off" in ended[0].problem
    assert [entry.kind for entry in play.record.entries][-2:] == ["did", "ended"]
    assert play.record.state == "stopped"


# ── rollbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────
