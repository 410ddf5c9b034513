"""Whether a lane's clients and the port that they end at speak the same: TLS first or not, and the same protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Lane, Protocol, Topology
from console.sources.haproxy import Door
from console.sources.haproxy.addresses import loopback
from console.sources.haproxy.samples import STARTTLS
from console.topology.daemons import NGINX, Listener
from console.topology.lanes import MAIL, PROTOCOLS, Way, once
from console.topology.sources import Sources

TLS_FIRST: frozenset[Protocol] = frozenset(("smtps", "imaps", "pop3s", "https"))

_FAMILIES: dict[Protocol, str] = {
    "smtp": "mail from other servers",
    "submission": "mail that users send",
    "smtps": "mail that users send",
    "imap": "IMAP",
    "imaps": "IMAP",
    "pop3": "POP3",
    "pop3s": "POP3",
    "sieve": "ManageSieve",
}
"""Protocols whose daemons do the same for a client, once TLS is out of the way."""


Mismatch = tuple[Way, tuple[Lane, ...], str]
"""A server, lanes that lead to it, and what of them it does not speak."""


@static("CH080")
def protocol_mismatch(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A lane's clients speak one thing and the port behind it another: no client gets in."""
    found: dict[int, list[Mismatch]] = {}
    mixed = {lane.id for door, lane in sources.routes.lanes if _mixed(door)}
    alike: dict[int, list[tuple[Lane, ...]]] = {}
    for way in sources.routes.ways:
        listener = way.arrival.listener
        if (listener.protocol is None and listener.wire == "unknown") or (listener.service == NGINX and not way.ours):
            continue
        if id(way.lanes) not in alike:
            # Many ways have the very same lanes, and of these many speak the same.
            alike[id(way.lanes)] = _alike(way.lanes, mixed)
        for lanes in alike[id(way.lanes)]:
            if problem := mismatch(lanes[0], way):
                found.setdefault(id(way.server), []).append((way, lanes, problem))
    yield from _http(sources)
    yield from _early(sources)
    elsewhere = _served_elsewhere(sources, found)
    for condemned in found.values():
        places = [each for each in condemned if any(id(lane) not in elsewhere for lane in each[1])]
        if not places:
            continue
        way, lanes, problem = places[0]
        if len(places) > 1 or elsewhere:
            told = {lane.id: lane for _, each, _ in places for lane in each if id(lane) not in elsewhere}
            lanes = tuple(told.values())
        port = better(sources, lanes[0], way)
        aim = f"use {port}" if port else "no port of the daemon that is known does"
        remedy = f"point the server line at port {port}" if port else None
        if _wraps_twice(lanes[0], way):
            aim = remedy = "take ssl from the server line"
        elif _ends_early(lanes[0], way):
            aim, remedy = "let the client's TLS go on to it", "take ssl and crt from the bind line"
        yield finding(
            "CH080",
            f"{words.lanes(lanes)}: {problem}: no client gets in; {aim}",
            way.server.span,
            lanes=words.ids(lanes),
            hop="vm",
            remedy=remedy,
        )


def _served_elsewhere(sources: Sources, found: Mapping[int, list[Mismatch]]) -> set[int]:
    """Return which lanes have another backend too, which speaks as they do: where they go is not decided here.

    One of the same name stands in another branch of an `.if`: which of them counts is told with the condition."""
    condemned: dict[int, set[str]] = {}
    for places in found.values():
        for way, lanes, _ in places:
            for lane in lanes:
                condemned.setdefault(id(lane), set()).add(way.backend.name)
    if not condemned:
        return set()
    others: set[int] = set()
    looked: set[tuple[int, int]] = set()
    for way in sources.routes.ways:
        if (key := (id(way.backend), id(way.lanes))) not in looked:
            looked.add(key)
            others.update(
                id(lane) for lane in way.lanes if id(lane) in condemned and way.backend.name not in condemned[id(lane)]
            )
    return others


def _http(sources: Sources) -> Iterator[Finding]:
    """Yield the backends that take a mail lane's clients for web browsers: mode http answers them 400."""
    found: dict[int, list[Way]] = {}
    for way in sources.routes.ways:
        if way.backend.mode == "http" and any(PROTOCOLS.get(lane.port) in MAIL for lane in way.lanes):
            found.setdefault(id(way.backend), []).append(way)
    for ways in found.values():
        lanes = tuple(lane for lane in words.together(ways) if PROTOCOLS.get(lane.port) in MAIL)
        yield finding(
            "CH080",
            f"{words.lanes(lanes)}: HAProxy speaks HTTP there (mode http), and mail clients do not: no client gets in",
            ways[0].backend.span,
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy="mode tcp in the section, and in the frontend in front of it",
        )


