"""What HAProxy runs, in its own words: frontends of `show stat`, servers' addresses of `show servers conn`.

`show servers conn` came with 1.8; before, and where it is refused, servers have no address here."""

from __future__ import annotations

from msgspec import Struct

from console.errors import HostError
from console.facts import haproxy_stats
from console.facts.haproxy_stats import ROWS, SOCKETS, tell
from console.hosts.host import Host
from console.text import clean, count

FRONTEND = "0"


class Running(Struct, frozen=True):
    """What runs: names of frontends, and (backend, server) → (address, port); or why nobody could tell."""

    frontends: tuple[str, ...] = ()
    servers: dict[tuple[str, str], tuple[str, int]] = {}
    socket: str = ""
    error: str = ""


async def ask(host: Host, sockets: tuple[str, ...] = SOCKETS, timeout: float = 5.0) -> Running:
    """Ask the first of `sockets` that answers, on `host`; failures are in the result, never raised."""
    error = "HAProxy has no stats socket"
    for path in sockets:
        try:
            stat = await tell(host, path, "show stat", timeout)
            servers = await tell(host, path, "show servers conn", timeout)
            return Running(parse_frontends(stat), parse_servers(servers), path)
        except HostError as problem:
            error = clean(str(problem))
        except ValueError as problem:
            return Running(error=f"{path}: {clean(str(problem), 100)}")
    return Running(error=error)


def parse_frontends(text: str) -> tuple[str, ...]:
    """Read the frontends of `show stat`; raises ValueError when it is no answer to that."""
    return tuple(each.name for each in haproxy_stats.parse_frontends(text))


def parse_servers(text: str) -> dict[tuple[str, str], tuple[str, int]]:
    """Read `show servers conn`; {} from a HAProxy that does not know it."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for line in text.split("\n", ROWS)[:ROWS]:
        words = line.split()
        if len(words) > 4 and not line.startswith("#") and "/" in words[0] and (port := count(words[3])) is not None:
            backend, _, server = words[0].partition("/")
            found[clean(backend), clean(server)] = clean(words[2]), port
    return found
