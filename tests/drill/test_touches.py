"""Pairs are made of faults that do not undo each other."""

from __future__ import annotations

import pytest

from tests.drill.faults import FAULTS
from tests.drill.fresh import FRESH
from tests.drill.touches import touches

KNOWN = {**FAULTS, **FRESH}


@pytest.mark.parametrize(
    ("one", "other", "mix"),
    [
        ("all-containers-stopped", "redirect-loop", False),  # a new file starts nginx anew
        ("own-postfix-stopped", "timeouts", False),
        ("own-service-stopped", "smtpd-busy", False),
        ("auth-hung", "imap-off", False),
        ("haproxy-frozen", "drain", False),
        ("fw-drop-993", "wan-loss", False),
        ("loss30", "own-tunnel-cut", False),
        ("all-containers-stopped", "fw-drop-993", True),
        ("nginx-404", "auth-hung", True),
        ("loss30", "mtu", True),
        ("maint", "vm-off", True),
    ],
)
def test_faults_mix_that_share_nothing(one: str, other: str, mix: bool) -> None:
    shared = touches(KNOWN[one].break_) & touches(KNOWN[other].break_)
    assert (not shared) == mix, shared


def test_it_is_known_of_every_fault_what_it_touches() -> None:
    assert [id for id, fault in KNOWN.items() if not touches(fault.break_)] == []
