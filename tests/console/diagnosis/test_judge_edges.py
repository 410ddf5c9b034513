"""Where the judge's lines are drawn: a row at both sides of each."""

from __future__ import annotations

from typing import Any

import pytest

from console.answers import Stats
from console.diagnosis.blame import (
    configured_without_header,
    header_missing,
    header_unwanted,
    header_waited_for,
    headerless,
    overloaded,
    untrusted,
)
from console.diagnosis.certificates import certificate_trouble, covers
from console.diagnosis.diagnose import GRAVITY, diagnose
from console.diagnosis.judge import verdict
from console.diagnosis.reading import milliseconds, word_of
from console.diagnosis.rule import OBSERVED
from console.diagnosis.tunnel_time import tunnel_slow
from console.ladders import Cause, Ladder, ProbeTarget
from console.model import HOPS, Certificate, Finding, HopName, Outcome, Protocol, Reading, Rung, Severity, Span, Target
from console.observation import LaneData, SweepData, Topology
from tests.console.diagnosis.cases import a_lane

DAY = 86400.0
NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "<1 ms"), (0.04, "0.1 ms"), (0.14, "0.1 ms"), (0.94, "0.9 ms"), (1.0, "1 ms"), (1.4, "1 ms"),
        (41.3, "41 ms"), (999.0, "999 ms"), (1000.0, "1.0 s"), (1000.4, "1.0 s"), (1340.0, "1.3 s"),
        (1.6, "2 ms"), (20000.0, "20.0 s"), (59000.0, "59.0 s"),
    ],
)  # fmt: skip
def test_a_duration_is_written_in_the_unit_that_fits(value: float, words: str) -> None:
    assert milliseconds(value) == words


@pytest.mark.parametrize(
    ("cause", "said", "word"),
    [
        ("refused", "HTTP/1.1 502 Bad Gateway", "says 502"),
        ("refused", "HTTP/1.0 503 Unavailable", "says 503"),
        ("refused", "no number", "refused"),
        ("closed", "HTTP/1.1 502 Bad Gateway", "closed"),
    ],
)
def test_a_number_is_a_lamp_s_word_when_the_server_refused_with_it(cause: Cause, said: str, word: str) -> None:
    assert word_of(ladder("https", cause, said=said)) == word


def reading(hop: HopName, outcome: Outcome, lane: str = "a") -> Reading:
    return Reading(lane, hop, "here", outcome, "")


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([], "unknown"),
        ([reading("public", "ok")], "well"),
        ([reading("vm", "ok")], "well"),
        ([reading("haproxy", "ok"), reading("tunnel", "ok"), reading("service", "ok")], "unknown"),
        ([reading("public", "ok"), reading("vm", "unknown")], "well"),
        ([reading("public", "ok"), reading("vm", "degraded")], "degraded"),
        ([reading("vm", "degraded"), reading("vm", "failed")], "down"),
        ([reading("vm", "ok"), reading("vm", "unknown", "b")], "unknown"),
        ([reading("vm", "degraded"), reading("vm", "unknown", "b")], "degraded"),
        ([reading("vm", "degraded"), reading("vm", "failed", "b")], "down"),
    ],
)
def test_the_verdict_is_that_of_the_worst_lane(readings: list[Reading], expected: str) -> None:
    assert verdict(readings) == expected


def ladder(protocol: Protocol = "imap", cause: Cause = "closed", after: float = 0.1, **more: Any) -> Ladder:
    """One that was accepted after 12 ms, with a header, and then broke."""
    given = {"header": "v1", "port": 10993, **more}
    target = ProbeTarget("10.0.0.1", given.pop("port"), protocol, given.pop("header"))
    rungs = [Rung("connect", "ok", "", given.pop("ms", 12.0)), Rung("greeting", "failed", "", 1.0)]
    return Ladder(target, "vps", rungs, cause, after, done=True, **given)


@pytest.mark.parametrize(
    ("found", "waited"),
    [
        (ladder("imap", after=2.5), False),
        (ladder("imap", after=2.51), True),
        (ladder("imap", after=4.99), True),
        (ladder("imap", after=5.0), False),
        (ladder("sieve", after=3.0), True),
        (ladder("submission", after=4.5), False),
        (ladder("submission", after=4.51), True),
        (ladder("submission", after=6.99), True),
        (ladder("submission", after=7.0), False),
        (ladder("smtp", after=5.0), False),
        (ladder("http", after=3.0), False),
        (ladder("imaps", after=3.0), False),
        (ladder("imap", after=3.0, said="* BYE"), False),
        (ladder("imap", "silent", after=3.0), False),
        (ladder("smtp", "refused", said="421 4.3.2 No system resources"), True),
        (ladder("smtp", "refused", said="421 4.3.2 No such resources"), False),
        (ladder("submission", "refused", said="421 4.3.0 mail.example.org Server local error"), True),
    ],
)
def test_a_daemon_that_waited_for_a_header_is_told_by_its_time_or_its_words(found: Ladder, waited: bool) -> None:
    assert header_waited_for(found) is waited


