"""From what was seen to the hop that is at fault and the finding that names it, as a table of cases."""

from __future__ import annotations

import pytest

from console.diagnosis.certificates import covers
from console.diagnosis.diagnose import diagnose
from console.diagnosis.judge import judge_lane, verdict
from console.model import HOPS, Certificate
from tests.console.diagnosis.cases import CASES, MARKS, Case, readings_of, stage


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says.replace(" ", "-"))
def test_the_hop_at_fault_the_verdict_and_the_one_finding_are_right(case: Case) -> None:
    seen = stage(case)
    readings = readings_of(seen)
    for port, expected in case.hops.items():
        by_hop = {reading.hop: reading for reading in readings if reading.lane.startswith(f"{port}/")}
        assert "".join(MARKS[by_hop[hop].outcome] for hop in HOPS) == expected
    assert verdict(readings) == case.verdict
    findings = diagnose(seen, readings)
    assert tuple(finding.id for finding in findings) == case.findings


def test_the_peer_dovecot_logged_is_in_the_remedy() -> None:
    seen = stage(CASES[1])
    (finding,) = diagnose(seen, readings_of(seen))
    assert finding.remedy.startswith("haproxy_trusted_networks = 10.10.10.1 ")
    assert finding.lanes == ("993/imaps",)


def test_nothing_is_judged_before_enough_is_known() -> None:
    seen = stage(CASES[1])
    lane = seen.lanes["993/imaps"]
    assert lane.service is not None
    lane.service.done = False
    assert {reading.hop for reading in judge_lane(seen, lane)} == {"public", "tunnel"}


def test_a_tunnel_is_not_blamed_before_every_lane_was_asked() -> None:
    seen = stage(next(case for case in CASES if case.says == "the tunnel is cut"))
    other = seen.lanes["25/smtp"].vm
    assert other is not None
    other.rungs = []
    assert "tunnel" not in {reading.hop for reading in judge_lane(seen, seen.lanes["993/imaps"])}


@pytest.mark.parametrize(
    ("names", "name", "expected"),
    [
        ("mail.example.org", "MAIL.example.org", True),
        ("mail.example.org", "mail.example.org.", True),
        ("www.example.org MAIL.example.org", "mail.example.org", True),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "a.mail.example.org", False),
        ("*.example.org", "example.org", False),
        ("m*.example.org", "mail.example.org", False),
        ("*", "mail", False),
        ("*.org", "example.org", False),
        ("xn--mller-kva.example", "müller.example", True),
        ("müller.example", "müller.example", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8:0::1", True),
        ("192.0.2.1", "192.0.2.10", False),
        ("*.0.2.1", "192.0.2.1", False),
        ("mail.example.org", "192.0.2.1", False),
        ("192.0.2.1", "mail.example.org", False),
        ("", "mail.example.org", False),
        ("mail.example.org", "", False),
        ("mail.example.org", "-\x1b[2J", False),
        ("a..b \0 é mail.example.org", "mail.example.org", True),
        ("192.0.2.1 mail.example.org", "mail.example.org", True),
    ],
)
def test_a_certificate_is_for_whom_clients_take_it(names: str, name: str, expected: bool) -> None:
    certificate = Certificate("CN=x", tuple(names.split(" ")) if names else (), "1", 0.0, 1.0, "f")
    assert covers(certificate, name) is expected
    assert covers(None, name) is False
