"""haproxy.cfg: text → a lossless tree, and the proxies as they take effect. No I/O, and no text it refuses to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import Struct

from console.errors import InputError
from console.sources.haproxy.build import Build
from console.sources.haproxy.doubts import hidden, warnings
from console.sources.haproxy.effective import Effective, effective
from console.sources.haproxy.lines import Line, Word
from console.sources.haproxy.proxies import Builder
from console.sources.haproxy.routes import Door, Hop, doors, inner_hops
from console.sources.haproxy.servers import Server
from console.sources.haproxy.tree import Decided, Document, Reader, Section
from console.sources.haproxy.values import Listener, Proxy, Route, Timeout

__all__ = [
    "Build",
    "Configuration",
    "Decided",
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


MOST_READINGS = 8
"""Ways to read files whose conditions nobody can decide; with more conditions, the last ones stay open."""

MOST_LINES = 20_000
"""Lines of files that are read several times."""


class Configuration(Struct, frozen=True, dict=True):
    """What one or more files say. `problems` is what HAProxy would refuse, in the order of the files.

    `question` is the first condition nobody can decide that stands over a setting, such as `default-server`: the
    proxies are those that the last branch makes, and `readings` tells each."""

    documents: tuple[Document, ...] = ()
    sections: tuple[Section, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    problems: tuple[InputError, ...] = ()
    build: Build | None = None
    question: tuple[str, int] | None = None
    decided: Decided = {}
    environment: Mapping[str, str] | None = None

    @cached_property
    def readings(self) -> tuple[Configuration, ...]:
        """What the files say with each such condition `decided`; this one alone when there is none."""
        if self.question is None or sum(len(document.lines) for document in self.documents) > MOST_LINES:
            return (self,)
        texts = [(document.file, write(self, document.file)) for document in self.documents]
        found = [self]
        while (at := next((at for at, each in enumerate(found) if each.question), None)) is not None:
            asked = found[at].question
            if len(found) == MOST_READINGS or asked is None:
                break
            alike = self._alike(*asked)
            found[at : at + 1] = [
                parse_files(texts, self.environment, self.build, {**found[at].decided, **dict.fromkeys(alike, holds)})
                for holds in (True, False)
            ]
        return tuple(found)

    def _alike(self, file: str, number: int) -> list[tuple[str, int]]:
        """Return the places of all conditions in the words of one: they hold together, unless variables change."""
        asked = next(each for each in self.documents if each.file == file).lines[number - 1].words[1:]
        changing = any(line.words[0].endswith("env") for each in self.sections for line in each.lines)
        if changing:
            return [(file, number)]
        return [
            (each.file, line.number)
            for each in self.documents
            for line in each.lines
            if line.words[:1] in ((".if",), (".elif",)) and line.words[1:] == asked
        ]

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
        """What no HAProxy we know of takes, and lanes that a variable hides, each with its place.

        A line or file with a problem has enough to mend."""
        found = (*warnings(self.sections, self.build), *hidden(self.proxies))
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
    files: Iterable[tuple[str, str]],
    environment: Mapping[str, str] | None = None,
    build: Build | None = None,
    decided: Decided | None = None,
) -> Configuration:
    """Read (name, text) pairs in the order HAProxy loads them: names and defaults reach from file to file.

    `decided` conditions are taken to hold, or not."""
    reader = Reader(environment, build, decided or {})
    for file, text in files:
        reader.read(file, text)
    builder = Builder(reader.variables)
    proxies = builder.build(reader.sections)
    problems = reader.problems + [problem for problem in builder.problems if not reader.explains(problem)]
    order = {document.file: index for index, document in enumerate(reader.documents)}
    problems.sort(key=lambda problem: (order[problem.file], problem.line, problem.column))
    return Configuration(
        tuple(reader.documents),
        tuple(reader.sections),
        proxies,
        tuple(problems),
        build,
        reader.question,
        reader.decided,
        environment,
    )


def write(configuration: Configuration, file: str | None = None) -> str:
    """Return the text again, byte for byte: of one file, or of all in a row."""
    return "".join(
        line.raw for document in configuration.documents if file in (None, document.file) for line in document.lines
    )
