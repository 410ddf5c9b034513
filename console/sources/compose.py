"""A compose file to the ports it publishes and the environment it gives, as docker compose would read them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, TypeAlias

from msgspec import Struct

from console.errors import InputError
from console.model import Published, Span
from console.sources.expansion import expand
from console.text import clean

Node: TypeAlias = Any
"""A node of ruamel.yaml's, whose own annotations leave out `id`."""

MOST = 10000
"""Published ports, and mappings looked into; aliases of aliases and ranges multiply."""

EVERYWHERE = "0.0.0.0"
"""The address of a port that names none: docker then binds all of them, IPv6 included."""


class Compose(Struct, frozen=True):
    """What one compose file says. A port without a fixed number of its own on the host is not in `published`.

    `environment` is service → name → (value, place); a value is None when it is taken from where compose runs."""

    published: tuple[Published, ...] = ()
    environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
    problems: tuple[InputError, ...] = ()


def read(text: str, file: str, variables: Mapping[str, str]) -> Compose:
    """Read a compose file with the variables of its .env; what cannot be read is a problem, the rest is kept."""
    text = text.removeprefix("\ufeff")
    reader = _Reader(file, variables)
    try:
        root = _compose(text, file)
    except InputError as error:
        return Compose(problems=(error,))
    reader.services(root)
    return Compose(tuple(reader.published), reader.environment, tuple(reader.problems))


def _compose(text: str, file: str) -> Node | None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        root: Node | None = YAML(pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or error.context or "it cannot be read").split("\n")[0]
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise InputError(file, line, column, f"this is not YAML: {clean(what, 120)}") from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InputError(file, line, column, "this is not YAML: a control character stands here") from None
    except RecursionError:
        raise InputError(file, 1, 1, "this is not a compose file: brackets too deep inside each other") from None
    except Exception as error:  # a broken document makes the reader trip over itself in many ways
        raise InputError(file, 1, 1, f"this is not YAML: {clean(str(error), 120)}") from None
    return root


