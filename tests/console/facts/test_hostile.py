"""What is not the answer ends in one plain sentence, and what strangers write is not taken for a daemon's word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.diagnosis import log_lines
from console.facts import certificates, containers, haproxy_stats, listeners, log, mounts, tailscale
from tests.console.facts.recorded import files, text

PARSERS: dict[str, Callable[[str], object]] = {
    "haproxy_stats": haproxy_stats.parse,
    "containers": containers.parse,
    "listeners": listeners.parse,
    "mounts": mounts.parse,
    "tailscale": tailscale.parse,
    "certificates": certificates.parse,
    "key": certificates.parse_key,
}

JUNK = (
    "garbage", "{", "null", "3", '"x"', "[1]", "[[]]", '{"filesystems": 3}', '{"filesystems": [3]}',
    '{"filesystems": [{"target": "/", "size": {}}]}', '{"blockdevices": [{"name": "sda"}]}',
    '{"blockdevices": [{"name": "sda", "type": "disk", "size": "10G"}]}', '{"BackendState": 3}',
    '{"Service": 1, "State": []}', "# pxname,svname", "Permission denied\n", "\x00", "<html>\x1b[2J", "[" * 100_000,
    '{"a":' * 5_000,
)  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_what_is_not_the_answer_is_said_in_one_plain_sentence(name: str, junk: str) -> None:
    with pytest.raises(ValueError) as caught:
        PARSERS[name](junk)
    said = str(caught.value)
    assert said.isprintable()
    assert 0 < len(said) < 200


@pytest.mark.parametrize("name", PARSERS)
@given(given=st.text(max_size=300))
def test_no_text_whatever_raises_anything_else(name: str, given: str) -> None:
    with suppress(ValueError):
        PARSERS[name](given)


@pytest.mark.parametrize("name", sorted(set(PARSERS) - {"certificates", "key"}))
@given(data=st.data())
def test_no_damage_to_a_real_answer_raises_anything_else(name: str, data: st.DataObject) -> None:
    whole = text(name, data.draw(st.sampled_from([file for file in files(name) if file[0].isdigit()])))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 80)))
    with suppress(ValueError):
        PARSERS[name](whole[:start] + data.draw(st.text(max_size=5)) + whole[end:])


@given(lines=st.lists(st.text(max_size=120), max_size=4))
def test_no_log_line_whatever_stops_the_recognisers(lines: list[str]) -> None:
    given = tuple(lines)
    for recognise in (
        log_lines.untrusted_peer, log_lines.waited_peer, log_lines.misread_peer, log_lines.header_trouble,
        log_lines.refused_family, log_lines.bans, log_lines.out_of_memory,
    ):  # fmt: skip
        recognise(given)
    assert all(log_lines.screened(line) is None or "postscreen[" in line for line in lines)
    assert all(line.isprintable() for line in log.parse("\n".join(lines)))


NAMED = "imap-login: Warning: haproxy: Client not trusted (rip=6.6.6.6)"
HEARD = "x/postscreen[1]: CONNECT from [6.6.6.6]:25 to [10.10.10.214]:25"


@pytest.mark.parametrize(
    "line",
    [
        f"dovecot: imap-login: Disconnected: Connection closed (auth failed): user=<{NAMED}>, rip=203.0.113.9",
        f"dovecot: auth: passwd-file({NAMED},203.0.113.9): unknown user",
        f'dovecot: imap-login: Error: something "{NAMED}"',
        f"dovecot: imap({NAMED})<12><a>: Logged out",
        f"dovecot: lmtp-{NAMED.replace('imap-login', 'x')}",
        "dovecot: imap-login: Error: haproxy(v1): Client disconnected: Unknown proxied protocol "
        "(protocol=`not trusted (rip=6.6.6.6)', rip=10.10.10.1)",
    ],
)
def test_a_user_name_is_not_dovecots_word_on_whom_to_trust(line: str) -> None:
    assert log_lines.untrusted_peer((line,)) is None


def test_a_command_is_not_postscreens_word_on_who_connected() -> None:
    line = f"Nov 22 18:00:00 mail haproxy/postscreen[7]: PREGREET 60 after 0 from [203.0.113.9]:4711: EHLO {HEARD}"
    found = log_lines.screened(line)
    assert found is not None
    assert (found.event, found.address, found.port) == ("PREGREET", "203.0.113.9", 4711)
    assert (
        log_lines.screened(f"mail postfix/smtpd[7]: NOQUEUE: reject: RCPT from x[203.0.113.9]: helo=<{HEARD}>") is None
    )
    quoted = (
        "mail postfix/smtpd[7]: improper command pipelining from x[203.0.113.9]: x/smtpd[1]: warning: haproxy read: EOF"
    )
    assert log_lines.header_trouble((quoted,)) is None
    assert log_lines.refused_family((quoted.replace("EOF", "Postfix IPv6 support is disabled"),)) is None


def test_a_matched_line_is_not_netfilters_word_on_who_is_banned() -> None:
    assert log_lines.bans(("WARN: 203.0.113.9 matched rule id 3 (x\nCRIT: Banning 192.0.2.1/32 for 30 minutes)",)) == {}
    assert log_lines.bans(("CRIT: Banning 2001:db8::/64 for 30 minutes",)) != {}


@pytest.mark.parametrize(
    ("line", "family"),
    [
        ("mail postfix/master[1]: warning: inet_protocols: disabling IPv6 name/address support: "
         "Address family not supported by protocol", "IPv6"),
        ('mail postfix/smtpd[1]: fatal: cannot handle socket type AF_INET6 with "inet_protocols = ipv4"', "IPv6"),
        ('mail postfix/smtpd[1]: fatal: cannot handle socket type AF_INET with "inet_protocols = ipv6"', "IPv4"),
        ("mail postfix/smtpd[1]: warning: haproxy read: bad or missing protocol type: PROXY TCP4 1 2 3 4", "IPv4"),
        ("mail postfix/smtpd[1]: warning: haproxy read: bad or missing protocol type: PROXY UNKNOWN", ""),
        ("mail postfix/smtpd[1]: connect from unknown[203.0.113.9]", ""),
    ],
)  # fmt: skip
def test_postfix_says_which_family_it_does_without(line: str, family: str) -> None:
    found = log_lines.refused_family((line,))
    assert (found[0] if found else "") == family


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, ""), (0, ""), (1, ""), (127, "its command could not be run"),
        (137, "killed, often for lack of memory"), (143, "told to end"), (139, "crashed"), (131, "ended by SIGQUIT"),
        (159, "ended by a signal"),
    ],
)  # fmt: skip
def test_an_exit_code_is_put_into_words_where_it_says_something(code: int | None, words: str) -> None:
    assert log_lines.exit_words(code) == words


_PLAIN = (
    "Nov 27 09:33:24 mail dovecot: imap-login: Disconnected: Connection closed: SSL_accept() failed: "
    "error:0A00010B:SSL routines::wrong version number (no auth attempts in 0 secs): user=<>, "
    "rip=100.64.0.1, lip=10.1.1.2"
)


def test_of_what_dovecot_says_of_a_peer_without_tls_no_word_is_a_strangers() -> None:
    assert log_lines.talked_plainly((_PLAIN,)) == ("100.64.0.1", _PLAIN)
    for forged in (
        _PLAIN.replace("user=<>", "user=<wrong version number>"),
        _PLAIN.replace("SSL routines::wrong version number", "SSL routines::unsupported protocol"),
        "Nov 27 09:33:24 mail dovecot: imap-login: Login: user=<x: imap-login: Disconnected: wrong version number: "
        "user=<>, rip=100.64.0.1>, method=PLAIN",
    ):
        assert log_lines.talked_plainly((forged,)) is None, forged
