"""Lanes: which ports HAProxy listens on, what they speak, and the servers that they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from console.model import Bind, Lane, Protocol, Target
from console.sources.haproxy import Proxy, Server
from console.sources.haproxy.routes import Door, active, destinations
from console.text import clean
from console.topology.daemons import NGINX, Header
from console.topology.listeners import Arrival, Ports

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
    """One server that lanes may end at, backups included. `arrival` is who answers, `behind` its container's port.

    `ours` says that it is the mail server's, by a lane's protocol or because mail lanes end at the same host; `unnamed`
    are the lanes whose HTTP requests are not given the client's address on their way."""

    backend: Proxy
    server: Server
    port: int
    behind: int
    lanes: tuple[Lane, ...]
    ours: bool
    arrival: Arrival
    unnamed: tuple[Lane, ...] = ()

    @property
    def headed(self) -> bool:
        """Whether the daemon is sent a PROXY header, by HAProxy or by what stands between."""
        return self.server.proxy_protocol is not None or self.arrival.adds


class Routes:
    """Where HAProxy's listeners lead: each door with its lane, and every server behind them."""

    def __init__(self, doors: tuple[Door, ...], ports: Ports | None = None, vague: bool = False) -> None:
        self.ports = ports or Ports()
        self.lanes = _lanes(doors, self.ports)
        self.vague = vague or any(door.open for door in doors)
        """Whether there may be listeners, or servers behind them, that the files do not tell."""

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
                before, touched = leading, once([lanes[id(door)] for door in leading])
                mail = any(lane.protocol in MAIL for lane in touched)
            arrival = self.ports.at(server.host, port)
            unnamed: tuple[Lane, ...] = ()
            if backend.mode == "http" and not backend.forwards:
                unnamed = once([lanes[id(door)] for door in leading if not door.frontend.forwards])
            ways.append(Way(backend, server, port, arrival.listener.port, touched, mail, arrival, unnamed))
        if any(way.server.backup for way in ways):
            ways = self._without_spares(ways)
        hosts = {way.server.host for way in ways if way.ours and not way.arrival.stranger} or _web_hosts(ways)
        return tuple([way if way.ours or way.server.host not in hosts else replace(way, ours=True) for way in ways])

    def _without_spares(self, ways: list[Way]) -> list[Way]:
        """Return the ways, those to spares on machines of their own as anybody's: another provider's MX, perhaps."""
        usual = {way.server.host for way in ways if not way.server.backup}
        return [
            replace(way, arrival=self.ports.anybody(way.server.host, way.port))
            if usual and way.server.backup and way.server.host not in usual
            else way
            for way in ways
        ]


def once(lanes: Sequence[Lane]) -> tuple[Lane, ...]:
    """Return lanes, each once: two sections of one name may stand in the branches of an `.if`."""
    found: dict[str, Lane] = {}
    for lane in lanes:
        found.setdefault(lane.id, lane)
    return tuple(found.values())


def _web_host(entries: tuple[Door, ...], taking: _Taking, ports: Ports) -> set[str]:
    """Return the host of Mailcow's web server where no lane carries mail; none when several may be it."""
    hosts: set[str] = set()
    for door in entries:
        for end in door.ends[: door.likely]:
            server = taking.server(end, door)
            number = server.reached(door.port) if server else None
            if server and number and (entry := ports.at(server.host, number).entry) and entry.service == NGINX:
                hosts.add(server.host)
    return hosts if len(hosts) == 1 else set()


def _web_hosts(ways: list[Way]) -> set[str]:
    """Return the host of Mailcow's web server where no lane carries mail: the one that its web lanes end at."""
    hosts = {way.server.host for way in ways if way.arrival.entry and way.arrival.entry.service == NGINX}
    return hosts if len(hosts) == 1 else set()


