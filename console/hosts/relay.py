"""A stream through a command of the machine itself: where forwarding is forbidden, or only root may connect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from console.errors import HostError, NoWayIn, Refused, TimedOut, Unreachable, Unresolved
from console.hosts.become import REFUSES
from console.hosts.names import numeric
from console.hosts.process import Dialogue, Process
from console.text import clean

TOOLS = ("python3", "socat", "bash")
"""What can carry a stream, best first: python3 tells the error and its own address exactly.

nc and Ncat cannot: they keep to themselves that the far end closed."""

FIND = ("sh", "-c", 'for tool; do command -v "$tool" >/dev/null 2>&1 && echo "$tool"; done; true', "sh", *TOOLS)
"""The command that lists which of them there are."""

_PYTHON = """\
import os,select,socket,sys,time
kind,place,port,limit=sys.argv[1:]
say=lambda text:(sys.stderr.write(text+chr(10)),sys.stderr.flush())
began=time.perf_counter()
try:
    if kind=='unix':
        far=socket.socket(socket.AF_UNIX);far.settimeout(float(limit));far.connect(place)
    else:
        far=socket.create_connection((place,int(port)),float(limit))
        far.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
except Exception as error:
    say('relay: '+(getattr(error,'strerror',None) or str(error)));sys.exit(1)
far.settimeout(None)
took=(time.perf_counter()-began)*1000
say('relay: open '+('%s %d %.3f'%(*far.getsockname()[:2],took) if kind=='tcp' else ''))
try:
    while True:
        for end in select.select([0,far],[],[])[0]:
            data=far.recv(65536) if end is far else os.read(0,65536)
            if not data:sys.exit(0)
            if end is far:
                while data:data=data[os.write(1,data):]
            else:far.sendall(data)
except OSError:pass
"""

_BASH = """\
exec 3<>"/dev/tcp/$0/$1" || exit 1
echo "relay: open " >&2
exec 4<&0
(cat <&4 >&3; kill 0) 2>/dev/null &
cat <&3
kill 0
"""

_OPEN = re.compile(rb"relay: open (?:(\S{1,60}) (\d{1,5}) (\d{1,9}\.\d{1,9}))?\n|starting data transfer loop")

_SAYS: tuple[tuple[re.Pattern[str], type[HostError], str], ...] = (
    (re.compile(r"refused|reset by peer", re.I), Refused, "{} refused the connection"),
    (re.compile(r"timed out|timeout", re.I), TimedOut, "{} did not answer within {:g} s"),
    (re.compile(r"no route|unreachable|host is down", re.I), Unreachable, "{}: no route to host"),
    (
        re.compile(r"name or service|resolve|nodename|name resolution|unknown host", re.I),
        Unresolved,
        "{} has no address",
    ),
    (re.compile(r"permission denied|not permitted|prohibited", re.I), NoWayIn, "{} was not asked: permission denied"),
)


def explain(said: str, what: str, timeout: float) -> HostError | None:
    """What a machine's own words on a failed connection mean; None when they say nothing known."""
    if what.startswith("/") and "No such file" in said:
        return Refused(f"{what} refused the connection")
    for words, kind, sentence in _SAYS:
        if words.search(said):
            return kind(sentence.format(what, timeout))
    return None


def tcp(tool: str, address: str, port: int, timeout: float) -> list[str]:
    """The command that connects its own input and output to address:port."""
    limit = f"{timeout:g}"
    if tool == "python3":
        return [tool, "-I", "-c", _PYTHON, "tcp", address, str(port), limit]
    if tool == "socat":
        place = f"TCP6:[{address}]" if ":" in address else f"TCP:{address}"
        return [tool, "-d", "-d", "STDIO", f"{place}:{port},connect-timeout={limit},nodelay"]
    return [tool, "-c", _BASH, address, str(port)]


