"""What a step changes: at most as it was shown, proven after, and taken back when it has a way."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import FileError, NoWayIn
from console.events import FlowSaid, StepPlanned
from console.hosts.host import Completed
from console.runner.context import StepContext
from console.runner.plan import CheckResult, NotYetKnown, Plan, Run, done, needed
from console.runner.progress import Unsettled
from tests.console.runner.walking import MORE, TOUCH, Scripted, Walk


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
