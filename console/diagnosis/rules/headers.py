"""Whether HAProxy sends the PROXY header to the ports that want it, and to no others."""

from __future__ import annotations

from collections.abc import Iterator

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import PLAIN_PORTS, Finding, Topology
from console.topology import Sources, Way

_PLAIN = frozenset(PLAIN_PORTS.values())


@static("CH002")
def proxy_header_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY port is dialled, or checked, without the header it waits for."""
    for way in sources.ways:
        if way.behind not in PLAIN_PORTS:
            continue
        place = f"{way.server.host}:{way.port}"
        if way.server.proxy_protocol is None:
            yield finding(
                "CH002",
                f"{words.lanes(way.lanes)}: HAProxy sends no PROXY header to {place}, and "
                f"{words.daemon(way.lanes)} waits for one on {way.behind}: every client is turned away",
                way.server.span,
                lanes=words.ids(way.lanes),
                hop="vm",
            )
            continue
        check = way.server.check
        port = _checked(sources, way)
        if check.kind in ("L6", "L7") and not check.sends_proxy and port in PLAIN_PORTS and not greets(way, port):
            yield finding(
                "CH002",
                f"{words.lanes(way.lanes)}: HAProxy's health check sends no PROXY header to port"
                f" {check.port or way.port}, so it calls a healthy server DOWN",
                check.source or way.server.span,
                lanes=words.ids(way.lanes),
                hop="haproxy",
                remedy="add send-proxy to the tcp-check connect rule, or check-send-proxy to the server line",
            )


@static("CH003")
def proxy_header_on_plain_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY header goes to a port whose daemon takes it for the client's first words."""
    for way in sources.ways:
        place = f"{way.server.host}:{way.port}"
        if way.server.proxy_protocol and way.behind in _PLAIN:
            yield finding(
                "CH003",
                f"{words.lanes(way.lanes)}: HAProxy sends a PROXY header to {place}, where "
                f"{words.daemon(way.lanes)} takes it for the client's first words",
                way.server.span,
                lanes=words.ids(way.lanes),
                hop="vm",
            )
        elif way.ours and way.server.check.sends_proxy and _checked(sources, way) in _PLAIN:
            yield finding(
                "CH003",
                f"{words.lanes(way.lanes)}: HAProxy's health check sends a PROXY header to plain port "
                f"{way.server.check.port or way.port}",
                way.server.check.source or way.server.span,
                lanes=words.ids(way.lanes),
                hop="haproxy",
                remedy="check the PROXY port (10xxx, 14190), or drop the header from the check",
            )


def greets(way: Way, port: int) -> bool:
    """Whether the check is smtpchk at postscreen, which fails with or without a header (CH005)."""
    return way.backend.method.option == "smtpchk" and port == 10025


def _checked(sources: Sources, way: Way) -> int:
    """Return the container's port behind the one that is checked."""
    return sources.ports.behind(way.server.host, way.server.check.port or way.port)
