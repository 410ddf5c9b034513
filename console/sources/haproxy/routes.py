"""From public ports to servers: the backends behind each port, HAProxy's own inner hops followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from console.model import PLAIN_PORTS
from console.sources.haproxy.addresses import loopback, own_door
from console.sources.haproxy.routing import Taken, take
from console.sources.haproxy.samples import STARTTLS, TLS, Client, World, by_variable
from console.sources.haproxy.servers import Server
from console.sources.haproxy.values import Listener, Proxy

WIDEST = 64
"""Ports of one `bind` range that become doors of their own; of a wider one only those that mean something."""

MOST_DOORS = 10_000
"""Doors beyond which every range is a wide one, so that a short line cannot make many."""

MOST = 16_384
"""Doors that are told: what has more is no mail server's, and each of them would be asked."""

MOST_ENDS = 64
"""Backends behind HAProxy's own inner hops that are followed from one frontend."""

MOST_WAYS = 4096
"""Ways by the clients' own ports that one backend's servers have; beyond, only those of meaningful ports."""

# Ports that are doors of their own in a range however wide.
_MEANINGFUL = tuple(sorted((*PLAIN_PORTS, *PLAIN_PORTS.values(), 80, 443)))

DEEPEST = 8
"""Frontends behind frontends that are followed."""


MOST_JUDGED = 50_000
"""Rules that are worked out for the clients of one file; beyond, each may hold or not."""

MOST_PORTS = 512
"""Ports whose clients are told apart."""

_NO_FILES: Mapping[str, str] = {}


class Door(Struct, frozen=True, gc=False):
    """One TCP port of a frontend; `ends` are the backends behind it, the one most connections take first.

    The first `likely` of them are those that may take a usual client: one when the files decide it. `tls` says that
    HAProxy ends TLS for them, at this port or at an inner hop; `open`, that some may end where no file tells.
    `clients` are those whose way was worked out, with the `files` that were asked."""

    frontend: Proxy
    port: int
    listeners: tuple[Listener, ...]
    tls: bool
    ends: tuple[Proxy, ...]
    likely: int = 1
    open: bool = False
    clients: tuple[Client, ...] = ()
    files: Mapping[str, str] = _NO_FILES


class _Behind(Struct, frozen=True):
    ends: tuple[Proxy, ...]
    tls: bool
    likely: int = 0
    open: bool = False


def doors(
    proxies: tuple[Proxy, ...], names: tuple[str, ...] = (), files: Mapping[str, str] = _NO_FILES
) -> tuple[Door, ...]:
    """Return every TCP port that somebody listens on; of a very wide range only meaningful ports and its first.

    A port where HAProxy shows its own statistics alone is none.

    `names` are those that clients ask for, `files` the texts of the files that HAProxy's conditions name."""
    ways = _Ways(proxies, names, files)
    found: list[Door] = []
    for proxy in proxies:
        if proxy.disabled or not proxy.binds:
            continue
        if len(found) >= MOST:
            break
        by_port = _by_port(proxy, len(found) > MOST_DOORS)
        # Where that would be too much work, the clients of all ports are told together.
        apart = len(by_port) * (len(proxy.use_backend) + len(proxy.routing.acls)) <= MOST_JUDGED
        for port, listeners in by_port.items():
            clients = ways.clients(proxy, port if apart else 0, listeners)
            behind = ways.behind_all(proxy, clients)
            inner = all(loopback(each.address) for each in listeners) and (not behind.ends or ways.dialled(port))
            if not inner and not ways.shows_statistics(proxy, behind):
                tls = behind.tls or any(listener.tls for listener in listeners)
                found.append(
                    Door(
                        proxy,
                        port,
                        tuple(listeners),
                        tls,
                        behind.ends,
                        behind.likely,
                        behind.open,
                        clients if ways.conditional else (),
                        files,
                    )
                )
    return tuple(found[:MOST])


def destinations(entries: tuple[Door, ...]) -> Iterator[tuple[Proxy, Server, int, tuple[Door, ...]]]:
    """Yield every enabled server behind the doors with the port it is dialled at, and the doors that lead there."""
    for backend, leading in _leading(entries):
        servers = [server for server in backend.servers if not server.disabled and not server.local]
        if backend.routing.servers:
            taken = [(door, {id(server) for server in taking(backend, door)}) for door in leading]
            for server in servers:
                yield from _dialled(backend, [server], tuple(door for door, found in taken if id(server) in found))
        else:
            yield from _dialled(backend, servers, leading)


