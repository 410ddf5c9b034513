"""A host whose commands are noted down: what cowhand ran, where, with what result, for the command log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from console.errors import HostError
from console.hosts import lock, shell
from console.hosts.host import ANY, Before, Completed, Host, Stream
from console.model import Role
from console.text import clean


class Recorded:
    """Passes everything on to `host`; appends one line for each command and socket to `lines`."""

    def __init__(self, host: Host, lines: deque[str]) -> None:
        self.host, self.lines = host, lines
        self.name: str = host.name
        self.role: Role = host.role
        self.hide: Callable[[str], str] = lambda text: text
        """Takes secrets out of what is noted."""

    async def open(self) -> None:
        """As the host does."""
        await self.host.open()

    async def resolve(self, name: str) -> tuple[str, ...]:
        """As the host does."""
        return await self.host.resolve(name)

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        """As the host does; probes are in the matrix, not in the log."""
        return await self.host.connect(address, port, timeout)

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """As the host does, noted."""
        began = time.perf_counter()
        try:
            stream = await self.host.connect_unix(path, timeout)
        except HostError as error:
            self._note(began, f"socket {path}", clean(str(error), 80))
            raise
        self._note(began, f"socket {path}", "open")
        return stream

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """As the host does, noted."""
        began = time.perf_counter()
        what = lock.described(argv)
        what = shell.line(argv) if what is None else what
        try:
            completed = await self.host.run(argv, timeout, cap)
        except HostError as error:
            self._note(began, what or "renew the lock", clean(str(error), 80))
            raise
        if what:  # a lock that is still ours is no news
            self._note(began, what, f"status {completed.status}")
        return completed

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """As the host does, noted."""
        began = time.perf_counter()
        try:
            data = await self.host.read(path, cap)
        except HostError as error:
            self._note(began, f"read {path}", clean(str(error), 80))
            raise
        self._note(began, f"read {path}", f"{len(data)} bytes")
        return data

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """As the host does, noted; never what was written."""
        began = time.perf_counter()
        what = f"write {path} {mode:04o}"
        try:
            await self.host.write(path, data, mode, before)
        except HostError as error:
            self._note(began, what, clean(str(error), 80))
            raise
        self._note(began, what, f"{len(data)} bytes")

    def forget(self) -> None:
        """As the host does."""
        self.host.forget()

    async def close(self) -> None:
        """As the host does."""
        await self.host.close()

    def _note(self, began: float, what: str, result: str) -> None:
        took = (time.perf_counter() - began) * 1000
        self.lines.append(
            f"{time.strftime('%H:%M:%S')}  {self.name}  {clean(self.hide(what), 160)}  {result}  {took:.0f} ms"
        )
