"""What a sweep can prove: rules over ladders and readings. Each names one cause and all lanes it touches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.certificates import certificate_trouble
from console.diagnosis.judge import (
    blocked_here,
    down_in_stats,
    forwards_wrongly,
    header_missing,
    header_unwanted,
    headerless,
    overloaded,
    service_label,
    service_stopped,
    untrusted,
)
from console.diagnosis.log_lines import untrusted_peer
from console.diagnosis.rule import Observed, observed
from console.model import Finding, HopName, Severity, Span
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


def _targets(lanes: Iterable[LaneData]) -> tuple[Span, ...]:
    spans = ((lane.lane.target.source if lane.lane.target else None) or lane.lane.source for lane in lanes)
    return tuple(spans)


@observed("CH001")
def dovecot_untrusted_proxy(seen: Observed) -> Iterator[Finding]:
    """Dovecot closes at once on a PROXY header, and answers inside the VM."""
    lanes = [lane for lane in _at(seen, "vm", "failed") if untrusted(lane)]
    if not lanes:
        return
    logged = next(
        (found for lane in lanes if (found := untrusted_peer(seen.seen.logs.get(lane.lane.service or "", ())))), None
    )
    host = seen.seen.vantages.get("mail", "the mail host")
    if logged is None:
        summary = f"Dovecot distrusts the proxy: it closes at once, {_ports(lanes)}"
        yield finding("CH001", summary, host, observed=True, lanes=_ids(lanes), hop="vm")
        return
    remedy = f"haproxy_trusted_networks = {logged[0]} in data/conf/dovecot/extra.conf, then `dovecot reload`"
    summary = f"Dovecot distrusts the proxy {logged[0]}, {_ports(lanes)}"
    yield finding("CH001", summary, host, observed=True, lanes=_ids(lanes), hop="vm", remedy=remedy)


@observed("CH002")
def proxy_header_missing(seen: Observed) -> Iterator[Finding]:
    """Nothing gets through HAProxy, refused as a client without a header is, while the VM accepts ours."""
    lanes, proven = [], False
    taken = _taken_for_commands(seen)
    for lane in _at(seen, "haproxy", "failed"):
        through = None if lane in taken else forwards_wrongly(lane)
        if through is None or lane.vm is None or down_in_stats(seen.seen, lane):
            continue
        if header_missing(through):
            lanes.append(lane)
            proven = proven or headerless(seen.seen, through)
    if proven:
        summary = f"HAProxy sends no PROXY header, {_ports(lanes)}"
        spans = _targets(lanes)
        yield finding(
            "CH002", summary, spans[0], observed=True, also=spans[1:], lanes=_ids(lanes), hop="haproxy",
            remedy="the running HAProxy sends no header: compare its file with this line, add send-proxy, reload",
        )  # fmt: skip


@observed("CH003")
def proxy_header_on_plain_port(seen: Observed) -> Iterator[Finding]:
    """The target answers without a PROXY header, and takes one for a command or for broken TLS."""
    configured = [lane for lane in _at(seen, "vm", "failed") if header_unwanted(lane)]
    running = _taken_for_commands(seen)
    lanes = [*configured, *running]
    if lanes:
        spans = _targets(lanes)
        summary = f"HAProxy sends a PROXY header to a plain port, {_ports(lanes)}"
        hop: HopName = "vm" if configured else "haproxy"
        yield finding("CH003", summary, spans[0], observed=True, also=spans[1:], lanes=_ids(lanes), hop=hop)


def _taken_for_commands(seen: Observed) -> list[LaneData]:
    """Lanes on which the running HAProxy, unlike its file, sends the header to a plain port.

    A client sees the daemon complain of a command it never sent. Inside TLS it only sees the handshake end, as without
    a header; such a lane is counted in when another one shows which of the two it is."""
    failed = [lane for lane in _at(seen, "haproxy", "failed") if not down_in_stats(seen.seen, lane)]
    through = [(lane, ladder) for lane in failed if (ladder := forwards_wrongly(lane)) is not None]
    if not any(ladder.cause == "out-of-step" for _, ladder in through):
        return []
    return [lane for lane, ladder in through if ladder.cause in ("out-of-step", "closed", "tls")]


@observed("CH005")
def smtpchk_on_postscreen(seen: Observed) -> Iterator[Finding]:
    """HAProxy calls a server down that answers, for its check stumbled over postscreen's teaser.

    postscreen shows none to an address that has passed its test, as our own probe does from the proxy: then the check
    passes too, for as long as postscreen remembers (a day), and what it leaves tells that it is still the same one."""
    stumbling = {lane.lane.id for lane in _at(seen, "haproxy", "failed")}
    for lane in seen.seen.lanes.values():
        row = seen.seen.stats.server(lane.lane.proxy, lane.lane.server) if seen.seen.stats else None
        if row is None or lane.lane.protocol != "smtp":
            continue
        if lane.lane.id in stumbling:
            if row.status.startswith("DOWN") and "220-" in row.last and lane.vm and lane.vm.well:
                summary = f"HAProxy calls {row.proxy}/{row.name} down for its 220- teaser, though it answers"
                yield finding("CH005", summary, lane.lane.source, observed=True, lanes=(lane.lane.id,), hop="haproxy")
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


@observed("CH015")
def web_redirect_loop(seen: Observed) -> Iterator[Finding]:
    """The web interface redirects to the very address that was asked for."""
    for lane in seen.seen.lanes.values():
        for ladder in lane.public.values():
            name = ladder.target.name
            if ladder.target.protocol == "https" and name and f"→ https://{name}/" == ladder.said[-len(name) - 11 :]:
                summary = f"https://{name}/ redirects to itself"
                yield finding("CH015", summary, lane.lane.source, observed=True, lanes=(lane.lane.id,), hop="service")
                break


@observed("CH016")
def tunnel_down(seen: Observed) -> Iterator[Finding]:
    """No lane's target answers through the tunnel, or all of them slowly."""
    for outcome, words in (("failed", "no answer"), ("degraded", "over a second")):
        lanes = _at(seen, "tunnel", outcome)
        if not lanes:
            continue
        hosts = sorted({lane.lane.target.host for lane in lanes if lane.lane.target})
        vantage = seen.seen.vantages.get("proxy", "the proxy")
        every = "every lane" if len(lanes) == len(seen.seen.lanes) else _ports(lanes)
        summary = f"tunnel: {words} from {join_words(hosts)} to {vantage}, {every}"
        severity: Severity = "critical" if outcome == "failed" else "medium"
        yield finding(
            "CH016", summary, vantage, observed=True, lanes=_ids(lanes), hop="tunnel", severity=severity
        )  # fmt: skip


