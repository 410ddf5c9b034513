"""Which clients HAProxy turns away by who they are: by a list of addresses, not by their rate or number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from console.model import Span
from console.sources.haproxy import Configuration, Door, Proxy
from console.sources.haproxy.lines import Line
from console.sources.haproxy.routing import condition_terms, holds
from console.sources.haproxy.samples import Client

_REFUSALS = frozenset(("reject", "silent-drop"))
_SOURCE = re.compile(r"(?:fc_)?src\b(?!_)")
_COUNTED = re.compile(r"(?:^|,)(?:src|sc\d?|table)_(?!get_gp|gp)\w+|^(?:fe|be)_\w+|^(?:rand|nbsrv|queue|connslots)\b")
_MARK = re.compile(r"(?:src|sc\d?|table)_(?:get_)?(gp[ct]\d?)")
_MARKS = re.compile(r"sc-(?:inc|add|set)-(gp[ct]\d?)")
_LISTED = re.compile(r",map|,in_table|,lua\.")

MOST_JUDGED = 50_000
"""Rules that are worked out for the doors of one configuration; beyond, each is taken to hold."""

Terms = tuple[tuple[str, ...], ...]


class Refusals:
    """The rules of HAProxy's sections that refuse clients."""

    def __init__(self, configuration: Configuration) -> None:
        self._lines = _with_defaults(configuration)
        self._known: dict[tuple[Span, int], bool] = {}
        self._left = MOST_JUDGED
        self._routes: dict[int, set[str]] = {}
        self._configuration = configuration
        each = {id(lines): lines for pair in self._lines.values() for lines in pair}
        words = (word for lines in each.values() for line in lines for word in line.words[1:3])
        self._marked = {match[1] for word in words if (match := _MARKS.match(word))}
        self._marked |= {f"{name}0" for name in self._marked if len(name) == 3}
        self._refusing = any(_refuses(line) for lines in each.values() for line in lines)

    def some(self, door: Door) -> bool:
        """Whether any rule there refuses anybody."""
        return any(_refuses(line) for proxy in (door.frontend, *door.ends) for line in self._of(proxy))

    def covers(self, door: Door) -> bool:
        """Whether a list of clients is kept from a door: by its frontend, or by each backend behind it."""
        if self._listed(door.frontend, door):
            return True
        return bool(door.ends) and all(self._listed(end, door) or self._inside(end, door) for end in door.ends)

    def _inside(self, end: Proxy, door: Door) -> bool:
        """Whether each of HAProxy's own inner frontends that may lead to a backend refuses for it, told who comes."""
        if not self._refusing or door.frontend is end or end.name in self._names(door.frontend):
            return False
        leading = self._inner.get(end.name, [])
        return bool(leading) and all(told and self._listed(inner, door) for inner, told in leading)

    def _names(self, frontend: Proxy) -> set[str]:
        key = id(frontend)
        if key not in self._routes:
            self._routes[key] = _named(frontend)
        return self._routes[key]

    @cached_property
    def _inner(self) -> dict[str, list[tuple[Proxy, bool]]]:
        """By backend: the inner frontends that lead there, and whether each is told who comes."""
        told: dict[int, tuple[Proxy, bool]] = {}
        for _, server, inner, listener in self._configuration.inner_hops:
            # Without the header an inner frontend sees HAProxy itself.
            tells = listener.accepts_proxy and server.proxy_protocol is not None
            told[id(inner)] = (inner, tells and told.get(id(inner), (inner, True))[1])
        found: dict[str, list[tuple[Proxy, bool]]] = {}
        for inner, tells in told.values():
            for name in _named(inner):
                found.setdefault(name, []).append((inner, tells))
        return found

    def _of(self, proxy: Proxy) -> Iterator[Line]:
        for lines in self._lines.get(proxy.span, ()):
            yield from lines

    def _listed(self, proxy: Proxy, door: Door) -> bool:
        through: set[str] = set()
        for line in self._of(proxy):
            level = line.words[1] if len(line.words) > 1 else ""
            if line.words[0] == "tcp-request" and line.words[2:] == ("accept",):
                through.add(level)
            if _refuses(line) and level not in through and self._by_list(proxy, line) and self._may(proxy, line, door):
                return True
        return False

    def _may(self, proxy: Proxy, line: Line, door: Door) -> bool:
        """Whether a rule may hold at a door, by its port for one."""
        self._left -= 1
        client = (door.clients or (Client(door.port),))[0]
        return self._left < 0 or holds(line.words[3:], proxy, client, door.files) is not False

    def _by_list(self, proxy: Proxy, line: Line) -> bool:
        """Whether a rule's condition goes by who a client is; worked out once."""
        key = (proxy.span, id(line))
        if key not in self._known:
            self._known[key] = not line.words[3:] or self._goes_by_list(proxy, line.words[3:])
        return self._known[key]

    def _goes_by_list(self, proxy: Proxy, condition: tuple[str, ...]) -> bool:
        acls = _acls(proxy.routing.acls)
        negated = condition[0] == "unless"
        groups = [self._kinds(group, acls, negated, proxy) for group in condition_terms(condition[1:])]
        if negated:
            groups = [set().union(*groups)]
        return any("list" in kinds and "count" not in kinds for kinds in groups)

    def _kinds(self, group: Terms, acls: Mapping[str, Terms], negated: bool, proxy: Proxy) -> set[str]:
        """Return what the terms of one conjunction go by."""
        found: set[str] = set()
        for term in group:
            turned = negated != (term[0] == "!")
            words = term[1:] if term[0] == "!" else term
            tests = (words[1:],) if words[:1] == ("{",) else acls.get(words[0], ()) if words else ()
            kinds = {self._kind(test, turned, proxy) for test in tests if test}
            # An ACL of several lines holds where one of them does.
            found.add("list" if "list" in kinds else "count" if "count" in kinds else "")
        return found

    def _kind(self, test: tuple[str, ...], turned: bool, proxy: Proxy) -> str:
        expression = test[0]
        if mark := _MARK.search(expression):
            # What this file counts itself is a limit; what somebody sets by the stats socket is a list.
            name = mark[1] if mark[1][-1].isdigit() else f"{mark[1]}0"
            return "count" if name in self._marked or mark[1] in self._marked else "list"
        if _COUNTED.search(expression):
            return "count"
        if variable := re.match(r"var\(([\w.]+)", expression):
            sets = [words for words in proxy.routing.sets if any(f"set-var({variable[1]}" in word for word in words)]
            return "list" if not sets or any(_SOURCE.match(word) for words in sets for word in words[3:4]) else ""
        if not _SOURCE.match(expression):
            return ""
        return "list" if turned or "-f" in test or _LISTED.search(expression) else ""


