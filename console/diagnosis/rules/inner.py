"""Whether HAProxy's hops through its own listeners hand the client's address on."""

from __future__ import annotations

from collections.abc import Iterator

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Lane, Topology
from console.sources.haproxy import Listener, Proxy, Server
from console.text import clean
from console.topology.sources import Sources

Hop = tuple[Server, Listener, tuple[Lane, ...], Proxy]
"""A server, the listener of HAProxy's own that it is, the lanes that go through, and the section behind."""


@static("CH002")
def inner_header_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """One of HAProxy's own listeners waits for a header that is not sent, or passes its own address on."""
    for server, listener, lanes, _ in hops(sources):
        if server.proxy_protocol is not None or server.transparent:
            continue
        name = clean(f"{server.host}:{server.port}" if server.port else server.host, 80)
        if listener.accepts_proxy:
            yield finding(
                "CH002",
                f"{words.lanes(lanes)}: HAProxy sends no PROXY header to its own listener {name}, which has"
                " accept-proxy: every client is turned away",
                server.span,
                also=(listener.span,),
                lanes=words.ids(lanes),
                hop="haproxy",
                remedy="send-proxy-v2 on the server line",
            )
        elif words.carry_mail(lanes):
            # 127.0.0.1 is inside Postfix's mynetworks; over a UNIX socket no address is told at all.
            relays = server.port is not None and any(_postfix(lane) and lane.proxy_protocol for lane in lanes)
            trusts = ", which Postfix lets relay" if relays else ""
            yield finding(
                "CH002",
                f"{words.lanes(lanes)}: the hop through {name} carries no PROXY header: the daemon is told"
                f" HAProxy's own address in place of every client's{trusts}",
                server.span,
                also=(listener.span,),
                lanes=words.ids(lanes),
                hop="haproxy",
                severity="critical" if trusts else "high",
                remedy="send-proxy-v2 on the server line, and accept-proxy on the bind line that it dials",
            )


@static("CH003")
def inner_header_unread(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """HAProxy sends a header to one of its own listeners that does not take it off."""
    for server, listener, lanes, _ in hops(sources):
        if server.proxy_protocol is not None and not listener.accepts_proxy:
            name = clean(f"{server.host}:{server.port}" if server.port else server.host, 80)
            yield finding(
                "CH003",
                f"{words.lanes(lanes)}: HAProxy sends a PROXY header to its own listener {name}, which has no"
                " accept-proxy: it reaches the daemon as the client's first words",
                server.span,
                also=(listener.span,),
                lanes=words.ids(lanes),
                hop="haproxy",
                remedy="accept-proxy on the bind line",
            )


def _postfix(lane: Lane) -> bool:
    return lane.service == "postfix-mailcow"


def hops(sources: Sources) -> Iterator[Hop]:
    """Yield the hops that lanes take through HAProxy's own listeners."""
    found = sources.haproxy.inner_hops if sources.haproxy is not None else ()
    if sources.haproxy is None or not found:
        return
    asking: dict[str, list[Proxy]] = {}
    for proxy in sources.haproxy.proxies:
        routes = [*proxy.use_backend, *([proxy.default_backend] if proxy.default_backend else [])]
        for name in {route.backend for route in routes} | ({proxy.name} if proxy.kind == "listen" else set()):
            asking.setdefault(name, []).append(proxy)
    by_frontend: dict[int, list[Lane]] = {}
    for door, lane in sources.routes.lanes:
        by_frontend.setdefault(id(door.frontend), []).append(lane)
    for backend, server, inner, listener in found:
        lanes = tuple(lane for proxy in asking.get(backend.name, ()) for lane in by_frontend.get(id(proxy), ()))
        if lanes:
            yield server, listener, lanes, inner
