"""Ladders against small real servers on loopback: each misbehaves in one way, and the reading says which."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from console.hosts.local import Local
from console.ladders import Ladder, ProbeTarget
from console.model import Protocol, ProxyVersion
from console.probes import ladder as ladders
from console.probes import wire
from console.probes.ladder import climb

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second is long on loopback."""
    monkeypatch.setattr(ladders, "PATIENCE", 0.5)
    monkeypatch.setattr(ladders, "CONNECT", 0.5)


@asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[int]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(once, address, 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def saying(*parts: bytes, then_wait: float = 0.3) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await asyncio.sleep(then_wait)

    return handler


async def ask(
    handler: Handler,
    protocol: Protocol = "smtp",
    *,
    header: ProxyVersion | None = None,
    tls: ssl.SSLContext | None = None,
    depth: str = "greeting",
    address: str = "127.0.0.1",
) -> Ladder:
    async with serving(handler, tls, address) as port:
        target = ProbeTarget(address, port, protocol, header, depth=depth)  # type: ignore[arg-type]
        return await climb(target, Local())


WELL: list[tuple[Protocol, bytes, str]] = [
    ("smtp", b"220 mail.example.org ESMTP Postfix\r\n", "220 mail.example.org ESMTP Postfix"),
    ("smtp", b"220-mail.example.org\r\n220 mail.example.org ESMTP\r\n", "220 mail.example.org ESMTP"),
    ("imap", b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n", "* OK [CAPABILITY IMAP4rev1] Dovecot ready."),
    ("imap", b"* PREAUTH welcome\r\n", "* PREAUTH welcome"),
    ("pop3", b"+OK Dovecot ready.\r\n", "+OK Dovecot ready."),
    ("sieve", b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"SIEVE" "fileinto"\r\nOK "ready"\r\n', "Dovecot Pigeonhole"),
    ("http", b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n", "HTTP/1.1 200 OK"),
    ("tcp", b"", "accepted the connection"),
]


@pytest.mark.parametrize(("protocol", "said", "expected"), WELL)
async def test_a_proper_greeting_holds_every_rung(protocol: Protocol, said: bytes, expected: str) -> None:
    ladder = await ask(saying(said), protocol)
    assert ladder.cause == ""
    assert ladder.done
    assert [rung.name for rung in ladder.rungs] == ["connect", "greeting"]
    assert expected in ladder.rungs[-1].detail


ILL: list[tuple[str, Protocol, bytes, str, str]] = [
    ("a temporary error is an answer", "smtp", b"421 4.3.2 No system resources\r\n", "refused", "421 4.3.2"),
    ("another protocol is strange", "smtp", b"SSH-2.0-OpenSSH_9.2\r\n", "unexpected", "SSH-2.0"),
    ("BYE is a refusal", "imap", b"* BYE too many connections\r\n", "refused", "BYE"),
    ("NO is a refusal", "sieve", b'NO "go away"\r\n', "refused", "go away"),
    ("OK alone greets nobody", "sieve", b"OK\r\n", "unexpected", "IMPLEMENTATION"),
    ("five hundred is a refusal", "http", b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "refused", "503"),
    ("an interim answer is none", "http", b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 503 No\r\n\r\n", "refused", "503"),
    ("a status behind two blanks is none", "http", b"HTTP/1.1  503 No\r\n\r\n", "unexpected", "503"),
    ("a status behind a tab is none", "http", b"HTTP/1.1\t503 No\r\n\r\n", "unexpected", "503"),
    ("a version that moves the status is none", "http", b"HTTP/1.10 503 No\r\n\r\n", "unexpected", "503"),
    ("a status that HTTP has not is none", "http", b"HTTP/1.1 999 Hm\r\n\r\n", "unexpected", "999"),
    (
        "a status in other digits is none",
        "http",
        "HTTP/1.1 ٢٠٠ OK\r\n\r\n".encode(),
        "unexpected",
        "not an HTTP answer",
    ),
    ("no status is none", "http", b"HTTP/1.\r\n\r\n", "unexpected", "not an HTTP answer"),
    ("a literal has no end", "imap", b"* OK {1000000000000}\r\n", "unexpected", "announces more"),
    ("a literal in a list has none", "sieve", b'"IMPLEMENTATION" {1000000000000}\r\nOK\r\n', "unexpected", "announces"),
    ("what begins like OK is not OK", "imap", b"* OKAY\r\n", "unexpected", "OKAY"),
    ("what begins like +OK is not +OK", "pop3", b"+OKAY\r\n", "unexpected", "OKAY"),
    ("closing at once", "imap", b"", "closed", "at once"),
    ("closing half way through a line", "smtp", b"220 mail.exa", "closed", "220 mail.exa"),
    ("a line without end floods", "smtp", b"2" * 100_000, "flood", "bytes"),
    ("endless teasers flood", "smtp", b"220-more\r\n" * 5_000, "flood", "bytes"),
    ("endless headers flood", "http", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9_000, "flood", "bytes"),
]


@pytest.mark.parametrize(
    ("protocol", "said", "cause", "evidence"), [row[1:] for row in ILL], ids=[row[0] for row in ILL]
)
async def test_an_improper_greeting_names_its_cause(protocol: Protocol, said: bytes, cause: str, evidence: str) -> None:
    ladder = await ask(saying(said, then_wait=0.0), protocol)
    assert ladder.cause == cause
    assert ladder.failed is not None
    assert ladder.failed.name == "greeting"
    assert evidence in ladder.failed.detail


@pytest.mark.parametrize("protocol", ["smtp", "imap", "sieve", "pop3", "http"])
async def test_a_port_that_accepts_and_stays_silent_is_said_to_be_silent(protocol: Protocol) -> None:
    ladder = await ask(saying(then_wait=2), protocol)
    assert ladder.cause == "silent"


async def test_a_server_that_drips_bytes_does_not_outlast_the_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladders, "CONVERSATION", 1.0)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(40):
            writer.write(b"220-x\r\n")
            await asyncio.sleep(0.05)

    ladder = await ask(drip)
    assert ladder.cause == "unfinished" and ladder.failed is not None
    assert re.fullmatch(r"\d+ bytes in 1 s, and still no end of the answer", ladder.failed.detail)


async def test_nothing_is_sent_before_the_final_greeting_and_the_guest_says_goodbye() -> None:
    heard: list[bytes] = []

    async def postscreen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-mail.example.org\r\n")
        with_teaser = asyncio.create_task(reader.read(100))
        done, _ = await asyncio.wait([with_teaser], timeout=0.3)
        assert not done
        writer.write(b"220 mail.example.org\r\n")
        heard.append(await with_teaser)

    ladder = await ask(postscreen)
    await asyncio.sleep(0.05)
    assert heard == [b"QUIT\r\n"]
    assert ladder.imposed > 0.25


async def test_control_sequences_and_markup_in_a_greeting_arrive_as_visible_text() -> None:
    ladder = await ask(saying(b"220 \x1b[2J\x1b]52;c;ZXZpbA==\x07[red]hi[/] \xe2\x80\xae\r\n"))
    detail = ladder.rungs[-1].detail
    assert detail.isprintable()
    assert "\\x1b[2J" in detail
    assert "[red]hi[/]" in detail
    assert "\\u202e" in detail


async def test_a_refused_port_and_an_unresolved_name_stop_at_their_rung() -> None:
    async with serving(saying()) as port:
        pass
    refused = await climb(ProbeTarget("127.0.0.1", port, "smtp"), Local())
    assert (refused.cause, refused.rungs[-1].name) == ("refused", "connect")
    unresolved = await climb(ProbeTarget("nowhere.invalid", 25, "smtp"), Local())
    assert unresolved.cause in ("unresolved", "no-way")
    assert unresolved.rungs[-1].name in ("resolve", "connect")


def header_v1(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    return f"PROXY TCP4 {source[0]} {target[0]} {source[1]} {target[1]}\r\n".encode()


def header_v2(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    ends = ip_address(source[0]).packed + ip_address(target[0]).packed
    ports = source[1].to_bytes(2, "big") + target[1].to_bytes(2, "big")
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + ends + ports


@pytest.mark.parametrize(("version", "written"), [("v1", header_v1), ("v2", header_v2)])
async def test_the_header_claims_our_own_address_as_source_and_the_server_as_destination(
    version: ProxyVersion, written: Callable[[tuple[str, int], tuple[str, int]], bytes]
) -> None:
    heard: list[bytes] = []
    ends: list[tuple[str, int]] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.extend((writer.get_extra_info("peername"), writer.get_extra_info("sockname")))
        heard.append(await reader.read(200))
        writer.write(b"220 x\r\n")
        await asyncio.sleep(0.2)

    ladder = await ask(server, header=version, address="127.0.0.2")
    source, target = ends
    assert source[0] != target[0], "with one address at both ends nobody could tell them apart"
    assert heard == [written(source, target)]
    assert (ladder.cause, ladder.source) == ("", source)
    assert [rung.name for rung in ladder.rungs] == ["connect", "header", "greeting"]
    assert ladder.rungs[1].detail == f"PROXY {version} from {source[0]}"


@pytest.mark.parametrize(
    ("protocol", "greeting", "complaint"),
    [
        ("smtp", b"220 x ESMTP\r\n", b"502 5.5.2 Error: command not recognized\r\n"),
        ("imap", b"* OK ready\r\n", b"PROXY BAD Error in IMAP command TCP4\r\n"),
        ("sieve", b'"IMPLEMENTATION" "x"\r\nOK\r\n', b'NO "Unknown command."\r\n'),
        ("pop3", b"+OK ready\r\n", b"-ERR Unknown command.\r\n"),
    ],
)
async def test_a_plain_port_that_takes_the_header_for_a_command_is_noticed_at_the_goodbye(
    protocol: Protocol, greeting: bytes, complaint: bytes
) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.readline()
        writer.write(complaint)
        await reader.read(100)

    ladder = await ask(plain, protocol, header="v1")
    assert (ladder.cause, ladder.rungs[-1].name) == ("out-of-step", "header")
    assert complaint.decode().strip() in ladder.rungs[-1].detail


async def test_a_goodbye_that_is_not_answered_spoils_nothing() -> None:
    assert (await ask(saying(b"220 x ESMTP\r\n", then_wait=0.05))).cause == ""


async def test_tls_is_judged_after_the_handshake_and_its_certificate_is_read(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    ladder = await ask(saying(b"* OK ready\r\n"), "imaps", tls=context)
    assert ladder.cause == ""
    assert ladder.certificate is not None
    assert ladder.certificate.names == ("mail.example.org",)
    assert [rung.name for rung in ladder.rungs] == ["connect", "tls", "greeting"]


async def test_plain_text_where_tls_is_expected_is_named() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"421 4.3.0 mail.example.org Server local error\r\n")
        await asyncio.sleep(0.2)

    assert (await ask(plain, "smtps")).cause == "not-tls"


async def test_closing_in_the_handshake_is_named_at_the_tls_rung() -> None:
    ladder = await ask(saying(then_wait=0), "imaps")
    assert (ladder.cause, ladder.rungs[-1].name) == ("closed", "tls")


STARTTLS: list[tuple[Protocol, list[tuple[bytes, bytes]]]] = [
    (
        "smtp",
        [
            (b"", b"220 x ESMTP\r\n"),
            (b"EHLO", b"250-x\r\n250-STARTTLS\r\n250 HELP\r\n"),
            (b"STARTTLS", b"220 go\r\n"),
        ],
    ),
    (
        "imap",
        [
            (b"", b"* OK hi\r\n"),
            (b"c1 CAPABILITY", b"* CAPABILITY IMAP4rev1 STARTTLS\r\nc1 OK\r\n"),
            (b"c1 STARTTLS", b"c1 OK begin\r\n"),
        ],
    ),
    (
        "sieve",
        [
            (b"", b'"IMPLEMENTATION" "x"\r\nOK\r\n'),
            (b"CAPABILITY", b'"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK\r\n'),
            (b"STARTTLS", b"OK begin\r\n"),
        ],
    ),
    (
        "pop3",
        [
            (b"", b"+OK hi\r\n"),
            (b"CAPA", b"+OK\r\nSTLS\r\n.\r\n"),
            (b"STLS", b"+OK begin\r\n"),
        ],
    ),
]


@pytest.mark.parametrize(("protocol", "script"), STARTTLS)
async def test_starttls_is_asked_for_and_climbed(
    protocol: Protocol, script: list[tuple[bytes, bytes]], certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for expected, answer in script:
            if expected:
                assert (await reader.readline()).startswith(expected)
            writer.write(answer)
        await writer.start_tls(context)
        await asyncio.sleep(0.2)

    ladder = await ask(server, protocol, depth="starttls")
    assert ladder.cause == ""
    assert ladder.certificate is not None
    assert ladder.rungs[-1].name == "tls"


async def test_a_server_without_starttls_is_said_so() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        await reader.readline()
        writer.write(b"250 x\r\n")
        await asyncio.sleep(0.2)

    assert (await ask(server, depth="starttls")).cause == "no-starttls"


class Pieces:
    """Stands for a stream on which these pieces arrive, one a read, and then no more."""

    local = peer = None

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    async def read(self, most: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def write(self, data: bytes) -> None:
        raise AssertionError("nothing is said here")

    def close(self) -> None:
        pass


async def test_a_line_of_the_longest_length_is_read_and_one_byte_more_is_a_flood() -> None:
    longest = b"2" * wire.LINE
    assert (await wire.Wire(Pieces(longest, b"\r\n"), 5).line()).startswith("222")
    with pytest.raises(wire.Broken) as broken:
        await wire.Wire(Pieces(longest, b"2", b"\r\n"), 5).line()
    assert broken.value.cause == "flood"


async def test_lines_up_to_the_cap_are_read_and_one_byte_more_is_a_flood() -> None:
    lines = [b"220-\r\n".rjust(wire.LINE, b"x")] * (wire.GREETING // wire.LINE)
    whole = wire.Wire(Pieces(*lines, b"\n"), 5)
    for _ in lines:
        await whole.line()
    with pytest.raises(wire.Broken) as broken:
        await whole.line()
    assert broken.value.cause == "flood"