def _named(frontend: Proxy) -> set[str]:
    """Return the backends that a section's lines name; a listen is its own."""
    names = {route.backend for route in frontend.use_backend}
    if frontend.default_backend is not None:
        names.add(frontend.default_backend.backend)
    elif frontend.kind == "listen":
        names.add(frontend.name)
    return names


def _refuses(line: Line) -> bool:
    return line.words[0] == "tcp-request" and len(line.words) > 2 and line.words[2] in _REFUSALS


def _acls(lines: Iterable[tuple[str, ...]]) -> dict[str, Terms]:
    found: dict[str, Terms] = {}
    for words in lines:
        if len(words) > 2:
            found[words[1]] = (*found.get(words[1], ()), words[2:])
    return found


def _with_defaults(configuration: Configuration) -> dict[Span, tuple[list[Line], list[Line]]]:
    """Return the rules of each section, behind those of the defaults it stands on, which are shared."""
    found: dict[Span, tuple[list[Line], list[Line]]] = {}
    named: dict[str, list[Line]] = {}
    latest: list[Line] = []
    for section in configuration.sections:
        own = [line for line in section.lines if line.words[0] == "tcp-request" or line.words[0] == "http-request"]
        if section.kind == "defaults":
            latest = named[section.name] = own
        else:
            found[section.span] = (latest if section.base is None else named.get(section.base, []), own)
    return found
