"""What every step about volumes has: one look at all of them, and our program on the mail server."""

from __future__ import annotations

from console.facts.volumes import Disk, DiskReport, Folder, doing
from console.flows import (
    CheckResult,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    Write,
    done,
    needed,
    skipped,
)
from console.flows.mount_volumes.targets import (
    Judged,
    Target,
    classify_disk,
    look,
    unusable,
)

TOOL = "/run/cowhand-disk"
"""Where our program is while it is needed; gone with the next start."""

TABLE = "/etc/fstab"
DOCKER = "/var/lib/docker"

LOOK, FORMAT, COPY, DAEMON = 10.0, 900.0, 6 * 3600.0, 180.0
"""Seconds that a small command, a format, a copy and a daemon may take."""


def tool(*words: str, timeout: float = 60.0) -> Run:
    """Our program on the mail server."""
    return Run("mail", ("python3", TOOL, *words), timeout)


class Looking(Step):
    """A step that begins with one look at all volumes."""

    patience = 90.0

    def __init__(self, found: tuple[Target, ...]) -> None:
        self.found = found

    async def look(self, context: StepContext) -> DiskReport:
        """How things are."""
        return await look(context, self.found)

    async def program(self, context: StepContext) -> tuple[Write, ...]:
        """Return what installs our program again; nothing while it is still there. A reboot removes it."""
        there = await context.data("mail", TOOL)
        return (install(there),) if there != doing().encode() and not context.expects(Tool.name) else ()

    def mounted(self, survey: DiskReport, target: Target) -> bool:
        """Whether a volume is where it belongs."""
        disk = survey.volumes[target.name]
        return bool(disk.device) and survey.folders[target.path].mounted == disk.device

    def missing(self, survey: DiskReport) -> list[str]:
        """The paths on which their volume is not mounted."""
        return [each.path for each in self.found if not self.mounted(survey, each)]


class Single(Looking):
    """A step about one of the volumes."""

    def __init__(self, found: tuple[Target, ...], target: Target) -> None:
        super().__init__(found)
        self.target = target

    async def seen(self, context: StepContext) -> tuple[DiskReport, Disk, Folder, Judged]:
        """How this volume is; raises `Refusal` when nothing may be done on that machine."""
        survey = await self.look(context)
        if why := unusable(survey):
            raise Refusal(why)
        disk = survey.volumes[self.target.name]
        return survey, disk, survey.folders[self.target.path], classify_disk(self.target, disk)


class Tool(Looking):
    """Our program, on the machine for as long as there is something to do."""

    name, words = "program", "install the helper program"

    async def check(self, context: StepContext) -> CheckResult:
        """It is needed while a volume is not formatted, not mounted, or was left in the middle of something."""
        survey = await self.look(context)
        open_ = [each for each in self.found if self._open(survey, each)]
        if not open_:
            return skipped("it is not needed")
        there = await context.text("mail", TOOL)
        return done("it is there") if there == doing() else needed(f"it is not at {TOOL}")

    async def plan(self, context: StepContext) -> Plan:
        return Plan((install(await context.data("mail", TOOL)),), undo=f"rm {TOOL}")

    async def undo(self, context: StepContext) -> Plan | None:
        there = await context.data("mail", TOOL)
        return Plan((Run("mail", ("rm", "-f", "--", TOOL)),)) if there is not None else None

    def _open(self, survey: DiskReport, target: Target) -> bool:
        disk, folder = survey.volumes[target.name], survey.folders[target.path]
        whole = classify_disk(target, disk).standing == "ours" and self.mounted(survey, target)
        return not whole or folder.proof or disk.copying


def install(before: bytes | None) -> Write:
    note = f"assets/disk.py of this cowhand, {doing().count(chr(10))} lines"
    return Write("mail", TOOL, before, doing().encode(), 0o700, summary=note)


def reload_systemd() -> Run:
    return Run("mail", ("systemctl", "daemon-reload"), DAEMON)