class _Reader:
    """Walks the nodes, which have their places; aliases make them a graph, so every walk is counted."""

    def __init__(self, file: str, variables: Mapping[str, str]) -> None:
        self.file, self.variables = file, variables
        self.published: list[Published] = []
        self.environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
        self.problems: list[InputError] = []
        self.looked = 0

    def services(self, root: Node | None) -> None:
        if root is None or _null(root):
            return
        if not _is(root, "mapping"):
            self._complain(root, "a compose file begins with services:")
            return
        for key, found in self._items(root):
            if _word(key) != "services":
                continue
            for name, service in self._items(found):
                if _is(service, "mapping"):
                    self._service(_word(name), service)

    def _service(self, name: str, service: Node) -> None:
        for key, value in self._items(service):
            if value.tag == "!reset":
                continue
            if _word(key) == "ports":
                self._ports(name, value)
            elif _word(key) == "environment":
                self.environment[name] = dict(self._variables(value))

    def _items(self, node: Node) -> Iterator[tuple[Node, Node]]:
        """Yield the pairs of a mapping, merged ones first, so that the mapping's own come last and count."""
        if not _is(node, "mapping"):
            return
        merged: list[Node] = []
        seen: set[int] = {id(node)}
        waiting = [node]
        while waiting and self.looked < MOST:
            self.looked += 1
            current = waiting.pop()
            merged.append(current)
            for key, value in current.value:
                if _word(key) == "<<":
                    for other in value.value if _is(value, "sequence") else [value]:
                        if _is(other, "mapping") and id(other) not in seen:
                            seen.add(id(other))
                            waiting.append(other)
        latest: dict[str, tuple[Node, Node]] = {}
        for mapping in reversed(merged):
            own: dict[str, Node] = {}
            for key, value in mapping.value:
                word = _word(key)
                if word in own and mapping is node:
                    line = own[word].start_mark.line + 1
                    self._complain(key, f'"{clean(word, 40)}" stands here twice, first at line {line}')
                own[word] = key
                if word != "<<":
                    latest[word] = (key, value)
        yield from latest.values()

    def _complain(self, node: Node, problem: str) -> None:
        if len(self.problems) < 100:
            mark = node.start_mark
            self.problems.append(InputError(self.file, mark.line + 1, mark.column + 1, problem))

    def _span(self, node: Node) -> Span:
        start, end = node.start_mark, node.end_mark
        last = end.column + 1 if end.line == start.line else 0
        return Span(self.file, start.line + 1, start.column + 1, last)

    def _expand(self, node: Node) -> tuple[str, str | None]:
        """Return a scalar's text with its variables expanded, and the first of these."""
        found = expand(_word(node), self.variables)
        if found.problem:
            self._complain(node, clean(found.problem, 160))
        return found.text, found.names[0] if found.names else None

    def _variables(self, node: Node) -> Iterator[tuple[str, tuple[str | None, Span]]]:
        if _is(node, "mapping"):
            for key, value in self._items(node):
                absent = _null(value) or not _is(value, "scalar")
                name = _word(key)
                yield name, (self.variables.get(name) if absent else self._expand(value)[0], self._span(key))
        elif _is(node, "sequence"):
            for item in node.value:
                name, separator, given = self._expand(item)[0].partition("=")
                if name:
                    yield name, (given if separator else self.variables.get(name), self._span(item))

    def _ports(self, service: str, node: Node) -> None:
        if not _is(node, "sequence"):
            if not _null(node):
                self._complain(node, "ports: is a list")
            return
        for item in node.value:
            room = MOST - len(self.published)
            if _is(item, "mapping"):
                self.published.extend(list(self._long(service, item))[:room])
            else:
                self.published.extend(list(self._short(service, item))[:room])

    def _short(self, service: str, node: Node) -> Iterator[Published]:
        broken = len(self.problems)
        word, variable = self._expand(node)
        match = _SHORT.fullmatch(word)
        if len(self.problems) > broken:
            return
        if not match:
            self._complain(node, f'"{clean(word, 60)}" is no port; written [address:][port:]container-port[/protocol]')
            return
        if match["host"]:
            yield from self._pairs(
                service, node, match["address"] or "", match["host"], match["container"], match["protocol"], variable
            )

    def _long(self, service: str, node: Node) -> Iterator[Published]:
        broken = len(self.problems)
        fields: dict[str, str] = {}
        variables: dict[str, str | None] = {}
        for key, value in self._items(node):
            if _is(value, "scalar") and not _null(value):
                fields[_word(key)], variables[_word(key)] = self._expand(value)
        if len(self.problems) > broken:
            return
        target, host = fields.get("target", ""), fields.get("published", "")
        if not _RANGE.fullmatch(target) or (host and not _RANGE.fullmatch(host)):
            self._complain(node, "a port needs target: and, to be reached, published:; both are numbers")
        elif host:
            variable = variables.get("published") or variables.get("host_ip")
            protocol = fields.get("protocol")
            yield from self._pairs(service, node, fields.get("host_ip", ""), host, target, protocol, variable)

    def _pairs(
        self,
        service: str,
        node: Node,
        address: str,
        host: str,
        container: str,
        protocol: str | None,
        variable: str | None,
    ) -> Iterator[Published]:
        address = address.strip("[]")
        ports, inside = _range(host), _range(container)
        if not ports or not inside or (len(inside) not in (1, len(ports))):
            self._complain(node, f'"{clean(f"{host}:{container}", 40)}": ports are 1 to 65535, ranges of one length')
            return
        if address and not _address(address):
            self._complain(node, f'"{clean(address, 60)}" is no address of this machine; a number is needed')
            return
        source = self._span(node)
        if len(inside) == 1:
            # Docker takes the first free one of a range for a single container port.
            ports = ports[:1]
        for outer, inner in zip(ports, inside, strict=True):
            yield Published(
                service=service,
                address=address or EVERYWHERE,
                port=outer,
                container_port=inner,
                source=source,
                variable=variable,
                protocol=protocol or "tcp",
            )


_SHORT = re.compile(
    r"""
    (?:(?:(?P<address>\[[^\[\]]*\]|[^:\[\]]*|[0-9A-Fa-f:.]+):)?(?P<host>\d+(?:-\d+)?)?:)?
    (?P<container>\d+(?:-\d+)?)
    (?:/(?P<protocol>tcp|udp|sctp))?
    """,
    re.VERBOSE,
)
_RANGE = re.compile(r"\d+(?:-\d+)?")


def _range(word: str) -> range | None:
    first, _, last = word.partition("-")
    if len(word) > 11:
        return None
    ports = range(int(first), int(last or first) + 1)
    return ports if ports and ports[0] >= 1 and ports[-1] <= 65535 else None


def _address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _is(node: Node, kind: str) -> bool:
    return bool(node.id == kind)


def _null(node: Node) -> bool:
    return str(node.tag).endswith(":null")


def _word(node: Node) -> str:
    return str(node.value) if _is(node, "scalar") else ""
