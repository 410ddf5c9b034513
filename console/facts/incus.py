"""What Incus says of its instances: `incus list --format json`."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

COMMAND = ("incus", "list", "--format", "json")
EVERYWHERE = ("incus", "list", "--all-projects", "--format", "json")

NETWORKING = ("nic", "pci", "usb")
"""Types of devices that may be a network's; those of the last two are cards of the host."""


class Machine(Struct, frozen=True):
    """An instance as it is: `settings` has limits.cpu, limits.memory and root (its disk's size), as Incus writes them.

    `addresses` are those that its nics pin, `has` those that it has now, `status` Incus's word ("Running"). `volumes`
    are (device, pool, volume) of the storage volumes that are attached to it, `snapshots` the names of its snapshots.
    `networked` is False where nothing connects it to a network, and None where that is not told."""

    name: str
    type: str
    settings: dict[str, str] = {}
    addresses: tuple[str, ...] = ()
    status: str = ""
    has: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str, str], ...] = ()
    project: str = "default"
    snapshots: tuple[str, ...] = ()
    networked: bool | None = None


class Machines(Struct, frozen=True):
    """All instances of the project, or why nobody could tell."""

    found: tuple[Machine, ...] = ()
    error: str = ""

    def instance(self, name: str) -> Machine | None:
        """The one of that name."""
        return next((each for each in self.found if each.name == name), None)


async def ask(host: Host, everywhere: bool = False) -> Machines:
    """Ask Incus on `host`, of all its projects or of the one in use; failures are in the result, never raised."""
    answer = await run(host, EVERYWHERE if everywhere else COMMAND)
    if answer.error:
        return Machines(error=answer.error)
    try:
        return Machines(parse(answer.text))
    except ValueError as error:
        return Machines(error=f"incus on {host.name}: {clean(str(error), 120)}")


def parse(text: str) -> tuple[Machine, ...]:
    """Read the answer; raises ValueError when it is none."""
    try:
        rows = json.loads(text)
        return tuple(machine(row) for row in rows)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"not the answer to incus list: {type(error).__name__}") from None


def machine(row: dict[str, Any]) -> Machine:
    """Read one instance, as the API has it with its state."""
    config = row.get("expanded_config") or row.get("config") or {}
    devices = row.get("expanded_devices") or row.get("devices") or {}
    settings = {key: clean(str(config[key]), 40) for key in ("limits.cpu", "limits.memory") if key in config}
    addresses, volumes = [], []
    for name, device in devices.items():
        if device.get("type") == "disk" and device.get("pool") and device.get("source"):
            volumes.append((clean(name, 60), clean(str(device["pool"]), 60), clean(str(device["source"]), 60)))
        if device.get("type") == "disk" and device.get("path") == "/" and "size" in device:
            settings["root"] = clean(str(device["size"]), 40)
        if device.get("type") == "nic":
            pinned = (device.get(key) for key in ("ipv4.address", "ipv6.address"))
            addresses += [clean(str(each), 60) for each in pinned if each]
    return Machine(
        clean(str(row["name"]), 60),
        clean(str(row["type"]), 40),
        settings,
        tuple(sorted(addresses)),
        clean(str(row.get("status") or ""), 20),
        _has(row),
        tuple(sorted(volumes)),
        clean(str(row.get("project") or "default"), 60),
        tuple(clean(str(each.get("name", "")), 80) for each in row.get("snapshots") or ()),
        _networked(row, config),
    )


def _networked(row: dict[str, Any], config: dict[str, Any]) -> bool | None:
    """Whether anything connects it to a network; None where devices are not told, or may be added by hand."""
    devices = row.get("expanded_devices")
    if devices is None:
        return None
    if any(device.get("type") in NETWORKING for device in devices.values()):
        return True
    by_hand = " ".join(str(config.get(key, "")) for key in ("raw.qemu", "raw.qemu.conf", "raw.lxc")).lower()
    return None if "net" in by_hand or "nic" in by_hand else False


def _has(row: dict[str, Any]) -> tuple[str, ...]:
    """The addresses that an instance has now; none while it is stopped, and none without an agent inside a VM."""
    networks = ((row.get("state") or {}).get("network") or {}).values()
    found = (each for network in networks for each in network.get("addresses") or ())
    return tuple(clean(str(each["address"]), 60) for each in found if each.get("scope") == "global")
