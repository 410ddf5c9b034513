"""Findings over the places of certificates: each threshold from both sides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from console.diagnosis.certificate_places import findings, letters
from console.model import Certificate, CertificatePlace
from console.sources.certificate_push import read

NAME = "mail.example.org"
DAY = 86400.0
BEGIN = 1_800_000_000.0


def certificate(**changes: Any) -> Certificate:
    whole = Certificate(
        f"CN={NAME}", (NAME,), "a1", BEGIN, BEGIN + 90 * DAY, "f1", "CN=E8", "EC secp256r1", "k1"
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


def place(
    kind: Any = "mailcow", sni: str | None = "", found: Certificate | None = None, **changes: Any
) -> CertificatePlace:
    where = "192.0.2.1:465" if kind == "served" else f"/{kind}/cert.pem"
    made = CertificatePlace(
        kind, "vps", where, sni, found or certificate(), 2, "", True, f"/{kind}/key.pem", "600", "root"
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def ids(*places: CertificatePlace, at: float = 1.0, push: str = "") -> list[str]:
    return [each.id for each in findings(places, read(push) if push else None, NAME, BEGIN + at * DAY)]


@pytest.mark.parametrize(
    ("life", "at", "expected"),
    [
        (90, 59.99, []), (90, 60.01, ["CH022"]), (45, 29.99, []), (45, 30.01, ["CH022"]), (6, 3.99, []),
        (6, 4.01, ["CH022"]), (90, 91, ["CH022"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["certbot", "haproxy", "mailcow", "sni", "served"])
def test_a_certificate_is_due_with_a_third_of_its_own_life_left(
    kind: str, life: int, at: float, expected: list[str]
) -> None:
    assert ids(place(kind, found=certificate(not_after=BEGIN + life * DAY)), at=at) == expected


def test_an_expired_one_is_critical_only_where_it_is_served() -> None:
    for kind, severity in (("served", "critical"), ("certbot", "high")):
        (found,) = findings([place(kind)], None, NAME, BEGIN + 91 * DAY)
        assert found.severity == severity
        assert "expired " in found.summary and " ago, on " in found.summary


@pytest.mark.parametrize(("pair", "expected"), [(True, []), (None, []), (False, ["CH011"])])
def test_a_key_of_another_certificate_is_said_and_an_unknown_one_is_not(pair: bool | None, expected: list[str]) -> None:
    assert ids(place(pair=pair)) == expected


NEWER = certificate(fingerprint="f2", serial="a2", not_before=BEGIN + 1, public_key="k2")


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([place("certbot"), place("served", NAME)], []),
        ([place("certbot", found=NEWER), place("served", NAME)], ["CH010"]),
        ([place("certbot", found=NEWER), place("haproxy")], ["CH010"]),
        ([place("certbot"), place("served", NAME, NEWER)], []),
        ([place("haproxy", found=msgspec.structs.replace(NEWER, key="RSA 2048")), place("served", NAME)], []),
        (
            [
                place("haproxy", found=msgspec.structs.replace(NEWER, names=(NAME, "b.example.org"))),
                place("served", NAME),
            ],
            [],
        ),
    ],
)
def test_what_is_older_than_elsewhere_is_stale(places: list[CertificatePlace], expected: list[str]) -> None:
    assert ids(*places) == expected


OTHER = certificate(names=("web.example.org",), fingerprint="f3")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (place("served", NAME, certificate(names=("*.example.org",))), []),
        (place("served", NAME, certificate(names=("*.org",))), ["CH020"]),
        (place("served", NAME, OTHER), ["CH020"]),
        (place("served", None, OTHER), []),
        (place("mailcow", found=OTHER), ["CH020"]),
        (place("sni", found=OTHER), []),
    ],
)
def test_a_certificate_of_another_name_is_said_where_our_name_is_asked(
    one: CertificatePlace, expected: list[str]
) -> None:
    assert ids(one) == expected


@pytest.mark.parametrize(("why", "expected"), [("", []), (None, []), ("self-signed", ["CH083"])])
def test_a_certificate_that_is_not_trusted_is_said(why: str | None, expected: list[str]) -> None:
    assert ids(place(trusted=why)) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("600", []),
        ("640", []),
        ("", []),
        ("644", ["CH026"]),
        ("604", ["CH026"]),
        ("602", ["CH026"]),
        ("660", ["CH026"]),
    ],
)
def test_a_key_that_others_may_read_or_change_is_said(mode: str, expected: list[str]) -> None:
    assert ids(place(mode=mode)) == expected


def test_a_command_that_mends_it_is_one_command_whatever_a_file_is_called() -> None:
    named = msgspec.structs.replace(place(mode="644"), key_path="/etc/x;$(id).pem")
    (found,) = [each for each in findings((named,), None, "", 1.0) if each.id == "CH026"]
    assert (found.remedy or "").startswith("chmod 600 '/etc/x;$(id).pem'; who ")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("result=ok", []), ("result=failed\nreason=the link broke", ["CH027"]),
        ("result=running\nwhen=2027-01-15T08:00:00Z", []), ("result=running\nwhen=2027-01-14T08:00:00Z", ["CH027"]),
    ],
)  # fmt: skip
def test_a_push_that_failed_or_died_is_said(state: str, expected: list[str]) -> None:
    assert ids(push=f"version=1\n{state}\n", at=0) == expected


def test_the_reason_of_a_failed_push_is_told() -> None:
    (found,) = findings([], read("version=1\nresult=failed\nstage=push\nstatus=22\nreason=no route\n"), NAME, BEGIN)
    assert found.summary == "the last push of the certificate failed: no route"
    assert found.evidence == ("stage push, exit status 22",)


def test_equal_certificates_have_one_letter() -> None:
    called = letters([place("certbot"), place("served", NAME, NEWER), place("haproxy")])
    assert called == {"f1": "A", "f2": "B"}
    many = letters([place(found=certificate(fingerprint=str(number))) for number in range(28)])
    assert (many["25"], many["26"], many["27"]) == ("Z", "A2", "B2")
