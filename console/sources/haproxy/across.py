"""What holds across all proxies of all files: names asked for, servers that follow others, ports for checks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
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


def spread_targets(proxies: list[Proxy]) -> list[Proxy]:
    """Leave the port of servers that have none open where a rule anywhere sets the one that is dialled."""
    if not any(proxy.routing.retargets for proxy in proxies):
        return proxies
    return [
        replace(
            proxy,
            servers=tuple(
                replace(server, open="?") if server.port is None and not server.local and not server.open else server
                for server in proxy.servers
            ),
        )
        for proxy in proxies
    ]


def check_acls(proxies: list[Proxy], say: Say) -> None:
    """An ACL that a rule asks for must be there: HAProxy's own, or one of the section or its defaults."""
    for proxy in proxies:
        routes = (*proxy.use_backend, *proxy.routing.servers)
        if proxy.perhaps or not any(route.condition for route in routes):
            continue
        known = {words[1] for words in proxy.routing.acls if len(words) > 1} | _PREDEFINED
        for route in routes:
            for name in _asked(route.condition):
                if name not in known:
                    near = difflib.get_close_matches(name[:40], known, 1, 0.7)
                    meant = f"'{near[0]}' is meant?" if near else "correct the name, or add the acl line"
                    say(route.span, f"HAProxy does not start: no acl is named '{clean(name, 60)}': {meant}")


def _asked(condition: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of ACLs in `if …` or `unless …`; what stands in braces has none."""
    inside = False
    for word in condition[1:] if condition[:1] in (("if",), ("unless",)) else ():
        bare = word.lstrip("!")
        if bare in ("{", "}"):
            inside = bare == "{"
        elif not inside and bare and bare not in ("or", "||") and "$" not in bare:
            yield bare


_PREDEFINED = frozenset(
    """TRUE FALSE LOCALHOST HTTP HTTP_1.0 HTTP_1.1 HTTP_2.0 HTTP_3.0 HTTP_CONTENT HTTP_URL_ABS HTTP_URL_SLASH
    HTTP_URL_STAR METH_CONNECT METH_DELETE METH_GET METH_HEAD METH_OPTIONS METH_POST METH_PUT METH_TRACE RDP_COOKIE
    REQ_CONTENT WAIT_END""".split()  # noqa: SIM905
)
"""HAProxy's own (configuration manual, 7.4)."""


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
        _check_servers(proxy, say)
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


def _check_servers(proxy: Proxy, say: Say) -> None:
    """No two servers of a section may have the same name; of a template's the first is looked at."""
    if proxy.perhaps or proxy.disabled or len(proxy.servers) < 2:
        return
    seen: dict[str, Span] = {}
    for server in proxy.servers if len({each.name for each in proxy.servers}) < len(proxy.servers) else ():
        other = server.span if server.perhaps else seen.setdefault(server.name, server.span)
        if other is not server.span:
            say(
                server.span,
                f"HAProxy does not start: a server '{clean(server.name, 60)}' is at {other} already: rename one",
            )


def _numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
