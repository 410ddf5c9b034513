"""How far a probe got: what was asked, the rungs that held, and why it ended."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from console.model import Certificate, Protocol, ProxyVersion, Rung

IMPLICIT_TLS: frozenset[Protocol] = frozenset(("smtps", "imaps", "pop3s", "https"))

STARTTLS: frozenset[Protocol] = frozenset(("smtp", "submission", "imap", "sieve", "pop3"))
"""Protocols that begin in plain text and go on in TLS."""

Cause = Literal[
    "", "unresolved", "refused", "timeout", "unreachable", "no-way", "no-source", "closed", "silent", "flood",
    "unfinished", "unexpected", "tls", "not-tls", "no-starttls", "out-of-step",
]  # fmt: skip


class ProbeTarget(Struct, frozen=True):
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
    """How far a probe got. `cause` is "" when every rung held; `after` is seconds from open stream to failure.

    `seconds` is what the whole climb took, `imposed` what of it the server made us wait on purpose, `resent` how many
    of our own packets had to be sent again, where this machine's kernel tells."""

    target: ProbeTarget
    vantage: str
    rungs: list[Rung] = []
    cause: Cause = ""
    after: float = 0.0
    said: str = ""
    certificate: Certificate | None = None
    source: tuple[str, int] | None = None
    imposed: float = 0.0
    began: float = 0.0
    seconds: float = 0.0
    done: bool = False
    resent: int = 0

    @property
    def well(self) -> bool:
        """Whether every rung held, to the end: a ladder that still climbs is not well yet."""
        return self.done and self.cause == ""

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
