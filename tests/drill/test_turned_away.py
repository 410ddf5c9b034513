"""Who ends a connection: HAProxy's own rules, by its count while it is dialled once more, or a filter before it."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.answers import Ended
from console.diagnosis.conclude import conclude
from console.diagnosis.explain import explain
from console.diagnosis.world import World
from console.hosts.local import Local, SocketStream, Stream
from console.observation import SweepData
from console.probes import asking
from tests.drill.record import read

FIREWALL, RULE = "vps-filter/reject", "haproxy-listener/rejects-us"


def told(seen: SweepData) -> set[str]:
    """Return what is proven."""
    return {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}


@pytest.mark.parametrize(
    ("id", "ended", "proven"),
    [
        ("silent-drop", Ended(2, 2), {RULE}),
        ("silent-drop", Ended(2, 3), set()),
        ("silent-drop", Ended(2, 1), set()),  # another client's alone: whose, nobody knows
        ("silent-drop", Ended(2, 0), {FIREWALL}),
        ("silent-drop", None, set()),  # what it counted until now may be of another day
        ("rejects-us", Ended(2, 2), {RULE}),
        ("rejects-us", Ended(2, 1), set()),
        ("content-reject", Ended(2, 2), {RULE}),
        ("content-reject", Ended(2, 0), set()),
        ("content-reject", None, set()),
        ("fw-reject-465", Ended(2, 0), {FIREWALL}),
        ("fw-reject-465", None, set()),
    ],
)
def test_a_rule_of_haproxys_and_a_firewall_are_told_apart_by_what_haproxy_counts_of_our_own(
    id: str, ended: Ended | None, proven: set[str]
) -> None:
    seen = read(id)
    assert seen.asked is not None and seen.stats is not None and seen.asked.ended is not None
    (name,) = seen.asked.ended
    seen.asked.ended = {name: ended} if ended is not None else None
    for lane in seen.lanes.values() if id == "silent-drop" else ():
        for address, ladder in lane.public.items():  # a reset of silent-drop's comes before the greeting, or after it
            if ladder.cause == "closed":
                refused = [replace(ladder.rungs[0], outcome="failed")]
                lane.public[address] = replace(ladder, cause="refused", rungs=refused)
    assert told(seen) == proven


def test_a_rule_is_told_once() -> None:
    world = World(read("silent-drop"))
    assert [each.id for each in conclude(world, explain(world))] == ["CH048"]


def test_what_breaks_for_all_behind_haproxy_is_not_its_rules() -> None:
    """The rule turns us away; that the proxy itself is hung up on is the missing route's doing."""
    (rule,) = [c for c in explain(World(read("rejects-us+route-missing"))).causes if c.suspects[0].mode.id == RULE]
    assert {test.at for test in rule.symptoms} <= {"here"}


# ── somebody else's words ───────────────────────────────────────────────────────────────────────────────────────────

OTHER = "vps-filter/redirect"


@pytest.mark.parametrize(
    ("change", "proven"),
    [
        ("", True),
        ("two servers", False),  # the other may have said it
        ("elsewhere", False),  # HAProxy dials another machine, which we did not
        ("reached", False),  # somebody there answers the proxy
        ("itself", False),  # clients on the proxy are told something, too
    ],
)
def test_what_is_said_where_haproxy_reaches_no_server_is_somebody_elses(change: str, proven: bool) -> None:
    seen = read("vm-off+nat-993-to-22")
    lane = seen.lanes["993/imaps"]
    assert seen.stats is not None and seen.asked is not None and seen.asked.directed is not None
    if change == "two servers":
        (mine,) = [each for each in seen.stats.servers if each.proxy == "imaps"]
        seen.stats = replace(seen.stats, servers=(*seen.stats.servers, replace(mine, name="spare")))
    if change == "elsewhere":
        to = seen.asked.directed["imaps/mailcow"]
        seen.asked.directed["imaps/mailcow"] = replace(to, address="10.10.10.99")
    if change == "reached":
        seen.lanes["25/smtp"].vm = read("calm").lanes["25/smtp"].vm
    if change == "itself":
        lane.itself = dict(lane.public)
    assert (OTHER in told(seen)) is proven


