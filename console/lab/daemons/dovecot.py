"""Stands for dovecot-mailcow: IMAP and ManageSieve, each plain and behind the PROXY protocol, on pymap.

Nobody can log in: there are no users."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from argparse import Namespace
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6
from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Login
from pymap.context import connection_exit
from pymap.imap import IMAPServer
from pymap.sieve.manage import ManageSieveConnection, ManageSieveServer
from pysasl.hashing import Cleartext

from console.lab.daemons.doors import Policy, Reason, Visitor
from console.lab.daemons.services import Port, Service
from console.lab.network.addresses import GATEWAY
from console.lab.network.network import Network

HEADER_PATIENCE = 3.0
"""Seconds Dovecot waits for a PROXY header (haproxy_timeout)."""

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter, SocketInfo], Awaitable[None]]


class Dovecot(Service):
    """The service; `trusted` is `haproxy_trusted_networks`, empty in an untouched Mailcow."""

    def __init__(self, network: Network, tls: ssl.SSLContext) -> None:
        super().__init__(network, "dovecot-mailcow", "ghcr.io/mailcow/dovecot:2.33")
        self.trusted: tuple[IPv4Network | IPv6Network, ...] = ()
        self.trust(GATEWAY)
        opportunistic, implicit = Settings.of(tls, starttls=True), Settings.of(tls, starttls=False)
        opportunistic.apply_context()
        imap, imaps = IMAPServer(Login(opportunistic), opportunistic), IMAPServer(Login(implicit), implicit)
        sieve = Sieve(Login(opportunistic), opportunistic)
        plans: dict[int, tuple[str, Speak, ssl.SSLContext | None]] = {
            143: ("imap-login", imap, None),
            993: ("imap-login", imaps, tls),
            4190: ("managesieve-login", sieve, None),
        }
        for number, (login, speak, context) in plans.items():
            for port in (number, number + 10000):
                policy = Policy(
                    self._refusals(login),
                    header=port > 10000,
                    trusts=self.trusts,
                    patience=HEADER_PATIENCE,
                    tls=context,
                )
                self.ports.append(Port(port, policy, self._entrance(login, speak, ", TLS" if context else "")))

    def trust(self, *networks: str) -> None:
        """Set `haproxy_trusted_networks`."""
        self.trusted = tuple(ip_network(network) for network in networks)

    def trusts(self, address: str) -> bool:
        """Whether a peer may speak for others."""
        return any(ip_address(address) in network for network in self.trusted)

    def _entrance(self, login: str, speak: Speak, secured: str) -> Callable[[Visitor], asyncio.Protocol]:
        def enter(visitor: Visitor) -> asyncio.Protocol:
            async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await speak(reader, writer, SocketInfo.get(writer, _result(visitor), unique_id=uuid.uuid4().bytes))
                finally:
                    self.log(
                        f"dovecot: {login}: Disconnected: Connection closed (no auth attempts in 0 secs): "
                        f"user=<>, rip={visitor.client[0]}, lip={visitor.server[0]}{secured}"
                    )

            return asyncio.StreamReaderProtocol(asyncio.StreamReader(), run)

        return enter

    def _refusals(self, login: str) -> Callable[[Reason, str, str], None]:
        words = {
            "untrusted": "Warning: haproxy: Client not trusted (rip={})",
            "silent": "Error: haproxy: Client timed out (rip={})",
            "malformed": "Error: haproxy: Client disconnected: Failed to read valid HAproxy data (rip={})",
            "closed": "haproxy: Client disconnected (rip={}): Connection reset by peer",
        }

        def refused(reason: Reason, address: str, detail: str) -> None:
            if reason == "tls":
                text = (
                    "Disconnected: Connection closed: SSL_accept() failed: {} (no auth attempts in 0 secs): "
                    "user=<>, rip={}, TLS handshaking"
                )
                self.log(f"dovecot: {login}: {text.format(detail, address)}")
            elif reason in words:
                self.log(f"dovecot: {login}: {words[reason].format(address)}")

        return refused


class Settings(Config):
    """pymap's configuration, with Dovecot's greeting."""

    @classmethod
    def of(cls, tls: ssl.SSLContext, starttls: bool) -> Settings:
        """Settings for a port that offers STARTTLS, or for one that is inside TLS already."""
        arguments = Namespace(passlib_cfg=None, proxy_protocol=None)
        return cls(
            arguments,
            host=None,
            port=0,
            demo_data=False,
            demo_user="",
            demo_password="",
            ssl_context=tls,
            tls_enabled=starttls,
            reject_dnsbl=False,
            hash_context=Cleartext(),
        )

    @property
    def greeting(self) -> bytes:
        """What `* OK` is followed by."""
        return b"Dovecot ready."


class Sieve(ManageSieveServer):
    """pymap's ManageSieve server, with Pigeonhole's name."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, info: SocketInfo) -> None:
        """Serve one connection."""
        async with AsyncExitStack() as stack:
            connection_exit.set(stack)
            stack.enter_context(closing(writer))
            await Pigeonhole(self._login, self._config, reader, writer, info).run()


class Pigeonhole(ManageSieveConnection):
    """A ManageSieve connection under Pigeonhole's name."""

    _impl = b"Dovecot Pigeonhole"


def _result(visitor: Visitor) -> Any:
    client, server = ip_address(visitor.client[0]), ip_address(visitor.server[0])
    kind: Any = ProxyResultIPv6 if client.version == 6 else ProxyResultIPv4
    return kind((client, visitor.client[1]), (server, visitor.server[1]))
