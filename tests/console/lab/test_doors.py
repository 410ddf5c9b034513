"""The door on a raw socket: exactly the header is consumed, and who may not enter learns nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from console.lab.daemons.doors import Door, Policy, Reason, Visitor
from console.lab.daemons.services import Port, Service
from console.lab.network.network import Network
from console.lab.network.tunnel import End
from tests.console.lab.conftest import V1, V2, VM


class Echo(asyncio.Protocol):
    """Says who it believes is there, then repeats what comes."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(f"{self.visitor.client[0]}:{self.visitor.client[1]} {self.visitor.peer}\n".encode())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class House:
    """A VM with one service whose only port is a door."""

    def __init__(self) -> None:
        self.network = Network((VM,), ())
        self.refusals: list[tuple[Reason, str]] = []
        self.service = Service(self.network, "echo", "")

    def open(self, trusts: Callable[[str], bool] | None = None, patience: float = 5.0, parting: bytes = b"") -> None:
        policy = Policy(
            lambda reason, address, detail: self.refusals.append((reason, address)),
            header=True,
            trusts=trusts,
            patience=patience,
            parting=parting,
            takes_unknown=False,
        )
        self.service.ports = [Port(10025, policy, Echo)]
        self.service.start()

    async def call(self, first: bytes = b"") -> End:
        line = await self.network.dial("mailcow", VM, 10025)
        if first:
            line.end.writer.write(first)
        return line.end


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    house.service.stop()
    await asyncio.sleep(0)


@pytest.mark.parametrize("header", [V1, V2])
async def test_what_follows_the_header_reaches_the_server_whole(house: House, header: bytes) -> None:
    house.open()
    end = await house.call(header + b"\x16\x03\x01 and more")
    assert await end.reader.readuntil(b"\n") == b"203.0.113.77:55555 10.10.10.214\n"
    assert await end.reader.readexactly(12) == b"\x16\x03\x01 and more"
    end.close()


@pytest.mark.parametrize("header", [V1, V2])
async def test_a_header_in_pieces_is_put_together(house: House, header: bytes) -> None:
    house.open()
    end = await house.call()
    for byte in header:
        end.writer.write(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await end.reader.readuntil(b"\n")).startswith(b"203.0.113.77:55555 ")
    end.close()


async def test_a_local_header_leaves_the_peer_as_the_client(house: House) -> None:
    house.open()
    end = await house.call(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")
    assert (await end.reader.readuntil(b"\n")).startswith(b"10.10.10.214:")
    end.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"EHLO cow\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00", "malformed"),
        (b"PROXY TCP4 203.0.113.77 203.0.113.10 55555\r\n", "malformed"),
        (b"PROXY TCP4 300.0.113.77 203.0.113.10 55555 25\r\n", "malformed"),
        (b"PROXY TCP9 203.0.113.77 203.0.113.10 55555 25\r\n", "malformed"),
        (b"PROXY " + b"A" * 2000 + b"\r\n", "malformed"),
        (b"PROXY UNKNOWN\r\n", "unknown"),
    ],
)
async def test_anything_else_is_turned_away_with_the_last_words(house: House, sent: bytes, reason: Reason) -> None:
    house.open(parting=b"421 no\r\n")
    end = await house.call(sent)
    assert await end.reader.readline() == b"421 no\r\n"
    assert await end.reader.read() == b""
    assert house.refusals == [(reason, "10.10.10.214")]
    end.close()


async def test_bytes_that_are_left_unread_make_the_close_a_reset(house: House) -> None:
    house.open(trusts=lambda address: True)
    end = await house.call(b"\x16\x03\x01\x02\x00")
    with pytest.raises(ConnectionResetError):
        await end.reader.read()
    end.close()


async def test_an_untrusted_header_is_reset_and_its_peer_is_logged(house: House) -> None:
    house.open(trusts=lambda address: address == "10.10.10.1")
    end = await house.call(V1)
    with pytest.raises(ConnectionResetError):
        await end.reader.read()
    assert house.refusals == [("untrusted", "10.10.10.214")]
    end.close()


async def test_an_untrusted_silence_is_closed_in_order(house: House) -> None:
    house.open(trusts=lambda address: False)
    end = await house.call()
    assert await end.reader.read() == b""
    assert house.refusals == [("untrusted", "10.10.10.214")]
    end.close()


async def test_a_bare_check_leaves_no_line_in_the_log(house: House) -> None:
    house.open(trusts=lambda address: False)
    for _ in range(5):
        await house.network.knock("mailcow", VM, 10025)
    end = await house.call(V1)
    with pytest.raises(ConnectionResetError):
        await end.reader.read()
    assert [reason for reason, _ in house.refusals if reason != "reset"] == ["untrusted"]
    end.close()


async def test_a_stranger_on_this_machine_is_turned_away_whatever_it_says(house: House) -> None:
    house.open()
    port = house.network.listener("mailcow", VM, 10025)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(V1)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert house.refusals == []
    writer.close()


async def test_stopping_throws_out_who_is_inside_and_who_still_waits(house: House) -> None:
    house.open()
    inside, waiting = await house.call(V1), await house.call()
    await inside.reader.readline()
    house.service.stop()
    assert await inside.reader.read() == b""
    assert await waiting.reader.read() == b""
    inside.close()
    waiting.close()


async def test_every_answer_leaves_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[socket.socket] = []
    let_in = Door._let_in

    async def keep(self: Door, there: socket.socket, visitor: Visitor) -> None:
        kept.append(there)
        await let_in(self, there, visitor)

    monkeypatch.setattr(Door, "_let_in", keep)
    house.open()
    end = await house.call(V1)
    await end.reader.readline()
    assert kept[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    end.close()
