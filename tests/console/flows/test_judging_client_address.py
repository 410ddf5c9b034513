"""Whose address a server saw: a true client, NAT, Docker's gateway, the router, loopback, no header, no trust."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.facts.connections import parse as connected
from console.facts.queue import Held, parse
from console.flows.asking import Log
from console.flows.prove_client_address.judging import judge
from console.flows.prove_client_address.known import Known
from console.probes.knock import Knock, Told

KNOWN = Known(frozenset({"203.0.113.10", "100.64.0.1"}), frozenset({"10.10.10.214"}), "10.10.10.1", proxy_name="vps",
              mail_name="mailcow")  # fmt: skip
SMTPS = Knock("here", "203.0.113.10", 465, "smtps", "recipient", "cowhand-x-1", tls=True)
SMTP = Knock("here", "203.0.113.10", 25, "smtp", "greeting", "cowhand-x-2")
IMAPS = Knock("here", "203.0.113.10", 993, "imaps", "greeting", "cowhand-x-3", tls=True)
HTTPS = Knock("here", "203.0.113.10", 443, "https", "request", "cowhand-x-4", tls=True)
MINE, NATTED = ("198.51.100.77", 40112), ("192.168.1.5", 40112)


def refused(address: str) -> str:
    return f"554 5.7.1 <unknown[{address}]>: Client host rejected: Access denied"


@pytest.mark.parametrize(
    ("seen", "local", "as_seen", "state", "id", "words"),
    [
        ("198.51.100.77", MINE, None, "proven", "", "the server saw 198.51.100.77, you are 198.51.100.77:40112"),
        ("2001:db8:77::77", ("2001:db8:77::77", 7), None, "proven", "", "you are [2001:db8:77::77]:7"),
        ("198.51.100.9", NATTED, ("198.51.100.9", 5), "proven", "", "you are 198.51.100.9:5 as vps has the connection"),
        ("198.51.100.9", NATTED, None, "unknown", "", "your address is translated on its way"),
        ("172.22.1.1", MINE, None, "wrong", "CH007", "Docker's gateway"),
        ("fd4d:6169:6c63:6f77::1", MINE, None, "wrong", "CH007", "Docker's gateway"),
        ("172.22.1.1", NATTED, None, "wrong", "CH007", "Docker's gateway"),
        ("127.0.0.1", MINE, None, "wrong", "CH007", "mailcow's own, or vps's where a program there"),
        ("::1", MINE, None, "wrong", "CH007", "mailcow's own, or vps's where a program there"),
        ("10.10.10.1", MINE, None, "wrong", "CH002", "the router's, as mailcow has it"),
        ("100.64.0.1", MINE, None, "wrong", "CH002", "HAProxy's, on vps"),
        ("10.10.10.214", MINE, None, "wrong", "CH002", "mailcow's own"),
        ("198.51.100.9", MINE, None, "wrong", "", "nobody's that is known here"),
    ],
)
def test_whom_the_server_saw_is_told(
    seen: str, local: tuple[str, int], as_seen: tuple[str, int] | None, state: str, id: str, words: str
) -> None:
    found = judge(Told(SMTPS, 0.0, answer=refused(seen), local=local, seen=as_seen), None, Log(), KNOWN)
    assert (found.state, found.id) == (state, id)
    assert words in found.words


def test_a_recipient_that_is_taken_is_an_open_relay() -> None:
    found = judge(Told(SMTPS, 0.0, answer="250 2.1.5 Ok", local=MINE), None, Log(), KNOWN)
    assert (found.state, found.id) == ("wrong", "CH007")


def test_port_25_is_told_by_its_source_port_and_else_by_the_nonce() -> None:
    told = Told(SMTP, 0.0, greeting="220 mail", local=MINE)
    log = Log(("Nov 22 19:21:35 m haproxy/postscreen[1]: CONNECT from [198.51.100.77]:40112 to [203.0.113.10]:25",))
    assert judge(told, None, log, KNOWN).state == "proven"
    again = Told(replace(SMTP, question="recipient"), 0.0, answer="454 4.7.1 <a>: Relay access denied", local=MINE)
    log = Log(
        ("m postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[10.10.10.1]: 454 x; to=<cowhand-x-2@example.invalid>",)
    )
    found = judge(told, again, log, KNOWN)
    assert (found.state, found.id) == ("wrong", "CH002")
    assert judge(told, again, Log(), KNOWN).state == "unknown"


LINE = "m dovecot: imap-login: Disconnected: x: user=<>, rip={}, lip=172.22.1.250, TLS"


def test_dovecot_is_likely_without_a_session_and_never_on_another_clients_line() -> None:
    told = Told(IMAPS, 0.0, greeting="* OK", local=MINE)
    mine, others = LINE.format("198.51.100.77"), (LINE.format("203.0.113.9"), LINE.format("203.0.113.8"))
    assert judge(told, None, Log((*others, mine)), KNOWN).state == "likely"
    assert judge(told, None, Log(others), KNOWN).state == "unknown"
    gone = replace(told, cause="closed", detail="closed in the TLS handshake")
    found = judge(
        gone, None, Log(("m dovecot: imap-login: Warning: haproxy: Client not trusted (rip=10.10.10.1)",)), KNOWN
    )
    assert (found.state, found.id) == ("wrong", "CH001")
    assert judge(gone, None, Log((mine,)), KNOWN).state == "unknown"


def test_the_web_is_told_by_its_path() -> None:
    told = Told(HTTPS, 0.0, answer="HTTP/1.1 404", local=MINE)
    line = '{} - - [22/Nov/2026:18:00:00 +0000] "HEAD /cowhand-x-4 HTTP/1.1" 404 0 "-" "cowhand"'
    assert judge(told, None, Log((line.format("198.51.100.77"),)), KNOWN).state == "proven"
    found = judge(told, None, Log((line.format("100.64.0.1"),)), KNOWN)
    assert (found.state, found.id, "TRUSTED_PROXIES" in found.words) == ("wrong", "", True)


def test_a_queue_is_read_and_anything_else_is_said() -> None:
    row = '{"queue_id": "4X", "sender": "", "recipients": [{"address": "cowhand-x@example.invalid"}]}'
    assert parse(row + "\n") == (Held("4X", "", ("cowhand-x@example.invalid",)),)
    assert parse(row)[0].has("cowhand-x")
    assert parse("") == ()
    for text in ("Mail queue is empty", '{"queue_id": 4}', "[" * 5000):
        with pytest.raises(ValueError, match="not the answer to postqueue"):
            parse(text)


def test_connections_are_read_in_both_families() -> None:
    text = "0 0 203.0.113.10:465 198.51.100.9:5\n0 0 [::ffff:203.0.113.10]:465 [::ffff:198.51.100.9]:6\nx\n"
    text += "0      0      [2001:db8::10]:465      [2001:db8::7]:40000\n"
    assert connected(text) == (("198.51.100.9", 5), ("198.51.100.9", 6), ("2001:db8::7", 40000))
