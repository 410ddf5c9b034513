"""The way in: one control socket, which stands for SSH to every machine of the lab. It serves this user only."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from functools import partial
from ipaddress import ip_address

import msgspec

from console.errors import LabError, Refused, StreamError, Unreachable
from console.hosts.files import sum_of
from console.hosts.host import ABSENT, ANY
from console.lab import faults, front, stack
from console.lab.commands import run
from console.lab.daemons.messages import (
    LIMIT,
    Ask,
    Break,
    Down,
    Error,
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
    read_request,
)
from console.lab.haproxy.stats import answer
from console.lab.network.addresses import MAIL, PROXY, ROLES, SOCKET
from console.lab.network.tunnel import End, relay
from console.lab.place import ours
from console.lab.rehearsal import Rehearsal

PATIENCE = 10.0
"""Seconds a caller has to say what it wants."""

LONGEST = 120.0
"""Seconds a connect may wait at most, whatever the caller asks for."""


class Control:
    """Serves requests on a listening UNIX socket until `ended` is set."""

    def __init__(self, lab: Rehearsal, name: str) -> None:
        self.lab, self.name = lab, name
        lab.rollbacks.run_there = partial(run, lab)
        self.since = time.time()
        self.ended = asyncio.Event()
        self.server: asyncio.Server | None = None
        self.callers: set[asyncio.Task[None] | None] = set()

    async def open(self, listening: socket.socket) -> None:
        """Begin to serve."""
        listening.setblocking(False)
        self.server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LIMIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = End(reader, writer)
        task = asyncio.current_task()
        self.callers.add(task)  # the loop itself holds tasks weakly, and a stream at its end is held by nobody else
        try:
            if not ours(writer.get_extra_info("socket")):
                return
            async with asyncio.timeout(PATIENCE):
                text = await reader.readuntil(b"\n")
            await self._answer(caller, read_request(text))
        except msgspec.MsgspecError as error:
            await self._say(caller, Reply("bad request", str(error)))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            caller.close()
            self.callers.discard(task)

    async def _answer(self, caller: End, request: Request) -> None:
        machine = getattr(request, "origin", getattr(request, "on", PROXY))
        if machine not in ROLES:
            reply = Reply("no such machine", f"no machine is called {machine}; there are {', '.join(ROLES)}")
            await self._say(caller, reply)
            return
        match request:
            case Open():
                await self._open(caller, request)
            case Unix():
                await self._unix(caller, request)
            case Resolve():
                await self._say(caller, self._resolve(request))
            case Run():
                done = await run(self.lab, request.on, request.argv)
                await self._say(
                    caller, Reply(status=done.status, stdout=done.stdout.encode(), stderr=done.stderr.encode())
                )
            case Read():
                await self._say(caller, self._read(request))
            case Write():
                await self._say(caller, self._write(request))
            case Break() | Heal():
                await self._change(caller, request)
            case Ask():
                await self._say(caller, Reply(state=self._state()))
            case Down():
                await self._say(caller, Reply())
                self.ended.set()

    async def _open(self, caller: End, request: Open) -> None:
        dial = asyncio.create_task(self.lab.network.dial(request.origin, *request.to))
        gone = asyncio.create_task(caller.reader.read(1))
        try:
            limit = min(max(request.timeout, 0.0), LONGEST)
            await asyncio.wait((dial, gone), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not dial.done():
                if not gone.done():
                    await self._say(caller, Reply("timeout", f"nobody answered within {request.timeout:g} s"))
                return
            far = dial.result()
        except StreamError as error:
            await self._say(caller, Reply(_word(error), str(error)))
            return
        finally:
            dial.cancel()
            gone.cancel()
            await asyncio.wait((gone,))
        await self._say(caller, Reply(local=far.local, peer=far.peer))
        await relay(caller, far.end, far.link)

    async def _unix(self, caller: End, request: Unix) -> None:
        if request.origin != PROXY or request.path != SOCKET or not self.lab.proxy.running:
            await self._say(caller, Reply("refused", f"{request.path}: connection refused"))
            return
        await self._say(caller, Reply())
        commands = await caller.reader.readuntil(b"\n")
        caller.writer.write(answer(self.lab.proxy, commands.decode("utf-8", "replace")).encode())
        await caller.writer.drain()

    def _resolve(self, request: Resolve) -> Reply:
        with suppress(ValueError):
            return Reply(addresses=(str(ip_address(request.name)),))
        found = self.lab.network.resolve(request.name)
        return Reply(addresses=found) if found else Reply("unresolved", f"{request.name} has no address")

    def _read(self, request: Read) -> Reply:
        data = self.lab.files.get((request.on, request.path))
        if data is None and request.on == MAIL:
            data = self.lab.disks.read(request.path)
        if data is None:
            return Reply("missing", f"{request.path} is not there on {request.on}")
        return Reply(stdout=data)

    def _write(self, request: Write) -> Reply:
        place = (request.on, request.path)
        if (
            (request.on == PROXY and front.writable(request.path))
            or (request.on == MAIL and stack.writable(request.path))
            or self.lab.pushing.writable(request.on, request.path)
        ):
            had = self.lab.files.get(place)
            if request.before not in (ANY, sum_of(ABSENT if had is None else had)):
                return Reply("changed", f"{request.path} on {request.on} has changed meanwhile; nothing was written")
            if had is not None:
                self.lab.files[request.on, f"{request.path}.previous"] = had
            self.lab.files[place] = request.data
            if request.mode:
                self.lab.modes[place] = request.mode
            return Reply()
        if request.on == MAIL and (request.on, request.path) not in self.lab.files:
            now = self.lab.disks.read(request.path)
            if request.before not in (ANY, sum_of(ABSENT if now is None else now)):
                return Reply("changed", f"{request.path} on {request.on} has changed meanwhile; nothing was written")
            if self.lab.disks.write(request.path, request.data, request.mode):
                return Reply()
            return Reply("denied", f"{request.path} on {request.on} was not written: No such file or directory")
        return Reply("denied", f"{request.path} on {request.on} was not written: the lab keeps this file as it is")

    async def _change(self, caller: End, request: Break | Heal) -> None:
        try:
            if isinstance(request, Break):
                await faults.break_(self.lab, request.fault)
            else:
                await faults.heal(self.lab, request.fault)
        except LabError as error:
            await self._say(caller, Reply("unknown fault", str(error)))
        else:
            await self._say(caller, Reply(state=self._state()))

    def _state(self) -> State:
        lab = self.lab
        lanes = tuple(lane.id for lane in lab.topology.lanes)
        return State(os.getpid(), self.name, self.since, faults.broken(lab), lanes, tuple(lab.mishaps))

    async def _say(self, caller: End, reply: Reply) -> None:
        caller.writer.write(line(reply))
        await caller.writer.drain()


def _word(error: StreamError) -> Error:
    if isinstance(error, Refused):
        return "refused"
    return "unreachable" if isinstance(error, Unreachable) else "timeout"
