"""Whether HAProxy's health checks can see what they are there to see."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from console.diagnosis import greetings, words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.headers import anybody, checked, greets
from console.model import Finding, Span, Topology
from console.text import address
from console.topology.daemons import Listener
from console.topology.lanes import Way
from console.topology.sources import Sources


@static("CH004")
def blind_health_check(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A check that a dead daemon passes: once per backend, its lanes and kind of check, at the first server."""
    for _, behind in groupby(sources.routes.ways, key=lambda way: id(way.backend)):
        groups: dict[tuple[str, int, tuple[str, ...]], list[Way]] = {}
        for way in behind:
            if way.ours and _blind(way):
                # A server without a port of its own stands for as many as its lanes have.
                port = way.port if way.server.port is None and way.arrival.listener.service else 0
                key = (way.server.check.kind, port, words.ids(way.lanes) if way.backend.routing.servers else ())
                groups.setdefault(key, []).append(way)
        for ways in groups.values():
            lanes = words.together(ways)
            spans = tuple(dict.fromkeys(way.server.span for way in ways))
            yield finding(
                "CH004",
                f"{words.lanes(lanes)}: {_says(ways[0])}",
                spans[0],
                also=spans[1:],
                lanes=words.ids(lanes),
                hop="haproxy",
                remedy=_seeing(ways[0]),
            )


def _seeing(way: Way) -> str | None:
    """Return how to check what a way's daemon does; None for what the catalogue says: mail, through the header."""
    listener = way.arrival.listener
    if listener.protocol in ("http", "https"):
        # A web server says nothing before it is asked.
        words = ["check-ssl verify none"] * (listener.wire == "tls") + ["check-send-proxy"] * (
            way.headed and listener.header != "refused"
        )
        return "ask for a page: option httpchk" + f", with {' and '.join(words)} on the server line" * bool(words)
    if (way.server.transparent and not way.headed) or anybody(way):
        return "check what the daemon says: option tcp-check with connect and expect"
    return None


def _blind(way: Way) -> bool:
    kind = way.server.check.kind
    return kind == "L4" or (kind == "none" and words.carry_mail(way.lanes))


def _says(way: Way) -> str:
    check = way.server.check
    place = address(check.address or way.server.host, check.port or way.port)
    daemon = words.daemon(way.lanes, way)
    if way.server.check.kind == "none":
        target = address(way.server.host, way.port)
        return f"HAProxy does not check {target} at all, so it never notices that {daemon} is dead"
    blind = f"only that {place} accepts a connection, so it stays UP while {daemon} is dead"
    if way.backend.method.ignored:
        return f"HAProxy ignores the tcp-check rules, for option tcp-check is missing, and checks {blind}"
    return f"HAProxy checks {blind}"


@static("CH005")
def check_never_passes(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A check asks for what the daemon never says, or says too late: HAProxy calls a healthy server DOWN."""
    seen: dict[tuple[Span, str], list[Way]] = {}
    for way in sources.routes.ways:
        check = way.server.check
        if check.kind in ("L6", "L7") and not check.other and (problem := _fails(sources, way)):
            seen.setdefault((check.source or way.server.span, problem), []).append(way)
    for (place, problem), ways in seen.items():
        lanes = words.together(ways)
        yield finding(
            "CH005",
            f"{words.lanes(lanes)}: {problem}, so HAProxy calls a healthy server DOWN",
            place,
            also=tuple(dict.fromkeys(way.server.span for way in ways)),
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy=_instead(sources, ways[0]),
        )


def _fails(sources: Sources, way: Way) -> str:
    """Say why a check cannot pass whatever the daemon's health; "" when it can, or nobody knows."""
    check, arrival = way.server.check, checked(sources, way)
    listener, port = arrival.listener, check.port or way.port
    if greets(way, arrival):
        return f"option smtpchk takes postscreen's 220- greeting on {port} for a failure"
    if listener.protocol is None or listener.wire == "unknown" or listener.header == "unknown" or arrival.adds:
        return ""
    if (listener.header == "wanted") != check.sends_proxy:
        # Told by CH002 and CH003.
        return ""
    if check.tls and listener.wire != "tls":
        return f"the check begins with TLS, and {port} does not"
    if not check.tls and listener.wire == "tls":
        return f"the check begins without TLS, and {port} speaks it from the first byte"
    option = way.backend.method.option
    if option == "smtpchk" and listener.protocol not in ("smtp", "submission", "smtps"):
        return f"option smtpchk asks {port} for SMTP, and {words.daemon(way.lanes, way)} speaks another protocol there"
    asked = _ASKED.get(option)
    if asked is not None and not (asked == "HTTP" and listener.protocol in ("http", "https")):
        return (
            f"option {option} asks {port} for {asked}, and {words.daemon(way.lanes, way)} speaks another protocol there"
        )
    if option == "tcp-check" and listener.protocol not in ("http", "https"):
        return _unsaid(sources, way, listener, port)
    return ""


_ASKED = {
    "httpchk": "HTTP", "mysql-check": "MySQL", "pgsql-check": "PostgreSQL", "redis-check": "Redis",
    "ldap-check": "LDAP", "spop-check": "SPOP",
}  # fmt: skip
"""What the checks ask for that no mail server speaks."""


def _unsaid(sources: Sources, way: Way, listener: Listener, port: int) -> str:
    expected = greetings.first_expect(way.backend.method)
    if expected is None:
        return ""
    pattern, shown = expected, greetings.shown(expected)
    waits = greetings.pause(sources.postfix) if listener.screened else 0.0
    when = greetings.when(pattern, listener.protocol, listener.screened)
    if when == "never":
        return f"the check waits for {shown}, which {words.daemon(way.lanes, way)} does not say on {port}"
    limit = way.server.check.limit
    if when == "late" and waits is not None and limit is not None and limit <= waits:
        return (
            f"the check waits {words.duration(limit)} for {shown}, which postscreen says on {port} after"
            f" {words.duration(waits)}, behind its 220- greeting"
        )
    return ""


def _instead(sources: Sources, way: Way) -> str | None:
    listener = checked(sources, way).listener
    if listener.screened:
        return (
            None if way.backend.method.option != "tcp-check" else "tcp-check expect rstring ^220, which 220- passes too"
        )
    return greetings.RECIPES.get(listener.protocol) if listener.protocol else None
