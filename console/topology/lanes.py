"""Lanes: which ports HAProxy listens on, what they speak, and the servers that they lead to."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from console.model import PLAIN_PORTS, Bind, Lane, Protocol, Published, Target
from console.sources.haproxy import Proxy, Server
from console.sources.haproxy.routes import Door, active, destinations
from console.text import clean

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


class Routes:
    """Where HAProxy's listeners lead: each door with its lane, and every server behind them."""

    def __init__(self, doors: tuple[Door, ...], published: tuple[Published, ...]) -> None:
        self.ports = Ports(published)
        self.lanes = _lanes(doors, self.ports)

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """Every server that HAProxy may send a lane to."""
        lanes = {id(door): lane for door, lane in self.lanes}
        ways: list[Way] = []
        before: tuple[Door, ...] = ()
        touched: tuple[Lane, ...] = ()
        mail = False
        for backend, server, port, leading in destinations(tuple(door for door, _ in self.lanes)):
            if leading is not before:
                before, touched = leading, tuple([lanes[id(door)] for door in leading])
                mail = any(lane.protocol in MAIL for lane in touched)
            ways.append(Way(backend, server, port, self.ports.behind(server.host, port), touched, mail))
        hosts = {way.server.host for way in ways if way.ours}
        return tuple([way if way.ours or way.server.host not in hosts else replace(way, ours=True) for way in ways])


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
