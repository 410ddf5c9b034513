"""The lab from outside: starting, joining, breaking and ending it, and its machines as hosts. Light: no lab inside."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

import console
from console.errors import (
    Changed,
    FileError,
    HostError,
    LabError,
    Missing,
    NoWayIn,
    Refused,
    TimedOut,
    Unreachable,
    Unresolved,
)
from console.hosts.files import sum_of
from console.hosts.host import ANY, Before, Completed
from console.hosts.local import SocketStream
from console.lab import place
from console.lab.daemons.messages import (
    FORMAT,
    Ask,
    Break,
    Down,
    Heal,
    Open,
    Read,
    Reply,
    Request,
    Resolve,
    Run,
    State,
    Unix,
    Write,
    line,
    read_reply,
)
from console.lab.network.addresses import ROLES
from console.model import Role

START = 15.0
"""Seconds a lab may take to come up, on a machine that is busy."""

ANSWER = 10.0
"""Seconds a lab that is up may take to answer."""

GRACE = 1.0
"""Seconds beyond the asked-for time limit until the lab itself counts as silent."""


_UNBORN = "the lab did not come up; to see why, run: {} -m console.lab serve --name {}"


class LabStream(SocketStream):
    """A stream through the lab, with the addresses it has there."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> None:
        super().__init__(reader, writer)
        self._local, self._peer = reply.local, reply.peer

    @property
    def local(self) -> tuple[str, int] | None:
        """The address this stream leaves its machine with."""
        return self._local

    @property
    def peer(self) -> tuple[str, int] | None:
        """The address it was opened to."""
        return self._peer


class LabHost:
    """A machine of the lab of that name."""

    def __init__(self, name: str, role: Role, lab: str) -> None:
        self.name, self.role, self.lab = name, role, lab

    async def open(self) -> None:
        """The lab was waited for when it was started."""

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name as this machine sees them, IPv4 first."""
        return (await self._ask(Resolve(self.name, name), ANSWER)).addresses

    async def connect(self, address: str, port: int, timeout: float) -> LabStream:
        """Open a TCP stream from this machine."""
        return await self._stream(Open(self.name, (address, port), timeout), timeout)

    async def connect_unix(self, path: str, timeout: float) -> LabStream:
        """Open a stream to a UNIX socket of this machine."""
        return await self._stream(Unix(self.name, path), timeout)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run one of the few commands this machine knows; any other is status 127."""
        reply = await self._ask(Run(self.name, tuple(argv)), timeout)
        return Completed(reply.status, reply.stdout[:cap], reply.stderr[:cap])

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Return one of the few files this machine has; raises `Missing` for any other."""
        data = (await self._ask(Read(self.name, path), ANSWER)).stdout
        if len(data) > cap:
            raise FileError(f"{path} on {self.name} is larger than {cap} bytes")
        return data

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Replace a file, where this machine has a folder for it."""
        await self._ask(Write(self.name, path, data, mode, sum_of(before)), ANSWER)

    def forget(self) -> None:
        """Nothing is remembered."""

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _ask(self, request: Request, timeout: float) -> Reply:
        _, writer, reply = await self._converse(request, timeout)
        writer.transport.abort()
        return reply

    async def _stream(self, request: Request, timeout: float) -> LabStream:
        return LabStream(*await self._converse(request, timeout))

    async def _converse(
        self, request: Request, timeout: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Reply]:
        writer = None
        try:
            async with asyncio.timeout(timeout + GRACE):
                reader, writer = await asyncio.open_unix_connection(place.address(self.lab))
                if not place.ours(writer.get_extra_info("socket")):
                    raise NoWayIn(f"the name {self.lab} is taken by another user's process")
                writer.write(line(request))
                await writer.drain()
                reply = read_reply(await reader.readuntil(b"\n"))
            _raise(reply)
        except BaseException as error:
            if writer is not None:
                writer.transport.abort()
            if isinstance(error, TimeoutError):
                raise TimedOut(f"the lab did not answer within {timeout:g} s") from None
            if isinstance(error, (OSError, EOFError, asyncio.LimitOverrunError, msgspec.MsgspecError)):
                raise NoWayIn("the lab is not running any more") from None
            raise
        return reader, writer, reply


def _raise(reply: Reply) -> None:
    kinds: dict[str, type[HostError]] = {
        "missing": Missing,
        "changed": Changed,
        "denied": FileError,
        "refused": Refused,
        "timeout": TimedOut,
        "unreachable": Unreachable,
        "unresolved": Unresolved,
    }
    if reply.error:
        raise kinds.get(reply.error, NoWayIn)(reply.detail)


