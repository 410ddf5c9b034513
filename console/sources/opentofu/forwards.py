"""Network forwards, load balancers and proxy devices of Incus: a port that leads to another machine's port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from console.model import Instance, Span
from console.sources.opentofu.functions import text
from console.sources.opentofu.path import Copy
from console.sources.opentofu.resources import Device, resources, table
from console.sources.opentofu.scope import Scope
from console.sources.opentofu.values import Block, Expression, Value


class Forward(Struct, frozen=True):
    """One port that leads on. `listen` is "" for every address of its machine, `port` 0 for all other ports.

    What the files do not tell is None. `header` says that a PROXY header is added on the way; `device` is the
    instance that a proxy device belongs to."""

    listen: str | None
    port: int
    target: str | None
    target_port: int | None
    source: Span
    header: bool = False
    device: str = ""


_FORWARD = re.compile(r"(incus|lxd)_network_forward")
_BALANCER = re.compile(r"(incus|lxd)_network_(lb|load_balancer)")
_SOCKET = re.compile(r"tcp:(\[[^\]]*\]|[^:\[\]]*):([\d,-]+)")
_ANY = frozenset(("0.0.0.0", "[::]", "::", "*"))
WIDEST = 256
"""Ports of one range that are followed."""

Owned = Sequence[tuple[Instance, list[Device]]]


def forwards(scopes: Sequence[Scope], instances: Owned) -> Iterator[Forward]:
    """Yield every port that the files lead on."""
    for scope in scopes:
        for block, copy in resources(scope, _FORWARD):
            yield from _forward(scope, block, copy)
        for block, copy in resources(scope, _BALANCER):
            yield from _balancer(scope, block, copy)
    for instance, devices in instances:
        for device in devices:
            if device.type == "proxy" and device.get("bind") in (None, "", "host"):
                yield from _proxy(instance, device)


def _forward(scope: Scope, block: Block, copy: Copy) -> Iterator[Forward]:
    listen = _address(_value(scope, block, "listen_address", copy))
    default = _address(table(scope, block, "config", copy).get("target_address"))
    for entry in _entries(scope, block, copy, "ports"):
        if text(entry.get("protocol", "tcp")).lower() != "tcp":
            continue
        target = _address(entry["target_address"]) if entry.get("target_address") is not None else default
        given = entry.get("target_port")
        listening = entry.get("listen_port")
        for port, behind in _pairs(listening, listening if given in (None, "") else given):
            yield Forward(listen, port, target, behind, block.span)
    if default is not None:
        yield Forward(listen, 0, default, None, block.span)


def _balancer(scope: Scope, block: Block, copy: Copy) -> Iterator[Forward]:
    listen = _address(_value(scope, block, "listen_address", copy))
    backends = {text(each.get("name")): each for each in _entries(scope, block, copy, "backend")}
    for entry in _entries(scope, block, copy, "port"):
        wanted = entry.get("target_backend")
        names = [text(each) for each in wanted] if isinstance(wanted, list) else []
        backend = backends.get(names[0]) if len(names) == 1 else None
        target = _address(backend.get("target_address")) if backend else None
        listening = entry.get("listen_port")
        given = backend.get("target_port") if backend else None
        for port, behind in _pairs(listening, listening if given in (None, "") else given):
            yield Forward(listen, port, target, behind if target else None, block.span)


def _entries(scope: Scope, block: Block, copy: Copy, name: str) -> Iterator[dict[str, Value]]:
    """Yield the objects of a list, or the blocks of that name."""
    value = _value(scope, block, name, copy)
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each
    for inner in block.all(name):
        yield {each.name: scope.value(each.value, copy.bindings) for each in inner.attributes}


def _value(scope: Scope, block: Block, name: str, copy: Copy) -> Value:
    attribute = block.get(name)
    return scope.value(attribute.value, copy.bindings) if attribute else None


def _address(value: Value) -> str | None:
    """Return an address without its brackets and prefix length; None for what is not known."""
    if value is None or isinstance(value, Expression | list | dict):
        return None
    return text(value).partition("/")[0].strip("[]") or None


def _pairs(listening: Value, behind: Value) -> Iterator[tuple[int, int | None]]:
    """Yield each port with the one behind it: as many as it has, or one for all."""
    ports = _numbers(listening)
    targets: list[int] = _numbers(behind)
    for number, port in enumerate(ports):
        if len(targets) == len(ports):
            yield port, targets[number]
        else:
            yield port, targets[0] if len(targets) == 1 else None


def _numbers(value: Value) -> list[int]:
    """Return the ports of "80,90-99"; empty for what is not known."""
    if value is None or isinstance(value, Expression | list | dict):
        return []
    found: list[int] = []
    for part in text(value).split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if match:
            first = int(match[1])
            found += range(first, min(int(match[2] or first), first + WIDEST) + 1)
    return found[:WIDEST]


def _proxy(instance: Instance, device: Device) -> Iterator[Forward]:
    """Yield the ports of a proxy device that listens on the host."""
    listening, connecting = device.properties.get("listen"), device.properties.get("connect")
    listens = _SOCKET.fullmatch(text(listening)) if isinstance(listening, str) else None
    if listens is None:
        return
    connects = _SOCKET.fullmatch(text(connecting)) if isinstance(connecting, str) else None
    source = device.places.get("listen", device.source)
    address = "" if listens[1] in _ANY or not listens[1] else listens[1].strip("[]")
    header = text(device.properties.get("proxy_protocol")).lower() == "true"
    target = connects[1].strip("[]") if connects else None
    if target is not None and (target in _ANY or target == "localhost"):
        target = instance.addresses[0] if target in _ANY and instance.addresses else "127.0.0.1"
    for port, behind in _pairs(listens[2], connects[2] if connects else None):
        yield Forward(address, port, target, behind, source, header, instance.name)
