"""Format the declared volumes and mount them, now and at every start.

A disk is formatted when all tests prove it blank, and prove it again in the command that formats it, after its name
was typed. What holds anything else is never touched; a volume of ours is taken as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from console.facts import mounts
from console.facts.command import explain
from console.facts.volumes import Disk, DiskReport, Folder, doing, looking
from console.flows import (
    Ask,
    CheckResult,
    Flow,
    Loss,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    Write,
    done,
    first_open,
    needed,
    refused,
    skipped,
)
from console.flows.mount_volumes.targets import (
    Judged,
    Target,
    classify_disk,
    declared,
    look,
    node,
    spelled,
    targets,
    unusable,
    wrong,
)
from console.runner import read_only
from console.sources import fstab
from console.text import join_words

TOOL = "/run/cowhand-disk"
"""Where our program is while it is needed; gone with the next start."""

TABLE = "/etc/fstab"
DOCKER = "/var/lib/docker"
DROP_IN = "/etc/systemd/system/docker.service.d/cowhand-volumes.conf"

LOOK, FORMAT, COPY, DAEMON = 10.0, 900.0, 6 * 3600.0, 180.0
"""Seconds that a small command, a format, a copy and a daemon may take."""

read_only.script("python3", looking())


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
        """Our program once more, should the machine have been started anew since it was laid ready."""
        there = await context.data("mail", TOOL)
        return (_program(there),) if there != doing().encode() and not context.expects(Tool.name) else ()

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
        return Plan((_program(await context.data("mail", TOOL)),), undo=f"rm {TOOL}")

    async def undo(self, context: StepContext) -> Plan | None:
        there = await context.data("mail", TOOL)
        return Plan((Run("mail", ("rm", "-f", "--", TOOL)),)) if there is not None else None

    def _open(self, survey: DiskReport, target: Target) -> bool:
        disk, folder = survey.volumes[target.name], survey.folders[target.path]
        whole = classify_disk(target, disk).standing == "ours" and self.mounted(survey, target)
        return not whole or folder.proof or disk.copying


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


class Quiet(Looking):
    """Docker writes below these paths."""

    name, words = "stop docker", "stop docker while its folders change"

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while it runs and a volume is not mounted."""
        survey = await self.look(context)
        missing = self.missing(survey)
        if survey.docker.load_state != "loaded":
            return skipped("there is no docker yet")
        if not missing:
            return skipped("every volume is mounted")
        if survey.docker.active_state in ("inactive", "failed"):
            return done("docker does not run")
        return needed(f"docker runs, and {join_words(missing)} {'is' if len(missing) == 1 else 'are'} not mounted yet")

    async def plan(self, context: StepContext) -> Plan:
        """It is asked for by name: mail stops."""
        text = "docker has to be stopped, and all mail with it, until the volumes are mounted. Stop it?"
        choices = {"stop": "stop docker now, and start it again at the end", "not": "leave it running; change nothing"}
        if context.ask(Ask("docker", text, choices)) != "stop":
            raise Refusal("docker was to be left running")
        stop = Run("mail", ("systemctl", "stop", "docker.socket", "docker.service"), DAEMON)
        return Plan((stop,), ("mail stands still from here until docker is started",), undo="start it again")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("mail", ("systemctl", "start", "docker.service"), DAEMON),))


class Order(Looking):
    """Docker on an empty folder would come up as an empty Mailcow."""

    name, words = "docker waits", "start docker only after the mounts"

    def _text(self) -> str:
        paths = [each.path for each in self.found]
        rows = ["[Unit]", f"RequiresMountsFor={' '.join(paths)}", *(f"AssertPathIsMountPoint={path}" for path in paths)]
        return "".join(f"{row}\n" for row in rows)

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the drop-in is as it should be, and systemd has read it."""
        survey = await self.look(context)
        if not survey.docker.load_state:
            return skipped("there is no systemd")
        if await context.text("mail", DROP_IN) != self._text():
            return needed("nothing keeps docker from starting without them")
        if survey.docker.need_daemon_reload == "yes":
            return needed("systemd has not read it yet")
        return done("docker starts only when they are mounted", DROP_IN)

    async def plan(self, context: StepContext) -> Plan:
        folder = Run("mail", ("mkdir", "-p", "--", DROP_IN.rpartition("/")[0]), LOOK)
        write = await context.edit("mail", DROP_IN, self._text())
        edit = () if write.before == write.after else (write,) if write.before is not None else (folder, write)
        note = "until all are mounted docker does not start: go on, or take this back"
        return Plan((*edit, _reload()), (note,), undo=f"remove {DROP_IN}")

    async def undo(self, context: StepContext) -> Plan | None:
        if await context.data("mail", DROP_IN) is None:
            return None
        return Plan((Run("mail", ("rm", "--", DROP_IN), LOOK), _reload()))


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
        reload = [_reload()] if survey.docker.load_state else []
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


class Start(Looking):
    """Docker again, if it belongs to a start of this machine."""

    name, words = "start docker", "start docker on the volumes"

    async def check(self, context: StepContext) -> CheckResult:
        """Needed when it is enabled and does not run."""
        survey = await self.look(context)
        if survey.docker.load_state != "loaded":
            return skipped("there is no docker yet")
        mounted = not self.missing(survey) or context.expects(Mount.name)
        stopped = context.expects(Quiet.name)
        if survey.docker.active_state == "active" and mounted and not stopped:
            return done("docker runs")
        if survey.docker.unit_file_state != "enabled":
            return skipped("docker is not enabled: it is left as it is")
        if not mounted:
            raise NotYetKnown(f"{join_words(self.missing(survey))} is not mounted")
        return needed(
            "docker is enabled and will have been stopped" if stopped else "docker is enabled and does not run"
        )

    async def plan(self, context: StepContext) -> Plan:
        start = Run("mail", ("systemctl", "start", "docker.service"), DAEMON)
        return Plan((start,), undo="stop it again")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("mail", ("systemctl", "stop", "docker.socket", "docker.service"), DAEMON),))


def _program(before: bytes | None) -> Write:
    note = f"assets/disk.py of this cowhand, {doing().count(chr(10))} lines"
    return Write("mail", TOOL, before, doing().encode(), 0o700, summary=note)


def _reload() -> Run:
    return Run("mail", ("systemctl", "daemon-reload"), DAEMON)


def _numbers(rows: Sequence[fstab.Line]) -> list[str]:
    return [str(row.number + 1) for row in rows]


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
