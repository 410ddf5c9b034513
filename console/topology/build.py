"""From the sources to the map: lanes, nodes, volumes. No I/O, and nothing here can fail."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from console.model import (
    PLAIN_PORTS,
    Bind,
    Instance,
    Lane,
    Node,
    Protocol,
    Published,
    Span,
    Target,
    Topology,
)
from console.site import DeclaredLane, Site
from console.sources.haproxy import Configuration, Proxy, Server
from console.sources.haproxy.addresses import read
from console.sources.haproxy.routes import Door, active, destinations
from console.text import clean

if TYPE_CHECKING:
    from console.sources.authorized_keys import Entry
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.mounts import Mounts
    from console.sources.opentofu.files import Tofu
    from console.sources.settings import Settings
    from console.sources.shell import Script

PROTOCOLS: dict[int, Protocol] = {
    25: "smtp",
    465: "smtps",
    587: "submission",
    143: "imap",
    993: "imaps",
    110: "pop3",
    995: "pop3s",
    4190: "sieve",
    80: "http",
    443: "https",
}
"""What a public port speaks, by its number (IANA)."""

MAIL: frozenset[Protocol] = frozenset(("smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "sieve"))

SERVICES = {
    25: "postfix-mailcow",
    465: "postfix-mailcow",
    587: "postfix-mailcow",
    143: "dovecot-mailcow",
    993: "dovecot-mailcow",
    110: "dovecot-mailcow",
    995: "dovecot-mailcow",
    4190: "dovecot-mailcow",
    80: "nginx-mailcow",
    443: "nginx-mailcow",
}
"""Who answers on the ports that Mailcow's own docker-compose.yml publishes."""

_TLS: dict[Protocol, Protocol] = {
    "imap": "imaps",
    "pop3": "pop3s",
    "smtp": "smtps",
    "submission": "smtps",
    "http": "https",
}
"""What a client speaks when HAProxy ends TLS in front of the plain protocol."""


class Way(Struct, frozen=True, gc=False):
    """One server that lanes may end at, backups included. `behind` is the container's port behind `port`.

    `ours` says that it is the mail server's, by a lane's protocol or because mail lanes end at the same host."""

    backend: Proxy
    server: Server
    port: int
    behind: int
    lanes: tuple[Lane, ...]
    ours: bool


class Sources(Struct, frozen=True, dict=True):
    """All that was read. `declared` holds the places of the site's `[[lane]]` entries, in their order.

    `environment` is mailcow.conf, `postfix` extra.cf, `dovecot` extra.conf; `texts` has each file by its name."""

    site: Site = Site()
    haproxy: Configuration | None = None
    tofu: Tofu | None = None
    compose: Compose | None = None
    scripts: tuple[Script, ...] = ()
    declared: tuple[Span, ...] = ()
    environment: EnvFile | None = None
    environment_file: str = ""
    postfix: Settings | None = None
    dovecot: Settings | None = None
    mounts: Mounts | None = None
    keys: tuple[Entry, ...] = ()
    texts: dict[str, str] = {}

    @property
    def published(self) -> tuple[Published, ...]:
        """The ports that the compose files publish."""
        return self.compose.published if self.compose else ()

    @cached_property
    def ports(self) -> Ports:
        """What stands behind the ports of the VM."""
        return Ports(self.published)

    @cached_property
    def entries(self) -> tuple[tuple[Door, Lane], ...]:
        """HAProxy's doors with the lanes they are."""
        return _lanes(self.haproxy.doors, self.ports) if self.haproxy else ()

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """Every server that HAProxy may send a lane to."""
        lanes = {id(door): lane for door, lane in self.entries}
        ways: list[Way] = []
        before: tuple[Door, ...] = ()
        touched: tuple[Lane, ...] = ()
        mail = False
        for backend, server, port, leading in destinations(tuple(door for door, _ in self.entries)):
            if leading is not before:
                before, touched = leading, tuple([lanes[id(door)] for door in leading])
                mail = any(lane.protocol in MAIL for lane in touched)
            ways.append(Way(backend, server, port, self.ports.behind(server.host, port), touched, mail))
        hosts = {way.server.host for way in ways if way.ours}
        return tuple([way if way.ours or way.server.host not in hosts else replace(way, ours=True) for way in ways])


