"""Whether Mailcow's bans hit whom they are meant for, behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import PLAIN_PORTS, Finding, Lane, Topology
from console.sources.haproxy import Configuration, Door
from console.topology import MAIL, Sources

_PLAIN = frozenset(PLAIN_PORTS.values())
_REFUSALS = frozenset(("reject", "silent-drop", "deny", "tarpit"))
_RULES = frozenset(("tcp-request", "http-request"))


@static("CH008")
def proxy_banned(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Without a PROXY header all clients have the proxy's address; netfilter-mailcow bans it unless it is private."""
    groups: dict[str, list[Lane]] = {}
    for way in sources.ways:
        if way.ours and way.behind in _PLAIN and way.server.proxy_protocol is None and _bannable(way.server.host):
            for lane in way.lanes:
                if lane.protocol in MAIL:
                    groups.setdefault(way.server.host, []).append(lane)
    for host, lanes in groups.items():
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
    open_doors = [
        (door, lane)
        for door, lane in sources.entries
        if lane.protocol in MAIL
        and lane.protocol != "smtp"
        and lane.proxy_protocol
        and lane.service in ("postfix-mailcow", "dovecot-mailcow")
        and not _refuses(sources.haproxy, door)
    ]
    if open_doors:
        lanes = [lane for _, lane in open_doors]
        spans = tuple(dict.fromkeys(door.frontend.span for door, _ in open_doors))
        yield finding(
            "CH009",
            f"{words.lanes(lanes)}: Mailcow bans the packets' source, which behind HAProxy is the tunnel's: a banned"
            " client still logs in, and nothing here rejects it",
            spans[0],
            also=spans[1:],
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="tcp-request connection reject if { src -f /etc/haproxy/banned.lst }, a list kept from Mailcow's",
        )


def _refuses(configuration: Configuration, door: Door) -> bool:
    """Whether a frontend, or the defaults it names, rejects some clients."""
    names: set[str | None] = set()
    for section in reversed(configuration.sections):
        ours = section.span == door.frontend.span
        if ours:
            names.add(section.base)
        if ours or (section.kind == "defaults" and section.name and section.name in names):
            for line in section.lines:
                if line.words[0] in _RULES and _REFUSALS & set(line.words):
                    return True
    return False