@observed("CH018")
def ipv6_client_refused(seen: Observed) -> Iterator[Finding]:
    """A lane serves IPv4 clients and refuses IPv6 ones, behind an HAProxy that accepts both."""
    lanes = []
    for lane in _at(seen, "vm", "degraded"):
        bad = [ladder for ladder in lane.connected if ladder.done and ladder.cause and not overloaded(ladder)]
        if lane.vm is None or lane.vm.cause:
            continue
        if bad and all(":" in ladder.target.address for ladder in bad):
            lanes.append(lane)
    if lanes:
        summary = f"IPv6 clients are refused, IPv4 ones served, {_ports(lanes)}"
        host = seen.seen.vantages.get("mail", "the mail host")
        yield finding("CH018", summary, host, observed=True, lanes=_ids(lanes), hop="vm")


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


@observed("CH021")
def listener_missing(seen: Observed) -> Iterator[Finding]:
    """One lane's public port refuses while others are open: HAProxy runs, and does not listen there."""
    refused = [lane for lane in _at(seen, "public", "failed", "degraded") if _refused(lane)]
    if not any(other.connected for other in seen.seen.lanes.values()):
        return
    for lane in refused:
        where = next((bind.source for bind in lane.lane.binds if bind.source), lane.lane.source)
        families = {":" in ladder.target.address for ladder in lane.public.values() if ladder.cause == "refused"}
        of = {frozenset((True,)): " over IPv6", frozenset((False,)): " over IPv4"}.get(frozenset(families), "")
        of = of if len(lane.public) > 1 else ""
        summary = f"nobody listens on public port {lane.lane.port}{of} ({lane.lane.name})"
        remedy = "the running HAProxy has no such listener: compare its file with this line, then reload it"
        yield finding(
            "CH021", summary, where, observed=True, lanes=(lane.lane.id,), hop="public",
            severity="critical", remedy=remedy,
        )  # fmt: skip


