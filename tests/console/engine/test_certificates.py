"""What ports serve, asked of a real TLS server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from console.engine.certificates import served
from console.hosts.local import Local
from console.ladders import ProbeTarget


async def test_what_a_port_serves_is_asked_with_and_without_a_name(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        await reader.read(64)
        writer.write(b"* BYE\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        for name in ("mail.example.org", None):
            told = await served(Local(), ProbeTarget("127.0.0.1", port, "imaps", name=name))
            assert told.certificate is not None and told.certificate.names == ("mail.example.org",)
            assert (told.name, told.error) == (name, "")
    closed = await served(Local(), ProbeTarget("127.0.0.1", port, "imaps"))
    assert closed.certificate is None and "refused" in closed.error
