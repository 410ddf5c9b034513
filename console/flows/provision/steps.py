"""Have OpenTofu or Terraform make the VM and its volumes, by exactly the plan that was shown.

What destroys or replaces anything that holds data wants its name typed. Without the program or its files the VM is
taken as it is."""

from __future__ import annotations

import hashlib

from console.errors import HostError
from console.flows import (
    Ask,
    Call,
    Change,
    CheckResult,
    Flow,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    done,
    needed,
    refused,
    skipped,
)
from console.flows.provision import looking
from console.flows.provision.losing import INSTANCES, losses, notes, touched
from console.flows.provision.meter import Listener, Meter, told
from console.flows.provision.work import CHECK, HERE, Found, Work, ours, site
from console.runner.executor import Failed
from console.text import clean, join_words
from console.tofu import provisioning, tool, tree
from console.tofu.planning import Planned
from console.tofu.show import Change as Planning

FETCH, APPLY, SNAPSHOT = 900.0, 2 * 3600.0, 900.0
"""Seconds that fetching providers, an apply and a snapshot may take."""

SURVIVE = (
    'trap "" PIPE; trap : INT; { "$@" 2>&1; echo $? >"$0.status"; } | tee -i -- "$0"; exit "$(cat -- "$0.status")"'
)
"""Runs a command to its end though nobody reads its output any more: an apply that ends half-way may forget what it has
made. `tee` ignores the interrupt, so that the end of an apply that is stopped in good order is heard too."""


class Working(Step):
    """A step that works on what the others have found."""

    patience = 900.0

    def __init__(self, work: Work) -> None:
        self.work = work

    async def none(self, context: StepContext) -> CheckResult:
        """What a step says where there is nothing for OpenTofu to do."""
        found = await self.work.find(context)
        return skipped(f"{found.why}: nothing is planned")

    async def planned(self, context: StepContext, found: Found) -> Planned:
        """The plan; raises `Refusal` for what a person must decide, and `HostError` for what can be tried again."""
        made = await self.work.plan(context, found)
        if made.moved:
            raise Refusal(
                f"the settings of its backend have changed: decide whether its state is moved "
                f"({found.tool} init -migrate-state) or not (-reconfigure), and start again: {made.unprepared}"
            )
        if made.error:
            raise HostError(f"{found.tool} made no plan: {made.error}")
        return made


class Find(Working):
    """The folder, and the program for it."""

    name, words = "folder", "find the OpenTofu files and the program for them"

    async def check(self, context: StepContext) -> CheckResult:
        """It only looks."""
        found = await self.work.find(context)
        if found.place is None:
            return skipped(f"{found.why}: nothing is planned, and the VM is taken as it is")
        kept = "a local file" if found.place.file is not None else f'the backend "{found.place.backend}"'
        return done(f"{found.tool} {found.version} in {clean(found.folder, 200)}", f"its state is kept by {kept}")


class Trust(Working):
    """Nothing of a folder runs before the operator has said so."""

    name, words = "trust", "let it run what the folder names"

    async def check(self, context: StepContext) -> CheckResult:
        """Done while nothing that decides what runs has changed since the operator's yes."""
        found = await self.work.find(context)
        if found.place is None:
            return await self.none(context)
        if self.work.rehearsed(context):
            return skipped("the rehearsal estate has a stand-in for it, and runs nothing of a folder")
        if why := self.work.doubt(context, found):
            return needed(why)
        return done("this folder is trusted, as its files are now")

    async def plan(self, context: StepContext) -> Plan:
        """What would run is listed; the yes is asked for by its name, and kept for these very files."""
        found = await self.work.find(context)
        assert found.place is not None
        use = provisioning.use(found.place, site(context), found.tool)
        if use.refused:
            raise Refusal(use.refused)
        rows = tuple(f"runs: {each}" for each in use.executes)
        text = f"{use.name} runs {join_words(list(use.executes[:3]))}. Let it?"
        choices = {"yes": "yes: I know what these files do", "no": "no: run nothing of this folder"}
        if context.ask(Ask("trust", text, choices)) != "yes":
            raise Refusal("the folder was not to be trusted: nothing of it was run")
        context.offer(provisioning.TRUST, self.work.keeper(context, found))
        call = Call(HERE, provisioning.TRUST, "keep", found.folder)
        return Plan((call,), rows, undo=f"cowhand trust --revoke {clean(str(site(context)), 200)}")


