"""Who is connected to a service's container: the kernel's own tables there, /proc/PID/net/tcp and tcp6.

Docker redirects a published port inside the kernel, so that the mail host's own `ss` does not list these connections.
Addresses stand there as words of four bytes in the order of the machine: little-endian is taken for granted."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

SCRIPT = r"""id=$(docker compose --project-directory "$1" --project-name "$2" ps -q "$3") &&
pid=$(docker inspect --format '{{.State.Pid}}' "$id") && [ "$pid" -gt 0 ] && cat "/proc/$pid/net/tcp" &&
{ [ ! -e "/proc/$pid/net/tcp6" ] || cat "/proc/$pid/net/tcp6"; }
"""
"""The connections of a service's container, as the kernel has them there."""

_ROW = re.compile(r"^[ \t]*\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) ", re.MULTILINE)
_LISTEN = "0A"

Peer = tuple[str, int]


def parse(text: str, port: int) -> list[Peer]:
    """Read /proc/net/tcp and tcp6: who has a connection to a port, with address and port of theirs."""
    found = []
    for _, own, far, number, state in _ROW.findall(text):
        if state != _LISTEN and int(own, 16) == port and len(far) in (8, 32):
            found.append((_address(far), int(number, 16)))
    return found


def _address(text: str) -> str:
    """An address as the kernel writes it: words of four bytes, each with its last byte first."""
    data = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    if len(data) == 4:
        return str(IPv4Address(data))
    six = IPv6Address(data)
    return str(six.ipv4_mapped or six)
