"""What Tailscale says of the tunnel: `tailscale status --json`.

Fields came over time: Online with 1.20, PrimaryRoutes with 1.22, Expired and KeyExpiry with 1.36, AllowedIPs with 1.56.
Go writes the zero time where it knows none."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network

import msgspec
from msgspec import Struct

from console.answers import Peer, Tailnet
from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

COMMAND = ("tailscale", "status", "--json")

MOST = 200
"""Peers kept of a tailnet, and addresses and networks of each: a node may name as many as it likes."""


class _Node(Struct, frozen=True, rename="pascal"):
    host_name: str = ""
    dns_name: str = msgspec.field(default="", name="DNSName")
    addresses: tuple[str, ...] | None = msgspec.field(default=None, name="TailscaleIPs")
    allowed: tuple[str, ...] | None = msgspec.field(default=None, name="AllowedIPs")
    primary_routes: tuple[str, ...] | None = None
    online: bool | None = None
    last_seen: str | None = None
    key_expiry: str | None = None
    expired: bool = False
    relay: str | None = None
    cur_addr: str | None = None


class _Status(Struct, frozen=True, rename="pascal"):
    backend_state: str
    version: str = ""
    self_: _Node | None = msgspec.field(default=None, name="Self")
    peer: dict[str, _Node] | None = None
    health: tuple[str, ...] | None = None


async def ask(host: Host) -> Tailnet:
    """Ask Tailscale on `host`; failures are in the result, never raised."""
    answer = await run(host, COMMAND)
    if answer.status == 127:
        return Tailnet(error=answer.error, absent=True)
    if answer.error:
        return Tailnet(error=answer.error)
    try:
        return parse(answer.text)
    except ValueError as error:
        return Tailnet(error=f"tailscale on {host.name}: {error}")


def parse(text: str) -> Tailnet:
    """Read the document of any version; raises ValueError when it is not that."""
    try:
        status = msgspec.json.decode(text, type=_Status)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"not the answer to tailscale status --json: {clean(str(error), 120)}") from None
    return Tailnet(
        clean(status.backend_state, 30),
        _peer(status.self_) if status.self_ else None,
        tuple(_peer(node) for node in list((status.peer or {}).values())[:MOST]),
        tuple(clean(line, 160) for line in (status.health or ())[:8]),
        clean(status.version, 40),
    )


def _peer(node: _Node) -> Peer:
    addresses = _networks(node.addresses)
    routes = dict.fromkeys((*_networks(node.primary_routes), *_networks(node.allowed)))
    return Peer(
        clean(node.host_name or node.dns_name.split(".")[0], 60),
        addresses,
        tuple(route for route in routes if route.partition("/")[0] not in addresses),
        node.online,
        _moment(node.last_seen),
        _moment(node.key_expiry),
        node.expired,
        clean(node.relay or "", 20),
        clean(node.cur_addr or "", 60),
    )


def _networks(given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Keep what is an address or a network."""
    kept = []
    for each in (given or ())[:MOST]:
        try:
            ip_network(each, strict=False)
        except ValueError:
            continue
        kept.append(clean(each, 60))
    return tuple(kept)


def _moment(text: str | None) -> float:
    """Unix seconds of Go's RFC 3339 with nanoseconds; 0 for its zero time, and for what is none."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.year > 1970 and moment.tzinfo else 0.0
