"""Two faults at once: both are to be named, and nothing false is said."""

from __future__ import annotations

from tests.drill.acts import both
from tests.drill.blind import BLIND
from tests.drill.faults import FAULTS, Drill
from tests.drill.fresh import FRESH

_TWO = (
    "maint nginx-502", "fw-drop-993 listener-removed", "mtu nginx-stopped", "25-blocked-here auth-hung",
    "haproxy-frozen own-postfix-stopped", "wrong-port key-mismatch", "loopback-only nginx-hung", "drain imap-off",
    "no-server sieve-off", "bad-check nginx-404", "fw-reject-465 vm-fw-reject", "dns-wrong maint", "one-a-wrong drain",
    "v6-blackhole nginx-stopped", "frontend-disabled nginx-moved", "weight-0 own-dovecot-untrusted-proxy",
    "two-haproxies nginx-502", "http-403 maint", "vm-fw-drop redirect-loop", "not-reloaded postscreen-frozen",
    "rejects-us nginx-stopped", "router-drop-14190 drain", "swapped nginx-404", "wrong-address auth-hung",
    "vm-fw-reject own-postfix-stopped", "no-10025 imap-off", "route-missing frontend-disabled",
    "one-way fw-reject-465", "all-containers-stopped loopback-only", "milter-dead maint",
    "own-service-stopped v4-only-993", "own-service-stopped own-tunnel-slow",
    "nginx-404 wan-loss", "own-service-stopped vm-loss", "loss30 vm-fw-drop", "postscreen-drops loss30",
    "wan-loss wrong-address", "key-mismatch rejects-us", "own-postfix-stopped wrong-address",
    "own-service-stopped bad-check", "all-containers-stopped wrong-port", "nginx-stopped web-elsewhere",
    "bad-check vm-fw-reject", "haproxy-loop vm-off",
    "own-haproxy-stopped nat-993-to-22", "bad-check nat-993-to-22", "all-containers-stopped http-403",
    "haproxy-outbound imap-off", "http-500 nginx-stopped", "weight-0 no-10025", "maint no-way-back",
    "rejects-us fw-drop-993", "rejects-us v6-blackhole", "haproxy-frozen route-missing", "own-haproxy-stopped dns-none",
    "one-a-wrong no-way-back", "wrong-port dns-wrong", "frontend-disabled nat-993-to-22", "nat-993-to-22 loss30",
    "nginx-stopped vm-loss20", "own-service-silent out-drop-10993", "mode-http auth-hung",
    "no-way-back listener-removed", "nginx-502 silent-drop", "dovecot-tls13 vm-loss20",
    "own-smtpchk-on-postscreen vm-loss", "own-tunnel-lossy smtpd-busy", "rejects-us route-missing",
    "own-listener-down v6-blackhole", "dns-wrong no-stats", "one-a-wrong own-haproxy-stopped",
    "haproxy-frozen nat-993-to-22", "vm-off nat-993-to-22", "wraps-tls auth-hung", "http-500 one-way",
    "v6-blackhole 25-blocked-here", "v4-unreachable-here bound-to-tunnel",
    "own-ipv6-client-refused v6-blackhole", "sieve-off postscreen-frozen", "v6-blackhole only-aaaa",
    "no-haproxy-on-10993 own-dovecot-wrong-peer", "maint vm-loss",
    "own-proxy-header-on-plain-port-unsaid imaps-starttls", "own-service-stopped no-server",
    "no-proxy-on-10025 haproxy-outbound", "vps-lost-v6 v4-only-993", "fw-drop-993 other-program-on-443",
    "wan-loss nginx-404", "own-tunnel-lossy nginx-404", "own-dovecot-wrong-peer haproxy-outbound",
    "wan-loss content-reject", "content-reject wan-loss20",
)  # fmt: skip


def pair(words: str) -> Drill:
    """Return two faults, by their ids, as one."""
    known = {**FAULTS, **FRESH, **BLIND}
    one, other = (known[id] for id in words.split())
    return Drill(
        words.replace(" ", "+"), (*one.truth, *other.truth), tuple(dict.fromkeys((*one.ports, *other.ports))),
        both(one.break_, other.break_), both(other.heal, one.heal), (*one.closed, *other.closed),
        one.told or other.told,
    )  # fmt: skip


PAIRS = {pair.id: pair for pair in map(pair, _TWO)}
"""Every pair by its id."""
