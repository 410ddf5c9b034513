"""The effective listener of each port that HAProxy dials: who answers, what it speaks, where it is published.

Worked out from everything given: Incus's forwards and proxy devices, the ports that compose and mailcow.conf publish,
the daemons' own files; well-known numbers come last. What is left open is unknown, and condemned by nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from msgspec import Struct

from console.model import PLAIN_PORTS, Published, Span
from console.sources.haproxy.addresses import loopback
from console.topology.daemons import ANYBODY, DOVECOT, NGINX, POSTFIX, Listener, Listeners, listeners

if TYPE_CHECKING:
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.opentofu.forwards import Forward

MOST_HOPS = 4
"""Forwards behind forwards that are followed."""

BASE: tuple[tuple[str, str, int], ...] = (
    (POSTFIX, "SMTP_PORT", 25),
    (POSTFIX, "SMTPS_PORT", 465),
    (POSTFIX, "SUBMISSION_PORT", 587),
    (DOVECOT, "IMAP_PORT", 143),
    (DOVECOT, "IMAPS_PORT", 993),
    (DOVECOT, "POP_PORT", 110),
    (DOVECOT, "POPS_PORT", 995),
    (DOVECOT, "SIEVE_PORT", 4190),
)
"""The mail ports that Mailcow's own docker-compose.yml publishes, and the variables that move them."""

_WEB = (("HTTPS", 443), ("HTTP", 80))
ANY = frozenset(("", "*", "0.0.0.0", "::"))
_BINDING = re.compile(r"(?:(\[[^\[\]]*\]|[^:\[\]]*):)?(\d{1,5})")


class Arrival(Struct, frozen=True, gc=False):
    """Where a connection to an address and port ends up.

    `host` and `port` are those of the VM, behind the `hops`; `entry` is what publishes the port there, `elsewhere`
    what publishes it on other addresses alone. `adds` says that a hop puts a PROXY header in front; `known`, that
    nothing of this is left open; `direct`, that the container itself has the address, so that nothing is published;
    `stranger`, that it is a machine beside the mail server's, of which no file says what answers there."""

    host: str
    port: int
    listener: Listener
    entry: Published | None = None
    elsewhere: tuple[Published, ...] = ()
    hops: tuple[Forward, ...] = ()
    adds: bool = False
    known: bool = True
    direct: bool = False
    stranger: bool = False