def _dialled(
    backend: Proxy, servers: list[Server], leading: tuple[Door, ...]
) -> Iterator[tuple[Proxy, Server, int, tuple[Door, ...]]]:
    ports: dict[int, list[Door]] = {}
    if any(server.port is None for server in servers):
        for door in leading:
            ports.setdefault(door.port, []).append(door)
    if len(ports) * len(servers) > MOST_WAYS:
        ports = {port: ports[port] for port in _MEANINGFUL if port in ports}
    shared = {port: tuple(there) for port, there in ports.items()}
    for server in servers:
        if server.port is not None and not server.open:
            yield backend, server, server.port, leading
            continue
        for number, there in shared.items():
            if port := server.reached(number):
                yield backend, server, port, there


def taking(backend: Proxy, door: Door) -> tuple[Server, ...]:
    """Return the servers that `use-server` may give a door's clients, the first of them first: all without a rule."""
    rules = len(backend.routing.servers) + len(backend.routing.acls) + len(backend.routing.sets)
    if rules == 0 or not door.clients or rules > MOST_JUDGED // MOST_PORTS:
        return backend.servers
    chosen: dict[str, None] = {}
    world = World(door.files, by_variable(backend.routing.sets), {server.name: 1 for server in backend.servers})
    for client in door.clients:
        found = take(backend.routing.servers, None, backend, client, world)
        if not found.sure:
            # Who meets no rule is given one of all: that is the usual client.
            chosen.update(dict.fromkeys(server.name for server in backend.servers))
        chosen.update(dict.fromkeys(found.names))
    return tuple(server for name in chosen for server in backend.servers if server.name == name and not server.disabled)


def _leading(entries: tuple[Door, ...]) -> Iterator[tuple[Proxy, tuple[Door, ...]]]:
    """Yield every backend with the doors that lead there; doors of one frontend have the very same ends."""
    together: dict[int, tuple[tuple[Proxy, ...], list[Door]]] = {}
    for door in entries:
        together.setdefault(id(door.ends), (door.ends, []))[1].append(door)
    behind: dict[int, tuple[Proxy, list[tuple[Door, ...]]]] = {}
    for ends, there in together.values():
        same = tuple(there)
        for end in ends:
            behind.setdefault(id(end), (end, []))[1].append(same)
    for backend, groups in behind.values():
        yield backend, groups[0] if len(groups) == 1 else tuple([door for group in groups for door in group])


def active(backend: Proxy, door: Door | None = None) -> Server | None:
    """Return the server that takes the connections, of a door if told, while all is well."""
    found = [each for each in (backend.servers if door is None else taking(backend, door)) if not each.disabled]
    return min(found, key=lambda server: 2 * server.backup + server.drained, default=None)


def _by_port(proxy: Proxy, many: bool) -> dict[int, list[Listener]]:
    ports: dict[int, list[Listener]] = {}
    for listener in proxy.binds:
        if listener.transport != "tcp" or listener.port is None or listener.last is None:
            continue
        numbers = range(listener.port, listener.last + 1)
        wide = len(numbers) > (1 if many or len(ports) > MOST_DOORS else WIDEST)
        for number in [listener.port, *(each for each in _MEANINGFUL if each in numbers)] if wide else numbers:
            ports.setdefault(number, []).append(listener)
    return ports


