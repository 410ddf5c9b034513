"""What daemons write, recognised: patterns over log lines, without I/O, so that rules may use them too."""

from __future__ import annotations

import re

UNTRUSTED = re.compile(r"haproxy: Client not trusted \(rip=([0-9a-fA-F.:]+)")
"""What Dovecot logs of a PROXY connection from a peer outside haproxy_trusted_networks (2.3.19)."""


def untrusted_peer(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (peer, line) of the newest line that says Dovecot does not trust a proxy."""
    for line in reversed(lines):
        if match := UNTRUSTED.search(line):
            return match[1], line
    return None
