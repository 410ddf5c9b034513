"""A command under way, here or on another machine: what is said to it, and what it leaves."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from console.errors import NoWayIn
from console.hosts.host import Completed, overhear
from console.hosts.marks import unmarked
from console.hosts.programs import program
from console.secret import Secret


class Process(Protocol):
    """A running command with its three pipes."""

    async def read_out(self, limit: int) -> bytes:
        """Return some of its output; b"" at its end."""

    async def read_err(self, limit: int) -> bytes:
        """Return some of its error output; b"" at its end."""

    async def send(self, data: bytes) -> None:
        """Write to its input; nothing happens when it has ended."""

    def end_input(self) -> None:
        """Close its input."""

    async def wait(self) -> int:
        """Return its status, minus the signal's number when one ended it; raises `NoWayIn` when it was lost."""

    async def kill(self) -> None:
        """End it, with its children as far as we may."""


class Dialogue:
    """What is said to a command while it runs.

    When `prompt` appears in its error output, `answer` is sent; when it appears again, the answer was `refused`. When
    `ready` appears, or at once without it, `data` is sent, and the input is closed unless it is to `stay` open. Neither
    prompt nor ready is left in what the command leaves."""

    def __init__(self, data: bytes = b"", ready: bytes = b"", stay: bool = False) -> None:
        self.data, self.ready, self.stay = data, ready, stay
        self.prompt = b""
        self.answer: Secret | None = None
        self.asked = 0
        self.refused = False
        self.begun = asyncio.Event()

    async def open(self, process: Process) -> None:
        """Say what is to be said at the start."""
        if not self.prompt and not self.ready:
            await self._finish(process)

    async def hear(self, process: Process, said: bytearray) -> None:
        """Answer what `said`, the error output so far, asks for, and cut that out of it."""
        if self.prompt and (at := said.find(self.prompt)) >= 0:
            del said[at : at + len(self.prompt)]
            self.asked += 1
            if self.asked > 1 or self.answer is None:
                self.refused = True
                process.end_input()
                return
            await process.send(self.answer.reveal().encode() + b"\n")
            if not self.ready:
                await self._finish(process)
        if self.ready and not self.begun.is_set() and (at := said.find(self.ready)) >= 0:
            del said[at : at + len(self.ready)]
            await self._finish(process)

    async def _finish(self, process: Process) -> None:
        self.begun.set()
        if self.data:
            await process.send(self.data)
        if not self.stay:
            process.end_input()


Execute = Callable[[Sequence[str], Dialogue, float, int], Awaitable[Completed]]
"""Runs an argument list with a dialogue, a time limit (seconds) and a cap (bytes) on one machine."""


def bounded(argv: Sequence[str], seconds: float) -> list[str]:
    """The command with an end of its own, should ours not reach it: OpenSSH takes no signal for root's sessions."""
    return ["timeout", "-s", "KILL", str(math.ceil(seconds) + 2), *argv]


def called(argv: Sequence[str]) -> str:
    """What the operator calls this command: its own name, not sudo's or that of its time limit."""
    rest = list(argv[argv.index("--") + 1 :] if argv[0] == "sudo" and "--" in argv else argv)
    return unmarked(rest[4:] if rest[:3] == ["timeout", "-s", "KILL"] else rest)[0]


def unbounded(done: Completed) -> bool:
    """Whether what was left says that there is no `timeout` on that machine."""
    return done.status in (1, 127) and bool(_NO_TIMEOUT.search(done.stderr))


_NO_TIMEOUT = re.compile(
    rb"^(?:env: .{0,4}timeout.{0,4}: No such file|(?:sudo: )?timeout: command not found)", re.MULTILINE
)


async def attend(process: Process, dialogue: Dialogue, cap: int) -> Completed:
    """Run the dialogue, and return what the command leaves; output beyond `cap` is read and dropped."""
    await dialogue.open(process)
    out, err = await asyncio.gather(_outputs(process, cap), _errors(process, dialogue, cap))
    return Completed(await process.wait(), out, err)


async def _outputs(process: Process, cap: int) -> bytes:
    kept = bytearray()
    while data := await process.read_out(65536):
        kept += data[: cap - len(kept)]
        overhear(data)
    return bytes(kept)


async def _errors(process: Process, dialogue: Dialogue, cap: int) -> bytes:
    kept = bytearray()
    heard = 0
    while data := await process.read_err(65536):
        kept += data
        await dialogue.hear(process, kept)
        if dialogue.begun.is_set():
            overhear(bytes(kept[heard:]))
        del kept[max(cap, 4096) :]
        heard = len(kept) if dialogue.begun.is_set() else 0
    return bytes(kept[:cap])


async def spawn(*argv: str, **more: Any) -> asyncio.subprocess.Process:
    """Start a command in a session of its own; cancelling waits until it has started, then ends it.

    asyncio never returns from a cancellation between fork and connected pipes (CPython 3.11)."""
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*argv, start_new_session=True, **more))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if not starting.cancelled() and starting.exception() is None:
            await LocalProcess(starting.result()).kill()
        raise


class LocalProcess:
    """A command on this machine, in a session of its own, away from the terminal."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, argv: Sequence[str], env: dict[str, str] | None = None) -> LocalProcess:
        """Start `argv`, its program found by `programs.program`, in "/"; raises OSError when it cannot be.

        Not in the working folder, which may be a clone: `python3 -c` imports from there, docker compose reads there."""
        pipe, path = asyncio.subprocess.PIPE, program(argv[0])
        if path is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        return cls(await spawn(path, *argv[1:], stdin=pipe, stdout=pipe, stderr=pipe, env=env, cwd="/"))

    async def read_out(self, limit: int) -> bytes:
        """Return some of its output; b"" at its end."""
        assert self.process.stdout is not None
        return await self.process.stdout.read(limit)

    async def read_err(self, limit: int) -> bytes:
        """Return some of its error output; b"" at its end."""
        assert self.process.stderr is not None
        return await self.process.stderr.read(limit)

    async def send(self, data: bytes) -> None:
        """Write to its input."""
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.write(data)
            await self.process.stdin.drain()

    def end_input(self) -> None:
        """Close its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def wait(self) -> int:
        """Return its status, minus the signal's number when one ended it."""
        return await self.process.wait()

    async def kill(self) -> None:
        """End it with its whole session and close its pipes; one that became root goes on, for we may not end it.

        A pipe that still holds output is closed here: left to the garbage collector, it is closed after the loop."""
        if self.process.returncode is None:
            patience = 1.0
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
                patience = 10.0  # it ends for certain, and the loop must not close before it was told
            for number in range(3):  # asyncio tells of an end only when the pipes are at theirs
                if (pipe := self._transport.get_pipe_transport(number)) is not None:
                    pipe.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), patience)
        with suppress(ProcessLookupError, PermissionError):
            self._transport.close()
        await asyncio.sleep(0)  # the pipes' descriptors are closed by the loop

    @property
    def _transport(self) -> asyncio.SubprocessTransport:
        transport: asyncio.SubprocessTransport = self.process._transport  # type: ignore[attr-defined]  # no public way
        return transport


def lost(host: str) -> NoWayIn:
    """What to raise when a command's machine went away under it."""
    return NoWayIn(f"the connection to {host} was lost")
