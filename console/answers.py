"""What machines tell of themselves: HAProxy's rows, sockets, processes, routes, disks, containers, the tailnet."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct, field

from console.ladders import Ladder
from console.model import Role


class Server(Struct, frozen=True):
    """One server line of `show stat`: `status` such as "UP" or "DOWN", `check` such as "L4OK", "" where absent.

    `weight` and `took` (milliseconds of its last check) are None where HAProxy does not tell, and so are the sessions
    and queued connections that it has, its errors since HAProxy began, and the seconds since its state changed; `limit`
    is its own maxconn, None for none, and `secured` are the TLS sessions that HAProxy began there (since 2.3)."""

    proxy: str
    name: str
    status: str
    check: str
    last: str
    weight: int | None = None
    took: float | None = None
    sessions: int | None = None
    queued: int | None = None
    errors: int | None = None
    changed: int | None = None
    limit: int | None = None
    secured: int | None = None


class Frontend(Struct, frozen=True):
    """A frontend's line of `show stat`: connections it has and may have (None: no word), and how many it denied.

    `dropped` are those that a rule ended later: at what the client said, or silently (None: no word).
    `mode` is "tcp" or "http" (since 1.7; "" before); `secured` are the TLS sessions in which it was the server itself
    (since 2.3; None before)."""

    name: str
    status: str = ""
    connections: int | None = None
    limit: int | None = None
    denied: int = 0
    mode: str = ""
    secured: int | None = None
    dropped: int | None = None

    @property
    def ended(self) -> int:
        """How many connections its own rules have ended."""
        return self.denied + (self.dropped or 0)

    @property
    def full(self) -> bool:
        """Whether it takes no more connections."""
        return self.connections is not None and bool(self.limit) and self.connections >= (self.limit or 0)


class Stats(Struct, frozen=True, dict=True):
    """What one HAProxy says of all its servers, or why it could not be asked (`error`).

    `stopped` is True when the socket itself refused, `silent` when it accepted and said nothing."""

    servers: tuple[Server, ...] = ()
    error: str = ""
    stopped: bool = False
    socket: str = ""
    frontends: tuple[Frontend, ...] = ()
    silent: bool = False

    def server(self, proxy: str, name: str) -> Server | None:
        """The row of that proxy and server."""
        return self._rows.get((proxy, name))

    def frontend(self, *names: str) -> Frontend | None:
        """The row of a frontend that has one of these names."""
        return next((each for each in self.frontends if each.name and each.name in names), None)

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Server]:
        return {(row.proxy, row.name): row for row in reversed(self.servers)}


class Listener(Struct, frozen=True):
    """One listening TCP socket; `address` is "0.0.0.0" or "::" for all, `process` "" where we may not see it.

    `both` says that it takes IPv4 too, though its address is IPv6's; ss before 4.14 and /proc do not tell.
    `waiting` are connections that nobody has accepted yet, `stuck` how many there were a second later."""

    address: str
    port: int
    process: str = ""
    pid: int = 0
    device: str = ""
    both: bool = False
    waiting: int = 0
    stuck: int = 0


class Program(Struct, frozen=True):
    """A process: `state` as ps writes it ("Ss", "T"), `words` its command line."""

    state: str
    words: str

    @property
    def halted(self) -> bool:
        """Whether it was stopped by a signal: it lives, and does nothing."""
        return self.state[:1] in ("T", "t")


FEW = 2
"""Pings that tell whether anybody answers, and hardly how many are lost."""


class Ping(Struct, frozen=True):
    """What came of a few pings: how many were sent and answered, and the fastest answer in milliseconds."""

    address: str
    sent: int
    answered: int
    fastest: float | None = None

    @property
    def lost(self) -> bool:
        """Whether none was answered."""
        return self.sent > 0 and self.answered == 0


class Route(Struct, frozen=True):
    """Where packets to an address go: through which device, over which router ("" when at once); or why nowhere."""

    address: str
    device: str = ""
    via: str = ""
    none: str = ""
    source: str = ""
    """The address that packets to there have as their own."""


class Disk(Struct, frozen=True):
    """A file system: where it is mounted, and how full it is, in percent, of bytes and of inodes."""

    place: str
    used: int
    inodes: int = 0


class Limits(Struct, frozen=True):
    """What HAProxy says of itself (`show info`): its connections, and how many it may have."""

    connections: int
    limit: int

    @property
    def full(self) -> bool:
        """Whether it takes no more, but for the one that asked."""
        return self.limit > 0 and self.connections + 1 >= self.limit


class Directed(Struct, frozen=True):
    """Where a server of the running HAProxy is (`show servers state`), and which port is checked (0: the same)."""

    address: str
    port: int
    checked: int = 0


class Guest(Struct, frozen=True):
    """The mail host as Incus has it: its state ("Running", "Stopped", …) and the addresses it has now."""

    name: str
    status: str
    addresses: tuple[str, ...] = ()


class Ended(Struct, frozen=True):
    """How many connections we made to a frontend, and how many its own rules ended in that time by its count.

    It was so twice, and none was ended while we made none."""

    made: int
    counted: int


class Asked(Struct):
    """What machines told of themselves after a symptom. None, or a missing key, means: it could not be asked.

    `refused` says why, by the words of what was asked."""

    addresses: tuple[str, ...] | None = None
    """The proxy's own addresses, without loopback's and the tunnel's."""
    listeners: dict[Role, tuple[Listener, ...]] = field(default_factory=dict)
    haproxy: tuple[Program, ...] | None = None
    """HAProxy's processes."""
    programs: tuple[Program, ...] | None = None
    """The mail host's processes."""
    limits: Limits | None = None
    directed: dict[str, Directed] | None = None
    """"proxy/server" → where it is in the running HAProxy."""
    dialling: tuple[tuple[str, int], ...] | None = None
    """Addresses and ports to which more than one connection of HAProxy's stood unanswered."""
    standing: tuple[tuple[str, int], ...] | None = None
    """Addresses and ports to which one connection of HAProxy's stood unanswered all the while that we looked."""
    ended: dict[str, Ended] | None = None
    """By frontend: what HAProxy counted while we dialled once more those that hang up on us."""
    route: Route | None = None
    """The proxy's route to the mail host."""
    back: Route | None = None
    """The mail host's route to the address from which the proxy asks it."""
    home: Route | None = None
    """The mail host's route to the address that HAProxy dials: by its device "lo" where that is its own."""
    outward: tuple[Route, ...] | None = None
    """This machine's own routes to the proxy, of both families; to anywhere where the name has none of a family."""
    pings: dict[str, Ping] = field(default_factory=dict)
    """Who was pinged: "router" (the tunnel's far end), "vm", "large" (it, with large packets), "gateway" (our own),
    "front" (the proxy's public address, from here)."""
    door: Ladder | None = None
    """The mail host's port 22, connected to from the proxy."""
    guest: Guest | None = None
    refused: dict[str, str] = field(default_factory=dict)


