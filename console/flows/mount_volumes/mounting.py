"""The volumes mounted, and proven as a start would mount them."""

from __future__ import annotations

from console.facts import mounts
from console.facts.volumes import DiskReport
from console.flows import (
    CheckResult,
    NotYetKnown,
    Plan,
    Run,
    StepContext,
    done,
    needed,
    refused,
)
from console.flows.mount_volumes.looking import (
    DAEMON,
    TABLE,
    Looking,
    reload_systemd,
    tool,
)
from console.flows.mount_volumes.targets import (
    Target,
    classify_disk,
    node,
)
from console.sources import fstab
from console.text import join_words


class Mount(Looking):
    """Mounted, proven by a file, and once more as a start would do it."""

    name, words = "mount", "mount and verify"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when findmnt tells each disk, its UUID and ext4 at its path."""
        survey = await self.look(context)
        for each in self.found:
            if why := self._wrong(context, survey, each):
                return refused(why)
        missing = self.missing(survey)
        if missing:
            return needed(f"nothing is mounted at {join_words(missing)}")
        left = [each.path for each in self.found if survey.folders[each.path].proof]
        return needed(f"a proof was cut off at {join_words(left)}") if left else await self._confirm(context, survey)

    def _wrong(self, context: StepContext, survey: DiskReport, target: Target) -> str:
        """Why nothing may be mounted; "" when it may, or when earlier steps of a dry run would have seen to it."""
        disk, folder = survey.volumes[target.name], survey.folders[target.path]
        judged = classify_disk(target, disk)
        if judged.standing == "foreign":
            return judged.words
        if folder.mounted and folder.mounted != disk.device:
            return f"{folder.mounted} is mounted at {target.path}, not {disk.device}"
        if self.mounted(survey, target):
            return ""
        if judged.standing != "ours" and not context.expects(f"format {target.short}"):
            raise NotYetKnown(f"{target.short} is not formatted yet")
        if folder.entries and not context.expects(f"copy {target.short}"):
            return f"{target.path} holds files: nothing is mounted over them"
        return ""

    async def _confirm(self, context: StepContext, survey: DiskReport) -> CheckResult:
        """Ask findmnt, which reads another table than the look does."""
        said = await mounts.ask(context.host("mail"))
        rows = []
        for each in self.found:
            disk, on = survey.volumes[each.name], said.on(each.path)
            if on is None or (on.source, on.kind) != (disk.device, "ext4") or on.uuid not in ("", disk.uuid):
                found = f"{on.source} ({on.kind}, {on.uuid or 'no UUID'})" if on else said.error or "nothing"
                return refused(f"findmnt finds {found} at {each.path}, not {disk.device} ({disk.uuid})")
            rows.append(f"findmnt: {each.path} is {on.source}, ext4, {disk.uuid}")
        return done(
            f"{join_words([each.path for each in self.found])} are mounted" if rows[1:] else "it is mounted", *rows
        )

    async def plan(self, context: StepContext) -> Plan:
        """A file is written, read back, and read again after umount and `mount -a`, as after a start."""
        survey = await self.look(context)
        fresh = [each for each in self.found if not self.mounted(survey, each)]
        left = [each for each in self.found if survey.folders[each.path].proof]
        write, check = (
            [self._tool(verb, survey, each) for each in (*fresh, *left)] for verb in ("write-proof", "check-proof")
        )
        program = await self.program(context)
        if not fresh:
            return Plan((*program, *write, *check), ("mounted already: not unmounted for the proof",))
        again = [Run("mail", ("mount", "-a"), DAEMON)]
        notes = ["a file is written and read back; then umount and mount -a, as at a start"]
        if others := await self._others(context):
            again = [Run("mail", ("mount", each.path), DAEMON) for each in fresh]
            notes = [f"{TABLE} names {join_words(others)} too, which mount -a would mount: each is mounted by itself"]
        on = [Run("mail", ("mount", each.path), DAEMON) for each in fresh]
        off = [Run("mail", ("umount", each.path), DAEMON) for each in reversed(fresh)]
        reload = [reload_systemd()] if survey.docker.load_state else []
        undo = " && ".join(f"umount {each.path}" for each in reversed(fresh))
        known = all(survey.volumes[each.name].uuid for each in fresh)
        later = "" if known else f"the lines of {TABLE} come first, and wait for the UUIDs"
        return Plan((*program, *reload, *on, *write, *off, *again, *check), tuple(notes), undo=undo, later=later)

    def _tool(self, verb: str, survey: DiskReport, target: Target) -> Run:
        return tool(verb, node(target, survey.volumes[target.name]), target.path)

    async def undo(self, context: StepContext) -> Plan | None:
        """Only what is mounted now, and not while docker may use it."""
        survey = await self.look(context)
        there = [each for each in reversed(self.found) if self.mounted(survey, each)]
        if not there or survey.docker.active_state == "active":
            return None
        return Plan(tuple(Run("mail", ("umount", each.path), DAEMON) for each in there))

    async def _others(self, context: StepContext) -> list[str]:
        """What else `mount -a` would mount: it is not ours to mount."""
        rows = fstab.lines(await context.text("mail", TABLE) or "")
        said = await mounts.ask(context.host("mail"))
        ours = {each.path for each in self.found}
        return [
            row.path for row in rows
            if row.path.startswith("/") and row.path not in ours and row.kind != "swap"
            and "noauto" not in row.options and said.on(row.path) is None
        ]  # fmt: skip
