"""Stands for the name server that the operator's machine uses: it knows TLSA records alone, and speaks TCP alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256

from console.lab.network.addresses import HERE, LOOPBACK
from console.lab.network.network import Network

RESOLV_CONF = f"# the rehearsal's own name server\nnameserver {LOOPBACK[0]}\n".encode()
PORT = 53
PATIENCE = 10.0
"""Seconds for a question to arrive."""

OTHER = sha256(b"the key of another certificate").hexdigest()
TTL = 3600


class NameServer:
    """Answers for `names` with one record 3 1 1, of `digest` in hex, or with none while that is ""."""

    def __init__(self, network: Network, names: tuple[str, ...]) -> None:
        self.network, self.names = network, frozenset(f"_25._tcp.{name}." for name in names)
        self.digest = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.network.listeners[HERE, LOOPBACK[0], PORT] = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self.network.listeners.pop((HERE, LOOPBACK[0], PORT), None)
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.network.take(writer.get_extra_info("peername")[1])
        try:
            with suppress(TimeoutError, EOFError, OSError):
                async with asyncio.timeout(PATIENCE):
                    size = int.from_bytes(await reader.readexactly(2))
                    answer = self.answer(await reader.readexactly(size))
                    writer.write(len(answer).to_bytes(2) + answer)
                    await writer.drain()
        finally:
            writer.close()

    def answer(self, question: bytes) -> bytes:
        """Answer a question: a DNS message in, a DNS message out; b"" for what is none."""
        import dns.flags
        import dns.message
        import dns.rcode
        import dns.rrset
        from dns.exception import DNSException
        from dns.rdatatype import TLSA

        try:
            asked = dns.message.from_wire(question)
            told = dns.message.make_response(asked, recursion_available=True)
        except (DNSException, ValueError):
            return b""
        told.flags |= dns.flags.AD
        about = asked.question[0] if asked.question else None
        if about is None or about.name.to_text().lower() not in self.names:
            told.set_rcode(dns.rcode.NXDOMAIN)
        elif about.rdtype == TLSA and self.digest:
            told.answer.append(dns.rrset.from_text(about.name, TTL, "IN", "TLSA", f"3 1 1 {self.digest}"))
        return told.to_wire()
