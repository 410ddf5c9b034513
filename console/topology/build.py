"""The map that the sources give: lanes, nodes, volumes. It always succeeds."""

from __future__ import annotations

from typing import Literal, TypeVar

from msgspec.structs import replace

from console.model import Instance, Lane, Node, Span, Target, Topology, Volume
from console.site import DeclaredLane
from console.sources.haproxy.addresses import read
from console.text import clean
from console.topology.lanes import MOST_OTHERS, WANTED
from console.topology.listeners import Ports
from console.topology.sources import Sources

Thing = TypeVar("Thing", Instance, Volume)


def build(sources: Sources) -> Topology:
    """Draw the map of what the sources say, in each way that HAProxy's files may be meant."""
    readings = sources.readings
    if len(readings) == 1:
        return _build(sources)
    maps = [_build(each) for each in readings]
    lanes: dict[str, Lane] = {}
    for lane in (lane for each in maps for lane in each.lanes):
        lanes[lane.id] = _both(lanes[lane.id], lane) if lane.id in lanes else lane
    return replace(maps[0], lanes=tuple(lanes.values()))


def _build(sources: Sources) -> Topology:
    found = [lane for _, lane in sources.routes.lanes]
    listening = {lane.port for lane in found}
    found += [lane for lane in _declared(sources) if lane.port not in listening]
    lanes: dict[str, Lane] = {}
    for lane in found:
        lanes[lane.id] = _both(lanes[lane.id], lane) if lane.id in lanes else lane
    instances, volumes = _shown(sources)
    return Topology(
        tuple(_nodes(sources, tuple(lanes.values()), instances, volumes)),
        tuple(lanes.values()),
        volumes,
        instances,
        sources.published,
        sources.site.public.names,
        sources.haproxy.stats_sockets if sources.haproxy else (),
    )


def _both(one: Lane, other: Lane) -> Lane:
    """Return a lane of two sections of one name, in branches of an `.if` that nobody decides: what either may do."""
    known = {bind.address for bind in one.binds}
    further = [each for each in (other.target, *other.others) if each is not None]
    targets = dict.fromkeys(each for each in (one.target, *one.others) if each is not None)
    said = {(each.host, each.port) for each in targets}
    others = [each for each in further if (each.host, each.port) not in said]
    headers = dict.fromkeys(
        header for lane in (one, other) if lane.target for header in lane.headers or (lane.proxy_protocol,)
    )
    return replace(
        one,
        binds=(*one.binds, *[bind for bind in other.binds if bind.address not in known]),
        others=(*one.others, *others)[:MOST_OTHERS],
        open=one.open or other.open,
        headers=tuple(headers) if len(headers) > 1 else (),
    )


LONGEST = 120
"""Characters of a name, or of what a file says a thing is, that are told."""


def _shown(sources: Sources) -> tuple[tuple[Instance, ...], tuple[Volume, ...]]:
    """Return the machines and volumes of OpenTofu's files as they may be told: any text may stand in its strings."""
    found = sources.tofu
    return (_plain(found.instances), _plain(found.volumes)) if found else ((), ())


def _plain(things: tuple[Thing, ...]) -> tuple[Thing, ...]:
    told = []
    for each in things:
        texts = {name: value for name in each.__struct_fields__ if isinstance(value := getattr(each, name), str)}
        changed: dict[str, object] = {
            name: short for name, value in texts.items() if (short := clean(value, LONGEST)) != value
        }
        if isinstance(each, Instance) and (addresses := tuple(map(clean, each.addresses))) != each.addresses:
            changed["addresses"] = addresses
        told.append(replace(each, **changed) if changed else each)
    return tuple(told)


def _declared(sources: Sources) -> list[Lane]:
    """Return the lanes of the site file's [[lane]] entries, in their order."""
    places = sources.declared
    fallback = Span("site.toml", 1)
    return [
        _declare(lane, places[index] if index < len(places) else fallback, sources.routes.ports)
        for index, lane in enumerate(sources.site.lane)
    ]


def _declare(lane: DeclaredLane, place: Span, ports: Ports) -> Lane:
    address = read(lane.target)
    target = Target(clean(address.host), address.first, place) if address.first and not address.relative else None
    web = lane.protocol == "https" and target is not None and target.port in (80, 8080)
    tls: Literal["passthrough", "terminated"] = "terminated" if lane.tls == "terminated" else "passthrough"
    if lane.tls is None and web:
        tls = "terminated"
    service, service_port = ports.service(target.host, target.port, True) if target else (None, None)
    return Lane(
        lane.name or lane.protocol,
        lane.protocol,
        lane.port,
        (),
        target,
        lane.proxy_protocol,
        tls,
        place,
        service=clean(service) if service else None,
        service_port=service_port,
        wants_header=WANTED[ports.at(target.host, target.port).listener.header] if target else None,
    )


def _nodes(
    sources: Sources, lanes: tuple[Lane, ...], instances: tuple[Instance, ...], volumes: tuple[Volume, ...]
) -> list[Node]:
    nodes: list[Node] = []
    if lanes:
        first = lanes[0]
        proxies = sources.haproxy.proxies if sources.haproxy else ()
        entered = first.binds[0].source if first.binds else first.source
        dialled = next((lane.target.source for lane in lanes if lane.target), first.source)
        names = [name for name, host in sources.site.hosts.items() if host.role == "proxy"]
        nodes += [
            Node("internet", "internet", "Internet", entered),
            Node("proxy", "proxy", names[0] if len(names) == 1 else "HAProxy", proxies[0].span if proxies else entered),
            Node("tunnel", "tunnel", "tunnel", dialled),
        ]
    nodes += _machines(instances, lanes)
    services: dict[str, Span] = {}
    for entry in sources.published:
        services.setdefault(entry.service, entry.source)
    for lane in lanes:
        if lane.service:
            services.setdefault(lane.service, (lane.target and lane.target.source) or lane.source)
    said = {clean(name, LONGEST): place for name, place in services.items()}
    nodes += [Node(f"service:{name}", "service", name, place) for name, place in said.items()]
    return nodes + [Node(f"volume:{volume.name}", "volume", volume.name, volume.source) for volume in volumes]


def _machines(instances: tuple[Instance, ...], lanes: tuple[Lane, ...]) -> list[Node]:
    """Return the VMs: those declared, and targets that can be none of them; one without a pinned address may be any."""
    nodes = [Node(f"vm:{each.name}", "vm", each.name, each.source) for each in instances]
    if any(not each.addresses for each in instances):
        return nodes
    pinned = {address for each in instances for address in each.addresses}
    others: dict[str, Span] = {}
    for lane in lanes:
        if lane.target and lane.target.host and lane.target.host not in pinned:
            others.setdefault(lane.target.host, lane.target.source or lane.source)
    return nodes + [Node(f"vm:{host}", "vm", host, place) for host, place in others.items()]
