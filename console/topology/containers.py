"""Containers that are dialled without a published port: at an address of their own, or on the host's network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.model import PLAIN_PORTS
from console.topology.daemons import DOVECOT, NGINX, POSTFIX

if TYPE_CHECKING:
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.compose.tree import Item

_MAILCOW = {POSTFIX: "253", DOVECOT: "250"}
"""The last number of the address that Mailcow's own docker-compose.yml gives a container."""


_MAIL = frozenset((*PLAIN_PORTS, *PLAIN_PORTS.values()))
_ALIASES = {"postfix": POSTFIX, "dovecot": DOVECOT, "nginx": NGINX}
"""The names that Mailcow's own docker-compose.yml gives containers in its network, beside the services' own."""

_PROXY = re.compile(r"haproxy|nginx|traefik|caddy|envoy|wireguard|tailscale", re.IGNORECASE)

_FORWARDS = re.compile(r"nginx|traefik|caddy|envoy|socat|stream|frp|rathole|gost|proxy|stunnel", re.IGNORECASE)
"""Programs that take a port and pass its connections on, by the names of services and images."""

_HAPROXY = re.compile("haproxy", re.IGNORECASE)


def is_mailcow(compose: Compose | None, environment: EnvFile | None = None) -> bool:
    """Whether what is given is Mailcow's: its mailcow.conf, or a compose file that names its services."""
    named = compose is not None and any(name.endswith("-mailcow") for name in compose.services)
    return named or environment is not None


def is_foreign(compose: Compose | None, environment: EnvFile | None) -> bool:
    """Whether compose files set up a mail server that is not Mailcow: nothing is known then of its daemons."""
    if compose is None or is_mailcow(compose, environment):
        return False
    hosted = on_host(compose)
    inside = {entry.service for entry in compose.published if entry.container_port in _MAIL}
    return any(
        not _proxies(name, service) and (name in hosted or name in inside) for name, service in compose.services.items()
    )


def _proxies(name: str, service: Item, kinds: re.Pattern[str] = _PROXY) -> bool:
    """Whether a service stands in front of a mail server, by its name or the name of its image, and is none."""
    image = service.get("image")
    called = name if image is None else image.text.rpartition("/")[2]
    return not name.endswith("-mailcow") and bool(kinds.search(called))


def edges(compose: Compose | None) -> frozenset[str]:
    """Return the services that are HAProxy: what they publish are its own ports, and none of the mail server's."""
    services = compose.services if compose is not None else {}
    return frozenset(name for name, each in services.items() if _proxies(name, each, _HAPROXY))


def own_addresses(compose: Compose | None, environment: EnvFile | None) -> dict[str, str]:
    """Return address or name → service: what compose files pin and call them, and Mailcow's own where that counts."""
    found: dict[str, str] = {}
    if is_mailcow(compose, environment):
        values = environment.values if environment is not None else {}
        network = values.get("IPV4_NETWORK") or "172.22.1"
        found = {f"{network}.{last}": service for service, last in _MAILCOW.items()} | _ALIASES
    for name, service in compose.services.items() if compose is not None else ():
        # Docker answers these names in the containers' network; with a dot they may be anybody's.
        found |= {each.lower(): name for each in _called(name, service) if "." not in each}
        networks = service.get("networks")
        for entry in networks.pairs.values() if networks is not None else ():
            for family in ("ipv4_address", "ipv6_address"):
                pinned = entry.get(family)
                if pinned is not None and pinned.text and not pinned.broken:
                    found[pinned.text] = name
    return found


def _called(name: str, service: Item) -> Iterator[str]:
    yield name
    if (own := service.get("container_name")) is not None and not own.broken:
        yield own.text
    networks = service.get("networks")
    for entry in networks.pairs.values() if networks is not None else ():
        aliases = entry.get("aliases")
        yield from (each.text for each in (aliases.items if aliases is not None else ()) if not each.broken)


def on_host(compose: Compose | None) -> frozenset[str]:
    """Return the services that use the network of their host: each of their ports is one of the host's.

    A service that lives in the network of such a one uses it too."""
    if compose is None:
        return frozenset()
    modes = {name: mode for name, each in compose.services.items() if (mode := each.get("network_mode")) is not None}
    found = {name for name, mode in modes.items() if mode.text == "host"}
    inside = sharing(compose) if found else {}
    fresh = set(found)
    while fresh:
        fresh = {each for name in fresh for each in inside.get(name, ())} - found
        found |= fresh
    return frozenset(found)


def forwarders(compose: Compose | None) -> frozenset[str]:
    """Return the services that may answer on any port of the host, and pass on what comes: their files are not read."""
    services = compose.services if compose is not None else {}
    outer = edges(compose)
    return frozenset(
        name for name in on_host(compose) if name not in outer and _proxies(name, services[name], _FORWARDS)
    )


def sharing(compose: Compose | None) -> dict[str, frozenset[str]]:
    """Return service → those that live in its network: what it publishes are their ports too."""
    found: dict[str, set[str]] = {}
    for name, service in compose.services.items() if compose is not None else ():
        mode = service.get("network_mode")
        if mode is not None and mode.text.startswith("service:"):
            found.setdefault(mode.text.removeprefix("service:"), set()).add(name)
    return {name: frozenset(inside) for name, inside in found.items()}
