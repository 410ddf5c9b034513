"""Whether the VM's volumes are mounted where Mailcow keeps its data, after every start."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Topology, Volume
from console.sources.mounts import Mount, Mounts
from console.text import clean, join_words
from console.topology.sources import Sources

DOCKER = "/var/lib/docker"

_DATA = re.compile(r"(?:cloud-init|user)\.(?:user|vendor)-data")
_MOVES = re.compile(r"/dev/(?:[svx]?v?d[a-z]+\d*|nvme\d+n\d+(?:p\d+)?)")


@static("CH017")
def volume_not_mounted(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A block volume that nothing mounts, or that is mounted so that Mailcow may start without it."""
    volumes = [each for each in topology.volumes if each.device and each.content_type == "block"]
    if sources.mounts is not None:
        yield from _mounted(sources.mounts, volumes)
        return
    bare = [each for each in volumes if not _prepared(sources, each)]
    if bare:
        names = join_words([clean(each.name, 60) for each in bare])
        yield finding(
            "CH017",
            f"{names} {'are' if len(bare) > 1 else 'is'} attached, and no given file mounts"
            f" {'them' if len(bare) > 1 else 'it'}: after a reboot Mailcow may start empty, on the root disk",
            bare[0].source,
            also=tuple(each.source for each in bare[1:]),
            hop="service",
            severity="high",
            remedy="mount by UUID in the VM's fstab, with RequiresMountsFor= for docker; name a copy in [sources]:"
            ' mounts = ["fstab"]',
        )


def _prepared(sources: Sources, volume: Volume) -> bool:
    """Whether cloud-init's data mounts the volume; data from another file may."""
    for file, text in sources.texts.items():
        if not file.endswith((".tf", ".tofu")):
            continue
        for match in _DATA.finditer(text):
            rest = text[match.end() :]
            value = rest.split("\n", 1)[0]
            if "file(" in value or not re.search(r"<<|\"", value.partition("=")[2]):
                return True
            if volume.mount_path is not None and volume.mount_path in rest:
                return True
    return False


def _mounted(mounts: Mounts, volumes: list[Volume]) -> Iterator[Finding]:
    by_path = {mount.path.rstrip("/") or "/": mount for mount in mounts.mounts}
    for volume in volumes:
        path = (volume.mount_path or "").rstrip("/")
        if not path:
            continue
        mount = by_path.get(path)
        if mount is None:
            place = f"{path} by its name" if volume.guessed else path
            yield finding(
                "CH017",
                f"{clean(volume.name, 60)} belongs at {place}, and no line of {mounts.file} mounts it",
                volume.source,
                hop="service",
                severity="high",
            )
            continue
        yield from _kept(mounts, mount)


def _kept(mounts: Mounts, mount: Mount) -> Iterator[Finding]:
    """What is wrong with a line of fstab that mounts one of the volumes."""
    guarded = any(mount.path == path or mount.path.startswith(f"{path.rstrip('/')}/") for path in mounts.required)
    if _MOVES.fullmatch(mount.device):
        yield finding(
            "CH017",
            f"{mount.device} is another disk after the next change of devices: {mount.path} may get a strange volume",
            mount.span,
            hop="service",
            severity="high",
            remedy="mount by UUID= (blkid -s UUID)",
        )
    if mount.path == DOCKER and not guarded:
        loose = "with nofail " if "nofail" in mount.options else ""
        yield finding(
            "CH017",
            f"{loose}nothing keeps docker from starting without {mount.path}: Mailcow comes up empty".lstrip(),
            mount.span,
            hop="service",
            severity="high",
            remedy=f"RequiresMountsFor={mount.path} in a drop-in of docker.service",
        )
