"""What a section of HAProxy's files has said so far, while it is read line by line."""

from __future__ import annotations

from console.model import Span
from console.sources.haproxy.lines import Line
from console.sources.haproxy.servers import Options, Raw
from console.sources.haproxy.values import Listener, Route, Routing, Timeout

_NONE: list[Line] = []
_UNLIMITED: dict[str, Timeout] = {}


class Settings:
    """What a section has said so far; a proxy begins with a copy of its defaults'."""

    __slots__ = (
        "asking",
        "asking_span",
        "binds",
        "default_backend",
        "disabled",
        "dispatched",
        "forwards",
        "heirs",
        "http",
        "mode",
        "notes",
        "options",
        "raws",
        "rules",
        "tcp",
        "timeouts",
        "transparent",
        "use_backend",
    )

    def __init__(self, above: Settings | None = None) -> None:
        self.mode: str = above.mode if above else "tcp"
        self.timeouts: dict[str, Timeout] = above.timeouts if above else _UNLIMITED
        self.options: Options = above.options if above else {}
        self.asking: str = above.asking if above else ""
        self.asking_span: Span | None = above.asking_span if above else None
        self.tcp: list[Line] = above.tcp if above else _NONE
        self.http: list[Line] = above.http if above else _NONE
        self.default_backend: Route | None = above.default_backend if above else None
        self.disabled: bool = above.disabled if above else False
        self.forwards: bool = above.forwards if above else False
        self.binds: list[Listener] = []
        self.raws: list[Raw] = []
        self.dispatched: Raw | None = None
        self.use_backend: list[Route] = []
        self.transparent: bool = above.transparent if above else False
        self.notes: Notes | None = None
        self.rules: set[str] = set()
        self.heirs: set[str] = set()


class Notes:
    """What a section says about where its connections go, beside `use_backend`."""

    __slots__ = ("acls", "open_bind", "replies", "retargets", "servers", "sets", "stats")

    def __init__(self) -> None:
        self.acls: list[tuple[str, ...]] = []
        self.sets: list[tuple[str, ...]] = []
        self.servers: list[Route] = []
        self.open_bind = self.retargets = self.stats = self.replies = False

    def routing(self) -> Routing:
        """Return what was noted, as a value."""
        return Routing(
            tuple(self.acls),
            tuple(self.sets),
            tuple(self.servers),
            self.open_bind,
            self.retargets,
            self.stats,
            self.replies,
        )