class Init(Working):
    """Providers and modules; the files are checked by the way."""

    name, words = "init", "fetch the providers and modules that the files name"

    async def check(self, context: StepContext) -> CheckResult:
        """The tool itself says whether anything is missing, or wrong with the files."""
        if await self._half(context):
            return needed("what was fetched is not yet a part of the trust")
        found = await self.work.ready(context)
        if found is None or found.place is None:
            return await self.none(context)
        place = found.place
        if place.file is None and not place.initialised:
            return needed(f'the backend "{place.backend}" is not prepared')
        said = await context.host(HERE).run(tool.validate(found.tool, found.folder), CHECK, 4 << 20)
        try:
            told = tool.validated(said.stdout)
        except ValueError as error:
            raise HostError(f"{found.tool}: {tool.said(said.stderr) or error}") from None
        if told.errors:
            return refused("; ".join(told.errors[:3]), *told.errors)
        if told.unprepared:
            return needed(told.unprepared)
        return done("the files are valid, and what they need is there")

    async def plan(self, context: StepContext) -> Plan:
        """Fetch; and take in what has come, so that the trust is for that too."""
        half = self.work.fetching and await self._half(context)
        found = await (self.work.find(context) if half else self.work.ready(context))
        assert found is not None
        assert found.place is not None
        fetch = Run(HERE, tool.init(found.tool, found.folder), FETCH, progress=Listener(), signal="INT")
        if self.work.rehearsed(context):
            return Plan((fetch,), undo="nothing is changed but the folder's own .terraform")
        context.offer(provisioning.TRUST, self.work.keeper(context, found))
        notes = ("what it fetches is then trusted as it is, and nothing else that has changed meanwhile",)
        follow = Call(HERE, provisioning.TRUST, "follow", found.folder)
        return Plan((fetch, follow), notes, undo=f"remove {clean(str(found.place.data), 200)}")

    async def apply(self, change: Change, plan: Plan) -> None:
        """In its own words when it fails."""
        self.work.fetching = True
        for action in plan.actions:
            try:
                await change.do(action)
            except Failed:
                listener = action.progress if isinstance(action, Run) else None
                if isinstance(listener, Listener) and listener.error:
                    raise Failed(listener.error) from None
                raise
        self.work.fetching = False

    async def _half(self, context: StepContext) -> bool:
        """Whether `init` has fetched, and that was not taken in: nothing else has changed."""
        found = await self.work.find(context)
        if found.place is None or self.work.rehearsed(context):
            return False
        return bool(self.work.doubt(context, found)) and self.work.keeper(context, found).brought()


class Snapshot(Working):
    """Offered when an instance that is there will be changed."""

    name, words = "snapshot", "keep the VM as it is now in a snapshot"

    async def check(self, context: StepContext) -> CheckResult:
        """Skipped when nothing that exists is changed; the operator may do without."""
        found = await self.work.ready(context)
        if found is None:
            return await self.none(context)
        made = await self.planned(context, found)
        names = [name for name in touched(made.shown.changes) if name]
        if not names:
            return skipped("no VM that is there is changed in place")
        machines = await self.work.machines(context)
        if machines.error:
            return self._without(context, machines.error)
        there = [machine for name in names if (machine := machines.instance(name)) is not None]
        if not there:
            return skipped(f"Incus has no {join_words(names)}")
        name = _snapshot(made.shown.changes)
        if all(name in machine.snapshots for machine in there):
            return done(f"{join_words([each.name for each in there])} has the snapshot {name}")
        text = f"Take a snapshot of {join_words([each.name for each in there])} before the change?"
        choices = {"take": "take it: its root disk and settings", "leave": "go on without"}
        if context.ask(Ask("snapshot", text, choices, default="take")) != "take":
            return skipped("no snapshot was wanted")
        return needed(f"{join_words([each.name for each in there])} will be changed, and has no snapshot of now")

    def _without(self, context: StepContext, why: str) -> CheckResult:
        """Nothing is changed without a snapshot but by the operator's word."""
        if self.work.hypervisor(context) != HERE or "not found" not in why:
            if context.answers.get("snapshot") == "leave":
                return skipped("no snapshot was wanted")
            raise HostError(f"{why}; --answer snapshot=leave goes on without a snapshot")
        text = f"No snapshot can be taken ({why}). Change the VM without one?"
        context.ask(Ask("snapshot", text, {"leave": "go on without"}))
        return skipped("no snapshot can be taken, and none was wanted")

    async def plan(self, context: StepContext) -> Plan:
        """One for each VM that has none of this change."""
        found = await self.work.ready(context)
        assert found is not None
        made = await self.planned(context, found)
        machines, name = await self.work.machines(context), _snapshot(made.shown.changes)
        where, actions = self.work.hypervisor(context), []
        for each in touched(made.shown.changes):
            machine = machines.instance(each)
            if machine is not None and name not in machine.snapshots:
                inside = ("--project", machine.project) if machine.project != "default" else ()
                take = ("incus", "snapshot", "create", machine.name, name, *inside)
                back = ("incus", "snapshot", "delete", machine.name, name, *inside)
                actions.append(Run(where, take, SNAPSHOT, undo=back))
        notes = (
            "it holds the root disk and the settings; attached volumes are not in it",
            f"incus snapshot restore NAME {name} brings that back",
        )
        return Plan(tuple(actions), notes, undo=f"incus snapshot delete NAME {name}")


