"""What is at a path already goes onto its volume first."""

from __future__ import annotations

from console.flows import (
    Ask,
    CheckResult,
    Plan,
    Refusal,
    StepContext,
    done,
    needed,
    refused,
    skipped,
)
from console.flows.mount_volumes.daemon import Quiet
from console.flows.mount_volumes.looking import (
    COPY,
    Single,
    tool,
)
from console.flows.mount_volumes.targets import (
    Target,
    node,
)
from console.text import join_words


class CopyIn(Single):
    """What is at the path already goes onto the volume first."""

    def __init__(self, found: tuple[Target, ...], target: Target) -> None:
        super().__init__(found, target)
        self.name, self.words = f"copy {target.short}", f"copy {target.path} to {target.name}"

    async def check(self, context: StepContext) -> CheckResult:
        """Skipped when nothing is there; refused when nobody can know which files count."""
        survey, disk, folder, judged = await self.seen(context)
        path = self.target.path
        if self.mounted(survey, self.target):
            return refused(f"a copy to it was cut off: umount {path} first") if disk.copying else done("it is mounted")
        if judged.standing == "foreign":
            return refused(judged.words, *judged.evidence)
        if folder.kind in ("link", "file"):
            return refused(f"{path} is a {'symbolic link' if folder.kind == 'link' else 'file'}, not a folder")
        if folder.mounted or folder.beneath:
            on = join_words([folder.mounted] if folder.mounted else list(folder.beneath))
            return refused(f"something else is mounted there: {on}")
        if folder.exposed and (folder.entries or disk.copying):
            return refused(f"{path} is not safe to copy: {folder.exposed}")
        if disk.copying:
            return needed(f"a copy of {path} was cut off")
        if not folder.entries and folder.aside:
            return done(f"{path} is on the volume; as it was it is {path}.before-cowhand")
        if not folder.entries:
            return skipped(f"{path} is {'empty' if folder.kind == 'folder' else 'not there yet'}")
        if disk.entries:
            return refused(f"both {path} and the volume hold files: decide which to keep")
        if folder.aside:
            return refused(f"{path} holds files, and {path}.before-cowhand of an earlier copy is still there")
        return needed(f"{path} holds files: nothing is mounted over them")

    async def plan(self, context: StepContext) -> Plan:
        """The folder as it was stays beside its path; nobody deletes it but the operator."""
        survey, disk, _, _ = await self.seen(context)
        path, kept = self.target.path, f"{self.target.path}.before-cowhand"
        text = f"{path} holds files. Copy them onto {self.target.name}?"
        choices = {"copy": f"copy and compare them; the folder stays as {kept}", "leave": "change nothing here"}
        if context.ask(Ask(f"files-{self.target.short}", text, choices)) != "copy":
            raise Refusal(f"{path} holds files, which were to be left alone")
        if not context.expects(Quiet.name) and survey.docker.active_state not in ("", "inactive", "failed"):
            raise Refusal(f"docker runs, and may write to {path} while it is copied")
        notes = (f"every byte is compared; {kept} is the folder as it was, and stays until you remove it",)
        action = tool("copy-in", node(self.target, disk), path, timeout=COPY)
        program = await self.program(context)
        return Plan((*program, action), notes, undo=f"{kept} is moved back by hand; the copy stays on the volume")