@pytest.mark.parametrize(
    ("found", "missing", "heard", "unheard"),
    [
        (ladder("imap", after=3.0), True, True, True),
        (ladder("imap", after=0.1), True, True, False),
        (ladder("smtps", "not-tls"), True, True, False),
        (ladder("smtps", "tls"), True, True, False),
        (ladder("imaps", "silent"), False, False, False),
        (ladder("smtp", "closed"), False, False, False),
    ],
)
def test_a_missing_header_is_proven_by_less_when_haproxy_says_it_has_a_server(
    found: Ladder, missing: bool, heard: bool, unheard: bool
) -> None:
    def seen(stats: Stats | None) -> SweepData:
        return SweepData(Topology(), {}, stats=stats)

    assert header_missing(found) is missing
    assert headerless(seen(Stats()), found) is heard
    assert headerless(seen(Stats(error="no way in")), found) is unheard
    assert headerless(seen(None), found) is unheard


@pytest.mark.parametrize(
    ("cause", "said", "busy"),
    [
        ("refused", "421 4.3.2 All server ports are busy", True),
        ("refused", "450 too many connections", True),
        ("closed", "421 4.3.2 All server ports are busy", False),
        ("refused", "521 All server ports are busy", False),
        ("refused", "421 4.3.2 No system resources", False),
    ],
)
def test_a_daemon_with_too_much_to_do_says_so(cause: Cause, said: str, busy: bool) -> None:
    assert overloaded(ladder("smtp", cause, said=said)) is busy
    assert overloaded(None) is False


def data(vm: Ladder | None, service: Ladder | None = None, port: int = 993) -> LaneData:
    return LaneData(a_lane(port, "v1", 10993), vm=vm, service=service)


@pytest.mark.parametrize(
    ("vm", "distrusts"),
    [
        (None, False),
        (ladder(after=2.49, ms=0.0), True),
        (ladder(after=2.5, ms=0.0), False),
        (ladder(after=2.49, ms=600.0), True),
        (ladder(after=2.52, ms=10.0), False),
        (ladder(after=2.49, ms=None), True),
        (ladder(after=2.501, ms=None), False),
        (ladder("imap", "silent"), False),
        (ladder("smtp"), False),
        (ladder(header=None), False),
        (Ladder(ladder().target, "vps", [Rung("connect", "failed", "")], "closed", done=True), False),
    ],
)
def test_dovecot_distrusts_a_proxy_when_it_hangs_up_before_its_three_seconds(
    vm: Ladder | None, distrusts: bool
) -> None:
    assert untrusted(data(vm)) is distrusts


def well(port: int, done: bool = True) -> Ladder:
    return Ladder(ProbeTarget("127.0.0.1", port, "imap"), "mail", [Rung("connect", "ok", "", 1.0)], done=done)


@pytest.mark.parametrize(
    ("vm", "service", "unwanted"),
    [
        (ladder("imap", "out-of-step"), None, True),
        (ladder("imap", "out-of-step", header=None), None, False),
        (ladder(port=993), well(993), True),
        (ladder("imap", "tls", port=993), well(993), True),
        (ladder("imap", "not-tls", port=993), well(993), True),
        (ladder("imap", "unexpected", port=993), well(993), True),
        (ladder("imap", "refused", port=993), well(993), True),
        (ladder("imap", "silent", port=993), well(993), False),
        (ladder(port=993), well(143), False),
        (ladder(port=993), well(993, done=False), False),
        (ladder(port=993), None, False),
        (None, well(993), False),
        (
            Ladder(ladder(port=993).target, "vps", [Rung("connect", "failed", "")], "refused", done=True),
            well(993),
            False,
        ),
    ],
)
def test_a_port_that_answers_without_a_header_does_not_want_one(
    vm: Ladder | None, service: Ladder | None, unwanted: bool
) -> None:
    assert header_unwanted(data(vm, service)) is unwanted


@pytest.mark.parametrize(
    ("service_port", "target", "header", "without"),
    [
        (10025, 25, None, True), (10025, 25, "v1", False), (25, 10025, None, False), (None, 10025, None, True),
        (None, 25, None, False), (None, None, None, False), (10993, None, None, True),
    ],
)  # fmt: skip
def test_the_files_send_no_header_where_a_plain_port_of_the_service_is_meant(
    service_port: int | None, target: int | None, header: Any, without: bool
) -> None:
    from msgspec.structs import replace

    place = Target("10.0.0.1", target, None) if target is not None else None
    lane = replace(a_lane(25, header, 1), service_port=service_port, target=place)
    assert configured_without_header(LaneData(lane)) is without


