"""Timed rollbacks: a host takes its part of a change back by itself unless it is proven in time.

assets/rollback.sh does it on the host, and says how. Here are its commands as planned actions, and what is read of it.
A rollback is named after its flow, step and host: a later run finds what an earlier one armed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

import assets
from console.errors import HostError, TimedOut
from console.facts.command import explain
from console.runner.context import StepContext
from console.runner.plan import Action, Plan, Refusal, Rollback, Run, Write
from console.runner.read_only import script
from console.runner.step import Step
from console.text import count

STORE = "/var/lib/cowhand/rollback"
PROGRAM = f"{STORE}/rollback.sh"

LOOK = 20.0
"""Seconds a host may take to say how a rollback stands."""

ARM = 60.0
"""Seconds arming or disarming may take."""

FIRE = 600.0
"""Seconds the command that takes back may take."""

OFTEN = 0.5
"""Seconds between two looks at what is being taken back."""

SETTLE = 120.0
"""Seconds for which a rollback that is under way is waited for."""

STATE = script("sh", '[ -e "$0" ] || { echo none; exit; }; exec sh "$0" state "$1"')

Word = Literal["none", "armed", "unwatched", "firing", "fired", "failed", "kept"]


class GuardState(Struct, frozen=True):
    """How a rollback stands. `number` is the seconds that are left, or the status with which it failed.

    `after` is the host whose decision it waits for. `unwatched`: armed, and nobody there will fire it."""

    word: Word
    number: int = 0
    after: str = ""

    @property
    def armed(self) -> bool:
        """Whether the change is still to be taken back or kept."""
        return self.word in ("armed", "unwatched")


@lru_cache(maxsize=1)
def program() -> str:
    """The text of the script that is laid on hosts."""
    return (Path(assets.__file__).parent / "rollback.sh").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _ways() -> str:
    return script("sh", f"set -- ways\n{program()}")


def name(flow: str, step: str, host: str) -> str:
    """The name of a rollback: the same in every run."""
    return ".".join(re.sub(r"[^A-Za-z0-9_]+", "-", each).strip("-") or "-" for each in (flow, step, host)).lstrip("-.")


# ── planned ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def arm(name: str, rollback: Rollback) -> Run:
    """The command that arms a rollback."""
    after: tuple[str, ...] = ()
    if rollback.after:
        after = ("after", rollback.after, str(rollback.hold), str(len(rollback.asks)), *rollback.asks)
    return Run(rollback.host, ("sh", PROGRAM, "arm", name, str(rollback.seconds), *after, "--", *rollback.argv), ARM)


def disarm(host: str, name: str) -> Run:
    """The command that keeps the change; it fails when the host takes it back, or has."""
    return Run(host, ("sh", PROGRAM, "disarm", name), ARM)


def fire(host: str, name: str) -> Run:
    """The command that takes the change back at once."""
    return Run(host, ("sh", PROGRAM, "fire", name), FIRE)


async def lay(context: StepContext, host: str) -> tuple[Action, ...]:
    """What brings the script to a host that does not have it; raises `Refusal` where nothing can run it."""
    if await ways(context, host) == ("none",):
        raise Refusal(
            f"{context.name(host)} has neither systemd nor setsid: it could not take this back by itself, so it is "
            "not changed"
        )
    there = await context.data(host, PROGRAM)
    if there == program().encode():
        return ()
    note = f"assets/rollback.sh of this cowhand, {program().count(chr(10))} lines"
    folder = () if there is not None else (Run(host, ("mkdir", "-p", "-m", "0700", "--", STORE)),)
    return (*folder, Write(host, PROGRAM, there, program().encode(), 0o700, summary=note))


async def ways(context: StepContext, host: str) -> tuple[str, ...]:
    """How a watchdog is run on a host (rollback.sh ways); raises `HostError`."""
    done = await context.host(host).run(["sh", "-c", _ways(), PROGRAM], LOOK)
    if done.status:
        raise HostError(explain(context.name(host), "sh", done))
    return tuple(done.stdout.decode("ascii", "replace").split())


async def note(context: StepContext, host: str) -> str:
    """What the operator should know of the watchdog on a host; "" for nothing."""
    if await ways(context, host) != ("process",):
        return ""
    return (
        f"{context.name(host)} has neither systemd, cron nor at: a restart of it forgets the rollback, and the change "
        "stays until cowhand is started again"
    )


# ── read ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def state(context: StepContext, host: str, name: str) -> GuardState:
    """How a rollback stands; raises `HostError`."""
    done = await context.host(host, fresh=True).run(["sh", "-c", STATE, PROGRAM, name], LOOK)
    words = done.stdout.decode("utf-8", "replace").split()
    if done.status or not words or words[0] not in get_args(Word):
        raise HostError(f"how the rollback {name} stands is not known: {explain(context.name(host), 'sh', done)}")
    number = (count(words[1]) or 0) if len(words) > 1 else 0
    return GuardState(words[0], number, words[3] if words[2:3] == ["after"] else "")  # type: ignore[arg-type]


async def settled(context: StepContext, host: str, name: str) -> GuardState:
    """How a rollback stands when nobody is taking it back any more; raises `HostError`, or `TimedOut`."""
    try:
        async with asyncio.timeout(SETTLE):
            while True:
                found = await state(context, host, name)
                if found.word != "firing":
                    return found
                await asyncio.sleep(OFTEN)
    except TimeoutError:
        raise TimedOut(f"{context.name(host)} has been taking this back for {SETTLE:g} s ({name})") from None


class Guards:
    """The rollbacks of one step, on all its guarded hosts."""

    def __init__(self, context: StepContext, flow: str, step: Step) -> None:
        self.context, self.flow, self.step = context, flow, step
        self.states: dict[str, GuardState] = {}
        """Host → how its rollback stood when it was looked at last; hosts that did not answer are missing."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The guarded hosts, as the step calls them."""
        return self.step.guarded

    @property
    def armed(self) -> tuple[str, ...]:
        """The hosts on which one is armed, the one that decides for the others first."""
        armed = [host for host in self.hosts if host in self.states and self.states[host].armed]
        return tuple(sorted(armed, key=lambda host: bool(self.states[host].after)))

    @property
    def decider(self) -> str:
        """The host for whose decision the armed ones wait; "" when it is not known."""
        after = {self.states[host].after for host in self.armed}
        named = [host for host in self.hosts if self._key(host) in after]
        return named[0] if named else next((host for host in self.armed if not self.states[host].after), "")

    @property
    def kept(self) -> bool:
        """Whether the change was proven and decided for, and some hosts were not told yet."""
        state = self.states.get(self.decider)
        return state is not None and state.word == "kept"

    def name(self, host: str) -> str:
        """The name of a host's rollback."""
        return name(self.flow, self.step.name, self._key(host))

    def _key(self, host: str) -> str:
        return self.context.key(host)

    async def look(self, known: bool = True) -> None:
        """Ask every host; raises `HostError` when one does not answer, unless what is `known` is enough."""
        self.states = {}
        for host in self.hosts:
            try:
                self.states[host] = await settled(self.context, host, self.name(host))
            except HostError:
                if known:
                    raise

    async def before(self, plan: Plan) -> tuple[Action, ...]:
        """What is done before the plan's own actions: what an earlier run armed is disarmed, and all are armed."""
        actions: list[Action] = [disarm(host, self.name(host)) for host in self.armed]
        for rollback in plan.rollbacks:
            assert rollback.host in self.hosts, f"{self.step.name}: {rollback.host} is not guarded"
            actions += await lay(self.context, rollback.host)
        return (*actions, *(arm(self.name(each.host), each) for each in plan.rollbacks))

    async def notes(self, plan: Plan) -> tuple[str, ...]:
        """What the operator should know of the watchdogs."""
        found = [await note(self.context, each.host) for each in plan.rollbacks]
        return tuple(each for each in found if each)

    def over(self, rollbacks: Sequence[Rollback]) -> dict[str, tuple[str, str, str]]:
        """Host (by its name in the site file) → what a command of the change is run under there (see marks.py)."""
        hosts = [each.host for each in rollbacks]
        return {self._key(host): (self.context.name(host), PROGRAM, self.name(host)) for host in hosts}
