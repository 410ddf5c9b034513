"""What a plan takes away for good, in words; and what is known to go wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from console.facts.incus import Machines
from console.flows import Loss
from console.text import clean
from console.tofu import tree
from console.tofu.show import Change

HARMLESS = ("null_resource", "terraform_data")
"""Types of resources that keep nothing; all others are taken to."""

VOLUMES = ("incus_storage_volume", "lxd_volume", "lxd_storage_volume")
INSTANCES = ("incus_instance", "lxd_instance", "lxd_container")


def losses(changes: Sequence[Change]) -> tuple[Loss, ...]:
    """What must be typed: the name of every resource that is destroyed, or its address where a name is not unique."""
    gone = [each for each in changes if each.destroys and each.type not in HARMLESS]
    names = Counter(_name(each) for each in gone)
    return tuple(Loss(_name(each) if names[_name(each)] == 1 else each.address, _words(each)) for each in gone)


def _name(change: Change) -> str:
    name = change.before.get("name")
    return clean(name, 200) if isinstance(name, str) and name else change.address


def _words(change: Change) -> str:
    what = {**dict.fromkeys(VOLUMES, "the volume"), **dict.fromkeys(INSTANCES, "the VM")}.get(change.type, "")
    holds = f"{what} and all that is on it are lost" if what else "it is lost"
    subject = f"{change.address} is destroyed"
    if change.action == "delete":
        return f"{subject} ({change.reason or 'the files do not have it any more'}); {holds}"
    why = tree.forced(change) or change.reason or "the provider does not say why"
    return f"{subject} and created again, empty, because of {why}; {holds}"


def touched(changes: Sequence[Change]) -> tuple[str, ...]:
    """The names of the instances that are changed in place, or whose volumes are."""
    names = [_name(each) for each in changes if each.action == "update" and each.type in INSTANCES]
    return tuple(dict.fromkeys(names))


def notes(changes: Sequence[Change], machines: Machines) -> tuple[str, ...]:
    """What the operator should know before the yes."""
    found: list[str] = []
    for each in changes:
        if each.action == "update" and each.type in VOLUMES and (before := _size(each.before)) != _size(each.after):
            using = [
                machine.name
                for machine in machines.found
                if machine.status == "Running" and any(volume == _name(each) for _, _, volume in machine.volumes)
            ]
            if using:
                found.append(
                    f"{_name(each)} goes from {before} to {_size(each.after)} while {using[0]} uses it: Incus refuses"
                    f" that for a block volume (“In use”) until {using[0]} is stopped"
                )
        if each.destroys and each.type in INSTANCES:
            found.append(f"the snapshots of {_name(each)} go with it")
    return tuple(found)


def _size(values: object) -> str:
    config = values.get("config") if isinstance(values, dict) else None
    size = config.get("size") if isinstance(config, dict) else None
    return size if isinstance(size, str) else "its own size"
