"""What counts as a symptom, and as what: rows at both sides of each limit."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from console.answers import Asked, Ping, Server, Stats
from console.diagnosis import symptoms
from console.diagnosis.symptoms import PASS, Test, ailing, failing, outcome
from console.ladders import Ladder, ProbeTarget
from console.model import Protocol, Rung, Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import a_lane

OURS = "https://mail.example.org"


def a_ladder(
    cause: str = "", said: str = "", *, after: float = 0.0, protocol: Protocol = "imaps", connected: bool = True,
    done: bool = True, name: str = "mail.example.org",
    depth: Literal["connect", "greeting"] = "greeting", address: str = "203.0.113.10",
    detail: str = "",
) -> Ladder:  # fmt: skip
    target = ProbeTarget(address, 993, protocol, None, name=name, depth=depth)
    rungs = [Rung("connect", "ok" if connected else "failed", "" if connected else detail)]
    rungs += [Rung("greeting", "failed" if cause else "ok", detail)] if connected and detail else []
    return Ladder(target, "here", rungs, cause, after, said, done=done)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ladder", "came"),
    [
        (a_ladder(), PASS),
        *((a_ladder("closed", after=after), came) for after, came in [
            (2.4, "closed-0"), (2.5, "closed-3"), (4.4, "closed-3"),
            (4.5, "closed-5"), (6.9, "closed-5"), (7, "closed"),
        ]),
        *((a_ladder(cause), cause) for cause in ("timeout", "unreachable", "silent", "tls", "not-tls")),
        (a_ladder("unexpected"), "odd"),
        (a_ladder("refused", connected=False), "refused"),
        *((a_ladder("refused", said), came) for said, came in [
            ("421 4.3.2 No system resources", "headerless"),
            ("421 4.3.0 mail.example.org Server local error", "headerless"),
            ("451 4.3.2 No system resources", "says-4xx"),
            ("421 4.3.2 All server ports are busy", "busy"),
            ("421 4.7.0 mail.example.org Error: too many connections from 192.0.2.1", "busy"),
            ("421 4.3.2 all SCREENING PORTS ARE BUSY", "busy"),
            ("521 5.3.2 All server ports are busy", "says-5xx"),
            ("450 4.7.1 try again", "says-4xx"),
            ("554 5.7.1 Client host rejected", "says-5xx"),
            ("HTTP/1.1 403 Forbidden", "says-4xx"),
            ("HTTP/1.0 503 Service Unavailable", "says-5xx"),
            ("HTTP/1.1 302 Found", "says-no"),
            ("4500 is no status", "says-no"),
            ("NO not today", "says-no"),
        ]),
        (a_ladder("out-of-step", "500 5.5.2 Error: command not recognized", protocol="smtp"), "out-of-step"),
        (a_ladder("out-of-step", "HTTP/1.1 400 Bad Request", protocol="http"), "says-4xx"),
        (a_ladder("out-of-step", "HTTP/1.1 400 Bad Request", protocol="https"), "says-4xx"),
        (a_ladder(said=f"HTTP/1.1 301 Moved → {OURS}/", protocol="https"), "loop"),
        (a_ladder(said=f"HTTP/1.1 301 Moved → {OURS}", protocol="https"), "loop"),
        (a_ladder(said=f"HTTP/1.1 301 Moved → {OURS}/user", protocol="https"), PASS),
        (a_ladder(said="HTTP/1.1 301 Moved → https://other.example.org/", protocol="https"), PASS),
        (a_ladder(said="HTTP/1.1 301 Moved → https:///", protocol="https", name=""), PASS),
        (a_ladder(said=f"HTTP/1.1 301 Moved → {OURS}/", protocol="http"), PASS),  # from http to https: as it should be
        (a_ladder(said="HTTP/1.1 200 OK", protocol="https"), PASS),
        (a_ladder(said="* OK redirects → nobody", protocol="imaps"), PASS),
    ],
)  # fmt: skip
def test_a_ladder_that_ended_has_one_outcome(ladder: Ladder, came: str) -> None:
    assert outcome(ladder) == came


LANE = a_lane(993, "v2", 10993)


def seen_of(**parts: Any) -> SweepData:
    """One lane of 993, whose other parts are these."""
    of_lane = {name: parts.pop(name) for name in ("public", "vm", "service", "itself", "unresolved") if name in parts}
    topology = Topology(lanes=(LANE,), public=("mail.example.org",))
    return SweepData(topology, {LANE.id: LaneData(LANE, **of_lane)}, **parts)


def found(seen: SweepData) -> list[Test]:
    return list(symptoms.tests(seen))


def test_a_connection_and_what_was_said_over_it_are_two_tests() -> None:
    silent = a_ladder("silent", detail="silent for 9 s")
    assert found(seen_of(public={"203.0.113.10": silent})) == [
        Test("connect", "here", PASS, 993, 4, "203.0.113.10", "silent for 9 s"),
        Test("talk", "here", "silent", 993, 4, "203.0.113.10", "silent for 9 s"),
    ]
    said = a_ladder("refused", "554 no", detail="554 no", address="2001:db8::1")
    assert found(seen_of(itself={"2001:db8::1": said}))[1] == Test(
        "talk", "itself", "says-5xx", 993, 6, "2001:db8::1", "554 no"
    )


def test_where_nobody_connected_nothing_was_said() -> None:
    refused = a_ladder("refused", connected=False, detail="refused the connection")
    expected = Test("connect", "vm", "refused", 993, 4, "203.0.113.10", "refused the connection")
    assert [test for test in found(seen_of(vm=refused)) if test.kind != "way"] == [expected]


@pytest.mark.parametrize(
    ("ladder", "kinds"),
    [
        (a_ladder(depth="connect"), ["connect"]),  # nothing was to be said
        (a_ladder(done=False), ["connect"]),  # the rest is to come
        (a_ladder(connected=False, done=False), []),
        (a_ladder("no-way", connected=False), []),
        (a_ladder("no-source", connected=False), []),
        (Ladder(ProbeTarget("203.0.113.10", 993, "imaps"), "here", done=True), []),
    ],
)
def test_only_what_was_tried_and_has_ended_counts(ladder: Ladder, kinds: list[str]) -> None:
    assert [test.kind for test in found(seen_of(public={"203.0.113.10": ladder}))] == kinds


@pytest.mark.parametrize(
    ("status", "weight", "came"),
    [
        ("UP", 100, PASS), ("UP", None, PASS), ("UP", 0, "idle"), ("UP 2/3", 100, "down"), ("DOWN", 100, "down"),
        ("DOWN 1/2", 100, "down"), ("DOWN (agent)", 100, "down"), ("MAINT", 100, "idle"),
        ("MAINT (via imaps/old)", 100, "idle"), ("UP", 1, PASS), ("DRAIN", 100, "idle"),
        ("no check", 100, None), ("NOLB", 100, None), ("", None, None),
    ],
)  # fmt: skip
def test_haproxy_s_own_check_is_a_test_where_it_has_one(status: str, weight: int | None, came: str | None) -> None:
    server = Server("imaps", "mailcow", status, "L4OK", "Layer4 check passed", weight)
    assert failing(server) is (came == "down")
    expected = [] if came is None else [Test("check", "haproxy", came, 993, said="L4OK Layer4 check passed")]
    assert found(seen_of(stats=Stats((server,)))) == expected
    assert found(seen_of(stats=Stats())) == []


@pytest.mark.parametrize(("outcome_", "came"), [("failed", "none"), ("unknown", "unheard")])
def test_a_name_that_leads_nowhere_is_a_symptom_where_somebody_looked(outcome_: str, came: str) -> None:
    rung = Rung("resolve", outcome_, "no address")  # type: ignore[arg-type]
    assert found(seen_of(unresolved=rung, vantages={"here": "here"})) == [
        Test("name", "here", came, 993, said="no address")
    ]
    assert found(seen_of(unresolved=rung)) == []
    nameless = seen_of(unresolved=rung, vantages={"here": "here"})
    nameless.topology = Topology(lanes=(LANE,))
    assert found(nameless) == []


def test_pings_and_the_way_to_port_22_are_of_no_lane() -> None:
    pings = {"vm": Ping("10.0.0.2", 2, 0), "router": Ping("10.0.0.1", 2, 1), "large": Ping("10.0.0.2", 0, 0)}
    pings["gateway"] = Ping("192.0.2.1", 1, 0)
    door = a_ladder("refused", connected=False, detail="refused")
    assert found(seen_of(asked=Asked(pings=pings, door=door))) == [
        Test("connect", "door", "refused", 0, 4, "203.0.113.10", "refused"),
        Test("ping", "host", "lost", address="10.0.0.2"),
        Test("ping", "router", PASS, address="10.0.0.1"),
        Test("ping", "large", PASS, address="10.0.0.2"),
        Test("ping", "gateway", "lost", address="192.0.2.1"),
    ]


NO_WAY = "no-way"


@pytest.mark.parametrize(("part", "at"), [("vm", "proxy"), ("service", "mail")])
@pytest.mark.parametrize(
    ("ladder", "came", "said"),
    [
        (a_ladder(detail="* OK"), PASS, ""),
        (a_ladder("timeout", connected=False, detail="did not answer"), PASS, ""),  # who asked was let in
        (a_ladder(NO_WAY, connected=False, detail="vps did not answer"), "no-way", "vps did not answer"),
        (a_ladder(NO_WAY, connected=False, detail="vps: no answer"), "no-way", "vps: no answer"),
        (a_ladder(NO_WAY, connected=False, detail="No route to host"), "no-way", "No route to host"),
        (a_ladder(NO_WAY, connected=False, detail="timed out"), "no-way", "timed out"),
        (a_ladder(NO_WAY, connected=False, detail="Network is unreachable"), "no-way", "Network is unreachable"),
        (a_ladder(NO_WAY, connected=False, detail="Permission denied"), "shut", "Permission denied"),
    ],
)  # fmt: skip
def test_a_way_in_that_is_closed_is_told_from_one_that_leads_nowhere(
    part: str, at: str, ladder: Ladder, came: str, said: str
) -> None:
    ways = [test for test in found(seen_of(**{part: ladder})) if test.kind == "way"]
    assert ways == [Test("way", at, came, said=said)]  # type: ignore[arg-type]
    nothing = Ladder(ProbeTarget("203.0.113.10", 993, "imaps"), "here", cause="no-way", done=True)
    assert [test.outcome for test in found(seen_of(**{part: nothing})) if test.kind == "way"] == ["shut"]
    ladder_to_come = a_ladder(done=False)
    assert [test for test in found(seen_of(**{part: ladder_to_come})) if test.kind == "way"] == []


def test_a_way_in_that_served_one_lane_is_open() -> None:
    other = a_lane(4190, "v2", 14190)
    seen = seen_of(vm=a_ladder(NO_WAY, connected=False, detail="timed out"))
    seen.lanes[other.id] = LaneData(other, vm=a_ladder(detail="* OK"))
    assert [test.outcome for test in found(seen) if test.kind == "way"] == [PASS]


WELL = {"public": {"203.0.113.10": a_ladder()}}
ROW = Server("imaps", "mailcow", "UP", "L4OK", "", 100)


@pytest.mark.parametrize(
    ("parts", "ill"),
    [
        ({}, False),
        ({"stats": Stats((ROW,))}, False),
        ({"stats": Stats()}, False),  # it tells of no server at all: a list that we may not see
        ({"stats": Stats((Server("imaps", "mailcow", "UP", "L4OK", "", 1),))}, False),
        ({"stats": Stats(error="no socket is known")}, False),
        ({"stats": Stats(error="refused", stopped=True)}, True),
        ({"stats": Stats(error="silent", silent=True)}, True),
        ({"stats": Stats((Server("imaps", "mailcow", "UP", "L4OK", "", 0),))}, True),
        ({"stats": Stats((Server("imaps", "mailcow", "no check", "", "", 0),))}, True),
        ({"stats": Stats((Server("imaps", "mailcow", "no check", "", "", 100),))}, False),
        ({"stats": Stats((Server("imaps", "mailcow", "NOLB", "", "", 100),))}, True),
        ({"stats": Stats((Server("imaps", "other", "UP", "L4OK", "", 100),))}, True),  # HAProxy has no such server
        ({"stats": Stats((Server("imaps", "other", "UP", "L4OK", "", 100),), error="cut off")}, False),
        ({"public": {"203.0.113.10": a_ladder("silent")}}, True),
        ({"vm": a_ladder(NO_WAY, connected=False, detail="timed out")}, False),  # that is no fault of the estate
    ],
)
def test_machines_are_asked_where_something_is_amiss_that_they_may_explain(parts: dict[str, object], ill: bool) -> None:
    assert ailing(seen_of(**{**WELL, **parts})) is ill


def test_a_lane_without_a_proxy_in_its_files_is_not_looked_for_among_haproxy_s_servers() -> None:
    seen = seen_of(**WELL, stats=Stats((ROW,)))
    seen.lanes[LANE.id].lane = replace(LANE, proxy="")
    assert not ailing(seen)
    assert {test.kind for test in found(seen)} == {"connect", "talk"}
