"""A virtual machine reached by `incus exec` from the machine that runs it: the way in while it has no sshd yet."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from console.errors import NoWayIn, TimedOut, Unresolved
from console.hosts import files
from console.hosts.host import ANY, Before, Completed, Stream, feeding
from console.hosts.marks import marked, plainly
from console.hosts.process import Dialogue, bounded, called
from console.hosts.resolver import ADDRESSES
from console.model import Role
from console.text import clean

LATE = 3.0
"""Seconds that Incus and its agent may add to a command's own."""

UNREACHED = re.compile(
    rb"^Error: (?:.*(?:agent (?:isn't|is not)|not running|doesn't exist|[Pp]ermission denied|needed permissions|"
    rb"connection refused|no such file or directory)|[Ii]nstance not found|Failed|Get|Post).*",
    re.MULTILINE,
)
"""What the client says when it could not run anything there (Incus 6); a missing command is told apart by status 127.
"""


class Through(Protocol):
    """The machine that runs Incus."""

    name: str

    async def open(self) -> None:
        """Get ready."""

    async def execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        """Run a command with a dialogue."""

    def forget(self) -> None:
        """Try again."""

    async def close(self) -> None:
        """Let go."""


class Incus:
    """The instance that `instance` names ("remote:name" or "name"), as root; nothing but commands passes."""

    def __init__(self, name: str, role: Role, instance: str, through: Through) -> None:
        self.name, self.role, self.instance, self.through = name, role, instance, through
        self._bounds = True

    async def open(self) -> None:
        """Get the outer machine ready."""
        await self.through.open()

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name as the instance sees them, IPv4 first."""
        with suppress(ValueError):
            return (str(ipaddress.ip_address(name)),)
        if name.startswith("-") or not name.isprintable():
            raise Unresolved(f"{clean(name, 60)} has no address")
        done = await self.run(["getent", "ahosts", name], 10)
        found = dict.fromkeys(line.split()[0] for line in done.stdout.decode("ascii", "replace").splitlines() if line)
        if done.status or not found:
            raise Unresolved(f"{clean(name, 60)} has no address")
        return tuple(sorted(found, key=lambda address: ":" in address))[:ADDRESSES]

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        """Never: a probe's timing would be that of Incus."""
        raise NoWayIn(f"{address}:{port} was not asked from {self.name}: incus exec carries commands; give it ssh")

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """Never, as `connect`."""
        raise NoWayIn(f"{path} was not asked from {self.name}: incus exec carries commands; give it ssh")

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command as root, in the C locale, without a terminal and with no input."""
        return await self._execute(argv, Dialogue(feeding.get()), timeout, cap)

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Return a file's content."""
        return await files.read(self._execute, self.name, path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Replace a file whole or not at all, written there and not pushed: `incus file push` truncates first."""
        await files.write(self._execute, self.name, path, data, mode, before)

    def forget(self) -> None:
        """Try again what was refused."""
        self.through.forget()
        self._bounds = True

    async def close(self) -> None:
        """Let go of the outer machine."""
        await self.through.close()

    async def _execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        words = marked(argv, self.name)
        if self._bounds:
            done = plainly(argv, await self._once(bounded(words, timeout), argv, dialogue, timeout, cap))
            if not (done.status == 127 and b"Error: Command not found" in done.stderr):
                return _named(done, argv)
            self._bounds = False  # there is no `timeout` in it
        return _named(plainly(argv, await self._once(words, argv, dialogue, timeout, cap)), argv)

    async def _once(
        self, words: Sequence[str], argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int
    ) -> Completed:
        whole = ["incus", "exec", "-T", self.instance, "--env", "LC_ALL=C", "--", *words]
        try:
            done = await self.through.execute(whole, dialogue, timeout + LATE, cap)
        except TimedOut:
            raise TimedOut(f"{called(argv)} did not end within {timeout:g} s on {self.name}") from None
        if done.status == 127 and done.stderr.startswith(b"incus: command not found"):
            raise NoWayIn(f"no way in to {self.name}: {self.through.name} has no incus")
        if done.status in (1, 255) and not done.stdout and (said := UNREACHED.search(done.stderr)):
            words_ = clean(said[0].removeprefix(b"Error: "), 160)
            raise NoWayIn(f"no way in to {self.name} by incus exec on {self.through.name}: {words_}")
        return done


def _named(done: Completed, argv: Sequence[str]) -> Completed:
    """A command that is not there, told as a shell would."""
    missing = b"timeout: failed to run command" in done.stderr or b"Error: Command not found" in done.stderr
    return Completed(127, b"", f"{argv[0]}: command not found".encode()) if done.status == 127 and missing else done
