"""Containers that are dialled without a published port: at an address of their own, or on the host's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.topology.daemons import DOVECOT, POSTFIX

if TYPE_CHECKING:
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose

_MAILCOW = {POSTFIX: "253", DOVECOT: "250"}
"""The last number of the address that Mailcow's own docker-compose.yml gives a container."""


def own_addresses(compose: Compose | None, environment: EnvFile | None) -> dict[str, str]:
    """Return address → service: what compose files pin, and Mailcow's own in its network where that counts."""
    found: dict[str, str] = {}
    mailcow = compose is not None and any(name.endswith("-mailcow") for name in compose.services)
    if mailcow or environment is not None:
        values = environment.values if environment is not None else {}
        network = values.get("IPV4_NETWORK") or "172.22.1"
        found = {f"{network}.{last}": service for service, last in _MAILCOW.items()}
    for name, service in compose.services.items() if compose is not None else ():
        networks = service.get("networks")
        for entry in networks.pairs.values() if networks is not None else ():
            for family in ("ipv4_address", "ipv6_address"):
                pinned = entry.get(family)
                if pinned is not None and pinned.text and not pinned.broken:
                    found[pinned.text] = name
    return found


def on_host(compose: Compose | None) -> frozenset[str]:
    """Return the services that use the network of their host: each of their ports is one of the host's."""
    if compose is None:
        return frozenset()
    modes = {name: service.get("network_mode") for name, service in compose.services.items()}
    return frozenset(name for name, mode in modes.items() if mode is not None and mode.text == "host")
