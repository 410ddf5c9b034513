"""What a sweep told, as the suspects ask for it: times, rows, addresses and containers, at both sides of each limit."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Asked, Container, Frontend, Ping, Server, Stats
from console.diagnosis.loss import SLOW, resent
from console.diagnosis.world import World, hidden, inner
from console.ladders import Ladder, ProbeTarget
from console.model import Rung, Target, Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import a_lane
from tests.console.diagnosis.test_symptoms import a_ladder


def a_world(*lanes: LaneData, stats: Stats | None = None, asked: Asked | None = None,
            containers: tuple[Container, ...] = ()) -> World:  # fmt: skip
    topology = Topology(lanes=tuple(each.lane for each in lanes))
    by_id = {each.lane.id: each for each in lanes}
    return World(SweepData(topology, by_id, stats=stats, asked=asked, containers=containers))


IMAPS, SIEVE, SMTP = a_lane(993, "v2", 10993), a_lane(4190, "v2", 14190), a_lane(25, "v2", 10025)


def climbed(*rungs: tuple[str, float | None], outcome: str = "ok") -> Ladder:
    """A ladder that took so many milliseconds for each rung, the first of them "connect"."""
    made = [Rung(name, outcome if name != "connect" else "ok", "", ms) for name, ms in rungs]  # type: ignore[arg-type]
    return Ladder(ProbeTarget("10.10.10.214", 10993, "imaps"), "vps", made, done=True)


# ── symptoms ────────────────────────────────────────────────────────────────────────────────────────────────────────

V6 = "2001:db8::1"
NO_V6 = a_ladder("unreachable", connected=False, address=V6)


@pytest.mark.parametrize(
    ("public", "sick"),
    [
        ({"203.0.113.1": a_ladder(), V6: NO_V6}, False),
        ({"203.0.113.1": a_ladder("timeout", connected=False), V6: NO_V6}, True),
        ({"203.0.113.1": a_ladder(), V6: a_ladder("unreachable", address=V6)}, True),  # lost after it had connected
        ({"203.0.113.1": a_ladder(), V6: a_ladder("timeout", connected=False, address=V6)}, True),
        ({"203.0.113.1": a_ladder("refused", "421 4.3.2 All server ports are busy")}, False),
    ],
)  # fmt: skip
def test_a_family_that_this_machine_has_not_is_no_symptom_nor_is_a_server_with_too_much_to_do(
    public: dict[str, Ladder], sick: bool
) -> None:
    world = a_world(LaneData(IMAPS, public))
    assert bool(world.symptoms) is sick
    assert world.sick == ((993,) if sick else ())


def test_that_a_host_is_pinged_from_elsewhere_does_not_say_that_we_reach_the_proxy() -> None:
    asked = Asked(pings={"vm": Ping("10.10.10.214", 1, 1)})
    lane = LaneData(IMAPS, {V6: NO_V6}, vm=a_ladder())
    assert a_world(lane, asked=asked).symptoms
    assert not a_world(lane, asked=asked).reached


def test_what_came_of_tests_is_told_by_port_and_by_family() -> None:
    public = {"203.0.113.1": a_ladder(), V6: a_ladder("timeout", connected=False, address=V6)}
    world = a_world(LaneData(IMAPS, public), LaneData(SIEVE, {"203.0.113.1": a_ladder("silent")}))
    assert world.came("connect", "here") == ["pass", "timeout", "pass"]
    assert world.came("connect", "here", family=6) == ["timeout"]
    assert world.came("connect", "here", family=4) == ["pass", "pass"]
    assert world.came("connect", "here", 993) == ["pass", "timeout"]
    assert world.came("talk", "here", 4190, 4) == ["silent"]
    assert world.came("talk", "here", 25) == [] == world.came("talk", "vm")
    assert world.passes("connect", "here", 993) and not world.passes("talk", "here", 4190)


def test_the_mail_host_is_where_most_lanes_lead() -> None:
    away = replace(IMAPS, target=Target("10.10.10.99", 993, "haproxy.cfg"))  # type: ignore[arg-type]
    assert a_world(LaneData(away), LaneData(SIEVE), LaneData(SMTP)).target == "10.10.10.214"
    assert a_world(LaneData(replace(IMAPS, target=None))).target == "the mail host"


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_connections_that_were_made_have_a_time() -> None:
    refused = Ladder(ProbeTarget("10.10.10.214", 1, "imaps"), "vps", [Rung("connect", "failed", "", 3.0)], done=True)
    lanes = LaneData(IMAPS, {"203.0.113.1": climbed(("connect", 9.0))}, vm=climbed(("connect", 12.0)))
    world = a_world(lanes, LaneData(SIEVE, vm=refused), LaneData(SMTP, vm=climbed(("connect", None))))
    assert (world.times("vm"), world.times("here")) == ([12.0], [9.0])


@pytest.mark.parametrize(
    ("times", "again"),
    [
        ([], []),
        ([5, 955], []), ([5, 955.1], [955.1]), ([5, 1504.9], [1504.9]), ([5, 1505], []),
        ([5, 1955], []), ([5, 1955.1], [1955.1]), ([5, 2404.9], [2404.9]), ([5, 2405], []),
        ([5, 2955], []), ([5, 2955.1], [2955.1]), ([5, 3504.9], [3504.9]), ([5, 3505], []),
        ([5, 3955], []), ([5, 3955.1], [3955.1]), ([5, 4504.9], [4504.9]), ([5, 4505], []),
        ([SLOW, SLOW + 1000], [SLOW + 1000]), ([SLOW + 1, SLOW + 1001], []),  # so slow a way may wander by a second
    ],
)  # fmt: skip
def test_a_connection_whose_first_packet_was_sent_again_is_one_to_four_seconds_late(
    times: list[float], again: list[float]
) -> None:
    assert (SLOW, resent(times)) == (300, again)


@pytest.mark.parametrize(
    ("connect", "outside", "inside", "lag"),
    [
        (10, 1045.0, 5.0, 1040),  # a second, and four times what a connection takes
        (10, 1044.9, 5.0, None),
        (250, 2005.0, 5.0, 2000), (250, 2004.9, 5.0, None),
        (SLOW, 9000.0, 5.0, 8995), (SLOW + 1, 9000.0, 5.0, None),
        (10, None, 5.0, None), (10, 5000.0, None, None),
    ],
)  # fmt: skip
def test_a_word_that_comes_much_later_than_inside_was_dragged(
    connect: float, outside: float | None, inside: float | None, lag: float | None
) -> None:
    vm, service = climbed(("connect", connect), ("greeting", outside)), climbed(("connect", 1), ("greeting", inside))
    world = a_world(LaneData(IMAPS, vm=vm, service=service))
    assert world.dragged == ({993: lag} if lag else {})
    assert not world.crawls  # one lane is chance
    both = a_world(LaneData(IMAPS, vm=vm, service=service), LaneData(SIEVE, vm=vm, service=service))
    assert both.crawls is bool(lag)


SLOWLY, QUICKLY = climbed(("connect", 10), ("greeting", 5000)), climbed(("connect", 1), ("greeting", 5))


@pytest.mark.parametrize(
    "lane",
    [
        LaneData(SMTP, vm=SLOWLY, service=QUICKLY),  # Postfix looks a client's name up before it greets
        LaneData(IMAPS, vm=SLOWLY),
        LaneData(IMAPS, service=QUICKLY),
        LaneData(IMAPS, vm=climbed(("connect", 10), ("greeting", 5000), outcome="failed"), service=QUICKLY),
        LaneData(IMAPS, vm=SLOWLY, service=climbed(("connect", 1), ("greeting", 5), outcome="failed")),
        LaneData(IMAPS, vm=climbed(("connect", 10), ("tls", 5000)), service=QUICKLY),
        LaneData(IMAPS, vm=climbed(("connect", 10), ("connect", 5000)), service=QUICKLY),
    ],
)
def test_what_was_not_seen_at_both_ends_was_not_dragged(lane: LaneData) -> None:
    quick = LaneData(SIEVE, vm=climbed(("connect", 10), ("greeting", 12)), service=QUICKLY)
    assert a_world(lane, quick).dragged == {}
    assert a_world(LaneData(SMTP)).dragged == {}


# ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WEB, OTHER, MINE = (Server(name, "mailcow", "UP", "L4OK", "") for name in ("web", "other", "imaps"))


@pytest.mark.parametrize(
    ("stats", "row"),
    [
        (Stats((MINE, WEB)), WEB),
        (Stats((MINE, WEB, OTHER)), None),  # which of them it is nobody can say
        (Stats((MINE,)), None),
        (Stats((MINE, WEB), error="cut off"), None),
        (None, None),
    ],
)
def test_the_web_that_no_file_names_is_the_server_that_no_lane_has(stats: Stats | None, row: Server | None) -> None:
    web = replace(a_lane(993, None, 443), port=443, protocol="https", proxy="", frontend="", service="")
    world = a_world(LaneData(web), LaneData(IMAPS), stats=stats)
    assert world.row(443) == row
    assert world.row(993) == (MINE if stats and not stats.error else None)
    mail = replace(web, protocol="imaps")
    assert a_world(LaneData(mail), LaneData(replace(IMAPS, port=1)), stats=stats).row(443) is None


def test_a_frontend_is_found_by_its_own_name_or_by_that_of_its_proxy() -> None:
    fronts = Stats(frontends=(Frontend(""), Frontend("imaps"), Frontend("fe")))
    assert a_world(LaneData(IMAPS), stats=fronts).frontend(993) == Frontend("imaps")
    assert a_world(LaneData(replace(IMAPS, frontend="", proxy="")), stats=fronts).frontend(993) is None
    assert a_world(LaneData(IMAPS)).frontend(993) is None


@pytest.mark.parametrize(
    ("own", "address", "foreign"),
    [
        (("203.0.113.10",), "203.0.113.77", True),
        (("203.0.113.10",), "203.0.113.10", False),
        (("203.0.113.10",), V6, False),  # of that family it has told none
        (("10.0.0.5",), "203.0.113.77", False),  # it stands behind somebody else's address
        (("10.0.0.5", "203.0.113.10"), "203.0.113.77", True),
        ((), "203.0.113.77", False),
    ],
)
def test_an_address_is_foreign_where_the_proxy_has_public_ones_of_its_family(
    own: tuple[str, ...], address: str, foreign: bool
) -> None:
    assert a_world(LaneData(IMAPS), asked=Asked(addresses=own)).foreign(address) is foreign


@pytest.mark.parametrize(
    ("address", "is_hidden", "is_inner"),
    [
        ("10.0.0.1", True, False), ("172.31.255.255", True, False), ("172.32.0.0", False, False),
        ("100.64.0.1", True, False), ("fd00::1", True, False), ("203.0.113.1", False, False),
        ("127.0.0.1", False, True), ("::1", False, True), (V6, False, False),
    ],
)  # fmt: skip
def test_addresses_that_nobody_dials_from_the_internet(address: str, is_hidden: bool, is_inner: bool) -> None:
    assert (hidden(address), inner(address)) == (is_hidden, is_inner)


# ── the mail host ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("service", "protocol", "name", "daemon"),
    [
        ("dovecot-mailcow", "imaps", "dovecot-mailcow", "dovecot"), ("", "https", "nginx-mailcow", "nginx"),
        ("", "http", "nginx-mailcow", "nginx"), ("", "imaps", "", "imaps"),
        ("sogo-mailcow", "https", "sogo-mailcow", "sogo"),
    ],
)  # fmt: skip
def test_a_lane_s_daemon_is_named_as_far_as_it_is_known(service: str, protocol: str, name: str, daemon: str) -> None:
    lane = replace(IMAPS, service=service, protocol=protocol)
    world = a_world(LaneData(lane))
    assert (world.service(993), world.daemon(993)) == (name, daemon)


def test_of_containers_of_one_service_the_one_that_does_not_run_is_told() -> None:
    runs, stopped = Container("dovecot-mailcow", "running", "one"), Container("dovecot-mailcow", "exited", "two")
    other = Container("postfix-mailcow", "exited")
    assert a_world(LaneData(IMAPS), containers=(other, runs, stopped)).container(993) == stopped
    assert a_world(LaneData(IMAPS), containers=(other, runs)).container(993) == runs
    assert a_world(LaneData(IMAPS), containers=(other,)).container(993) is None