def build(sources: Sources) -> Topology:
    """Draw the map of what the sources say."""
    found = [lane for _, lane in sources.entries]
    heard = {lane.port for lane in found}
    found += [lane for lane in _declared(sources) if lane.port not in heard]
    lanes: dict[str, Lane] = {}
    for lane in found:
        lanes.setdefault(lane.id, lane)
    instances = sources.tofu.instances if sources.tofu else ()
    volumes = sources.tofu.volumes if sources.tofu else ()
    return Topology(
        tuple(_nodes(sources, tuple(lanes.values()))),
        tuple(lanes.values()),
        volumes,
        instances,
        sources.published,
        sources.site.public.names,
        sources.haproxy.stats_sockets if sources.haproxy else (),
    )


class Ports:
    """The ports of the VM: who published which, and what stands behind them."""

    def __init__(self, published: tuple[Published, ...]) -> None:
        self._published: dict[int, list[Published]] = {}
        for entry in published:
            if entry.protocol == "tcp":
                self._published.setdefault(entry.port, []).append(entry)

    def published(self, host: str, port: int) -> Published | None:
        """Return the compose line that a connection to `host:port` hits; one that names that very address first."""
        entries = self._published.get(port, ())
        return next((entry for entry in entries if entry.address == host), entries[0] if entries else None)

    def behind(self, host: str, port: int) -> int:
        """Return the container's port behind a port of the VM: the published one, else the same number."""
        entry = self.published(host, port)
        return entry.container_port if entry else port

    def service(self, target: Target, ours: bool) -> tuple[str | None, int | None]:
        """Return the service that answers, and its port: as published, else as Mailcow's own compose file does.

        `ours` says that the target is the mail server, so that its port 80 is Mailcow's nginx."""
        port = target.port
        entry = self.published(target.host, port)
        if entry:
            return entry.service, entry.container_port
        if port in SERVICES and (ours or port not in (80, 443)):
            return SERVICES[port], port
        if port in PLAIN_PORTS and not self._published:
            return SERVICES[PLAIN_PORTS[port]], port
        return None, None


def _lanes(entries: tuple[Door, ...], ports: Ports) -> tuple[tuple[Door, Lane], ...]:
    """Turn doors into lanes; where a frontend has several backends, the mail server's is the one that counts."""
    taking = _Taking()
    hosts = {
        server.host
        for door in entries
        if door.port in PROTOCOLS and PROTOCOLS[door.port] in MAIL and door.ends
        if (server := taking.server(door.ends[0]))
    }
    chosen: dict[int, tuple[Choice | None, bool]] = {}
    lanes: list[tuple[Door, Lane]] = []
    for door in entries:
        # All ports of a frontend lead to the very same backends.
        if id(door.ends) not in chosen:
            chosen[id(door.ends)] = _choose(door, hosts, taking)
        lanes.append((door, _lane(door, *chosen[id(door.ends)], ports)))
    return tuple(lanes)


Choice = tuple[Proxy, Server]
"""A backend, and the server there that takes the connections."""


class _Taking:
    """The server of each backend that takes the connections, looked for once."""

    def __init__(self) -> None:
        self._found: dict[int, Server | None] = {}

    def server(self, backend: Proxy) -> Server | None:
        key = id(backend)
        if key not in self._found:
            self._found[key] = active(backend)
        return self._found[key]


def _choose(door: Door, hosts: set[str], taking: _Taking) -> tuple[Choice | None, bool]:
    """Return where most of a door's mail goes, and whether that is the mail server."""
    choices = [(end, server) for end in door.ends if (server := taking.server(end))]
    ours = [choice for choice in choices if choice[1].host in hosts]
    return next(iter(ours or choices), None), bool(ours)


