"""What a probe sees, row by row, on the real daemons; the shipped lab must answer the same rows in the same way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count

import pytest

from console.hosts.host import Host, Stream
from console.lab.client import Lab, LabHost
from console.ladders import Ladder, ProbeTarget
from console.model import PLAIN_PORTS, Protocol, Role
from console.probes.ladder import climb
from tests.console.lab.conftest import HEADERS, Heard, hear
from tests.console.lab.test_fingerprints import CLOSED, GREETING, TEASER, Row
from tests.reallab import inside
from tests.reallab.addresses import MAILCOW
from tests.reallab.faults import compose, forget
from tests.reallab.lab import RealLab

WAITING = "* OK Waiting for authentication process to respond"
"""What a login process of Dovecot says to whom it serves before it has met the one that knows the mechanisms."""

REJECTED = "5xx 5.5.2"
PIGEONHOLE = '"IMPLEMENTATION" "Dovecot Pigeonhole"'
EHLO, CAPABILITY = b"EHLO a\r\n", b"a CAPABILITY\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n"

ROWS = [
    # no header: Postfix answers 421 after 5 s, at once to a client that talks; Dovecot closes after 3 s
    (Row(10025, "proxy", "", ("421 4.3.2",)), 5),
    (Row(10025, "proxy", "", ("421 4.3.2",), talk=EHLO), 0),
    (Row(10587, "proxy", "", ("421 4.3.0",)), 5),
    (Row(10587, "proxy", "", ("421 4.3.0",), talk=EHLO), 0),
    (Row(10465, "proxy", "", ("<TLS WRONG_VERSION_NUMBER>",), tls=True), 0),
    (Row(10993, "proxy", "", CLOSED, tls=True), 0),
    (Row(10993, "mail", "", CLOSED, tls=True), 0),
    (Row(10143, "proxy", "", CLOSED), 3),
    (Row(10143, "proxy", "", CLOSED, talk=CAPABILITY), 0),
    (Row(14190, "proxy", "", CLOSED), 3),
    (Row(10143, "mail", "", CLOSED), 0),
    (Row(14190, "mail", "", CLOSED), 0),
    # a header from a peer that Dovecot does not trust; Postfix knows no trust
    (Row(10993, "mail", "v1", CLOSED, tls=True), 0),
    (Row(10143, "mail", "v1", CLOSED), 0),
    (Row(14190, "mail", "v1", CLOSED), 0),
    (Row(10025, "mail", "v1", (TEASER, GREETING)), 0),
    (Row(10465, "mail", "v1", (GREETING,), tls=True), 0),
    # a header from a peer that is trusted
    (Row(10025, "proxy", "v1", (TEASER, GREETING)), 0),
    (Row(10025, "proxy", "v2", (TEASER, GREETING)), 0),
    (Row(10025, "proxy", "v1 six", (TEASER, GREETING)), 0),
    (Row(10587, "proxy", "v1", (GREETING,)), 0),
    (Row(10587, "proxy", "v2", (GREETING,)), 0),
    (Row(10465, "proxy", "v1", (GREETING,), tls=True), 0),
    (Row(10465, "proxy", "v2", (GREETING,), tls=True), 0),
    (Row(10465, "proxy", "v1 six", (GREETING,), tls=True), 0),
    (Row(10143, "proxy", "v1", ("* OK ",)), 0),
    (Row(10993, "proxy", "v1", ("* OK ",), tls=True), 0),
    (Row(10993, "proxy", "v2", ("* OK ",), tls=True), 0),
    (Row(14190, "proxy", "v1", (PIGEONHOLE,)), 0),
    (Row(14190, "proxy", "v1 six", (PIGEONHOLE,)), 0),
    # PROXY UNKNOWN: Postfix refuses it, Dovecot takes it
    (Row(10025, "proxy", "unknown", ("421 4.3.2",)), 0),
    (Row(10587, "proxy", "unknown", ("421 4.3.0",)), 0),
    (Row(10143, "proxy", "unknown", ("* OK ",)), 0),
    (Row(10993, "proxy", "unknown", ("* OK ",), tls=True), 0),
    # a header sent to a plain port
    (Row(587, "proxy", "v1", (GREETING, REJECTED)), 0),
    (Row(465, "proxy", "v1", CLOSED, tls=True), 0),
    (Row(143, "proxy", "v1", ("* OK ", "PROXY BAD ")), 0),
    (Row(993, "proxy", "v1", CLOSED, tls=True), 0),
    # nginx knows no header
    (Row(80, "proxy", "", ("HTTP/1.1 200 OK",), talk=HEAD), 0),
    (Row(80, "proxy", "v1", ("HTTP/1.1 400 Bad Request",), talk=HEAD), 0),
]
"""A probe with its answer, and the seconds that the server takes for it on purpose."""

fresh = count(1)


def header(kind: str) -> bytes:
    """A header for a client that nobody has heard of: postscreen greets those it knows without its teaser."""
    number = next(fresh)
    made = HEADERS[kind].replace(b"203.0.113.77", f"198.18.{number >> 8}.{number & 255}".encode())
    made = made.replace(bytes((203, 0, 113, 77)), bytes((198, 18, number >> 8, number & 255)))
    return made.replace(b"2001:db8:113::77", f"2001:db8:77::{number:x}".encode())


async def answer(hosts: dict[Role, Host], row: Row) -> Heard | str:
    address = MAILCOW if row.vantage == "proxy" else "127.0.0.1"
    lines = 1 if row.heard is CLOSED else len(row.heard)
    host: LabHost = hosts[row.vantage]  # type: ignore[assignment]
    try:
        async with asyncio.timeout(60):
            while True:
                heard = await hear(host, address, row.port, header(row.header), row.tls, row.talk, lines)
                if not heard.text.startswith(WAITING):
                    return heard
    except TimeoutError:
        return "nothing more within 20 s"


def agrees(heard: Heard | str, row: Row, seconds: float) -> bool:
    """Whether the answer is the row's; a distribution's name and the digits of a rejection are left out.

    Postfix counts its time limits in whole seconds of the clock: five may be a little more than four."""
    if isinstance(heard, str) or not seconds - 1 <= heard.seconds < (seconds + 2.5 if row.heard[0] != TEASER else 20):
        return False
    if row.heard is CLOSED:
        return heard.text in CLOSED or heard.text.startswith("<TLS ")
    text = re.sub(r" \((Debian|Ubuntu)\)", "", heard.text)
    lines = [re.sub(r"^5\d\d ", "5xx ", line) for line in text.splitlines()]
    return len(lines) >= len(row.heard) and all(map(str.startswith, lines, row.heard))


@pytest.fixture(params=["real", "shipped"])
async def hosts(request: pytest.FixtureRequest) -> AsyncIterator[dict[Role, Host]]:
    """The machines of either lab."""
    if request.param == "real":
        lab = request.getfixturevalue("lab")
        assert isinstance(lab, RealLab)
        yield dict(inside.hosts(lab))
    else:
        shipped = request.getfixturevalue("shipped")
        assert isinstance(shipped, Lab)
        yield dict(shipped.hosts())


async def test_every_port_answers_every_header_as_the_table_says(hosts: dict[Role, Host]) -> None:
    heard = await asyncio.gather(*(answer(hosts, row) for row, _ in ROWS))
    wrong = [(row, seconds, found) for (row, seconds), found in zip(ROWS, heard, strict=True)
             if not agrees(found, row, seconds)]  # fmt: skip
    assert wrong == []


# ── what only the real ones can tell ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def forgetful(lab: RealLab) -> Iterator[RealLab]:
    """The lab, with a postscreen that knows nobody."""
    forget(lab)
    lab.recover()
    yield lab


async def test_postscreen_shows_its_teaser_to_strangers_only(forgetful: RealLab) -> None:
    proxy = inside.hosts(forgetful)["proxy"]
    first, again = [await climb(ProbeTarget(MAILCOW, 10025, "smtp", "v1"), proxy) for _ in range(2)]
    assert first.imposed > 2 and again.imposed == 0
    assert first.said == again.said == GREETING


async def test_a_header_at_plain_postscreen_is_a_pregreet_and_a_rejection(forgetful: RealLab) -> None:
    proxy = inside.hosts(forgetful)["proxy"]
    heard = await hear(proxy, MAILCOW, 25, HEADERS["v1"], lines=2)  # type: ignore[arg-type]
    assert heard.text.splitlines() == [TEASER, "502 5.5.2 Error: command not recognized"]
    said = compose(forgetful, "logs", "--no-log-prefix", "--tail", "5", "postfix-mailcow")
    assert "postfix/postscreen[" in said and "PREGREET 47 after 0" in said and ": PROXY TCP4 203.0.113.77" in said


async def test_dovecot_says_whom_it_does_not_trust(lab: RealLab) -> None:
    await climb(ProbeTarget("127.0.0.1", 14190, "sieve", "v1"), inside.hosts(lab)["mail"])
    said = compose(lab, "logs", "--no-log-prefix", "--tail", "3", "dovecot-mailcow")
    assert "managesieve-login: Warning: haproxy: Client not trusted (rip=127.0.0.1)\n" in said


@pytest.mark.parametrize(("claimed", "echo"), [
    ("192.0.2.77", "554 5.7.1 <unknown[192.0.2.77]>: Client host rejected: Access denied"),
    ("172.22.1.9", "250 2.1.5 Ok"),
])  # fmt: skip
async def test_postfix_names_the_client_it_believes_in(lab: RealLab, claimed: str, echo: str) -> None:
    forged = f"PROXY TCP4 {claimed} 203.0.113.10 55555 465\r\n".encode()
    proxy = inside.hosts(lab)["proxy"]
    stream = await proxy.connect(MAILCOW, 10587, 5)
    await stream.write(forged + b"EHLO cow.test\r\nSTARTTLS\r\n")
    heard = await read_until(stream, b"220 2.0.0 Ready")
    assert b"250-STARTTLS\r\n" in heard
    from console.probes.tls import TlsStream

    secured = TlsStream(stream, None)
    await secured.handshake()
    await secured.write(b"EHLO cow.test\r\nMAIL FROM:<>\r\nRCPT TO:<nonce@example.invalid>\r\nRSET\r\nQUIT\r\n")
    said = await read_until(secured, b"221 2.0.0")
    stream.close()
    assert echo.encode() in said


async def read_until(stream: Stream, mark: bytes) -> bytes:
    said = b""
    async with asyncio.timeout(60):
        while mark not in said and (part := await stream.read()):
            said += part
    return said


# ── ladders ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SPOKEN: dict[int, Protocol] = {
    25: "smtp", 465: "smtps", 587: "submission", 143: "imap", 993: "imaps", 4190: "sieve", 110: "pop3", 995: "pop3s",
}  # fmt: skip
HTTP: dict[int, Protocol] = {80: "http"}


SIDES: tuple[tuple[Role, str], ...] = (("proxy", MAILCOW), ("mail", "127.0.0.1"))


def targets(shipped: bool) -> list[tuple[Role, ProbeTarget]]:
    """Every protocol on every port of it, with every header, as far up as it goes, from both sides of the tunnel.

    How plain postscreen takes a header hangs on whether it knows the client, so that is asked nowhere here."""
    asked: list[tuple[Role, ProbeTarget]] = []
    ports = {**{hidden: SPOKEN[plain] for hidden, plain in PLAIN_PORTS.items()}, **SPOKEN, **HTTP}
    for port, protocol in ports.items():
        if shipped and protocol in ("pop3", "pop3s"):
            continue
        for version in (None, "v1", "v2"):
            if port == 25 and version:
                continue
            for depth in ("greeting", "starttls", "capability"):
                if depth == "starttls" and protocol in ("smtps", "imaps", "pop3s", "http"):
                    continue
                for role, address in SIDES:
                    asked.append(
                        (role, ProbeTarget(address, port, protocol, version, name="mail.benoit.jp.net", depth=depth))
                    )
    return asked


def outcome(ladder: Ladder) -> tuple[object, ...]:
    """What rules go by: the cause, the rungs, and whether the end came late."""
    return ladder.cause, [(rung.name, rung.outcome) for rung in ladder.rungs], ladder.after > 2.5


async def climb_all(hosts: dict[Role, Host], asked: Sequence[tuple[Role, ProbeTarget]]) -> list[Ladder]:
    room = asyncio.Semaphore(40)

    async def one(role: Role, target: ProbeTarget) -> Ladder:
        async with room:
            return await climb(target, hosts[role])

    return await asyncio.gather(*(one(role, target) for role, target in asked))


async def test_every_ladder_ends_alike_on_the_shipped_lab_and_on_the_real_daemons(lab: RealLab, shipped: Lab) -> None:
    asked = targets(shipped=True)
    real, imitated = [await climb_all(dict(machines), asked) for machines in (inside.hosts(lab), shipped.hosts())]
    differences = [
        (role, target, outcome(first), outcome(second))
        for (role, target), first, second in zip(asked, real, imitated, strict=True)
        if outcome(first) != outcome(second)
    ]
    assert differences == []


async def test_every_protocol_is_climbed_to_its_end_with_the_header_its_port_wants(lab: RealLab) -> None:
    wanted = [
        (role, target)
        for role, target in targets(shipped=False)
        if role == "proxy" and (target.port in PLAIN_PORTS) == (target.header is not None)
    ]
    ladders = await climb_all(dict(inside.hosts(lab)), wanted)
    assert [(ladder.target, ladder.rungs[-1]) for ladder in ladders if ladder.cause] == []
    assert {ladder.target.protocol for ladder in ladders} == {*SPOKEN.values(), "http"}
