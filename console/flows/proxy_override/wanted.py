"""Which ports HAProxy needs on the mail host, and the edits of override and mailcow.conf that publish them there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from msgspec import Struct

from console.errors import InputError
from console.estate.load import Estate
from console.flows.proxy_override.stack import DOVECOT, OVERRIDE, POSTFIX, Binding
from console.model import PLAIN_PORTS
from console.sources import settings
from console.sources.compose import edit, env_edit
from console.sources.compose.nodes import Node, is_kind, parse, word
from console.text import join_words
from console.topology.lanes import MAIL

NETWORKS = "haproxy_trusted_networks"

_ANY = frozenset(("", "0.0.0.0", "::", "*"))
_VARIABLE = re.compile(r"\$\{(\w+):?-(?:0\.0\.0\.0:|\[::\]:)?(\d+)\}:(\d+)(?:/tcp)?")
_PLAIN = re.compile(r"(?:0\.0\.0\.0:|\[::\]:)?(\d+):(\d+)(?:/tcp)?")


class Needed(Struct, frozen=True):
    """What HAProxy dials: one address of the mail host, and the PROXY ports of its lanes; `why`: what is in the way."""

    address: str = ""
    ports: tuple[int, ...] = ()
    why: str = ""


class Files(Struct, frozen=True):
    """The two texts, and in words what changes in them."""

    override: str
    settings: str
    changes: tuple[str, ...] = ()


def needed(estate: Estate) -> Needed:
    """Work out of the lanes which ports have to be published, and where."""
    ways = [way for way in estate.sources.routes.ways if any(lane.protocol in MAIL for lane in way.lanes)]
    headed = [way for way in ways if way.server.proxy_protocol is not None]
    if not headed:
        return Needed(why="no mail lane of HAProxy's sends a PROXY header: there is nothing to publish for it")
    hosts = sorted({way.server.host for way in headed})
    if len(hosts) != 1 or not _numeric(hosts[0]):
        return Needed(why=f"HAProxy dials {join_words(hosts)}: this flow publishes ports on one address, given as such")
    strange = sorted({way.port for way in headed if way.port not in PLAIN_PORTS})
    if strange:
        told = join_words([str(port) for port in strange])
        return Needed(why=f"HAProxy sends a PROXY header to {told}, which is no PROXY port of Mailcow's")
    return Needed(hosts[0], tuple(sorted({way.port for way in headed})))


def service(port: int) -> str:
    """The service behind a PROXY port."""
    return POSTFIX if PLAIN_PORTS[port] in (25, 465, 587) else DOVECOT


def right(need: Needed, bindings: Iterable[Binding]) -> bool:
    """Whether every needed port is published there, and no PROXY port on every address."""
    proxied = [each for each in bindings if each.target in PLAIN_PORTS]
    there = {each.port for each in proxied if each.address == need.address and each.port == each.target}
    return {*need.ports} <= there and not any(each.address in _ANY for each in proxied)


def affected(need: Needed, *bindings: Iterable[Binding]) -> tuple[str, ...]:
    """The services of which a PROXY port is missing, or open on every address."""
    found = set()
    for each in bindings:
        proxied = [binding for binding in each if binding.target in PLAIN_PORTS]
        there = {binding.port for binding in proxied if binding.address == need.address}
        found |= {service(port) for port in need.ports if port not in there}
        found |= {binding.service for binding in proxied if binding.address in _ANY}
    return tuple(sorted(found))


def files(need: Needed, configured: Iterable[Binding], override: str | None, conf: str) -> Files:
    """Edit the two texts; raises `InputError` where a port is written in a way that is edited by hand."""
    proxied = [each for each in configured if each.target in PLAIN_PORTS]
    text, changes = override or "services:\n", []
    for each in proxied:
        if each.address in _ANY:
            text, conf, said = _narrow(text, conf, each, need.address)
            changes.append(said)
    taken = {each.port: each for each in proxied}
    for port in need.ports:
        if port not in taken:
            entry = f"{_shown(need.address)}:{port}:{port}"
            text = _add(text, service(port), entry)
            changes.append(f"{port} ({service(port)}) is published, on {need.address} alone")
        elif taken[port].address not in _ANY and taken[port].address != need.address:
            where = taken[port].address
            raise InputError(OVERRIDE, 1, 1, f"{port} is published on {where}, and HAProxy dials {need.address}")
    return Files(text, conf, tuple(dict.fromkeys(changes)))


def _add(text: str, service: str, entry: str) -> str:
    if text == "services:\n":
        return f'services:\n\n  {service}:\n    ports:\n      - "{entry}"\n'
    return edit.append(text, ["services", service, "ports"], entry, OVERRIDE)


def _narrow(text: str, conf: str, binding: Binding, address: str) -> tuple[str, str, str]:
    """Bind an entry that takes every address to one, where it is written: in the override, else in mailcow.conf."""
    said = f"{binding.port} ({binding.service}): on {address} alone, no more on every address"
    for index, written in enumerate(_entries(text, binding.service)):
        match = _VARIABLE.fullmatch(written)
        path: list[str | int] = ["services", binding.service, "ports", index]
        if match is not None and int(match[3]) == binding.target:
            if re.search(rf"(?m)^[ \t]*{match[1]}[ \t]*=[ \t]*\S", conf):
                value = f"{_shown(address)}:{binding.port}"
                return text, env_edit.put(conf, match[1], value, "mailcow.conf"), said
            new = f"${{{match[1]}:-{_shown(address)}:{match[2]}}}:{match[3]}"
            return edit.put(text, path, new, OVERRIDE), conf, said
        match = _PLAIN.fullmatch(written)
        if match is not None and (int(match[1]), int(match[2])) == (binding.port, binding.target):
            return edit.put(text, path, f"{_shown(address)}:{match[1]}:{match[2]}", OVERRIDE), conf, said
    why = f"{binding.port} is open on every address, and is not written so that it can be edited: bind it by hand"
    raise InputError(OVERRIDE, 1, 1, why)


def _entries(text: str, service: str) -> list[str]:
    node: Node | None = parse(text.removeprefix("\ufeff"), OVERRIDE)
    for key in ("services", service, "ports"):
        pairs = node.value if node is not None and is_kind(node, "mapping") else ()
        node = next((value for name, value in pairs if word(name) == key), None)
    entries = node.value if node is not None and is_kind(node, "sequence") else ()
    return [word(each) if is_kind(each, "scalar") else "" for each in entries]


def explained(need: Needed, bindings: Iterable[Binding]) -> list[str]:
    """What each PROXY port does, the dangerous ones first."""
    rows: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for each in bindings:
        if each.target not in PLAIN_PORTS:
            continue
        what = f"{each.address or '0.0.0.0'}:{each.port} → {each.service} {each.target}"
        if each.address in _ANY:
            relay = ", and be Mailcow's own: open relay" if each.service == POSTFIX else ""
            rows[0].append(f"danger: {what}: whoever reaches it may claim any client address{relay}")
        elif each.port not in need.ports:
            rows[1].append(f"for nobody: {what}: no listener of HAProxy's leads there")
        else:
            rows[2].append(f"needed: {what}")
    return [row for rank in rows.values() for row in rank]


# ── Dovecot's trust ─────────────────────────────────────────────────────────────────────────────────────────────────


def trusted(text: str) -> list[str]:
    """The networks that extra.conf trusts."""
    return settings.read(text, "extra.conf").get(NETWORKS).replace(",", " ").split()


def covered(peer: str, networks: Iterable[str]) -> bool:
    """Whether one of the networks holds an address; what is no network holds none."""
    for each in networks:
        try:
            if ip_address(peer) in ip_network(each, strict=False):
                return True
        except ValueError:
            continue
    return False


def trusting(text: str, peer: str) -> str:
    """extra.conf with one more trusted peer; every other byte stays."""
    found = settings.read(text, "extra.conf").values.get(NETWORKS)
    if found is None:
        start = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{start}{NETWORKS} = {peer}\n"
    lines = text.split("\n")
    index = found.span.line - 1
    head, equals, rest = lines[index].partition("=")
    value, sharp, note = rest.partition("#")
    tail = value[len(value.rstrip()) :] if value.strip() else ""
    if value.rstrip().endswith("\\"):
        # The next lines go on with this one.
        lines[index] = f"{head}{equals} {peer} {value.lstrip()}{sharp}{note}"
        return "\n".join(lines)
    lines[index] = f"{head}{equals} {' '.join([*value.split(), peer])}{tail}{sharp}{note}"
    return "\n".join(lines)


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
