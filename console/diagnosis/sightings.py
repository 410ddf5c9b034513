"""Whose address a daemon believes in, read from its answer and its log: pure, without I/O.

Strangers write into these lines too; an address is only taken from where the daemon itself puts it, and a line only
counts as ours by what no stranger knows: our nonce, or the port our connection left with."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

from console.diagnosis.log_lines import screened

_ADDRESS = r"([0-9a-fA-F.:]{2,45})"
_POSTFIX = r"^[^<>\"\[\]]*?\b[\w.-]+(?:/[\w.-]+)*/(?:smtpd|postscreen)\[\d+\]: "

_REJECTED = re.compile(_POSTFIX + rf"NOQUEUE: [\w-]+: (?:RCPT|MAIL) from [^\s\[\]]*\[{_ADDRESS}\](?::\d+)?: ")
"""smtpd names a client NAME[ADDRESS], postscreen [ADDRESS]:PORT."""

_NAMED = re.compile(rf"^[45]\d\d[ -](?:[45]\.\d+\.\d+ )?(?:<[^\s<>\[\]]+\[{_ADDRESS}\]>: |.*\bclient \[{_ADDRESS}\])")
"""An answer that names the client it is for: `<name[ADDRESS]>: Client host rejected`, `client [ADDRESS] blocked`."""

_LOGIN = re.compile(r"^[^<>=(\"'`]*?\b(imap|pop3|managesieve|submission)-login: (?:Info: )?[A-Z]")
_RIP = re.compile(
    rf".*\brip={_ADDRESS}, lip={_ADDRESS}(?P<rest>(?:, [^<>…]*?)?)(?:,? session=<(?P<session>[\w+/=]+)>)?$"
)
"""The last rip= of a line: an earlier one may be a stranger's user name, and the last one of a line that was cut."""

_SESSION = (12, 24)
"""Bytes of a session: six of time, two of port, and an address of either family."""


class Sighting(Struct, frozen=True):
    """One client as a daemon saw it: the address, its port (0: not told), and the line that says so."""

    address: str
    port: int
    line: str


def plain(address: str) -> str:
    """Write an address in its one usual form, an IPv4 one in IPv6's clothes as what it is; "" when it is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def named(answer: str) -> str:
    """Return the client's address that Postfix names in a refusal; "" when it names none."""
    match = _NAMED.match(answer)
    return plain(match[1] or match[2]) if match else ""


def screenings(lines: Iterable[str], port: int) -> tuple[Sighting, ...]:
    """Return postscreen's CONNECT lines of a client port, the newest first."""
    found = [(line, seen) for line in lines if (seen := screened(line)) is not None and seen.event == "CONNECT"]
    return tuple(Sighting(seen.address, seen.port, line) for line, seen in reversed(found) if seen.port == port)


def rejection(lines: Iterable[str], nonce: str) -> Sighting | None:
    """Return the newest line in which Postfix refused the recipient with our nonce."""
    for line in reversed(tuple(lines)):
        match = _REJECTED.match(line)
        if match and _ours(line, nonce) and (address := plain(match[1])):
            return Sighting(address, 0, line)
    return None


def _ours(line: str, nonce: str) -> bool:
    return f"<{nonce}@example.invalid>" in line or f"helo=<{nonce}.example.invalid>" in line


def logins(lines: Iterable[str], service: str) -> Iterator[Sighting]:
    """Yield whom a login service of Dovecot's saw before a log-in, the newest first; `service` as in "imap".

    The port is that of the session, which a stock Mailcow does not log."""
    for line in reversed(tuple(lines)):
        start = _LOGIN.match(line)
        match = _RIP.match(line) if start and start[1] == service else None
        if match is None or not (address := plain(match[1])):
            continue
        origin = session(match["session"] or "")
        yield Sighting(address, origin[1] if origin and origin[0] == address else 0, line)


def session(text: str) -> tuple[str, int] | None:
    """Return the address and port in a session of Dovecot's; None when it has another form."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) not in _SESSION:
        return None
    return plain(str(ip_address(data[8:]))), int.from_bytes(data[6:8], "little")


def request(lines: Iterable[str], nonce: str) -> Sighting | None:
    """Return the newest request for our nonce in nginx's access log (`combined`, which has no port)."""
    asked = re.compile(rf'(?:^|[\s|]){_ADDRESS} - \S+ \[[^\]]*\] "(?:GET|HEAD) /{re.escape(nonce)} HTTP/')
    for line in reversed(tuple(lines)):
        if (match := asked.search(line)) and (address := plain(match[1])):
            return Sighting(address, 0, line)
    return None
