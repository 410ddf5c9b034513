"""Which fault makes another one unobservable while it stands: data with the reason, never what a sweep came to tell.

Two faults are hidden from each other only by a row here: the hiding one, the hidden one, and why nobody could see it
from here, on the proxy's machine or on the mail host, on any lane of the hidden one. In doubt there is no row: then
what was not told counts as not told."""

from __future__ import annotations

from msgspec import Struct

from tests.drill.faults import Drill


class Row(Struct, frozen=True):
    """`by` hides `what`: each a truth, a head of truths ("daemon/"), or one fault by its id; `why` is the reason."""

    by: str
    what: str
    why: str


_IN_PROXY = "haproxy-process/ haproxy-listener/ haproxy-server/ haproxy-check/ vps-filter/ vps/ "
_ON_A_CONNECTION = (
    "vps-filter/haproxy-outbound haproxy-server/no-header haproxy-server/header-to-plain haproxy-check/teaser "
    "haproxy-listener/timeout dovecot/untrusted-proxy daemon/redirect-loop "
)
_IN_MAIL = "daemon/ dovecot/ postfix/ certificate/key-mismatch certificate/unusable vm/docker-down publication/ "
_FROM_MAIL = "vm-filter/ mtu vm-loss vm-loss20 "

HIDES: tuple[Row, ...] = (
    Row("vps/off", _IN_PROXY + "tunnel/ vm-filter/ here/loss here/blocks-25 here/large-packets dovecot/untrusted-proxy "
        "haproxy-config/", "nobody gets into the proxy, and no packet goes through it"),
    Row("here/offline", _IN_PROXY + "here/loss here/blocks-25 here/large-packets vm-filter/ dovecot/untrusted-proxy "
        "haproxy-config/", "no packet leaves this machine, so that nobody gets into the proxy from here"),
    Row("vm/off vm/other-address", _IN_MAIL + _FROM_MAIL + _ON_A_CONNECTION + "vm/no-way-back",
        "nobody is at the address that is dialled, and nobody gets into the mail host"),
    Row("home-router/down", _IN_MAIL + _FROM_MAIL + _ON_A_CONNECTION + "vm/ tunnel/",
        "no packet comes into the home network or out of it"),
    Row("tunnel/down", _FROM_MAIL + _ON_A_CONNECTION + "tunnel/ home-router/does-not-forward",
        "no packet comes through the tunnel, so that no connection from the proxy is made"),
    Row("vm/no-way-back", _FROM_MAIL + _ON_A_CONNECTION,
        "no answer of the mail host's comes to the proxy, so that no connection is made"),
    Row("vps/route-missing", _FROM_MAIL + _ON_A_CONNECTION + "vm/no-way-back",
        "the proxy sends nothing to the mail host"),
    Row("vm-filter/from-proxy", _ON_A_CONNECTION + "vm-filter/",
        "no connection from the proxy to that port is made, whoever asks for it"),
    Row("vm/docker-down daemon/stopped", "daemon/ dovecot/ postfix/ certificate/key-mismatch certificate/unusable "
        "vm-fw-reject haproxy-server/no-header haproxy-check/teaser haproxy-listener/timeout",
        "nobody is there who could do it: the port refuses, as a filter that rejects would"),
    Row("daemon/listener-absent", "vm-fw-reject haproxy-server/no-header haproxy-check/teaser haproxy-listener/timeout "
        "daemon/no-header-wanted daemon/redirect-loop", "nobody listens there who could be asked"),
    Row("daemon/listener-absent daemon/stopped vm/docker-down haproxy-server/absent haproxy-server/maintenance",
        "maxconn", "HAProxy hangs up on whom it has nobody for: no connection can be held that would fill it"),
    Row("vps-filter/haproxy-outbound", "haproxy-check/teaser haproxy-server/no-header haproxy-server/header-to-plain",
        "HAProxy has no connection there over which it could say or be told anything"),
    Row("haproxy-process/stopped", "haproxy-process/frozen haproxy-process/maxconn haproxy-listener/ haproxy-check/ "
        "haproxy-server/ vps-filter/haproxy-outbound vps-filter/reject",
        "no HAProxy runs that would do it, and each port refuses, as a filter that rejects would"),
    Row("haproxy-process/frozen", "vps-filter/haproxy-outbound", "a halted process asks for no connection"),
    Row("haproxy-listener/absent haproxy-listener/loopback-only haproxy-listener/disabled", "vps-filter/reject "
        "haproxy-listener/rejects-us", "the port refuses, as a filter that rejects would; nobody reaches HAProxy"),
    Row("vps-filter/drop vps-filter/reject", "rejects-us vps-filter/redirect vps-filter/reject",
        "nothing from here comes so far as to that rule"),
    Row("vps-filter/redirect", "rejects-us", "nothing from here comes to HAProxy there"),
    Row("vps/lost-family", "vps-filter/drop-family", "nothing of that family arrives that a filter could drop"),
    Row("name/none", "vps/lost-family", "a family that no name has is missed by nobody"),
    Row("haproxy-server/maintenance", "vps-filter/haproxy-outbound haproxy-check/teaser haproxy-listener/timeout",
        "HAProxy asks for no connection to a server in maintenance, and does not check it"),
)  # fmt: skip
"""Every reason there is for not counting a fault that nobody named."""


def hidden(one: Drill, other: Drill) -> str:
    """Return why one of two faults cannot be seen while the other stands; "" when both can."""
    return _hides(one, other) or _hides(other, one)


def hides(one: Drill, truth: str, other: Drill) -> str:
    """Return why that truth of the `other` fault cannot be seen while `one` stands; "" when it can."""
    if not {*other.ports} <= {*one.ports}:
        return ""
    found = (row.why for row in HIDES if _is_meant(row.by, one, one.truth) and _is_meant(row.what, other, (truth,)))
    return next(found, "")


def _hides(one: Drill, other: Drill) -> str:
    whys = [hides(one, truth, other) for truth in other.truth]
    return next(filter(None, whys), "")


def _is_meant(heads: str, fault: Drill, truths: tuple[str, ...]) -> bool:
    """Whether one of these words is the fault's id, one of the truths, or the head of one."""
    words = heads.split()
    return fault.id in words or any(truth.startswith(w) if w.endswith("/") else truth == w
                                    for truth in truths for w in words)  # fmt: skip
