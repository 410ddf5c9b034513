"""The VM as Incus has it, held against the files: it runs, its volumes are attached, and HAProxy's servers find it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from console.facts.incus import Machine
from console.flows import CheckResult, StepContext, done, skipped, wrong
from console.flows.provision.work import Work, ours
from console.text import join_words

TRIES, PAUSE = 15, 2.0
"""How often a VM that has just been started is asked for its address, and the seconds between."""


async def vm(context: StepContext, work: Work) -> CheckResult:
    """Ask Incus; where nobody can be asked, that is said, and nothing is claimed."""
    wanted = [each.name for each in context.estate.topology.instances]
    machines = await work.machines(context)
    where = context.name(work.hypervisor(context))
    if machines.error:
        return skipped(f"whether the VM runs cannot be told: {machines.error}", _remedy(work.hypervisor(context)))
    if not wanted:
        return skipped("no file says what the VM is called", *(_row(each) for each in machines.found))
    for _ in range(TRIES if work.applied else 0):
        found = ours(context, machines)
        if len(found) < len(wanted) or not any(_late(each) for each in found):
            break
        await asyncio.sleep(PAUSE)
        context.invalidate()
        machines = await work.machines(context)
    found = ours(context, machines)
    rows = tuple(_row(each) for each in found)
    if lacking := [name for name in wanted if machines.instance(name) is None]:
        return wrong(f"Incus on {where} has no {join_words(lacking)}", *rows)
    if stopped := [each for each in found if each.status != "Running"]:
        return wrong(f"{stopped[0].name} is {stopped[0].status}: incus start {stopped[0].name}", *rows)
    attached = {volume for each in found for _, _, volume in each.volumes}
    if loose := [each.name for each in context.estate.topology.volumes if each.device and each.name not in attached]:
        return wrong(f"{join_words(loose)} is declared for the VM, and not attached to it", *rows)
    return _addressed(context, found, rows)


def _late(machine: Machine) -> bool:
    """Whether its address is yet to come: one that is pinned is known, and what no network reaches gets none."""
    return machine.status == "Running" and not machine.has and not machine.addresses and machine.networked is not False


def _addressed(context: StepContext, found: list[Machine], rows: tuple[str, ...]) -> CheckResult:
    """Whether the servers of HAProxy lead to one of these instances."""
    names = join_words([each.name for each in found])
    runs = f"{names} runs, with its volumes" if any(each.volumes for each in found) else f"{names} runs"
    expected = sorted({lane.target.host for lane in context.estate.topology.lanes if lane.target} & _addresses(context))
    has = {address for each in found for address in each.has}
    pinned = {address for each in found for address in each.addresses}
    if not expected:
        return done(f"{runs}; no file says at which address HAProxy expects it", *rows)
    if astray := [address for address in expected if address not in has | pinned]:
        if not has and all(each.networked is False for each in found):
            return wrong(f"HAProxy's servers expect {join_words(astray)}, and {names} has no network device", *rows)
        if not has:
            return done(f"{runs}; Incus does not tell its address, so whether it has {astray[0]} is not known", *rows)
        return wrong(f"HAProxy's servers expect {join_words(astray)}, and {names} has {join_words(sorted(has))}", *rows)
    loose = [address for address in expected if address not in pinned]
    if loose:
        return done(f"{runs}, at {join_words(expected)}; no nic pins {join_words(loose)}, so a new VM may get another",
                    *rows)  # fmt: skip
    return done(f"{runs}, at {join_words(expected)}", *rows)


def _addresses(context: StepContext) -> set[str]:
    """The targets that are addresses, and not loopback."""
    found = set()
    for lane in context.estate.topology.lanes:
        try:
            if lane.target is not None and not ip_address(lane.target.host).is_loopback:
                found.add(lane.target.host)
        except ValueError:
            continue
    return found


def _remedy(host: str) -> str:
    if host == "here":
        return 'name the home server in site.toml with role = "hypervisor", or add it as a remote of incus here'
    return "without it nothing is claimed of the VM"


def _row(machine: Machine) -> str:
    volumes = f", volumes {join_words([volume for _, _, volume in machine.volumes])}" if machine.volumes else ""
    addresses = f", {join_words(list(machine.has))}" if machine.has else ""
    return f"{machine.name}: {machine.status}, {machine.type}{addresses}{volumes}"
