"""The PROXY protocol header, versions 1 and 2 (HAProxy's proxy-protocol.txt): whose connection this claims to be."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from console.model import ProxyVersion

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""The twelve bytes a version 2 header begins with."""


def make(version: ProxyVersion, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """Return the header that claims a TCP connection from `source` to `destination`, both (address, port).

    Addresses of different families are both written as IPv6, IPv4 ones mapped (::ffff:a.b.c.d); a name raises
    ValueError."""
    addresses = [ip_address(source[0].partition("%")[0]), ip_address(destination[0].partition("%")[0])]
    if addresses[0].version != addresses[1].version:
        addresses = [ip_address(f"::ffff:{a}") if a.version == 4 else a for a in addresses]
    six = addresses[0].version == 6
    if version == "v1":
        family = "TCP6" if six else "TCP4"
        return f"PROXY {family} {addresses[0]} {addresses[1]} {source[1]} {destination[1]}\r\n".encode()
    body = addresses[0].packed + addresses[1].packed + struct.pack("!HH", source[1], destination[1])
    return SIGNATURE + bytes((0x21, 0x21 if six else 0x11)) + struct.pack("!H", len(body)) + body
