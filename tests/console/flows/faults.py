"""Trouble on purpose: a host that fails at one moment of one action, and stays so until the console starts again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

from console.errors import FileError, NoWayIn, StreamError, TimedOut
from console.events import FlowEvent, StepChanged
from console.hosts.host import ANY, Before, Completed, Host, Stream
from console.hosts.lock import SCRIPT as LOCK
from console.model import Role
from console.runner.read_only import reads
from tests.console.flows.case import Case, Rooted

Fault = Literal["killed", "link", "reboot", "full", "denied", "missing", "hang", "stop", "cut", "orphan"]
Moment = Literal["looking", "before", "during", "after"]

FAULTS: tuple[Fault, ...] = ("killed", "link", "reboot", "full", "denied", "missing", "hang", "stop", "cut", "orphan")
MOMENTS: tuple[Moment, ...] = ("looking", "before", "during", "after")
"""While the step is looked at; before the action has any effect; half-way; when it has all its effect and nobody knows.
"""

SAID = {"full": "No space left on device", "denied": "Permission denied", "missing": "command not found"}


class Trouble:
    """One fault that strikes at the `number`th change of a run, or when the step of that change is looked at."""

    def __init__(self, case: Case, root: Path, fault: Fault, moment: Moment, number: int, step: int) -> None:
        self.case, self.root = case, root
        self.fault, self.moment, self.number, self.step = fault, moment, number, step
        self.struck = self.over = False
        self.victim = ""
        self.orphans: list[Callable[[], None]] = []
        """What lets each command that outlived its link do its work and end."""
        self.stop: Callable[[], None] = lambda: None
        self._count = 0
        self._looking = -1

    @property
    def running(self) -> list[Callable[[], None]]:
        """Those that nobody has ended."""
        return [each for each in self.orphans if getattr(each, "alive", True)]

    def release(self) -> None:
        """Let every command that outlived its link end."""
        while self.orphans:
            self.orphans.pop()()

    def hear(self, event: FlowEvent) -> None:
        """Follow which step is looked at."""
        if isinstance(event, StepChanged):
            self._looking = event.step if event.state == "checking" else -1

    def due(self, changes: bool) -> bool:
        """Whether it strikes now."""
        if self.struck:
            return False
        if changes:
            self._count += 1
            return self.moment != "looking" and self._count == self.number
        return self.moment == "looking" and self._looking == self.step


class Faulty:
    """A host in trouble."""

    def __init__(self, host: Host, trouble: Trouble) -> None:
        self.host, self.trouble = host, trouble
        self.name: str = host.name
        self.role: Role = host.role

    async def open(self) -> None:
        await self.host.open()

    async def resolve(self, name: str) -> tuple[str, ...]:
        self._cut_off()
        return await self.host.resolve(name)

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        trouble = self.trouble
        self._cut_off()
        if not trouble.case.on_demand or not trouble.due(True):
            return await self.host.connect(address, port, timeout)
        trouble.struck, trouble.victim = True, "connect"
        if trouble.moment != "before":
            with suppress(StreamError):  # one that is refused leaves its line in the log all the same
                (await self.host.connect(address, port, timeout)).close()
        if trouble.fault in ("killed", "cut", "reboot", "stop"):
            await self._strike()
        if trouble.fault == "stop":
            return await self.host.connect(address, port, timeout)
        raise NoWayIn(f"the connection to {self.name} was lost: {SAID.get(trouble.fault, trouble.fault)}")

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        self._cut_off()
        return await self.host.connect_unix(path, timeout)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        trouble = self.trouble
        changes = not reads(argv)
        self._cut_off()
        if tuple(argv[:3]) == ("sh", "-c", LOCK):  # neither a look nor a change
            return await self.host.run(argv, timeout, cap)
        if trouble.struck and changes and self._still(argv[0]):
            return self._fails(argv[0])
        if not trouble.due(changes):
            return await self.host.run(argv, timeout, cap)
        trouble.struck, trouble.victim = True, argv[0]
        if trouble.fault == "killed" and trouble.moment == "during":
            os.environ["SLOW"] = "0.3"
            running = asyncio.ensure_future(self.host.run(argv, timeout, cap))
            await asyncio.wait({running}, timeout=0.1)
        elif trouble.fault == "orphan" and trouble.moment in ("before", "during"):
            self._leave(argv)
        elif trouble.moment == "during":
            trouble.case.half(trouble.root, argv)
        elif trouble.moment == "after":
            done = await self.host.run(argv, timeout, cap)
            if trouble.fault == "stop":
                trouble.stop()
                return done
            if trouble.fault == "orphan":
                trouble.orphans.append(self.host.orphan(["true"]))  # type: ignore[attr-defined]
        if trouble.fault == "stop":
            trouble.stop()
            return await self.host.run(argv, timeout, cap)
        await self._strike()
        return self._fails(argv[0])

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        self._cut_off()
        if self.trouble.due(False):
            self.trouble.struck = True
            await self._strike()
            if self.trouble.fault != "stop":
                raise FileError(f"{path} on {self.name} cannot be read: {SAID[self.trouble.fault]}")
        return await self.host.read(path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        trouble = self.trouble
        self._cut_off()
        if trouble.struck and self._still("write"):
            raise FileError(f"{path} on {self.name} was not written: {SAID[trouble.fault]}")
        if not trouble.due(True):
            return await self.host.write(path, data, mode, before)
        trouble.struck, trouble.victim = True, "write"
        if trouble.fault == "orphan":
            if trouble.moment == "after":
                await self.host.write(path, data, mode)
                trouble.orphans.append(self.host.orphan(["true"]))  # type: ignore[attr-defined]
            else:
                trouble.orphans.append(self.host.orphan_write(path, data, mode))  # type: ignore[attr-defined]
        elif trouble.moment == "during":
            draft = getattr(self.host, "at", Path)(path).parent / ".cowhand.half"
            draft.write_bytes(data[: len(data) // 2])
        elif trouble.moment == "after":
            await self.host.write(path, data, mode, before)
        if trouble.fault == "stop":
            trouble.stop()
            return None if trouble.moment == "after" else await self.host.write(path, data, mode, before)
        await self._strike()
        raise FileError(f"{path} on {self.name} was not written: {SAID[trouble.fault]}")

    def forget(self) -> None:
        self.host.forget()

    async def close(self) -> None:
        await self.host.close()

    def _cut_off(self) -> None:
        if self.trouble.struck and not self.trouble.over and self.trouble.fault in ("link", "reboot"):
            raise NoWayIn(f"{self.name} does not answer")

    def _still(self, what: str) -> bool:
        """What lasts: a full disk and a lacking right meet every change, the rest the same command again."""
        if self.trouble.over:
            return False
        fault = self.trouble.fault
        return fault in ("full", "denied") or (fault == "missing" and what == self.trouble.victim)

    async def _strike(self) -> None:
        trouble = self.trouble
        match trouble.fault:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "link" | "orphan":
                raise NoWayIn(f"the connection to {self.name} was lost")
            case "reboot":
                trouble.case.reboot(trouble.root)
                raise NoWayIn(f"the connection to {self.name} was lost")
            case "hang":
                self._hang()
            case "cut":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(1)
            case "stop":
                trouble.stop()

    def _leave(self, argv: Sequence[str]) -> None:
        """The command goes on without us: it has done nothing, half of its work, or all of it, and has not ended."""
        if self.trouble.moment == "during":
            self.trouble.case.half(self.trouble.root, argv)
        begun = {"begun": True} if self.trouble.moment == "during" and isinstance(self.host, Rooted) else {}
        self.trouble.orphans.append(self.host.orphan(argv, **begun))  # type: ignore[attr-defined]

    def _hang(self) -> NoReturn:
        raise TimedOut(f"{self.trouble.victim or 'it'} did not end within its time on {self.name}")

    def _fails(self, name: str) -> Completed:
        status = 127 if self.trouble.fault == "missing" else 1
        return Completed(status, b"", f"{name}: {SAID[self.trouble.fault]}\n".encode())
