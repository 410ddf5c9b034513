"""Containers that serve Mailcow's certificate or may replace it: each condition from both sides."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from console.diagnosis.certificate_users import SOON, findings
from console.model import CertificateUser

WRITTEN = 1_800_000_000.0
ACME = CertificateUser("acme-mailcow", "running", 0, None, WRITTEN, False)
DOVECOT = CertificateUser("dovecot-mailcow", "exited", 0, WRITTEN + 3, WRITTEN)


def ids(user: CertificateUser, pushed: bool = True, **changes: Any) -> list[str]:
    return [each.id for each in findings([msgspec.structs.replace(user, **changes)], "vm", pushed)]


@pytest.mark.parametrize(
    ("changes", "pushed", "expected"),
    [
        ({}, True, ["CH012"]), ({"state": "restarting"}, True, ["CH012"]), ({}, False, []), ({"skips": True}, True, []),
        ({"skips": None}, True, []), ({"state": "exited"}, True, []), ({"state": "created"}, True, []),
    ],
)  # fmt: skip
def test_acme_mailcow_is_told_where_it_runs_without_the_setting_and_a_certificate_is_pushed(
    changes: dict[str, Any], pushed: bool, expected: list[str]
) -> None:
    assert ids(ACME, pushed, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["CH013"]), ({"state": "dead"}, ["CH013"]), ({"state": "running"}, []), ({"state": "restarting"}, []),
        ({"ended": WRITTEN}, ["CH013"]), ({"ended": WRITTEN - 1}, []), ({"ended": WRITTEN + SOON}, ["CH013"]),
        ({"ended": WRITTEN + SOON + 1}, []), ({"ended": None}, []), ({"written": None}, []),
        ({"service": "postfix-mailcow"}, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pushed", [True, False])
def test_dovecot_is_told_where_it_ended_when_the_certificate_was_written(
    changes: dict[str, Any], pushed: bool, expected: list[str]
) -> None:
    assert ids(DOVECOT, pushed, **changes) == expected


def test_what_was_seen_is_said() -> None:
    acme, dovecot = findings([ACME, DOVECOT], "vm", True)
    assert (acme.where, acme.observed, dovecot.where, dovecot.observed, dovecot.hop) == (
        "vm",
        True,
        "vm",
        True,
        "service",
    )
    assert (
        acme.summary == "acme-mailcow runs without SKIP_LETS_ENCRYPT=y: it may replace the certificate that is pushed"
    )
    assert acme.evidence == ("docker inspect on vm: its environment does not say SKIP_LETS_ENCRYPT=y",)
    assert dovecot.summary == "dovecot-mailcow ended 3 s after Mailcow's certificate was written, and does not run"
    assert dovecot.evidence == ("docker inspect on vm: exited, exit status 0",)
    assert "dovecot reload" in dovecot.remedy and "up -d" in acme.remedy