def _lane(door: Door, choice: Choice | None, ours: bool, ports: Ports) -> Lane:
    name = clean(door.frontend.name)
    lane = Lane(
        name,
        _protocol(door, None, ports),
        door.port,
        tuple([Bind(clean(listener.address), door.port, listener.span) for listener in door.listeners]),
        None,
        None,
        "terminated" if door.tls else "passthrough",
        door.frontend.span,
        frontend=name,
    )
    if choice is not None:
        backend, server = choice
        number = server.reached(door.port)
        target = Target(clean(server.host), number, server.span) if number else None
        service, service_port = ports.service(target, ours) if target else (None, None)
        lane = replace(
            lane,
            protocol=_protocol(door, target, ports),
            target=target,
            proxy_protocol=server.proxy_protocol,
            proxy=clean(backend.name),
            server=clean(server.name),
            check=server.check,
            service=service,
            service_port=service_port,
        )
    return lane


def _protocol(door: Door, target: Target | None, ports: Ports) -> Protocol:
    """Tell what a lane speaks: by its public port, else by the daemon's, else by HAProxy's mode."""
    known = PROTOCOLS.get(door.port)
    if known:
        return known
    if target:
        port = ports.behind(target.host, target.port)
        known = PROTOCOLS.get(PLAIN_PORTS.get(port, port))
    if known is None:
        known = "http" if door.frontend.mode == "http" else "tcp"
    return _TLS.get(known, known) if door.tls else known


def _declared(sources: Sources) -> list[Lane]:
    """Lanes that the site declares, for a listener that is in no given file."""
    places = sources.declared
    fallback = Span("site.toml", 1)
    return [
        _declare(lane, places[index] if index < len(places) else fallback, sources.ports)
        for index, lane in enumerate(sources.site.lane)
    ]


def _declare(lane: DeclaredLane, place: Span, ports: Ports) -> Lane:
    address = read(lane.target)
    target = Target(clean(address.host), address.first, place) if address.first and not address.relative else None
    web = lane.protocol == "https" and target is not None and target.port in (80, 8080)
    tls: Literal["passthrough", "terminated"] = "terminated" if lane.tls == "terminated" else "passthrough"
    if lane.tls is None and web:
        tls = "terminated"
    service, service_port = ports.service(target, True) if target else (None, None)
    return Lane(
        lane.name or lane.protocol,
        lane.protocol,
        lane.port,
        (),
        target,
        lane.proxy_protocol,
        tls,
        place,
        service=service,
        service_port=service_port,
    )


def _nodes(sources: Sources, lanes: tuple[Lane, ...]) -> list[Node]:
    nodes: list[Node] = []
    if lanes:
        first = lanes[0]
        proxies = sources.haproxy.proxies if sources.haproxy else ()
        entered = first.binds[0].source if first.binds else first.source
        dialled = next((lane.target.source for lane in lanes if lane.target), first.source)
        names = [name for name, host in sources.site.hosts.items() if host.role == "proxy"]
        nodes += [
            Node("internet", "internet", "Internet", entered),
            Node("proxy", "proxy", names[0] if len(names) == 1 else "HAProxy", proxies[0].span if proxies else entered),
            Node("tunnel", "tunnel", "tunnel", dialled),
        ]
    nodes += _machines(sources.tofu.instances if sources.tofu else (), lanes)
    services: dict[str, Span] = {}
    for entry in sources.published:
        services.setdefault(entry.service, entry.source)
    for lane in lanes:
        if lane.service:
            services.setdefault(lane.service, (lane.target and lane.target.source) or lane.source)
    nodes += [Node(f"service:{name}", "service", name, place) for name, place in services.items()]
    volumes = sources.tofu.volumes if sources.tofu else ()
    return nodes + [Node(f"volume:{volume.name}", "volume", volume.name, volume.source) for volume in volumes]


def _machines(instances: tuple[Instance, ...], lanes: tuple[Lane, ...]) -> list[Node]:
    """Return the VMs: those declared, and targets that can be none of them; one without a pinned address may be any."""
    nodes = [Node(f"vm:{each.name}", "vm", each.name, each.source) for each in instances]
    if any(not each.addresses for each in instances):
        return nodes
    pinned = {address for each in instances for address in each.addresses}
    others: dict[str, Span] = {}
    for lane in lanes:
        if lane.target and lane.target.host and lane.target.host not in pinned:
            others.setdefault(lane.target.host, lane.target.source or lane.source)
    return nodes + [Node(f"vm:{host}", "vm", host, place) for host, place in others.items()]