class Ports:
    """The ports of the VM: who published which, what stands behind them, and what leads to them."""

    def __init__(
        self,
        published: Iterable[Published] = (),
        assumed: Iterable[Published] = (),
        forwards: Iterable[Forward] = (),
        pinned: Iterable[str] = (),
        daemons: Listeners | None = None,
        told: frozenset[str] = frozenset(),
        own: Mapping[str, str] | None = None,
        on_host: frozenset[str] = frozenset(),
        sharing: Mapping[str, frozenset[str]] | None = None,
        recognised: frozenset[str] = frozenset(),
        forwarded: bool = False,
        alike: frozenset[str] = frozenset(),
    ) -> None:
        self.daemons = listeners() if daemons is None else daemons
        self.told = told
        self.given = tuple(published)
        self.assumed = tuple(assumed)
        self._sure = {id(entry) for entry in self.given}
        self._published: dict[int, list[Published]] = {}
        for entry in (*self.given, *self.assumed):
            if entry.protocol == "tcp":
                self._published.setdefault(entry.port, []).append(entry)
        left = {entry.container_port for entry in self.assumed if entry.port != entry.container_port}
        self._left = left - self._published.keys()
        """Ports that Mailcow's compose file publishes by default and mailcow.conf changes: nobody listens there."""
        self._exact: dict[tuple[str, int], Forward] = {}
        self._anywhere: dict[int, Forward] = {}
        self._listening: set[str] = set()
        self._vague: set[int] = set()
        self._pinned = {normal(address) for address in pinned}
        self._own = {normal(address): service for address, service in (own or {}).items()}
        self._on_host = on_host
        self._sharing = sharing or {}
        self._forwarded = forwarded
        self._recognised = recognised
        self._alike = alike
        self._families = {":" in each for each in recognised if numeric(each)}
        for forward in forwards:
            self._lead(forward)
        self._arrivals: dict[tuple[str, int], Arrival] = {}

    def _lead(self, forward: Forward) -> None:
        if forward.listen is None:
            self._vague.add(forward.port)
        elif forward.listen == "":
            self._anywhere.setdefault(forward.port, forward)
        else:
            listen = normal(forward.listen)
            self._listening.add(listen)
            self._exact.setdefault((listen, forward.port), forward)

    def published(self, host: str, port: int) -> Published | None:
        """Return the compose line of a port; one that `host` reaches before others."""
        entries = self._published.get(port, ())
        return self._entry(host, port)[0] if entries else None

    def tells(self, service: str) -> bool:
        """Whether the files say all ports that a service publishes."""
        return service in self.told

    def at(self, host: str, port: int) -> Arrival:
        """Follow a connection to the daemon that answers; each address and port is worked out once."""
        key = (host, port)
        found = self._arrivals.get(key)
        if found is None:
            found = self._arrivals[key] = self._follow(host, port)
        return found

    def stranger(self, host: str, port: int | None) -> bool:
        """Whether a machine is dialled that stands beside the mail server's."""
        return port is not None and self.at(host, port).stranger

    def anybody(self, host: str, port: int) -> Arrival:
        """Return what is known of a port on a machine of which nothing says that it is the mail server's."""
        arrival = self.at(host, port)
        published = arrival.entry is not None and arrival.known and not arrival.elsewhere
        named = published and arrival.entry is not None and arrival.entry.address not in ANY
        if named or arrival.direct or arrival.hops or normal(host) in self._pinned:
            return arrival
        return Arrival(host, port, ANYBODY.get(port) or Listener(None, port))

    def _follow(self, host: str, port: int) -> Arrival:
        hops: list[Forward] = []
        here, number, adds = host, port, False
        while self._exact or self._anywhere or self._vague:
            forward = self._forward(here, number)
            if forward is None:
                break
            hops.append(forward)
            adds = adds or forward.header
            onward = number if forward.port == 0 else forward.target_port
            if forward.target is None or onward is None or len(hops) > MOST_HOPS:
                return _open(here, number, hops, adds)
            here, number = forward.target, onward
        if not hops and (self._vague or self._listening) and (number in self._vague or normal(here) in self._listening):
            return _open(here, number, hops, adds)
        if (service := self._own.get(normal(here))) is not None:
            return Arrival(here, number, self._inside(service, number), None, (), tuple(hops), adds, True, True)
        entry, elsewhere, sure = self._entry(here, number)
        if not hops and self._strange(here) and (elsewhere or entry is None or entry.address in ANY):
            return Arrival(here, number, ANYBODY.get(number) or Listener(None, number), stranger=True)
        if self._on_host and (entry is None or elsewhere):
            daemon = self.daemons.get(number)
            if daemon is not None and daemon.service in self._on_host:
                return Arrival(here, number, daemon, None, (), tuple(hops), adds, True, True)
        if self._forwarded and (entry is None or elsewhere):
            answers = ANYBODY.get(number) or Listener(None, number)
            return Arrival(here, number, answers, None, (), tuple(hops), adds, known=False)
        if entry is None and number in self._left:
            return Arrival(here, number, Listener(None, number), None, (), tuple(hops), adds)
        if entry is None and loopback(here) and number not in self.daemons:
            # A tunnel's end, or another program of the machine that HAProxy is on.
            return _open(here, number, hops, adds)
        return Arrival(here, number, self._listener(entry, number), entry, elsewhere, tuple(hops), adds, sure)

    def _strange(self, host: str) -> bool:
        """Whether a host is none that is recognised as the mail server; of the other IP version it may be the same."""
        if self._alike and not self._recognised:
            return normal(host) in self._alike
        if not self._recognised or normal(host) in self._recognised:
            return False
        return not numeric(host) or not self._families or (":" in host) in self._families

    def _forward(self, host: str, port: int) -> Forward | None:
        here = normal(host)
        found = self._exact.get((here, port)) or self._exact.get((here, 0))
        if found is not None or here in self._pinned or loopback(here):
            return found
        # A device that listens on all addresses of its host does so on none of the VM's.
        named = [entry for entry in self._published.get(port, ()) if entry.address not in ANY]
        return None if any(reaches(host, entry) for entry in named) else self._anywhere.get(port)

    def _entry(self, host: str, port: int) -> tuple[Published | None, tuple[Published, ...], bool]:
        """Return what publishes a port where `host` is, what does elsewhere alone, and whether that is sure."""
        entries = self._published.get(port, [])
        reached = [entry for entry in entries if reaches(host, entry)]
        if reached:
            # One that names the very address comes before one that takes every address.
            return next((entry for entry in reached if entry.address not in ANY), reached[0]), (), True
        if not entries:
            return None, (), True
        if not numeric(host) and not all(loopback(entry.address) for entry in entries):
            return entries[0], (), False
        return entries[0], tuple(entries), True

    def _listener(self, entry: Published | None, port: int) -> Listener:
        if entry is None:
            return self.daemons.get(port) or Listener(None, port)
        return self._inside(entry.service, entry.container_port)

    def _inside(self, service: str, port: int) -> Listener:
        """Return what a service listens with on a port of its container."""
        found = self.daemons.get(port)
        here = found is not None and (found.service == service or found.service in self._sharing.get(service, ()))
        return found if found is not None and here else Listener(service, port)

    def behind(self, host: str, port: int) -> int:
        """Return the container's port behind a port: the published one, else the same number."""
        return self.at(host, port).listener.port

    def service(self, host: str, port: int, ours: bool) -> tuple[str | None, int | None]:
        """Return the service that answers, and its port: as published, else as Mailcow's own compose file does.

        `ours` says that the target is the mail server, so that its port 80 is Mailcow's nginx."""
        arrival = self.at(host, port)
        entry, listener = arrival.entry, arrival.listener
        web = listener.service == NGINX
        if entry is not None and (ours or not web or id(entry) in self._sure):
            return listener.service or entry.service, entry.container_port
        if listener.service is None or (web and not ours):
            return None, None
        if listener.port in PLAIN_PORTS and not arrival.direct and (self.given or not arrival.known):
            return None, None
        return listener.service, listener.port

    def wants_header(self, entry: Published) -> bool:
        """Whether a published port leads to a daemon that waits for a PROXY header."""
        return entry.protocol == "tcp" and self._listener(entry, entry.port).header == "wanted"


