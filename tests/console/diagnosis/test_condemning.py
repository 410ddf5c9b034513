"""A cell's evidence carries its verdict: the rung that condemns is the red one, and what was not asked is said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Server
from console.diagnosis.diagnose import judge
from console.diagnosis.evidence_rows import figures
from console.diagnosis.judge import judge_lane
from console.diagnosis.lamps import align
from console.diagnosis.log_lines import spoken, untrusted_peer
from console.model import HopName, Reading, Rung
from console.observation import SweepData
from tests.console.diagnosis.cases import CASES, stage


def readings(says: str) -> tuple[SweepData, dict[tuple[int, HopName], Reading]]:
    """What is told of a case, as the screens show it."""
    seen = stage(next(case for case in CASES if case.says == says))
    told = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    return seen, {(int(each.lane.split("/")[0]), each.hop): each for each in align(told, {})}


def test_an_expired_certificate_is_red_where_it_condemns() -> None:
    _, told = readings("the certificate has expired")
    bad = [each for each in told.values() if each.word == "expired"]
    assert bad
    for each in bad:
        rungs = [rung for rung in each.evidence if rung.name == "tls"]
        assert rungs, each
        assert all(rung.outcome == each.outcome for rung in rungs)
        assert all(rung.detail.startswith("expired: ") for rung in rungs)


def test_a_certificate_that_is_well_is_not_condemned_with_another_one_of_its_lane() -> None:
    """A vantage that asked a moment before the change was shown the one before."""
    case = next(case for case in CASES if case.says == "the certificate has expired")
    seen = stage(case)
    lane = next(each for each in seen.lanes.values() if each.lane.port == 993)
    assert lane.service is not None and lane.service.certificate is not None
    lane.service.certificate = replace(lane.service.certificate, not_after=seen.at + 9e6, not_before=seen.at - 9)
    (told,) = [each for each in judge_lane(seen, lane) if each.hop == "service"]
    assert (told.outcome, told.word) == ("failed", "expired")
    rungs = [(rung.outcome, rung.detail) for rung in told.evidence if rung.name == "tls"]
    assert rungs
    assert all((outcome == "failed") is detail.startswith("expired: ") for outcome, detail in rungs)
    assert not any("from mailcow" in detail for outcome, detail in rungs if outcome == "failed")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_cell_that_is_broken_has_a_rung_that_is_not_well(case: object) -> None:
    seen = stage(case)  # type: ignore[arg-type]
    for lane in seen.lanes.values():
        for each in judge_lane(seen, lane):
            if each.outcome == "failed":
                assert any(rung.outcome not in ("ok", "skipped") for rung in each.evidence), each


def test_a_certificate_that_has_expired_is_at_fault_whatever_else_is_wrong_with_its_lane() -> None:
    tunnel = Reading("993/imaps", "tunnel", "vps", "failed", "no answer")
    expired = Reading("993/imaps", "service", "mailcow", "failed", "expired")
    blamed: dict[str, frozenset[HopName]] = {"993/imaps": frozenset(("tunnel",))}
    assert [each.outcome for each in align([tunnel, expired], blamed)] == ["failed", "degraded"]
    assert [each.outcome for each in align([tunnel, expired], blamed, {("993/imaps", "service")})] == ["failed"] * 2


def test_a_cut_tunnel_leaves_an_expired_certificate_its_cross() -> None:
    ended = next(case for case in CASES if case.says == "the certificate has expired")
    cut = dict.fromkeys((25, 465, 993), ("closed 0.1", "timeout", "ok", "DOWN L4TOUT"))
    seen = stage(replace(ended, lanes=cut))
    told = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    findings, shown = judge(seen, told)
    assert {"CH016", "CH022"} <= {each.id for each in findings}
    bad = {(each.lane, each.hop): each.outcome for each in shown if each.word == "expired"}
    assert set(bad.values()) == {"failed"}


def test_a_stopped_haproxy_is_condemned_by_the_socket_that_nobody_holds() -> None:
    _, told = readings("haproxy is stopped")
    asked = [rung for rung in told[25, "haproxy"].evidence if rung.name == "ask"]
    assert [rung.outcome for rung in asked] == ["failed"]


def test_starttls_that_was_not_asked_is_said() -> None:
    _, told = readings("all well")
    words = "STARTTLS not asked: its certificate was not looked at"
    assert [rung.outcome for rung in told[25, "public"].evidence if rung.detail == words] == ["skipped"]
    assert not [rung for rung in told[993, "public"].evidence if rung.detail == words]


def test_what_was_tried_from_elsewhere_is_not_said_to_be_asked_from_the_proxy() -> None:
    found = 0
    for case in CASES:
        seen = stage(case)
        for lane in seen.lanes.values():
            for each in judge_lane(seen, lane):
                for rung in each.evidence if each.hop == "haproxy" else ():
                    if rung.name in ("tls", "greeting") and rung.outcome == "failed":
                        found += 1
                        assert rung.detail.startswith(("from ", "expired", "not yet valid")), rung
    assert found


def test_a_public_port_that_serves_nobody_is_not_green() -> None:
    open_, shut = Rung("connect", "ok", "203.0.113.1:993", 50.0), Rung("tls", "failed", "closed at once")
    public = Reading("993/imaps", "public", "here", "ok", "50 ms", (open_, shut, open_, shut), 50.0)
    behind = Reading("993/imaps", "vm", "vps", "failed", "untrusted")
    (shown, _) = align([public, behind], {})
    assert (shown.outcome, shown.word, shown.latency_ms) == ("degraded", "TLS fails", None)
    half = replace(public, evidence=(open_, shut, open_, Rung("tls", "ok", "TLSv1.3")))
    assert align([half, behind], {})[0] == half
    assert align([public], {}) == [public]  # nothing behind it was seen to fail


def test_a_lane_shows_the_log_lines_of_its_own_process_alone() -> None:
    line = "dovecot: {}-login: Warning: haproxy: Client not trusted (rip=10.10.10.1)"
    lines = (line.format("managesieve"), line.format("imap"))
    assert spoken(lines, "imaps") == (lines[1],)
    assert spoken(lines[:1], "imaps") == ()
    assert spoken(lines, "smtps") == lines
    assert untrusted_peer(lines[1:]) is not None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Server("imaps", "mailcow", "UP", "L4OK", "", 1, 2, 3, 0, 12, 7200),
         "sessions 3, queued 0, errors 12, in this state for 2h"),
        (Server("imaps", "mailcow", "UP", "L4OK", "", 1, 2, None, None, None, 90), "in this state for 1m30s"),
        (Server("imaps", "mailcow", "UP", "L4OK", ""), ""),
    ],
)  # fmt: skip
def test_haproxys_own_figures_stand_beside_its_lamp(row: Server, words: str) -> None:
    assert [rung.detail for rung in figures(row)] == ([words] if words else [])
