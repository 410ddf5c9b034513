"""Certificates in files, joined to what lanes serve: told once, by the right id, and nothing while a push is on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from console.answers import Container
from console.diagnosis.diagnose import diagnose, overall
from console.ladders import Ladder, ProbeTarget
from console.model import Certificate, CertificatePlace, CertificateUser, Kept, Lane, Span, Topology
from console.observation import LaneData, SweepData

NAME = "mail.example.org"
DAY = 86400.0
BEGIN = 1_800_000_000.0
OLD = Certificate(f"CN={NAME}", (NAME,), "a1", BEGIN, BEGIN + 90 * DAY, "f1", "CN=E8", "EC secp256r1", "k1")
NEW = msgspec.structs.replace(
    OLD, serial="b2", not_before=BEGIN + 9 * DAY, not_after=BEGIN + 99 * DAY, fingerprint="f2"
)
LATER = msgspec.structs.replace(
    OLD, serial="c3", not_before=BEGIN + 80 * DAY, not_after=BEGIN + 170 * DAY, fingerprint="f4"
)
OTHER = msgspec.structs.replace(OLD, names=("web.example.org",), fingerprint="f3")
STATE = "version=1\nwhen=2027-01-15T08:00:00Z\nresult="


def place(kind: Any, found: Certificate = OLD, **changes: Any) -> CertificatePlace:
    made = CertificatePlace(kind, "vps", f"/{kind}.pem", "", found, 2, "", True, f"/{kind}.key", "600", "root")
    return msgspec.structs.replace(made, **changes)


def seen(*places: CertificatePlace, served: Certificate = OLD, at: float = 10.0, **kept: Any) -> SweepData:
    lane = Lane("imaps", "imaps", 993, (), None, None, "passthrough", Span("haproxy.cfg", 1))
    ladder = Ladder(ProbeTarget("192.0.2.1", 993, "imaps", name=NAME), "here", certificate=served)
    data = SweepData(Topology(lanes=(lane,)), {lane.id: LaneData(lane, {"192.0.2.1": ladder})}, at=BEGIN + at * DAY)
    data.kept = Kept(places, **{"name": NAME, **kept})
    return data


def ids(data: SweepData) -> list[str]:
    return [each.id for each in diagnose(data, ()) if each.id in ROWS]


def ended(now: str) -> SweepData:
    """Dovecot's container had ended when it was looked at, and is as this sweep says ("-": nobody asked)."""
    user = CertificateUser("dovecot-mailcow", "exited", 0, BEGIN + 3, BEGIN)
    data = seen(users=(user,))
    data.containers = (Container("dovecot-mailcow", now),) if now != "-" else ()
    return data


ROWS = ("CH010", "CH011", "CH012", "CH013", "CH020", "CH022", "CH026", "CH027", "CH083")
CASES: dict[str, tuple[SweepData, list[str]]] = {
    "all the same": (seen(place("certbot"), place("haproxy"), place("mailcow")), []),
    "renewed, and never pushed": (seen(place("certbot", NEW), place("mailcow")), ["CH010"]),
    "renewed, and being pushed": (
        seen(place("certbot", NEW), place("mailcow"), push=f"{STATE}running\n", at=0.01), [],
    ),
    "others served since the look": (seen(place("certbot", NEW), settled=False), []),
    "a key of another": (seen(place("mailcow", pair=False)), ["CH011"]),
    "a bundle of another name": (seen(place("mailcow", OTHER)), ["CH020"]),
    "due, as certbot's timer may leave it": (seen(place("certbot"), at=60.9), []),
    "due, in a file alone": (seen(place("certbot"), served=NEW, at=61.1), ["CH022"]),
    "due, and served: told by the lane": (seen(place("certbot"), place("mailcow"), at=61.1), ["CH022"]),
    "expired, and served: told by the lane": (seen(place("certbot"), place("mailcow"), at=91), ["CH022"]),
    "a key that all can read": (seen(place("mailcow", mode="644")), ["CH026"]),
    "an old one that no crt names": (seen(place("certbot", NEW), place("haproxy", unused=True), served=NEW), []),
    "an old one that no crt names, and a port shows it": (
        seen(place("certbot", NEW), place("haproxy", unused=True)), ["CH010"],
    ),
    "an expired one that no crt names": (seen(place("haproxy", unused=True), served=LATER, at=91), []),
    "a key of another beside one that no crt names": (
        seen(place("haproxy", unused=True, pair=False), served=NEW), [],
    ),
    "a key that all can read beside one that no crt names": (
        seen(place("haproxy", unused=True, mode="644"), served=NEW), ["CH026"],
    ),
    "a self-signed one": (seen(place("haproxy", trusted="self-signed")), ["CH083"]),
    "Dovecot ended with the certificate": (ended("exited"), ["CH013"]),
    "Dovecot ended with it, and runs again": (ended("running"), []),
    "Dovecot ended with it, and nobody asked since": (ended("-"), []),
    "acme-mailcow that does not keep away": (
        seen(users=(CertificateUser("acme-mailcow", "running", 0, skips=False),), pushed=True), ["CH012"],
    ),
    "a push that failed": (seen(push=f"{STATE}failed\nreason=no route\n"), ["CH027"]),
    "a push that died": (seen(push=f"{STATE}running\n"), ["CH027"]),
    "a push that went well": (seen(push=f"{STATE}ok\n"), []),
    "a state that nobody can read": (seen(push="\x1b[2J\n=\nversion=9"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_are_joined_to_what_is_served(name: str) -> None:
    data, expected = CASES[name]
    assert sorted(ids(data)) == expected


def test_a_certificate_is_called_by_its_serial_where_no_letters_are_shown() -> None:
    (found,) = (each for each in diagnose(seen(place("certbot", NEW), place("mailcow")), ()) if each.id == "CH010")
    assert found.summary.startswith(
        "certificate with serial a1 is older than with serial b2, which vps:/certbot.pem has"
    )


def test_a_failed_push_is_never_well() -> None:
    found = diagnose(seen(push=f"{STATE}failed\nstage=push\nstatus=22\nreason=\x1b[31mno route\n"), ())
    assert [overall(verdict, found) for verdict in ("well", "down", "unknown")] == ["degraded", "down", "unknown"]
    assert "\x1b" not in found[0].summary and found[0].evidence[0] == "stage push, exit status 22"


def test_what_was_not_looked_at_is_told_and_changes_no_verdict() -> None:
    rows = ("vps:/etc/letsencrypt/live: cannot be read by this user", "mailcow did not answer within 30 s")
    (found,) = diagnose(seen(unseen=rows), ())
    assert (found.id, found.severity, found.evidence) == ("CH088", "low", rows)
    assert found.summary == f"stored certificates were not all looked at: {rows[0]} (and 1 more)"
    assert overall("well", (found,)) == "well"
