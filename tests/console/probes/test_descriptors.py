"""With few file descriptors fewer ports are asked at once; what could not be asked is never called well."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys

import pytest

from console.engine.sweeps import Sweeps
from console.errors import FULL, NoWayIn
from console.hosts.descriptors import at_once
from console.hosts.host import Stream
from console.hosts.local import Local
from console.model import Lane, Span, Topology

MANY = 200


@pytest.mark.parametrize(
    ("limit", "hosts", "most"),
    [
        (1024, 3, 256),
        (resource.RLIM_INFINITY, 3, 256),
        (1023, 1, 256),
        (256, 3, 32),
        (256, 1, 96),
        (64, 3, 1),
        (10, 3, 1),
    ],
)
def test_how_much_is_asked_at_once_follows_from_the_limit(limit: int, hosts: int, most: int) -> None:
    assert at_once(hosts, 256, limit) == most


LOOK = """
import asyncio, resource, sys
from console.hosts.local import Local
from console.engine.sweeps import Sweeps
from console.model import Lane, Span, Target, Topology
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
port, where = int(sys.argv[1]), Span("haproxy.cfg", 1)
lanes = tuple(
    Lane(f"lane{at}", "smtp", port, (), Target("127.0.0.1", port), None, "passthrough", where, proxy=f"p{at}")
    for at in range(200)
)
hosts = {"here": Local(), "proxy": Local("vps", "proxy"), "mail": Local("mail", "mail")}
sweeps = Sweeps(Topology(lanes=lanes, public=("127.0.0.1",)), hosts, {}, lambda event: None)
seen = asyncio.run(sweeps.sweep())
ladders = [each for lane in seen.lanes.values() for each in (*lane.public.values(), lane.vm)]
print(len(ladders), sum(ladder.well for ladder in ladders), sweeps.dark)
"""


async def test_two_hundred_lanes_are_asked_whole_with_256_descriptors() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read(64)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, backlog=512) as server:
        port = server.sockets[0].getsockname()[1]
        argv = [sys.executable, "-c", LOOK, str(port)]
        asked = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await asyncio.wait_for(asked.communicate(), 60)
    assert out.decode().split()[:2] == out.decode().split()[:1] * 2, (out, err)
    assert FULL not in out.decode()


class Full(Local):
    """A machine that has no descriptor left for every second port."""

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        if port % 2:
            raise NoWayIn(f"{address}:{port} was not asked: {FULL}")
        return await super().connect(address, port, timeout)


@pytest.mark.slow
async def test_what_was_left_out_is_said_and_is_not_well() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read(64)
        writer.close()

    ports: list[int] = []
    servers = []
    while not any(port % 2 for port in ports) or not any(port % 2 == 0 for port in ports):
        servers.append(await asyncio.start_server(greet, "127.0.0.1", 0))
        ports.append(servers[-1].sockets[0].getsockname()[1])
    lanes = tuple(Lane("smtp", "smtp", port, (), None, None, "passthrough", Span("h", 1)) for port in ports)
    missing = {"proxy": "no way in", "mail": "no way in"}
    sweeps = Sweeps(Topology(lanes=lanes, public=("127.0.0.1",)), {"here": Full()}, missing, lambda event: None)  # type: ignore[arg-type]
    await sweeps.sweep()
    for server in servers:
        server.close()
    assert sweeps.findings is not None
    odd = sum(port % 2 for port in ports)
    assert sweeps.findings.verdict == "unknown"
    assert sweeps.findings.cause == f"{odd} of {len(ports)} probes were left out: {FULL}"
