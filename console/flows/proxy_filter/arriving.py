"""From which address the proxy arrives at the mail host: the container's own table of connections, while we dial."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import ip_address

from console.errors import HostError, NoWayIn, StreamError
from console.facts import addresses
from console.facts.arrivals import SCRIPT, Peer, parse
from console.facts.command import explain
from console.flows import Refusal, StepContext
from console.flows.proxy_override.stack import LOOK, Stack
from console.hosts.host import Stream
from console.runner import read_only
from console.text import join_words

PATIENCE = 3.0
"""Seconds a connection may take."""

TWICE = 2
"""Connections at once: somebody else may come at the same moment, but hardly twice."""

LOOKS, PAUSE = 5, 0.3
"""How often the table is read until both are there, and seconds between."""

read_only.script("sh", SCRIPT)


async def arrival(context: StepContext, stack: Stack, name: str, to: tuple[str, int], inside: tuple[str, int]) -> str:
    """The address as which a container sees a machine that dials `to`; `inside` is its service and port there.

    Raises `Refusal` when it cannot be told, `HostError` when nobody could be asked, `StreamError` as the dial does."""
    before = Counter(await _peers(context, stack, inside))
    streams: list[Stream] = []
    try:
        for _ in range(TWICE):
            streams.append(await context.host(name, fresh=True).connect(*to, PATIENCE))
        ports = {each.local[1] for each in streams if each.local}
        fresh: Counter[Peer] = Counter()
        for _ in range(LOOKS):
            fresh = Counter(await _peers(context, stack, inside)) - before
            if fresh.total() >= TWICE:
                break
            await asyncio.sleep(PAUSE)
    finally:
        for stream in streams:
            stream.close()
    kept = Counter(host for host, port in fresh if port in ports)
    seen = kept if kept.total() >= TWICE else Counter(host for host, _ in fresh)
    sure = [host for host, count in seen.items() if count >= TWICE]
    if len(sure) != 1:
        told = f"it saw {join_words(sure)} at the same moment" if sure else "it saw no new connection"
        raise Refusal(f"{inside[0]} does not say as whom it sees {context.name(name)}: {told}; start the flow again")
    return sure[0]


async def _peers(context: StepContext, stack: Stack, inside: tuple[str, int]) -> list[Peer]:
    service, port = inside
    words = ("sh", "-c", SCRIPT, "sh", stack.folder, stack.project, service)
    said = await context.host("mail", fresh=True).run(words, LOOK)
    if said.status:
        raise HostError(explain(context.name("mail"), "docker", said))
    return parse(said.stdout.decode("utf-8", "replace"), port)


async def sources(context: StepContext, stack: Stack, to: tuple[str, int], inside: tuple[str, int]) -> dict[str, str]:
    """Each proxy's name and the address as which it arrives; raises `Refusal` where others may arrive as the same."""
    names = context.named("proxy")
    if not names:
        raise NoWayIn('no way in: no host has role = "proxy" in site.toml')
    found = {}
    for name in names:
        called = context.name(name)
        try:
            seen = await arrival(context, stack, name, to, inside)
        except NoWayIn:
            raise
        except StreamError as error:
            raise Refusal(f"{called} itself does not reach {to[0]}:{to[1]}: {error}") from None
        own = await addresses.ask(context.host(name), tunnels=True)
        if own.error:
            raise Refusal(f"{context.name('mail')} sees {called} as {seen}; whether that is its own: {own.error}")
        if seen not in {str(ip_address(each)) for each in own.found}:
            raise Refusal(
                f"{context.name('mail')} sees {called} as {seen}, and that is no address of it: what is on the way "
                "writes its own there, so strangers may come from the same, and no filter can tell them apart. Settle "
                "that first: on a Tailscale subnet router, tailscale set --snat-subnet-routes=false, and a way back"
            )
        found[name] = seen
    return found
