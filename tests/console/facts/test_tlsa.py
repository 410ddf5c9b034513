"""TLSA records as name servers tell them: the lab's stand-in, one that lies, and one that says nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256

import dns.flags
import dns.message
import dns.rcode
import pytest

from console.facts import tlsa
from console.hosts.local import SocketStream
from console.lab.daemons.names import OTHER, NameServer
from console.lab.network.network import Network
from console.model import Tlsa, TlsaRecord
from tests.console.facts.name_servers import NAME, Answer, Here, Serve, framed, saying, serving


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


async def asked(serve: Serve, *answers: Answer) -> Tlsa:
    ports = {f"192.0.2.{at}": await serve(answer) for at, answer in enumerate(answers, 1)}
    return await tlsa.ask(Here("".join(f"nameserver {each}\n" for each in ports), ports), NAME)


@pytest.mark.parametrize("signed", [True, False])
async def test_records_are_read_and_whole_data_become_a_digest(serve: Serve, signed: bool) -> None:
    told = await asked(serve, saying(0, f"3 1 1 {'ab' * 32}", "3 0 0 0102", f"2 1 2 {'cd' * 64}", signed=signed))
    assert told.signed is signed
    assert set(told.records) == {
        TlsaRecord(3, 1, 1, "ab" * 32),
        TlsaRecord(3, 0, 0, sha256(b"\1\2").hexdigest()),
        TlsaRecord(2, 1, 2, "cd" * 64),
    }


async def test_a_question_asks_for_what_the_name_server_validated(serve: Serve) -> None:
    heard: list[dns.message.Message] = []

    def answer(question: bytes) -> bytes:
        heard.append(dns.message.from_wire(question))
        return saying()(question)

    await asked(serve, answer)
    (asked_for,) = heard
    assert dns.flags.to_text(asked_for.flags) == "RD AD"
    assert (asked_for.edns, asked_for.ednsflags) == (0, dns.flags.DO)
    assert [each.to_text() for each in asked_for.question] == [f"{NAME}. IN TLSA"]


async def test_an_answer_may_come_byte_by_byte_with_more_behind_it_and_its_stream_is_closed() -> None:
    made: list[Slow] = []

    class Slow(SocketStream):
        def __init__(self) -> None:
            self.rest, self.closed = b"", False
            made.append(self)

        async def write(self, data: bytes) -> None:
            self.rest = saying(0, f"3 1 1 {'ab' * 32}")(data[2:]) + b"more"

        async def read(self, limit: int = 65536) -> bytes:
            one, self.rest = self.rest[:1], self.rest[1:]
            return one if len(self.rest) > 4 else one + self.rest

        def close(self) -> None:
            self.closed = True

    class Dialled(Here):
        async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
            assert (port, timeout) == (53, tlsa.PATIENCE)
            return Slow()

    told = await tlsa.ask(Dialled("nameserver 192.0.2.1\n", {}), NAME)
    assert (told.error, len(told.records)) == ("", 1)
    assert [each.closed for each in made] == [True]


async def test_a_record_of_the_wrong_length_is_left_out(serve: Serve) -> None:
    def answer(question: bytes) -> bytes:
        rows = (b"\3\1\1" + b"\xab" * 5, b"\3\1\2" + b"\xcd" * 99, b"\3\1\1" + b"\xef" * 32, b"\3\1")
        body = b"".join(b"\xc0\x0c\0\x34\0\1\0\0\0\x3c" + len(row).to_bytes(2) + row for row in rows)
        end = question.index(b"\0\x34\0\1") + 4
        return framed(question[:2] + b"\x81\xa0\0\1\0\4\0\0\0\0" + question[12:end] + body)

    told = await asked(serve, answer)
    assert {each.digest for each in told.records} == {"ef" * 32}
    assert (told.signed, told.error) == (True, "")


@pytest.mark.parametrize("code", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
async def test_a_name_without_records_has_none(serve: Serve, code: int) -> None:
    assert await asked(serve, saying(code)) == Tlsa(NAME, signed=True)


async def test_what_one_name_server_does_not_tell_the_next_one_is_asked(serve: Serve) -> None:
    told = await asked(serve, saying(dns.rcode.SERVFAIL), lambda question: b"", saying(0, f"3 1 1 {'ab' * 32}"))
    assert len(told.records) == 1
    assert told.error == ""


HOSTILE: dict[str, tuple[Answer, str]] = {
    "nothing": (lambda question: b"", "closed the connection without an answer"),
    "half of it": (lambda question: saying()(question)[:20], "closed the connection without an answer"),
    "no message": (lambda question: framed(b"\x1b[2J\x1b]0;owned\x07" * 9), "sent an answer that cannot be read"),
    "an empty one": (lambda question: b"\0\0", "sent an answer that cannot be read"),
    "a name that refers to itself": (
        lambda question: framed(question[:2] + b"\x81\0\0\1\0\0\0\0\0\0\xc0\x0c\0\x34\0\1"),
        "sent an answer that cannot be read",
    ),
    "another question's": (
        lambda question: framed(dns.message.make_response(dns.message.make_query("other.", "A")).to_wire()),
        "answered another question",
    ),
    "the question again": (framed, "answered another question"),
    "a refusal": (saying(dns.rcode.REFUSED), "answered REFUSED"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_name_server_that_tells_nothing_is_named_with_the_reason(serve: Serve, kind: str) -> None:
    answer, words = HOSTILE[kind]
    told = await asked(serve, answer)
    assert told == Tlsa(NAME, error=f"the name server 192.0.2.1 {words}")


async def test_thousands_of_records_are_cut(serve: Serve) -> None:
    told = await asked(serve, saying(0, *(f"3 1 1 {number:064x}" for number in range(900))))
    assert len(told.records) == tlsa.MOST


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "/etc/resolv.conf is not there"),
        ("", "/etc/resolv.conf names no name server"),
        ("# nameserver 192.0.2.1\nnameserver evil.example.org\nnameserver -x\n", "names no name server"),
        ("nameserver 192.0.2.9\n", "the name server 192.0.2.9 was not asked by TCP: 192.0.2.9:53 refused"),
    ],
)
async def test_without_a_name_server_the_reason_is_told(text: str | None, words: str) -> None:
    assert words in (await tlsa.ask(Here(text, {}), NAME)).error


async def test_no_more_name_servers_are_asked_than_the_resolver_would() -> None:
    here = Here("".join(f"nameserver 192.0.2.{each}\n" for each in (1, 1, 2, 3, 4, 5)), {})
    await tlsa.ask(here, NAME)
    assert here.dialled == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


async def test_a_name_that_dns_does_not_allow_is_no_error() -> None:
    assert "label" in (await tlsa.ask(Here("nameserver 192.0.2.1\n", {"192.0.2.1": 1}), "a" * 70 + ".org")).error


async def test_the_lab_s_name_server_answers_as_one_does(serve: Serve) -> None:
    server = NameServer(Network(("10.10.10.214",), ()), ("mail.example.org",))
    assert await asked(serve, lambda question: framed(server.answer(question))) == Tlsa(NAME, signed=True)
    server.digest = OTHER
    told = await asked(serve, lambda question: framed(server.answer(question)))
    assert told == Tlsa(NAME, (TlsaRecord(3, 1, 1, OTHER),), signed=True)
    assert server.answer(b"nonsense") == b""
