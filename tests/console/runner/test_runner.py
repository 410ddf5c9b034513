"""The one mechanism that changes machines: what it shows, asks, does, proves and says."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from pathlib import Path

import pytest

from console.events import ActionBegan, ActionEnded, FlowAsked, FlowEnded, StepChanged, StepPlanned
from console.flows import (
    Action,
    Ask,
    Change,
    CheckResult,
    Loss,
    NotYetKnown,
    Plan,
    Refusal,
    Rollback,
    Run,
    Step,
    StepContext,
    Write,
    done,
    needed,
    refused,
    skipped,
)
from console.hosts.local import Local
from console.hosts.recorded import Recorded
from console.runner.undo import ways_back
from tests.console.flows import rollbacks
from tests.console.flows.case import Rooted
from tests.console.flows.playing import Leave, Play


class Planned(Step):
    """Plans what it is given; it is so when a file is there."""

    name, words = "planned", "do as planned"

    def __init__(self, mark: Path, *actions: Action, **more: object) -> None:
        self.mark, self.given = mark, Plan(actions, **more)  # type: ignore[arg-type]

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is so") if self.mark.exists() else needed("it is not so")

    async def plan(self, context: StepContext) -> Plan:
        return self.given


def touch(path: Path, host: str = "here") -> Run:
    return Run(host, ("touch", "--", str(path)))  # type: ignore[arg-type]


async def test_a_step_is_shown_then_agreed_to_then_done_then_proven(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("done", "done, and verified")
    assert (tmp_path / "a").read_text() == "hello\n"
    kinds = [
        event.state if isinstance(event, StepChanged) else type(event).__name__
        for event in play.events
        if not (isinstance(event, FlowAsked) and event.prompt is None)
    ]
    assert kinds == [
        "FlowBegan", "checking", "planned", "StepPlanned", "FlowAsked", "applying", "ActionBegan", "ActionEnded",
        "verifying", "done", "FlowEnded",
    ]  # fmt: skip


async def test_run_again_there_is_nothing_to_do_and_nothing_is_asked(tmp_path: Path) -> None:
    await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()
    before = (tmp_path / "a").stat()
    play = Play(tmp_path, [Leave(tmp_path / "a")])
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("done", "nothing to do: everything is as it should be")
    assert (play.prompts, play.states()) == ([], ["so"])
    assert (tmp_path / "a").stat() == before


async def test_a_plan_shows_host_command_and_diff(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo\n")
    step = Leave(tmp_path / "a", "one\nthree\n")
    play = Play(tmp_path, [step, Planned(tmp_path / "b", touch(tmp_path / "b"))], dry=True)
    await play.run()
    write, run = (event.plan.actions[0] for event in play.events if isinstance(event, StepPlanned))
    assert write.diff == f"--- {tmp_path}/a\n+++ {tmp_path}/a\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"
    assert "kept as" in write.text
    assert (run.host, run.text) == ("here", f"touch -- {tmp_path}/b")


async def test_a_dry_run_changes_nothing_and_keeps_no_journal(tmp_path: Path) -> None:
    steps = [Leave(tmp_path / "a"), Planned(tmp_path / "b", touch(tmp_path / "b"))]
    play = Play(tmp_path, steps, dry=True)
    before = sorted(tmp_path.iterdir())
    ending = await play.run()
    assert ending.outcome == "planned"
    assert (sorted(tmp_path.iterdir()), list(play.folder.iterdir()), play.prompts) == (before, [], [])


@pytest.mark.parametrize("said", ["stop", None])
async def test_without_a_yes_nothing_is_done(tmp_path: Path, said: str | None) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], [said])
    ending = await play.run()
    assert ending.outcome == ("unanswered" if said is None else "stopped")
    assert "nothing was changed" in ending.words
    assert not (tmp_path / "a").exists()
    assert [entry.kind for entry in play.record.entries] == ["began", "step", "ended"]


async def test_a_yes_to_all_is_asked_for_once(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a", name="a"), Leave(tmp_path / "b", name="b")], ["all"])
    assert (await play.run()).outcome == "done"
    assert len(play.prompts) == 1


async def test_a_step_that_is_left_out_is_said_at_the_end(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a", name="a"), Leave(tmp_path / "b", name="b")], ["skip", "yes"])
    ending = await play.run()
    assert (ending.outcome, ending.words) == ("incomplete", "left out: a; b is done")
    assert (play.states(), (tmp_path / "b").exists()) == (["left", "done"], True)


class CheckState(Step):
    name, words = "standing", "stand"

    def __init__(self, found: CheckResult) -> None:
        self.found = found

    async def check(self, context: StepContext) -> CheckResult:
        return self.found


async def test_what_does_not_apply_is_skipped_with_its_reason(tmp_path: Path) -> None:
    play = Play(tmp_path, [CheckState(skipped("no docker here"))])
    assert (await play.run()).outcome == "done"
    assert [e.words for e in play.events if isinstance(e, StepChanged) and e.state == "skipped"] == ["no docker here"]


async def test_what_must_not_be_done_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    play = Play(tmp_path, [CheckState(refused("foreign data", "xfs, label photos")), Leave(tmp_path / "a")])
    ending = await play.run()
    assert ending.outcome == "refused"
    assert ending.words == "step 1, stand: refused: foreign data; nothing was changed"
    assert not (tmp_path / "a").exists()


class Refusing(Planned):
    async def plan(self, context: StepContext) -> Plan:
        raise Refusal("the disk has a partition table")


async def test_a_refusal_may_come_from_deep_inside(tmp_path: Path) -> None:
    ending = await Play(tmp_path, [Refusing(tmp_path / "x")]).run()
    assert (ending.outcome, "partition table" in ending.words) == ("refused", True)


# ── questions ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Asking(Leave):
    def __init__(self, path: Path, question: Ask) -> None:
        super().__init__(path, name="asking")
        self.question = question

    async def plan(self, context: StepContext) -> Plan:
        return Plan((await context.edit("here", self.path, "hello\n"),), (f"for {context.ask(self.question)}",))


WHICH = Ask("disk", "which disk?", {"sda": "10 GiB", "sdb": "50 GiB"})


async def test_a_question_is_put_and_its_answer_is_used(tmp_path: Path) -> None:
    play = Play(tmp_path, [Asking(tmp_path / "a", WHICH)], ["sdb", "yes"])
    assert (await play.run()).outcome == "done"
    assert [prompt.kind for prompt in play.prompts] == ["answer", "confirm"]
    assert next(event.plan.notes for event in play.events if isinstance(event, StepPlanned)) == ("for sdb",)


@pytest.mark.parametrize(
    ("question", "answers"),
    [(WHICH, {"disk": "sda"}), (Ask("disk", "which disk?", given="sda"), {})],
    ids=["on the command line", "by the site"],
)
async def test_a_question_that_is_answered_is_not_put(tmp_path: Path, question: Ask, answers: dict[str, str]) -> None:
    play = Play(tmp_path, [Asking(tmp_path / "a", question)], ["yes"], answers)
    assert (await play.run()).outcome == "done"
    assert [prompt.kind for prompt in play.prompts] == ["confirm"]


@pytest.mark.parametrize("said", [None, "sdz"])
async def test_a_missing_answer_ends_the_run_and_names_its_key(tmp_path: Path, said: str | None) -> None:
    ending = await Play(tmp_path, [Asking(tmp_path / "a", WHICH)], [said]).run()
    assert (ending.outcome, ending.missing) == ("unanswered", "disk")
    assert "--answer disk=" in ending.words


async def test_a_dry_run_goes_on_without_an_answer_and_names_all_that_is_missing(tmp_path: Path) -> None:
    steps = [Asking(tmp_path / "a", WHICH), Leave(tmp_path / "b", name="b")]
    play = Play(tmp_path, steps, dry=True)
    ending = await play.run()
    assert (ending.outcome, ending.missing, play.states()) == ("unanswered", "disk", ["later", "planned"])


class Waiting(Leave):
    async def check(self, context: StepContext) -> CheckResult:
        raise NotYetKnown("the file system has no UUID yet")


async def test_a_dry_run_says_what_cannot_be_known_before_an_earlier_step(tmp_path: Path) -> None:
    play = Play(tmp_path, [Waiting(tmp_path / "a")], dry=True)
    assert (await play.run()).outcome == "planned"
    assert play.states() == ["later"]


LOSS = Loss("mailcow_opt", "what is on disk 1 is lost")


async def test_a_loss_is_typed_even_after_a_yes_to_all(tmp_path: Path) -> None:
    steps = [Leave(tmp_path / "a"), Planned(tmp_path / "b", touch(tmp_path / "b"), loses=(LOSS,))]
    play = Play(tmp_path, steps, ["all", "mailcow_opt"])
    assert (await play.run()).outcome == "done"
    assert [(prompt.kind, prompt.typed) for prompt in play.prompts] == [("confirm", None), ("destroy", "mailcow_opt")]


@pytest.mark.parametrize("said", ["yes", "mailcow_Opt", "", None])
async def test_a_loss_that_is_not_typed_exactly_is_not_caused(tmp_path: Path, said: str | None) -> None:
    play = Play(tmp_path, [Planned(tmp_path / "b", touch(tmp_path / "b"), loses=(LOSS,))], [said])
    ending = await play.run()
    assert ending.outcome == ("stopped" if said else "unanswered")
    assert "nothing was changed" in ending.words
    assert not (tmp_path / "b").exists()


class Wandering(Planned):
    """Loses another disk each time the mark's folder gains a file."""

    async def plan(self, context: StepContext) -> Plan:
        count = len(list(self.mark.parent.glob("disk*")))
        return Plan((touch(self.mark),), loses=(Loss("mailcow_opt", f"what is on disk {count} is lost"),))