class Lab:
    """A lab that runs; `private` ones end with this process, or with `close`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes] | None = None, lifeline: int | None = None) -> None:
        self.name, self.process, self.lifeline = name, process, lifeline

    @classmethod
    def find_running(cls) -> Lab | None:
        """This user's public lab, if there is one; raises `LabError` when another user sits on its name."""
        there = place.connect(place.well_known(), ANSWER)
        if there is None:
            return None
        there.close()
        return cls(place.well_known())

    @classmethod
    def start_private(cls, seed: bool = False, empty: bool = False) -> Lab:
        """Start a lab of our own and return at once: what is asked of it waits until it is up.

        It hangs on a pipe: when this process ends, in whatever way, the lab ends."""
        name = place.unlisted()
        end, lifeline = os.pipe()
        claimed = place.Place(name)
        try:
            process = _spawn(claimed, ("--lifeline", str(end), *_options(seed, empty)), (end,))
        finally:
            claimed.close()
            os.close(end)
        return cls(name, process, lifeline)

    def wait(self, timeout: float = START) -> State:
        """Wait until it answers; raises `LabError` when it does not, or died on its way up."""
        try:
            return _state(self._ask(Ask(), timeout))
        except LabError as error:
            if self.process is None or self.process.poll() is None:
                raise
            raise LabError(_UNBORN.format(sys.executable, self.name)) from error

    def status(self) -> dict[str, object]:
        """How it is: running, name, pid, since, faults, lanes."""
        state = self.wait(ANSWER)
        return {
            "running": True,
            "name": state.name,
            "pid": state.pid,
            "since": state.since,
            "faults": list(state.faults),
            "lanes": list(state.lanes),
            "mishaps": list(state.mishaps),
        }

    def break_(self, fault: str) -> list[str]:
        """Break something; returns what is broken now; raises `LabError` that names the faults there are."""
        return list(_state(self._ask(Break(fault), START)).faults)

    def heal(self, fault: str | None = None) -> list[str]:
        """Heal one fault, or all; returns what is still broken."""
        return list(_state(self._ask(Heal(fault), START)).faults)

    def down(self) -> None:
        """End it, and return when its name is free again."""
        with suppress(LabError):
            self._ask(Down(), ANSWER)
        until = time.monotonic() + ANSWER
        while (there := place.connect(self.name, ANSWER)) is not None:
            there.close()
            if time.monotonic() > until:
                raise LabError("the lab did not end; it is still listening")
            time.sleep(0.02)
        self.close()

    def hosts(self) -> dict[Role, LabHost]:
        """Its machines, by role."""
        return {role: LabHost(name, role, self.name) for name, role in ROLES.items()}

    def close(self) -> None:
        """End a private lab; a public one runs on."""
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None
        if self.process is not None:
            try:
                self.process.wait(ANSWER)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _ask(self, request: Request, timeout: float) -> Reply:
        reply = _exchange(self.name, request, timeout)
        if reply is None:
            raise LabError("the lab is not running; start one with: cowhand lab up")
        if reply.error:
            raise LabError(reply.detail)
        return reply


def _options(seed: bool, empty: bool) -> tuple[str, ...]:
    return (*(("--seed",) if seed else ()), *(("--empty",) if empty else ()))


def up(seed: bool = False, empty: bool = False) -> str:
    """Start this user's public lab in the background; returns, in a sentence, when it is ready, or was already.

    `seed`: half-way; `empty`: the VM is as OpenTofu made it."""
    name = place.well_known()
    try:
        claimed = place.Place(name)
    except FileExistsError:
        Lab(name).wait()
        other = "half-way" if seed else "empty" if empty else ""
        return "the lab is up already" + (f"; to start it {other}, end it first: cowhand lab down" if other else "")
    try:
        _spawn(claimed, ("--detach", *_options(seed, empty)), ()).wait()
    finally:
        claimed.close()
    try:
        state = Lab(name).wait()
    except LabError as error:
        raise LabError(_UNBORN.format(sys.executable, name)) from error
    return f"the lab is up, {len(state.lanes)} lanes; end it with: cowhand lab down"


def faults() -> list[dict[str, str]]:
    """Every fault as data: fault, words, finding, hop, outcome."""
    from console.lab.faults import listing

    return listing()


def unswept_faults() -> list[dict[str, str]]:
    """What no sweep looks at, as data: fault, finding ("" for none), words."""
    from console.lab.faults import UNSWEPT_FAULTS

    return [{"fault": fault.id, "finding": fault.finding, "words": fault.words} for fault in UNSWEPT_FAULTS.values()]


def hosts(name: str) -> dict[Role, LabHost]:
    """The machines of the lab of that name, by role."""
    return Lab(name).hosts()


def _spawn(claimed: place.Place, arguments: tuple[str, ...], fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    listening, *locks = claimed.fds
    return subprocess.Popen(
        [sys.executable, "-m", "console.lab", "serve", "--name", claimed.name, "--listen", str(listening), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # `-m` looks beside the current folder first: this one holds the very package that is running
        cwd=Path(console.__file__).parent.parent,
        pass_fds=(listening, *locks, *fds),
        start_new_session=True,
    )


def _exchange(name: str, request: Request, timeout: float) -> Reply | None:
    there = place.connect(name, timeout)
    if there is None:
        return None
    with there:
        try:
            there.sendall(line(request))
            answer = bytearray()
            while not answer.endswith(b"\n"):
                part = there.recv(65536)
                if not part:
                    raise LabError("the lab ended before it answered")
                answer += part
            return read_reply(bytes(answer))
        except TimeoutError:
            raise LabError(f"the lab did not answer within {timeout:g} s") from None
        except (OSError, msgspec.MsgspecError):
            raise LabError("the lab ended before it answered") from None


def _state(reply: Reply) -> State:
    if reply.state is None or reply.state.format != FORMAT:
        raise LabError("that lab is of another version of cowhand; end it with its own `cowhand lab down`")
    return reply.state
