"""Whom a daemon saw: recorded lines and answers of each kind, and what strangers write into them."""

from __future__ import annotations

import pytest

from console.diagnosis.sightings import logins, named, plain, rejection, request, screenings, session

NONCE = "cowhand-qkzmwvtb"
MINE = f"helo=<{NONCE}.example.invalid>"
STAMP = "Nov 22 18:00:02 5eb507882c59"
REFUSED = f"454 4.7.1 <{NONCE}@example.invalid>: Relay access denied; from=<> to=<{NONCE}@example.invalid> proto=ESMTP"


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        ("554 5.7.1 <unknown[100.64.0.1]>: Client host rejected: Access denied", "100.64.0.1"),
        ("554 5.7.1 <pc.example.net[203.0.113.77]>: Client host rejected: Access denied", "203.0.113.77"),
        ("554 5.7.1 <unknown[2001:db8:113::77]>: Client host rejected: Access denied", "2001:db8:113::77"),
        ("550 5.7.1 Service unavailable; client [198.51.100.77] blocked using zen.spamhaus.org", "198.51.100.77"),
        ("450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.77]", ""),
        ("504 5.5.2 <[127.0.0.1]>: Helo command rejected: need fully-qualified hostname", ""),
        ("454 4.7.1 <cowhand-qkzmwvtb@example.invalid>: Relay access denied", ""),
        ("250 2.1.5 Ok <unknown[203.0.113.77]>: Client host rejected", ""),
        ("554 5.7.1 <unknown[999.1.1.1]>: Client host rejected", ""),
        ("554 5.7.1 <a[6.6.6.6]>x[203.0.113.77]>: Client host rejected", ""),
        ("", ""),
    ],
)
def test_an_answer_names_its_client_where_postfix_puts_it(answer: str, address: str) -> None:
    assert named(answer) == address


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (f"{STAMP} postfix/smtpd[312]: NOQUEUE: reject: RCPT from unknown[203.0.113.77]: {REFUSED} {MINE}",
         "203.0.113.77"),
        (f"{STAMP} postfix/smtps-haproxy/smtpd[9]: NOQUEUE: reject: RCPT from a.example[2001:db8::7]: 554 x; {MINE}",
         "2001:db8::7"),
        (f"{STAMP} haproxy/postscreen[99]: NOQUEUE: reject: RCPT from [198.51.100.77]:40112: 550 5.7.1 x; {MINE}",
         "198.51.100.77"),
        (f"{STAMP} postfix/smtpd[312]: NOQUEUE: reject: RCPT from unknown[203.0.113.77]: {REFUSED} helo=<other>",
         "203.0.113.77"),
        (f"{STAMP} postfix/smtpd[312]: NOQUEUE: reject: RCPT from unknown[203.0.113.77]: 454 x; helo=<other>", ""),
        (f"{STAMP} evil postfix/smtpd[1]: <NOQUEUE: reject: RCPT from x[6.6.6.6]: {MINE}", ""),
        (f"{STAMP} dovecot: imap-login: user=<postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[6.6.6.6]: {MINE}>", ""),
        (f"{STAMP} postfix/smtpd[312]: NOQUEUE: reject: RCPT from unknown[unknown]: {REFUSED} {MINE}", ""),
    ],
)  # fmt: skip
def test_a_refusal_is_ours_by_its_nonce_alone(line: str, address: str) -> None:
    seen = rejection([line], NONCE)
    assert (seen.address if seen else "") == address


def test_the_newest_refusal_counts() -> None:
    lines = [f"m postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[203.0.113.{n}]: 454 x; {MINE}" for n in (1, 2)]
    seen = rejection(lines, NONCE)
    assert seen is not None
    assert seen.address == "203.0.113.2"


def test_a_connection_is_told_by_the_port_it_left_with() -> None:
    lines = (
        "Nov 22 19:21:35 mail haproxy/postscreen[1234]: CONNECT from [203.0.113.77]:55555 to [203.0.113.10]:25",
        "Nov 22 19:21:36 mail haproxy/postscreen[1234]: CONNECT from [203.0.113.9]:44444 to [203.0.113.10]:25",
        "Nov 22 19:21:37 mail haproxy/postscreen[1234]: PASS NEW [203.0.113.9]:55555",
        "Nov 22 19:22:09 mail haproxy/postscreen[1234]: CONNECT from [2001:db8:113::77]:55555 to [2001:db8:113::10]:25",
    )
    assert [seen.address for seen in screenings(lines, 55555)] == ["2001:db8:113::77", "203.0.113.77"]
    assert screenings(lines, 1) == ()


