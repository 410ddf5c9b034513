"""What is probably wrong: words that no HAProxy up to 3.5 knows. Warnings, for a newer one may know them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import islice

from console.errors import InputError
from console.sources.haproxy import statements
from console.sources.haproxy.arguments import FIRST
from console.sources.haproxy.build import Build, before
from console.sources.haproxy.keywords import (
    BIND_SWITCHES,
    BIND_VALUES,
    KEYWORDS,
    PROXIES,
    RETIRED,
    SECTIONS,
    SERVER_SWITCHES,
    SERVER_VALUES,
)
from console.sources.haproxy.lines import Line
from console.sources.haproxy.names import GLOBALS, NEGATABLE, OPTIONS
from console.sources.haproxy.servers import SWITCHES, VALUED
from console.sources.haproxy.tree import MOST_PROBLEMS, Section
from console.sources.haproxy.values import Proxy
from console.text import clean

_SERVER = SERVER_VALUES | SERVER_SWITCHES | VALUED | SWITCHES.keys()
_BIND = BIND_VALUES | BIND_SWITCHES
_SIGNS = frozenset(("no", "default"))


def warnings(sections: Iterable[Section], build: Build | None = None) -> tuple[InputError, ...]:
    """Return what this build, or no HAProxy we know of, would take, in the order of the files; only so many."""
    found: list[InputError] = []
    for warning in _walk(sections, build):
        found.append(warning)
        if len(found) == MOST_PROBLEMS:
            break
    return tuple(found)


def hidden(proxies: Iterable[Proxy]) -> tuple[InputError, ...]:
    """Return the sections with a listener whose port is in a variable that no file sets: its lane cannot be shown."""
    told = "the port of a bind line is in a variable that no file sets: its lane is not known here"
    found = (InputError(each.span.file, each.span.line, 1, told) for each in proxies if each.routing.open_bind)
    return tuple(islice(found, MOST_PROBLEMS))


def _walk(sections: Iterable[Section], build: Build | None) -> Iterator[InputError]:
    crts: set[str] = set()
    for section in sections:
        if section.kind in PROXIES:
            for line in section.lines:
                yield from _proxy(section, line, build)
                if line.words[0] == "bind":
                    crts.update(_values(line, "crt"))
        elif section.kind == "global":
            yield from _global(section)
        elif section.kind == "crt-store":
            yield from _store(section, crts)
        elif section.kind not in SECTIONS:
            yield _warn(section, section.header, 0, "section", SECTIONS)


def _proxy(section: Section, line: Line, build: Build | None) -> Iterator[InputError]:
    words = line.words
    keyword = words[0]
    if keyword in FIRST:
        yield from _arguments(section, line)
    elif keyword in _SIGNS and len(words) > 1:
        if words[1] not in KEYWORDS:
            yield _warn(section, line, 1, "keyword", KEYWORDS)
        elif words[1] == "option" and len(words) > 2:
            yield from _option(section, line, 2, NEGATABLE)
    elif keyword == "option" and len(words) > 1:
        yield from _option(section, line, 1, OPTIONS)
    elif keyword not in KEYWORDS:
        yield _warn(section, line, 0, "keyword", KEYWORDS)
    else:
        for place in statements.check(section.kind, line):
            if not (place.since and build is not None and before(build, place.since)):
                yield _at(section, line, place.word, place.offset, place.problem)


def _option(section: Section, line: Line, word: int, known: frozenset[str]) -> Iterator[InputError]:
    name = line.words[word]
    if name not in OPTIONS:
        if "${" not in name:
            yield _warn(section, line, word, "option", OPTIONS)
    elif name not in known:
        yield _at(section, line, 0, 0, f"'option {name}' cannot be negated: remove the line, or the option itself")


def _global(section: Section) -> Iterator[InputError]:
    for line in section.lines:
        word = 1 if line.words[0] in _SIGNS and len(line.words) > 1 else 0
        if line.words[word] not in GLOBALS:
            yield _warn(section, line, word, "global setting", GLOBALS)


def _store(section: Section, used: set[str]) -> Iterator[InputError]:
    """Judge the entries of a store of certificates; each name is loaded once, by it or by a `bind` above."""
    seen: set[str] = set()
    based = any(line.words[0] == "crt-base" for line in section.lines)
    for line in section.lines:
        names = _values(line, "alias") or _values(line, "crt") if line.words[0] == "load" else ()
        for name in names:
            if name in seen:
                yield _at(section, line, 0, 0, f"'{clean(name, 60)}' is loaded above already: remove one")
            elif name in used and not section.name and not based:
                problem = f"a 'bind' above has loaded '{clean(name, 60)}' already: put the store before it"
                yield _at(section, line, 0, 0, problem)
            seen.add(name)


def _values(line: Line, keyword: str) -> tuple[str, ...]:
    words = line.words
    return tuple([words[at + 1] for at, word in enumerate(words[:-1]) if word == keyword])


def _arguments(section: Section, line: Line) -> Iterator[InputError]:
    bind = line.words[0] == "bind"
    known, valued = (_BIND, BIND_VALUES) if bind else (_SERVER, SERVER_VALUES | VALUED)
    at = FIRST[line.words[0]]
    while at < len(line.words):
        word = line.words[at]
        paired = word in valued or word.startswith("set-proxy-v2-tlv-fmt(")
        paired = paired or (word == "name" and line.words[0] == "default-server")
        if not paired and word not in known and "${" not in word:
            yield _warn(section, line, at, f"'{line.words[0]}' argument", known)
            return  # what follows may be its value
        at += 2 if paired else 1


def _warn(section: Section, line: Line, word: int, what: str, known: frozenset[str]) -> InputError:
    value = line.words[word]
    if what == "keyword" and value in RETIRED:
        version, instead = RETIRED[value]
        advice = f"write '{instead}'" if instead else "remove it"
        return _at(section, line, word, 0, f"HAProxy takes no '{value}' since {version}: {advice}")
    near = difflib.get_close_matches(value[:40], known, 1, 0.8)
    meant = f"; '{near[0]}' is meant?" if near else ""
    problem = f"no HAProxy up to 3.5 knows the {what} '{clean(value, 40)}'{meant or ': correct or remove it'}"
    return _at(section, line, word, 0, problem)


def _at(section: Section, line: Line, word: int, offset: int, problem: str) -> InputError:
    """Place a warning in a word's value; where quotes or escapes stand in the word, at its beginning."""
    token = line.tokens()[word]
    start = token.start + 1
    if token.raw == token.value:
        start += offset
    elif token.raw[1:-1] == token.value:
        start += 1 + offset
    return InputError(section.file, line.number, start if offset else token.start + 1, problem)
