"""What daemons write, recognised: patterns over log lines, without I/O, so that rules may use them too.

Strangers write into these lines too, as user names and commands: what a daemon says of itself is only believed where
no stranger's words can stand, that is, right after the daemon's own name."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Literal, get_args

from msgspec import Struct

from console.model import Protocol

_LOGIN = r"^[^<>=(\"'`]*?\b(?:imap|pop3|managesieve|submission)-login: "
_DOVECOT = _LOGIN + r"(?:(?:Warning|Error|Info): )?(?:haproxy(?:\(v\d\))?: )+"
_RIP = r"rip=([0-9a-fA-F.:]+)"

UNTRUSTED = re.compile(rf"{_DOVECOT}[^`']*?\bnot trusted\b[^`']*?{_RIP}")
"""What Dovecot logs of a PROXY connection from a peer outside haproxy_trusted_networks (2.2.27 to 2.4.4)."""

TIMED_OUT = re.compile(rf"{_DOVECOT}[^`']*?\btimed out\b[^`']*?{_RIP}")
"""What Dovecot logs of a trusted peer that sent no header within haproxy_timeout (2.2.27 to 2.4.4)."""

BROKEN = re.compile(rf"{_DOVECOT}Client discon\w+ed: .*{_RIP}")
"""What Dovecot logs of a header it cannot read; 2.2 misspells the word."""

NOT_TLS = re.compile(rf"{_LOGIN}Disconnected[^<>\"'`=]*?\bwrong version number\b[^<>\"'`=]*: user=<>, {_RIP}")
"""What Dovecot logs of a peer that sent something else where TLS should have begun (2.3 with OpenSSL 1.1 to 3)."""

_POSTFIX = r"^[^<>\"\[\]]*?\b([^\s<>\"=]+)/{}\[\d+\]: "
_CLIENT = r"\[([0-9a-fA-F.:]+)\]:(\d+)"

SCREENED = re.compile(
    _POSTFIX.format("postscreen")
    + rf"(?:NOQUEUE: reject: )?(CONNECT|PREGREET|HANGUP|PASS|ALLOWLISTED|WHITELISTED|DENYLISTED|BLACKLISTED|DISCONNECT)"
    rf" (?:[^\[]*?from |NEW |OLD )?{_CLIENT}(.*)"
)
"""postscreen's lines about one client: whether it came through the PROXY port, what happened, who, from which port."""

HEADER = re.compile(_POSTFIX.format("(?:postscreen|smtpd)") + r"(?:warning|fatal): (haproxy read: .*)")
FAMILY = re.compile(
    r"(?:bad or missing|unsupported) protocol type: PROXY TCP([46])\b|Postfix IPv([46]) support is disabled"
    r"|cannot handle socket type AF_INET(6?)\b"
)
NO_FAMILY = re.compile(r"Address family not supported")
COMPLAINT = re.compile(_POSTFIX.format(r"[\w-]+") + r"(?:warning|fatal): ")
CRASHED = re.compile(_POSTFIX.format("smtpd") + r"fatal: smtpd_peer_\w+: cannot convert client (?:address|sockaddr).*")
"""smtpd dies when a version 2 header comes and its sender is gone at once, as HAProxy's bare check is (3.5 to 3.10)."""

_NETFILTER = r"^(?:[\w.-]+ +\| )?(?:\S+Z )?(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d )?(?:[A-Z]+: )?"
_NETWORK = r"([0-9a-fA-F.:]+(?:/\d{1,3})?)"
BANNED = re.compile(rf"{_NETFILTER}(?:Banning {_NETWORK} for -?\d+ minutes|Added host/network {_NETWORK} to \w+)\s*$")
UNBANNED = re.compile(rf"{_NETFILTER}(?:Unbanning {_NETWORK}|Removed host/network {_NETWORK} from \w+)\s*$")
"""What Mailcow's netfilter says of the networks it bans (2019 to 2026); other lines of its quote strangers."""

OOM = re.compile(
    r"(?:[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<old>[^)]{1,15})\)|oom-kill:.*\btask=(?P<new>[^,]{1,15}),)"
)
"""What the kernel says when it ends a process for lack of memory, of the machine or of a cgroup (3.10 to 6.12)."""

