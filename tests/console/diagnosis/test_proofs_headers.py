"""Whether a header came: by what Dovecot logs of a client, before and after one was missed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.diagnosis.proofs_headers import headed
from console.diagnosis.world import World

DIALLED = "203.0.113.10"
CAME = f"dovecot: imap-login: Disconnected: (no auth attempts): user=<>, rip=198.51.100.77, lip={DIALLED}, TLS"
INSIDE = "dovecot: imap-login: Disconnected: (no auth attempts): user=<>, rip=100.64.0.1, lip=10.10.10.214, TLS"
ODD = "dovecot: imap-login: Error: haproxy: Client disconnected: Failed to read valid HAproxy data (rip=10.10.10.1)"
LATE = "dovecot: imap-login: Error: haproxy: Client timed out (rip=10.10.10.1)"
OTHER = "dovecot: managesieve-login: Error: haproxy: Client timed out (rip=10.10.10.1)"


@pytest.mark.parametrize(
    ("lines", "passes", "expected"),
    [
        ((CAME,), False, True), ((INSIDE,), False, False), ((), False, False), ((LATE, LATE), False, False),
        ((CAME, ODD, ODD), False, False), ((CAME, CAME, INSIDE, LATE, ODD), False, False),
        ((CAME, ODD), False, True), ((CAME, LATE, OTHER), False, True),  # one may be lost on its way
        ((ODD, CAME, ODD), False, True), ((ODD, ODD, CAME), False, True),
        ((CAME, ODD, ODD), True, True),
    ],
)  # fmt: skip
def test_a_header_counts_unless_all_since_were_missed(lines: tuple[str, ...], passes: bool, expected: bool) -> None:
    world: Any = SimpleNamespace(
        lanes={993: SimpleNamespace(lane=SimpleNamespace(protocol="imaps"))}, dialled=frozenset((DIALLED,)),
        log=lambda port: lines, came=lambda kind, at, port: ["pass"] if passes and at == "here" else ["closed-0"],
    )  # fmt: skip
    assert headed(cast(World, world), 993) is expected
