"""Whether HAProxy lets an idle mail session live as long as its protocol does."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Lane, Protocol, Span, Topology
from console.sources.haproxy import Door, Proxy, Timeout
from console.topology.lanes import MAIL, once
from console.topology.sources import Sources

IDLE = 1800.0
"""Seconds: a client in IMAP IDLE may be silent for 29 minutes (RFC 2177), ManageSieve's for 30 (RFC 5804)."""

_IDLING: frozenset[Protocol] = frozenset(("imap", "imaps", "sieve"))


class _Limits(Struct, frozen=True):
    """What cuts an idle session of a lane: limits that are too short, and the sections that lack one."""

    short: tuple[tuple[str, Timeout], ...]
    missing: tuple[str, ...]
    places: tuple[Span, ...]


@static("CH019")
def idle_cut(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Limits that cut IDLE, once for each line that sets them; limits that nobody sets, once."""
    short: dict[tuple[Span, ...], tuple[_Limits, list[Lane]]] = {}
    bare: list[tuple[_Limits, Lane]] = []
    for door, lane in sources.routes.lanes:
        if lane.protocol not in MAIL or door.frontend.mode == "http" or not door.ends:
            continue
        limits = _limits(door, door.ends[0])
        if limits.short and lane.protocol in _IDLING:
            short.setdefault(limits.places, (limits, []))[1].append(lane)
        elif limits.missing:
            bare.append((limits, lane))
    for places, (limits, found) in short.items():
        lanes = once(found)
        least = min(limit.seconds or IDLE for _, limit in limits.short)
        settings = " and ".join(f"timeout {name} {words.duration(limit.seconds or 0)}" for name, limit in limits.short)
        yield finding(
            "CH019",
            f"{words.lanes(lanes)}: HAProxy cuts sessions idle for {words.duration(least)} ({settings}), and IMAP IDLE"
            " is silent for up to 29m",
            places[0],
            also=places[1:],
            lanes=words.ids(lanes),
            hop="haproxy",
        )
    if bare:
        yield _unset(bare)


def _unset(bare: list[tuple[_Limits, Lane]]) -> Finding:
    places = tuple(dict.fromkeys(place for limits, _ in bare for place in limits.places))
    missing = dict.fromkeys(name for limits, _ in bare for name in limits.missing)
    lanes = once([lane for _, lane in bare])
    settings = " and no ".join(f"timeout {name}" for name in missing)
    # Only IMAP's and ManageSieve's clients are silent for long.
    idles = any(lane.protocol in _IDLING for lane in lanes)
    otherwise = ", or another file's defaults cut IDLE" if idles else ", unless another file's defaults end them"
    return finding(
        "CH019",
        f"{words.lanes(lanes)}: no {settings} in the given files: dead sessions stay for ever{otherwise}",
        places[0],
        also=places[1:],
        lanes=words.ids(lanes),
        hop="haproxy",
        remedy=None if idles else "timeout client and timeout server, such as 5m",
    )


def _limits(door: Door, backend: Proxy) -> _Limits:
    """Return the limits of an idle TCP session: `timeout tunnel` of the backend replaces the other two."""
    client, server = door.frontend.timeouts.get("client"), backend.timeouts.get("server")
    tunnel = backend.timeouts.get("tunnel")
    named = (("tunnel", tunnel),) if tunnel else (("client", client), ("server", server))
    short = tuple((name, limit) for name, limit in named if limit and 0 < (limit.seconds or 0) < IDLE)
    if short:
        return _Limits(short, (), tuple(limit.span for _, limit in short))
    lacking = (("client", client, door.frontend), ("server", server, backend))
    places = dict.fromkeys(proxy.span for _, limit, proxy in lacking if limit is None)
    return _Limits((), tuple(name for name, limit, _ in lacking if limit is None), tuple(places))
