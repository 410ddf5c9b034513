"""Whether HAProxy's health checks can see what they are there to see."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.headers import checked, greets
from console.model import Finding, Span, Topology
from console.topology.lanes import Way
from console.topology.sources import Sources


@static("CH004")
def blind_health_check(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A check that a dead daemon passes: once per backend and kind of check, at its first server."""
    for _, behind in groupby(sources.routes.ways, key=lambda way: id(way.backend)):
        groups: dict[str, list[Way]] = {}
        for way in behind:
            if way.ours and _blind(way):
                groups.setdefault(way.server.check.kind, []).append(way)
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
            )


def _blind(way: Way) -> bool:
    kind = way.server.check.kind
    return kind == "L4" or (kind == "none" and words.carry_mail(way.lanes))


def _says(way: Way) -> str:
    place = f"{way.server.host}:{way.server.check.port or way.port}"
    daemon = words.daemon(way.lanes, way.behind)
    if way.server.check.kind == "none":
        return f"HAProxy does not check {way.server.host}:{way.port} at all, so it never notices that {daemon} is dead"
    blind = f"only that {place} accepts a connection, so it stays UP while {daemon} is dead"
    if way.backend.method.ignored:
        return f"HAProxy ignores the tcp-check rules, for option tcp-check is missing, and checks {blind}"
    return f"HAProxy checks {blind}"


@static("CH005")
def smtpchk_on_postscreen(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """`option smtpchk` takes postscreen's `220-` teaser for a failure."""
    seen: dict[Span, list[Way]] = {}
    for way in sources.routes.ways:
        check = way.server.check
        if check.kind == "L7" and greets(way, checked(sources, way)):
            seen.setdefault(check.source or way.server.span, []).append(way)
    for place, ways in seen.items():
        lanes = words.together(ways)
        port = ways[0].server.check.port or ways[0].port
        yield finding(
            "CH005",
            f"{words.lanes(lanes)}: option smtpchk takes postscreen's 220- greeting on {port}"
            " for a failure, so HAProxy calls a healthy server DOWN",
            place,
            also=tuple(dict.fromkeys(way.server.span for way in ways)),
            lanes=words.ids(lanes),
            hop="haproxy",
        )
