"""The ladder: resolve, connect, header, TLS, greeting, capability; it stops at the first rung that fails."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from types import ModuleType
from typing import Literal

from console.errors import HostError, NoWayIn, Refused, StreamError, TimedOut, Unreachable, Unresolved
from console.hosts.host import Host, Stream
from console.ladders import Cause, Ladder, ProbeTarget
from console.model import Certificate, Outcome, Protocol, Rung
from console.probes import bare, http, imap, managesieve, pop3, proxy_header, smtp
from console.probes.tls import TlsStream
from console.probes.wire import Broken, Wire
from console.text import clean

PROBES: dict[Protocol, ModuleType] = {
    "smtp": smtp,
    "smtps": smtp,
    "submission": smtp,
    "imap": imap,
    "imaps": imap,
    "pop3": pop3,
    "pop3s": pop3,
    "sieve": managesieve,
    "http": http,
    "https": http,
    "tcp": bare,
}
"""Which module speaks which protocol: `greet`, `capability`, `starttls`, `leave`, each with a `Wire`."""

RungName = Literal["resolve", "connect", "header", "tls", "greeting", "capability"]

CONNECT = 5.0
"""Seconds to wait for a connection: a SYN lost twice still arrives (1 s, 3 s)."""

PATIENCE = 9.0
"""Longest silence accepted, in seconds: Postfix answers a missing header after 5 s, Dovecot closes after 3 s."""

GOODBYE = 3.0
"""Seconds a goodbye may take; one that takes longer is not waited for."""

CONVERSATION = 20.0
"""Seconds from the connection to the last answer: postscreen's 6, Postfix's 5 without a header, TLS, and a reserve."""

TOTAL = 45.0
"""Seconds after which a ladder is given up, the wait for a place on an SSH connection included."""


async def climb(
    target: ProbeTarget,
    host: Host,
    seen: Callable[[Ladder], None] | None = None,
    rest: Callable[[], Awaitable[None]] | None = None,
) -> Ladder:
    """Probe `target` from `host`; after the connect rung `seen` is called, and `rest` waited for.

    Never raises for what the far end does."""
    ladder = Ladder(target, host.name, began=time.time())
    climber, began = _Climber(ladder, host, seen, rest), time.perf_counter()
    try:
        async with asyncio.timeout(TOTAL):
            await climber.climb()
    except TimeoutError:
        climber.give_up()
    except HostError as error:
        climber.lose(error)
    finally:
        climber.close()
    ladder.seconds = time.perf_counter() - began
    ladder.done = True
    return ladder


class _Climber:
    def __init__(
        self,
        ladder: Ladder,
        host: Host,
        seen: Callable[[Ladder], None] | None,
        rest: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self.ladder, self.host, self.seen, self.rest = ladder, host, seen, rest
        self.stream: Stream | None = None
        self.opened = self.started = time.perf_counter()
        self.rung: RungName = "resolve"
        self.wire: Wire | None = None

    def close(self) -> None:
        if self.stream is not None:
            self.ladder.resent = getattr(self.stream, "resent", 0)
            self.stream.close()

    def give_up(self) -> None:
        """Say that time was up, at the rung that was being tried."""
        wire, now = self.wire, time.perf_counter()
        if wire is None or not wire.taken:
            self._broke(self.rung, "silent", f"not done within {now - self.opened:.0f} s")
            return
        self.ladder.said = clean(bytes(wire.buffer), 60)
        words = f"{wire.taken} bytes in {now - wire.began:.0f} s, and still no end of the answer"
        self._broke(self.rung, "unfinished", words)

    def lose(self, error: HostError) -> None:
        """Say that the way to the asking machine went away: that is nothing the far end did."""
        self._broke("connect", "no-way", str(error), "unknown")

    async def climb(self) -> None:
        target = self.ladder.target
        stream = await self._open()
        if stream is None:
            return
        if target.depth == "connect":
            return
        async with asyncio.timeout(CONVERSATION):
            await self._converse(stream)

    async def _converse(self, stream: Stream) -> None:
        target = self.ladder.target
        first = b""
        if target.header is not None:
            made = self._header(stream)
            if made is None:
                return
            first = made
        if target.implicit_tls:
            secured = await self._secure(stream, first)
            if secured is None:
                return
            stream = secured
        elif first:
            await stream.write(first)
        await self._talk(stream)

    async def _open(self) -> Stream | None:
        target, address = self.ladder.target, self.ladder.target.address
        try:
            if not _numeric(address):
                self._start("resolve")
                address = (await self.host.resolve(address))[0]
                self._held("resolve", address)
            self._start("connect")
            self.stream = await self.host.connect(address, target.port, CONNECT)
        except NoWayIn as error:
            self._broke("connect", "no-way", str(error), "unknown")
            return None
        except HostError as error:
            self._broke("resolve" if isinstance(error, Unresolved) else "connect", _cause(error), str(error))
            return None
        # through SSH our clock also counts what was asked beside it, and the wait for a place on the connection
        self._held("connect", _place(address, target.port), getattr(self.stream, "took", None))
        self.ladder.source = self.stream.local
        self.opened = time.perf_counter()
        if self.seen is not None:
            self.seen(self.ladder)
        if self.rest is not None:
            await self.rest()
        return self.stream

    def _header(self, stream: Stream) -> bytes | None:
        target = self.ladder.target
        assert target.header is not None
        self._start("header")
        destination = stream.peer or (target.address, target.port)
        try:
            if stream.local is None:
                raise ValueError
            header = proxy_header.make(target.header, stream.local, destination)
        except ValueError:
            self._broke("header", "no-source", f"{self.host.name} did not say which address it asks from", "unknown")
            return None
        self._held("header", f"PROXY {target.header} from {stream.local[0]}")
        return header

    async def _secure(self, stream: Stream, first: bytes = b"") -> TlsStream | None:
        self._start("tls")
        try:
            secured = TlsStream(stream, _server_name(self.ladder.target), first)
        except ValueError:
            self._broke("tls", "tls", f"{_server_name(self.ladder.target)} cannot be a TLS server name", "unknown")
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                await secured.handshake()
        except TimeoutError:
            self._broke("tls", "silent", f"silent for {PATIENCE:.0f} s in the TLS handshake")
            return None
        except EOFError:
            age = time.perf_counter() - self.opened
            when = "at once" if age < 1 else f"after {age:.0f} s"
            self._broke("tls", "closed", f"closed {when} in the TLS handshake")
            return None
        except ssl.SSLError as error:
            plain = error.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
            reason = (error.reason or "unknown reason").lower().replace("_", " ")
            detail = "answered in plain text, not TLS" if plain else f"TLS failed: {reason}"
            self._broke("tls", "not-tls" if plain else "tls", detail)
            return None
        self.ladder.certificate = secured.certificate()
        self._held("tls", f"{secured.version}{_validity(self.ladder.certificate)}")
        return secured

    async def _talk(self, stream: Stream) -> None:
        target = self.ladder.target
        probe = PROBES[target.protocol]
        wire = self.wire = Wire(stream, PATIENCE, _server_name(target))
        wire.began = self.opened
        rung: Literal["greeting", "tls", "capability"] = "greeting"
        try:
            self._start("greeting")
            greeting = await probe.greet(wire)
            self.ladder.imposed = wire.imposed
            waited = f" (greeting held back {wire.imposed:.1f} s)" if wire.imposed > 0.5 else ""
            self._held("greeting", greeting + waited)
            self.ladder.said = greeting
            if target.depth == "starttls":
                rung = "tls"
                await probe.starttls(wire)
                secured = await self._secure(stream)
                if secured is None:
                    return
                wire = self.wire = Wire(secured, PATIENCE, wire.name)
            elif target.depth == "capability":
                rung = "capability"
                self._start("capability")
                self._held("capability", " ".join(await probe.capability(wire))[:200])
            await self._leave(probe, wire)
        except Broken as broken:
            self.ladder.said = broken.said
            self.ladder.imposed = wire.imposed
            self._broke(rung, broken.cause, broken.detail)  # type: ignore[arg-type]

    async def _leave(self, probe: ModuleType, wire: Wire) -> None:
        """Say goodbye, and notice who answers something else first: they took a PROXY header for a command."""
        said = ""
        with suppress(TimeoutError, Broken):
            async with asyncio.timeout(GOODBYE):
                said = await probe.leave(wire)
        if said:
            self.ladder.said = said
            self._start(self.rung)
            taken = "took the PROXY header for a command" if self.ladder.target.header else "answered out of step"
            self._broke("header" if self.ladder.target.header else "greeting", "out-of-step", f"{taken}: {said}")

    def _start(self, rung: RungName) -> None:
        self.rung, self.started = rung, time.perf_counter()

    def _held(self, name: RungName, detail: str, took: float | None = None) -> None:
        ms = None if name == "header" else took or (time.perf_counter() - self.started) * 1000
        self.ladder.rungs.append(Rung(name, "ok", detail, ms))

    def _broke(
        self,
        name: RungName,
        cause: Cause,
        detail: str,
        outcome: Outcome = "failed",
    ) -> None:
        now = time.perf_counter()
        self.ladder.rungs.append(Rung(name, outcome, detail, (now - self.started) * 1000))
        self.ladder.cause, self.ladder.after = cause, now - self.opened


def _cause(error: HostError) -> Cause:
    if isinstance(error, Refused):
        return "refused"
    if isinstance(error, TimedOut):
        return "timeout"
    if isinstance(error, Unresolved):
        return "unresolved"
    return "unreachable" if isinstance(error, Unreachable | StreamError) else "no-way"


def _numeric(address: str) -> bool:
    try:
        ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return True


def _server_name(target: ProbeTarget) -> str | None:
    return target.name or (None if _numeric(target.address) else target.address)


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _validity(certificate: Certificate | None) -> str:
    if certificate is None:
        return ", certificate unreadable"
    until = time.strftime("%Y-%m-%d", time.gmtime(certificate.not_after))
    names = certificate.names[0] if certificate.names else certificate.subject
    return f", {names} until {until}"
