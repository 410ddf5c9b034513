"""Name servers for tests: a machine that asks them, and servers that answer a DNS message with what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from console.errors import Missing, Refused
from console.hosts.local import Local, SocketStream

NAME = "_25._tcp.mail.example.org"
Answer = Callable[[bytes], bytes]
Serve = Callable[[Answer], Awaitable[int]]


class Here(Local):
    """This machine with a resolv.conf of the test's, and name servers behind ports of `at`, a loopback address."""

    def __init__(self, text: str | None, ports: dict[str, int], at: str = "127.0.0.1") -> None:
        super().__init__()
        self.at = at
        self.text, self.ports, self.dialled = text, ports, list[str]()

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        if self.text is None or path != "/etc/resolv.conf":
            raise Missing(f"{path} is not there")
        return self.text.encode()

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        self.dialled.append(address)
        if port != 53 or address not in self.ports:
            raise Refused(f"{address}:{port} refused the connection")
        return await super().connect(self.at, self.ports[address], timeout)


@asynccontextmanager
async def serving() -> AsyncIterator[Serve]:
    """Give what starts a name server and returns its port; they all end with it."""
    servers: list[asyncio.Server] = []

    async def start(answer: Answer) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            question = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            writer.write(answer(question))
            writer.close()

        servers.append(await asyncio.start_server(talk, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


def saying(code: int = dns.rcode.NOERROR, *records: str, signed: bool = True, name: str = NAME) -> Answer:
    def answer(question: bytes) -> bytes:
        told = dns.message.make_response(dns.message.from_wire(question))
        told.set_rcode(code)
        told.flags |= dns.flags.AD if signed else 0
        if records:
            told.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TLSA", *records))
        return framed(told.to_wire(max_size=65535))

    return answer