def _refused(lane: LaneData) -> bool:
    return any(ladder.cause == "refused" and not ladder.connected for ladder in lane.public.values())


@observed("CH022")
def certificate_expiring(seen: Observed) -> Iterator[Finding]:
    """A certificate that is served has expired, or has less than a third of its life left."""
    groups: dict[tuple[str, str, HopName], list[LaneData]] = {}
    for lane in seen.seen.lanes.values():
        trouble = certificate_trouble(seen.seen, lane)
        if trouble is not None and trouble[1] not in ("other name", "older"):
            hop: HopName = "haproxy" if lane.lane.tls == "terminated" else "service"
            groups.setdefault((trouble[0], trouble[1], hop), []).append(lane)
    for (outcome, word, hop), lanes in groups.items():
        state = f"ends in {word}" if word.endswith("days") else word
        keeper = _keeper(seen, lanes[0])
        summary = f"certificate {state}, served by {keeper}, {_ports(lanes)}"
        severity: Severity = "critical" if outcome == "failed" else "medium"
        yield finding("CH022", summary, keeper, observed=True, lanes=_ids(lanes), hop=hop, severity=severity)


def _keeper(seen: Observed, lane: LaneData) -> str:
    terminated = lane.lane.tls == "terminated"
    return seen.seen.vantages.get("proxy" if terminated else "mail", "HAProxy" if terminated else "the mail host")


@observed("CH028")
def port_25_blocked_here(seen: Observed) -> Iterator[Finding]:
    """Port 25 is silent from here alone: home lines and clouds block it outbound."""
    for lane in seen.seen.lanes.values():
        if lane.public and all(ladder.done for ladder in lane.public.values()) and blocked_here(seen.seen, lane):
            summary = "port 25 is silent from here alone: this line probably blocks it"
            here = seen.seen.vantages.get("here", "here")
            yield finding("CH028", summary, here, observed=True, lanes=(lane.lane.id,), hop="public")


@observed("CH029")
def service_stopped_inside(seen: Observed) -> Iterator[Finding]:
    """A daemon does not answer inside the VM, on its plain port."""
    groups: dict[str, list[LaneData]] = {}
    for lane in _at(seen, "service", "failed"):
        if service_stopped(lane) and not (lane.vm is not None and lane.vm.well):
            groups.setdefault(lane.lane.service or service_label(lane.lane), []).append(lane)
    host = seen.seen.vantages.get("mail", "the mail host")
    for service, lanes in groups.items():
        stopped = all(lane.service and lane.service.cause == "refused" and not lane.service.connected for lane in lanes)
        state = "is stopped" if stopped else "does not answer as it should"
        summary = f"{service.removesuffix('-mailcow')} {state} inside {host}, {_ports(lanes)}"
        remedy = f"docker compose ps {service}; docker compose up -d {service}; then read its log"
        yield finding("CH029", summary, host, observed=True, lanes=_ids(lanes), hop="service", remedy=remedy)


@observed("CH030")
def haproxy_stopped(seen: Observed) -> Iterator[Finding]:
    """No public port is open, and the machine refuses rather than keeps silent."""
    lanes = list(seen.seen.lanes.values())
    if any(lane.connected for lane in lanes) or not any(_refused(lane) for lane in lanes):
        return
    host = seen.seen.vantages.get("proxy", "the proxy")
    stopped = seen.seen.stats is not None and seen.seen.stats.stopped
    proof = " and its stats socket" if stopped else ""
    summary = f"HAProxy is stopped on {host}: every port{proof} refuses"
    yield finding("CH030", summary, host, observed=True, lanes=_ids(lanes), hop="public")


@observed("CH031")
def proxy_unreachable(seen: Observed) -> Iterator[Finding]:
    """No public address answers at all."""
    lanes = list(seen.seen.lanes.values())
    ladders = [ladder for lane in lanes for ladder in lane.public.values()]
    if len(lanes) < 2 or not ladders or any(ladder.cause not in ("timeout", "unreachable") for ladder in ladders):
        return
    addresses = list(dict.fromkeys(ladder.target.address for ladder in ladders))
    summary = f"nobody answers at {join_words(addresses)}, on any port"
    yield finding(
        "CH031", summary, seen.seen.vantages.get("here", "here"), observed=True, lanes=_ids(lanes), hop="public"
    )
