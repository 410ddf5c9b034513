"""Volumes that OpenTofu files declare: by themselves or by a disk, and where each is mounted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from console.model import Instance, Span, Volume
from console.sources.opentofu.functions import text
from console.sources.opentofu.path import Copy
from console.sources.opentofu.resources import Device, resources, said, table
from console.sources.opentofu.scope import Scope
from console.sources.opentofu.values import Block

VOLUME = re.compile(r"(incus|lxd)_(storage_)?volume")


class _Declared(Struct, frozen=True):
    scope: Scope
    block: Block
    volume: Volume


def volumes_of(scopes: list[Scope], instances: list[tuple[Instance, list[Device]]]) -> tuple[Volume, ...]:
    declared = [_declared(scope, block, copy) for scope in scopes for block, copy in resources(scope, VOLUME)]
    named: dict[str, list[int]] = {}
    for number, each in enumerate(declared):
        named.setdefault(each.volume.name, []).append(number)
    attached: dict[int, tuple[Instance, Device]] = {}
    strangers: list[Volume] = []
    for instance, device in _disks(instances):
        name, pool = device.get("source") or "", device.get("pool")
        found = named.get(name, [])
        if len(found) > 1:
            found = [number for number in found if declared[number].volume.pool == pool] or found
        if found:
            attached.setdefault(found[0], (instance, device))
        elif pool is not None:
            path, guessed = _mount(name, device, (), instance.name)
            size = device.get("size")
            strangers.append(Volume(name, device.name or None, pool, size, None, path, device.source, guessed))
    names = [instance.name for instance, _ in instances]
    volumes = [_volume(each, attached.get(number), names) for number, each in enumerate(declared)]
    return tuple(volumes + strangers)


_HOSTS_OWN = re.compile(r"\.{0,2}/|\$\{path\.|[a-z-]+:")
"""Sources that are no volume: the host's folders and devices, and `agent:config`, `cloud-init:config`, `ceph:…`."""


def _disks(instances: list[tuple[Instance, list[Device]]]) -> Iterator[tuple[Instance, Device]]:
    """Yield the disks that are volumes: neither the root disk nor a folder or device of the host."""
    for instance, devices in instances:
        for device in devices:
            source = device.get("source")
            if device.type == "disk" and source and not _HOSTS_OWN.match(source):
                yield instance, device


def _declared(scope: Scope, block: Block, copy: Copy) -> _Declared:
    size = table(scope, block, "config", copy).get("size")
    volume = Volume(
        name=said(scope, block, "name", copy) or block.labels[1],
        device=None,
        pool=said(scope, block, "pool", copy),
        size=text(size) if size is not None else None,
        content_type=said(scope, block, "content_type", copy) or "filesystem",
        mount_path=None,
        source=block.span,
    )
    return _Declared(scope, block, volume)


def _volume(declared: _Declared, attached: tuple[Instance, Device] | None, instances: list[str]) -> Volume:
    volume, block, scope = declared.volume, declared.block, declared.scope
    comments = tuple(_comments(scope, block.span, block.last))
    if attached is None:
        owners = [name for name in instances if volume.name.startswith((f"{name}_", f"{name}-"))]
        path, guessed = _mount(volume.name, None, comments, max(owners, key=len, default=""))
        return replace(volume, mount_path=path, guessed=guessed)
    instance, device = attached
    path, guessed = _mount(volume.name, device, comments, instance.name)
    return replace(volume, device=device.name or None, mount_path=path, guessed=guessed)


_PATH = re.compile(r"""\bpath\s*[=:]?\s*["'`]?(/[\w.@+/-]*)""")
_PLACE = re.compile(r"(?<![\w.:/])(/[\w.@+/-]*)")
_ROOTS = ("var", "opt", "srv", "home", "mnt", "media")


def _mount(name: str, device: Device | None, comments: Sequence[str], instance: str) -> tuple[str | None, bool]:
    """Return where a volume belongs: as the device says, else a comment, else as its names imply, which is a guess."""
    if device is not None:
        if path := device.get("path"):
            return path, False
        comments = (*_comments(device.scope, device.source, device.last), *comments)
    for comment in comments:
        if path := _path(comment):
            return path, False
    for word in (device.name if device else "", name):
        parts = re.split(r"[_-]+", word.removeprefix(instance).strip("_-")) if word else []
        if parts and parts[0] in _ROOTS and all(parts):
            return "/" + "/".join(parts), True
    return None, False


def _comments(scope: Scope, source: Span, last: int) -> Iterator[str]:
    """Yield the comments inside a block and those that stand directly above it."""
    comments = next((each.comments for each in scope.documents if each.file == source.file), {})
    first = source.line
    while first - 1 in comments:
        first -= 1
    for line in [*range(source.line, last + 1), *range(source.line - 1, first - 1, -1)]:
        if line in comments:
            yield comments[line]


def _path(comment: str) -> str | None:
    """Return the folder a comment names as the place to mount on."""
    if match := _PATH.search(comment):
        return _trim(match[1])
    places = [match[1] for match in _PLACE.finditer(comment) if not match[1].startswith("/dev/")]
    if places and ("mount" in comment.lower() or comment.strip("\"'`. ") == places[0]):
        return _trim(places[0])
    return None


def _trim(path: str) -> str:
    return path.rstrip("./") or "/"
