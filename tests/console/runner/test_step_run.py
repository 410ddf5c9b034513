"""One step from its check to its result, over stand-ins for its hosts and rollbacks: each turn it can take.

What real hosts and rollbacks make of it is in test_runner.py, test_groups.py and test_rollback.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console.errors import HostError, NoWayIn
from console.events import StepChanged, StepPlanned
from console.runner.context import Unanswered
from console.runner.plan import Ask, CheckResult, Loss, NotYetKnown, Plan, Refusal, done, needed
from tests.console.runner.walking import TOUCH, Scripted, Walk, skipped

# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LOOKS: list[tuple[CheckResult, str, tuple[str, str] | None]] = [
    (done("there", "by this"), "so", None),
    (skipped("not here"), "skipped", None),
    (CheckResult("wrong", "broken"), "failed", None),
    (CheckResult("refused", "no"), "refused", ("refused", "step 2, make it so: no; nothing was changed")),
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
    assert await walk.end() == ("refused", "step 2, make it so: too dear; nothing was changed")
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
