"""Whether HAProxy sends the PROXY header to the daemons that want it, and to no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import PLAIN_PORTS, Finding, Lane, Span, Topology
from console.text import join_words
from console.topology.daemons import NGINX
from console.topology.lanes import MAIL, Way
from console.topology.listeners import Arrival
from console.topology.sources import Sources

_PROXIED = {plain: proxied for proxied, plain in PLAIN_PORTS.items()}

_BLIND = {
    "smtp": "SPF, DNS blocklists, postscreen, rate limits and bans are blind",
    "submission": "rate limits and bans are blind",
    "smtps": "rate limits and bans are blind",
    "https": "its log, its login limits and its bans are blind",
}
"""What a daemon that sees no client's address cannot do, by what it speaks."""


@static("CH002")
def proxy_header_missing(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A daemon is dialled, or checked, without the header it waits for; or without any, and sees the proxy alone."""
    for way, lanes in _servers(sources, lambda way: _judged(way, "wanted") and not way.headed):
        yield finding(
            "CH002",
            f"{words.lanes(lanes)}: HAProxy sends no PROXY header to {words.dialled(way)}, and"
            f" {words.daemon(lanes, way)} waits for one{_because(way)}: every client is turned away",
            way.server.span,
            also=_decided(way),
            lanes=words.ids(lanes),
            hop="vm",
        )
    for way, lanes in _servers(sources, _hides):
        yield _hidden(sources, way, lanes)

    yield from _unnamed(sources)
    for way, lanes in _servers(sources, _tells_proxy):
        hop = way.arrival.hops[-1]
        yield finding(
            "CH002",
            f"{words.lanes(lanes)}: the PROXY header of the proxy device of {hop.device} tells HAProxy's address, which"
            f" dials it, for every client: {words.daemon(lanes, way)} sees no other",
            way.server.span,
            also=(hop.source,),
            lanes=words.ids(lanes),
            hop="vm",
            severity="high",
            remedy="drop proxy_protocol from the proxy device, and write send-proxy on the server line",
        )

    def unheard(way: Way) -> bool:
        check, arrival = way.server.check, checked(sources, way)
        asks = check.kind in ("L6", "L7") and not check.other and not check.sends_proxy and not greets(way, arrival)
        return asks and way.headed and arrival.listener.header == "wanted" and not arrival.adds

    for way, lanes in _servers(sources, unheard, _asked):
        yield finding(
            "CH002",
            f"{words.lanes(lanes)}: HAProxy's health check sends no PROXY header to port"
            f" {_asked(way)}, so it calls a healthy server DOWN",
            way.server.span,
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="add send-proxy to the tcp-check connect rule, or check-send-proxy to the server line",
        )


def _judged(way: Way, header: str) -> bool:
    """Whether the daemon's wish is known to be this; a web server counts where it is the mail server's."""
    listener = way.arrival.listener
    return listener.header == header and (listener.service != NGINX or way.ours)


def _tells_proxy(way: Way) -> bool:
    """Whether the only header is a proxy device's, which knows its own caller alone: HAProxy."""
    only = way.arrival.adds and way.server.proxy_protocol is None and not way.server.transparent
    return only and bool(way.arrival.hops) and _judged(way, "wanted") and words.carry_mail(way.lanes)


def _hides(way: Way) -> bool:
    """Whether the daemon sees HAProxy in place of every client: no header, and not the client's own address."""
    listener = way.arrival.listener
    if way.server.transparent or way.headed or not (_judged(way, "refused") or anybody(way)):
        return False
    if listener.service == NGINX:
        # In HTTP a header of the request may tell the client's address.
        return way.backend.mode != "http" and listener.wire == "tls"
    return listener.protocol in MAIL and words.carry_mail(way.lanes)


def anybody(way: Way) -> bool:
    """Whether a mail port is dialled of which no file says who answers: what it speaks is known, and no more."""
    listener = way.arrival.listener
    return listener.service is None and listener.header == "unknown" and listener.protocol in MAIL


def _unnamed(sources: Sources) -> Iterator[Finding]:
    """Yield the server lines whose requests reach Mailcow's nginx without a word of who the client is."""

    def bare(way: Way) -> bool:
        web = way.arrival.listener.service == NGINX and way.ours
        # Over plain HTTP alone a client is mostly redirected, or it is an authority that looks for its answer.
        worth = way.arrival.listener.wire == "tls" or any(lane.protocol == "https" for lane in way.unnamed)
        told = way.headed or way.server.transparent or way.arrival.listener.header == "wanted"
        return web and worth and bool(way.unnamed) and not told

    found: dict[int, list[Way]] = {}
    for way in sources.routes.ways:
        if bare(way):
            found.setdefault(id(way.server), []).append(way)
    for ways in found.values():
        lanes = tuple(dict.fromkeys(lane for way in ways for lane in way.unnamed))
        # Only where a file says so is it known that it does not wait for a PROXY header.
        waits = "" if ways[0].arrival.listener.header == "refused" else ", or waits for a PROXY header in vain"
        said = finding(
            "CH002",
            f"{words.lanes(lanes)}: neither X-Forwarded-For nor a PROXY header: {words.daemon(lanes, ways[0])} takes"
            f" every client for HAProxy's address{waits}: {_BLIND['https']}",
            ways[0].server.span,
            lanes=words.ids(lanes),
            hop="vm",
            severity="medium",
            remedy="say option forwardfor in the section; nginx believes it from private addresses, and from those in "
            "TRUSTED_PROXIES of mailcow.conf",
        )
        # No flow edits what carries the web.
        yield replace(said, flow=None)


def _hidden(sources: Sources, way: Way, lanes: tuple[Lane, ...]) -> Finding:
    listener = way.arrival.listener
    if anybody(way):
        return finding(
            "CH002",
            f"{words.lanes(lanes)}: no PROXY header: whatever answers at {words.dialled(way)} takes every client for"
            " HAProxy's address, or waits for the header in vain; no given file tells which",
            way.server.span,
            lanes=words.ids(lanes),
            hop="vm",
            severity="high",
            remedy="send-proxy, to a listener that is set to take it",
        )
    daemon = words.daemon(lanes, way)
    blind = _BLIND.get(listener.protocol or "", "login limits and bans are blind, and its log names nobody")
    wanted = _PROXIED.get(listener.port)
    remedy = f"send-proxy to {wanted}, the port of the same service that wants the header" if wanted else None
    if wanted and way.arrival.hops:
        there = way.arrival.hops[-1].source
        remedy = f"send-proxy, and let {there.file}:{there.line} lead to port {wanted}, which wants the header"
    elif listener.service == NGINX:
        remedy = "NGINX_USE_PROXY_PROTOCOL=y in mailcow.conf, and send-proxy-v2 on the server line"
    elif wanted is not None and sources.compose is not None:
        remedy = f"{remedy}; publish it on the address that HAProxy dials"
    said = finding(
        "CH002",
        f"{words.lanes(lanes)}: no PROXY header: {daemon} takes every client for HAProxy's address: {blind}",
        way.server.span,
        also=_decided(way),
        lanes=words.ids(lanes),
        hop="vm",
        severity="medium" if listener.service == NGINX else "high",
        remedy=remedy or "send-proxy, to a listener that wants it",
    )
    return replace(said, flow=None) if listener.service == NGINX else said


@static("CH003")
def proxy_header_on_plain_port(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A PROXY header goes to a port whose daemon takes it for the client's first words."""
    for way, lanes in _servers(sources, lambda way: _judged(way, "refused") and way.headed):
        yield finding(
            "CH003",
            f"{words.lanes(lanes)}: {_sender(way)} sends a PROXY header to {words.dialled(way)}, where"
            f" {words.daemon(lanes, way)} takes it for the client's first words{_because(way)}",
            way.server.span,
            also=_decided(way),
            lanes=words.ids(lanes),
            hop="vm",
            remedy=_aim(sources, way),
        )
    for way, lanes in _servers(sources, _doubled):
        hop = way.arrival.hops[-1]
        yield finding(
            "CH003",
            f"{words.lanes(lanes)}: two PROXY headers: the proxy device of {hop.device} puts its own before HAProxy's,"
            f" and {words.daemon(lanes, way)} takes the second for the client's first words",
            way.server.span,
            also=(hop.source,),
            lanes=words.ids(lanes),
            hop="vm",
            remedy="drop proxy_protocol from the proxy device: its header says HAProxy's address, not the client's",
        )

    def misplaced(way: Way) -> bool:
        arrival = checked(sources, way)
        return (
            way.ours
            and not (way.headed and _judged(way, "refused"))
            and way.server.check.sends_proxy
            and not way.server.check.other
            and arrival.listener.header == "refused"
        )

    for way, lanes in _servers(sources, misplaced, _asked):
        yield finding(
            "CH003",
            f"{words.lanes(lanes)}: HAProxy's health check sends a PROXY header to plain port {_asked(way)}",
            way.server.span,
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="check the PROXY port (10xxx, 14190), or drop the header from the check",
        )


@static("CH094")
def daemon_unknown(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The files do not say who answers behind a server line: whether the header is right there cannot be told."""
    if sources.foreign:
        return
    ways = [
        way
        for way in sources.routes.ways
        if (way.arrival.stranger or not sources.named) and words.carry_mail(way.lanes) and _open(way)
    ]
    if not ways:
        return
    lanes = words.together(ways)
    places = tuple(dict.fromkeys(way.server.span for way in ways))
    targets = list(dict.fromkeys(words.dialled(way) for way in ways))
    remedy = (
        "check in that machine's settings whether its port expects the header; if the machine is Mailcow's too, put "
        "mailcow into the server's name"
    )
    yield finding(
        "CH094",
        f"{words.lanes(lanes)}: no given file says what answers at {join_words(targets, 4)}: whether it waits for"
        " HAProxy's PROXY header cannot be told",
        places[0],
        also=places[1:],
        lanes=words.ids(lanes),
        hop="vm",
        remedy=remedy if sources.named else None,
    )


def _open(way: Way) -> bool:
    """Whether a right header depends on who answers: one is sent, or the port is one that Mailcow has for it."""
    if way.arrival.entry is not None or way.arrival.direct:
        return False
    return (way.headed and way.arrival.listener.header == "unknown") or way.port in PLAIN_PORTS


def _doubled(way: Way) -> bool:
    return way.arrival.adds and way.server.proxy_protocol is not None and way.arrival.listener.header == "wanted"


def _sender(way: Way) -> str:
    if way.server.proxy_protocol is not None:
        return "HAProxy"
    return f"the proxy device of {way.arrival.hops[-1].device}" if way.arrival.hops else "something"


def _aim(sources: Sources, way: Way) -> str | None:
    if way.arrival.listener.service == NGINX:
        other = next((each for each in sources.ports.daemons.values() if each.protocol == "https"), None)
        if other is not None and other.header == "wanted":
            return "drop send-proxy: with HTTP_REDIRECT=y the server that redirects reads no header"
        return "NGINX_USE_PROXY_PROTOCOL=y in mailcow.conf, or drop send-proxy"
    wanted = _PROXIED.get(way.arrival.listener.port)
    if wanted and way.arrival.hops:
        there = way.arrival.hops[-1].source
        return f"let {there.file}:{there.line} lead to port {wanted}, which wants the header, or drop send-proxy"
    return f"send to port {wanted}, which wants the header, or drop send-proxy" if wanted else None


def _because(way: Way) -> str:
    """Say which line of a daemon's own files decides, when one does."""
    why = way.arrival.listener.why
    return f" ({why.file}:{why.line})" if why is not None and why.line else ""


def _decided(way: Way) -> tuple[Span, ...]:
    why = way.arrival.listener.why
    return (why,) if why is not None and why.line else ()


def greets(way: Way, arrival: Arrival) -> bool:
    """Whether the check is smtpchk at postscreen, which fails with or without a header (CH005)."""
    return way.backend.method.option == "smtpchk" and arrival.listener.screened


def checked(sources: Sources, way: Way) -> Arrival:
    """Return where the check of a way ends up."""
    asked, elsewhere = _asked(way), way.server.check.address
    at_home = asked == way.port and not elsewhere
    return way.arrival if at_home else sources.ports.at(elsewhere or way.server.host, asked)


def _asked(way: Way) -> int:
    """Return the port that the check of a way goes to."""
    return way.server.check.port or way.port


def _servers(
    sources: Sources, holds: Callable[[Way], bool], port: Callable[[Way], int] = lambda way: way.port
) -> Iterator[tuple[Way, tuple[Lane, ...]]]:
    """Yield every server line for which something holds, as first met, with all lanes that it touches.

    One without a port of its own stands for several: each port is told by itself."""
    found: dict[tuple[int, int], list[Way]] = {}
    for way in sources.routes.ways:
        if holds(way):
            found.setdefault((id(way.server), port(way)), []).append(way)
    for ways in found.values():
        yield ways[0], words.together(ways)