def _open(host: str, port: int, hops: list[Forward], adds: bool) -> Arrival:
    return Arrival(host, port, Listener(None, port), hops=tuple(hops), adds=adds, known=False)


def assumed(compose: Compose | None, environment: EnvFile | None, file: str) -> tuple[Published, ...]:
    """Return the ports that Mailcow's own compose file publishes where that one is not given, moved by mailcow.conf."""
    mailcow = compose is not None and any(name.endswith("-mailcow") for name in compose.services)
    if not mailcow and environment is None:
        return ()
    values: Mapping[str, str] = environment.values if environment is not None else {}
    spans: Mapping[str, Span] = environment.spans if environment is not None else {}
    found: list[Published] = []
    for service, variable, port in BASE:
        binding = _BINDING.fullmatch(values.get(variable) or str(port))
        if not _whole(compose, service) and binding and 0 < int(binding[2]) < 65536:
            address = (binding[1] or "").strip("[]")
            place = spans.get(variable, Span(file, 0))
            found.append(_publish(service, address, int(binding[2]), port, place, variable))
    if not _whole(compose, NGINX):
        for name, port in _WEB:
            number = values.get(f"{name}_PORT") or str(port)
            if number.isdigit() and 0 < int(number[:6]) < 65536:
                place = spans.get(f"{name}_BIND", spans.get(f"{name}_PORT", Span(file, 0)))
                address = values.get(f"{name}_BIND", "").strip("[]")
                found.append(_publish(NGINX, address, int(number), int(number), place, f"{name}_BIND"))
    return tuple(found)


def _publish(service: str, address: str, port: int, behind: int, place: Span, variable: str) -> Published:
    return Published(service, address or "0.0.0.0", port, behind, place, variable, every=not address)


def told(compose: Compose | None) -> frozenset[str]:
    """Return the services of Mailcow's whose ports the given files say in full."""
    return frozenset(service for service in (POSTFIX, DOVECOT, NGINX) if _whole(compose, service))


def _whole(compose: Compose | None, service: str) -> bool:
    """Whether the given files say all of a service's ports: Mailcow's own is among them, or is overridden."""
    said = compose.services.get(service) if compose is not None else None
    if said is None:
        return False
    ports = said.get("ports")
    if "image" in said.pairs or "build" in said.pairs:
        return True
    return (ports is not None and ports.tag == "!override") or (ports is None and "ports" in said.keys)


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def reaches(host: str, entry: Published) -> bool:
    """Whether a connection to `host` can be one to the address that a port is published on."""
    if entry.every:
        return True
    address = entry.address
    if address in ANY:
        return not numeric(host) or (":" in host) == (address == "::")
    return normal(host) == normal(address)


@lru_cache(maxsize=4096)
def normal(host: str) -> str:
    """Return an address or a name as one that can be compared."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host.strip("[]")))
    except ValueError:
        return host.lower()


@lru_cache(maxsize=4096)
def numeric(host: str) -> bool:
    """Whether a host is an address rather than a name."""
    if host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
