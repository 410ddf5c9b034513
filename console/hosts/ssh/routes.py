"""The address that a machine leaves with towards another, asked of the machine itself."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from console.errors import HostError
from console.hosts.host import Completed
from console.hosts.names import numeric
from console.hosts.process import Dialogue

if TYPE_CHECKING:
    pass

Execute: TypeAlias = "Callable[[Sequence[str], Dialogue, float, int], Awaitable[Completed]]"
"""Runs words with a dialogue, within seconds, and keeps so many bytes of what it says."""

ROUTE = 300.0
"""Seconds for which the address that a machine leaves with is believed."""

ROUTE_COMMAND = (
    'ip -json route get "$1" 2>/dev/null || ip route get "$1" 2>/dev/null || '
    "python3 -c \"import socket,sys;s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,"
    'socket.SOCK_DGRAM);s.connect((sys.argv[1],9));print(\'src\',s.getsockname()[0])" "$1" 2>/dev/null'
)


class Routes:
    """The addresses of one machine, each asked of it once in a while; `execute` runs a command there."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._asked: dict[str, tuple[float, asyncio.Task[str | None]]] = {}

    def close(self) -> None:
        """Ask no more."""
        for _, task in self._asked.values():
            task.cancel()
        self._asked.clear()

    async def leaves(self, address: str) -> str | None:
        """The address this machine leaves with towards `address`; None when it cannot tell."""
        try:
            target = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return None
        if target.is_loopback:
            return "127.0.0.1" if target.version == 4 else "::1"
        at, task = self._asked.get(address, (0.0, None))
        if task is None or time.monotonic() - at > ROUTE or (task.done() and not _told(task)):
            task = asyncio.ensure_future(self._ask(address))
            self._asked[address] = time.monotonic(), task
        return await asyncio.shield(task)

    async def _ask(self, address: str) -> str | None:
        try:
            done = await self._execute(["sh", "-c", ROUTE_COMMAND, "sh", address], Dialogue(), 5, 65536)
        except HostError:
            return None
        return read_route(done.stdout.decode("utf-8", "replace"))


def read_route(text: str) -> str | None:
    """The source address in what `ip route get` printed, as JSON or as text."""
    try:
        found = json.loads(text)[0]["prefsrc"]
    except (ValueError, LookupError, TypeError, RecursionError):
        match = re.search(r"\bsrc (\S+)", text)
        found = match[1] if match else None
    return found if isinstance(found, str) and numeric(found) else None


def _told(task: asyncio.Task[str | None]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result() is not None
