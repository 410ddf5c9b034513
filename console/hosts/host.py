"""A machine cowhand can connect from, run on and read: the one protocol that probes and facts know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Literal, Protocol

from msgspec import Struct

from console.model import Role

overhearing: ContextVar[Callable[[bytes], None] | None] = ContextVar("overhearing", default=None)
"""Who hears what a command of this task says while it still runs; never what is said before a password is taken."""


feeding: ContextVar[bytes] = ContextVar("feeding", default=b"")
"""What the command of this task gets as its input: secrets, which may be no words of a command."""


def overhear(data: bytes) -> None:
    """Pass on what a command has just said."""
    hear = overhearing.get()
    if hear is not None and data:
        hear(data)


Before = bytes | Literal["any", "absent"]
"""What a file must be right before it is replaced: its content, not there at all, or whatever it is."""

ANY: Literal["any"] = "any"
ABSENT: Literal["absent"] = "absent"


class Completed(Struct, frozen=True):
    """What a command left: its exit status and its output, each cut at the cap that was asked for."""

    status: int
    stdout: bytes
    stderr: bytes


class Stream(Protocol):
    """A byte stream opened from some machine. Nothing here promises to tell a reset from an orderly close."""

    @property
    def local(self) -> tuple[str, int] | None:
        """The address this stream leaves its machine with, when the machine told."""

    @property
    def peer(self) -> tuple[str, int] | None:
        """The address it was opened to, when the machine told."""

    async def read(self, limit: int = 65536) -> bytes:
        """Return what has come, at least one byte; b"" when the far end closed or reset."""

    async def write(self, data: bytes) -> None:
        """Send; a far end that has gone is silent here and shows at the next read."""

    def close(self) -> None:
        """Let go, at once."""


class Host(Protocol):
    """A machine. `name` is the operator's word for it, `role` what it does in the estate."""

    name: str
    role: Role

    async def open(self) -> None:
        """Get ready, and wait for the operator's answers as long as they take; raises `NoWayIn`."""

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name as this machine sees them, IPv4 first; raises `Unresolved` or `NoWayIn`."""

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        """Open a TCP stream from this machine; raises `Refused`, `TimedOut`, `Unreachable` or `NoWayIn`."""

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """Open a stream to a UNIX socket on this machine; raises as `connect` does."""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command that changes nothing; raises `TimedOut` or `NoWayIn`. Output beyond `cap` bytes is dropped."""

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Return a file's content; raises `Missing`, `FileError` (also beyond `cap` bytes), `TimedOut` or `NoWayIn`."""

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Replace a file whole or not at all, the version before kept as `PATH.previous`.

        Raises `Changed` when the file is not what it must be `before`, else as `read` does."""

    def forget(self) -> None:
        """Try again at once what was refused, failed or not answered: the operator asked."""

    async def close(self) -> None:
        """Let go of the machine."""
