"""One question to one port that leaves a trace in the server's log: who does it believe we are?

What is said at most: a greeting is waited for; EHLO, MAIL FROM:<>, RCPT TO:<nonce@example.invalid>, RSET, QUIT; LOGOUT;
one HEAD request. Never DATA: nothing is ever handed over to be delivered."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from console.errors import NoWayIn, Refused, StreamError, TimedOut, Unreachable, Unresolved
from console.facts import connections
from console.hosts.host import Completed, Host, Stream
from console.ladders import Cause
from console.model import Protocol
from console.probes import proxy_header
from console.probes.ladder import CONNECT, GOODBYE, PATIENCE, PROBES
from console.probes.tls import TlsStream
from console.probes.wire import Broken, Wire
from console.text import address as place
from console.text import clean

Question = Literal["greeting", "recipient", "request"]

LIMIT = 40.0
"""Seconds from the connection to the last word: postscreen's 6, Postfix's 5 without a header, TLS, and a reserve."""

REPLY = 60
"""Most lines of one reply."""

INNER = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
                 "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip
"""Networks whose addresses no one has on the Internet: behind them something translates addresses."""


class Knock(Struct, frozen=True):
    """One question: from `vantage` (a host's name) to an address and port, after a header that makes a `claim`, if any.

    `name` is the TLS server name and HTTP host. `nonce` stands in the recipient, the HELO name or the path."""

    vantage: str
    address: str
    port: int
    protocol: Protocol
    question: Question
    nonce: str
    tls: bool = False
    starttls: bool = False
    name: str | None = None
    claim: tuple[str, int] | None = None

    @property
    def to(self) -> str:
        """Where it goes."""
        return place(self.address, self.port)

    @property
    def says(self) -> str:
        """All that is sent, in words."""
        parts = []
        if self.claim is not None:
            family = "TCP6" if ":" in self.claim[0] or ":" in self.address else "TCP4"
            parts.append(f"PROXY {family} {self.claim[0]} …")
        if self.starttls:
            parts.append("STARTTLS")
        if self.question == "recipient":
            helo, to = f"EHLO {self.nonce}.example.invalid", f"RCPT TO:<{self.nonce}@example.invalid>"
            parts += [helo, "MAIL FROM:<>", to, "QUIT; never DATA"]
        elif self.question == "request":
            parts.append(f"HEAD /{self.nonce}")
        else:
            parts.append("LOGOUT" if self.protocol in ("imap", "imaps", "sieve") else "QUIT")
        return ", ".join(parts)


class Told(Struct, frozen=True):
    """What came of a question. `cause` is "" when it was answered; `local` is where it left from.

    `seen` is the connection's far end as the proxy's kernel has it, where we asked. `began` is in Unix seconds."""

    knock: Knock
    began: float
    cause: Cause = ""
    detail: str = ""
    greeting: str = ""
    answer: str = ""
    local: tuple[str, int] | None = None
    seen: tuple[str, int] | None = None

    @property
    def accepted(self) -> bool:
        """Whether Postfix took a foreign recipient of ours: it would relay."""
        return self.knock.question == "recipient" and self.answer.startswith("25")

    @property
    def words(self) -> str:
        """What was answered, or why nothing was."""
        return self.answer or self.greeting if not self.cause else self.detail


def inner(address: str) -> bool:
    """Whether an address is of a network that is nobody's on the Internet."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed.version == each.version and parsed in each for each in INNER)


class Knocker:
    """Asks planned questions, by their names in the plan; `told` has the answers. See `runner.context.Api`.

    `proxy` is the machine that can tell as whom it sees a connection of ours that is translated on its way."""

    def __init__(self, machine: Callable[[str], Host], proxy: Callable[[], Host | None] = lambda: None) -> None:
        self._machine, self._proxy = machine, proxy
        self.planned: dict[str, Knock] = {}
        self.told: dict[Knock, Told] = {}

    def plan(self, knock: Knock) -> tuple[str, str]:
        """Take a question into the plan; returns its name there, and what it says."""
        name = f"{knock.to} {knock.protocol} from {knock.vantage}" + (f" as {knock.claim[0]}" if knock.claim else "")
        name += " again:" if knock.question == "recipient" and knock.protocol == "smtp" else ":"
        self.planned[name] = knock
        return name, knock.says

    async def call(self, method: str, path: str, body: str, timeout: float) -> Completed:
        """Ask one; the answer is the output, status 0 whatever the far end did. Raises `NoWayIn`."""
        knock = self.planned[path]
        host = self._machine(knock.vantage)
        told = self.told[knock] = await ask(host, knock, self._proxy())
        shown = [line for line in (told.greeting, told.answer, told.detail) if line]
        return Completed(0, "\n".join(dict.fromkeys(shown)).encode(), b"")


async def ask(host: Host, knock: Knock, proxy: Host | None = None) -> Told:
    """Ask one question; raises `NoWayIn` when the asking machine cannot be used, never for what the far end does."""
    told = Told(knock, time.time())
    before = await connections.ask(proxy, knock.port) if proxy is not None and knock.claim is None else None
    try:
        stream = await host.connect(knock.address, knock.port, CONNECT)
    except NoWayIn:
        raise
    except StreamError as error:
        return replace(told, cause=_cause(error), detail=clean(str(error)))
    told = replace(told, local=stream.local)
    try:
        if proxy is not None and before is not None and stream.local and inner(stream.local[0]):
            told = replace(told, seen=_ours(before, await connections.ask(proxy, knock.port), stream.local[1]))
        async with asyncio.timeout(LIMIT):
            return await _converse(stream, told)
    except TimeoutError:
        return replace(told, cause="unfinished", detail=f"not done within {LIMIT:.0f} s")
    finally:
        stream.close()


def _ours(
    before: tuple[tuple[str, int], ...], now: tuple[tuple[str, int], ...] | None, port: int
) -> tuple[str, int] | None:
    """Tell our connection among those that have come since: the one with our port, else the only one."""
    fresh = [each for each in now or () if each not in before]
    kept = [each for each in fresh if each[1] == port]
    return kept[0] if len(kept) == 1 else fresh[0] if len(fresh) == 1 else None


async def _converse(stream: Stream, told: Told) -> Told:
    knock, first = told.knock, b""
    if knock.claim is not None:
        first = proxy_header.make("v1", knock.claim, (knock.address, knock.port))
    try:
        if knock.tls:
            stream = await _secure(stream, knock.name, first)
        elif first:
            await stream.write(first)
        wire = Wire(stream, PATIENCE, knock.name)
        if knock.question == "request":
            return replace(told, answer=await _request(wire, knock.nonce))
        probe = PROBES[knock.protocol]
        told = replace(told, greeting=await probe.greet(wire))
        if knock.starttls:
            await probe.starttls(wire)
            wire = Wire(await _secure(stream, knock.name), PATIENCE, knock.name)
        if knock.question == "recipient":
            told = replace(told, answer=await _recipient(wire, knock.nonce))
        with suppress(TimeoutError, Broken):
            async with asyncio.timeout(GOODBYE):
                said = await probe.leave(wire)
                if said and not told.answer:
                    return replace(told, cause="out-of-step", detail=f"answered out of step: {said}")
    except Broken as broken:
        answer = told.answer or (broken.said if broken.cause == "refused" else "")
        return replace(told, cause=broken.cause, detail=broken.detail, answer=answer)
    return told


async def _secure(stream: Stream, name: str | None, first: bytes = b"") -> TlsStream:
    """Shake hands; raises `Broken`."""
    secured = TlsStream(stream, name, first)
    try:
        async with asyncio.timeout(PATIENCE):
            await secured.handshake()
    except TimeoutError:
        raise Broken("silent", f"silent for {PATIENCE:.0f} s in the TLS handshake") from None
    except EOFError:
        raise Broken("closed", "closed in the TLS handshake") from None
    except ssl.SSLError as error:
        reason = (error.reason or "unknown reason").lower().replace("_", " ")
        raise Broken("tls", f"TLS failed: {reason}") from None
    return secured


async def _recipient(wire: Wire, nonce: str) -> str:
    """Offer mail to nobody, and return the first refusal, or the answer to the recipient."""
    said = await _reply(wire, f"EHLO {nonce}.example.invalid")
    for words in ("MAIL FROM:<>", f"RCPT TO:<{nonce}@example.invalid>"):
        if not said.startswith("2"):
            return said
        said = await _reply(wire, words)
    if said.startswith("2"):
        with suppress(Broken):
            await _reply(wire, "RSET")
    return said


async def _reply(wire: Wire, words: str) -> str:
    """Say a line and return the first line of its reply, whole."""
    await wire.say(words)
    lines = [await wire.line()]
    while lines[-1][3:4] == "-":
        if len(lines) > REPLY:
            raise Broken("flood", f"a reply of more than {REPLY} lines", lines[0])
        lines.append(await wire.line())
    return lines[0][:3] + " " + lines[0][4:]


async def _request(wire: Wire, nonce: str) -> str:
    """Ask for a page that is nowhere; returns the status line."""
    host = wire.name or "localhost"
    await wire.say(f"HEAD /{nonce} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: cowhand\r\nConnection: close\r\n")
    status = await wire.line()
    if not status.startswith("HTTP/1."):
        raise Broken("unexpected", f"not an HTTP answer: {status}", status)
    return status


_CAUSES: Mapping[type[StreamError], Cause] = {
    Refused: "refused", TimedOut: "timeout", Unresolved: "unresolved", Unreachable: "unreachable",
}  # fmt: skip


def _cause(error: StreamError) -> Cause:
    return _CAUSES.get(type(error), "unreachable")