def unix(tool: str, path: str, timeout: float) -> list[str] | None:
    """The command that connects its own input and output to a socket; None when the tool cannot."""
    if tool == "python3":
        return [tool, "-I", "-c", _PYTHON, "unix", path, "0", f"{timeout:g}"]
    if tool == "socat":
        return None if re.search(r"[,:!\"'\\(\[{]", path) else [tool, "-d", "-d", "STDIO", f"UNIX-CONNECT:{path}"]
    return None


class CommandStream:
    """A stream whose far end a command on some machine holds; `note` says so.

    `took` is how long that machine took to connect, in milliseconds, when the command told: to start it is no part."""

    def __init__(
        self, process: Process, peer: tuple[str, int] | None, released: Callable[[], None], note: str = ""
    ) -> None:
        self.process, self.note = process, note
        self._peer, self._released = peer, released
        self.took: float | None = None
        self._local: tuple[str, int] | None = None
        self._closed = False
        self._errors: asyncio.Task[None] | None = None
        self._first: asyncio.Task[bytes] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._rest = bytearray()

    @property
    def local(self) -> tuple[str, int] | None:
        """The address the command leaves its machine with, when it told."""
        return self._local

    @property
    def peer(self) -> tuple[str, int] | None:
        """The address it was opened to."""
        return self._peer

    def place(self, local: tuple[str, int]) -> None:
        """Say which address it leaves from, when the command could not."""
        self._local = local

    async def open(self, dialogue: Dialogue, what: str, timeout: float) -> None:
        """Wait until the command has connected; raises `Refused`, `TimedOut`, `Unreachable` or `NoWayIn`."""
        said = bytearray()
        opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._first = asyncio.ensure_future(self.process.read_out(65536))
        self._errors = asyncio.ensure_future(self._listen(dialogue, said, opened))
        try:
            async with asyncio.timeout(timeout + 1):
                await dialogue.open(self.process)
                waiting: set[asyncio.Future[Any]] = {opened, self._first}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if opened.done() and opened.result():
                    return
                if not await asyncio.shield(self._first) and not await opened:
                    raise _failed(await self.process.wait(), bytes(said), what, timeout)
        except TimeoutError:
            raise TimedOut(f"{what} did not answer within {timeout:g} s") from None

    async def _listen(self, dialogue: Dialogue, said: bytearray, opened: asyncio.Future[bool]) -> None:
        try:
            while data := await self.process.read_err(4096):
                said += data
                await dialogue.hear(self.process, said)
                if not opened.done() and (match := _OPEN.search(said)):
                    if match[1] and numeric(address := match[1].decode("ascii", "replace")):
                        self._local, self.took = (address, int(match[2])), float(match[3])
                    opened.set_result(True)
                del said[: max(0, len(said) - 4096)]
        finally:
            if not opened.done():
                opened.set_result(False)

    async def read(self, limit: int = 65536) -> bytes:
        """Return what has come; b"" when the far end closed."""
        if self._first is not None:
            self._rest += await asyncio.shield(self._first)
            self._first = None
        if self._rest:
            data = bytes(self._rest[:limit])
            del self._rest[:limit]
            return data
        return await self.process.read_out(limit)

    async def write(self, data: bytes) -> None:
        """Send; a far end that has gone shows at the next read."""
        await self.process.send(data)

    def close(self) -> None:
        """End the command."""
        if not self._closed:
            self._closed = True
            self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        try:
            for task in (self._errors, self._first):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            self.process.end_input()
            await self.process.kill()
        finally:
            self._released()


def _failed(status: int, said: bytes, what: str, timeout: float) -> HostError:
    text = said.decode("utf-8", "backslashreplace").strip()
    if refused := REFUSES.search(said):
        return NoWayIn(f"{what} was not asked: {clean(refused[0], 120)}")
    known = explain(text, what, timeout) if status not in (126, 127) else None  # then it was not even started
    return known or NoWayIn(f"{what} was not asked: {clean(text.rpartition(chr(10))[2], 120) or 'the command ended'}")


def pick(found: Sequence[str]) -> str | None:
    """The best of the tools that were found; None when there is none."""
    return next((tool for tool in TOOLS if tool in found), None)
