"""Addresses as `bind` and `server` write them: prefix, host, and a port that may be a range, relative or missing."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Transport = Literal["tcp", "udp", "quic", "local"]
"""`local` is all that has no port: UNIX and abstract sockets, inherited descriptors."""

# The prefixes of `str2sa_range()` in HAProxy's src/tools.c; the number is the family they force.
_PREFIX = re.compile(
    r"(?:stream\+|dgram\+|quic\+)?(?:(unix|uxdg|uxst|abnsz?|fd|sockpair|rhttp|rev)|([a-z]{2,5}?)([46]?))@"
)
_ANY = {"": "", "*": "", "0.0.0.0": ""}
_PORT = re.compile(r"[0-9]{1,5}\Z")


class Address(NamedTuple):
    """A host and ports. `first` is None without a port; `relative` says that it is added to the client's.

    `host` is "" for all of IPv4 and "::" for all of IPv6; brackets and prefixes are gone."""

    transport: Transport
    host: str
    first: int | None
    last: int | None
    relative: bool = False
    unread: str = ""
    """The port as written, when it is none (a variable nobody knows, or rubbish)."""


def read(text: str) -> Address:
    """Read one address; the port follows the last colon, so `:::25` is port 25 of `::`."""
    transport: Transport = "tcp"
    family = ""
    if "@" in text and (prefix := _PREFIX.match(text)):
        if prefix.group(1):
            return Address("local", text, None, None)
        family = prefix.group(3)
        if text.startswith("quic"):
            transport = "quic"
        elif text.startswith("dgram+") or prefix.group(2) == "udp":
            transport = "udp"
        text = text[prefix.end() :]
    elif text.startswith("/"):
        return Address("local", text, None, None)
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        host, port = text, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    host = "::" if family == "6" and host in ("", "*") else _ANY.get(host, host)
    return _with_port(transport, host, port)


def _with_port(transport: Transport, host: str, port: str) -> Address:
    if _PORT.match(port) and (number := int(port)) < 65536:
        return Address(transport, host, number, number)
    if not port:
        return Address(transport, host, None, None)
    if port[0] in "+-" and _PORT.match(port, 1):
        return Address(transport, host, int(port), int(port), True)
    low, dash, high = port.partition("-")
    if dash and _PORT.match(low) and _PORT.match(high) and int(low) <= int(high) < 65536:
        return Address(transport, host, int(low), int(high))
    return Address(transport, host, None, None, unread=port)


def loopback(host: str) -> bool:
    """Whether an address, or localhost, is this machine's own."""
    return host.startswith("127.") or host in ("::1", "localhost")


def own_door(local: bool, host: str, port: int | None, anywhere: bool = False) -> str:
    """Return what tells HAProxy's own sockets and loopback ports apart; "" for an address that is another machine's.

    `anywhere` takes the address of a listener on every address too."""
    if local:
        return host.removeprefix("unix@")
    near = loopback(host) or (anywhere and host in ("", "::"))
    return str(port) if near and port is not None else ""