@pytest.mark.parametrize(
    ("answered", "slow"), [({}, False), ({"10.10.10.214": 999.9}, False), ({"10.10.10.214": 1000.0}, True)]
)
def test_a_tunnel_is_slow_from_a_second_on(answered: dict[str, float], slow: bool) -> None:
    seen = SweepData(Topology(), {}, answered=answered)
    assert tunnel_slow(seen, LaneData(a_lane(25, "v1", 10025))) is slow


NAMED = ("mail.example.org",)


def served(
    left: float, life: float = 90 * DAY, names: tuple[str, ...] = NAMED, subject: str = "CN=mail"
) -> Certificate:
    return Certificate(subject, names, "1", NOW + left - life, NOW + left, "00")


@pytest.mark.parametrize(
    ("certificates", "trouble"),
    [
        ((served(60 * DAY),), None),
        ((served(0.0),), ("failed", "expired")),
        ((served(1.0),), ("degraded", "0 days")),
        ((served(9.5 * DAY + 1),), ("degraded", "10 days")),
        ((None, served(-1.0)), ("failed", "expired")),
        ((None,), None),
        ((served(29 * DAY),), None),
        ((served(29 * DAY - 1),), ("degraded", "29 days")),
        ((served(90 * DAY),), None),
        ((served(90 * DAY + 1),), ("failed", "not yet valid")),
        ((served(60 * DAY, names=("*.example.org",)),), None),
        ((served(60 * DAY, names=("a.example.org", "mail.example.org")),), None),
        ((served(60 * DAY, names=("b.example.org",)),), ("degraded", "other name")),
        ((served(9 * DAY, names=("b.example.org",)),), ("degraded", "other name")),
        ((served(60 * DAY, names=()),), None),
        ((served(60 * DAY), served(50 * DAY)), ("degraded", "older")),
        ((served(50 * DAY), served(60 * DAY)), ("degraded", "older")),
        ((served(60 * DAY), served(50 * DAY, subject="CN=other")), None),
        ((served(9 * DAY, life=20 * DAY, subject="CN=other"), served(60 * DAY)), None),
        ((served(9 * DAY), served(60 * DAY, names=("b.example.org",))), ("degraded", "other name")),
        ((served(60 * DAY, names=("b.example.org",)), served(9 * DAY)), ("degraded", "other name")),
        ((served(9 * DAY, subject="CN=x"), served(5 * DAY, subject="CN=y")), ("degraded", "9 days")),
        ((served(5 * DAY), served(-1.0)), ("failed", "expired")),
    ],
)
def test_a_certificate_is_in_trouble_from_its_last_third_on_a_day_of_grace_aside(
    certificates: tuple[Certificate | None, ...], trouble: tuple[str, str] | None
) -> None:
    lane = data(None)
    newest: dict[str, float] = {}
    for number, certificate in enumerate(certificates):
        target = ProbeTarget(f"203.0.113.{number}", 993, "imaps", name="mail.example.org")
        lane.public[str(number)] = Ladder(target, "here", certificate=certificate)
        if certificate is not None:
            newest[certificate.subject] = max(newest.get(certificate.subject, 0.0), certificate.not_before)
    assert certificate_trouble(SweepData(Topology(), {}, at=NOW, newest=newest), lane) == trouble


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("mail.example.org.", "mail.example.org", True),
        ("mail.example.org", "mail.example.org.", True),
        (".mail.example.org", "mail.example.org", False),
        ("mail.example.org", ".mail.example.org", False),
        ("MAIL.EXAMPLE.ORG", "mail.example.org", True),
        ("*.EXAMPLE.org", "mail.example.ORG", True),
        ("*.example.org", "mail.example.net", False),
        ("*", "mail", False),
        ("mail.*", "mail.example", False),
    ],
)
def test_names_are_compared_without_case_and_without_the_root_s_dot(pattern: str, name: str, expected: bool) -> None:
    certificate = Certificate("CN=x", (pattern,), "1", 0.0, 1.0, "f")
    assert covers(certificate, name) is expected


def test_the_gravest_finding_is_the_first_then_the_widest_then_the_one_nearest_to_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(id: str, severity: Severity, lanes: int = 0, hop: HopName | None = None) -> Finding:
        return Finding(id, "x", severity, "x", Span("a", 1), "x", lanes=("l",) * lanes, hop=hop)

    expected = [
        *(found(f"A{number}", "critical", 3 - number) for number in range(3)),
        found("B", "high", 9),
        found("B0", "high"),
        *(found(f"C{9 - number}", "medium", 1, hop) for number, hop in enumerate(HOPS)),
        found("C0", "medium", 1),
        found("C1", "medium", 1),
        found("D", "low", 20),
    ]
    assert list(GRAVITY) == ["critical", "high", "medium", "low"]
    monkeypatch.setattr("console.diagnosis.diagnose.OBSERVED", [("x", lambda both: reversed(expected))])
    assert list(diagnose(SweepData(Topology(), {}), [])) == expected
    assert OBSERVED
