"""What is said over the lab's control socket: one JSON line each way, then, for a stream, raw bytes."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

FORMAT = 3
"""Version of these messages; a lab that speaks another one cannot be joined."""

LIMIT = 1 << 16
"""Most bytes of one request line."""


class Open(Struct, frozen=True, tag_field="op", tag="open", rename={"origin": "from"}):
    """Open a TCP stream from machine `origin` to (address, port)."""

    origin: str
    to: tuple[str, int]
    timeout: float = 5.0


class Unix(Struct, frozen=True, tag_field="op", tag="unix", rename={"origin": "from"}):
    """Open a UNIX socket on machine `origin`."""

    origin: str
    path: str


class Resolve(Struct, frozen=True, tag_field="op", tag="resolve", rename={"origin": "from"}):
    """Ask for the addresses of a name, as machine `origin` sees them."""

    origin: str
    name: str


class Run(Struct, frozen=True, tag_field="op", tag="run"):
    """Run one of the few commands machine `on` knows; never a shell."""

    on: str
    argv: tuple[str, ...]


class Read(Struct, frozen=True, tag_field="op", tag="read"):
    """Read one of the few files machine `on` has."""

    on: str
    path: str


class Write(Struct, frozen=True, tag_field="op", tag="write"):
    """Replace a file of machine `on`, the version before kept; `before` is its sum (SHA-256), "absent" or "any"."""

    on: str
    path: str
    data: bytes
    mode: int
    before: str = "any"


class Break(Struct, frozen=True, tag_field="op", tag="break"):
    """Break the estate on purpose."""

    fault: str


class Heal(Struct, frozen=True, tag_field="op", tag="heal"):
    """Heal one fault, or all of them."""

    fault: str | None = None


class Ask(Struct, frozen=True, tag_field="op", tag="status"):
    """Ask how the lab is."""


class Down(Struct, frozen=True, tag_field="op", tag="down"):
    """End the lab."""


Request = Open | Unix | Resolve | Run | Read | Write | Break | Heal | Ask | Down
Error = Literal[
    "", "refused", "timeout", "unreachable", "unresolved", "unknown fault", "bad request", "no such machine", "missing",
    "denied", "changed",
]  # fmt: skip


class State(Struct, frozen=True):
    """How a lab is: `since` in Unix seconds, `faults` the broken ones; `mishaps` are the lab's own bugs, if any."""

    pid: int
    name: str
    since: float
    faults: tuple[str, ...] = ()
    lanes: tuple[str, ...] = ()
    mishaps: tuple[str, ...] = ()
    format: int = FORMAT


class Reply(Struct, frozen=True, omit_defaults=True):
    """The one answer to every request: `error` "" means it was done, and the fields that belong to it are set."""

    error: Error = ""
    detail: str = ""
    local: tuple[str, int] | None = None
    peer: tuple[str, int] | None = None
    addresses: tuple[str, ...] = ()
    status: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    state: State | None = None


def line(message: Request | Reply) -> bytes:
    """A message as it travels."""
    return msgspec.json.encode(message) + b"\n"


def read_request(text: bytes) -> Request:
    """Read a request; raises `msgspec.MsgspecError`."""
    request: Request = msgspec.json.decode(text, type=Request)
    return request


def read_reply(text: bytes) -> Reply:
    """Read a reply; raises `msgspec.MsgspecError`."""
    return msgspec.json.decode(text, type=Reply)
