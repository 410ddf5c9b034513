"""A sweep asks everything at once, but the tunnel a moment before: what else we do must not count as its latency."""

from __future__ import annotations

import asyncio

import pytest

from console.diagnosis.early import waiting
from console.errors import Refused
from console.hosts.host import Host, Stream
from console.hosts.local import Local
from console.model import Lane, Role, Span, Target, Topology
from console.observation import SweepData
from console.probes.sweep import sweep

LANES = tuple(
    Lane(name, "tcp", port, (), Target("192.0.2.1", port), None, "passthrough", Span("haproxy.cfg", port))
    for name, port in (("one", 1), ("two", 2), ("three", 3))
)


class Refusing(Local):
    """A machine that asks nobody: it notes when it was to ask, and when it had its answer, which is always no."""

    def __init__(self, role: Role, notes: list[str], wait: asyncio.Event | None = None) -> None:
        super().__init__(role, role)
        self.notes, self.wait = notes, wait

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        self.notes.append(f"{self.role} asks")
        await asyncio.sleep(0)
        if self.wait is not None:
            await self.wait.wait()
        self.notes.append(f"{self.role} knows")
        raise Refused(f"{address}:{port} refused the connection")

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        self.notes.append(f"{self.role} asks HAProxy")
        raise Refused(f"{path} refused the connection")


async def look(notes: list[str], wait: asyncio.Event | None = None, seen: asyncio.Event | None = None) -> SweepData:
    """One sweep; `wait` is for the tunnel to answer, `seen` is set when the public ports were all asked."""
    hosts: dict[Role, Host] = {"here": Refusing("here", notes), "proxy": Refusing("proxy", notes, wait)}

    def tell(so_far: SweepData, lane: object) -> None:
        public = [ladder.done for lane in so_far.lanes.values() for ladder in lane.public.values()]
        if seen is not None and len(public) == len(LANES) and all(public):
            seen.set()

    return await sweep(Topology(lanes=LANES, public=("192.0.2.10",)), hosts, tell)


async def test_the_tunnel_is_asked_before_anything_else_when_it_answers_within_a_moment() -> None:
    notes: list[str] = []
    await look(notes)
    assert notes[:6] == ["proxy asks"] * 3 + ["proxy knows"] * 3
    last = len(notes) - notes[::-1].index("here knows")
    assert set(notes[6:last]) == {"proxy asks HAProxy", "here asks", "here knows"}
    assert set(notes[last:]) <= {"proxy asks", "proxy knows"}  # for all refused: how does it reach itself?


async def test_a_tunnel_that_takes_its_time_holds_up_nothing_else() -> None:
    notes: list[str] = []
    answer, asked = asyncio.Event(), asyncio.Event()
    looking = asyncio.create_task(look(notes, answer, asked))
    await asyncio.wait_for(asked.wait(), 60)
    assert "proxy knows" not in notes
    answer.set()
    seen = await looking
    assert {lane.vm.cause for lane in seen.lanes.values() if lane.vm} == {"refused"}


async def test_a_host_that_is_still_being_connected_to_delays_no_other_and_is_asked_as_soon_as_we_are_in() -> None:
    notes: list[str] = []
    answered = asyncio.Event()
    coming: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    hosts: dict[Role, Host] = {"here": Refusing("here", notes), "proxy": Refusing("proxy", notes)}
    so_far: list[SweepData] = []

    def tell(seen: SweepData, lane: object) -> None:
        so_far[:] = [seen]
        public = [ladder.done for lane in seen.lanes.values() for ladder in lane.public.values()]
        if len(public) == len(LANES) and all(public):
            answered.set()

    looking = asyncio.create_task(
        sweep(Topology(lanes=LANES, public=("192.0.2.10",)), hosts, tell, coming={"proxy": coming})
    )
    await asyncio.wait_for(answered.wait(), 60)
    (seen,) = so_far
    assert not [note for note in notes if note.startswith("proxy")] and seen.stats is None
    assert waiting(seen, seen.at + 3) == ""  # nobody was asked anything there whose answer is missing
    coming.set_result(True)
    async with asyncio.timeout(60):
        seen = await looking
    assert {lane.vm.cause for lane in seen.lanes.values() if lane.vm} == {"refused"} and seen.stats is not None


async def test_machines_that_we_get_into_late_are_asked_once_more_what_they_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from console.probes import asking
    from console.probes import sweep as sweeps

    asked: list[bool] = []
    twice, answer = asyncio.Event(), asyncio.Event()
    coming: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def ask(seen: SweepData, *given: object, brief: bool = False) -> None:
        if brief:
            asked.append(seen.early)
            (twice if coming.done() else answer).set()

    monkeypatch.setattr(sweeps, "EARLY", 0.01)
    monkeypatch.setattr(asking, "ask", ask)
    hosts: dict[Role, Host] = {"here": Refusing("here", []), "proxy": Refusing("proxy", [], twice)}
    looking = asyncio.create_task(
        sweep(Topology(lanes=LANES, public=("192.0.2.10",)), hosts, lambda seen, lane: None, coming={"proxy": coming})
    )
    async with asyncio.timeout(60):
        await answer.wait()
        coming.set_result(True)
        await twice.wait()
        await looking
    assert asked == [False, False]


class Faulty(Refusing):
    """A machine through which a fault of cowhand's own comes up at one port."""

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        if port == 2:
            raise KeyError("a value that no screen may show")
        return await super().connect(address, port, timeout)


async def test_a_fault_of_ours_is_reported_and_costs_no_other_lane_its_reading() -> None:
    reported: list[BaseException] = []

    def report(error: BaseException) -> str:
        reported.append(error)
        return "/state/crash.txt"

    hosts: dict[Role, Host] = {"proxy": Faulty("proxy", [])}
    seen = await sweep(Topology(lanes=LANES), hosts, lambda seen, lane: None, report=report)
    ladders = [lane.vm for lane in seen.lanes.values() if lane.vm is not None]
    assert [ladder.cause for ladder in ladders] == ["refused", "no-way", "refused"]
    assert [type(error) for error in reported] == [KeyError]
    (rung,) = ladders[1].rungs
    assert rung.detail.startswith("cowhand failed here: KeyError at ")
    assert rung.detail.endswith("; the report is in /state/crash.txt")
    assert "no screen may show" not in rung.detail


@pytest.mark.parametrize("lanes", [(), LANES], ids=["no lane", "three lanes"])
async def test_a_stop_is_heard_at_every_moment_of_a_sweep(lanes: tuple[Lane, ...]) -> None:
    hosts: dict[Role, Host] = {"here": Refusing("here", []), "proxy": Refusing("proxy", [])} if lanes else {}
    topology, heard = Topology(lanes=lanes, public=("192.0.2.10",)), 0
    for moments in range(60):  # until the public ports are asked, and beyond
        running = asyncio.create_task(sweep(topology, hosts, lambda seen, lane: None))
        for _ in range(moments):
            await asyncio.sleep(0)
        if not running.cancel():
            break
        with pytest.raises(asyncio.CancelledError):
            await running
        heard += 1
    assert heard > 3
