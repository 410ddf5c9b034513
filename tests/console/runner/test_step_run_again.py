"""A step that begins again: what was found or decided before counts no more; and who holds its hosts' locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import FileError, HostError
from console.hosts.host import Completed
from console.runner.plan import Plan, done, needed
from tests.console.runner.test_step_run_rollbacks import ARMED, ROLLBACK, Together
from tests.console.runner.walking import TOUCH, Guards, Scripted, Walk

WELL = Completed(0, b"", b"")


async def test_each_host_is_locked_before_it_is_looked_at_for_the_last_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Scripted(needed("missing"), needed("missing"), done("there"))
    walk = Walk(tmp_path, step, "yes")
    locked: list[tuple[str, int]] = []

    async def lock(host: str) -> None:
        locked.append((host, len(step.checks)))

    monkeypatch.setattr(walk.doing.context, "lock", lock)
    assert await walk.end() is None
    assert locked[0] == ("mail", 2)
    assert walk.ran == ["/x"]


async def test_nothing_is_done_on_a_host_that_another_console_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Walk(tmp_path, Scripted(needed("missing")), "yes", "stop")

    async def lock(host: str) -> None:
        raise HostError("another console changes it")

    monkeypatch.setattr(walk.doing.context, "lock", lock)
    words = "step 2, make it so: could not be looked at: another console changes it; nothing was changed"
    assert await walk.end() == ("failed", words)
    assert walk.ran == []


async def test_a_new_attempt_forgets_that_an_earlier_one_may_have_decided(tmp_path: Path) -> None:
    step = Together(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,)))
    walk = Walk(tmp_path, step, "yes", "stop", answers=[WELL, FileError("no"), WELL])
    walk.guards = Guards({}, {}, {"mail": ARMED}, {"mail": ARMED}, {}, decider="far")
    walk.run.deciding = True
    end = await walk.end()
    assert end == ("failed", "second failed: no; taken back on cow; 1 of 2 changes were made; now: missing")


async def test_what_an_earlier_run_left_half_changed_is_taken_back_and_looked_at_again(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Together(needed("missing"), done("there")))
    walk.guards = Guards({"mail": ARMED}, {"mail": ARMED}, {}, decider="far")
    walk.run.deciding = True
    assert await walk.end() is None
    assert walk.doing.host.asked[-1].argv[2:] == ("fire", "n")
    assert (walk.states()[-1], walk.prompts) == (("so", "there"), [])


async def test_a_rollback_that_the_decider_does_not_answer_for_is_left_once_it_was_told_to_keep(tmp_path: Path) -> None:
    step = Together(needed("missing"), plan=Plan((TOUCH,), rollbacks=(ROLLBACK,)))
    walk = Walk(tmp_path, step, "yes", "stop")
    looks = [{"mail": ARMED}] * 2 + [{"far": ARMED}]
    walk.guards = Guards({}, {}, *looks, decider="mail")
    step.proofs = [done("a"), needed("gone")]
    end = await walk.end()
    assert end is not None
    assert "cow may have decided to keep it, and the others will follow it" in end[1]
    assert [each.argv[2] for each in walk.doing.host.asked if each.argv[0] == "sh"] == ["disarm"]


async def test_after_a_late_proof_that_failed_everything_is_looked_at_again(tmp_path: Path) -> None:
    step = Scripted(done("as it was"), needed("missing"), done("as it is"), proofs=[needed("it is not")])
    walk = Walk(tmp_path, step, "retry")
    walk.guards = Guards({"mail": ARMED}, {"mail": ARMED}, {})
    assert await walk.end() is None
    assert walk.states()[-1] == ("so", "as it is")


async def test_after_a_proof_in_vain_it_is_proven_anew_and_nothing_is_planned(tmp_path: Path) -> None:
    walk = Walk(tmp_path, Scripted(done("there"), proofs=[needed("it is not"), done("proven")]), "retry")
    walk.progress.unproven.add(("g", "second"))
    assert await walk.end() is None
    assert walk.states()[-1] == ("so", "proven")
    assert [prompt.kind for prompt in walk.prompts] == ["failed"]