Event = Literal["CONNECT", "PREGREET", "HANGUP", "PASS", "ALLOWLISTED", "DENYLISTED", "DISCONNECT"]
_EVENTS: dict[str, Event] = {
    **{event: event for event in get_args(Event)},
    "WHITELISTED": "ALLOWLISTED",  # before Postfix 3.6, and with respectful_logging = no
    "BLACKLISTED": "DENYLISTED",
}
_SIGNALS = {
    129: "ended by SIGHUP",
    130: "ended by SIGINT",
    131: "ended by SIGQUIT",
    134: "aborted",
    135: "crashed",
    136: "crashed",
    137: "killed, often for lack of memory",
    139: "crashed",
    143: "told to end",
}


class Screened(Struct, frozen=True):
    """One thing postscreen saw of one client; `proxied` when it came to the PROXY port (syslog_name haproxy)."""

    event: Event
    address: str
    port: int
    proxied: bool
    detail: str = ""


_SPEAKERS: dict[Protocol, str] = {
    "imap": "imap-login: ", "imaps": "imap-login: ", "pop3": "pop3-login: ", "pop3s": "pop3-login: ",
    "sieve": "managesieve-login: ",
}  # fmt: skip
"""Dovecot's process that takes a protocol's connections, as its log names it."""


def spoken(lines: tuple[str, ...], protocol: Protocol) -> tuple[str, ...]:
    """Return the lines of Dovecot's own process for a protocol; all of them, where it has none."""
    speaker = _SPEAKERS.get(protocol)
    return tuple(line for line in lines if speaker in line) if speaker else lines


def untrusted_peer(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (peer, line) of the newest line that says Dovecot does not trust a proxy."""
    return _newest(UNTRUSTED, lines)


def talked_plainly(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the newest peer that sent Dovecot no TLS where it should have begun, and the line; None for none."""
    return _newest(NOT_TLS, lines)


def untrusted_peers(lines: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return (peer, line) of every line that says Dovecot does not trust a proxy, the newest first."""
    found = ((UNTRUSTED.match(line), line) for line in reversed(lines))
    return tuple((_plain(match[1]), line) for match, line in found if match)


def waited_peer(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (peer, line) of the newest line that says Dovecot waited for a header in vain."""
    return _newest(TIMED_OUT, lines)


def misread_peer(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (peer, line) of the newest line that says Dovecot could not read a header."""
    return _newest(BROKEN, lines)


def screened(line: str) -> Screened | None:
    """Read a line of postscreen about one client."""
    match = SCREENED.match(line)
    if match is None:
        return None
    return Screened(
        _EVENTS[match[2]], _plain(match[3]), int(match[4]), match[1].endswith("haproxy"), match[5].strip(" :")
    )


def header_trouble(lines: tuple[str, ...]) -> str | None:
    """Return the newest line in which Postfix says what was wrong with a PROXY header."""
    return next((line for line in reversed(lines) if HEADER.match(line) or CRASHED.match(line)), None)


def refused_family(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return ("IPv4" or "IPv6", line) of the newest line that says Postfix does without that family."""
    for line in reversed(lines):
        if not COMPLAINT.match(line):
            continue
        if match := FAMILY.search(line):
            return f"IPv{match[1] or match[2] or match[3] or '4'}", line
        if NO_FAMILY.search(line):
            return ("IPv4" if "IPv4" in line else "IPv6"), line
    return None


def bans(lines: tuple[str, ...]) -> dict[str, str]:
    """Return network → line for what netfilter banned and, by these lines, did not unban."""
    held: dict[str, str] = {}
    for line in lines:
        if match := BANNED.match(line):
            held[match[1] or match[2]] = line
        elif match := UNBANNED.match(line):
            held.pop(match[1] or match[2], None)
    return held


def out_of_memory(lines: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (process, line) of the newest line in which the kernel ended a process for lack of memory."""
    for line in reversed(lines):
        if match := OOM.search(line):
            return match["old"] or match["new"], line
    return None


def exit_words(code: int | None) -> str:
    """Say what a container's exit code means: 128 and a signal's number; "" where it says nothing more."""
    if code is None or code == 0:
        return ""
    if code in (126, 127):
        return "its command could not be run"
    return _SIGNALS.get(code, "ended by a signal" if code > 128 else "")


def _newest(pattern: re.Pattern[str], lines: tuple[str, ...]) -> tuple[str, str] | None:
    for line in reversed(lines):
        if match := pattern.match(line):
            return _plain(match[1]), line
    return None


def _plain(address: str) -> str:
    """Write an IPv4 address in IPv6's clothes as what it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)
