"""The screen of certificates: every place in a row, equal ones by one letter, the chosen one's life below."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from console.diagnosis.certificate_places import findings
from console.events import CertificateSurvey
from console.model import Certificate, CertificatePlace
from screens.app import CowhandApp
from tests.screens.house import rows_of, settle
from tests.screens.stage import Stage, calm

pytestmark = pytest.mark.slow

NAME = "mail.benoit.jp.net"
NOW = 1_794_000_000.0
DAY = 86400.0
OLD = Certificate(
    f"CN={NAME}", (NAME,), "3a", NOW - 70 * DAY, NOW + 20 * DAY, "f1" * 32, "CN=E8", "EC secp256r1", "a1" * 32
)
NEW = Certificate(f"CN={NAME}", (NAME,), "4b", NOW - DAY, NOW + 89 * DAY, "f2" * 32, "CN=E8", "EC secp256r1", "a2" * 32)
LIVE = f"/etc/letsencrypt/live/{NAME}"
SSL = "/opt/mailcow-dockerized/data/assets/ssl"
BUNDLE = "/etc/haproxy/certs/mail.pem"
PLACES = (
    CertificatePlace(
        "certbot", "vps", f"{LIVE}/fullchain.pem", "", NEW, 2, "", True, f"{LIVE}/privkey.pem", "600", "root"
    ),
    CertificatePlace("haproxy", "vps", BUNDLE, "", NEW, 2, "", True, BUNDLE, "600", "root"),
    CertificatePlace("mailcow", "mailcow", f"{SSL}/cert.pem", "", OLD, 2, "", False, f"{SSL}/key.pem", "644", "root"),
    CertificatePlace("served", "here", "203.0.113.10:443", NAME, NEW, 0, ""),
    CertificatePlace("served", "here", "203.0.113.10:993", NAME, OLD, 0, ""),
    CertificatePlace("served", "here", "203.0.113.10:993", None, OLD, 0, None),
    CertificatePlace("served", "here", "[2001:db8:113::10]:25", NAME, None, error="no answer within 3 s"),
)
SURVEY = CertificateSurvey(
    NOW,
    PLACES,
    findings(PLACES, None, NAME, NOW),
    ("[2001:db8:113::10]:25: no answer within 3 s",),
    NOW + DAY / 2,
    NAME,
)


def surveyed() -> Stage:
    """A calm estate whose mail host has an old certificate, with another one's key."""
    stage = calm()
    stage.certificates = SURVEY
    return stage


async def test_equal_certificates_have_one_letter_and_the_chosen_one_its_life() -> None:
    app = CowhandApp(surveyed(), title="site", read_only=False, lab=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "8")
        rows = rows_of(app)
        text = "\n".join(rows)
        assert [row[1] for row in rows if row[3:].startswith("203.0.113.10:")] == ["A", "B", "B"]
        assert "89 days left of 90" in text
        assert "CH022" in text and "not seen: [2001:db8:113::10]:25" in text
        await settle(pilot, "j", "j")
        assert "20 days left of 90" in "\n".join(rows_of(app))
        assert "mode 644" in "\n".join(rows_of(app))


async def test_the_weeks_show_from_when_renewals_live_shorter() -> None:
    at = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    theirs = replace(NEW, issuer="CN=E8,O=Let's Encrypt,C=US", not_before=at - 30 * DAY, not_after=at + 60 * DAY)
    stage = calm()
    stage.certificates = CertificateSurvey(at, tuple(replace(each, certificate=theirs) for each in PLACES[:2]))
    app = CowhandApp(stage, title="site", read_only=False, lab=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "8")
        weeks = next(row for row in rows_of(app) if "12 weeks" in row)
    assert weeks.split()[2:] == ["·"] * 5 + ["64", "·", "·", "A", "·", "·", "·"]


async def test_a_served_certificate_whose_trust_nobody_asked_about_says_why() -> None:
    stage = surveyed()
    places = tuple(replace(place, trusted=None) if place.kind == "served" else place for place in PLACES)
    stage.certificates = replace(SURVEY, places=places, unjudged="this machine has no root certificates")
    app = CowhandApp(stage, title="site", read_only=False, lab=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "8")
        assert "cannot tell whether" not in "\n".join(rows_of(app))
        await settle(pilot, "j", "j", "j")
        assert "cannot tell whether clients trust it: this machine has no root certificates" in "\n".join(rows_of(app))


async def test_a_filter_keeps_the_places_that_have_it() -> None:
    app = CowhandApp(surveyed(), title="site", read_only=False, lab=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "8", "slash", *"haproxy", "enter")
        text = "\n".join(rows_of(app))
        assert "haproxy/certs/mail.pem" in text and "203.0.113.10:443" not in text


CASES = {f"{theme}-{size}": (theme, size) for theme in ("dark", "light") for size in ("80x24", "120x36")}


@pytest.mark.parametrize("name", CASES)
def test_picture(picture: Callable[..., None], name: str) -> None:
    theme, size = CASES[name]
    picture(surveyed(), size, "8", theme=theme)
