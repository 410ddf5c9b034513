"""Whether two want the same port of one machine: HAProxy and Mailcow, or two entries of compose files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Lane, Published, Span, Topology
from console.sources.haproxy.addresses import loopback
from console.text import clean
from console.topology.containers import edges, on_host
from console.topology.listeners import ANY, normal
from console.topology.sources import Sources


@static("CH101")
def port_taken(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """HAProxy listens on Mailcow's own machine, at a port that a container is published on: one cannot start."""
    wanted, why = _wanted(sources, topology)
    found: dict[int, tuple[Published, Span, list[Lane]]] = {}
    for lane, address, place in wanted:
        for entry in _published(sources):
            if entry.port == lane.port and _meet(address, entry):
                found.setdefault(id(entry), (entry, place, []))[2].append(lane)
    for entry, place, lanes in found.values():
        service = clean(entry.service, 60)
        yield finding(
            "CH101",
            f"{words.lanes(lanes)}: {service} is published on port {entry.port} of the machine that HAProxy listens"
            f" on, {why}: one of the two cannot start",
            place,
            also=(entry.source,) if entry.source.line else (),
            lanes=words.ids(lanes),
            hop="haproxy",
            remedy=f"{entry.variable}=127.0.0.1:{entry.port + 20000} in mailcow.conf: clients come by HAProxy alone"
            if entry.variable and entry.port < 45000
            else None,
        )
    yield from _twice(sources)


def _twice(sources: Sources) -> Iterator[Finding]:
    """Yield what compose files publish on one port at addresses that overlap: docker binds the first alone."""
    inside = on_host(sources.compose)  # docker publishes nothing of these
    ports: dict[int, list[Published]] = {}
    for entry in _published(sources):
        if entry.service not in inside:
            ports.setdefault(entry.port, []).append(entry)
    for port, entries in ports.items():
        for one, other in combinations(entries, 2):
            # compose takes two entries of one meaning for one
            same = one.service == other.service and one.container_port == other.container_port
            if (same and _place(one) == _place(other)) or not _overlap(one, other):
                continue
            names = [clean(each.service, 60) for each in (one, other)]
            who = f"{names[0]} publishes port {port} twice" if same or names[0] == names[1] else (
                f"{names[0]} and {names[1]} both publish port {port}"
            )  # fmt: skip
            variable = next((each.variable for each in (one, other) if each.variable and each.address in ANY), None)
            yield finding(
                "CH101",
                f"{who}, on {_place(one)} and on {_place(other)}: docker cannot have the second, and its container does"
                " not start",
                other.source if other.source.line else one.source,
                also=tuple(each.source for each in (one,) if each.source.line and other.source.line),
                hop="vm",
                remedy=f"{variable}=127.0.0.1:{port} in mailcow.conf, or ports: !override in the override"
                if variable
                else "ports: !override in the override, which replaces what the file before says",
            )
            break


def _place(entry: Published) -> str:
    return "every address" if entry.every else clean(entry.address, 60)


def _overlap(one: Published, other: Published) -> bool:
    """Whether two published ports of one number cannot both be had."""
    families = [{4, 6} if each.every else {6} if ":" in each.address else {4} for each in (one, other)]
    if not families[0] & families[1]:
        return False
    return one.address in ANY or other.address in ANY or normal(one.address) == normal(other.address)


Wanted = list[tuple[Lane, str, Span]]
"""Lanes with an address that HAProxy takes their port on, and where that is said."""


def _wanted(sources: Sources, topology: Topology) -> tuple[Wanted, str]:
    """Return what HAProxy takes on the machine where Mailcow is published, and how that is known."""
    ours = [way for way in sources.routes.ways if way.ours]
    local = any(loopback(each.server.host) and each.arrival.entry and not each.arrival.elsewhere for each in ours)
    outer = edges(sources.compose) if local or any(each.arrival.direct for each in ours) else frozenset()
    if outer - on_host(sources.compose):
        # Its binds are the container's; what counts is what compose publishes of it.
        lanes = {lane.port: lane for lane in topology.lanes}
        ports = [each for each in sources.published if each.service in outer and each.container_port in lanes]
        taken = [(lanes[each.container_port], each.address, each.source) for each in ports if each.protocol == "tcp"]
        return [each for each in taken if each[0].port], "by the same compose files"
    binds = [(lane, bind.address, bind.source or lane.source) for lane in topology.lanes for bind in lane.binds]
    if outer:
        return binds, "by the same compose files"
    if local:
        return binds, "for it dials it at 127.0.0.1 (unless a tunnel begins there)"
    return [], ""


def _published(sources: Sources) -> Iterator[Published]:
    """Yield what is published for certain; what Mailcow's own file does, only where mailcow.conf is given."""
    yield from (entry for entry in sources.ports.given if entry.protocol == "tcp")
    if sources.environment is not None:
        yield from sources.ports.assumed


def _meet(address: str, entry: Published) -> bool:
    """Whether a listener's address and that of a published port cannot both be had."""
    if address not in ANY and entry.address not in ANY:
        return normal(address) == normal(entry.address)
    return entry.every or (":" in address) == (":" in entry.address)