async def test_a_loss_is_typed_again_when_it_has_become_another(tmp_path: Path) -> None:
    play = Play(tmp_path, [Wandering(tmp_path / "b")], ["mailcow_opt", "yes", "mailcow_opt", "yes"])
    play.before = lambda prompt: (tmp_path / "disk1").touch() if prompt.kind == "confirm" else None
    assert (await play.run()).outcome == "done"
    assert [prompt.kind for prompt in play.prompts] == ["destroy", "confirm", "destroy", "confirm"]


# ── what was shown is what is done ──────────────────────────────────────────────────────────────────────────────────


class Sneaking(Planned):
    async def apply(self, change: Change, plan: Plan) -> None:
        await change.do(touch(self.mark.with_name("other")))


async def test_what_was_not_in_the_plan_is_not_done(tmp_path: Path) -> None:
    play = Play(tmp_path, [Sneaking(tmp_path / "b", touch(tmp_path / "b"))], ["yes", "stop"])
    ending = await play.run()
    assert ending.outcome == "failed"
    assert "was not in the plan that was shown" in ending.words
    assert not (tmp_path / "other").exists()


class Peeking(Planned):
    async def check(self, context: StepContext) -> CheckResult:
        await context.host("here").run(["touch", str(self.mark)], 5)
        return done("it is so")


