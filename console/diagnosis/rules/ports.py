"""Whether what the VM publishes, what HAProxy dials and what the VM's nic has agree."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import PLAIN_PORTS, Finding, Lane, Published, Span, Topology
from console.text import join_words
from console.topology.lanes import MAIL, PROTOCOLS, SERVICES
from console.topology.sources import Sources

EVERYWHERE = frozenset(("", "*", "0.0.0.0", "::", "[::]"))

# Tailscale gives these to the machine itself: no nic of Incus's pins them.
_TAILNET = (ip_network("100.64.0.0/10"), ip_network("fd7a:115c:a1e0::/48"))


@static("CH006")
def spoofable_proxy_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """PROXY ports published on all addresses: whoever reaches the VM may claim to be anybody."""
    open_ports = [entry for entry in _proxy_ports(topology) if entry.address in EVERYWHERE]
    if not open_ports:
        return
    ports = [str(entry.port) for entry in open_ports]
    services = dict.fromkeys(entry.service for entry in open_ports)
    lanes = [lane for lane in topology.lanes if lane.target and str(lane.target.port) in ports]
    yield finding(
        "CH006",
        f"{join_words(list(services))} {'publish' if len(services) > 1 else 'publishes'}"
        f" PROXY port{'s' * (len(ports) > 1)}"
        f" {join_words(ports, 8)} on every address: whoever reaches the VM can claim any client address, and relay",
        open_ports[0].source,
        also=tuple(entry.source for entry in open_ports[1:]),
        lanes=words.ids(lanes),
        hop="vm",
    )


@static("CH021")
def listener_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY port is published for a listener that is not there, or a lane leads to a port nobody publishes."""
    if sources.compose is None or not topology.lanes:
        return
    if sources.haproxy is None and sources.site.sources.haproxy:
        return
    dialled = {lane.target.port for lane in topology.lanes if lane.target} | {way.port for way in sources.routes.ways}
    # In the rest of a file that is cut there may be more listeners.
    whole = sources.haproxy is None or not sources.haproxy.problems
    for entry in _proxy_ports(topology) if whole else ():
        if entry.port in dialled:
            continue
        public = PLAIN_PORTS[entry.container_port]
        served = any(lane.port == public for lane in topology.lanes)
        outcome = "nobody needs it" if served else f"{PROTOCOLS[public]} ({public}) is closed to clients"
        yield finding(
            "CH021",
            f"{entry.service} publishes PROXY port {entry.port}, but no HAProxy listener leads there: {outcome}",
            entry.source,
            hop="haproxy",
        )
    if sources.compose.problems:
        return
    for port, lanes in _unpublished(sources, topology).items():
        target = lanes[0].target
        assert target is not None
        yield finding(
            "CH021",
            f"{words.lanes(lanes)}: HAProxy dials {target.host}:{port}, which no compose file publishes",
            target.source or lanes[0].source,
            lanes=words.ids(lanes),
            hop="vm",
            remedy="publish the port in docker-compose.override.yml, or drop the listener",
        )


def _unpublished(sources: Sources, topology: Topology) -> dict[int, list[Lane]]:
    """Return mail lanes by a target port that is neither published nor one of Mailcow's own compose file."""
    found: dict[int, list[Lane]] = {}
    for lane in topology.lanes:
        if lane.target is None or lane.protocol not in MAIL or lane.target.port in SERVICES:
            continue
        if sources.routes.ports.published(lane.target.host, lane.target.port) is None:
            found.setdefault(lane.target.port, []).append(lane)
    return found


@static("CH024")
def unpinned_address(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The mail server's address is in HAProxy's file, and in no nic's: a new VM gets another one."""
    tofu = sources.tofu
    if tofu is None or not tofu.instances or tofu.problems or any(nic.unknown for nic in tofu.nics):
        return
    pinned = {_address(address) for instance in tofu.instances for address in instance.addresses}
    pinned |= {_address(address) for nic in tofu.nics for address in nic.addresses}
    places: dict[str, dict[Span, None]] = {}
    for host, place in _targets(sources, topology):
        address = _address(host)
        if address is not None and address not in pinned and _given_by_incus(address):
            places.setdefault(host, {})[place] = None
    ended: dict[str, list[Lane]] = {}
    for lane in topology.lanes:
        if lane.target:
            ended.setdefault(lane.target.host, []).append(lane)
    for host, spans in places.items():
        lanes = ended.get(host, [])
        first, *others = spans
        yield finding(
            "CH024",
            f"no nic of the OpenTofu files pins {host}: a replaced VM may get another address, and"
            f" {words.lanes(lanes) or 'every lane'} {'breaks' if len(lanes) == 1 else 'break'}",
            first,
            also=tuple(others),
            lanes=words.ids(lanes),
            hop="vm",
        )


def _targets(sources: Sources, topology: Topology) -> Iterator[tuple[str, Span]]:
    for way in sources.routes.ways:
        if way.ours:
            yield way.server.host, way.server.span
    for lane in topology.lanes:
        if not lane.frontend and lane.target:
            yield lane.target.host, lane.source


def _proxy_ports(topology: Topology) -> list[Published]:
    return [entry for entry in topology.published if entry.container_port in PLAIN_PORTS and entry.protocol == "tcp"]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("/")[0])
    except ValueError:
        return None


def _given_by_incus(address: IPv4Address | IPv6Address) -> bool:
    return address.is_private and not address.is_loopback and not any(address in network for network in _TAILNET)
