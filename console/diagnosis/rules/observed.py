"""What a sweep saw that is a fact by itself, broken lanes or not: certificates, disks, a slow tunnel, a check.

Why lanes break is not ruled here: the table of suspects (modes.py) explains it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from shlex import quote

from console.diagnosis.catalogue import finding
from console.diagnosis.certificates import UNKNOWN, certificate_trouble, ended
from console.diagnosis.hops_back import service_label
from console.diagnosis.reading import milliseconds
from console.diagnosis.rule import Observed, observed
from console.diagnosis.tunnel_time import tunnel_time
from console.model import Certificate, Finding, HopName, Severity
from console.observation import LaneData
from console.text import join_words

_GOODBYE = re.compile(r"(?:2\.0\.0 )?bye\b", re.IGNORECASE)
"""What `option smtpchk` leaves in last_chk (HAProxy 2.2 and later) when it passed: the answer to its QUIT."""


def _ports(lanes: Iterable[LaneData]) -> str:
    ports = [str(lane.lane.port) for lane in lanes]
    return ("lane " if len(ports) == 1 else "lanes ") + join_words(ports)


def _ids(lanes: Iterable[LaneData]) -> tuple[str, ...]:
    return tuple(lane.lane.id for lane in lanes)


def _at(seen: Observed, hop: HopName, *outcomes: str) -> list[LaneData]:
    """Lanes whose reading at `hop` has one of `outcomes`."""
    found = []
    for lane in seen.seen.lanes.values():
        reading = seen.readings.get((lane.lane.id, hop))
        if reading is not None and reading.outcome in outcomes:
            found.append(lane)
    return found


@observed("CH005")
def smtpchk_passes(seen: Observed) -> Iterator[Finding]:
    """HAProxy checks postscreen with option smtpchk, and passes for as long as postscreen remembers the proxy.

    postscreen shows no teaser to an address that has passed its test, as our own probe does from the proxy: what the
    check leaves tells that it is still the same one. One that stumbles is a suspect of the table (modes.py)."""
    for lane in seen.seen.lanes.values():
        row = seen.seen.stats.server(lane.lane.proxy, lane.lane.server) if seen.seen.stats else None
        if row is None or lane.lane.protocol != "smtp":
            continue
        screened = lane.lane.service == "postfix-mailcow"  # smtpd without postscreen shows no teaser
        if screened and row.status.startswith("UP") and row.check == "L7OK" and _GOODBYE.match(row.last):
            summary = f"{row.proxy}/{row.name} is UP only until postscreen forgets the proxy (option smtpchk)"
            yield finding(
                "CH005", summary, lane.lane.source, observed=True, lanes=(lane.lane.id,), hop="haproxy",
                severity="medium", remedy="replace option smtpchk by tcp-check expect rstring ^220: postscreen "
                "forgets in a day who passed its test from there, as our own probe did",
            )  # fmt: skip


@observed("CH010")
def stale_certificate(seen: Observed) -> Iterator[Finding]:
    """A service still shows an older certificate of the same name than another one does."""
    lanes = [lane for lane in seen.seen.lanes.values() if certificate_trouble(seen.seen, lane) == ("degraded", "older")]
    if lanes:
        keeper = _keeper(seen, lanes[0])
        services = join_words(list(dict.fromkeys(service_label(lane.lane) for lane in lanes)))
        summary = f"{services} on {keeper} shows an older certificate than others do, {_ports(lanes)}"
        yield finding("CH010", summary, keeper, observed=True, lanes=_ids(lanes), hop="service")


@observed("CH016")
def tunnel_slow(seen: Observed) -> Iterator[Finding]:
    """Even the fastest answer through the tunnel took over a second."""
    lanes = _at(seen, "tunnel", "degraded")
    if lanes:
        hosts = sorted({lane.lane.target.host for lane in lanes if lane.lane.target})
        vantage = seen.seen.vantages.get("proxy", "the proxy")
        every = "every lane" if len(lanes) == len(seen.seen.lanes) else _ports(lanes)
        times = [known[0] for lane in lanes if (known := tunnel_time(seen.seen, lane))]
        long = milliseconds(min(times)) if times else "over a second, our own side included,"
        summary = f"tunnel is slow: {long} from {vantage} to {join_words(hosts)}, {every}"
        yield finding(
            "CH016", summary, vantage, observed=True, lanes=_ids(lanes), hop="tunnel", severity="medium",
            remedy=f"tailscale ping from {vantage} tells whether it goes through a relay; else look at the home's line",
        )  # fmt: skip


@observed("CH020")
def hostname_split(seen: Observed) -> Iterator[Finding]:
    """The certificate that is served does not name the host that clients dial."""
    lanes = [
        lane for lane in seen.seen.lanes.values() if certificate_trouble(seen.seen, lane) == ("degraded", "other name")
    ]
    if lanes:
        name = next(name for lane in lanes for ladder in lane.public.values() if (name := ladder.target.name))
        summary = f"the certificate served is not for {name}, {_ports(lanes)}"
        hop: HopName = "haproxy" if lanes[0].lane.tls == "terminated" else "service"
        yield finding(
            "CH020", summary, _keeper(seen, lanes[0]), observed=True, lanes=_ids(lanes), hop=hop,
            remedy="deploy the certificate of the name that clients dial",
        )  # fmt: skip


@observed("CH022")
def certificate_expiring(seen: Observed) -> Iterator[Finding]:
    """A certificate that is served has expired, or has less than a third of its life left."""
    groups: dict[tuple[str, str, HopName], list[LaneData]] = {}
    for lane in seen.seen.lanes.values():
        trouble = certificate_trouble(seen.seen, lane)
        if trouble is not None and trouble[1] not in ("other name", "older", "self-signed", UNKNOWN):
            hop: HopName = "haproxy" if lane.lane.tls == "terminated" else "service"
            groups.setdefault((trouble[0], trouble[1], hop), []).append(lane)
    for (outcome, word, hop), lanes in groups.items():
        state = f"ends in {word}" if word.endswith("days") else word
        if word == "expired":
            state = ended(max(_expired(seen, lanes), key=lambda each: each.not_after), seen.seen.at)
        keeper = _keeper(seen, lanes[0])
        summary = f"certificate {state}, served by {keeper}, {_ports(lanes)}"
        severity: Severity = "critical" if outcome == "failed" else "medium"
        yield finding("CH022", summary, keeper, observed=True, lanes=_ids(lanes), hop=hop, severity=severity)


def _expired(seen: Observed, lanes: Iterable[LaneData]) -> Iterator[Certificate]:
    """The certificates of lanes that have ended; at least one where `certificate_trouble` said so."""
    for lane in lanes:
        for ladder in (*lane.public.values(), lane.vm, lane.service):
            if ladder is not None and ladder.certificate is not None and ladder.certificate.not_after <= seen.seen.at:
                yield ladder.certificate


@observed("CH083")
def certificate_untrusted(seen: Observed) -> Iterator[Finding]:
    """This machine, as clients do, does not trust the certificate that is served: self-signed, or without its chain."""
    groups: dict[tuple[str, str, HopName], list[LaneData]] = {}
    for lane in seen.seen.lanes.values():
        trouble = certificate_trouble(seen.seen, lane)
        if trouble is not None and trouble[1] in ("self-signed", UNKNOWN):
            shown = (ladder.certificate for ladder in lane.public.values() if ladder.certificate is not None)
            why = next((text for each in shown if (text := seen.seen.distrusted.get(each.fingerprint))), "")
            hop: HopName = "haproxy" if lane.lane.tls == "terminated" else "service"
            groups.setdefault((why, _keeper(seen, lane), hop), []).append(lane)
    for (why, keeper, hop), lanes in groups.items():
        what = "it is self-signed" if why == "self-signed" else why or "its issuer is not known here"
        summary = f"the certificate that {keeper} serves is not trusted here, {_ports(lanes)}: {what}"
        yield finding("CH083", summary, keeper, observed=True, lanes=_ids(lanes), hop=hop)


def _keeper(seen: Observed, lane: LaneData) -> str:
    terminated = lane.lane.tls == "terminated"
    return seen.seen.vantages.get("proxy" if terminated else "mail", "HAProxy" if terminated else "the mail host")


FULL = 98
"""Percent from which a disk is full: what root may still use is little, and daemons are not root."""


@observed("CH076")
def disk_full(seen: Observed) -> Iterator[Finding]:
    """A file system of the mail host is full, of bytes or of inodes."""
    full = [disk for disk in seen.seen.disks if max(disk.used, disk.inodes) >= FULL]
    if full:
        host = seen.seen.vantages.get("mail", "the mail host")
        told = [
            f"{disk.place} ({disk.used}%)" if disk.used >= FULL else f"{disk.place} ({disk.inodes}% of its inodes)"
            for disk in full
        ]
        summary = f"no room on {host}: {join_words(told)}: mail may be refused or lost"
        remedy = f"make room on {host}: du -x {quote(full[0].place)} tells where it went"
        yield finding("CH076", summary, host, observed=True, hop="service", remedy=remedy)


@observed("CH077")
def name_without_ipv4(seen: Observed) -> Iterator[Finding]:
    """The public name has IPv6 addresses alone, while HAProxy is told to listen on IPv4 too."""
    lanes = [lane for lane in seen.seen.lanes.values() if lane.public]
    addresses = {address for lane in lanes for address in lane.public}
    listens = [lane for lane in lanes if any(":" not in bind.address for bind in lane.lane.binds)]
    names = [name for name in seen.seen.topology.public if ":" not in name]
    if names and listens and addresses and all(":" in address for address in addresses):
        here = seen.seen.vantages.get("here", "here")
        summary = f"{names[0]} has no IPv4 address here, though HAProxy listens on IPv4: IPv4 clients cannot find it"
        yield finding("CH077", summary, here, observed=True, lanes=_ids(listens), hop="public")
