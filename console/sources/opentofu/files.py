"""OpenTofu files to the instances, volumes and nics they declare; Incus's and LXD's providers, modules included."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from console.errors import InputError
from console.model import Instance, Span, Volume
from console.sources.opentofu import syntax
from console.sources.opentofu.forwards import Forward, forwards
from console.sources.opentofu.functions import text
from console.sources.opentofu.override import overlay, precedence
from console.sources.opentofu.path import Copy, known
from console.sources.opentofu.resources import Device, resources, said, table
from console.sources.opentofu.scope import Caller, Files, Root, Scope
from console.sources.opentofu.values import Block, Document, Expression, Value
from console.sources.opentofu.volumes import VOLUME, volumes_of

Documents = Mapping[str, Sequence[Document]]
"""Folders of modules, by their path as `folder` spells it."""

Merged = Mapping[str, tuple[list[Block], list[InputError]]]
"""The same folders' blocks, overrides merged in."""

DEEPEST = 8
"""Modules that call modules."""

MOST = 1000
"""Instances, volumes or modules; a file that declares more is not an estate of this kind."""


class Nic(Struct, frozen=True):
    """A nic of an instance: the addresses it pins; `unknown` when it pins one that the files do not tell."""

    instance: str
    device: str
    network: str | None
    addresses: tuple[str, ...]
    source: Span
    unknown: bool = False


class Unknown(Struct, frozen=True):
    """An attribute of ours that the files do not tell: `name` as in `incus_instance.vm.image`, its text, and why."""

    name: str
    text: str
    reason: str
    source: Span


class Tofu(Struct, frozen=True):
    """All that some OpenTofu files declare, and what of them could not be read."""

    blocks: tuple[Block, ...] = ()
    instances: tuple[Instance, ...] = ()
    volumes: tuple[Volume, ...] = ()
    nics: tuple[Nic, ...] = ()
    problems: tuple[InputError, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    forwards: tuple[Forward, ...] = ()


def parse(text: str, file: str) -> tuple[Block, ...]:
    """Return the blocks of one file; raises `InputError` with the place of what is not HCL."""
    return document(text, file).blocks


def document(text: str, file: str) -> Document:
    """Return one file parsed, *.json as JSON; raises `InputError` with the place of what is neither."""
    if file.endswith(".json"):
        from console.sources.opentofu import json

        return json.parse(text, file)
    return syntax.parse(text, file)


def read(
    files: Sequence[tuple[str, str]],
    modules: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    environment: Mapping[str, str] | None = None,
    texts: Files | None = None,
) -> Tofu:
    """Read `(file, text)` pairs as one module, with the folders of the local modules they call; see `link`."""
    problems: list[InputError] = []

    def documents(pairs: Sequence[tuple[str, str]]) -> list[Document]:
        found = []
        for file, content in pairs:
            try:
                found.append(document(content, file))
            except InputError as error:
                problems.append(error)
        return found

    root = documents(files)
    called = {path: documents(pairs) for path, pairs in (modules or {}).items()}
    return link(root, called, problems, environment, texts)


def folder(block: Block) -> str | None:
    """Return the folder of a local module's call, relative to where its file is; None for a module from afar."""
    source = block.get("source")
    if block.kind != "module" or source is None or not isinstance(source.value, str):
        return None
    if not source.value.startswith(("./", "../")):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(block.span.file), source.value))


