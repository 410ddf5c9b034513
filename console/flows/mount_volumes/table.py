"""The lines of /etc/fstab."""

from __future__ import annotations

import re
from collections.abc import Sequence

from console.facts.command import explain
from console.facts.volumes import DiskReport
from console.flows import (
    CheckResult,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    StepContext,
    done,
    needed,
    refused,
)
from console.flows.mount_volumes.looking import (
    DOCKER,
    LOOK,
    TABLE,
    Looking,
)
from console.flows.mount_volumes.targets import (
    node,
)
from console.sources import fstab
from console.text import join_words


class Table(Looking):
    """One line a volume, what others wrote stays byte for byte."""

    name, words = "fstab", f"mount them by UUID in {TABLE}"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when each has its one line, and findmnt finds nothing wrong with it."""
        survey = await self.look(context)
        text = await context.text("mail", TABLE) or ""
        if any(not survey.volumes[each.name].uuid for each in self.found):
            raise NotYetKnown("the UUIDs are not known before the disks are formatted")
        for each in self.found:
            if survey.folders[each.path].kind in ("link", "file"):
                return refused(f"{each.path} is not a folder")
        if (after := self._edited(survey, text)) != text or self._absent(survey):
            missing = len(fstab.lines(after)) - len(fstab.lines(text))
            return needed(f"{missing} lines are missing" if missing > 1 else "a line is missing or not as it should be")
        complaints = await self._verify(context)
        if complaints:
            return refused(f"findmnt --verify: {complaints[0]}", *complaints)
        return done("each has its line, by UUID", "findmnt --verify finds no error in them")

    async def plan(self, context: StepContext) -> Plan:
        survey = await self.look(context)
        text = await context.text("mail", TABLE) or ""
        folders = tuple(Run("mail", ("mkdir", "-p", "--", path), LOOK) for path in self._absent(survey))
        after = self._edited(survey, text)
        edit = (await context.edit("mail", TABLE, after),) if after != text else ()
        return Plan((*folders, *edit), undo=f"{TABLE}.previous is the table as it was")

    async def undo(self, context: StepContext) -> Plan | None:
        """Take our lines out of the table as it is now."""
        survey = await self.look(context)
        text = after = await context.text("mail", TABLE) or ""
        wanted = {f"UUID={survey.volumes[each.name].uuid}" for each in self.found}
        for row in reversed(fstab.lines(text)):
            if row.device in wanted:
                after = fstab.drop(after, row)
        return Plan((await context.edit("mail", TABLE, after),)) if after != text else None

    def _absent(self, survey: DiskReport) -> list[str]:
        return [each.path for each in self.found if survey.folders[each.path].kind == "none"]

    def _edited(self, survey: DiskReport, text: str) -> str:
        """The table as it should be; raises `Refusal` when another line is in the way."""
        for each in self.found:
            disk = survey.volumes[each.name]
            wanted = f"UUID={disk.uuid}"
            names = {wanted, f"LABEL={disk.label}", disk.device, node(each, disk), f"/dev/disk/by-uuid/{disk.uuid}"}
            rows = fstab.lines(text)
            at = [row for row in rows if row.path == each.path]
            if len(at) > 1:
                raise Refusal(f"{TABLE} has more than one line for {each.path}: lines {join_words(_numbers(at))}")
            if other := next((row for row in rows if row.device in names and row.path != each.path), None):
                raise Refusal(f"{TABLE}:{other.number + 1} mounts {each.name} at {other.path}")
            if not at:
                text = fstab.add(text, wanted, each.path)
            elif at[0].device not in names or at[0].kind not in ("ext4", "auto"):
                raise Refusal(f"{TABLE}:{at[0].number + 1} mounts {at[0].device} ({at[0].kind}) at {each.path}")
            elif "noauto" in at[0].options:
                raise Refusal(f"{TABLE}:{at[0].number + 1} says noauto: {each.path} is not mounted at a start")
            elif at[0].device != wanted or (each.path == DOCKER and "nofail" in at[0].options):
                text = fstab.mend(text, at[0], wanted, ("nofail",) if each.path == DOCKER else ())
        return text

    async def _verify(self, context: StepContext) -> list[str]:
        """What findmnt finds wrong with our lines."""
        said = await context.host("mail").run(["findmnt", "--verify"], LOOK)
        if said.status == 127:
            raise Refusal(explain(context.name("mail"), "findmnt", said))
        complaints, path = [], ""
        for row in said.stdout.decode("utf-8", "replace").splitlines():
            if row.startswith("/"):
                path = row.strip()
            elif re.match(r"\s*\[E\]", row) and path in {each.path for each in self.found}:
                complaints.append(f"{path}: {row.strip().removeprefix('[E]').strip()}")
        return complaints


def _numbers(rows: Sequence[fstab.Line]) -> list[str]:
    return [str(row.number + 1) for row in rows]
