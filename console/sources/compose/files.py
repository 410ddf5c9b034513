"""Compose files to the ports they publish and the environment they give, merged as docker compose merges them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import TypeAlias

from msgspec import Struct

from console.errors import InputError
from console.model import Published, Span
from console.sources.compose import env_file
from console.sources.compose.nodes import is_kind, null, parse
from console.sources.compose.tree import MOST, Convert, Item, Merge, by_name
from console.text import clean

Texts: TypeAlias = Callable[[str], "str | None"]
"""Returns the text of a file by its path, spelled from where the first file's own path starts; None when it is not
there, or is not to be read."""

DEEPEST = 8
"""Files that include or extend files."""

EVERYWHERE = "0.0.0.0"
"""The address of a port that names none: docker then binds all of them, IPv6 included."""


class Compose(Struct, frozen=True):
    """What compose files say. A port without a fixed number of its own on the host is not in `published`.

    `environment` is service → name → (value, place); a value is None when it is taken from where compose runs.
    `services` are the merged trees."""

    published: tuple[Published, ...] = ()
    environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
    problems: tuple[InputError, ...] = ()
    services: dict[str, Item] = {}


def read(text: str, file: str, variables: Mapping[str, str]) -> Compose:
    """Read one compose file with the variables of its .env; see `merge`."""
    return merge([(file, text)], variables)


def merge(files: Sequence[tuple[str, str]], variables: Mapping[str, str], texts: Texts | None = None) -> Compose:
    """Read `(file, text)` pairs, each put over those before it; what cannot be read is a problem, the rest is kept.

    `texts` returns what these files include, extend and name as env_file; without it such files are left alone."""
    project = _Project(texts)
    services: dict[str, Item] = {}
    for file, text in files:
        project.put(services, text, file, variables, 0)
    reader = _Reader(project.complain)
    environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
    for name, service in services.items():
        if ports := service.get("ports"):
            reader.ports(name, ports)
        if found := dict(project.environment(service, variables)):
            environment[name] = found
    return Compose(tuple(reader.published), environment, tuple(project.problems), services)


class _Project:
    """Puts files together: what they include and extend comes first."""

    def __init__(self, texts: Texts | None) -> None:
        self.texts = texts
        self.problems: list[InputError] = []
        self.merging = Merge(self.complain)
        self.extending: list[tuple[str, str]] = []

    def complain(self, problem: InputError) -> None:
        """Keep a problem, once."""
        if len(self.problems) < 100 and problem not in self.problems:
            self.problems.append(problem)

    def _say(self, item: Item, problem: str) -> None:
        self.complain(InputError(item.span.file, item.span.line, item.span.column, problem))

    def _tree(self, text: str, file: str, variables: Mapping[str, str]) -> Item | None:
        """Return the tree of a file; None when there is none, and that was said."""
        try:
            root = parse(text.removeprefix("\ufeff"), file)
            if root is None or null(root):
                return None
            if not is_kind(root, "mapping"):
                mark = root.start_mark
                raise InputError(file, mark.line + 1, mark.column + 1, "a compose file begins with services:")
            return Convert(file, variables, self.complain).item(root)
        except RecursionError:
            self.complain(InputError(file, 1, 1, "this is not a compose file: brackets too deep inside each other"))
        except InputError as error:
            self.complain(error)
        return None

    def put(self, services: dict[str, Item], text: str, file: str, variables: Mapping[str, str], depth: int) -> None:
        """Put the services of one file over those that are there."""
        root = self._tree(text, file, variables)
        if root is None:
            return
        if (included := root.get("include")) and self.texts:
            self._include(services, included, file, variables, depth)
        found = root.get("services")
        for name, service in found.pairs.items() if found else ():
            if service.tag == "!reset":
                services.pop(name, None)
            elif service.kind == "mapping":
                whole = self._extended(name, service, root, file, variables)
                services[name] = self.merging.over(services.get(name), whole, ("services", name))

    # ── include and extends ─────────────────────────────────────────────────────────────────────────────────────────

    def _text(self, item: Item, written: str, beside: str) -> tuple[str, str] | None:
        """Return name and text of a file that another one names."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(beside), written))
        text = self.texts(path) if self.texts and written and "\0" not in written else None
        if text is None and self.texts:
            self._say(item, f'"{clean(written, 120)}" is not there, or is not ours to read: mend the path')
        return (path, text) if text is not None else None

    def _include(
        self, services: dict[str, Item], included: Item, file: str, variables: Mapping[str, str], depth: int
    ) -> None:
        for entry in included.items:
            if depth >= DEEPEST:
                self._say(entry, f"more than {DEEPEST} files that include each other")
                return
            paths = entry.get("path") if entry.kind == "mapping" else entry
            names = [each for each in (paths.items or (paths,) if paths else ()) if each.text]
            within: dict[str, Item] = {}
            folder = posixpath.join(posixpath.dirname(file), posixpath.dirname(names[0].text)) if names else ""
            inner = self._variables(entry, file, folder, variables)
            for each in names:
                if found := self._text(each, each.text, file):
                    self.put(within, found[1], found[0], inner, depth + 1)
            for name, service in within.items():
                if name in services:
                    self._say(entry, f'the service "{clean(name, 60)}" of this file is there already')
                services.setdefault(name, service)

    def _variables(self, entry: Item, file: str, folder: str, variables: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables of an included file: those around it, then of its own env_file or .env."""
        named = entry.get("env_file")
        found: dict[str, str] = {}
        if named is None:
            beside = posixpath.normpath(posixpath.join(folder, ".env"))
            text = self.texts(beside) if self.texts else None
            found = env_file.read(text, beside).values if text is not None else {}
        for each in (named.items or (named,)) if named else ():
            if each.text and (pair := self._text(each, each.text, file)):
                found.update(env_file.read(pair[1], pair[0]).values)
        return {**found, **variables}

    def _extended(self, name: str, service: Item, root: Item, file: str, variables: Mapping[str, str]) -> Item:
        """Return a service put over the one it extends."""
        extends = service.get("extends")
        if extends is None:
            return service
        wanted = extends.get("service") if extends.kind == "mapping" else extends
        other = extends.get("file")
        if wanted is None or (file, name) in self.extending or len(self.extending) >= DEEPEST:
            self._say(extends, "a service that extends itself" if wanted else "extends: needs a service:")
            return service
        self.extending.append((file, name))
        try:
            base_root, base_file = root, file
            if other is not None:
                pair = self._text(other, other.text, file)
                tree = self._tree(pair[1], pair[0], variables) if pair else None
                if pair is None or tree is None:
                    return service
                base_root, base_file = tree, pair[0]
            base = base_root.get("services", wanted.text)
            if base is None or base.kind != "mapping":
                self._say(extends, f'there is no service "{clean(wanted.text, 60)}" to extend')
                return service
            base = self._extended(wanted.text, base, base_root, base_file, variables)
            return self.merging.over(self.merging.clean(base, ("services", name)), service, ("services", name))
        finally:
            self.extending.pop()

    # ── environment ─────────────────────────────────────────────────────────────────────────────────────────────────

    def environment(self, service: Item, variables: Mapping[str, str]) -> Iterator[tuple[str, tuple[str | None, Span]]]:
        """Yield what a service is given: by its env files, then by its own environment."""
        files = service.get("env_file")
        given: dict[str, str] = {}
        for each in (files.items or (files,)) if files and self.texts else ():
            path = each.get("path") if each.kind == "mapping" else each
            required = each.get("required")
            if path is None or not path.text:
                continue
            if required is not None and required.text == "false" and not self._there(path):
                continue
            if pair := self._text(path, path.text, path.span.file):
                found = env_file.read(pair[1], pair[0], {**variables, **given})
                given.update(found.values)
                for name, value in found.values.items():
                    yield name, (value, found.spans[name])
        own = service.get("environment")
        for name, item in by_name(own).pairs.items() if own else ():
            absent = item.null or item.kind != "scalar"
            place = by_name(own).keys.get(name, item.span) if own else item.span
            yield name, (variables.get(name) if absent else item.text, place)

    def _there(self, path: Item) -> bool:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(path.span.file), path.text))
        return self.texts is not None and self.texts(name) is not None


class _Reader:
    """Reads the ports of merged services."""

    def __init__(self, complain: Callable[[InputError], None]) -> None:
        self.complain = complain
        self.published: list[Published] = []
        self.failed = False

    def _say(self, item: Item, problem: str) -> None:
        self.complain(InputError(item.span.file, item.span.line, item.span.column, problem))

    def ports(self, service: str, item: Item) -> None:
        """Read the ports of one service."""
        if item.kind != "sequence":
            if not item.null:
                self._say(item, "ports: is a list")
            return
        for each in item.items:
            room = MOST - len(self.published)
            found = self._long(service, each) if each.kind == "mapping" else self._short(service, each)
            self.published.extend(list(found)[:room])

    def _short(self, service: str, item: Item) -> Iterator[Published]:
        if item.broken:
            return
        match = _SHORT.fullmatch(item.text)
        if not match:
            six = ", IPv6 in brackets" if item.text.count(":") > 2 else ""
            self._say(item, f'"{clean(item.text, 60)}" is no port; written {_WRITTEN}{six}')
        elif match["host"]:
            address, protocol = match["address"] or "", match["protocol"]
            yield from self._pairs(service, item, address, match["host"], match["container"], protocol, item.variable)

    def _long(self, service: str, item: Item) -> Iterator[Published]:
        fields = {name: each for name, each in item.pairs.items() if each.kind == "scalar" and not each.null}
        if any(each.broken for each in fields.values()):
            return
        said = {name: each.text for name, each in fields.items()}
        target, host = said.get("target", ""), said.get("published", "")
        if not _RANGE.fullmatch(target) or (host and not _RANGE.fullmatch(host)):
            self._say(item, "a port needs target: and, to be reached, published:; both are numbers")
        elif host:
            variables = [fields[name].variable for name in ("published", "host_ip") if name in fields]
            variable = next((each for each in variables if each), None)
            address, protocol = said.get("host_ip", ""), said.get("protocol")
            yield from self._pairs(service, item, address, host, target, protocol, variable)

    def _pairs(
        self,
        service: str,
        item: Item,
        address: str,
        host: str,
        container: str,
        protocol: str | None,
        variable: str | None,
    ) -> Iterator[Published]:
        address = address.strip("[]")
        ports, inside = _range(host), _range(container)
        if not ports or not inside or (len(inside) not in (1, len(ports))):
            self._say(item, f'"{clean(f"{host}:{container}", 40)}": ports are 1 to 65535, ranges of one length')
            return
        if address and not _address(address):
            self._say(item, f'"{clean(address, 60)}" is no address of this machine; a number is needed')
            return
        if len(inside) == 1:
            # Docker takes the first free one of a range for a single container port.
            ports = ports[:1]
        for outer, inner in zip(ports, inside, strict=True):
            yield Published(
                service=service,
                address=address or EVERYWHERE,
                port=outer,
                container_port=inner,
                source=item.span,
                variable=variable,
                protocol=protocol or "tcp",
            )


_SHORT = re.compile(
    r"""
    (?:(?:(?P<address>\[[^\[\]]*\]|[^:\[\]]*):)?(?P<host>\d+(?:-\d+)?)?:)?
    (?P<container>\d+(?:-\d+)?)
    (?:/(?P<protocol>tcp|udp|sctp))?
    """,
    re.VERBOSE,
)
_WRITTEN = "[address:][port:]container-port[/protocol]"
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