def _lanes(entries: tuple[Door, ...], ports: Ports) -> tuple[tuple[Door, Lane], ...]:
    """Turn doors into lanes; where a frontend has several backends, the mail server's is the one that counts."""
    taking = _Taking()
    hosts = {
        server.host
        for door in entries
        if door.port in PROTOCOLS and PROTOCOLS[door.port] in MAIL and door.ends
        if (server := taking.server(door.ends[0], door)) and not ports.stranger(server.host, server.reached(door.port))
    } or _web_host(entries, taking, ports)
    chosen: dict[tuple[int, int], tuple[tuple[Choice, ...], bool]] = {}
    lanes: list[tuple[Door, Lane]] = []
    for door in entries:
        if any(end.routing.servers for end in door.ends):
            lanes.append((door, _lane(door, *_choose(door, hosts, taking), ports)))
            continue
        # All ports of a frontend mostly lead to the very same backends.
        key = (id(door.ends), door.likely)
        if key not in chosen:
            chosen[key] = _choose(door, hosts, taking)
        lanes.append((door, _lane(door, *chosen[key], ports)))
    return tuple(lanes)


Choice = tuple[Proxy, Server]
"""A backend, and the server there that takes the connections."""

WANTED: dict[Header, bool | None] = {"wanted": True, "refused": False, "unknown": None}
"""A listener's wish, as lanes keep it."""

MOST_OTHERS = 8
"""Further targets of one lane that are told."""


class _Taking:
    """The server of each backend that takes the connections, looked for once."""

    def __init__(self) -> None:
        self._found: dict[int, Server | None] = {}

    def server(self, backend: Proxy, door: Door) -> Server | None:
        if backend.routing.servers:
            return active(backend, door)
        key = id(backend)
        if key not in self._found:
            self._found[key] = active(backend)
        return self._found[key]


def _choose(door: Door, hosts: set[str], taking: _Taking) -> tuple[tuple[Choice, ...], bool]:
    """Return where a usual client of a door ends, the mail server first, and whether that is among it."""
    choices = [(end, server) for end in door.ends[: door.likely] if (server := taking.server(end, door))]
    ours = [choice for choice in choices if choice[1].host in hosts]
    others = [choice for choice in choices if choice[1].host not in hosts]
    return (*ours, *others), bool(ours)


def _lane(door: Door, choices: tuple[Choice, ...], ours: bool, ports: Ports) -> Lane:
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
        open="?" if door.open else "",
    )
    if choices:
        backend, server = choices[0]
        target = _target(door, server)
        service, service_port = ports.service(target.host, target.port, ours) if target else (None, None)
        others = tuple([found for _, each in choices[1 : MOST_OTHERS + 1] if (found := _target(door, each))])
        lane = replace(
            lane,
            protocol=_protocol(door, target, ports),
            target=target,
            proxy_protocol=server.proxy_protocol,
            # HAProxy has statistics of servers, and none of what dispatch leads to.
            proxy=clean(backend.name) if server.name else "",
            server=clean(server.name),
            check=server.check,
            service=clean(service) if service else None,
            service_port=service_port,
            others=tuple(each for each in dict.fromkeys(others) if target is None or not _same(each, target)),
            open=_open(server) or lane.open,
            wants_header=WANTED[ports.at(target.host, target.port).listener.header] if target else None,
        )
    return lane


def _target(door: Door, server: Server) -> Target | None:
    number = server.reached(door.port)
    return Target(clean(server.host), number, server.span) if number else None


def _same(one: Target, other: Target) -> bool:
    return (one.host, one.port) == (other.host, other.port)


def _open(server: Server) -> str:
    """Return the target of a server as written, when its port is open."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return clean(f"{host}:{server.open}") if server.open else ""


def _protocol(door: Door, target: Target | None, ports: Ports) -> Protocol:
    """Tell what a lane speaks: by its public port, else by the daemon's, else by HAProxy's mode."""
    known = PROTOCOLS.get(door.port)
    if known:
        return known
    if target:
        known = ports.at(target.host, target.port).listener.protocol
    if known is None:
        known = "http" if door.frontend.mode == "http" else "tcp"
    return _TLS.get(known, known) if door.tls else known
