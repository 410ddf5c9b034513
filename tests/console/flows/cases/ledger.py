"""A small honest flow with one of everything: a command, a loss, data to keep, a file edited, a guarded change."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from console.errors import FileError
from console.facts.command import explain
from console.flows import CheckResult, Flow, Loss, Plan, Rollback, Run, Step, StepContext, done, needed, refused
from console.hosts.host import Host
from console.model import Role
from tests.console.flows import rollbacks
from tests.console.flows.case import Case, Rooted, tree

LOOK = 10.0

TOOLS = {
    "mkdisk": """\
printf 'LABEL ledger\\n' > "$1"
sleep "${SLOW:-0}"
printf 'END\\n' >> "$1"
echo formatted >> "$ROOT/log/once"
""",
    "fill": """\
cp "$1" "$1.new"
sleep "${SLOW:-0}"
echo mail >> "$1.new"
mv "$1.new" "$1"
echo filled >> "$ROOT/log/once"
""",
}


class Shelf(Step):
    """A step on the shelf: paths are below the folder of the site file."""

    def __init__(self, context: StepContext) -> None:
        self.root = context.estate.file.parent

    def at(self, path: str) -> str:
        return str(self.root / path)


class Folder(Shelf):
    name, words = "folder", "make the folder"

    async def check(self, context: StepContext) -> CheckResult:
        said = await context.host("mail").run(["stat", "-c", "%a", "--", self.at("data/shelf")], LOOK)
        if said.status and b"No such file" not in said.stderr:
            raise FileError(explain(self.name, "stat", said))
        return done("it is there") if said.stdout == b"750\n" else needed("it is not there, or open to others")

    async def plan(self, context: StepContext) -> Plan:
        script = 'mkdir -p -- "$1" && chmod 750 -- "$1"'
        return Plan((Run("mail", ("sh", "-c", script, "sh", self.at("data/shelf"))),), undo="remove it")


class Format(Shelf):
    name, words = "format", "make the ledger"

    async def check(self, context: StepContext) -> CheckResult:
        text = await context.text("mail", self.at("data/shelf/disk"))
        if not text:
            return needed("the disk is blank")
        if not text.startswith("LABEL ledger\n"):
            return refused("something else is on the disk")
        return done("the ledger is whole") if "END\n" in text else needed("the ledger was begun and not ended")

    async def plan(self, context: StepContext) -> Plan:
        disk = self.at("data/shelf/disk")
        return Plan((Run("mail", ("mkdisk", disk)),), loses=(Loss("shelf", "what is on the disk is lost"),))


class Fill(Shelf):
    name, words = "fill", "put the mail in"

    async def check(self, context: StepContext) -> CheckResult:
        text = await context.text("mail", self.at("data/shelf/disk")) or ""
        return done("the mail is in") if "mail\n" in text else needed("there is no mail")

    async def plan(self, context: StepContext) -> Plan:
        return Plan((Run("mail", ("fill", self.at("data/shelf/disk"))),))


class Configure(Shelf):
    name, words = "configure", "name the disk in the configuration"

    async def check(self, context: StepContext) -> CheckResult:
        text = await context.text("mail", self.at("etc/app.conf")) or ""
        return done("it is named") if "disk = shelf\n" in text else needed("it is not named")

    async def plan(self, context: StepContext) -> Plan:
        path = self.at("etc/app.conf")
        text = await context.text("mail", path) or ""
        return Plan((await context.edit("mail", path, text + "disk = shelf\n"),), undo=f"{path}.previous is kept")


class Way(Shelf):
    name, words, guarded = "way", "take the new way", ("mail",)

    async def check(self, context: StepContext) -> CheckResult:
        text = await context.text("mail", self.at("etc/way"))
        return done("the new way") if text == "new\n" else needed("the old way")

    async def plan(self, context: StepContext) -> Plan:
        back = Rollback("mail", ("sh", "-c", 'echo old > "$1"', "sh", self.at("etc/way")))
        return Plan((await context.edit("mail", self.at("etc/way"), "new\n"),), rollbacks=(back,))


STEPS = (Folder, Format, Fill, Configure, Way)


def build(root: Path) -> None:
    for name in ("bin", "data", "etc", "log"):
        (root / name).mkdir()
    rollbacks.lay(root)
    for name, text in TOOLS.items():
        tool = root / "bin" / name
        tool.write_text(f"#!/bin/sh\nset -eu\nROOT='{root}'\n{text}")
        tool.chmod(0o755)
    (root / "etc" / "app.conf").write_text("# mine\na = 1\n")
    (root / "etc" / "app.conf").chmod(0o640)
    (root / "etc" / "way").write_text("old\n")
    (root / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n')


def hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Rooted(root)}


def holds(root: Path, step: str) -> bool:
    disk = root / "data" / "shelf" / "disk"
    text = disk.read_text() if disk.exists() else ""
    match step:
        case "folder":
            return disk.parent.is_dir() and stat.S_IMODE(disk.parent.stat().st_mode) == 0o750
        case "format":
            return text.startswith("LABEL ledger\nEND\n")
        case "fill":
            return text.endswith("END\nmail\n")
        case "configure":
            return (root / "etc" / "app.conf").read_text() == "# mine\na = 1\ndisk = shelf\n"
        case _:
            return (root / "etc" / "way").read_text() == "new\n"


def end(root: Path) -> object:
    return tree(root, "data", "etc")


def once(root: Path) -> dict[str, int]:
    log = root / "log" / "once"
    lines = log.read_text().split() if log.exists() else []
    return {word: lines.count(word) for word in ("formatted", "filled")}


def half(root: Path, argv: Sequence[str]) -> None:
    disk = root / "data" / "shelf" / "disk"
    match Path(argv[0]).name:
        case "sh":
            disk.parent.mkdir(exist_ok=True)
        case "mkdisk":
            disk.write_text("LABEL ledger\n")
        case "fill":
            (disk.parent / "disk.new").write_bytes(disk.read_bytes())


CASE = Case(
    Flow(lambda context: [step(context) for step in STEPS], "ledger", "a flow with one of everything"),
    build, hosts, holds, end, once, half, rollbacks.reboot, rollbacks.armed,
    rollbacks.fire, destroy=("shelf",),
)  # fmt: skip