def _early(sources: Sources) -> Iterator[Finding]:
    """Yield the listeners that begin with TLS where clients begin in plain text, and only then ask for TLS."""
    found: dict[int, list[tuple[Door, Lane]]] = {}
    for door, lane in sources.routes.lanes:
        begins_plain = door.port in STARTTLS and PROTOCOLS.get(door.port) in MAIL
        # Where another proxy or program stands in front, that decides how it begins.
        if begins_plain and all(
            each.tls and not each.accepts_proxy and not loopback(each.address) for each in door.listeners
        ):
            found.setdefault(id(door.frontend), []).append((door, lane))
    for doors in found.values():
        lanes = once([lane for _, lane in doors])
        # Other servers have no other way; a client can be told to begin with TLS at any port.
        nobody = any(door.port == 25 for door, _ in doors)
        spans = tuple(dict.fromkeys(listener.span for door, _ in doors for listener in door.listeners))
        yield finding(
            "CH080",
            f"{words.lanes(lanes)}: HAProxy speaks TLS there from the first byte (ssl on the bind line), and clients of"
            f" such a port begin in plain text: {'no server gets in' if nobody else 'none with STARTTLS gets in'}",
            spans[0],
            also=spans[1:],
            lanes=words.ids(lanes),
            hop="haproxy",
            severity=None if nobody else "high",
            remedy="take ssl and crt from the bind line, and let the daemon offer STARTTLS",
        )


def _alike(lanes: tuple[Lane, ...], mixed: set[str]) -> list[tuple[Lane, ...]]:
    """Return the lanes by what their clients speak, without those of which HAProxy ends TLS only sometimes."""
    found: dict[tuple[Protocol | None, str], list[Lane]] = {}
    for lane in lanes:
        if not mixed or lane.id not in mixed:
            found.setdefault((PROTOCOLS.get(lane.port), lane.tls), []).append(lane)
    return [tuple(each) for each in found.values()]


def _mixed(door: Door) -> bool:
    """Whether HAProxy ends TLS on some of a door's ways, and perhaps not on others."""
    return door.tls and not all(listener.tls for listener in door.listeners) and len(door.ends) > 1


def mismatch(lane: Lane, way: Way) -> str:
    """Say what of a lane its target does not speak; "" when all is well, or nobody knows."""
    listener = way.arrival.listener
    target = str(way.port) if way.port == listener.port else f"{way.port} ({listener.port} in the container)"
    spoken, answered = PROTOCOLS.get(lane.port), listener.protocol
    if spoken in _FAMILIES and answered in _FAMILIES and _FAMILIES[spoken] != _FAMILIES[answered]:
        return f"the port is for {_FAMILIES[spoken]}, and {target} is for {_FAMILIES[answered]}"
    if _wraps_twice(lane, way):
        return "the client speaks TLS, and HAProxy, by ssl on the server line, puts its own around it"
    begins = presented(lane, way)
    if begins is None or listener.wire == "unknown" or (begins == "tls") == (listener.wire == "tls"):
        return ""
    if begins == "tls":
        who = "HAProxy speaks" if way.server.tls else "the client speaks"
        return f"{who} TLS from the first byte, {target} does not"
    who = "HAProxy, which ends the client's, speaks none" if lane.tls == "terminated" else "the client does not"
    return f"{target} speaks TLS from the first byte, {who}"


def _wraps_twice(lane: Lane, way: Way) -> bool:
    """Whether HAProxy passes a client's TLS on inside TLS of its own, which no daemon takes off twice."""
    return way.server.tls and lane.tls == "passthrough" and PROTOCOLS.get(lane.port) in TLS_FIRST


def _ends_early(lane: Lane, way: Way) -> bool:
    """Whether HAProxy ends TLS in front of a mail port that takes it itself: over plain text nobody can log in."""
    listener, spoken = way.arrival.listener, PROTOCOLS.get(lane.port)
    mine = spoken in TLS_FIRST & MAIL and (listener.protocol, listener.wire) == (spoken, "tls")
    return mine and lane.tls == "terminated" and not way.server.tls


def presented(lane: Lane, way: Way) -> Literal["tls", "plain"] | None:
    """Return how the first bytes are that reach the target; None when nobody knows."""
    if way.server.tls:
        return "tls"
    if lane.tls == "terminated":
        return "plain"
    spoken = PROTOCOLS.get(lane.port)
    return None if spoken is None else "tls" if spoken in TLS_FIRST else "plain"


def better(sources: Sources, lane: Lane, way: Way) -> int | None:
    """Return the container's port that speaks what reaches it from a lane, with the same header; None without one."""
    spoken = PROTOCOLS.get(lane.port) or lane.protocol
    begins = presented(lane, way)
    header = "wanted" if way.headed else "refused"

    def fits(listener: Listener) -> bool:
        return (
            listener.protocol is not None
            and _FAMILIES.get(listener.protocol) == _FAMILIES.get(spoken)
            and (spoken in _FAMILIES or listener.service == way.arrival.listener.service)
            and listener.header in (header, "unknown" if listener.service == NGINX else header)
            and listener.wire != "unknown"
            and (listener.wire == "tls") == (begins == "tls")
        )

    return next((port for port, listener in sorted(sources.ports.daemons.items()) if fits(listener)), None)
