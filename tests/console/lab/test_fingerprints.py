"""The table of what a probe sees, row by row: the lab's daemons must answer as the real ones do.

Through the way in, as through SSH, a reset arrives as a plain end of file: when it comes tells the causes apart."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from console.lab.client import LabHost
from console.model import Role
from tests.console.lab.conftest import HEADERS, PUBLIC, PUBLIC6, VM, Heard, hear, logged

pytestmark = pytest.mark.slow

CLOSED = ("<closed>", "<closed in TLS>")


class Row(NamedTuple):
    """One question and the answers a real daemon gives; every line of `heard` begins the line of the same number."""

    port: int
    vantage: Role
    header: str
    heard: tuple[str, ...]
    tls: bool = False
    talk: bytes = b""


TEASER, GREETING = "220-mail.benoit.jp.net ESMTP Postcow", "220 mail.benoit.jp.net ESMTP Postcow"

IMMEDIATE = [
    # postscreen
    Row(10025, "proxy", "", ("421 4.3.2",), talk=b"EHLO a\r\n"),
    Row(10025, "proxy", "v1", (TEASER, GREETING)),
    Row(10025, "proxy", "v2", (TEASER, GREETING)),
    Row(10025, "proxy", "v1 six", (TEASER, GREETING)),
    Row(10025, "proxy", "unknown", ("421 4.3.2",)),
    Row(10025, "mail", "v1", (TEASER, GREETING)),
    Row(25, "mail", "v1", (GREETING, "500 5.5.2")),
    Row(25, "proxy", "v1", (TEASER, GREETING, "502 5.5.2")),
    # submission
    Row(10587, "proxy", "", ("421 4.3.0",), talk=b"EHLO a\r\n"),
    Row(10587, "proxy", "v1", (GREETING,)),
    Row(10587, "proxy", "unknown", ("421 4.3.0",)),
    Row(587, "mail", "v1", (GREETING, "500 5.5.2")),
    # submission inside TLS
    Row(10465, "proxy", "", ("<TLS WRONG_VERSION_NUMBER>",), tls=True),
    Row(10465, "proxy", "v1", (GREETING,), tls=True),
    Row(10465, "proxy", "v2", (GREETING,), tls=True),
    Row(465, "mail", "v1", CLOSED, tls=True),
    # IMAP inside TLS
    Row(10993, "proxy", "", CLOSED, tls=True),
    Row(10993, "mail", "", CLOSED, tls=True),
    Row(10993, "mail", "", CLOSED),
    Row(10993, "mail", "v1", CLOSED, tls=True),
    Row(10993, "proxy", "v1", ("* OK ",), tls=True),
    Row(10993, "proxy", "v2", ("* OK ",), tls=True),
    Row(10993, "proxy", "unknown", ("* OK ",), tls=True),
    Row(993, "mail", "v1", CLOSED, tls=True),
    # IMAP with STARTTLS
    Row(10143, "mail", "", CLOSED),
    Row(10143, "mail", "v1", CLOSED),
    Row(10143, "proxy", "", CLOSED, talk=b"a CAPABILITY\r\n"),
    Row(10143, "proxy", "v1", ("* OK ",)),
    Row(10143, "proxy", "unknown", ("* OK ",)),
    Row(143, "mail", "v1", ("* OK ", "PROXY BAD ")),
    # ManageSieve
    Row(14190, "mail", "", CLOSED),
    Row(14190, "mail", "v1", CLOSED),
    Row(14190, "proxy", "v1", ('"IMPLEMENTATION" "Dovecot Pigeonhole"',)),
    Row(14190, "proxy", "v1 six", ('"IMPLEMENTATION" "Dovecot Pigeonhole"',)),
    # nginx knows no header
    Row(80, "mail", "", ("HTTP/1.1 200 OK",), talk=b"HEAD / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n"),
    Row(80, "mail", "", ("HTTP/1.1 400 Bad Request",), talk=b"\x16\x03\x01\x00\x00"),
]

PATIENT = [
    (Row(10025, "proxy", "", ("421 4.3.2",)), 5.0),
    (Row(10587, "proxy", "", ("421 4.3.0",)), 5.0),
    (Row(10143, "proxy", "", CLOSED), 3.0),
    (Row(14190, "proxy", "", CLOSED), 3.0),
]


async def answer(hosts: dict[Role, LabHost], row: Row) -> Heard:
    address = VM if row.vantage == "proxy" else "127.0.0.1"
    lines = 1 if row.heard is CLOSED else len(row.heard)
    return await hear(hosts[row.vantage], address, row.port, HEADERS[row.header], row.tls, row.talk, lines)


def agrees(heard: Heard, row: Row) -> bool:
    if row.heard is CLOSED:
        return heard.text in CLOSED or heard.text.startswith("<TLS ")
    lines = heard.text.splitlines()
    return len(lines) >= len(row.heard) and all(
        line.startswith(start) for line, start in zip(lines, row.heard, strict=False)
    )


@pytest.mark.parametrize("row", IMMEDIATE, ids=lambda row: f"{row.port}-{row.vantage}-{row.header or 'no header'}")
async def test_a_daemon_answers_as_the_real_one_does(hosts: dict[Role, LabHost], row: Row) -> None:
    heard = await answer(hosts, row)
    assert agrees(heard, row), heard


async def test_silence_is_borne_for_three_seconds_by_dovecot_and_five_by_postfix(hosts: dict[Role, LabHost]) -> None:
    heard = await asyncio.gather(*(answer(hosts, row) for row, _ in PATIENT))
    for (row, seconds), found in zip(PATIENT, heard, strict=True):
        assert agrees(found, row), (row, found)
        assert found.seconds >= seconds, (row, found)


async def test_an_untrusted_peer_is_closed_while_a_trusted_one_is_still_waited_for(hosts: dict[Role, LabHost]) -> None:
    trusted = asyncio.create_task(hear(hosts["proxy"], VM, 10143))
    for _ in range(3):
        await hear(hosts["mail"], "127.0.0.1", 10143)
    assert not trusted.done()
    trusted.cancel()


@pytest.mark.parametrize(
    ("port", "tls", "start"),
    [
        (25, False, TEASER),
        (465, True, GREETING),
        (993, True, "* OK [CAPABILITY IMAP4rev1"),
        (4190, False, '"IMPLEMENTATION" "Dovecot Pigeonhole"'),
    ],
)
@pytest.mark.parametrize("address", [PUBLIC, PUBLIC6])
async def test_every_mail_lane_is_well_from_outside(
    hosts: dict[Role, LabHost], address: str, port: int, tls: bool, start: str
) -> None:
    heard = await hear(hosts["here"], address, port, tls=tls)
    assert heard.text.startswith(start)


async def test_dovecot_greets_as_dovecot(hosts: dict[Role, LabHost]) -> None:
    heard = await hear(hosts["here"], PUBLIC, 993, tls=True)
    assert heard.text.endswith("Dovecot ready.\r\n")


async def test_what_dovecot_logs_of_an_untrusted_peer_names_that_peer(hosts: dict[Role, LabHost]) -> None:
    await hear(hosts["mail"], "127.0.0.1", 14190)
    log = await logged(hosts, "dovecot-mailcow")
    assert "dovecot: managesieve-login: Warning: haproxy: Client not trusted (rip=127.0.0.1)\n" in log


async def test_postfix_says_whom_it_believes_to_be_the_client(hosts: dict[Role, LabHost]) -> None:
    talk = b"EHLO cow\r\nMAIL FROM:<>\r\nRCPT TO:<nonce@example.invalid>\r\nQUIT\r\n"
    heard = await hear(hosts["proxy"], VM, 10587, HEADERS["v1"], talk=talk, lines=99)
    assert "\r\n554 5.7.1 <unknown[203.0.113.77]>: Client host rejected: Access denied\r\n" in heard.text
    log = await logged(hosts, "postfix-mailcow")
    assert "NOQUEUE: reject: RCPT from unknown[203.0.113.77]: 554 5.7.1" in log
    assert "to=<nonce@example.invalid> proto=ESMTP helo=<cow>" in log


async def test_a_client_inside_mynetworks_may_relay_yet_no_message_is_taken(hosts: dict[Role, LabHost]) -> None:
    header = b"PROXY TCP4 172.22.1.1 203.0.113.10 55555 25\r\n"
    talk = b"EHLO cow\r\nMAIL FROM:<>\r\nRCPT TO:<nonce@example.invalid>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n"
    heard = await hear(hosts["proxy"], VM, 10587, header, talk=talk, lines=99)
    assert "\r\n250 2.1.5 Ok\r\n354 " in heard.text
    assert "\r\n451 4.3.0 " in heard.text


async def test_through_the_proxy_postscreen_logs_the_caller_and_the_address_it_dialled(
    hosts: dict[Role, LabHost],
) -> None:
    stream = await hosts["here"].connect(PUBLIC, 25, 5)
    assert stream.local is not None and stream.peer == (PUBLIC, 25)
    await stream.read()
    stream.close()
    log = await logged(hosts, "postfix-mailcow")
    assert " haproxy/postscreen[" in log
    assert f": CONNECT from [{stream.local[0]}]:{stream.local[1]} to [{PUBLIC}]:25" in log


async def test_talking_before_the_greeting_is_logged_as_pregreet(hosts: dict[Role, LabHost]) -> None:
    await hear(hosts["proxy"], VM, 25, HEADERS["v1"], lines=3)
    log = await logged(hosts, "postfix-mailcow")
    assert "PREGREET" in log and "PROXY TCP4 203.0.113.77" in log
