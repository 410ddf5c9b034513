"""What a sweep saw, before anybody judged it: ladders and facts, lane by lane."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from console.model import Certificate, Lane, Protocol, ProxyVersion, Role, Rung, Topology

IMPLICIT_TLS: frozenset[Protocol] = frozenset(("smtps", "imaps", "pop3s", "https"))

Cause = Literal[
    "", "unresolved", "refused", "timeout", "unreachable", "no-way", "no-source", "closed", "silent", "flood",
    "unexpected", "tls", "not-tls", "no-starttls", "out-of-step",
]  # fmt: skip


class Question(Struct, frozen=True):
    """What is asked: an address or name and a port, in which protocol, with which header, how far up.

    `tls` None means as the protocol says; `name` is the TLS server name and HTTP host."""

    address: str
    port: int
    protocol: Protocol
    header: ProxyVersion | None = None
    tls: bool | None = None
    name: str | None = None
    depth: Literal["connect", "greeting", "starttls", "capability"] = "greeting"

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS begins with the first byte after the header."""
        return self.protocol in IMPLICIT_TLS if self.tls is None else self.tls


class Ladder(Struct):
    """How far a question got. `cause` is "" when every rung held; `after` is seconds from open stream to failure."""

    question: Question
    vantage: str
    rungs: list[Rung] = []
    cause: Cause = ""
    after: float = 0.0
    said: str = ""
    certificate: Certificate | None = None
    source: tuple[str, int] | None = None
    imposed: float = 0.0
    began: float = 0.0
    done: bool = False

    @property
    def failed(self) -> Rung | None:
        """The rung that did not hold."""
        return self.rungs[-1] if self.rungs and self.rungs[-1].outcome != "ok" else None

    def rung(self, name: str) -> Rung | None:
        """The rung of that name, when it was reached."""
        return next((rung for rung in self.rungs if rung.name == name), None)

    @property
    def connected(self) -> bool:
        """Whether the far end accepted the connection."""
        return any(rung.name == "connect" and rung.outcome == "ok" for rung in self.rungs)

    @property
    def latency(self) -> float | None:
        """Milliseconds of the connect rung, when it held."""
        rung = self.rung("connect")
        return rung.ms if rung and rung.outcome == "ok" else None


class Server(Struct, frozen=True):
    """One server line of `show stat`: `status` such as "UP" or "DOWN", `check` such as "L4OK", "" where absent."""

    proxy: str
    name: str
    status: str
    check: str
    last: str


class Stats(Struct, frozen=True):
    """What one HAProxy says of all its servers, or why it could not be asked (`error`).

    `stopped` is True when the socket itself refused: nobody listens on it."""

    servers: tuple[Server, ...] = ()
    error: str = ""
    stopped: bool = False
    socket: str = ""

    def server(self, proxy: str, name: str) -> Server | None:
        """The row of that proxy and server."""
        return next((row for row in self.servers if row.proxy == proxy and row.name == name), None)


class LaneSeen(Struct):
    """What was seen of one lane so far; a ladder that is not `done` has shown its connect rung only.

    `public` is keyed by address; `vm` is asked from the proxy as HAProxy would, `service` inside the VM without header.
    `unresolved` says why no public address could be dialled."""

    lane: Lane
    public: dict[str, Ladder] = field(default_factory=dict)
    vm: Ladder | None = None
    service: Ladder | None = None
    unresolved: Rung | None = None

    @property
    def connected(self) -> tuple[Ladder, ...]:
        """Public ladders whose connection was accepted."""
        return tuple(ladder for ladder in self.public.values() if ladder.connected)

    @property
    def complete(self) -> bool:
        """Whether every ladder of this lane has ended."""
        ladders = (*self.public.values(), self.vm, self.service)
        return all(ladder is None or ladder.done for ladder in ladders)


class Seen(Struct):
    """What was seen of the estate. `missing` says, for a role nobody can be asked from, why.

    `logs` holds the last lines of a compose service, fetched after one of its probes failed."""

    topology: Topology
    lanes: dict[str, LaneSeen]
    vantages: dict[Role, str] = field(default_factory=dict)
    missing: dict[Role, str] = field(default_factory=dict)
    stats: Stats | None = None
    logs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    at: float = 0.0
    ended: bool = False

    answered: dict[str, float] = field(default_factory=dict)
    """Target host → milliseconds of the fastest answer through the tunnel; a refusal is an answer."""
    newest: dict[str, float] = field(default_factory=dict)
    """Name on a certificate that a service shows → Unix seconds from which the newest of them is valid."""
