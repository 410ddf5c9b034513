"""Format the declared volumes and mount them, now and at every start.

A disk is formatted when all tests prove it blank, and prove it again in the command that formats it, after its name
was typed. What holds anything else is never touched; a volume of ours is taken as it is."""

from __future__ import annotations

from collections.abc import Sequence

from console.facts.volumes import looking
from console.flows import (
    CheckResult,
    Flow,
    Step,
    StepContext,
    first_open,
)
from console.flows.mount_volumes.daemon import Order, Quiet, Start
from console.flows.mount_volumes.disks import Declared, Disks, Format
from console.flows.mount_volumes.folders import CopyIn
from console.flows.mount_volumes.looking import Tool
from console.flows.mount_volumes.mounting import Mount
from console.flows.mount_volumes.table import Table
from console.flows.mount_volumes.targets import (
    targets,
    wrong,
)
from console.runner import read_only

read_only.script("python3", looking())


def steps(context: StepContext) -> Sequence[Step]:
    """All volumes are looked at before the first is touched, and all are formatted before the first is mounted."""
    found = targets(context)
    if not found or wrong(found):
        return (Declared(found),)
    return (
        Declared(found),
        Disks(found),
        Tool(found),
        *(Format(found, each) for each in found),
        Order(found),
        Quiet(found),
        *(CopyIn(found, each) for each in found),
        Table(found),
        Mount(found),
        Start(found),
    )


async def standing(context: StepContext) -> CheckResult:
    """How the volumes stand, by the one look that all steps share."""
    found = targets(context)
    if not found or wrong(found):
        return await Declared(found).check(context)
    kept = Order(found), Table(found), Start(found), Mount(found)
    return await first_open(context, (Disks(found), *(Format(found, each) for each in found), *kept))


FLOW = Flow(steps, standing=standing)
