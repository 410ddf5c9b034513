"""Who is at fault by a lane's own ladders: one row at each side of what is asked."""

from __future__ import annotations

from typing import Any

import pytest

from console.answers import Asked, Container, Ping
from console.diagnosis.blame import (
    container_stopped,
    forwards_wrongly,
    host_answers,
    redirects_to_itself,
    serves_itself,
    service_stopped,
    untrusted,
    waits_for_dovecot,
)
from console.ladders import Cause, Ladder, ProbeTarget
from console.model import Rung, Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import a_lane
from tests.console.diagnosis.test_judge_edges import data, ladder, well

HOST = "10.10.10.214"


def lane(port: int = 993, **more: Any) -> LaneData:
    return LaneData(a_lane(port, "v1", 10000 + port), **more)


def sweep(*lanes: LaneData, **more: Any) -> SweepData:
    return SweepData(Topology(), {each.lane.name: each for each in lanes}, **more)


@pytest.mark.parametrize(
    ("itself", "serves"),
    [
        ({}, False),
        ({"a": well(993)}, True),
        ({"a": well(993), "b": ladder("imaps")}, False),
        ({"a": well(993, done=False)}, False),
        ({"a": well(993), "b": well(993, done=False)}, True),
    ],
)
def test_a_proxy_that_gets_through_itself_forwards_rightly(itself: dict[str, Ladder], serves: bool) -> None:
    found = lane(public={"a": ladder("imaps")}, itself=itself)
    assert serves_itself(found) is serves
    assert (forwards_wrongly(found) is None) is serves


def test_a_port_that_wants_no_header_distrusts_nobody() -> None:
    hung_up = ladder(port=993, after=0.1)
    assert untrusted(data(hung_up, well(993))) is False
    assert untrusted(data(hung_up, well(143))) is True


@pytest.mark.parametrize(
    ("answered", "asked", "beside", "answers"),
    [
        ({HOST: 1.0}, None, [], True),
        ({"10.9.9.9": 1.0}, None, [], False),
        ({}, Asked(pings={"router": Ping(HOST, 2, 1, 0.3)}), [], True),
        ({}, Asked(pings={"router": Ping(HOST, 2, 0)}), [], False),
        ({}, Asked(), [], False),
        ({}, None, [lane(465, vm=ladder("smtps"))], False),
        ({}, None, [lane(465, vm=Ladder(ladder("smtps").target, "vps"))], None),
        ({}, None, [lane(465)], False),
    ],
)
def test_a_host_answers_by_any_of_its_lanes_or_by_its_router(
    answered: dict[str, float], asked: Asked | None, beside: list[LaneData], answers: bool | None
) -> None:
    found = lane(vm=ladder())
    assert host_answers(sweep(found, *beside, answered=answered, asked=asked), found) is answers


def test_a_lane_to_another_host_says_nothing_of_this_one() -> None:
    from msgspec.structs import replace

    found = lane(vm=ladder())
    other = lane(465, vm=Ladder(ladder("smtps").target, "vps"))
    assert other.lane.target is not None
    other.lane = replace(other.lane, target=replace(other.lane.target, host="10.9.9.9"))
    assert host_answers(sweep(found, other), found) is False


def test_a_container_is_stopped_when_docker_says_so_of_that_service() -> None:
    found = lane()
    service = found.lane.service
    assert service
    for state, name, stopped in (("exited", service, True), ("running", service, False), ("exited", "x", False)):
        assert container_stopped(sweep(found, containers=(Container(name, state),)), found) is stopped
    assert container_stopped(sweep(found), found) is False


@pytest.mark.parametrize(("done", "loops"), [(True, True), (False, False)])
def test_a_redirect_counts_when_its_ladder_has_ended(done: bool, loops: bool) -> None:
    target = ProbeTarget("203.0.113.10", 443, "https", name="mail.example.org")
    said = "HTTP/1.1 301 Moved Permanently → https://mail.example.org/"
    climbed = Ladder(target, "here", [Rung("connect", "ok", "", 1.0)], said=said, done=done)
    assert redirects_to_itself(lane(public={"a": climbed})) is loops


def climbing(cause: Cause) -> Ladder:
    found = ladder("imap", cause)
    found.done = False
    return found


@pytest.mark.parametrize(
    ("service", "stopped"),
    [
        (None, False),
        (well(143), False),
        (ladder("imap", "silent"), True),
        (climbing("silent"), False),
        (ladder("imap", "no-way"), False),
        (ladder("imap", "no-source"), False),
        (ladder("smtp", "refused", said="421 4.3.2 All server ports are busy"), False),
    ],
)
def test_a_service_is_stopped_when_its_ladder_ended_badly_and_it_is_not_busy(
    service: Ladder | None, stopped: bool
) -> None:
    assert service_stopped(lane(service=service)) is stopped


@pytest.mark.parametrize(
    ("port", "cause", "dovecot", "waits"),
    [
        (465, "silent", ladder("imaps", "refused"), True),
        (587, "closed", ladder("imaps", "timeout"), True),
        (465, "refused", ladder("imaps", "refused"), False),
        (25, "silent", ladder("imaps", "refused"), False),
        (465, "silent", ladder("imaps", "closed"), False),
        (465, "silent", climbing("refused"), False),
        (465, "silent", None, False),
    ],
)
def test_postfix_waits_for_dovecot_when_it_is_silent_and_nobody_answers_for_logins(
    port: int, cause: Cause, dovecot: Ladder | None, waits: bool
) -> None:
    found = lane(port, service=ladder("smtps", cause))
    assert waits_for_dovecot(sweep(found, lane(993, service=dovecot)), found) is waits
    assert waits_for_dovecot(sweep(lane(port), lane(993, service=dovecot)), lane(port)) is False
