"""A machine that answers by a script, and a clock that moves only as the script says."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from console.hosts.host import Stream
from console.ladders import Ladder, ProbeTarget
from console.model import Certificate
from console.probes import ladder as ladders

HERE, THERE = ("192.0.2.1", 40000), ("192.0.2.2", 25)


class Clock:
    """Seconds that pass only when something is said to take them."""

    now = 1000.0


class Script:
    """Stands for a stream: each answer is (seconds it takes, bytes); an exception is raised instead."""

    took: float | None = None

    def __init__(self, clock: Clock, *answers: tuple[float, bytes | Exception]) -> None:
        self.clock, self.answers = clock, list(answers)
        self.local: tuple[str, int] | None = HERE
        self.peer: tuple[str, int] | None = THERE
        self.sent: list[bytes] = []
        self.closed = 0

    async def read(self, limit: int = 65536) -> bytes:
        seconds, said = self.answers.pop(0) if self.answers else (0.0, b"")
        self.clock.now += seconds
        if isinstance(said, Exception):
            raise said
        return said

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed += 1


class Machine:
    """Stands for a host: resolving takes two seconds and connecting a quarter of one."""

    name = "vps"
    role = "proxy"

    def __init__(self, clock: Clock, stream: Script | Exception, addresses: tuple[str, ...] | Exception = ()) -> None:
        self.clock, self.stream, self.addresses = clock, stream, addresses
        self.dialled: list[tuple[str, int, float]] = []

    async def resolve(self, name: str) -> tuple[str, ...]:
        self.clock.now += 2.0
        if isinstance(self.addresses, Exception):
            raise self.addresses
        return self.addresses

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        self.dialled.append((address, port, timeout))
        self.clock.now += 0.25
        if isinstance(self.stream, Exception):
            raise self.stream
        return self.stream


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    fake = SimpleNamespace(
        perf_counter=lambda: made.now, time=lambda: 5000.0, strftime=time.strftime, gmtime=time.gmtime
    )
    monkeypatch.setattr(ladders, "time", fake)
    monkeypatch.setattr("console.probes.wire.time", fake)
    return made


async def climb(machine: Machine, address: str = "192.0.2.2", protocol: Any = "smtp", **more: Any) -> Ladder:
    hooks = {name: more.pop(name) for name in ("seen", "rest") if name in more}
    return await ladders.climb(ProbeTarget(address, 25, protocol, **more), machine, **hooks)  # type: ignore[arg-type]


WELL = (3.0, b"220 mail\r\n"), (0.0, b"221 bye\r\n")


class Tls(Script):
    """Stands for a secured stream; its handshake takes a second and raises what it is told."""

    version = "TLSv1.3"
    error: BaseException | None = None
    shown: Certificate | None = None
    names: list[str | None] = []  # noqa: RUF012

    def __init__(self, stream: Script, name: str | None, first: bytes = b"") -> None:
        super().__init__(stream.clock, *stream.answers)
        self.names.append(name)
        self.inner, self.first = stream, first
        if name == "bad":
            raise ValueError

    async def handshake(self) -> None:
        self.clock.now += 1.0
        self.inner.sent.append(self.first)
        if self.error is not None:
            raise self.error

    def certificate(self) -> Certificate | None:
        return self.shown


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> type[Tls]:
    class Ours(Tls):
        names: list[str | None] = []  # noqa: RUF012

    monkeypatch.setattr(ladders, "TlsStream", Ours)
    return Ours