STOCK = f"{STAMP} dovecot: imap-login: Disconnected: Connection closed (no auth attempts in 0 secs): user=<>, "


@pytest.mark.parametrize(
    ("line", "address", "port"),
    [
        (f"{STOCK}rip=198.51.100.77, lip=172.22.1.250, TLS", "198.51.100.77", 0),
        (f"{STOCK}rip=2001:db8:77::77, lip=fd4d:6169:6c63:6f77::a, TLS", "2001:db8:77::77", 0),
        (f"{STOCK}rip=127.0.0.1, lip=127.0.0.1, TLS, session=<1oyFgOJgoJd/AAAB>", "127.0.0.1", 38816),
        (f"{STOCK}rip=2001:db8:77::77, lip=::1, TLS, session=<AAAAAAAAsJwgAQ24AHcAAAAAAAAAAAB3>",
         "2001:db8:77::77", 40112),
        (f"{STOCK}rip=10.10.10.1, lip=127.0.0.1, TLS, session=<1oyFgOJgoJd/AAAB>", "10.10.10.1", 0),
        (f"{STOCK}rip=127.0.0.1, lip=127.0.0.1, TLS, session=<AAAA>", "127.0.0.1", 0),
        (f"{STAMP} dovecot: imap-login: Disconnected: Aborted login by logging out (no auth attempts in 0 secs): "
         "user=<>, rip=203.0.113.9, lip=172.22.1.250, mpid=0, TLS: Connection closed", "203.0.113.9", 0),
        (f"{STAMP} dovecot: imap-login: Disconnected (auth failed, 1 attempts): user=<a, rip=6.6.6.6, lip=1.1.1.1>, "
         "method=PLAIN, rip=203.0.113.9, lip=172.22.1.250", "203.0.113.9", 0),
        ("Nov 22 19:29:58 imap-login: Info: Disconnected: x (auth failed): user=<imap-login: Warning: haproxy: Client "
         "not trusted (rip=6.6.6.6)>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured", "127.0.0.1", 0),
        (f"{STAMP} dovecot: imap-login: Disconnected: user=<a, rip=6.6.6.6, lip=1.1.1.1>, method=PLAIN, rip=203.0.11…",
         "", 0),
        (f"{STAMP} dovecot: imap-login: Disconnected: user=<a, rip=6.6.6.6, lip=1.1.1.1, TLS, aaaaaaaaaa…", "", 0),
        (f"{STAMP} dovecot: imap-login: Warning: haproxy: Client not trusted (rip=10.10.10.1)", "", 0),
        (f"{STAMP} dovecot: pop3-login: Disconnected: user=<>, rip=203.0.113.9, lip=172.22.1.250", "", 0),
    ],
)  # fmt: skip
def test_a_login_is_read_with_its_session_and_without(line: str, address: str, port: int) -> None:
    seen = next(logins([line], "imap"), None)
    assert (seen.address, seen.port) == (address, port) if seen else address == ""


def test_a_session_is_time_port_and_address() -> None:
    assert session("1oyFgOJgoJd/AAAB") == ("127.0.0.1", 38816)
    assert [session(text) for text in ("", "AAAA", "!!!!", "é", "A" * 400)] == [None] * 5


COMBINED = '{} - - [22/Nov/2026:18:00:00 +0000] "HEAD /{} HTTP/1.1" 404 0 "-" "cowhand"'


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (COMBINED.format("198.51.100.77", NONCE), "198.51.100.77"),
        ("nginx-mailcow-1  | " + COMBINED.format("2001:db8:77::77", NONCE), "2001:db8:77::77"),
        ("Nov 22 18:00:00 nginx: " + COMBINED.format("100.64.0.1", NONCE), "100.64.0.1"),
        (COMBINED.format("198.51.100.77", NONCE + "x"), ""),
        (f'6.6.6.6 - - [x] "GET / HTTP/1.1" 200 0 "/{NONCE}" "cowhand"', ""),
        (COMBINED.format("unix:", NONCE), ""),
    ],
)
def test_a_request_is_told_by_its_path(line: str, address: str) -> None:
    seen = request([line], NONCE)
    assert (seen.address if seen else "") == address


def test_an_address_has_one_form() -> None:
    assert [plain(text) for text in ("::ffff:10.0.0.1", "2001:DB8::1", "fe80::1%eth0", "name", "")] == [
        "10.0.0.1", "2001:db8::1", "fe80::1", "", "",
    ]  # fmt: skip
