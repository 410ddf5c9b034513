"""What the steps of one run share: the folder, the tool, the plan that was shown, and where Incus is asked."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from console.errors import HostError
from console.facts import incus
from console.facts.command import explain
from console.facts.incus import Machine, Machines
from console.flows import Ask, NotYetKnown, Refusal, StepContext
from console.hosts.host import Host
from console.lab.client import LabHost
from console.runner import read_only
from console.text import clean, join_words
from console.tofu import planning, provisioning, tool
from console.tofu.place import Place, folders
from console.tofu.planning import Planned

LOOK = 30.0
"""Seconds the tool may take to say its version."""

CHECK = 120.0
"""Seconds it may take to check its files: each provider is started."""

HERE = "here"

WHICH = read_only.script("sh", "command -v tofu; command -v terraform; :")


class Found(Struct, frozen=True):
    """A folder of OpenTofu files and the program that works on it; without them `why` says what is missing."""

    place: Place | None = None
    tool: str = ""
    version: str = ""
    why: str = ""

    @property
    def folder(self) -> str:
        """The folder, for a command."""
        return str(self.place.folder) if self.place is not None else ""


class Work:
    """Finds and plans; `shown` is the plan that the operator was shown, and that alone is applied."""

    def __init__(self) -> None:
        self.shown: Planned | None = None
        self.fetching = False
        """Whether this run has begun to fetch: what came is not yet a part of the trust."""
        self.applied = False
        """Whether this run has applied a plan: a VM may then just be starting."""

    # ── the folder ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, context: StepContext) -> Found:
        """Find the folder and the tool; raises `Refusal`."""
        return await context.cached("provision: what there is", lambda: self._find(context))

    async def _find(self, context: StepContext) -> Found:
        every = folders(context.estate)
        if not every:
            return Found(why="site.toml names no OpenTofu files")
        place = every[0] if len(every) == 1 else _chosen(context, every)
        there = await _installed(context)
        if not there:
            return Found(why="neither tofu nor terraform is installed on this machine")
        wanted = tool.wanted(place)
        if wanted and wanted not in there:
            raise Refusal(
                f"{clean(str(place.folder), 200)} was made with {wanted}, and here is only {there[0]}: install {wanted}"
            )
        name = wanted or there[0]
        return Found(place, name, await _version(context, name))

    def rehearsed(self, context: StepContext) -> bool:
        """Whether this is the rehearsal estate, where a stand-in is run and nothing of a folder."""
        machine = context.machine(HERE)
        return isinstance(getattr(machine, "host", machine), LabHost)

    def doubt(self, context: StepContext, found: Found) -> str:
        """Why the tool may not run in the folder; "" when it may."""
        if self.rehearsed(context) or found.place is None:
            return ""
        return provisioning.doubt(found.place, site(context), found.tool)

    def keeper(self, context: StepContext, found: Found) -> provisioning.Keeper:
        """Who keeps the trust in the folder."""
        assert found.place is not None
        return provisioning.Keeper(found.place, site(context), found.tool)

    async def ready(self, context: StepContext) -> Found | None:
        """The folder when the tool may run there; None when there is none. Raises `NotYetKnown` or `Refusal`."""
        found = await self.find(context)
        if found.place is None:
            return None
        if why := self.doubt(context, found):
            if context.expects("trust"):
                raise NotYetKnown("OpenTofu runs in a folder only when that is trusted")
            raise Refusal(f"nothing was run: {why}")
        return found

    # ── the plan ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def plan(self, context: StepContext, found: Found) -> Planned:
        """What the tool would change now; one that does the same as what was shown is that very plan."""
        return await context.cached("provision: the plan", lambda: self._plan(context, found))

    async def _plan(self, context: StepContext, found: Found) -> Planned:
        if context.expects("init"):
            raise NotYetKnown("what would change is known when the providers are there")
        made = await planning.make(context.host(HERE, fresh=True), found.tool, found.folder)
        before = self.shown
        kept = before is not None and (self.rehearsed(context) or planning.there(before.file))
        if before is not None and kept and planning.same(before, made):
            planning.drop(made.file)
            return before
        self.forget()
        if context.locks is None:  # a dry run: nothing is going to be applied
            planning.drop(made.file)
        self.shown = None if made.error else made
        return made

    def forget(self) -> None:
        """The plan that was shown is used up, or does not hold any more."""
        if self.shown is not None:
            planning.drop(self.shown.file)
        self.shown = None

    # ── Incus ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def hypervisor(self, context: StepContext) -> str:
        """The host on which Incus is asked: the home server, or this machine, whose client may know it as a remote."""
        return "hypervisor" if context.named("hypervisor") or "hypervisor" in context.missing else HERE

    async def machines(self, context: StepContext) -> Machines:
        """What Incus says of its instances; why nobody can tell is in the result."""
        return await context.cached("provision: incus", lambda: self._machines(context))

    async def _machines(self, context: StepContext) -> Machines:
        try:
            host: Host = context.host(self.hypervisor(context), fresh=True)
        except HostError as error:
            return Machines(error=str(error))
        found = await incus.ask(host)
        wanted = {each.name for each in context.estate.topology.instances}
        if found.error or wanted <= {each.name for each in found.found}:
            return found
        everywhere = await incus.ask(host, everywhere=True)
        return found if everywhere.error else everywhere


def ours(context: StepContext, found: Machines) -> list[Machine]:
    """The instances that the files declare, as far as Incus has them."""
    names = [each.name for each in context.estate.topology.instances]
    return [machine for name in names if (machine := found.instance(name)) is not None]


def site(context: StepContext) -> Path:
    """The folder of the site file, which is what is trusted."""
    return context.estate.file.absolute().parent


def _chosen(context: StepContext, every: tuple[Place, ...]) -> Place:
    known = {str(each.folder): each for each in every}
    text = f"site.toml names OpenTofu files of {len(every)} folders ({join_words([*known])}). Which one?"
    return known[context.ask(Ask("folder", text, dict.fromkeys(known, "plan and apply this one")))]


async def _installed(context: StepContext) -> list[str]:
    """Which of both programs there are here, tofu first."""
    said = await context.host(HERE).run(["sh", "-c", WHICH], LOOK)
    if said.status:
        raise HostError(explain(context.name(HERE), "sh", said))
    names = {line.rpartition("/")[2] for line in said.stdout.decode("utf-8", "replace").split("\n")}
    return [name for name in tool.TOOLS if name in names]


async def _version(context: StepContext, name: str) -> str:
    said = await context.host(HERE).run(tool.version(name), LOOK)
    if said.status:
        raise HostError(tool.said(said.stderr) or explain(context.name(HERE), name, said))
    return tool.told_version(said.stdout) or "of an unknown version"
