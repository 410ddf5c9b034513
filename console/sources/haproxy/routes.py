"""From public ports to servers: the backends behind each port, HAProxy's own inner hops followed."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from console.model import PLAIN_PORTS
from console.sources.haproxy.proxies import Listener, Proxy
from console.sources.haproxy.servers import Server

WIDEST = 64
"""Ports of one `bind` range that become doors of their own; of a wider one only those that mean something."""

MOST_DOORS = 10_000
"""Doors beyond which every range is a wide one, so that a short line cannot make many."""

MOST_ENDS = 64
"""Backends behind HAProxy's own inner hops that are followed from one frontend."""

MOST_WAYS = 4096
"""Ways by the clients' own ports that one backend's servers have; beyond, only those of meaningful ports."""

# Ports that are doors of their own in a range however wide.
_MEANINGFUL = tuple(sorted((*PLAIN_PORTS, *PLAIN_PORTS.values(), 80, 443)))

DEEPEST = 8
"""Frontends behind frontends that are followed."""


class Door(Struct, frozen=True, gc=False):
    """One TCP port of a frontend; `ends` are the backends behind it, the one most connections take first.

    `tls` says that HAProxy ends TLS for them, at this port or at an inner hop."""

    frontend: Proxy
    port: int
    listeners: tuple[Listener, ...]
    tls: bool
    ends: tuple[Proxy, ...]


class _Behind(Struct, frozen=True):
    ends: tuple[Proxy, ...]
    tls: bool


def doors(proxies: tuple[Proxy, ...]) -> tuple[Door, ...]:
    """Return every TCP port that somebody listens on; of a very wide range only meaningful ports and its first."""
    ways = _Ways(proxies)
    found: list[Door] = []
    for proxy in proxies:
        if proxy.disabled or not proxy.binds:
            continue
        behind = ways.behind(proxy, 0)
        for port, listeners in _by_port(proxy, len(found) > MOST_DOORS).items():
            inner = all(map(_loopback, listeners)) and (not behind.ends or ways.dialled(port))
            if not inner:
                tls = behind.tls or any(listener.tls for listener in listeners)
                found.append(Door(proxy, port, tuple(listeners), tls, behind.ends))
    return tuple(found)


def destinations(entries: tuple[Door, ...]) -> Iterator[tuple[Proxy, Server, int, tuple[Door, ...]]]:
    """Yield every enabled server behind the doors with the port it is dialled at, and the doors that lead there."""
    for backend, leading in _leading(entries):
        servers = [server for server in backend.servers if not server.disabled and not server.local]
        ports: dict[int, list[Door]] = {}
        if any(server.port is None for server in servers):
            for door in leading:
                ports.setdefault(door.port, []).append(door)
        if len(ports) * len(servers) > MOST_WAYS:
            ports = {port: ports[port] for port in _MEANINGFUL if port in ports}
        shared = {port: tuple(there) for port, there in ports.items()}
        for server in servers:
            if server.port is not None:
                yield backend, server, server.port, leading
                continue
            for number, there in shared.items():
                if port := server.reached(number):
                    yield backend, server, port, there


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


def active(backend: Proxy) -> Server | None:
    """Return the server that takes the connections while all is well."""
    spare = None
    for server in backend.servers:
        if not server.disabled and not server.backup:
            return server
        spare = spare or (None if server.disabled else server)
    return spare


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

    def __init__(self, proxies: tuple[Proxy, ...]) -> None:
        self.backends: dict[str, Proxy] = {}
        self.inner: dict[str, tuple[Proxy, Listener]] = {}
        self.known: dict[int, _Behind] = {}
        self.followed: dict[int, list[tuple[Proxy, Listener]]] = {}
        self.passed: dict[int, _Behind] = {}
        for proxy in proxies:
            if proxy.kind != "frontend":
                self.backends.setdefault(proxy.name, proxy)
            for listener in proxy.binds if not proxy.disabled else ():
                if key := _key(listener.transport == "local", listener.address, listener.port, anywhere=True):
                    self.inner.setdefault(key, (proxy, listener))
        self.hops = {
            key
            for backend in self.backends.values()
            for server in backend.servers
            if (key := _key(server.local, server.host, server.port)) and key in self.inner
        }

    def dialled(self, port: int) -> bool:
        """Whether one of HAProxy's own servers is this port of its own."""
        return str(port) in self.hops

    def behind(self, proxy: Proxy, depth: int) -> _Behind:
        found = self.known.get(id(proxy))
        if found is None:
            self.known[id(proxy)] = _Behind((), False)
            found = self.known[id(proxy)] = self._look(proxy, depth)
        return found

    def _look(self, proxy: Proxy, depth: int) -> _Behind:
        ends: dict[int, Proxy] = {}
        tls = False
        for name in _names(proxy):
            backend = self.backends.get(name)
            if backend is None:
                continue
            hops = self._hops(backend) if depth < DEEPEST else []
            if hops:
                further = self._through(backend, hops, depth)
                tls = tls or further.tls
                ends.update((id(end), end) for end in further.ends)
            elif backend.servers:
                ends[id(backend)] = backend
        return _Behind(tuple(ends.values()), tls)

    def _through(self, backend: Proxy, hops: list[tuple[Proxy, Listener]], depth: int) -> _Behind:
        """Return what is behind the inner frontends that a backend's servers are; looked at once."""
        known = self.passed.get(id(backend))
        if known is None:
            self.passed[id(backend)] = _Behind((), False)
            ends: dict[int, Proxy] = {}
            tls = False
            for inner, listener in hops:
                further = self.behind(inner, depth + 1)
                tls = tls or listener.tls or further.tls
                if len(ends) < MOST_ENDS:
                    ends.update((id(end), end) for end in further.ends[:MOST_ENDS])
            known = self.passed[id(backend)] = _Behind(tuple(ends.values()), tls)
        return known

    def _hops(self, backend: Proxy) -> list[tuple[Proxy, Listener]]:
        """Return the inner frontends that a backend's servers are, if all are."""
        known = self.followed.get(id(backend))
        if known is None:
            keys = [_key(server.local, server.host, server.port) for server in backend.servers if not server.disabled]
            found = [self.inner.get(key) for key in keys]
            known = self.followed[id(backend)] = [hop for hop in found if hop] if all(found) else []
        return known


def _names(proxy: Proxy) -> list[str]:
    """Return the backends a proxy may hand over to, the likeliest first; a listen is its own default."""
    sure = [route.backend for route in proxy.use_backend if not route.conditional]
    if proxy.default_backend is not None:
        sure.append(proxy.default_backend.backend)
    elif proxy.kind == "listen":
        sure.append(proxy.name)
    return sure + [route.backend for route in proxy.use_backend if route.conditional]


def _key(local: bool, host: str, port: int | None, anywhere: bool = False) -> str:
    if local:
        return host.removeprefix("unix@")
    near = host.startswith("127.") or host in ("::1", "localhost") or (anywhere and host in ("", "::"))
    return str(port) if near and port is not None else ""


def _loopback(listener: Listener) -> bool:
    return listener.address.startswith("127.") or listener.address in ("::1", "localhost")
