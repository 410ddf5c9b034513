"""What a lab has on this machine: to be compared before and after, and to be nothing once it is down."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.reallab import cgroups, network, warden


def networks(name: str) -> frozenset[int]:
    """The kernel's numbers of a lab's network namespaces, by which its processes are known."""
    return frozenset((network.NAMED / space).stat().st_ino for space in network.spaces(name))


def find(name: str, numbers: frozenset[int] = frozenset()) -> list[str]:
    """Say what is there of a lab: namespaces, mounts, folders, cgroups, and processes in its networks."""
    left = [f"namespace {space}" for space in network.spaces(name)]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    left += [f"mount {line.split()[4]}" for line in mounts if f"/{name}" in line.split()[4]]
    left += [f"folder {path}" for path in (warden.folder(name), warden.BASE / f"{name}.lock") if path.exists()]
    left += [f"cgroup {path}" for path in cgroups.find(name)]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            number = (process / "ns" / "net").stat().st_ino
            if number in numbers or f"{warden.folder(name)} " in words:
                left.append(f"process {process.name} {words[:80]}")
    return left
