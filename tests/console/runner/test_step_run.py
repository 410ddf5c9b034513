"""One step from its check to its result, over stand-ins for its hosts and rollbacks: each turn it can take.

What real hosts and rollbacks make of it is in test_runner.py, test_groups.py and test_rollback.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import FileError, HostError, NoWayIn
from console.events import FlowSaid, Prompt, StepChanged, StepPlanned
from console.hosts.host import Completed
from console.runner import lanes as lanes_after
from console.runner.context import StepContext, Unanswered
from console.runner.ending import Ended
from console.runner.guard import GuardState
from console.runner.plan import Action, Ask, CheckResult, Loss, NotYetKnown, Plan, Refusal, Rollback, Run, done, needed
from console.runner.progress import Entry, Unsettled
from console.runner.step import Step
from console.runner.step_run import StepRun
from tests.console.runner.test_executor import Doing, Stand

Said = CheckResult | Exception

TOUCH, MORE = Run("mail", ("touch", "/x")), Run("mail", ("touch", "/y"))


def skipped(words: str) -> CheckResult:
    return CheckResult("skipped", words)


class Scripted(Step):
    """Finds what it is told to find, in order; the last for all that follows."""

    name, words = "second", "make it so"

    def __init__(self, *checks: Said, plan: Plan | None = None, proofs: Sequence[Said] = ()) -> None:
        self.checks, self.proofs = list(checks), list(proofs) or [done("proven", "by this")]
        self.plans: list[Plan | Exception] = [plan or Plan((TOUCH,))]
        self.back: Plan | Exception | None = None

    async def check(self, context: StepContext) -> CheckResult:
        found: CheckResult = self._next(self.checks)
        return found

    async def plan(self, context: StepContext) -> Plan:
        found: Plan = self._next(self.plans)
        return found

    async def verify(self, context: StepContext) -> CheckResult:
        found: CheckResult = self._next(self.proofs)
        return found

    async def undo(self, context: StepContext) -> Plan | None:
        if isinstance(self.back, Exception):
            raise self.back
        return self.back

    def _next(self, script: list[Any]) -> Any:
        said = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(said, Exception):
            raise said
        return said


class Guards:
    """Stands for the rollbacks of a step: host → how each stands, one after the other as it is looked at."""

    def __init__(self, *looks: dict[str, GuardState] | Exception, decider: str = "") -> None:
        self.looks, self.decider = list(looks), decider
        self.states: dict[str, GuardState] = {}
        self.hosts: tuple[str, ...] = ("mail",)

    @property
    def armed(self) -> tuple[str, ...]:
        return tuple(host for host, state in self.states.items() if state.armed)

    @property
    def kept(self) -> bool:
        return self.decider in self.states and self.states[self.decider].word == "kept"

    def name(self, host: str) -> str:
        return "n"

    async def look(self, known: bool = True) -> None:
        found = self.looks.pop(0) if len(self.looks) > 1 else (self.looks or [{}])[0]
        if isinstance(found, Exception):
            if known:
                raise found
            found = {}
        self.states = found

    async def before(self, plan: Plan) -> tuple[Action, ...]:
        return tuple(Run(each.host, ("arm", each.host)) for each in plan.rollbacks)

    async def notes(self, plan: Plan) -> tuple[str, ...]:
        return ("watched",) if plan.rollbacks else ()

    def over(self, rollbacks: Sequence[Rollback]) -> dict[str, tuple[str, str, str]]:
        return {"site-name": ("cow", "p", "n")} if rollbacks else {}


class Walk:
    """One step walked, with what the operator says."""

    def __init__(self, tmp_path: Path, step: Scripted, *words: str | None, answers: Sequence[Any] = ()) -> None:
        self.doing = Doing(tmp_path, Stand(*answers))
        self.progress, self.step = self.doing.progress, step
        self.entry = Entry(("f", "g"), step)
        self.progress.entries = [self.progress.entries[0], self.entry]
        self.words, self.prompts = list(words), list[Prompt]()
        self.progress._operator = self._ask
        self.run = StepRun(self.progress, self.entry)
        self.guards = Guards()

    async def _ask(self, prompt: Prompt) -> str | None:
        self.prompts.append(prompt)
        return self.words.pop(0) if self.words else None

    async def end(self) -> tuple[str, str] | None:
        """Walk; how the run ended by it, None when it goes on."""
        self.run.guards = self.guards  # type: ignore[assignment]
        try:
            await self.run.walk()
        except Ended as ended:
            return ended.ending.outcome, ended.ending.words
        return None

    def states(self) -> list[tuple[str, str]]:
        return [(event.state, event.words) for event in self.doing.told(StepChanged)]

    @property
    def ran(self) -> list[str]:
        return [each.argv[0] if each.argv[0] != "touch" else each.argv[1] for each in self.doing.host.asked]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.doing.journal.lines]


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOOKS: list[tuple[CheckResult, str, tuple[str, str] | None]] = [
    (done("there", "by this"), "so", None),
    (skipped("not here"), "skipped", None),
    (CheckResult("wrong", "broken"), "failed", None),
    (CheckResult("refused", "no"), "refused", ("refused", "step 2, make it so: refused: no; nothing was changed")),
]


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize(("found", "state", "end"), LOOKS)
async def test_what_needs_no_change_changes_nothing(
    found: CheckResult, state: str, end: tuple[str, str] | None, dry: bool, tmp_path: Path
) -> None:
    walk = Walk(tmp_path, Scripted(found))
    walk.progress.dry = dry
    assert await walk.end() == end
    assert walk.states() == [("checking", ""), (state, found.words)]
    assert walk.doing.told(StepChanged)[-1].evidence == found.evidence
    assert (walk.prompts, walk.ran) == ([], [])


async def test_what_cannot_be_looked_at_is_looked_at_again_or_ends_the_run(tmp_path: Path) -> None:
    for error in (NoWayIn("gone"), HostError("gone")):
        walk = Walk(tmp_path, Scripted(error, done("there")), "retry")
        assert await walk.end() is None
        assert walk.states() == [("checking", ""), ("failed", "gone"), ("checking", ""), ("so", "there")]
        (prompt,) = walk.prompts
        assert (prompt.kind, prompt.step, prompt.text) == (
            "failed", 1, "step 2, make it so: could not be looked at: gone"
        )  # fmt: skip
        assert (prompt.choices, prompt.default) == ({"retry": "look again", "stop": "stop here"}, "stop")
    walk = Walk(tmp_path, Scripted(NoWayIn("gone")), "stop")
    assert await walk.end() == ("failed", "step 2, make it so: could not be looked at: gone; nothing was changed")


async def test_a_check_that_finds_nothing_out_in_time_is_given_up(tmp_path: Path) -> None:
    step = Scripted(done("there"))
    step.patience = 0.0
    step.check = lambda context: asyncio.Event().wait()  # type: ignore[method-assign,assignment,return-value]
    walk = Walk(tmp_path, step, "stop")
    assert await walk.end() == (
        "failed",
        "step 2, make it so: could not be looked at: second did not find out within 0 s; nothing was changed",
    )


async def test_a_dry_run_plans_and_asks_nothing(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")))
    walk.progress.dry = True
    assert await walk.end() is None
    assert walk.states() == [("checking", ""), ("planned", "missing")]
    assert [(step.name, found.words, plan.actions) for step, found, plan in walk.progress.planned] == [
        ("second", "missing", (TOUCH,))
    ]
    assert walk.doing.context.planned == {"second"}
    (planned,) = walk.doing.told(StepPlanned)
    assert (planned.run, planned.step, planned.undo, planned.path) == ("R", 1, False, ("f", "g", "second"))
    assert [each.text for each in planned.plan.actions] == ["touch /x"]
    assert (walk.prompts, walk.ran, walk.kinds) == ([], [], [])


@pytest.mark.parametrize("dry", [False, True])
async def test_what_is_not_known_yet_waits_in_a_dry_run_and_fails_in_a_real_one(dry: bool, tmp_path: Path) -> None:
    step = Scripted(NotYetKnown("first comes first"))
    walk = Walk(tmp_path, step, "stop")
    walk.progress.dry = dry
    end = await walk.end()
    if dry:
        assert (end, walk.states()[-1], walk.doing.context.planned) == (
            None, ("later", "first comes first"), {"second"}
        )  # fmt: skip
    else:
        assert end == ("failed", "second failed: second: first comes first")
        assert walk.doing.context.planned == set()


async def test_a_refusal_in_a_plan_ends_the_run(tmp_path: Path) -> None:
    step = Scripted(needed("missing"))
    step.plans = [Refusal("too dear")]
    walk = Walk(tmp_path, step)
    assert await walk.end() == ("refused", "step 2, make it so: refused: too dear; nothing was changed")
    assert walk.states()[-1] == ("refused", "too dear")


async def test_questions_of_a_plan_are_put_without_another_check(tmp_path: Path) -> None:
    step = Scripted(needed("missing"))
    step.plans = [Unanswered(Ask("name", "whose?")), Plan((TOUCH,))]
    walk = Walk(tmp_path, step, "bob", "skip")
    assert await walk.end() is None
    assert [prompt.kind for prompt in walk.prompts] == ["answer", "confirm"]
    assert [state for state, _ in walk.states()] == ["checking", "planned", "left"]
    assert walk.doing.context.answers == {"name": "bob"}
    for place in ("plans", "checks"):
        step = Scripted(needed("missing"))
        setattr(step, place, [Unanswered(Ask("name", "whose?"))])
        walk = Walk(tmp_path, step)
        walk.progress.dry = True
        assert await walk.end() is None
        assert (walk.states()[-1][0], walk.doing.context.planned) == ("later", {"second"})


# ── agreeing ────────────────────────────────────────────────────────────────────────────────────────────────────────

AGREE: list[tuple[str | None, tuple[str, str] | None, str, bool]] = [
    ("yes", None, "done", True),
    ("all", None, "done", True),
    ("skip", None, "left", False),
    ("stop", ("stopped", "stopped before second; nothing was changed"), "stopped", False),
    (None, ("unanswered", "second waits for a yes (--yes); nothing was changed"), "stopped", False),
]


@pytest.mark.parametrize(("said", "end", "state", "changes"), AGREE)
async def test_nothing_is_changed_before_a_yes(
    said: str | None, end: tuple[str, str] | None, state: str, changes: bool, tmp_path: Path
) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")), said)
    assert await walk.end() == end
    assert (walk.states()[-1][0], walk.ran, walk.progress.agreed) == (state, ["/x"] * changes, said == "all")
    (prompt,) = walk.prompts
    assert (prompt.kind, prompt.text, prompt.default, prompt.key, prompt.step) == (
        "confirm", "make it so?", "stop", "yes", 1
    )  # fmt: skip
    assert prompt.choices == {
        "yes": "do it", "all": "do this and all remaining", "skip": "skip", "stop": "stop here"
    }  # fmt: skip
    if changes:
        assert walk.kinds == ["intent", "do", "did", "step"]
        assert walk.doing.journal.lines[0][1] == {"step": "second", "flow": "g", "actions": ["touch /x"]}
        assert walk.states()[2:] == [("applying", ""), ("verifying", ""), ("done", "proven")]
        assert walk.doing.told(StepChanged)[-1].evidence == ("by this",)


async def test_who_has_agreed_to_all_is_not_asked_again(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")))
    walk.progress.agreed = True
    assert await walk.end() is None
    assert (walk.prompts, walk.ran) == ([], ["/x"])


TYPED: list[tuple[str | None, tuple[str, str] | None]] = [
    ("disk", None),
    ("disc", ("stopped", "disk was not typed: all on it; nothing was changed")),
    ("", ("unanswered", "needs an answer: type disk: all on it (--answer destroy=disk); nothing was changed")),
    (None, ("unanswered", "needs an answer: type disk: all on it (--answer destroy=disk); nothing was changed")),
]


@pytest.mark.parametrize(("typed", "end"), TYPED)
async def test_the_name_of_what_is_lost_is_typed_even_after_a_yes_to_all(
    typed: str | None, end: tuple[str, str] | None, tmp_path: Path
) -> None:
    loss = Loss("disk", "all on it")
    walk = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH,), loses=(loss,))), typed)
    walk.progress.agreed = True
    assert await walk.end() == end
    assert walk.ran == ["/x"] * (end is None)
    (prompt,) = walk.prompts
    assert (prompt.kind, prompt.step, prompt.text, prompt.key, prompt.typed) == (
        "destroy", 1, "type disk: all on it", "destroy", "disk"
    )  # fmt: skip
    assert walk.states()[-1][0] == ("done" if end is None else "stopped")
    again = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH,), loses=(loss,))))
    again.progress.agreed = True
    if typed == "disk":
        again.progress.typed = walk.progress.typed
    else:
        again.doing.context.destroy = {"disk"}
    assert await again.end() is None
    assert again.prompts == []


# ── changing ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_plan_that_changed_meanwhile_is_shown_again_at_most_three_times(tmp_path: Path) -> None:
    step = Scripted(needed("missing"))
    step.plans = [Plan((TOUCH,)), Plan((MORE,))] * 5
    walk = Walk(tmp_path, step, "yes", "yes", "yes", "yes")
    assert await walk.end() == (
        "failed", "second: something changes its plan each time it is looked at; nothing was changed"
    )  # fmt: skip
    said = [event.text for event in walk.doing.told(FlowSaid)]
    assert said == ["second: things have changed since the plan was shown; this is the new plan"] * 3
    assert (len(walk.prompts), walk.ran) == (4, [])


async def test_what_is_there_by_now_is_not_done(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing"), done("there")), "yes")
    assert await walk.end() is None
    assert (walk.states()[-1], walk.ran) == (("so", "there"), [])


async def test_a_change_that_fails_says_what_is_true_now_and_is_tried_again_or_not(tmp_path: Path) -> None:
    step = Scripted(needed("missing"), plan=Plan((TOUCH, MORE)))
    walk = Walk(tmp_path, step, "yes", "stop", answers=[Completed(0, b"", b""), FileError("no space")])
    truth = "no space; 1 of 2 changes were made; now: missing"
    assert await walk.end() == ("failed", f"second failed: {truth}")
    assert walk.states()[-1] == ("failed", truth)
    prompt = walk.prompts[-1]
    assert (prompt.kind, prompt.text) == ("failed", truth)
    assert prompt.choices == {"retry": "look again, and go on from there", "stop": "stop here"}
    assert walk.ran == ["/x", "/y"]
    walk = Walk(
        tmp_path, Scripted(needed("missing")), "yes", "retry", "yes", answers=[FileError("no"), Completed(0, b"", b"")]
    )
    assert await walk.end() is None
    assert walk.states()[-1][0] == "done"
    assert ("failed", "no; now: missing") in walk.states()


async def test_what_is_not_proven_failed(tmp_path: Path) -> None:
    step = Scripted(needed("missing"), proofs=[needed("it is not")])
    walk = Walk(tmp_path, step, "yes", "stop")
    assert await walk.end() == ("failed", "second failed: second is not there after all: it is not; now: missing")
    assert walk.progress.unproven == {("g", "second")}


async def test_what_an_earlier_run_did_not_prove_is_proven_first(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(done("there")))
    walk.progress.unproven.add(("g", "second"))
    assert await walk.end() is None
    assert walk.states()[1:] == [("verifying", "it was changed and not proven yet"), ("so", "proven")]
    walk = Walk(tmp_path, Scripted(done("there"), proofs=[needed("it is not")]), "stop")
    walk.progress.unproven.add(("g", "second"))
    assert await walk.end() == ("failed", "second failed: second is not there after all: it is not; now: there")
    for dry, unproven in ((True, ("g", "second")), (False, ("f", "second"))):
        walk = Walk(tmp_path, Scripted(done("there")))
        walk.progress.dry = dry
        walk.progress.unproven.add(unproven)
        assert await walk.end() is None
        assert walk.states() == [("checking", ""), ("so", "there")]


async def test_a_stop_between_two_changes_says_how_far_it_came(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH, MORE))), "yes")

    async def stop() -> None:
        walk.progress.stop()

    walk.doing.host.meanwhile = stop
    assert await walk.end() == ("stopped", "stopped in second; something was changed, see above")
    assert walk.states()[-1] == ("stopped", "stopped by the operator; 1 of 2 changes were made; now: missing")
    walk = Walk(tmp_path, Scripted(needed("missing")), "yes", answers=[FileError("no")])
    walk.doing.host.meanwhile = stop
    walk.doing.host.meanwhile = lambda: _stop(walk)
    assert await walk.end() == ("stopped", "stopped in second; something was changed, see above")
    assert walk.states()[-1] == ("stopped", "stopped by the operator: no; now: missing")


async def _stop(walk: Walk) -> None:
    walk.progress.stop()


async def test_a_state_that_cannot_be_asked_for_is_said_to_be_unknown(tmp_path: Path) -> None:
    for error, more in ((NoWayIn("gone"), "; the state now is not known: gone"), (NotYetKnown("later"), "")):
        step = Scripted(needed("missing"), needed("missing"), error)
        walk = Walk(tmp_path, step, "yes", "stop", answers=[FileError("no")])
        assert await walk.end() == ("failed", f"second failed: no{more}")


BACK = Plan((Run("mail", ("rm", "/x")),))


async def test_it_can_be_taken_back_when_it_has_a_way(tmp_path: Path) -> None:
    step = Scripted(needed("missing"), proofs=[needed("it is not")])
    step.back = BACK
    walk = Walk(tmp_path, step, "yes", "undo", "stop", "undo", "yes")
    assert await walk.end() == ("failed", "second was undone: taken back; now: missing")
    assert walk.ran == ["/x", "rm"]
    assert walk.states()[-1] == ("undone", "taken back; now: missing")
    assert [prompt.text for prompt in walk.prompts[2::2]] == ["take back make it so?"] * 2
    assert walk.prompts[2].choices == {"yes": "undo it", "stop": "stop here"}
    assert walk.prompts[1].choices["undo"] == "undo it"
    assert [event.undo for event in walk.doing.told(StepPlanned)] == [False, True, True]
    intents = [data for kind, data in walk.doing.journal.lines if kind == "intent"]
    assert intents[1] == {"step": "second", "flow": "g", "undo": True, "actions": ["rm /x"]}


@pytest.mark.parametrize("why", ["no way", "an error", "still running", "not chosen"])
async def test_it_is_not_offered_where_nothing_takes_it_back_now(why: str, tmp_path: Path) -> None:
    step = Scripted(needed("missing"), proofs=[needed("it is not")])
    step.back = {"no way": None, "an error": NoWayIn("gone")}.get(why, BACK)
    walk = Walk(tmp_path, step, "yes", "undo" if why != "not chosen" else "stop")
    real = step.verify

    async def verify(context: StepContext) -> CheckResult:
        if why == "still running":
            walk.progress.unsettled.append(Unsettled("R", "m", "site-name", "touch /x", 0, 0))
        return await real(context)

    step.verify = verify  # type: ignore[method-assign]
    end = await walk.end()
    assert end is not None
    assert end[0] == "failed"
    assert ("undo" in walk.prompts[1].choices) is (why == "not chosen")
    assert walk.ran == ["/x"]


async def test_taking_back_may_fail_too(tmp_path: Path) -> None:
    step = Scripted(needed("missing"), proofs=[needed("it is not")])
    step.back = BACK
    walk = Walk(tmp_path, step, "yes", "undo", "yes", "stop", answers=[Completed(0, b"", b""), FileError("no")])
    end = await walk.end()
    assert end is not None
    assert walk.states()[-1] == ("failed", "taking it back failed: no; now: missing")


# ── rollbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────

ARMED, KEPT = GuardState("armed", 60), GuardState("kept")
ROLLBACK = Rollback("mail", ("undo",))


class Together(Scripted):
    """Changes several hosts or none."""

    together = True


async def test_a_rollback_is_armed_first_and_disarmed_when_it_is_proven(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,))), "yes")
    walk.guards = Guards({}, {}, {"mail": ARMED}, {"mail": ARMED}, {"mail": KEPT})
    assert await walk.end() is None
    assert walk.ran == ["arm", "/x", "sh"]
    assert [each.guard for each in walk.doing.host.asked] == [None, ("cow", "p", "n"), None]
    assert walk.doing.told(StepPlanned)[0].plan.notes == ("watched",)
    guards = [data.get("guard", False) for kind, data in walk.doing.journal.lines if kind == "do"]
    assert guards == [True, False, True]
    assert walk.states()[-1] == ("done", "proven")


async def test_nothing_is_changed_under_a_rollback_that_is_not_armed(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,))), "yes", "stop")
    words = "cow has not armed its rollback: nothing else was done; 1 of 2 changes were made; now: missing"
    assert await walk.end() == ("failed", f"second failed: {words}")
    assert walk.ran == ["arm"]


LATE: list[tuple[list[dict[str, GuardState]], str]] = [
    ([{"mail": ARMED}, {}, {}], "cow took it back before it was proven"),
    ([{"mail": ARMED}] * 4, "the rollback is still armed on cow: it will be taken back there"),
]


@pytest.mark.parametrize(("looks", "words"), LATE)
async def test_what_its_host_takes_back_is_not_done(looks: list[Any], words: str, tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,))), "yes", "stop")
    walk.guards = Guards({}, {}, *looks)
    end = await walk.end()
    assert end is not None
    assert end[0] == "failed"
    assert end[1].startswith(f"second failed: {words}; ")


async def test_it_is_proven_once_more_when_its_rollback_is_disarmed(tmp_path: Path) -> None:
    step = Scripted(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,)), proofs=[done("a"), needed("gone")])
    walk = Walk(tmp_path, step, "yes", "stop")
    walk.guards = Guards({}, {}, {"mail": ARMED}, {"mail": ARMED}, {"mail": KEPT})
    end = await walk.end()
    assert end is not None
    assert end[1].startswith("second failed: second was taken back by its rollback: gone; ")


async def test_what_an_earlier_run_left_armed_is_proven_and_disarmed(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(done("there")))
    walk.guards = Guards({"mail": ARMED}, {"mail": ARMED}, {"mail": KEPT})
    assert await walk.end() is None
    assert walk.states()[1:] == [("verifying", "an earlier run was cut off here"), ("done", "proven")]
    assert walk.ran == ["sh"]
    walk = Walk(tmp_path, Scripted(done("there")))
    walk.guards, walk.progress.dry = Guards({"mail": ARMED}), True
    assert await walk.end() is None
    assert (walk.states()[-1], walk.ran) == (("so", "there"), [])


async def test_what_was_changed_together_and_fails_is_taken_back_together(tmp_path: Path) -> None:
    step = Together(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,)))
    answers = [Completed(0, b"", b""), FileError("no"), Completed(0, b"", b"")]
    walk = Walk(tmp_path, step, "yes", "stop", answers=answers)
    walk.guards = Guards({}, {}, {"mail": ARMED}, {"mail": ARMED}, {}, decider="mail")
    end = await walk.end()
    assert end == ("failed", "second failed: no; taken back on cow; 1 of 2 changes were made; now: missing")
    assert walk.ran == ["arm", "/x", "sh"]
    assert walk.doing.host.asked[-1].argv[2:] == ("fire", "n")


ALONE: list[tuple[dict[str, GuardState] | Exception, bool, str]] = [
    ({}, False, ""),
    (HostError("no host answers"), False, ""),
    ({"mail": KEPT}, False, ""),
    ({"far": ARMED}, True, "; {0} may have decided to keep it, and the others will follow it"),
    (
        {"far": ARMED, "mail": KEPT},
        False,
        "; cow has kept its change by itself, so nothing is taken back on one side only",
    ),
]


@pytest.mark.parametrize(("states", "deciding", "words"), ALONE)
async def test_nothing_is_taken_back_on_one_side_only(
    states: dict[str, GuardState] | Exception, deciding: bool, words: str, tmp_path: Path
) -> None:
    walk = Walk(tmp_path, Together(needed("missing")))
    walk.guards = Guards(
        states, decider="far" if isinstance(states, dict) and "far" in states and not deciding else "mail"
    )
    walk.run.guards, walk.run.deciding = walk.guards, deciding  # type: ignore[assignment]
    assert await walk.run._take_back("why", ("mail",)) == "why" + words.format("cow")
    assert walk.ran == []


async def test_a_step_of_one_host_leaves_taking_back_to_the_host(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")))
    walk.guards = Guards({"mail": ARMED}, decider="mail")
    walk.run.guards = walk.guards  # type: ignore[assignment]
    assert await walk.run._take_back("why", ("mail",)) == "why"
    assert walk.ran == []


TRUTHS = [
    ({"mail": ARMED}, "", "its rollback is armed: cow takes it back by itself"),
    ({"far": ARMED, "mail": KEPT}, "mail", "cow keeps it; far was not told yet, and keeps it when it has seen that"),
]


@pytest.mark.parametrize(("states", "decider", "words"), TRUTHS)
async def test_what_the_hosts_will_do_by_themselves_is_said(
    states: dict[str, GuardState], decider: str, words: str, tmp_path: Path
) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")))
    walk.run.guards = Guards(states, decider=decider)  # type: ignore[assignment]
    assert await walk.run._truth("why", None) == f"why; now: missing; {words}"


async def test_a_lane_that_a_change_together_cuts_off_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, slept = 0.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr(lanes_after, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(lanes_after, "asyncio", SimpleNamespace(sleep=sleep, timeout=asyncio.timeout))
    lanes = [("smtp", "ok"), ("imap", "degraded"), ("pop", "refused")]
    for after, times in (([("smtp", "ok"), ("imap", "ok")], 0), ([("smtp", "ok"), ("imap", "timeout")], 40)):
        walk = Walk(tmp_path, Together(needed("missing")), "yes", "stop")
        looks = [lanes]

        async def look(looks: Any = looks, after: Any = after) -> Any:
            return looks.pop() if looks else after

        walk.doing.context.lanes = look
        slept.clear()
        end = await walk.end()
        assert slept == [1.0] * times
        if times:
            assert end is not None
            assert end[1].startswith("second failed: imap could be used before, and cannot any more; ")
        else:
            assert end is None