@pytest.mark.parametrize(("address", "proven"), [("10.10.10.214", True), ("10.10.10.99", False)])
def test_an_error_is_haproxys_own_where_it_reaches_no_server(address: str, proven: bool) -> None:
    """Though its check has not noticed yet; another machine's server may have said it."""
    seen = read("http-500+one-way")
    assert seen.stats is not None and seen.asked is not None and seen.asked.directed is not None
    seen.stats = replace(seen.stats, servers=tuple(replace(each, status="UP") for each in seen.stats.servers))
    seen.asked.directed["web/mailcow"] = replace(seen.asked.directed["web/mailcow"], address=address)
    assert ("haproxy-listener/denies" in told(seen)) is proven


@pytest.mark.parametrize("halted", ["all", "one", "answers"])
def test_what_is_said_while_haproxy_hangs_is_somebody_elses(halted: str) -> None:
    seen = read("haproxy-frozen+nat-993-to-22")
    assert seen.asked is not None and seen.asked.haproxy is not None
    if halted == "one":
        first, *others = seen.asked.haproxy
        seen.asked.haproxy = (replace(first, state="Ss"), *others)
    if halted == "answers":  # it was halted after that, perhaps
        seen.lanes["25/smtp"].public = read("calm").lanes["25/smtp"].public
    assert (OTHER in told(seen)) is (halted == "all")


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

HEAD = "# pxname,svname,status,type,dcon,dses,dreq,mode\n"


class Haproxy(Local):
    """Stands for the proxy and for the way to it: ends whatever is dialled, and counts it, or not, as a rule does."""

    def __init__(self, folder: Path, port: int, before: int) -> None:
        super().__init__("vps", "proxy")
        self.folder, self.port, self.counted = folder, port, before
        self.dialled = list[str]()

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        self.dialled.append(f"{address} {port}")
        return await super().connect("127.0.0.1", self.port, timeout)

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        return await super().connect_unix(str(self.folder / "socket"), timeout)


@pytest.mark.parametrize(
    ("before", "counts", "others", "brief", "ended", "dialled"),
    [
        (5, 1, 0, False, {"imaps": Ended(2, 2)}, 4),
        (5, 0, 0, False, {"imaps": Ended(2, 0)}, 4),
        (5, 1, 99, False, {}, 8),  # others are turned away meanwhile: whose are counted, nobody knows
        (5, 1, 3, False, {"imaps": Ended(2, 2)}, 8),  # no more so when it is tried again
        (0, 0, 0, False, {"imaps": Ended(2, 0)}, 0),  # it has ended none at all: nobody needs to be dialled
        (5, 1, 0, True, None, 0),  # the questions of an early look are asked again
    ],
)
async def test_those_who_hang_up_are_dialled_once_more_where_haproxy_has_ended_any(
    tmp_path: Path,
    before: int,
    counts: int,
    others: int,
    brief: bool,
    ended: dict[str, Ended] | None,
    dialled: int,
) -> None:
    seen = read("content-reject")
    seen.asked = asking.Asked()
    disturbed = chain([1] * others, repeat(0))

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.counted += counts
        writer.close()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"stat" in await reader.readline():
            rows = "".join(f"{each},FRONTEND,OPEN,0,0,0,{proxy.counted},tcp\n" for each in ("imaps", "sieve"))
            proxy.counted += next(disturbed)
            writer.write((HEAD + rows + "\n").encode())
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as server:
        proxy = Haproxy(tmp_path, server.sockets[0].getsockname()[1], before)
        here = Haproxy(tmp_path, proxy.port, 0)
        async with await asyncio.start_unix_server(tell, tmp_path / "socket"):
            for lane in seen.lanes.values():
                lane.itself.clear()
            questions = asking._Asking(seen, {"proxy": proxy, "here": here}, seen.asked, brief)
            await questions.socket()
    assert seen.asked is not None and seen.asked.ended == ended
    assert len(here.dialled) == dialled and all(each.endswith(" 993") for each in here.dialled)
