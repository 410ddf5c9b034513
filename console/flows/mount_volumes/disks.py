"""The volumes as they are declared and as disks, and the one step that nothing takes back: a format."""

from __future__ import annotations

from console.flows import (
    CheckResult,
    Loss,
    Plan,
    StepContext,
    done,
    needed,
    refused,
    skipped,
)
from console.flows.mount_volumes.looking import (
    FORMAT,
    Looking,
    Single,
    tool,
)
from console.flows.mount_volumes.targets import (
    Target,
    classify_disk,
    declared,
    node,
    spelled,
    unusable,
    wrong,
)
from console.text import join_words


class Declared(Looking):
    """What the files say."""

    name, words = "declared", "find the declared volumes"

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse declarations that leave anything open."""
        topology = context.estate.topology
        rest = [each for each in topology.volumes if each not in declared(context)]
        others = tuple(f"{each.name}: not a block volume of an instance" for each in rest)
        if why := wrong(self.found):
            return refused(why, *others)
        if not self.found:
            return skipped("the OpenTofu files declare no block volume that is attached to an instance", *others)
        rows = (f"{each.name}  {spelled(each.size)}  for {each.path}" for each in self.found)
        return done(f"{join_words([each.name for each in self.found])}", *rows, *others)


class Disks(Looking):
    """Which disk is which volume: all of them, before anything is done to one."""

    name, words = "disks", "match them to disks"

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse when a disk is missing, another one, or holds what is not ours."""
        survey = await self.look(context)
        if why := unusable(survey):
            return refused(why)
        judged = {each.short: classify_disk(each, survey.volumes[each.name]) for each in self.found}
        bad = {short: each for short, each in judged.items() if each.standing == "foreign"}
        rows = tuple(f"{short}: {line}" for short, each in judged.items() for line in each.evidence)
        if bad:
            return refused("; ".join(f"{short}: {each.words}" for short, each in bad.items()), *rows)
        return done("; ".join(f"{short}: {each.words}" for short, each in judged.items()), *rows)


class Format(Single):
    """The one thing that nothing takes back."""

    def __init__(self, found: tuple[Target, ...], target: Target) -> None:
        super().__init__(found, target)
        self.name, self.words = f"format {target.short}", f"format {target.name} as ext4"

    async def check(self, context: StepContext) -> CheckResult:
        """Needed when the disk is blank, or when we began with it and were cut off."""
        _, _, _, judged = await self.seen(context)
        match judged.standing:
            case "foreign":
                return refused(judged.words, *judged.evidence)
            case "ours":
                return done(judged.words, *judged.evidence)
        return needed(judged.words, *judged.evidence)

    async def plan(self, context: StepContext) -> Plan:
        """The program holds the disk, proves all that once more, and then formats it."""
        _, disk, _, judged = await self.seen(context)
        device = node(self.target, disk)
        action = tool(
            "format", device, str(disk.size), ",".join(self.target.serials), self.target.label, timeout=FORMAT
        )
        words = f"{disk.device} ({spelled(disk.size)}) will be formatted; anything on it is lost"
        notes = ["one command holds the disk, proves all that again, and formats it"]
        if judged.standing == "begun":
            notes += ["it was proven blank before; a file system that is whole is kept"]
        return Plan((*await self.program(context), action), tuple(notes), (Loss(self.target.name, words),))
