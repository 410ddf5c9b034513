"""The door before an existing server: it reads the PROXY header on the raw socket, then hands the *socket* over.

Looking ahead (MSG_PEEK) consumes nothing beyond the header, so TLS can start at the very next byte, and a refusal that
leaves bytes unread gives the reset a real daemon gives."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Literal
from weakref import WeakSet

from msgspec import Struct
from proxyprotocol import ProxyProtocolIncompleteError, ProxyProtocolSyntaxError
from proxyprotocol.detect import ProxyProtocolDetect
from proxyprotocol.result import ProxyResult, ProxyResultIPv4, ProxyResultIPv6, ProxyResultLocal

from console.lab.network.network import Caller, Network
from console.lab.network.tunnel import reset_on_close

PARSER = ProxyProtocolDetect()
SIGNATURES = (b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n")

LONGEST = 1500
"""Most bytes of a header, addresses and TLVs included: Dovecot's own limit."""

GLANCE = 0.02
"""Seconds to wait for a caller's first bytes before an immediate close: unread bytes make it a reset, as in life."""

HANDSHAKE = 30.0
"""Seconds for a TLS handshake."""

Reason = Literal["untrusted", "silent", "malformed", "reset", "closed", "unknown", "tls"]
"""Why a caller was turned away; "reset" is what a bare layer 4 check does, and a real daemon never sees it."""


class Visitor(Struct, frozen=True):
    """A connection let in: `client` as the daemon believes it, `server` the address dialled, `peer` who is on TCP."""

    client: tuple[str, int]
    server: tuple[str, int]
    peer: str


class Policy(Struct, frozen=True):
    """What a port demands. `refused` is told why a caller was turned away, with the caller's address and a detail.

    `trusts` None is a daemon that knows no trust (Postfix); `parting` is what a refusal writes before it closes;
    `patience` is in seconds."""

    refused: Callable[[Reason, str, str], None]
    header: bool = False
    trusts: Callable[[str], bool] | None = None
    patience: float = 5.0
    parting: bytes = b""
    takes_unknown: bool = True
    tls: ssl.SSLContext | None = None


class Turned(Exception):
    """A caller is turned away."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Door:
    """One listening port; `enter` gives the protocol of the real server for each visitor."""

    def __init__(self, network: Network, policy: Policy, enter: Callable[[Visitor], asyncio.Protocol]) -> None:
        self.network, self.policy, self.enter = network, policy, enter
        self.tasks: set[asyncio.Task[None]] = set()
        self.inside: WeakSet[asyncio.BaseTransport] = WeakSet()

    def open(self) -> int:
        """Listen; returns the loopback port."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        listening.setblocking(False)
        self._start(self._accept(listening))
        return int(listening.getsockname()[1])

    def close(self) -> None:
        """Stop listening and throw everybody out."""
        for task in self.tasks:
            task.cancel()  # the accepting one closes its socket once asyncio has forgotten the number of its descriptor
        for transport in list(self.inside):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                try:
                    there, peer = await loop.sock_accept(listening)
                except OSError:
                    await asyncio.sleep(0.1)
                    continue
                self._start(self._receive(there, int(peer[1])))

    async def _receive(self, there: socket.socket, port: int) -> None:
        there.setblocking(False)
        # asyncio sets it only on sockets made with an explicit protocol; without it each answer waits 40 ms
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller = self.network.take(port)
        if caller is None:
            reset_on_close(there)
            there.close()
            return
        try:
            visitor = await self._admit(there, caller)
        except Turned as turned:
            self.policy.refused(turned.reason, caller.address, turned.detail)
            await self._part(there)
            there.close()
        except (OSError, asyncio.CancelledError):
            there.close()
        else:
            await self._let_in(there, visitor)

    async def _let_in(self, there: socket.socket, visitor: Visitor) -> None:
        tls = self.policy.tls
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: self.enter(visitor), there, ssl=tls, ssl_handshake_timeout=HANDSHAKE if tls else None
            )
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self.policy.refused("tls", visitor.client[0], (error.reason or "").lower().replace("_", " "))
            return
        self.inside.add(transport)

    async def _admit(self, there: socket.socket, caller: Caller) -> Visitor:
        policy = self.policy
        plain = Visitor((caller.address, caller.port), caller.to, caller.address)
        if not policy.header:
            return plain
        if policy.trusts is not None and not policy.trusts(caller.address):
            await _glance(there)
            raise Turned("untrusted")
        try:
            async with asyncio.timeout(policy.patience):
                result = await _read_header(there)
        except TimeoutError:
            raise Turned("silent") from None
        if isinstance(result, ProxyResultIPv4 | ProxyResultIPv6):
            source, destination = result.peername, result.sockname
            return Visitor((str(source[0]), source[1]), (str(destination[0]), destination[1]), caller.address)
        if isinstance(result, ProxyResultLocal) or policy.takes_unknown:
            return plain
        raise Turned("unknown")

    async def _part(self, there: socket.socket) -> None:
        if not self.policy.parting:
            return
        with suppress(OSError):
            with suppress(BlockingIOError):
                there.recv(65536)  # Postfix reads before it refuses: its last words are not lost to a reset
            await asyncio.get_running_loop().sock_sendall(there, self.policy.parting)


async def _read_header(there: socket.socket) -> ProxyResult:
    """Consume exactly one header; raises `Turned`."""
    loop = asyncio.get_running_loop()
    got = b""
    while len(got) < LONGEST:
        try:
            return PARSER.unpack(got)
        except ProxyProtocolIncompleteError as error:
            want = error.want_read
        except (ProxyProtocolSyntaxError, ValueError):
            raise Turned("malformed") from None
        ahead = await _peek(there)
        if not got and not any(signature.startswith(ahead[: len(signature)]) for signature in SIGNATURES):
            raise Turned("malformed")
        need = want.want_bytes or ahead.find(b"\n") + 1 or len(ahead)
        got += await loop.sock_recv(there, need)
    raise Turned("malformed")


async def _glance(there: socket.socket) -> None:
    """Give a caller's first bytes a moment to come; raises `Turned` when it resets instead."""
    try:
        async with asyncio.timeout(GLANCE):
            await _peek(there)
    except TimeoutError:
        pass
    except Turned as turned:
        if turned.reason == "reset":
            raise


async def _peek(there: socket.socket) -> bytes:
    """Wait for bytes and leave them where they are; raises `Turned` when the caller goes instead."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            ahead = there.recv(LONGEST, socket.MSG_PEEK)
        except BlockingIOError:
            ready = asyncio.Event()
            loop.add_reader(there.fileno(), ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_reader(there.fileno())
            continue
        except OSError:
            raise Turned("reset") from None
        if not ahead:
            raise Turned("closed")
        return ahead
