"""A name server that lies, goes silent or sends without end: it costs seconds and kilobytes, and steers nothing."""

from __future__ import annotations

import asyncio
from itertools import repeat

import pytest

from console.facts import tlsa
from console.hosts.local import SocketStream
from tests.console.facts.name_servers import NAME, Here


class Hostile(SocketStream):
    """Sends its pieces one after the other, then nothing, for ever."""

    def __init__(self, pieces: object) -> None:
        self.pieces, self.sent, self.closed = iter(pieces), 0, False  # type: ignore[call-overload]

    async def write(self, data: bytes) -> None:
        pass

    async def read(self, limit: int = 65536) -> bytes:
        piece: bytes | None = next(self.pieces, None)
        if piece is None:
            await asyncio.Event().wait()
        assert piece is not None
        self.sent += len(piece)
        return piece

    def close(self) -> None:
        self.closed = True


async def ask(stream: Hostile) -> str:
    class Dialled(Here):
        async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
            return stream

    told = await tlsa.ask(Dialled("nameserver 192.0.2.1\n", {}), NAME)
    assert told.records == () and stream.closed
    return told.error


async def test_one_that_goes_silent_in_the_middle_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlsa, "PATIENCE", 0.1)
    assert await ask(Hostile([b"\xff\xff"])) == "the name server 192.0.2.1 did not answer by TCP within 0.1 s"


async def test_one_that_sends_without_end_is_read_no_further_than_its_own_length() -> None:
    stream = Hostile(repeat(b"\x20\0" + b"\x1b[2J\x1b]0;owned\x07" * 100))
    assert await ask(stream) == "the name server 192.0.2.1 sent an answer that cannot be read"
    assert stream.sent < 0x2000 + 4096


@pytest.mark.parametrize("data", [b"\0\x0c" + b"\xff" * 12, b"\0\x02\0\0", b"\xff\xff" + b"\0" * 65535])
async def test_what_is_no_answer_is_said_to_be_none(data: bytes) -> None:
    said = await ask(Hostile([data]))
    assert said.startswith("the name server 192.0.2.1 ") and "\x1b" not in said
