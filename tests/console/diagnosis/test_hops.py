"""What a lamp shows of one hop: its outcome, its word and its rungs, at both sides of what decides."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from console.answers import Container, Stats
from console.diagnosis import hops_back, hops_front
from console.diagnosis.certificates import certificate_trouble
from console.ladders import Cause, Ladder, ProbeTarget
from console.model import Rung
from console.observation import LaneData
from tests.console.diagnosis.cases import NOW, certificate
from tests.console.diagnosis.test_blame import lane, sweep
from tests.console.diagnosis.test_judge_edges import ladder, well

BUSY = "421 4.3.2 All server ports are busy"
AWAY: Any = {"vm": Ladder(ladder().target, "vps", [Rung("connect", "failed", "no answer")], "timeout", done=True)}


# ── the public port ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ended", [True, False])
def test_what_the_proxy_gets_through_itself_and_we_do_not_is_broken_before_it(ended: bool) -> None:
    bad = ladder("imaps", "timeout")
    found = hops_front.public(sweep(ended=ended), lane(public={"a": bad}, itself={"a": well(993)}))
    assert found is not None
    assert (found.outcome, found.word, found.whole) == ("failed", "no answer", ended)
    assert (found.asked, found.evidence) == ("10.0.0.1 port 10993", tuple(bad.rungs))


@pytest.mark.parametrize(
    ("public", "itself"),
    [
        ({"a": ladder("imaps", "timeout")}, {}),
        ({"a": ladder("imaps", "timeout"), "b": well(993)}, {"a": well(993)}),
        ({"a": well(993)}, {"a": well(993)}),
    ],
    ids=["the proxy does not either", "another address does", "nothing is wrong"],
)
def test_a_port_that_lets_us_connect_is_well(public: dict[str, Ladder], itself: dict[str, Ladder]) -> None:
    found = hops_front.public(sweep(ended=True), lane(public=public, itself=itself))
    assert found is not None
    assert found.outcome == "ok"


def test_a_port_that_lets_nobody_connect_has_failed_whatever_the_proxy_says_of_itself() -> None:
    found = hops_front.public(sweep(ended=True), lane(public={"a": AWAY["vm"]}, itself={"a": well(993)}))
    assert found is not None
    assert (found.outcome, found.word) == ("failed", "no answer")


# ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────────────────────

THROUGH: Any = {"vm": well(10993), "service": well(143)}


@pytest.mark.parametrize(
    ("named", "error", "outcome"),
    [(True, "no way in", "unknown"), (False, "no way in", "ok"), (False, "", "ok")],
)
def test_one_client_who_gets_through_shows_that_haproxy_passes_unless_its_own_word_was_to_be_heard(
    named: bool, error: str, outcome: str
) -> None:
    found = lane(public={"a": well(993), "b": ladder("imaps", "timeout")}, **THROUGH)
    if not named:
        found.lane = replace(found.lane, proxy="")
    seen = hops_front.haproxy(sweep(found, stats=Stats(error=error)), found)
    assert seen is not None
    assert seen.outcome == outcome


# ── a certificate ───────────────────────────────────────────────────────────────────────────────────────────────────


def served(why: str) -> tuple[Any, LaneData]:
    shown = certificate(60)
    target = ProbeTarget("127.0.0.1", 993, "imaps", name="mail.example.org")
    rungs = [Rung("connect", "ok", "", 1.0), Rung("tls", "ok", "CN=mail", 2.0), Rung("greeting", "ok", "", 1.0)]
    found = lane(service=Ladder(target, "mail", rungs, certificate=shown, done=True))
    return sweep(found, at=NOW, distrusted={shown.fingerprint: why} if why else {}), found


@pytest.mark.parametrize(
    ("why", "trouble"),
    [
        ("self-signed", ("degraded", "self-signed")),
        ("unable to get local issuer certificate", ("degraded", "unknown issuer")),
        ("", None),
    ],
)
def test_a_certificate_that_clients_distrust_is_told_as_what_it_is(why: str, trouble: tuple[str, str] | None) -> None:
    assert certificate_trouble(*served(why)) == trouble


def test_of_a_condemned_certificate_the_rung_that_held_is_not_shown_beside_the_one_that_condemns() -> None:
    found = hops_back.service(*served("self-signed"))
    assert found is not None
    assert [(rung.name, rung.outcome) for rung in found.evidence] == [
        ("connect", "ok"), ("greeting", "ok"), ("tls", "degraded"),
    ]  # fmt: skip


def test_of_a_condemned_certificate_a_rung_that_broke_is_shown_too() -> None:
    seen, lane_ = served("self-signed")
    assert lane_.service is not None
    lane_.service.rungs[1:] = [Rung("tls", "failed", "reset", 2.0)]
    found = hops_back.service(seen, lane_)
    assert found is not None
    assert [(rung.name, rung.outcome) for rung in found.evidence] == [
        ("connect", "ok"), ("tls", "failed"), ("tls", "degraded"),
    ]  # fmt: skip


# ── the mail host ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_port_that_nobody_reaches_is_not_judged_before_it_is_known_whether_its_host_answers() -> None:
    found = lane(**AWAY)
    other = lane(465, vm=Ladder(ladder("smtps").target, "vps"))
    assert hops_back.vm(sweep(found, other), found) is None
    assert hops_back.tunnel(sweep(found, other), found) is None


def test_a_daemon_that_logs_a_bad_header_is_not_said_to_distrust() -> None:
    said = "421 4.3.2 No system resources"
    found = lane(25, vm=ladder("smtp", "refused", said=said, port=10025), service=well(25))
    log = ("postfix/postscreen[7]: warning: haproxy read: time limit exceeded",)
    seen = hops_back.vm(sweep(found, logs={found.lane.service or "": log}), found)
    assert seen is not None
    assert "log" in [rung.name for rung in seen.evidence]
    assert seen.word != "untrusted"


# ── the service ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("where", ["service", "vm", "public"])
def test_a_busy_daemon_is_told_with_the_rung_that_says_so(where: str) -> None:
    busy = ladder("smtp", "refused", said=BUSY)
    busy.rungs = [Rung("connect", "ok", "", 1.0), Rung("tls", "ok", "", 1.0), Rung("greeting", "failed", BUSY)]
    own = well(25)
    more: dict[str, Any] = {"service": own, "vm": None, where: {"a": busy} if where == "public" else busy}
    found = hops_back.service(sweep(), lane(25, **more))
    assert found is not None
    assert (found.outcome, found.word) == ("degraded", "busy")
    assert found.evidence == tuple(busy.rungs if where == "service" else [*own.rungs, busy.rungs[-1]])


def test_a_service_that_is_well_where_nobody_asked_elsewhere_is_well() -> None:
    found = hops_back.service(sweep(), lane(25, service=well(25)))
    assert found is not None
    assert found.outcome == "ok"


def test_a_loop_is_told_by_the_last_rung_of_each_address_that_ended() -> None:
    target = ProbeTarget("203.0.113.10", 443, "https", name="mail.example.org")
    said = "HTTP/1.1 301 Moved → https://mail.example.org/"
    rungs = [Rung("connect", "ok", "", 1.0), Rung("tls", "ok", "", 1.0), Rung("greeting", "ok", said)]
    public = {
        "a": Ladder(target, "here", rungs, said=said, done=True),
        "b": Ladder(target, "here", [Rung("connect", "ok", "b", 1.0)]),
        "c": Ladder(target, "here", [], done=True),
    }
    own = well(443)
    found = hops_back.service(sweep(), lane(public=public, service=own))
    assert found is not None
    assert (found.outcome, found.word) == ("failed", "loop")
    assert found.evidence == (*own.rungs, rungs[-1])


@pytest.mark.parametrize("ended", [True, False])
def test_postfix_that_waits_for_dovecot_is_no_last_word_before_the_sweep_has_ended(ended: bool) -> None:
    found = lane(465, service=ladder("smtps", "silent"))
    seen = sweep(found, lane(993, service=ladder("imaps", "refused")), ended=ended)
    told = hops_back.service(seen, found)
    assert told is not None
    assert (told.outcome, told.word, told.whole) == ("degraded", "no auth", ended)


@pytest.mark.parametrize(
    ("state", "cause", "word"),
    [("exited", "refused", "stopped"), ("running", "refused", "refused"), ("exited", "silent", "silent")],
)
def test_a_service_is_called_stopped_when_docker_says_so_and_nobody_takes_connections(
    state: str, cause: Cause, word: str
) -> None:
    own = ladder("imap", cause)
    if cause == "refused":
        own = Ladder(own.target, "mail", [Rung("connect", "failed", "refused")], cause, done=True)
    found = lane(service=own)
    seen = sweep(found, containers=(Container(found.lane.service or "", state),), ended=True)
    told = hops_back.service(seen, found)
    assert told is not None
    assert (told.outcome, told.word) == ("failed", word)
