"""Whether what the VM publishes, what HAProxy dials and what the VM's nic has agree."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.mailcow import TRUST
from console.model import PLAIN_PORTS, Finding, Lane, Published, Span, Topology
from console.text import address, join_words
from console.topology.containers import is_foreign
from console.topology.daemons import DOVECOT, POSTFIX, Listener
from console.topology.lanes import MAIL, PROTOCOLS, SERVICES
from console.topology.sources import Sources

EVERYWHERE = frozenset(("", "*", "0.0.0.0", "::", "[::]"))

_EVERY = {"::": "every IPv6 address", "0.0.0.0": "every IPv4 address"}

# Tailscale gives these to the machine itself: no nic of Incus's pins them.
_TAILNET = (ip_network("100.64.0.0/10"), ip_network("fd7a:115c:a1e0::/48"))


@static("CH006")
def spoofable_proxy_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """PROXY ports published on all addresses: whoever reaches the VM may claim to be anybody."""
    open_ports = [entry for entry in _proxy_ports(sources) if entry.address in EVERYWHERE]
    if not open_ports:
        return
    ports = list(dict.fromkeys(str(entry.port) for entry in open_ports))
    services = dict.fromkeys(entry.service for entry in open_ports)
    lanes = [lane for lane in topology.lanes if lane.target and str(lane.target.port) in ports]
    # Dovecot believes nobody but its own list; neither it nor nginx relays anything.
    daemons = {sources.ports.daemons[entry.container_port].service for entry in open_ports}
    relays = POSTFIX in daemons
    claims = "can fake a client address and relay mail" if relays else "can try to claim any client address"
    stops = f", and only Dovecot's {TRUST} stands in the way" if daemons == {DOVECOT} else ""
    yield finding(
        "CH006",
        f"{join_words(list(services))} {'publish' if len(services) > 1 else 'publishes'}"
        f" PROXY port{'s' * (len(ports) > 1)}"
        f" {join_words(ports, 8)} on every address: whoever reaches the VM {claims}{stops}",
        open_ports[0].source,
        also=tuple(entry.source for entry in open_ports[1:]),
        lanes=words.ids(lanes),
        hop="vm",
        severity=None if relays else "medium",
        remedy=None if daemons != {DOVECOT} else _BIND_DOVECOT,
    )


_BIND_DOVECOT = "publish on the one address that HAProxy dials (IMAPS_PORT_HAPROXY=10.x.x.x:10993 in mailcow.conf)"


@static("CH021")
def listener_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY port is published for nobody, or a lane leads to a port or an address that nobody publishes."""
    if topology.lanes and (sources.haproxy is not None or not sources.site.sources.haproxy):
        yield from _unneeded(sources, topology)
        yield from _unreached(sources, topology)


def _unneeded(sources: Sources, topology: Topology) -> Iterator[Finding]:
    # What is cut off, or decided elsewhere, may be the listener that is missed.
    if sources.compose is None or sources.routes.vague or (sources.haproxy is not None and sources.haproxy.problems):
        return
    arrivals = [way.arrival for way in sources.routes.ways]
    arrivals += [sources.ports.at(lane.target.host, lane.target.port) for lane in topology.lanes if lane.target]
    if not all(arrival.known or arrival.entry for arrival in arrivals):
        return
    dialled = {(arrival.entry.service, arrival.entry.port) for arrival in arrivals if arrival.entry}
    for entry in _proxy_ports(sources):
        if (entry.service, entry.port) in dialled:
            continue
        public = _public(sources.ports.daemons[entry.container_port])
        served = any(lane.port == public for lane in topology.lanes)
        outcome = "nobody needs it" if served or not public else f"{PROTOCOLS[public]} ({public}) is closed to clients"
        yield finding(
            "CH021",
            f"{entry.service} publishes PROXY port {entry.port}, but no HAProxy listener leads there: {outcome}",
            entry.source,
            hop="haproxy",
        )


def _public(listener: Listener) -> int:
    """Return the port that clients know a listener's service by; 0 when it has none."""
    if listener.port in PLAIN_PORTS:
        return PLAIN_PORTS[listener.port]
    return next((port for port, protocol in PROTOCOLS.items() if protocol == listener.protocol), 0)