def link(
    documents: Sequence[Document],
    modules: Documents,
    problems: Sequence[InputError] = (),
    environment: Mapping[str, str] | None = None,
    texts: Files | None = None,
) -> Tofu:
    """Follow the references of parsed documents and return what they declare.

    `environment` has the values of TF_VAR_*, by the names of the variables; `texts` returns the files that `file()`
    asks for, by their path from the folder of the first document, and is never asked for one outside of it."""
    scopes: list[Scope] = []
    blocks, misplaced = overlay(documents)
    merged = {path: overlay(found) for path, found in modules.items()}
    base = posixpath.dirname(documents[0].file) if documents else ""
    root = Root(files=texts, environment=environment or {}, folder=base)
    ordered = sorted(documents, key=lambda each: precedence(each.file))
    _call(Scope(ordered, blocks=blocks, root=root), modules, merged, scopes, 0)
    instances: list[tuple[Instance, list[Device]]] = []
    for scope in scopes:
        instances.extend(_instances(scope))
    volumes = volumes_of(scopes, instances)
    nics = tuple(nic for instance, devices in instances for nic in _nics(instance, devices))
    led = tuple(islice(forwards(scopes, instances), MOST + 1))
    unknown = tuple(islice((each for scope in scopes for each in _unknown(scope)), MOST))
    many = (("instances", [each for each, _ in instances]), ("volumes", volumes), ("nics", nics), ("forwards", led))
    for what, found in many:
        if len(found) > MOST:
            root.cut(found[MOST].source, f"more than {MOST} {what}: from this one on they are not shown")
    wrong = [*problems, *root.problems, *misplaced, *(problem for _, found in merged.values() for problem in found)]
    return Tofu(
        tuple(block for document in documents for block in document.blocks),
        tuple(each for each, _ in instances[:MOST]),
        volumes[:MOST],
        nics[:MOST],
        tuple(wrong),
        unknown,
        led[:MOST],
    )


_TOLD = frozenset({"name", "image", "type", "pool", "project", "remote", "content_type", "config", "limits", "running"})
"""Attributes that are looked at, of those that may be unknown."""


def _unknown(scope: Scope) -> Iterator[Unknown]:
    """Yield what of our resources the files do not tell."""
    seen: set[tuple[Span, str]] = set()
    for kind in (_INSTANCE, VOLUME, _PROFILE):
        for block, copy in resources(scope, kind):
            name = ".".join(block.labels) + "".join(f"[{key}]" for key in copy.index())
            for inner in (block, *block.all("device")):
                for each in inner.attributes:
                    if each.name not in _TOLD and each.name not in ("count", "for_each", "properties"):
                        continue
                    for key, value in _parts(scope.value(each.value, copy.bindings)):
                        place = each.places.get(key, each.span)
                        shown = f"{name}.{each.name}" + (f".{key}" if key else "")
                        if value.reason and (place, value.text) not in seen:
                            seen.add((place, value.text))
                            yield Unknown(shown, value.text, value.reason, place)


def _parts(value: Value) -> Iterator[tuple[str, Expression]]:
    """Yield the expressions left in a value, and in an object by their keys."""
    if isinstance(value, Expression):
        yield "", value
    elif isinstance(value, dict):
        yield from ((key, each) for key, each in value.items() if isinstance(each, Expression))


def _call(scope: Scope, modules: Documents, merged: Merged, scopes: list[Scope], depth: int) -> None:
    """Open the modules that a scope calls, and theirs."""
    scopes.append(scope)
    for block in scope.blocks:
        path = folder(block)
        if path is None or path not in modules or not block.labels:
            continue
        if depth >= DEEPEST:
            deep = f"more than {DEEPEST} modules inside each other: what this one declares is not shown"
            scope.root.cut(block.span, deep)
            continue
        inputs = {each.name: each.value for each in block.attributes}
        for copy in scope.copies(block):
            if len(scopes) >= MOST:
                scope.root.cut(block.span, f"more than {MOST} modules: from this one on they are not read")
                return
            if not scope.root.make(block.span, 1 + len(merged[path][0])):
                return
            name = block.labels[0] + "".join(f"[{key}]" for key in copy.index())
            caller = Caller(scope, inputs, copy.bindings, f"{scope.path}.{name}", path)
            child = Scope(modules[path], caller, blocks=merged[path][0])
            scope.children[name] = child
            _call(child, modules, merged, scopes, depth + 1)


_INSTANCE = re.compile(r"(incus|lxd)_(instance|container)")
_PROFILE = re.compile(r"(incus|lxd)_profile")


