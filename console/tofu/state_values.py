"""Values of OpenTofu's state in place of those that its files leave open; places stay those of the files."""

from __future__ import annotations

import msgspec

from console.model import Instance, Span
from console.sources import opentofu
from console.sources.opentofu.files import Tofu
from console.sources.opentofu.values import Attribute, Block, Document
from console.tofu.show import Resource, Shown


def refine(read: Tofu, shown: Shown) -> Tofu:
    """Return what the files declare, with values from OpenTofu's state; places stay those of the files.

    Resources that only the files have, because they were never applied, stay as they were read."""
    if not shown.resources:
        return read
    blocks = tuple(_block(each, _place(each, read)) for each in shown.resources if not each.data)
    found = opentofu.link([Document(read.blocks[0].span.file if read.blocks else "main.tf", (), blocks)], {})
    mounts = {volume.name: volume for volume in read.volumes}
    volumes = [
        msgspec.structs.replace(
            each,
            mount_path=old.mount_path if (old := mounts.get(each.name)) and old.mount_path else each.mount_path,
            guessed=old.guessed if old and old.mount_path else each.guessed,
            source=old.source if old else each.source,
        )
        for each in found.volumes
    ]
    before = {instance.name: instance for instance in read.instances}
    instances = [_filled(each, before.get(each.name)) for each in found.instances]
    names, kept = {each.name for each in instances}, {each.name for each in volumes}
    nics = {(each.instance, each.device): each.source for each in read.nics}
    held = {f"{each.type}.{each.name}" for each in shown.resources}
    return msgspec.structs.replace(
        read,
        instances=(*instances, *(each for each in read.instances if _only(each.name, names, read))),
        volumes=(*volumes, *(each for each in read.volumes if _only(each.name, kept, read))),
        nics=tuple(
            msgspec.structs.replace(each, source=nics.get((each.instance, each.device), each.source))
            for each in found.nics
        )
        + tuple(each for each in read.nics if _only(each.instance, names, read)),
        unknown=(*found.unknown, *(each for each in read.unknown if _resource(each.name) not in held)),
    )


def _filled(found: Instance, before: Instance | None) -> Instance:
    """Return an instance with its place in the files, and with their values where the state has none."""
    if before is None:
        return found
    return msgspec.structs.replace(
        found,
        source=before.source,
        image=found.image or before.image,
        cpu=found.cpu or before.cpu,
        memory=found.memory or before.memory,
        disk=found.disk or before.disk,
        addresses=found.addresses or before.addresses,
    )


def _only(name: str, known: set[str], read: Tofu) -> bool:
    """Return whether only the files have this name, and it is not an unknown expression there."""
    return name not in known and not any(each.text == name for each in read.unknown)


def _resource(name: str) -> str:
    """Return TYPE.NAME of `TYPE.NAME[KEY].attribute`."""
    return ".".join(part.split("[")[0] for part in name.split(".", 2)[:2])


def _place(resource: Resource, read: Tofu) -> Span:
    """Return where the files declare a resource, or else where they call its module."""
    labels = (resource.type, resource.name)
    for block in read.blocks:
        if not resource.module and block.kind == "resource" and block.labels == labels:
            return block.span
    called = resource.module.removeprefix("module.").split(".")[0].split("[")[0]
    for block in read.blocks:
        if block.kind == "module" and block.labels == (called,):
            return block.span
    return Span(read.blocks[0].span.file if read.blocks else "main.tf", 1, 1)


def _block(resource: Resource, place: Span) -> Block:
    """Write a resource as the block that would declare it: lists of objects are its inner blocks."""
    attributes: list[Attribute] = []
    blocks: list[Block] = []
    for name, value in resource.values.items():
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            for each in value:
                assert isinstance(each, dict)
                within = tuple(Attribute(key, inner, place) for key, inner in each.items() if inner is not None)
                blocks.append(Block(name, (), within, (), place, place.line))
        elif value is not None:
            attributes.append(Attribute(name, value, place))
    label = resource.name if resource.index is None else f"{resource.name}[{resource.index}]"
    return Block(
        "resource", (resource.type, resource.module + label), tuple(attributes), tuple(blocks), place, place.line
    )
