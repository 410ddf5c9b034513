"""Whether strangers appear to Postfix as its own network, and may relay: an IPv6 client where docker has none."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from console.diagnosis import networks, words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Published, Span, Topology
from console.text import clean
from console.topology.daemons import POSTFIX
from console.topology.sources import Sources

_NO = frozenset(("false", "n", "no", "off", "0"))


@static("CH007")
def docker_source_address(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """With IPv6 off in docker and on in the VM, an IPv6 client comes from docker's address, which may relay."""
    environment = sources.environment
    if environment is None or environment.values.get("ENABLE_IPV6", "true").lower() not in _NO:
        return
    open_ports = [entry for entry in _postfix(sources) if entry.every or ":" in entry.address]
    evidence = _addresses(sources, open_ports)
    if not open_ports or not evidence:
        return
    said, place = evidence[0]
    gateway = f"{environment.values.get('IPV4_NETWORK') or '172.22.1'}.1"
    ports = [str(entry.port) for entry in open_ports]
    lanes = [lane for lane in topology.lanes if lane.service == POSTFIX and lane.target and ":" in lane.target.host]
    yield finding(
        "CH007",
        f"ENABLE_IPV6=false, and {said}: over IPv6 every client of {clean(', '.join(ports[:6]), 60)} appears as"
        f" {clean(gateway, 40)}, which is inside mynetworks: an open relay",
        environment.spans["ENABLE_IPV6"],
        also=tuple(dict.fromkeys([place, *(each for _, each in evidence[1:])])),
        lanes=words.ids(lanes),
        hop="vm",
        remedy="ENABLE_IPV6=true in mailcow.conf, then docker compose down and up -d; or publish Postfix's ports on the"
        " IPv4 address alone",
    )


def _postfix(sources: Sources) -> list[Published]:
    """Return the ports of Postfix that are published, by the files or by Mailcow's own."""
    entries = (*sources.ports.given, *sources.ports.assumed)
    return [entry for entry in entries if entry.service == POSTFIX and entry.protocol == "tcp"]


def _addresses(sources: Sources, published: list[Published]) -> list[tuple[str, Span]]:
    """Return what shows that the VM has IPv6, each in words with its place: the gravest first."""
    found: list[tuple[str, Span]] = []
    tofu = sources.tofu
    nics = [(address, nic.source) for nic in tofu.nics for address in nic.addresses] if tofu else []
    pinned = {address for address, _ in nics}
    nics += [
        (address, each.source) for each in tofu.instances for address in each.addresses if address not in pinned
    ] if tofu else []  # fmt: skip
    for address, place in nics:
        if _six(address):
            found.append((f"the VM has {address}", place))
    for way in sources.routes.ways:
        host = way.arrival.host
        if way.ours and not way.arrival.stranger and _six(host):
            found.append((f"HAProxy dials {host}", way.server.span))
    for entry in published:
        if _six(entry.address) and entry.source.line:
            found.append((f"{entry.source.file} publishes port {entry.port} on [{entry.address}]", entry.source))
    return list({place: (said, place) for said, place in reversed(found)}.values())[::-1]


def _six(address: str) -> bool:
    try:
        found = ip_address(address.partition("/")[0])
    except ValueError:
        return False
    return found.version == 6 and not found.is_loopback and not found.is_link_local


@static("CH007")
def everybody_relays(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Postfix's mynetworks contains every address."""
    wide = networks.everybody(sources.postfix.get("mynetworks")) if sources.postfix is not None else ""
    if sources.postfix is not None and wide:
        yield finding(
            "CH007",
            f"mynetworks holds {clean(wide, 60)}: whoever reaches Postfix may relay anywhere",
            sources.postfix.place("mynetworks"),
            hop="service",
            remedy="take mynetworks out of extra.cf: Mailcow's own networks are enough",
        )
