"""A machine's own addresses, and where its packets go: `ip -o addr`, `ip route get`.

One line an address since iproute2 2.x; a route's line names `via` and `dev`, or the kernel says why there is none."""

from __future__ import annotations

import re
from ipaddress import ip_address

from msgspec import Struct

from console.answers import Route
from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

COMMAND = ("ip", "-o", "addr", "show")
DEFAULT = ("ip", "route", "show", "default")

_LINE = re.compile(r"\d+: (\S+)\s+inet6? ([0-9A-Fa-f.:]+)(?:/\d+)?(?: peer \S+)?\s+(.*)")
_TUNNELS = re.compile(r"(?:tailscale|tun|tap|wg|docker|br-|veth|virbr|incusbr|lxdbr)")
"""Devices whose addresses nobody dials from the Internet."""
_VIA = re.compile(r"\bvia (?:inet6? )?(\S+)")
_SOURCE = re.compile(r"\bsrc ([0-9A-Fa-f.:]+)")
_DEVICE = re.compile(r"\bdev (\S+)")
_NONE = re.compile(
    r"unreachable|No route to host|prohibit|blackhole|RTNETLINK answers: (?:Permission denied|Invalid argument)", re.I
)


class Addresses(Struct, frozen=True):
    """A machine's own addresses that others can dial, or why nobody could tell."""

    found: tuple[str, ...] = ()
    error: str = ""


async def ask(host: Host, tunnels: bool = False) -> Addresses:
    """Ask `host` for its addresses, those of `tunnels` and bridges as well or not; failures are in the result."""
    answer = await run(host, COMMAND)
    if answer.error:
        return Addresses(error=answer.error)
    try:
        return Addresses(parse(answer.text, tunnels))
    except ValueError as error:
        return Addresses(error=f"ip on {host.name}: {error}")


def parse(text: str, tunnels: bool = False) -> tuple[str, ...]:
    """Read `ip -o addr`; loopback's, link-local ones and, unless wanted, those of tunnels and bridges are left out."""
    found: list[str] = []
    for line in text.split("\n"):
        match = _LINE.match(line)
        if match is None:
            if line.strip() and not re.match(r"\d+: ", line):
                raise ValueError(f"not the answer to ip -o addr: {clean(line, 60)}")
            continue
        try:
            address = ip_address(match[2])
        except ValueError:
            continue
        inside = not tunnels and _TUNNELS.match(match[1])
        if not (address.is_loopback or address.is_link_local or inside or "tentative" in match[3]):
            found.append(str(address))
    return tuple(dict.fromkeys(found))


async def toward(host: Host, address: str) -> Route | str:
    """Ask which way packets from `host` to `address` go; a text says why that could not be asked."""
    answer = await run(host, ("ip", "route", "get", address))
    if answer.status < 0 or answer.status == 127:
        return answer.error
    told = parse_route(address, answer.text if answer.text.strip() else answer.remark or answer.error)
    return told or answer.error or f"ip on {host.name} said nothing of the way to {clean(address, 60)}"


def parse_route(address: str, text: str) -> Route | None:
    """Read `ip route get`, or the kernel's word that there is no way; None when it is neither."""
    if device := _DEVICE.search(text):
        via = _VIA.search(text)
        own = _SOURCE.search(text)
        return Route(
            address, clean(device[1], 20), clean(via[1], 60) if via else "", source=clean(own[1], 60) if own else ""
        )
    return Route(address, none=clean(text.strip().split("\n")[0], 100)) if _NONE.search(text) else None


async def gateway(host: Host) -> str:
    """Return the router that `host` sends everything else to; "" when it has none, or nobody could tell."""
    answer = await run(host, DEFAULT)
    match = _VIA.search(answer.text)
    return clean(match[1], 60) if match else ""