class Publisher(Struct, frozen=True):
    """A port of a container as it is published: `address:port` of the machine to `inside` of the container."""

    address: str
    port: int
    inside: int
    protocol: str = "tcp"


class Container(Struct, frozen=True):
    """One container of the compose project: `state` as Docker names it ("running", "exited", …), in lower case.

    `status` is Docker's own sentence, "" where compose tells none; `exit_code` is None while it runs."""

    service: str
    state: str
    name: str = ""
    status: str = ""
    health: str = ""
    exit_code: int | None = None
    running_for: str = ""
    publishers: tuple[Publisher, ...] = ()

    @property
    def well(self) -> bool:
        """Whether it runs and its health check, where it has one, does not complain."""
        return self.state == "running" and self.health != "unhealthy"

    @property
    def words(self) -> str:
        """How it is, for a sentence that begins with its name: "exited (137) 2 minutes ago", "up 3 hours"."""
        if self.status and not self.status.islower():
            return self.status[0].lower() + self.status[1:]
        notes = [str(self.exit_code)] if self.exit_code is not None else []
        notes += [self.health] if self.health else []
        return self.state + (f" ({', '.join(notes)})" if notes else "")


class Peer(Struct, frozen=True):
    """A machine of the tailnet; times are Unix seconds, 0 where Tailscale tells none.

    `online` is None where it is not told (before 1.20); `direct` is the address it is reached at, if any."""

    name: str
    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    online: bool | None = None
    last_seen: float = 0.0
    key_expiry: float = 0.0
    expired: bool = False
    relay: str = ""
    direct: str = ""


class Tailnet(Struct, frozen=True):
    """What Tailscale on one machine says: `state` is its BackendState ("Running", "NeedsLogin", "Stopped", …).

    `error` says why it could not be asked; `absent` that the machine has no Tailscale."""

    state: str = ""
    own: Peer | None = None
    peers: tuple[Peer, ...] = ()
    health: tuple[str, ...] = ()
    version: str = ""
    error: str = ""
    absent: bool = False

    def toward(self, address: str) -> Peer | None:
        """The peer that has `address`, or else the one with the narrowest route to it."""
        from ipaddress import ip_address, ip_network

        try:
            wanted = ip_address(address)
        except ValueError:
            return None
        best: tuple[int, Peer] | None = None
        for peer in self.peers:
            for route in (*peer.addresses, *peer.routes):
                network = ip_network(route, strict=False)
                if network.prefixlen and wanted in network and (best is None or network.prefixlen > best[0]):
                    best = network.prefixlen, peer
        return best[1] if best else None
