"""A step under rollbacks: armed first, disarmed when it is proven, taken back on all hosts or on none."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import FileError, HostError
from console.events import StepPlanned
from console.hosts.host import Completed
from console.runner import lanes as lanes_after
from console.runner.guard import GuardState
from console.runner.plan import Plan, Rollback, done, needed
from tests.console.runner.walking import TOUCH, Guards, Scripted, Walk

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
