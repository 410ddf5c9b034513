"""Compares the instances of the OpenTofu files with those of Incus."""

from __future__ import annotations

import re

from console.drift.compared import Compared, State
from console.drift.shown import diff
from console.estate.load import Estate
from console.facts import incus
from console.hosts.host import Host
from console.observation import Drifted

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
"""A name that Incus takes; what a file leaves open, such as `var.name`, is none."""

_AMOUNT = re.compile(r"[0-9][\w.]*")
"""A number with or without a unit; `var.memory` is none."""


async def instances(estate: Estate, host: Host) -> Compared:
    """Compare the instances of the OpenTofu files with what Incus reports."""
    told = await incus.ask(host)
    names = " ".join(instance.name for instance in estate.topology.instances)
    file = estate.topology.instances[0].source.file
    if told.error:
        return Compared(file, host.name, f"incus list {names}", "unknown", "unknown", told.error)
    before, after = [], []
    for instance in estate.topology.instances:
        if not _NAME.fullmatch(instance.name):
            continue
        there = told.instance(instance.name)
        before.append(f"instance {instance.name} {instance.type}")
        if there is None:
            continue
        after.append(f"instance {there.name} {there.type}")
        for key, mine in (("limits.cpu", instance.cpu), ("limits.memory", instance.memory), ("root", instance.disk)):
            if _AMOUNT.fullmatch(mine or ""):
                before.append(f"{instance.name} {key} {mine}")
                after.append(f"{instance.name} {key} {there.settings.get(key, 'unset')}")
        before += [f"{instance.name} address {address}" for address in sorted(instance.addresses)]
        after += [f"{instance.name} address {address}" for address in there.addresses if instance.addresses]
    state: State = "same" if before == after else "differs"
    shown = "" if before == after else diff(before, after, file, f"incus on {host.name}")
    drifted: tuple[Drifted, ...] = ()
    if shown:
        count = max(len({*before} - {*after}), len({*after} - {*before}))
        place = estate.topology.instances[0].source
        drifted = (Drifted(file, host.name, "incus", place, "file", count, diff=tuple(shown.split("\n"))),)
    return Compared(file, host.name, "incus", state, "unknown", running=shown, drifted=drifted)
