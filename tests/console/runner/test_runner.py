"""The one mechanism that changes machines: what it shows, asks, does, proves and says."""

from __future__ import annotations

import itertools
import re
from collections import deque
from pathlib import Path

import pytest

from console.events import FlowAsked, FlowEnded, StepChanged, StepPlanned
from console.flows import (
    Action,
    Ask,
    Change,
    CheckResult,
    Loss,
    NotYetKnown,
    Plan,
    Refusal,
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
    kept = [each.name for each in play.folder.iterdir()]
    assert (sorted(tmp_path.iterdir()), kept, play.prompts) == (before, ["site"], [])  # whose folder it is


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
    assert ending.words == "step 1, stand: foreign data; nothing was changed"
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


async def test_the_state_is_all_that_was_told(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a"), Planned(tmp_path / "b", Run("here", ("echo", "well")))], ["all"])
    await play.run()
    assert play.state is not None
    first, second = play.state.steps
    assert (first.state, first.plan is not None, len(first.actions)) == ("done", True, 1)
    assert (second.actions[0].status, second.actions[0].output) == (0, "well")
    assert (play.state.outcome, play.state.asked) == ("failed", None)
    assert isinstance(play.events[-1], FlowEnded)
