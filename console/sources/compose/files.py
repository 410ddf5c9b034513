"""Compose files to the ports they publish and the environment they give, merged as docker compose merges them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import islice

from msgspec import Struct

from console.errors import InputError
from console.model import Published, Span
from console.sources.compose.further import Texts
from console.sources.compose.project import Project
from console.sources.compose.tree import MOST, Item
from console.text import clean

EVERYWHERE = "0.0.0.0"
"""The address of a port that names none: docker then binds all of them, IPv6 included."""


class Compose(Struct, frozen=True):
    """What compose files say. A port without a fixed number of its own on the host is not in `published`.

    `environment` is service → name → (value, place); a value is None when it is taken from where compose runs.
    `services` are the merged trees; `asleep` are ports of services with `profiles:`, which start when they are asked
    for."""

    published: tuple[Published, ...] = ()
    environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
    problems: tuple[InputError, ...] = ()
    services: dict[str, Item] = {}
    asleep: tuple[Published, ...] = ()


def read(text: str, file: str, variables: Mapping[str, str]) -> Compose:
    """Read one compose file with the variables of its .env; see `merge`."""
    return merge([(file, text)], variables)


def merge(files: Sequence[tuple[str, str]], variables: Mapping[str, str], texts: Texts | None = None) -> Compose:
    """Read `(file, text)` pairs, each put over those before it; what cannot be read is a problem, the rest is kept.

    `texts` returns what these files include, extend and name as env_file; without it such files are left alone."""
    project = Project(texts)
    services: dict[str, Item] = {}
    for file, text in files:
        project.put(services, text, file, variables)
    reader, sleeping = _Reader(project.complain), _Reader(project.complain)
    chosen = {each.strip() for each in variables.get("COMPOSE_PROFILES", "").split(",")}
    environment: dict[str, dict[str, tuple[str | None, Span]]] = {}
    for name, service in services.items():
        if ports := service.get("ports"):
            (reader if _wakes(service, chosen) else sleeping).ports(name, ports)
        if found := dict(project.environment(service, variables)):
            environment[name] = found
    problems = tuple(project.problems)
    return Compose(tuple(reader.published), environment, problems, services, tuple(sleeping.published))


def _wakes(service: Item, chosen: set[str]) -> bool:
    """Whether a service starts with the others: it has no profile, or one that COMPOSE_PROFILES names."""
    profiles = service.get("profiles")
    names = [each.text for each in profiles.items] if profiles is not None else []
    return not names or "*" in chosen or any(name in chosen for name in names)


class _Reader:
    """Reads the ports of merged services."""

    def __init__(self, complain: Callable[[InputError], None]) -> None:
        self.complain = complain
        self.published: list[Published] = []

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
            if room <= 0:
                self._say(item, f"more than {MOST} ports are published: the rest is not read; is this the right file?")
                return
            found = self._long(service, each) if each.kind == "mapping" else self._short(service, each)
            self.published.extend(islice(found, room))

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
                every=not address,
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
