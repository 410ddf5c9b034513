"""When stored certificates are looked at: no sweep waits for it but one that is to, and none says what is stale."""

from __future__ import annotations

import asyncio

import pytest

from console.engine.keeping import Keeping
from console.engine.sweeps import Sweeps
from console.events import Event, FindingsChanged
from console.ladders import Ladder, ProbeTarget
from console.model import Certificate, Kept, Lane, Span, Topology
from console.observation import LaneData, SweepData

FAILED = Kept(push="version=1\nresult=failed\nreason=no route\n")
LANE = Lane("imaps", "imaps", 993, (), None, None, "passthrough", Span("haproxy.cfg", 1))


def serving(fingerprint: str) -> SweepData:
    found = Certificate("CN=a", ("a",), "1", 0.0, 1e10, fingerprint)
    ladder = Ladder(ProbeTarget("192.0.2.1", 993, "imaps"), "here", certificate=found)
    return SweepData(Topology(lanes=(LANE,)), {LANE.id: LaneData(LANE, {"192.0.2.1": ladder})})


class Looks:
    """A look that ends when it is let."""

    def __init__(self) -> None:
        self.count, self.let = 0, asyncio.Event()

    async def __call__(self) -> Kept:
        self.count += 1
        await self.let.wait()
        return FAILED


async def ended(keeping: Keeping) -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_sweep_of_the_console_does_not_wait_and_the_finding_comes_after_it_once() -> None:
    looks, told = Looks(), list[Event]()
    sweeps = Sweeps(Topology(), {}, {}, told.append, keeping=(keeping := Keeping(looks)))
    await sweeps.sweep()
    assert sweeps.findings is not None and sweeps.findings.cause_id is None
    looks.let.set()
    await ended(keeping)
    assert sweeps.findings.cause_id == "CH027"
    told.clear()
    await sweeps.sweep()
    assert (looks.count, told) == (1, [])
    await sweeps.sweep(force=True)
    await ended(keeping)
    assert looks.count == 2
    assert [each.cause_id for each in told if isinstance(each, FindingsChanged)] == ["CH027"]


async def test_check_waits_for_the_look() -> None:
    looks = Looks()
    looks.let.set()
    sweeps = Sweeps(Topology(), {}, {}, lambda event: None, keeping=Keeping(looks, wait=10))
    await sweeps.sweep()
    assert sweeps.findings is not None and sweeps.findings.cause_id == "CH027"


async def test_what_was_seen_before_other_certificates_were_served_is_not_compared() -> None:
    looks = Looks()
    looks.let.set()
    keeping = Keeping(looks)
    keeping.begin()
    await ended(keeping)
    assert (await keeping.settle(serving("old"))).settled
    keeping.begin()
    assert (await keeping.settle(serving("old"))).settled and looks.count == 1
    assert not (await keeping.settle(serving("new"))).settled
    await ended(keeping)
    assert keeping.now().settled and looks.count == 2


async def test_a_check_whose_look_did_not_end_says_so_and_is_not_called_well_alone() -> None:
    looks = Looks()
    sweeps = Sweeps(Topology(), {}, {}, lambda event: None, keeping=(keeping := Keeping(looks, wait=0.01)))
    await sweeps.sweep()
    assert sweeps.findings is not None
    assert [found.id for found in sweeps.findings.findings] == ["CH088"]
    assert (
        sweeps.findings.cause == "stored certificates were not all looked at: the look at them did not end within 0 s"
    )
    looks.let.set()
    await ended(keeping)
    assert keeping.now().unseen == ()


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError()])
async def test_a_look_that_fails_says_nothing_and_ends_no_sweep(error: Exception) -> None:
    reported: list[BaseException] = []

    async def look() -> Kept:
        raise error

    def report(error: BaseException) -> str:
        reported.append(error)
        return ""

    keeping = Keeping(look, report, wait=10)
    keeping.known = FAILED
    keeping.begin()
    settled = await keeping.settle(serving("f"))
    assert settled == Kept(unseen=settled.unseen)
    assert len(settled.unseen) == 1
    assert reported == ([error] if isinstance(error, KeyError) else [])