def _unreached(sources: Sources, topology: Topology) -> Iterator[Finding]:
    if sources.compose is not None and (sources.compose.problems or is_foreign(sources.compose, sources.environment)):
        return
    found: dict[tuple[str, int], list[Lane]] = {}
    ours = {way.server.host for way in sources.routes.ways if way.ours}
    for lane in topology.lanes:
        if lane.target is not None and (lane.protocol in MAIL or lane.service or lane.target.host in ours):
            found.setdefault((lane.target.host, lane.target.port), []).append(lane)
    for (host, port), lanes in found.items():
        target = lanes[0].target
        problem, remedy, places = _absent(sources, host, port, lanes)
        if problem and target is not None:
            yield finding(
                "CH021",
                f"{words.lanes(lanes)}: HAProxy dials {address(host, port)}, {problem}",
                target.source or lanes[0].source,
                also=places,
                lanes=words.ids(lanes),
                hop="vm",
                remedy=remedy,
            )


def _absent(sources: Sources, host: str, port: int, lanes: list[Lane]) -> tuple[str, str, tuple[Span, ...]]:
    """Say why nobody answers at an address and port: problem, remedy, places; "" when somebody does, or may."""
    ports, arrival = sources.ports, sources.ports.at(host, port)
    if not arrival.known or arrival.direct or arrival.stranger:
        return "", "", ()
    there = f"which leads to {address(arrival.host, arrival.port)}, which" if arrival.hops else "which"
    if arrival.elsewhere:
        addresses = dict.fromkeys(entry.address for entry in arrival.elsewhere)
        found = join_words([_EVERY.get(each, each) for each in addresses], 4)
        places = tuple(entry.source for entry in arrival.elsewhere if entry.source.line)
        file = places[0].file if places else "compose"
        unless = "" if arrival.hops else ", unless something forwards it there"
        problem = f"{there} {file} publishes on {found} only: nobody answers{unless}"
        other = next((each for each in addresses if each not in _EVERY and not each.startswith("127.")), "")
        return problem, f"publish it on {arrival.host}{f', or dial {other}' if other else ''}", places
    if arrival.entry is not None or not any(lane.protocol in MAIL for lane in lanes) or not sources.named:
        return "", "", ()
    if sources.compose is not None and any(entry.port == port for entry in sources.compose.asleep):
        return "", "", ()  # a service that is started when it is asked for may answer
    service = SERVICES.get(arrival.port)
    moved = [entry for entry in ports.assumed if entry.container_port == arrival.port and entry.service == service]
    if service is not None and not moved and not ports.tells(service):
        return "", "", ()
    if sources.compose is None and not moved:
        return "", "", ()
    if moved and moved[0].port != arrival.port and moved[0].source.line:
        places = (moved[0].source,)
        return f"{there} {moved[0].variable} moves to {moved[0].port}", f"dial port {moved[0].port}", places
    remedy = "publish the port in docker-compose.override.yml, or drop the listener"
    return f"{there} no compose file publishes", remedy, ()


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
        found = _address(host)
        if found is not None and found not in pinned and _given_by_incus(found):
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
        # A forward's address is no nic's, nor is a container's.
        arrival = way.arrival
        if way.ours and arrival.known and not (arrival.hops or arrival.direct or arrival.stranger):
            yield way.server.host, way.server.span
    for lane in topology.lanes:
        if not lane.frontend and lane.target:
            arrival = sources.ports.at(lane.target.host, lane.target.port)
            if not arrival.hops and not arrival.direct:
                yield lane.target.host, lane.source


def _proxy_ports(sources: Sources) -> list[Published]:
    """Return the ports of the compose files behind which a daemon waits for a PROXY header."""
    return [entry for entry in sources.published if sources.ports.wants_header(entry)]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("/")[0])
    except ValueError:
        return None


def _given_by_incus(address: IPv4Address | IPv6Address) -> bool:
    return address.is_private and not address.is_loopback and not any(address in network for network in _TAILNET)
