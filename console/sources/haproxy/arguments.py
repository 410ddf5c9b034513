"""The arguments of bind and server lines: where they begin, and which of them take a value."""

from __future__ import annotations

from collections.abc import Iterator

from console.sources.haproxy.keywords import BIND_VALUES, SERVER_VALUES
from console.sources.haproxy.lines import Line
from console.sources.haproxy.servers import VALUED

SERVERS = ("server", "server-template", "default-server")

FIRST = {"bind": 2, "server": 3, "server-template": 4, "default-server": 1}
"""The word at which the arguments of a line begin."""

_SERVER_VALUES = SERVER_VALUES | VALUED


def known(line: Line) -> bool:
    """Whether a line is one whose arguments are known, and is long enough to have some."""
    return bool(line.words) and line.words[0] in FIRST and len(line.words) >= FIRST[line.words[0]]


def arguments(line: Line) -> Iterator[range]:
    """Yield the words that each argument is made of."""
    valued = BIND_VALUES if line.words[0] == "bind" else _SERVER_VALUES
    at = FIRST[line.words[0]]
    while at < len(line.words):
        stop = min(at + (2 if line.words[at] in valued else 1), len(line.words))
        yield range(at, stop)
        at = stop
