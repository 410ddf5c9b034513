"""The lab's network: which machine reaches which address, and the loopback ports that stand behind the addresses.

Every listener is on 127.0.0.1 with a port the kernel chose. Who calls is known from the table of callers, so a listener
knows the estate's own addresses, and whoever is not in the table is a stranger on this machine and is turned away."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from ipaddress import ip_address

from msgspec import Struct

from console.errors import Refused, Unreachable
from console.lab.network.addresses import (
    GATEWAY,
    HERE,
    HOME,
    INTERNET_DELAY,
    LOOPBACK,
    MAIL,
    OPERATOR,
    PROXY,
    PUBLIC,
    TAILNET,
    TUNNEL_DELAY,
)
from console.lab.network.tunnel import End, Link, reset_on_close

ANY = {4: ("", "0.0.0.0", "*"), 6: ("::", "*")}
"""Bind addresses that stand for all of a machine's own, by IP version."""


class Route(Struct, frozen=True):
    """A way to an address: the machine there, the address the caller leaves with, and the one that is seen there."""

    machine: str
    leaves: str
    seen: str
    link: Link


class Caller(Struct, frozen=True):
    """Who is calling, in the estate's own addresses: `address:port` as seen by the machine, and whom they dialled."""

    address: str
    port: int
    to: tuple[str, int]


class Line(Struct):
    """An open stream: the far end, the link still to be crossed, and both addresses in the estate's own terms."""

    end: End
    link: Link
    local: tuple[str, int]
    peer: tuple[str, int]


class Network:
    """Machines, routes and listeners. `targets` are the VM's addresses, `names` what resolves to the public ones."""

    def __init__(self, targets: tuple[str, ...], names: tuple[str, ...]) -> None:
        self.targets, self.names = targets, frozenset(name.lower().rstrip(".") for name in names)
        self.internet, self.tunnel, self.inside = Link(INTERNET_DELAY), Link(TUNNEL_DELAY), Link()
        self.listeners: dict[tuple[str, str, int], int] = {}
        self.callers: dict[int, Caller] = {}
        self.arrived: deque[Caller] = deque(maxlen=64)
        """The latest connections to the VM, as its kernel has them."""

    def route(self, origin: str, address: str) -> Route:
        """Find the way from a machine to an address; raises `Unreachable`: nothing is ever sent to a real one."""
        try:
            place = ip_address(address.partition("%")[0])
        except ValueError:
            raise Unreachable(f"{address} is not an address") from None
        six = place.version == 6
        own = {HERE: OPERATOR, PROXY: (*PUBLIC, TAILNET), MAIL: self.targets}[origin]
        text = str(place)
        if text in own or text in LOOPBACK:
            seen = LOOPBACK[six] if origin == MAIL and text not in self.targets else text
            return Route(origin, seen, seen, self.inside)
        if text in PUBLIC and origin in (HERE, MAIL):
            source = OPERATOR if origin == HERE else HOME
            return Route(PROXY, source[six], source[six], self.internet)
        if text in self.targets and origin == PROXY:
            return Route(MAIL, TAILNET, GATEWAY, self.tunnel)
        raise Unreachable(f"no route from {origin} to {address}")

    def listener(self, machine: str, address: str, port: int) -> int:
        """The loopback port behind an address of a machine; raises `Refused` when nobody listens."""
        place = str(ip_address(address.partition("%")[0]))
        for bound in (place, *ANY[ip_address(place).version]):
            if (found := self.listeners.get((machine, bound, port))) is not None:
                return found
        raise Refused(f"{address} port {port}: connection refused")

    async def dial(self, origin: str, address: str, port: int) -> Line:
        """Open a stream as `origin` would; takes as long as the link does, for ever while it is cut."""
        route = self.route(origin, address)
        await route.link.handshake()
        there, local = await self._connect(route, address, port)
        reader, writer = await asyncio.open_connection(sock=there)
        return Line(End(reader, writer), route.link, local, (address, port))

    async def knock(self, origin: str, address: str, port: int) -> None:
        """Connect and reset, as a bare layer 4 check does: the daemon behind never accepts it."""
        route = self.route(origin, address)
        await route.link.handshake()
        there, local = await self._connect(route, address, port)
        self.callers.pop(local[1], None)
        reset_on_close(there)
        there.close()

    def take(self, port: int) -> Caller | None:
        """Who calls from that loopback port, once; None is a stranger."""
        return self.callers.pop(port, None)

    def resolve(self, name: str) -> tuple[str, ...]:
        """The addresses of one of the site's own public names; () for any other."""
        return PUBLIC if name.lower().rstrip(".") in self.names else ()

    async def _connect(self, route: Route, address: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
        loopback = self.listener(route.machine, address, port)
        there = socket.socket()
        there.setblocking(False)
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there.bind(("127.0.0.1", 0))
        own = int(there.getsockname()[1])
        self.callers[own] = Caller(route.seen, own, (address, port))
        if route.machine == MAIL:
            self.arrived.append(self.callers[own])
        try:
            await asyncio.get_running_loop().sock_connect(there, ("127.0.0.1", loopback))
        except BaseException as error:
            self.callers.pop(own, None)
            there.close()
            if isinstance(error, OSError):
                raise Refused(f"{address} port {port}: connection refused") from None
            raise
        return there, (route.leaves, own)
