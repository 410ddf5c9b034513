"""What Incus says, as lines and as a document."""

from __future__ import annotations

from typing import Any

import msgspec

from console.incus.seen import Change, Guest, Kept, Seen
from console.text import join_words

STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def lines(seen: Seen, wanted: tuple[str, ...]) -> list[str]:
    """The server, its instances with what is the matter with them, and the volumes; `wanted` are those of the files."""
    rows = [f"{seen.version} on {seen.server}" + (", in a cluster" if seen.clustered else "")] if seen.version else []
    for each in seen.guests:
        rows += _guest(each)
    rows += [f"✗ {name}  the files declare it, and Incus has none" for name in missing(seen, wanted)]
    return [*rows, *(_volume(each) for each in seen.volumes)]


def missing(seen: Seen, wanted: tuple[str, ...]) -> list[str]:
    """The instances that the files declare, and Incus does not have."""
    return [name for name in wanted if not any(each.machine.name == name for each in seen.guests)]


def _guest(guest: Guest) -> list[str]:
    machine = guest.machine
    project = f" in project {machine.project}" if machine.project != "default" else ""
    where = f" on {guest.where}" if guest.where not in ("", "none") else ""
    mark = "✓" if machine.status == "Running" else "✗"
    rows = [f"{mark} {machine.name}  {machine.status}, {machine.type}{project}{where}"]
    told = [
        f"cpu {guest.cpu:.0f} s" if guest.cpu >= 0 else "",
        f"memory {spelled(guest.memory)}" if guest.memory >= 0 else "",
        f"disk {spelled(guest.disk)}" if guest.disk >= 0 else "",
        f"since {guest.started}" if guest.started else "",
    ]
    if any(told):
        rows.append(f"    {', '.join(each for each in told if each)}")
    rows += [f"    at {join_words(list(machine.has))}"] if machine.has else []
    if guest.agent is False:
        rows.append("    no agent answers in it: incus exec does not work, and its addresses are those of leases")
    rows += [f"    {device}: volume {volume} of pool {pool}" for device, pool, volume in machine.volumes]
    rows += [f"    snapshots {join_words(list(machine.snapshots))}"] if machine.snapshots else []
    return rows


def _volume(volume: Kept) -> str:
    used = f"used by {join_words(list(volume.used))}" if volume.used else "used by nobody"
    snapshots = f", snapshots {join_words(list(volume.snapshots))}" if volume.snapshots else ""
    size = f" {volume.size}" if volume.size else ""
    return f"volume {volume.name}  {volume.content}{size} in pool {volume.pool}, {used}{snapshots}"


def spelled(size: int) -> str:
    """Bytes in a unit that fits."""
    step, unit = next(((step, unit) for step, unit in STEPS if size >= step), (1, "B"))
    return f"{size / step:.1f} {unit}" if step > 1 else f"{size} B"


def change(found: Change) -> str:
    """One event, in a line."""
    project = f" in project {found.project}" if found.project != "default" else ""
    return f"{found.at[11:19]} {found.name}{project}  {found.what.removeprefix('instance-').replace('-', ' ')}"


def document(seen: Seen, wanted: tuple[str, ...]) -> dict[str, Any]:
    """All of it."""
    return {**msgspec.to_builtins(seen), "missing": missing(seen, wanted)}
