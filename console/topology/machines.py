"""Which of the machines that HAProxy dials are the mail server's: others may be anybody's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from console.model import PLAIN_PORTS, Published
from console.sources.haproxy import Proxy
from console.topology.listeners import ANY, normal

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
