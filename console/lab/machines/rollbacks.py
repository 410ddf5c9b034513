"""Stands for assets/rollback.sh on a machine: what is armed is taken back by itself unless it is disarmed in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from console.lab.machines.done import Done

STORE = "/var/lib/cowhand/rollback"
PROGRAM = f"{STORE}/rollback.sh"

PAUSE = 3.0
"""Seconds between two questions what has become of the other host."""

Runner = Callable[[str, tuple[str, ...]], Awaitable[Done]]
"""Runs a command on a machine."""


@dataclass
class Armed:
    """One rollback: what takes back, when, and whom it asks first."""

    machine: str
    back: tuple[str, ...]
    due: float
    state: str = "armed"
    after: str = ""
    hold: int = 0
    asks: tuple[str, ...] = ()
    watchdog: asyncio.Task[None] | None = None


async def _nothing(machine: str, argv: tuple[str, ...]) -> Done:
    return Done(127, "", f"{argv[0]}: command not found\n")


class Rollbacks:
    """All that is armed, by machine and name."""

    def __init__(self) -> None:
        self.run_there: Runner = _nothing
        """Set by what knows the commands of the machines."""
        self.known: dict[tuple[str, str], Armed] = {}

    async def answer(self, machine: str, argv: tuple[str, ...], laid: bool) -> Done | None:
        """Answer a command that is about rollbacks; None when it is another one. `laid`: the script is there."""
        if argv[:2] == ("sh", "-c") and argv[3:4] == (PROGRAM,):
            if len(argv) == 4:
                return Done(0, "systemd\n")
            return Done(0, f"{self._state(machine, argv[4])}\n")
        if argv[:2] != ("sh", PROGRAM):
            return None
        if not laid:
            return Done(2, "", f"sh: 0: cannot open {PROGRAM}: No such file\n")
        verb, name, *words = argv[2:]
        match verb:
            case "arm":
                return self._arm(machine, name, words)
            case "disarm":
                return self._disarm(machine, name)
            case "fire":
                return await self._fire(machine, name)
        return Done(2, "", "a verb: arm, under, disarm, state, fire, wait, once, resume or ways\n")

    def _state(self, machine: str, name: str) -> str:
        found = self.known.get((machine, name))
        if found is None:
            return "none"
        if found.state != "armed":
            return found.state
        after = f" after {found.after}" if found.after else ""
        return f"armed {max(0, round(found.due - time.monotonic()))}{after}"

    def _arm(self, machine: str, name: str, words: Sequence[str]) -> Done:
        had = self.known.get((machine, name))
        if had is not None and had.state in ("armed", "firing"):
            return Done(3, "", f"{name} is armed already\n")
        seconds, *rest = words
        at = rest.index("--")
        made = Armed(machine, tuple(rest[at + 1 :]), time.monotonic() + int(seconds))
        if rest[0] == "after":
            made.after, made.hold, made.asks = rest[1], int(rest[2]), tuple(rest[4:at])
        self.known[machine, name] = made
        made.watchdog = asyncio.create_task(self._watch(made))
        return Done(0)

    def _disarm(self, machine: str, name: str) -> Done:
        found = self.known.get((machine, name))
        if found is None:
            return Done(3, "", f"{name} is not armed\n")
        if found.state in ("armed", "kept"):
            self._settle(found, "kept")
            return Done(0)
        return Done(4, "", f"{name} was not disarmed: it was taken back\n")

    async def _fire(self, machine: str, name: str) -> Done:
        found = self.known.get((machine, name))
        if found is None or found.state == "kept":
            return Done(3, "", f"{name} is not armed: nothing was taken back\n")
        if found.state != "fired":
            self._settle(found, "firing")
            done = await self._take(found)
            if done.status:
                return Done(1, "", f"{done.stderr}taking back {name} failed\n")
        return Done(0)

    def _settle(self, found: Armed, state: str) -> None:
        found.state = state
        if found.watchdog is not None:
            found.watchdog.cancel()
            found.watchdog = None

    async def _take(self, found: Armed) -> Done:
        done = await self.run_there(found.machine, found.back)
        found.state = "fired" if done.status == 0 else f"failed {done.status}"
        return done

    async def _watch(self, found: Armed) -> None:
        await asyncio.sleep(max(0.0, found.due - time.monotonic()))
        since = 0.0
        while found.asks:
            said = (await self.run_there(found.machine, found.asks)).status
            now = time.monotonic()
            since = (since or now) if said == 0 else 0.0
            if said == 1:
                break
            if since and now - since >= found.hold:
                found.state = "kept"
                return
            await asyncio.sleep(PAUSE)
        found.state = "firing"
        await self._take(found)

    def close(self) -> None:
        """End every watchdog."""
        for each in self.known.values():
            if each.watchdog is not None:
                each.watchdog.cancel()