class _Ways:
    """Backends by name, and the frontends that HAProxy itself dials through a loopback port or a UNIX socket."""

    def __init__(self, proxies: tuple[Proxy, ...], names: tuple[str, ...], files: Mapping[str, str]) -> None:
        self.backends: dict[str, Proxy] = {}
        self.twins: dict[str, list[Proxy]] = {}
        self.inner: dict[str, tuple[Proxy, Listener]] = {}
        self.known: dict[tuple[int, Client | None], _Behind] = {}
        self.followed: dict[int, list[tuple[Server, Proxy, Listener]]] = {}
        self.passed: dict[tuple[int, Client], _Behind] = {}
        self.ends: dict[tuple[int, ...], tuple[Proxy, ...]] = {}
        for proxy in proxies:
            if proxy.kind != "frontend":
                self._know(proxy)
            for listener in proxy.binds if not proxy.disabled else ():
                if key := own_door(listener.transport == "local", listener.address, listener.port, anywhere=True):
                    self.inner.setdefault(key, (proxy, listener))
        self.hops = {
            key
            for backend in self.sections()
            for server in backend.servers
            if (key := own_door(server.local, server.host, server.port)) and key in self.inner
        }
        self.conditional = any(
            proxy.routing.servers or any(route.conditional or route.dynamic for route in proxy.use_backend)
            for proxy in proxies
        )
        self.world = World(files, {}, self._sizes() if self.conditional else {})
        self.names = tuple(name.lower() for name in names) or ("",)
        self.left = MOST_JUDGED
        self.ports: set[int] = set()

    def _know(self, proxy: Proxy) -> None:
        """Keep a section under its name; with others of that name in the branches of an `.if` that nobody decides."""
        first = self.backends.setdefault(proxy.name, proxy)
        if first is not proxy and (first.perhaps or proxy.perhaps):
            twins = self.twins.setdefault(proxy.name, [first])
            if len(twins) < MOST_ENDS:
                twins.append(proxy)

    def sections(self) -> Iterator[Proxy]:
        """Yield every backend and listen that may count, of one name the first of each branch."""
        yield from self.backends.values()
        for twins in self.twins.values():
            yield from twins[1:]

    def _sizes(self) -> dict[str, int]:
        return {name: sum(not each.disabled for each in backend.servers) for name, backend in self.backends.items()}

    def clients(self, proxy: Proxy, port: int, listeners: list[Listener]) -> tuple[Client, ...]:
        """Return the clients of a port, one for each name; all ports have the same where no condition asks."""
        if not self.conditional:
            return _ANYBODY
        if len(self.ports) >= MOST_PORTS and port not in self.ports:
            port = 0
        self.ports.add(port)
        ended = {listener.tls for listener in listeners}
        begins = False if port in STARTTLS else True if port in TLS else None
        socket, number = _only(each.name for each in listeners), _only(each.id for each in listeners)
        one = Client(
            port, "", ended.pop() if len(ended) == 1 else None, proxy.mode == "http", True, begins, socket, number
        )
        return tuple(replace(one, name=name) for name in self.names)

    def dialled(self, port: int) -> bool:
        """Whether one of HAProxy's own servers is this port of its own."""
        return str(port) in self.hops

    def shows_statistics(self, proxy: Proxy, behind: _Behind) -> bool:
        """Whether HAProxy's own statistics are all that is there: no lane of anybody's."""
        if behind.ends or behind.open or proxy.servers:
            return False
        backend = self.backends.get(proxy.default_backend.backend) if proxy.default_backend is not None else None
        return proxy.routing.stats or (backend is not None and backend.routing.stats and not backend.servers)

    def behind_all(self, proxy: Proxy, clients: tuple[Client, ...]) -> _Behind:
        """Return what is behind a proxy for all of these clients."""
        found = [self.behind(proxy, client, 0) for client in clients]
        return found[0] if len(found) == 1 else self._together(found)

    def behind(self, proxy: Proxy, client: Client, depth: int) -> _Behind:
        # Without a condition anywhere all clients go the same way.
        key = (id(proxy), client if self.conditional and self.left >= 0 else None)
        found = self.known.get(key)
        if found is None:
            self.known[key] = _NOBODY
            found = self.known[key] = self._look(proxy, client, depth)
        return found

    def _together(self, found: Iterable[_Behind]) -> _Behind:
        """Put together what may be behind: the likely ends of each first."""
        likely: dict[int, Proxy] = {}
        ends: dict[int, Proxy] = {}
        tls = opened = False
        for each in found:
            tls, opened = tls or each.tls, opened or each.open
            likely.update((id(end), end) for end in each.ends[: each.likely])
            if len(ends) < MOST_ENDS:
                ends.update((id(end), end) for end in each.ends[:MOST_ENDS])
        ends = {**likely, **ends}
        # Equal ends are the very same tuple: what is made of them is then made once.
        same = self.ends.setdefault(tuple(ends), tuple(ends.values()))
        return _Behind(same, tls, len(likely), opened)

    def _look(self, proxy: Proxy, client: Client, depth: int) -> _Behind:
        if not proxy.use_backend:
            default = _default(proxy)
            return self._named(default, proxy, client, depth) if default is not None else _NOBODY
        usual, perhaps = self._taken(proxy, client)
        likely = self._together([self._named(name, proxy, client, depth) for name in usual.names])
        further = [self._named(name, proxy, client, depth) for name in perhaps.names if name not in usual.names]
        less = [replace(each, likely=0) for each in further]
        found = self._together([likely, *less])
        return replace(found, open=found.open or perhaps.open)

    def _taken(self, proxy: Proxy, client: Client) -> tuple[Taken, Taken]:
        """Return who takes a usual client, and who takes any."""
        default = _default(proxy)
        self.left -= len(proxy.routing.acls) + len(proxy.routing.sets)
        self.left -= sum(len(self.backends) if route.dynamic else 1 for route in proxy.use_backend)
        if self.left < 0:
            names = [route.backend for route in proxy.use_backend if not route.dynamic]
            every = Taken((*((default,) if default is not None else ()), *names), False, True)
            return every, every
        world = replace(self.world, sets=by_variable(proxy.routing.sets), frontend=proxy.name)
        usual = take(proxy.use_backend, default, proxy, client, world)
        return usual, take(proxy.use_backend, default, proxy, replace(client, usual=False), world)

    def _named(self, name: str, asking: Proxy, client: Client, depth: int) -> _Behind:
        """Return what is behind a name that a section gives its clients to."""
        twins = self.twins.get(name)
        if twins is None:
            backend = self.backends.get(name)
            return self._backend(backend, client, depth) if backend is not None else _NOBODY
        if asking.kind == "listen" and asking.name == name:
            return self._backend(asking, client, depth)
        return self._together([self._backend(each, client, depth) for each in twins])

    def _backend(self, backend: Proxy, client: Client, depth: int) -> _Behind:
        hops = self.hops_of(backend) if depth < DEEPEST else []
        if hops:
            key = (id(backend), client)
            if key not in self.passed:
                self.passed[key] = _NOBODY
                self.passed[key] = self._through(hops, client, depth)
            return self.passed[key]
        return _Behind((backend,), False, 1) if backend.servers else _NOBODY

    def _through(self, hops: list[tuple[Server, Proxy, Listener]], client: Client, depth: int) -> _Behind:
        """Return what is behind the inner frontends that a backend's servers are."""
        found = []
        for server, inner, listener in hops:
            onward = client
            if self.conditional:
                kept = listener.accepts_proxy and server.proxy_protocol is not None
                begins = True if server.tls else False if client.ended else client.begins
                onward = Client(
                    client.port if kept else listener.port or 0, client.name, listener.tls, inner.mode == "http",
                    True, begins,
                )  # fmt: skip
            further = self.behind(inner, onward, depth + 1)
            found.append(replace(further, tls=further.tls or listener.tls))
        return self._together(found)

    def hops_of(self, backend: Proxy) -> list[tuple[Server, Proxy, Listener]]:
        """Return the inner frontends that a backend's servers are, if all are."""
        if not self.hops:
            return []
        known = self.followed.get(id(backend))
        if known is None:
            servers = [server for server in backend.servers if not server.disabled]
            found = [(server, self.inner.get(own_door(server.local, server.host, server.port))) for server in servers]
            whole = [(server, *hop) for server, hop in found if hop]
            known = self.followed[id(backend)] = whole if len(whole) == len(found) else []
        return known


def _only(called: Iterable[str]) -> str:
    """Return what all are called; "" when that differs."""
    found = set(called)
    return found.pop() if len(found) == 1 else ""


_ANYBODY = (Client(0),)
_NOBODY = _Behind((), False)


def _default(proxy: Proxy) -> str | None:
    """Return the backend of clients that no rule takes; a listen is its own."""
    if proxy.default_backend is not None:
        return proxy.default_backend.backend
    return proxy.name if proxy.kind == "listen" else None


Hop = tuple[Proxy, Server, Proxy, Listener]
"""A server that is one of HAProxy's own listeners: its backend, itself, the frontend, the listener."""


def inner_hops(proxies: tuple[Proxy, ...]) -> Iterator[Hop]:
    """Yield every server that is one of HAProxy's own listeners."""
    ways = _Ways(proxies, (), _NO_FILES)
    for backend in ways.sections() if ways.hops else ():
        for server, inner, listener in ways.hops_of(backend):
            yield backend, server, inner, listener
