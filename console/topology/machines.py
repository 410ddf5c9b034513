"""Which of the machines that HAProxy dials are the mail server's: others may be anybody's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from console.model import PLAIN_PORTS, Published
from console.sources.haproxy import Proxy
from console.sources.haproxy.addresses import loopback
from console.topology.listeners import ANY, normal, numeric

NAME = re.compile("mailcow", re.IGNORECASE)


def recognised(proxies: Iterable[Proxy], published: Iterable[Published], pinned: Iterable[str]) -> frozenset[str]:
    """Return the hosts that are dialled and are Mailcow's for certain; none where nothing tells them from others.

    They are dialled at a port that Mailcow has for the PROXY header, or called so, or files give them the address."""
    given = {normal(each) for each in (*pinned, *(entry.address for entry in published)) if each not in ANY}
    found: set[str] = set()
    for proxy in proxies:
        for server in proxy.servers:
            if server.local or server.disabled:
                continue
            port = server.port or 0
            asked = {port} if port else {server.reached(plain) for plain in PLAIN_PORTS.values()}
            named = any(NAME.search(each) for each in (server.name, server.host, proxy.name))
            host = normal(server.host)
            if named or host in given or not asked.isdisjoint(PLAIN_PORTS):
                found.add(host)
    return frozenset(found)


def alike(proxies: Iterable[Proxy]) -> frozenset[str]:
    """Return the hosts that mail is sent to, where there are several and nothing says which is the mail server's.

    A name may be any of the others, and of one machine's two IP versions each has an address: those are no others."""
    found: set[str] = set()
    for proxy in proxies:
        for server in proxy.servers:
            if server.port in PLAIN_PORTS.values() and not (server.local or server.disabled or server.backup):
                found.add(normal(server.host))
    numbers = [each for each in found if numeric(each) and not loopback(each)]
    several = len({":" in each for each in numbers}) < len(numbers)
    return frozenset(numbers) if several else frozenset()
