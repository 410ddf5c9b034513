"""Proxies as values: what a listen, frontend or backend section means once its defaults have had their say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from console.model import Span
from console.sources.haproxy.addresses import Transport
from console.sources.haproxy.checks import Method
from console.sources.haproxy.servers import Server

Kind = Literal["listen", "frontend", "backend"]


class Listener(Struct, frozen=True, gc=False):
    """One address of a `bind` line, `port` to `last` included; None for a socket that has no port.

    `perhaps` says that a condition nobody can decide here stands over the line; `name` and `id` are what the line
    calls its sockets, "" when it does not."""

    transport: Transport
    address: str
    port: int | None
    last: int | None
    tls: bool
    accepts_proxy: bool
    span: Span
    perhaps: bool = False
    name: str = ""
    id: str = ""


class Timeout(Struct, frozen=True, gc=False):
    """A time limit; 0 is none at all, None is one that a variable decides."""

    seconds: float | None
    span: Span


class Route(Struct, frozen=True, gc=False):
    """The backend, or of `use-server` the server, that takes over; `conditional` when only some connections go there.

    `condition` are the words from `if` or `unless` on; a `dynamic` one is named by each connection."""

    backend: str
    conditional: bool
    span: Span
    condition: tuple[str, ...] = ()
    dynamic: bool = False


Words = tuple[tuple[str, ...], ...]
"""Lines as words."""


class Routing(Struct, frozen=True, gc=False):
    """What else decides where a connection goes: `acl` lines, rules that set variables, `use-server`.

    `open_bind` says that a listener's port is open, `retargets` that rules choose where a server is dialled; `stats`,
    that HAProxy's own statistics are shown, `replies`, that some clients need no server: a redirect, a service."""

    acls: Words = ()
    sets: Words = ()
    servers: tuple[Route, ...] = ()
    open_bind: bool = False
    retargets: bool = False
    stats: bool = False
    replies: bool = False


PLAIN = Routing()


class Proxy(Struct, frozen=True, gc=False):
    """A listen, frontend or backend section as it takes effect.

    `timeouts` are keyed by HAProxy's word ("client", "server", "tunnel", …); `perhaps` says that a condition nobody
    can decide here stands over it, `forwards` that requests may be given the client's address as X-Forwarded-For."""

    name: str
    kind: Kind
    mode: str
    span: Span
    binds: tuple[Listener, ...]
    servers: tuple[Server, ...]
    timeouts: dict[str, Timeout]
    method: Method
    default_backend: Route | None
    use_backend: tuple[Route, ...]
    disabled: bool
    perhaps: bool
    routing: Routing = PLAIN
    forwards: bool = False
