"""Which flows there are and how they stand: asked of the world, with what the journal knows, and changing nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.engine.overview import FlowSeen, Overview
from console.engine.vantages import Vantages
from console.errors import HostError
from console.estate.load import Estate, load
from console.events import FlowsChecked
from console.flows import (
    CheckResult,
    Flow,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    done,
    first_open,
    needed,
    registry,
    skipped,
)
from console.hosts.host import Completed
from console.hosts.local import Local
from console.store import journal


class Fence(Step):
    name, words = "fence", "mend the fence"

    async def check(self, context: StepContext) -> CheckResult:
        there = await context.data("here", str(context.estate.file.parent / "fence")) is not None
        return done("it stands") if there else needed("it is down")

    async def plan(self, context: StepContext) -> Plan:
        return Plan((Run("here", ("touch", str(context.estate.file.parent / "fence"))),))


class Broken(Step):
    name, words = "broken", "fall over"

    async def check(self, context: StepContext) -> CheckResult:
        raise ValueError("a mistake of ours")


class Slow(Local):
    """A machine that never answers."""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        await asyncio.Event().wait()
        raise HostError("never")

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        await asyncio.Event().wait()
        raise HostError("never")


FLOWS = {
    "broken": Flow(lambda context: (Broken(),), "broken", "Fall over"),
    "fence": Flow(lambda context: (Fence(),), "fence", "Mend it"),
}


@pytest.fixture
def estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(registry, "names", lambda: tuple(FLOWS))
    monkeypatch.setattr(registry, "find", FLOWS.__getitem__)
    (tmp_path / "site.toml").write_text("[sources]\nhaproxy = []\n")
    return load(tmp_path / "site.toml")


def vantages(host: Local | None = None) -> Vantages:
    return Vantages({"here": host or Local()}, {}, deque())


async def looked(overview: Overview) -> dict[str, FlowSeen]:
    """Wait until nothing is asked any more."""
    assert overview._task is not None
    await asyncio.wait({overview._task})
    return {seen.name: seen for seen in overview.seen}


async def test_every_flow_is_asked_and_none_changes_anything(estate: Estate) -> None:
    told: list[FlowsChecked] = []
    overview = Overview(told.append)
    overview.look(estate, vantages())
    seen = await looked(overview)
    look = seen["fence"].look
    assert look is not None
    assert (look.outcome, look.steps[0].state) == ("planned", "planned")
    assert not (estate.file.parent / "fence").exists()
    assert seen["fence"].words == "Mend it"
    assert seen["fence"].last is None
    assert told
    assert journal.runs(journal.place(estate.file)) == ()


async def test_a_flow_with_a_mistake_in_it_says_so_and_leaves_the_others_alone(estate: Estate) -> None:
    overview = Overview(lambda event: None)
    overview.look(estate, vantages())
    seen = await looked(overview)
    look = seen["broken"].look
    assert look is not None
    assert look.outcome == "failed"
    assert "ValueError" in look.ending
    assert seen["fence"].look is not None


async def test_one_flow_is_asked_alone(estate: Estate) -> None:
    overview = Overview(lambda event: None)
    overview.look(estate, vantages(), "fence")
    seen = await looked(overview)
    assert seen["fence"].look is not None
    assert seen["broken"].look is None


async def test_the_last_run_comes_from_the_journal(estate: Estate) -> None:
    kept = journal.Journal(journal.place(estate.file))
    kept.write("began", flow="fence", **journal.whoever())
    kept.write("ended", outcome="failed", words="a cow leaned on it")
    kept.close()
    overview = Overview(lambda event: None)
    overview.read(estate, lab=False)
    last = {seen.name: seen.last for seen in overview.seen}["fence"]
    assert last is not None
    assert (last.state, last.words) == ("failed", "a cow leaned on it")
    assert last.who.startswith("process ")


async def test_a_flow_that_says_how_it_stands_is_not_asked_for_its_steps_before_it_is_opened(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whole(context: StepContext) -> CheckResult:
        return needed("the fence is [red]down\x1b[2J")

    monkeypatch.setitem(FLOWS, "fence", Flow(lambda context: (Fence(),), "fence", "Mend it", standing=whole))
    overview = Overview(lambda event: None)
    overview.look(estate, vantages())
    seen = (await looked(overview))["fence"]
    assert seen.look is None
    assert seen.standing is not None
    assert (seen.standing.state, seen.standing.words) == ("needed", "the fence is [red]down\\x1b[2J")
    overview.look(estate, vantages(), "fence")
    seen = (await looked(overview))["fence"]
    assert seen.look is not None
    assert seen.standing is None


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (NotYetKnown("no address yet"), "needed", "no address yet"),
        (Refusal("it holds data"), "refused", "it holds data"),
        (HostError("no way in"), "failed", "no way in"),
        (ValueError("a mistake of ours"), "failed", "ValueError"),
        (TimeoutError(), "failed", "no answer within 90 s"),
    ],
)
async def test_a_flow_that_cannot_say_how_it_stands_says_why(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str, words: str
) -> None:
    async def whole(context: StepContext) -> CheckResult:
        raise error

    monkeypatch.setitem(FLOWS, "fence", Flow(lambda context: (Fence(),), "fence", "Mend it", standing=whole))
    overview = Overview(lambda event: None)
    overview.look(estate, vantages())
    found = (await looked(overview))["fence"].standing
    assert found is not None
    assert found.state == state
    assert words in found.words


async def test_the_first_step_that_is_not_done_speaks_for_a_flow(estate: Estate) -> None:
    context = StepContext(estate, {"here": Local()}, {})
    assert await first_open(context, ()) == skipped("there is nothing to do here")
    assert await first_open(context, (Fence(), Broken())) == needed("it is down")
    (estate.file.parent / "fence").touch()
    context.invalidate()
    assert await first_open(context, (Fence(),)) == done("it stands")


async def test_asking_ends_when_a_run_begins(estate: Estate) -> None:
    asking = asyncio.Event()
    overview = Overview(lambda event: asking.set() if any(seen.looking for seen in overview.seen) else None)
    overview.look(estate, vantages(Slow()), "fence")
    task = overview._task
    assert task is not None
    await asking.wait()
    overview.stop()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not any(seen.looking for seen in overview.seen)
