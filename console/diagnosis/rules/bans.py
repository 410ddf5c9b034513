"""Whether Mailcow's bans hit whom they are meant for, behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.refusals import Refusals
from console.model import PLAIN_PORTS, Finding, Lane, Topology
from console.sources.haproxy.addresses import loopback
from console.topology.containers import edges
from console.topology.daemons import DOVECOT, POSTFIX
from console.topology.lanes import MAIL, Way, once
from console.topology.sources import Sources

_PLAIN = frozenset(PLAIN_PORTS.values())


@static("CH008")
def proxy_banned(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Without a PROXY header all clients have the proxy's address; netfilter-mailcow bans it unless it is private."""
    groups: dict[str, list[Way]] = {}
    for way in sources.routes.ways:
        mailcow = way.arrival.listener.service in (POSTFIX, DOVECOT) and way.behind in _PLAIN
        if way.ours and mailcow and way.server.proxy_protocol is None and _bannable(way.server.host):
            groups.setdefault(way.server.host, []).append(way)
    for host, ways in groups.items():
        lanes = tuple([lane for lane in words.together(ways) if lane.protocol in MAIL])
        if not lanes:
            continue
        spans = tuple(dict.fromkeys(lane.target.source for lane in lanes if lane.target and lane.target.source))
        yield finding(
            "CH008",
            f"{words.lanes(lanes)}: without a PROXY header every client comes from HAProxy's own address, and ten bad"
            f" logins by anybody ban it at {host}",
            spans[0] if spans else lanes[0].source,
            also=spans[1:],
            lanes=words.ids(lanes),
            hop="service",
            severity="high",
            remedy="send the PROXY header to the 10xxx port, and allow-list the proxy in Mailcow's Fail2ban parameters",
        )


def _bannable(host: str) -> bool:
    """Whether the proxy's source address toward `host` is one that netfilter-mailcow bans: it spares private ones."""
    try:
        return not ip_address(host).is_private
    except ValueError:
        return False


@static("CH009")
def bans_without_effect(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Mailcow bans by the packets' source, which behind the PROXY header is the proxy's; HAProxy lets everybody in."""
    if sources.haproxy is None:
        return
    refusals = Refusals(sources.haproxy)
    open_doors = [
        (door, lane)
        for door, lane in sources.routes.lanes
        if lane.protocol in MAIL
        and lane.protocol != "smtp"
        and lane.proxy_protocol
        and lane.service in ("postfix-mailcow", "dovecot-mailcow")
        and not refusals.covers(door)
        and not _beside(sources, lane)
    ]
    if open_doors:
        lanes = once([lane for _, lane in open_doors])
        spans = tuple(dict.fromkeys(door.frontend.span for door, _ in open_doors))
        instead = "nothing here rejects it"
        if any(refusals.some(door) for door, _ in open_doors):
            instead = "what HAProxy rejects here goes by something else than a list of clients"
        yield finding(
            "CH009",
            f"{words.lanes(lanes)}: Mailcow bans the packets' source, which behind HAProxy is the tunnel's: a banned"
            f" client still logs in, and {instead}",
            spans[0],
            also=spans[1:],
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="tcp-request connection reject if { src -f /etc/haproxy/banned.lst }, a list kept from Mailcow's",
        )


def _beside(sources: Sources, lane: Lane) -> bool:
    """Whether HAProxy may run on the mail server's own machine, where Mailcow's rules see each client's packets."""
    if lane.target is None or edges(sources.compose):
        return lane.target is not None
    return loopback(lane.target.host) or sources.ports.at(lane.target.host, lane.target.port).direct
