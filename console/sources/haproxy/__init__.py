"""haproxy.cfg: text → a lossless tree, and the proxies as they take effect. No I/O, and no text it refuses to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import Struct

from console.errors import InputError
from console.sources.haproxy.build import Build
from console.sources.haproxy.doubts import warnings
from console.sources.haproxy.effective import Effective, effective
from console.sources.haproxy.lines import Line, Word
from console.sources.haproxy.proxies import Builder
from console.sources.haproxy.routes import Door, Hop, doors, inner_hops
from console.sources.haproxy.servers import Server
from console.sources.haproxy.tree import Document, Reader, Section
from console.sources.haproxy.values import Listener, Proxy, Route, Timeout

__all__ = [
    "Build",
    "Configuration",
    "Document",
    "Door",
    "Effective",
    "Line",
    "Listener",
    "Proxy",
    "Route",
    "Section",
    "Server",
    "Timeout",
    "Word",
    "parse",
    "parse_files",
    "write",
]


class Configuration(Struct, frozen=True, dict=True):
    """What one or more files say. `problems` is what HAProxy would refuse, in the order of the files."""

    documents: tuple[Document, ...] = ()
    sections: tuple[Section, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    problems: tuple[InputError, ...] = ()
    build: Build | None = None

    @cached_property
    def doors(self) -> tuple[Door, ...]:
        """The TCP ports HAProxy listens on, and the backends behind them."""
        return doors(self.proxies)

    @cached_property
    def inner_hops(self) -> tuple[Hop, ...]:
        """The servers that are HAProxy's own listeners, each with its backend, the frontend and the listener."""
        return tuple(inner_hops(self.proxies))

    @cached_property
    def effective(self) -> tuple[Effective, ...]:
        """The proxies again, in the same order, each with all that it uses and the places it comes from."""
        return effective(self.sections, self.proxies)

    @cached_property
    def warnings(self) -> tuple[InputError, ...]:
        """What no HAProxy we know of takes, each with its place; a line or file with a problem has enough to mend."""
        found = warnings(self.sections, self.build)
        if not found or not self.problems:
            return found
        told = {(problem.file, problem.line) for problem in self.problems}
        broken = {document.file for document in self.documents if any("\x00" in line.raw for line in document.lines)}
        return tuple(each for each in found if (each.file, each.line) not in told and each.file not in broken)

    @property
    def stats_sockets(self) -> tuple[str, ...]:
        """Paths of the stats sockets that the global sections name."""
        return tuple(
            line.words[2].removeprefix("unix@")
            for section in self.sections
            if section.kind == "global"
            for line in section.lines
            if line.words[:2] == ("stats", "socket") and line.words[2:3] and line.words[2].startswith(("/", "unix@/"))
        )


def parse(
    text: str, file: str, environment: Mapping[str, str] | None = None, build: Build | None = None
) -> Configuration:
    """Read one file; environment and build are HAProxy's own, None when nobody knows. Never raises for content."""
    return parse_files([(file, text)], environment, build)


def parse_files(
    files: Iterable[tuple[str, str]], environment: Mapping[str, str] | None = None, build: Build | None = None
) -> Configuration:
    """Read (name, text) pairs in the order HAProxy loads them: names and defaults reach from file to file."""
    reader = Reader(environment, build)
    for file, text in files:
        reader.read(file, text)
    builder = Builder(reader.variables)
    proxies = builder.build(reader.sections)
    problems = reader.problems + [problem for problem in builder.problems if not reader.explains(problem)]
    order = {document.file: index for index, document in enumerate(reader.documents)}
    problems.sort(key=lambda problem: (order[problem.file], problem.line, problem.column))
    return Configuration(tuple(reader.documents), tuple(reader.sections), proxies, tuple(problems), build)


def write(configuration: Configuration, file: str | None = None) -> str:
    """Return the text again, byte for byte: of one file, or of all in a row."""
    return "".join(
        line.raw for document in configuration.documents if file in (None, document.file) for line in document.lines
    )
