"""Whose an address is: the proxy's, Docker's, the router's, the VM's, as far as the machines and files tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network

from msgspec import Struct

from console.diagnosis.catalogue import CATALOGUE
from console.diagnosis.sightings import plain
from console.errors import HostError
from console.facts import addresses, tailscale
from console.flows import StepContext
from console.hosts.host import Host

DOCKER4, DOCKER6 = "172.22.1", "fd4d:6169:6c63:6f77::/64"
"""Mailcow's own networks in Docker, as IPV4_NETWORK (its first three numbers) and IPV6_NETWORK of mailcow.conf say."""


class Known(Struct, frozen=True):
    """Addresses that are no client's, and the names of the machines that have them."""

    proxy: frozenset[str] = frozenset()
    mail: frozenset[str] = frozenset()
    router: str = ""
    docker: tuple[str, ...] = (f"{DOCKER4}.0/24", DOCKER6)
    proxy_name: str = "the proxy"
    mail_name: str = "the mail server"

    def whose(self, address: str) -> tuple[str, str]:
        """Return whose an address is, in words, and the finding that tells why a server sees it; "" for nobody's."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return "", ""
        for network in map(ip_network, self.docker):
            if parsed.version == network.version and parsed in network:
                gate = parsed == network[1]
                return ("Docker's gateway" if gate else "an address in Docker's own network"), "CH007"
        if parsed.is_loopback:
            words = f"loopback: {self.mail_name}'s own, or {self.proxy_name}'s where a program there dials HAProxy"
            return words, "CH007"
        if address in self.proxy:
            return f"HAProxy's, on {self.proxy_name}", "CH002"
        if address in self.mail:
            return f"{self.mail_name}'s own", "CH002"
        if address == self.router:
            return f"the router's, as {self.mail_name} has it", "CH002"
        return "", ""


def titled(id: str) -> str:
    """Name a finding: its id and its name."""
    return f"{id} {CATALOGUE[id].name}" if id else ""


async def learn(context: StepContext, public: tuple[str, ...]) -> Known:
    """Ask the machines for their addresses; what cannot be asked is missing. `public` are those that clients dial."""
    targets = {lane.target.host for lane in context.estate.topology.lanes if lane.target}
    own, tailnet, inside, router = await asyncio.gather(
        _ask(context, "proxy", _every),
        _ask(context, "proxy", _tailnet),
        _ask(context, "mail", _own),
        _ask(context, "mail", _router),
    )
    return Known(
        frozenset(filter(None, map(plain, (*public, *own, *tailnet)))),
        frozenset(filter(None, map(plain, (*targets, *inside)))),
        plain(next(iter(router), "")),
        _docker(context),
        context.name("proxy") if context.named("proxy") else "the proxy",
        context.name("mail") if context.named("mail") else "the mail server",
    )


async def _ask(context: StepContext, role: str, ask: Callable[[Host], Awaitable[tuple[str, ...]]]) -> tuple[str, ...]:
    try:
        return await ask(context.host(role, fresh=True))
    except HostError:
        return ()


async def _own(host: Host) -> tuple[str, ...]:
    return (await addresses.ask(host)).found


async def _every(host: Host) -> tuple[str, ...]:
    """A proxy's addresses with those of its tunnels: the mail server sees the one at the tunnel's end."""
    return (await addresses.ask(host, tunnels=True)).found


async def _tailnet(host: Host) -> tuple[str, ...]:
    own = (await tailscale.ask(host)).own
    return own.addresses if own else ()


async def _router(host: Host) -> tuple[str, ...]:
    return (await addresses.gateway(host),)


def _docker(context: StepContext) -> tuple[str, ...]:
    environment = context.estate.sources.environment
    values = environment.values if environment is not None else {}
    found = []
    for text, usual in ((f"{values.get('IPV4_NETWORK', DOCKER4)}.0/24", f"{DOCKER4}.0/24"),
                        (values.get("IPV6_NETWORK", DOCKER6), DOCKER6)):  # fmt: skip
        try:
            found.append(str(ip_network(text, strict=False)))
        except ValueError:
            found.append(usual)
    return tuple(found)
