"""What is probably wrong: words that no HAProxy up to 3.5 knows. Warnings, for a newer one may know them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from console.errors import InputError
from console.sources.haproxy.keywords import (
    BIND_SWITCHES,
    BIND_VALUES,
    KEYWORDS,
    PROXIES,
    SECTIONS,
    SERVER_SWITCHES,
    SERVER_VALUES,
)
from console.sources.haproxy.lines import Line
from console.sources.haproxy.servers import SWITCHES, VALUED
from console.sources.haproxy.tree import MOST_PROBLEMS, Section
from console.text import clean

_SERVER = SERVER_VALUES | SERVER_SWITCHES | VALUED | SWITCHES.keys()
_BIND = BIND_VALUES | BIND_SWITCHES
_FIRST = {"bind": 2, "server": 3, "server-template": 4, "default-server": 1}


def warnings(sections: Iterable[Section]) -> tuple[InputError, ...]:
    """Return what no HAProxy we know of would take, in the order of the files; only so many are told."""
    found: list[InputError] = []
    for warning in _walk(sections):
        found.append(warning)
        if len(found) == MOST_PROBLEMS:
            break
    return tuple(found)


def _walk(sections: Iterable[Section]) -> Iterator[InputError]:
    for section in sections:
        if section.kind not in SECTIONS:
            yield _warn(section, section.header, 0, "section", SECTIONS)
        if section.kind not in PROXIES:
            continue
        for line in section.lines:
            keyword = line.words[0]
            if keyword in _FIRST:
                yield from _arguments(section, line)
            elif keyword in ("no", "default") and len(line.words) > 1:
                if line.words[1] not in KEYWORDS:
                    yield _warn(section, line, 1, "keyword", KEYWORDS)
            elif keyword not in KEYWORDS:
                yield _warn(section, line, 0, "keyword", KEYWORDS)


def _arguments(section: Section, line: Line) -> Iterator[InputError]:
    bind = line.words[0] == "bind"
    known, valued = (_BIND, BIND_VALUES) if bind else (_SERVER, SERVER_VALUES | VALUED)
    at = _FIRST[line.words[0]]
    while at < len(line.words):
        word = line.words[at]
        paired = word in valued or word.startswith("set-proxy-v2-tlv-fmt(")
        paired = paired or (word == "name" and line.words[0] == "default-server")
        if not paired and word not in known and "${" not in word:
            yield _warn(section, line, at, f"'{line.words[0]}' argument", known)
            return  # what follows may be its value
        at += 2 if paired else 1


def _warn(section: Section, line: Line, word: int, what: str, known: frozenset[str]) -> InputError:
    span, value = line.span(section.file, word, word), line.words[word]
    near = difflib.get_close_matches(value[:40], known, 1, 0.8)
    meant = f"; '{near[0]}' is meant?" if near else ""
    problem = f"no HAProxy up to 3.5 knows the {what} '{clean(value, 40)}'{meant or ': correct or remove it'}"
    return InputError(span.file, span.line, span.column, problem)