def _instances(scope: Scope) -> Iterator[tuple[Instance, list[Device]]]:
    profiles = {
        said(scope, block, "name", copy): (list(_devices(scope, block, copy)), _settings(scope, block, copy))
        for block, copy in resources(scope, _PROFILE)
    }
    for block, copy in resources(scope, _INSTANCE):
        name = said(scope, block, "name", copy) or block.labels[1]
        devices: dict[str, Device] = {}
        attribute = block.get("profiles")
        wanted = scope.value(attribute.value, copy.bindings) if attribute else None
        config: dict[str, Value] = {}
        for profile in wanted if isinstance(wanted, list) else []:
            held, settings = profiles.get(text(profile), ((), {}))
            devices.update((device.name, device) for device in held)
            config.update(settings)
        devices.update((device.name, device) for device in _devices(scope, block, copy))
        config.update(_settings(scope, block, copy))
        yield _instance(scope, block, copy, name, list(devices.values()), config), list(devices.values())


def _settings(scope: Scope, block: Block, copy: Copy) -> dict[str, Value]:
    """Return the config of an instance or profile, with what LXD's provider keeps in `limits`."""
    limits = {f"limits.{name}": value for name, value in table(scope, block, "limits", copy).items()}
    return {**limits, **table(scope, block, "config", copy)}


def _instance(
    scope: Scope, block: Block, copy: Copy, name: str, devices: list[Device], config: dict[str, Value]
) -> Instance:
    cpu, memory = config.get("limits.cpu"), config.get("limits.memory")
    root = next((each for each in devices if each.type == "disk" and each.get("path") == "/"), None)
    instance = Instance(
        name=name,
        type=said(scope, block, "type", copy) or "container",
        image=said(scope, block, "image", copy),
        cpu=text(cpu) if cpu is not None else None,
        memory=text(memory) if memory is not None else None,
        addresses=(),
        source=block.span,
        disk=root.get("size") if root else None,
    )
    pinned = [address for nic in _nics(instance, devices) for address in nic.addresses]
    for key in ("cloud-init.network-config", "user.network-config"):
        if (network := known(config.get(key))) is not None and scope.root.make(block.span, len(network) >> 12):
            pinned.extend(islice(_inside(network), MOST))
    return replace(instance, addresses=tuple(dict.fromkeys(pinned)))


def _devices(scope: Scope, block: Block, copy: Copy) -> Iterator[Device]:
    for inner in block.blocks:
        if not scope.root.make(inner.span):
            return
        if inner.kind == "device":
            yield _device(scope, inner, inner, copy)
        elif inner.kind == "dynamic" and inner.labels[:1] == ("device",):
            content = next(inner.all("content"), None)
            iterator = inner.get("iterator")
            name = iterator.value.text if iterator and isinstance(iterator.value, Expression) else "device"
            for each in scope.copies(inner, copy.bindings) if content else ():
                if not scope.root.make(inner.span):
                    return
                bound = {name: each.bindings["each"]} if "each" in each.bindings else {}
                yield _device(scope, inner, content or inner, Copy({**copy.bindings, **bound}))


def _device(scope: Scope, outer: Block, block: Block, copy: Copy) -> Device:
    properties = block.get("properties")
    value = scope.value(properties.value, copy.bindings) if properties else None
    return Device(
        name=said(scope, block, "name", copy) or "",
        type=said(scope, block, "type", copy) or "",
        properties=value if isinstance(value, dict) else {},
        places=properties.places if properties else {},
        source=outer.span,
        last=outer.last,
        scope=scope,
    )


def _nics(instance: Instance, devices: list[Device]) -> Iterator[Nic]:
    for device in devices:
        if device.type != "nic":
            continue
        addresses, unknown, source = [], False, device.source
        for key in ("ipv4.address", "ipv6.address"):
            value = device.properties.get(key)
            if isinstance(value, Expression):
                unknown = True
            elif value is not None and _address(text(value)):
                addresses.append(text(value))
            else:
                continue
            source = device.places.get(key, source) if len(addresses) <= 1 else source
        network = device.get("network") or device.get("parent")
        yield Nic(instance.name, device.name, network, tuple(addresses), source, unknown)


def _address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _inside(network: str) -> Iterator[str]:
    """Yield the addresses that a cloud-init network configuration gives the machine: those with a prefix length."""
    for match in re.finditer(r"(?<![\w.:])([0-9A-Fa-f.:]{2,45})/\d{1,3}(?![\w.])", network):
        if _address(match[1]) and not ip_address(match[1]).is_unspecified:
            yield match[1]
