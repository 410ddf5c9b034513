"""A change that a host takes back by itself: armed before it, disarmed when it is proven."""

from __future__ import annotations

from pathlib import Path

from console.events import ActionBegan
from console.flows import (
    Change,
    CheckResult,
    Plan,
    Rollback,
    StepContext,
    done,
    needed,
)
from console.runner.undo import ways_back
from tests.console.flows import rollbacks
from tests.console.flows.case import Rooted
from tests.console.flows.playing import Leave, Play


def guarding(root: Path) -> Rooted:
    """A host below a folder, with real timed rollbacks."""
    rollbacks.lay(root)
    return Rooted(root, "here", "here")


class Guarded(Leave):
    guarded = ("here",)

    async def plan(self, context: StepContext) -> Plan:
        actions = (await context.edit("here", self.path, self.text),)
        return Plan(actions, rollbacks=(Rollback("here", ("rm", "--", self.path), 60),))


async def test_a_rollback_is_armed_first_and_disarmed_when_it_is_proven(tmp_path: Path) -> None:
    play = Play(tmp_path, [Guarded(tmp_path / "a")], ["yes"], host=guarding(tmp_path))
    assert (await play.run()).outcome == "done"
    program = "sh /var/lib/cowhand/rollback/rollback.sh"
    assert [event.action.text.partition(" (")[0] for event in play.events if isinstance(event, ActionBegan)] == [
        "mkdir -p -m 0700 -- /var/lib/cowhand/rollback",
        "write /var/lib/cowhand/rollback/rollback.sh",
        f"{program} arm play.leave.here 60 -- rm -- {tmp_path}/a",
        f"write {tmp_path}/a",
        f"{program} disarm play.leave.here",
    ]
    assert rollbacks.state(tmp_path, "play.leave.here") == "kept"
    assert [change["path"] for change in ways_back(play.record)["play", "leave"]] == [f"{tmp_path}/a"]
    again = Play(tmp_path, [Guarded(tmp_path / "b", name="other")], ["yes"], host=Rooted(tmp_path, "here", "here"))
    await again.run()
    first = next(event.action.text for event in again.events if isinstance(event, ActionBegan))
    assert first.startswith(f"{program} arm play.other.here 60"), "the script is laid once"


async def test_without_its_rollback_nothing_is_changed(tmp_path: Path) -> None:
    host = guarding(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").write_text('#!/bin/sh\n[ "$2" = arm ] || exec sh "$@"\n')  # says well, and does nothing
    (tmp_path / "bin" / "sh").chmod(0o755)
    play = Play(tmp_path, [Guarded(tmp_path / "a")], ["yes", "stop"], host=host)
    ending = await play.run()
    assert "here has not armed its rollback: nothing else was done" in ending.words
    assert not (tmp_path / "a").exists()


async def test_where_nothing_can_take_it_back_the_step_is_refused(tmp_path: Path) -> None:
    host = guarding(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").write_text('#!/bin/sh\ncase $2 in "set -- ways"*) echo none ;; *) exec sh "$@" ;; esac\n')
    (tmp_path / "bin" / "sh").chmod(0o755)
    play = Play(tmp_path, [Guarded(tmp_path / "a")], [], host=host)
    ending = await play.run()
    assert (ending.outcome, "neither systemd nor setsid" in ending.words) == ("refused", True)
    assert not [event for event in play.events if isinstance(event, ActionBegan)]


async def test_the_plan_says_when_a_restart_of_the_host_forgets_its_rollback(tmp_path: Path) -> None:
    play = Play(tmp_path, [Guarded(tmp_path / "a")], ["yes"], host=guarding(tmp_path))
    await play.run()
    assert play.state is not None
    plan = play.state.steps[0].plan
    assert plan is not None
    assert any("a restart of it forgets the rollback" in note for note in plan.notes)
    assert plan.rollbacks == (
        f"here goes back by itself after 60 s, unless this is proven: rm -- {tmp_path}/a",
    )  # fmt: skip


class Blind(Guarded):
    async def verify(self, context: StepContext) -> CheckResult:
        return needed("the way in is gone")


async def test_a_rollback_stays_armed_when_the_change_is_not_proven(tmp_path: Path) -> None:
    ending = await Play(tmp_path, [Blind(tmp_path / "a")], ["yes", "stop"], host=guarding(tmp_path)).run()
    assert "its rollback is armed: here takes it back by itself" in ending.words
    assert rollbacks.armed(tmp_path) == ["play.leave.here"]
    rollbacks.fire(tmp_path)
    assert not (tmp_path / "a").exists()


async def test_a_later_run_proves_what_is_there_and_disarms(tmp_path: Path) -> None:
    host = guarding(tmp_path)
    await Play(tmp_path, [Blind(tmp_path / "a")], ["yes", "stop"], host=host).run()
    play = Play(tmp_path, [Guarded(tmp_path / "a")], host=host)
    assert ((await play.run()).outcome, play.states(), rollbacks.armed(tmp_path)) == ("done", ["done"], [])


class Late(Guarded):
    """Its rollback is fired while it is proven: by a console that was too slow."""

    async def verify(self, context: StepContext) -> CheckResult:
        rollbacks.fire(Path(self.path).parent)
        return done("it was there")


async def test_a_change_that_was_taken_back_before_it_was_kept_is_not_called_done(tmp_path: Path) -> None:
    play = Play(tmp_path, [Late(tmp_path / "a")], ["yes", "stop"], host=guarding(tmp_path))
    ending = await play.run()
    assert (ending.outcome, "here took it back before it was proven" in ending.words) == ("failed", True)


class Slow(Guarded):
    """Its first action takes so long that the second comes after its time."""

    async def apply(self, change: Change, plan: Plan) -> None:
        rollbacks.fire(Path(self.path).parent)
        await super().apply(change, plan)


async def test_no_change_is_begun_when_its_rollback_is_not_armed_any_more(tmp_path: Path) -> None:
    play = Play(tmp_path, [Slow(tmp_path / "a")], ["yes", "stop"], host=guarding(tmp_path))
    ending = await play.run()
    assert "this was not begun" in ending.words
    assert not (tmp_path / "a").exists()


# ── coming late ─────────────────────────────────────────────────────────────────────────────────────────────────────