class Apply(Working):
    """Exactly the plan that was shown."""

    name, words = "apply", "make what the files say"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when a fresh plan changes nothing."""
        found = await self.work.ready(context)
        if found is None:
            return await self.none(context)
        made = await self.planned(context, found)
        moved = tree.lines(made.shown.drift)
        rows = ("changed outside of it since its last run:", *moved) if moved else ()
        if not tree.changing(made.shown.changes):
            self.work.forget()
            return done("a fresh plan changes nothing", *rows)
        return needed(tree.summary(made.shown.changes), *rows)

    async def plan(self, context: StepContext) -> Plan:
        """The tree of the changes, and what of them is lost for good."""
        found = await self.work.ready(context)
        assert found is not None
        made = await self.planned(context, found)
        changes = made.shown.changes
        words = ("sh", "-c", SURVIVE, f"{made.file}.log", *tool.apply(found.tool, found.folder, made.file))
        meter = Meter(sum(2 if each.action == "replace" else 1 for each in tree.changing(changes)))
        rows = "".join(f"{line}\n" for line in tree.lines(changes))
        run = Run(HERE, words, APPLY, progress=meter, signal="INT", diff=rows, tells=told)
        actions: tuple[Run | Call, ...] = (run,)
        if not self.work.rehearsed(context) and (keeper := self.work.keeper(context, found)).writes():
            context.offer(provisioning.TRUST, keeper)
            actions += (Call(HERE, provisioning.TRUST, "wrote", found.folder),)
        machines = await self.work.machines(context)
        return Plan(actions, notes(changes, machines), losses(changes), undo="change the files back, and start again")

    async def apply(self, change: Change, plan: Plan) -> None:
        """Said in its own words when it fails; that plan is then used up."""
        for action in plan.actions:
            try:
                await change.do(action)
            except Failed:
                meter = action.progress if isinstance(action, Run) else None
                if isinstance(meter, Meter) and meter.errors:
                    raise Failed("; ".join(dict.fromkeys(meter.errors[:3]))) from None
                raise
            finally:
                self.work.forget()
                self.work.applied = True


class Vm(Working):
    """Incus itself is asked, not the status of a command."""

    name, words = "vm", "see that the VM runs, with its volumes and its address"

    async def check(self, context: StepContext) -> CheckResult:
        """It only looks."""
        if context.expects("apply"):
            raise NotYetKnown("it is looked at when it is made")
        return await looking.vm(context, self.work)


def _snapshot(changes: tuple[Planning, ...]) -> str:
    """The name of a snapshot before these changes: the same as long as those of the instances are."""
    theirs = tree.lines([each for each in changes if each.action == "update" and each.type in INSTANCES])
    return f"cowhand-{hashlib.sha256(chr(10).join(theirs).encode()).hexdigest()[:10]}"


def _steps(context: StepContext) -> list[Step]:
    work = Work()
    return [Find(work), Trust(work), Init(work), Snapshot(work), Apply(work), Vm(work)]


async def _standing(context: StepContext) -> CheckResult:
    """By a few reads: no plan is made, for that runs what the folder names and may take minutes."""
    work = Work()
    found = await work.find(context)
    machines = await work.machines(context)
    wanted = [each.name for each in context.estate.topology.instances]
    there = ours(context, machines)
    if found.place is None:
        return skipped(f"{found.why}: nothing is planned")
    if why := work.doubt(context, found):
        return needed(why)
    if machines.error:
        return needed(f"whether the VM is there cannot be told: {machines.error}")
    if len(there) < len(wanted):
        lacking = [name for name in wanted if machines.instance(name) is None]
        return needed(f"Incus has no {join_words(lacking)}")
    return done(
        f"{join_words([f'{each.name} is {each.status}' for each in there])}; files and VM are compared by a run"
    )


FLOW = Flow(_steps, standing=_standing)
