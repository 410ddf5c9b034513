"""A lab of the module's own, and a guest that asks it things over raw streams."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import NamedTuple, TypeVar

import pytest

from console.facts.haproxy_stats import ask
from console.hosts.host import Stream
from console.lab.client import Lab, LabHost
from console.model import Role
from console.probes.tls import TlsStream

VM = "10.10.10.214"
PUBLIC, PUBLIC6 = "203.0.113.10", "2001:db8:113::10"

V1 = b"PROXY TCP4 203.0.113.77 203.0.113.10 55555 25\r\n"
V1_SIX = b"PROXY TCP6 2001:db8:113::77 2001:db8:113::10 55555 25\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + bytes((203, 0, 113, 77))
    + bytes((203, 0, 113, 10))
    + (55555).to_bytes(2, "big")
    + (25).to_bytes(2, "big")
)
HEADERS = {"": b"", "v1": V1, "v1 six": V1_SIX, "v2": V2, "unknown": b"PROXY UNKNOWN\r\n"}
T = TypeVar("T")


class Heard(NamedTuple):
    """What a server said until `lines` lines had come or it closed, and how long that took in seconds."""

    text: str
    seconds: float


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A private lab; that it had no mishap is part of every test that used it."""
    lab = Lab.start_private()
    lab.wait()
    yield lab
    mishaps = lab.status()["mishaps"]
    lab.close()
    assert mishaps == []


@pytest.fixture
async def calm(lab: Lab, hosts: dict[Role, LabHost]) -> AsyncIterator[Lab]:
    """The module's lab, for a test that breaks things: whole before, and healed after."""
    await until(lambda: ask(hosts["proxy"]), lambda stats: all(s.status in ("UP", "no check") for s in stats.servers))
    yield lab
    lab.heal()


@pytest.fixture
def hosts(lab: Lab) -> dict[Role, LabHost]:
    return lab.hosts()


async def hear(
    host: LabHost, address: str, port: int, header: bytes = b"", tls: bool = False, talk: bytes = b"", lines: int = 1
) -> Heard:
    """Ask as a guest would, through TLS where `tls`, header first; a failed handshake is what is heard."""
    began = time.monotonic()
    stream: Stream = await host.connect(address, port, 10)
    raw = stream
    text = b""
    try:
        if tls:
            secured = TlsStream(stream, "mail.benoit.jp.net", header)
            await secured.handshake()
            stream = secured
        elif header + talk:
            await stream.write(header + talk)
        while text.count(b"\n") < lines:
            part = await stream.read()
            if not part:
                text += b"<closed>"
                break
            text += part
    except EOFError:
        text = b"<closed in TLS>"
    except ssl.SSLError as error:
        text = f"<TLS {error.reason}>".encode()
    finally:
        raw.close()
    return Heard(text.decode(), time.monotonic() - began)


async def logged(hosts: dict[Role, LabHost], service: str) -> str:
    """The last lines of a service's log."""
    command = ["docker", "compose", "logs", "--no-color", "--no-log-prefix", "--tail", "20", service]
    return (await hosts["mail"].run(command, 5)).stdout.decode()


async def until(question: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], patience: float = 60.0) -> T:
    """Ask again and again until the answer satisfies `wanted`; the last answer is returned."""
    end = time.monotonic() + patience
    while True:
        answer = await question()
        if wanted(answer) or time.monotonic() > end:
            return answer
        await asyncio.sleep(0.1)
