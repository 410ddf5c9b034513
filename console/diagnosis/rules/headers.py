"""Whether HAProxy sends the PROXY header to the ports that want it, and to no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import PLAIN_PORTS, Finding, Lane, Topology
from console.topology.lanes import Way
from console.topology.sources import Sources

_PLAIN = frozenset(PLAIN_PORTS.values())


@static("CH002")
def proxy_header_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY port is dialled, or checked, without the header it waits for: once for each server line."""
    for way, lanes in _servers(sources, lambda way: way.behind in PLAIN_PORTS and way.server.proxy_protocol is None):
        yield finding(
            "CH002",
            f"{words.lanes(lanes)}: HAProxy sends no PROXY header to {way.server.host}:{way.port}, and"
            f" {words.daemon(lanes, way.behind)} waits for one: every client is turned away",
            way.server.span,
            lanes=words.ids(lanes),
            hop="vm",
        )

    def unheard(way: Way) -> bool:
        check, port = way.server.check, checked(sources, way)
        asks = check.kind in ("L6", "L7") and not check.sends_proxy and not greets(way, port)
        return asks and port in PLAIN_PORTS and way.server.proxy_protocol is not None

    for way, lanes in _servers(sources, unheard):
        yield finding(
            "CH002",
            f"{words.lanes(lanes)}: HAProxy's health check sends no PROXY header to port"
            f" {way.server.check.port or way.port}, so it calls a healthy server DOWN",
            way.server.span,
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="add send-proxy to the tcp-check connect rule, or check-send-proxy to the server line",
        )


@static("CH003")
def proxy_header_on_plain_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY header goes to a port whose daemon takes it for the client's first words."""
    for way, lanes in _servers(sources, lambda way: bool(way.server.proxy_protocol) and way.behind in _PLAIN):
        yield finding(
            "CH003",
            f"{words.lanes(lanes)}: HAProxy sends a PROXY header to {way.server.host}:{way.port}, where"
            f" {words.daemon(lanes, way.behind)} takes it for the client's first words",
            way.server.span,
            lanes=words.ids(lanes),
            hop="vm",
        )

    def misplaced(way: Way) -> bool:
        return (
            way.ours and way.behind not in _PLAIN and way.server.check.sends_proxy and checked(sources, way) in _PLAIN
        )

    for way, lanes in _servers(sources, misplaced):
        yield finding(
            "CH003",
            f"{words.lanes(lanes)}: HAProxy's health check sends a PROXY header to plain port"
            f" {way.server.check.port or way.port}",
            way.server.span,
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="check the PROXY port (10xxx, 14190), or drop the header from the check",
        )


def greets(way: Way, port: int) -> bool:
    """Whether the check is smtpchk at postscreen, which fails with or without a header (CH005)."""
    return way.backend.method.option == "smtpchk" and port == 10025


def checked(sources: Sources, way: Way) -> int:
    """Return the container's port behind the one that is checked."""
    return sources.routes.ports.behind(way.server.host, way.server.check.port or way.port)


def _servers(sources: Sources, holds: Callable[[Way], bool]) -> Iterator[tuple[Way, tuple[Lane, ...]]]:
    """Yield every server line for which something holds, as first met, with all lanes that it touches."""
    found: dict[int, list[Way]] = {}
    for way in sources.routes.ways:
        if holds(way):
            found.setdefault(id(way.server), []).append(way)
    for ways in found.values():
        yield ways[0], words.together(ways)
