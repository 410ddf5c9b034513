"""What Incus or LXD says of itself, its instances and its volumes, as values; read from its REST API (1.0)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from console.facts.incus import Machine
from console.facts.incus import machine as machine_of
from console.text import clean


class Guest(Struct, frozen=True):
    """An instance as it is: `machine` as `incus list` has it; `memory`, `disk` in bytes and `cpu` in seconds, -1 where
    nobody knows. `agent`: whether the agent inside a VM answers (None: not a VM, or not running)."""

    machine: Machine
    cpu: float = -1.0
    memory: int = -1
    disk: int = -1
    started: str = ""
    agent: bool | None = None
    where: str = ""


class Kept(Struct, frozen=True):
    """A storage volume; `used` names what uses it, `snapshots` are its own."""

    name: str
    pool: str
    project: str
    content: str
    size: str
    used: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


class Seen(Struct, frozen=True):
    """One look: the server's name and version, its instances and its custom volumes."""

    server: str
    version: str
    clustered: bool
    guests: tuple[Guest, ...] = ()
    volumes: tuple[Kept, ...] = ()


class Change(Struct, frozen=True):
    """Something that happened to an instance: `what` as Incus calls it ("instance-stopped"), at `at` (RFC 3339)."""

    name: str
    project: str
    what: str
    at: str


def guest(row: dict[str, Any]) -> Guest:
    """Read an instance with its state (`recursion=2`); raises KeyError or TypeError for what is none."""
    machine, state = machine_of(row), row.get("state") or {}
    running = machine.status == "Running"
    disks = (state.get("disk") or {}).get("root") or {}
    processes = state.get("processes", -1)
    # Without an agent a VM counts no processes: the hypervisor does not see them.
    agent = processes > 0 if running and machine.type == "virtual-machine" else None
    return Guest(
        machine,
        _number((state.get("cpu") or {}).get("usage"), 1e9) if running else -1.0,
        int(_number((state.get("memory") or {}).get("usage"))) if running else -1,
        int(_number(disks.get("usage"))),
        clean(str(state.get("started_at") or row.get("last_used_at") or ""), 40) if running else "",
        agent,
        clean(str(row.get("location") or ""), 60),
    )


def _number(value: Any, scale: float = 1.0) -> float:
    """A measure, -1 where it is not there: Incus writes 0 or -1 for what it cannot see."""
    return value / scale if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else -1.0


def volumes(rows: list[dict[str, Any]], pool: str) -> tuple[Kept, ...]:
    """Read the custom volumes of a pool; a snapshot is listed among them, as VOLUME/NAME."""
    snapshots: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        name, slash, inner = str(row.get("name", "")).partition("/")
        if slash:
            snapshots.setdefault((_project(row), name), []).append(clean(inner, 80))
    return tuple(
        Kept(
            clean(str(row["name"]), 80),
            clean(pool, 80),
            _project(row),
            clean(str(row.get("content_type") or ""), 20),
            clean(str((row.get("config") or {}).get("size") or ""), 20),
            tuple(clean(str(each).partition("?")[0].rpartition("/")[2], 80) for each in row.get("used_by") or ()),
            tuple(snapshots.get((_project(row), str(row["name"])), ())),
        )
        for row in rows
        if "/" not in str(row.get("name", "")) and row.get("type") == "custom"
    )


def _project(row: dict[str, Any]) -> str:
    return clean(str(row.get("project") or "default"), 60)


def change(event: dict[str, Any]) -> Change | None:
    """Read a lifecycle event; None for one that is not about an instance itself."""
    data = event.get("metadata") or {}
    action, source = str(data.get("action", "")), str(data.get("source", ""))
    path, _, query = source.partition("?")
    parts = path.strip("/").split("/")
    kinds = ("instances", "containers", "virtual-machines")
    if event.get("type") != "lifecycle" or len(parts) != 3 or parts[1] not in kinds:
        return None
    project = str(event.get("project") or query.removeprefix("project=") or "default")
    return Change(
        clean(parts[2], 80), clean(project, 60), clean(action, 60), clean(str(event.get("timestamp", "")), 40)
    )