class Scribbling(Planned):
    async def plan(self, context: StepContext) -> Plan:
        await context.host("here").write(str(self.mark), b"x")
        return Plan()


@pytest.mark.parametrize("step", [Peeking, Scribbling])
async def test_a_check_or_plan_that_would_change_something_is_stopped(tmp_path: Path, step: type[Planned]) -> None:
    ending = await Play(tmp_path, [step(tmp_path / "b")], ["stop"]).run()
    assert ending.outcome == "failed"
    assert "belongs into a plan" in ending.words
    assert not (tmp_path / "b").exists()


async def test_a_file_that_changed_while_the_plan_was_read_is_shown_anew(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine\n")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "yes"])
    play.before = lambda prompt: (tmp_path / "a").write_text("newer\n") if len(play.prompts) == 1 else None
    assert (await play.run()).outcome == "done"
    shown = [event.plan.actions[0].diff for event in play.events if isinstance(event, StepPlanned)]
    assert ["-mine" in shown[0], "-newer" in shown[1]] == [True, True]


class Restless(Planned):
    def __init__(self, mark: Path) -> None:
        self.mark, self.numbers = mark, itertools.count()

    async def plan(self, context: StepContext) -> Plan:
        return Plan((Run("here", ("touch", f"{self.mark}-{next(self.numbers)}")),))


async def test_a_plan_that_is_never_twice_the_same_is_given_up(tmp_path: Path) -> None:
    ending = await Play(tmp_path, [Restless(tmp_path / "b")], ["yes"] * 9).run()
    assert (ending.outcome, "something changes its plan each time" in ending.words) == ("failed", True)
    assert not list(tmp_path.glob("b*"))


class Disturbing(Planned):
    """Its first action changes the file of its second."""


async def test_a_file_that_changes_at_the_last_moment_is_left_as_it_is(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("old\n")
    meddle = Run("here", ("sh", "-c", 'echo theirs > "$1"', "sh", str(config)))
    write = Write("here", str(config), b"old\n", b"ours\n")
    ending = await Play(tmp_path, [Disturbing(tmp_path / "b", meddle, write)], ["yes", "stop"]).run()
    assert (ending.outcome, "has changed since its plan was shown" in ending.words) == ("failed", True)
    assert config.read_text() == "theirs\n"


async def test_a_guard_that_does_not_hold_stops_its_command(tmp_path: Path) -> None:
    guarded = Run("here", ("touch", str(tmp_path / "b")), guards=(("test", "-e", str(tmp_path / "none")),))
    ending = await Play(tmp_path, [Planned(tmp_path / "b", guarded)], ["yes", "stop"]).run()
    assert (ending.outcome, "did not succeed" in ending.words) == ("failed", True)
    assert not (tmp_path / "b").exists()


async def test_every_change_lands_in_the_command_log_with_its_result_and_without_secrets(tmp_path: Path) -> None:
    lines: deque[str] = deque()
    (tmp_path / "token-hunter2").touch()
    step = Planned(tmp_path / "b", Run("here", ("sh", "-c", "exit 3")))
    play = Play(tmp_path, [step], ["yes", "stop"], host=Recorded(Local(), lines))
    play.context.hide("hunter2")
    await play.run()
    assert re.search(r"here  sh -c 'exit 3'  status 3  \d+ ms", lines[-2])
    assert [line.split("  ")[2] for line in (lines[0], lines[-1])] == ["take the lock", "release the lock"]
    await Play(tmp_path, [Leave(tmp_path / "c")], ["yes"], host=Recorded(Local(), lines)).run()
    assert any("write" in line and "6 bytes" in line for line in lines)
    await play.context.data("here", str(tmp_path / "token-hunter2"))
    assert "hunter2" not in "".join(lines)


# ── failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_that_succeeds_and_does_not_help_is_a_failure(tmp_path: Path) -> None:
    ending = await Play(tmp_path, [Planned(tmp_path / "b", Run("here", ("true",)))], ["yes", "stop"]).run()
    assert ending.outcome == "failed"
    assert ending.words == "planned failed: planned is not there after all: it is not so; now: it is not so"


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


async def test_the_state_is_all_that_was_told(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a"), Planned(tmp_path / "b", Run("here", ("echo", "well")))], ["all"])
    await play.run()
    assert play.state is not None
    first, second = play.state.steps
    assert (first.state, first.plan is not None, len(first.actions)) == ("done", True, 1)
    assert (second.actions[0].status, second.actions[0].output) == (0, "well")
    assert (play.state.outcome, play.state.asked) == ("failed", None)
    assert isinstance(play.events[-1], FlowEnded)
