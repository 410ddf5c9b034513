"""What ports serve, and whether clients would trust it: each certificate is asked about once, for every port."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from console.engine.certificate_survey import survey
from console.engine.vantages import Vantages
from console.estate.load import Estate
from console.hosts.local import Local
from console.model import Bind, Lane, Span, Target, Topology
from console.site import Site
from console.topology.sources import Sources


@pytest.mark.parametrize(
    ("rooted", "trust", "why"), [(True, {"self-signed"}, ""), (False, {None}, "this machine has no root certificates")]
)
async def test_every_port_that_shows_a_certificate_says_the_same_of_its_trust(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, rooted: bool, trust: set[str | None], why: str
) -> None:
    if not rooted:
        monkeypatch.setattr("console.probes.trust._context", lambda authority: None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        await reader.read(64)
        writer.write(b"* BYE\r\na OK\r\n")
        writer.close()

    async with AsyncExitStack() as stack:
        servers = [await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) for _ in range(4)]
        for server in servers:
            await stack.enter_async_context(server)
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        lanes = tuple(
            Lane(
                f"{port}", "imaps", port, (Bind("", port),), Target("127.0.0.1", port), None, "terminated", Span("h", 1)
            )
            for port in ports
        )
        topology = Topology(lanes=lanes, public=("127.0.0.1",))
        estate = Estate(Site(), Path("site.toml"), "an estate", Sources(), topology)
        told = await survey(estate, Vantages({"here": Local()}, {}, deque()))
    served = [place for place in told.places if place.kind == "served"]
    assert {place.where for place in served} == {f"127.0.0.1:{port}" for port in ports}
    assert {place.trusted for place in served} == trust and told.unjudged == why
