"""What holds across all proxies of all files: names asked for, servers that follow others, ports for checks."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from msgspec.structs import replace

from console.model import Span
from console.sources.haproxy.servers import Server
from console.sources.haproxy.values import Proxy
from console.text import clean

SIDES = {"listen": ("front", "back"), "frontend": ("front",), "backend": ("back",)}

Say = Callable[[Span, str], None]
"""Notes what keeps HAProxy from taking a place of its files."""


def follow_tracks(proxies: list[Proxy]) -> tuple[Proxy, ...]:
    """Give a server that tracks another one that one's check."""
    if not any(server.track for proxy in proxies for server in proxy.servers):
        return tuple(proxies)
    checks = {(proxy.name, server.name): server.check for proxy in proxies for server in proxy.servers}

    def tracking(proxy: Proxy, server: Server) -> Server:
        if server.track is None or server.check.kind != "none":
            return server
        backend, _, name = server.track.rpartition("/")
        followed = checks.get((backend or proxy.name, name))
        return replace(server, check=followed) if followed else server

    return tuple(
        replace(proxy, servers=tuple(tracking(proxy, server) for server in proxy.servers)) for proxy in proxies
    )


def check_ports(proxies: list[Proxy], say: Say) -> None:
    """A server that is checked needs a port for that: its own, or the check's (init_srv_check of HAProxy's check.c)."""
    for proxy in proxies:
        if proxy.perhaps or proxy.disabled:
            continue
        for server in proxy.servers:
            check = server.check
            if check.kind == "none" or check.port is not None or server.port is not None or server.track:
                continue
            if server.local or server.open or server.perhaps or not _numeric(server.host):
                continue
            if check.kind == "L7" and check.source == server.span:
                continue  # an agent's, or a healthcheck section's
            name = clean(server.name, 60)
            say(
                server.span,
                f"HAProxy does not start: '{name}' is checked, and has neither a service port nor a check port: write a"
                " port behind its address, or 'port 25' behind 'check'",
            )


def check_names(proxies: list[Proxy], say: Say) -> None:
    """Names across all files: a backend that is asked for must exist, a proxy's name must be its own."""
    seen: dict[tuple[str, str], Proxy] = {}
    for proxy in proxies:
        for side in SIDES[proxy.kind]:
            other = seen.setdefault((side, proxy.name), proxy)
            if other is not proxy and not (proxy.perhaps or other.perhaps):
                say(proxy.span, f"'{clean(proxy.name, 60)}' is declared at {other.span} already: rename one")
                break
    routes = {
        route.span: route
        for proxy in proxies
        for route in (proxy.default_backend, *proxy.use_backend)
        if route is not None and not route.dynamic
    }
    for span, route in routes.items():
        if ("back", route.backend) not in seen and "$" not in route.backend:
            name = clean(route.backend, 60)
            say(span, f"no backend is named '{name}': correct the name, or name the file that holds it too")


def _numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
