"""Lifetimes that Let's Encrypt has announced: told of its own certificates, while they are longer and it is to come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.diagnosis.certificates import lifetimes
from console.events import CertificateSurvey
from console.formats.certificates import text
from console.model import CertificatePlace
from tests.console.diagnosis.test_certificate_places import certificate

DAY = 86400.0
FIRST, SECOND = datetime(2027, 2, 10, tzinfo=UTC).timestamp(), datetime(2028, 2, 16, tzinfo=UTC).timestamp()
OURS = "CN=E8,O=Let's Encrypt,C=US"


@pytest.mark.parametrize(
    ("issuer", "life", "now", "days"),
    [
        (OURS, 90, FIRST - DAY, [64, 45]), (OURS, 90, FIRST, [45]), (OURS, 90, SECOND, []),
        (OURS, 64, FIRST + DAY, [45]), (OURS, 64, FIRST - DAY, [45]), (OURS, 45, FIRST - DAY, []),
        (OURS, 6, FIRST - DAY, []), ("CN=WE1,O=Google Trust Services,C=US", 90, FIRST - DAY, []),
        ("CN=O=Let's Encrypt", 90, FIRST - DAY, []), ("", 90, FIRST - DAY, []),
    ],
)  # fmt: skip
def test_shorter_lives_are_told_of_whose_they_are(issuer: str, life: int, now: float, days: list[int]) -> None:
    known = certificate(issuer=issuer, not_before=now - DAY, not_after=now - DAY + life * DAY)
    found = lifetimes(known, now)
    assert [each for _, each in found] == days
    assert all(at in (FIRST, SECOND) and at > now for at, _ in found)


def test_the_report_names_the_days_once() -> None:
    known = certificate(issuer=OURS, not_before=FIRST - 30 * DAY, not_after=FIRST + 60 * DAY)
    places = [CertificatePlace("served", "here", f"192.0.2.{number}:25", "x", known) for number in (1, 2)]
    told = text(CertificateSurvey(FIRST - DAY, tuple(places)), "", lambda words, style: words)
    line = "Let's Encrypt's default profile issues for 64 days from 2027-02-10 on, 45 days from 2028-02-16 on"
    assert told.split("\n").count(line) == 1
