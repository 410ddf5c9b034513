"""Stands for HAProxy: a TCP proxy that listens on, forwards to and checks what the site's own haproxy.cfg says."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from ipaddress import ip_address

from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from console.errors import StreamError
from console.lab.haproxy.checks import Health, watch
from console.lab.network.addresses import PROXY
from console.lab.network.network import Caller, Network
from console.lab.network.tunnel import End, relay, told
from console.model import Bind, Lane

CONNECT_PATIENCE = 5.0
"""Seconds to reach a server before the client is given up (`timeout connect 5s`, the manual's own example)."""

SETTLE = 0.5
"""Longest wait for a first check, in seconds."""

REQUEST_PATIENCE = 10.0
"""Seconds for a request's first bytes where HAProxy terminates TLS (`timeout http-request 10s`)."""

UNAVAILABLE = (
    b"HTTP/1.0 503 Service Unavailable\r\ncache-control: no-cache\r\nconnection: close\r\ncontent-type: text/html\r\n"
    b"\r\n<html><body><h1>503 Service Unavailable</h1>\n"
    b"No server is available to handle this request.\n</body></html>\n"
)
"""HAProxy's own error page."""


class Frontend:
    """One lane as HAProxy runs it: its listeners, its server's health, and its counters."""

    def __init__(self, network: Network, lane: Lane, tls: ssl.SSLContext) -> None:
        self.network, self.lane = network, lane
        self.tls = tls if lane.tls == "terminated" else None
        self.down, self.looked = asyncio.Event(), asyncio.Event()
        self.health = Health(lane, self._note_health)
        self.header = lane.proxy_protocol
        self.server = lane.server or "server"
        self.servers: list[tuple[Bind, asyncio.Server]] = []
        self.sessions: set[asyncio.Task[None]] = set()
        self.most = self.total = self.bytes_in = self.bytes_out = 0
        self.failed_connects = self.connects = 0
        self.connect_ms = self.most_connect_ms = 0
        self.last: float | None = None
        self.checking: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The frontend's name in the statistics."""
        return self.lane.frontend or self.backend

    @property
    def backend(self) -> str:
        """The backend's name in the statistics; a `listen` section is both."""
        return self.lane.proxy or self.lane.name

    @property
    def binds(self) -> tuple[Bind, ...]:
        """Where it listens; a lane that is only declared listens everywhere."""
        return self.lane.binds or (Bind("", self.lane.port), Bind("::", self.lane.port))

    async def open(self) -> None:
        """Listen, and check the server."""
        if self.servers:
            return
        for bind in self.binds:
            server = await asyncio.start_server(self._receive, "127.0.0.1", 0, ssl=self.tls)
            self.network.listeners[PROXY, bind.address, bind.port] = server.sockets[0].getsockname()[1]
            self.servers.append((bind, server))
        if self.health.checked:
            self.checking = asyncio.create_task(watch(self.network, self.lane, self.health))

    async def settle(self) -> None:
        """Wait for the first check's result: nobody should meet a proxy that has no opinion yet."""
        if self.checking is not None and self.health.status == "INI":
            with suppress(TimeoutError):
                await asyncio.wait_for(self.looked.wait(), SETTLE)

    def close(self) -> None:
        """Stop listening and checking, and drop every client."""
        self.retire()
        for session in self.sessions:
            session.cancel()

    def retire(self) -> None:
        """Stop listening and checking; who is there already may stay."""
        for bind, server in self.servers:
            self.network.listeners.pop((PROXY, bind.address, bind.port), None)
            server.close()
        self.servers.clear()
        if self.checking is not None:
            self.checking.cancel()
            self.checking = None

    def _note_health(self) -> None:
        self.looked.set()
        if self.health.up:
            self.down.clear()
        else:
            self.down.set()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = End(reader, writer)
        peer = told(writer, "peername")
        caller = self.network.take(peer[1]) if peer else None
        if caller is None:
            client.reset()
            return
        session = asyncio.current_task()
        assert session is not None
        self.sessions.add(session)
        self.total += 1
        self.most = max(self.most, len(self.sessions))
        try:
            await self._serve(client, caller)
        except asyncio.CancelledError:
            client.reset()
        finally:
            self.sessions.discard(session)

    async def _serve(self, client: End, caller: Caller) -> None:
        first = b""
        if self.tls is not None:
            try:
                async with asyncio.timeout(REQUEST_PATIENCE):
                    first = await client.reader.read(65536)
                    self._count_in(len(first))
                    first = _forwarded(first, caller.address)
            except (TimeoutError, OSError):
                client.close()
                return
        target = self.lane.target
        if target is None or not self.health.up:
            self._refuse(client)
            return
        self.connects += 1
        began = time.perf_counter()
        dial = asyncio.create_task(self.network.dial(PROXY, target.host, target.port))
        fall = asyncio.create_task(self.down.wait())
        try:
            await asyncio.wait((dial, fall), timeout=CONNECT_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if not dial.done():
                raise StreamError("no answer")
            line = dial.result()
        except StreamError:
            self.failed_connects += 1
            self._refuse(client)
            return
        finally:
            fall.cancel()
            dial.cancel()
        self._count_connect(time.perf_counter() - began)
        await relay(client, line.end, line.link, self._header(caller) + first, self._count_in, self._count_out)
        self.last = time.time()

    def _header(self, caller: Caller) -> bytes:
        if self.header is None:
            return b""
        source, to = (ip_address(caller.address), caller.port), (ip_address(caller.to[0]), caller.to[1])
        result = ProxyResultIPv6(source, to) if source[0].version == 6 else ProxyResultIPv4(source, to)  # type: ignore[arg-type]
        return (ProxyProtocolV2() if self.header == "v2" else ProxyProtocolV1()).pack(result)

    def _refuse(self, client: End) -> None:
        if self.tls is not None:
            with suppress(OSError, RuntimeError):
                client.writer.write(UNAVAILABLE)
        client.close()

    def _count_connect(self, seconds: float) -> None:
        self.connect_ms = round(seconds * 1000)
        self.most_connect_ms = max(self.most_connect_ms, self.connect_ms)

    def _count_in(self, count: int) -> None:
        self.bytes_in += count

    def _count_out(self, count: int) -> None:
        self.bytes_out += count


def _forwarded(first: bytes, address: str) -> bytes:
    """Add what `option forwardfor` adds to a request, last of its headers."""
    head, end, rest = first.partition(b"\r\n\r\n")
    return head + f"\r\nX-Forwarded-For: {address}".encode() + end + rest if end else first


class Proxy:
    """The process: `missing` are public ports whose section was taken out, `running` False means it was stopped.

    `renamed` are other names for servers, by public port, than the site's own file has."""

    def __init__(self, network: Network, lanes: tuple[Lane, ...], tls: ssl.SSLContext) -> None:
        self.network, self.lanes, self.tls = network, lanes, tls
        self.missing: frozenset[int] = frozenset()
        self.renamed: dict[int, str] = {}
        self.sending = self.running = True
        self.retired: list[Frontend] = []
        self.restart()

    @property
    def frontends(self) -> tuple[Frontend, ...]:
        """The lanes that are there."""
        return tuple(frontend for frontend in self.all if self.running and frontend.lane.port not in self.missing)

    def restart(self) -> None:
        """Be a new process, with the configuration that holds now: counters and health begin anew."""
        self.all = [Frontend(self.network, lane, self.tls) for lane in self.lanes]
        self.send_headers(self.sending)
        self.rename(self.renamed)
        self.running, self.since = True, time.time()

    async def reload(self, lanes: tuple[Lane, ...]) -> None:
        """Be a new process with these lanes; the one before keeps its connections until they end."""
        for frontend in self.all:
            frontend.retire()
        self.retired = [frontend for frontend in (*self.retired, *self.all) if frontend.sessions]
        self.lanes = lanes
        self.restart()
        await self.apply()

    async def apply(self) -> None:
        """Open and close what `running` and `missing` say."""
        there = self.frontends
        if not self.running:
            for frontend in self.retired:
                frontend.close()
        for frontend in self.all:
            if frontend in there:
                await frontend.open()
            else:
                frontend.close()
        await asyncio.gather(*(frontend.settle() for frontend in there))

    def rename(self, renamed: dict[int, str]) -> None:
        """Call servers by other names than the site's own file does."""
        self.renamed = renamed
        for frontend in self.all:
            frontend.server = renamed.get(frontend.lane.port) or frontend.lane.server or "server"

    def send_headers(self, sending: bool) -> None:
        """Write PROXY headers as configured, or none at all."""
        self.sending = sending
        for frontend in self.all:
            frontend.header = frontend.lane.proxy_protocol if sending else None
