"""Whether somebody stands behind each port that HAProxy listens on."""

from __future__ import annotations

from collections.abc import Iterator

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.inner import hops
from console.model import Finding, Lane, Topology
from console.sources.haproxy import Door, Proxy, Server
from console.text import clean, join_words
from console.topology.lanes import once
from console.topology.sources import Sources


@static("CH095")
def port_without_server(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A port whose clients HAProxy can give to nobody: it answers 503, or closes at once."""
    if sources.haproxy is None:
        return
    cut = {problem.file for problem in sources.haproxy.problems}
    backends = {proxy.name: proxy for proxy in reversed(sources.haproxy.proxies) if proxy.kind != "frontend"}
    found: dict[int, tuple[Door, str, list[Lane]]] = {}
    for door, lane in sources.routes.lanes:
        if door.ends or door.open or door.frontend.span.file in cut:
            continue
        if why := _nobody(door.frontend, backends):
            found.setdefault(id(door.frontend), (door, why, []))[2].append(lane)
    for door, why, lanes in found.values():
        yield finding(
            "CH095",
            f"{words.lanes(lanes)}: {why}: HAProxy {_does(door.frontend)}",
            door.frontend.span,
            lanes=words.ids(lanes),
            hop="haproxy",
        )
    within: dict[int, tuple[Proxy, Server, list[Lane]]] = {}
    for server, _, through, inner in hops(sources):
        if inner.span.file not in cut and not inner.routing.open_bind:
            within.setdefault(id(inner), (inner, server, []))[2].extend(through)
    for inner, server, led in within.values():
        if why := _nobody(inner, backends):
            told, name = once(led), clean(inner.name, 60)
            yield finding(
                "CH095",
                f"{words.lanes(told)}: {why}, in {name} that HAProxy leads them through: it {_does(inner)}",
                inner.span,
                also=(server.span,),
                lanes=words.ids(told),
                hop="haproxy",
            )


def _does(frontend: Proxy) -> str:
    return "answers every request with 503" if frontend.mode == "http" else "closes every connection at once"


def _nobody(frontend: Proxy, backends: dict[str, Proxy]) -> str:
    """Say why nobody takes a section's clients; "" when somebody does, or may."""
    routes = [*frontend.use_backend, *([frontend.default_backend] if frontend.default_backend else [])]
    led = [backends[route.backend] for route in routes if route.backend in backends]
    if len(led) < len(routes) or any(
        each.servers or each.routing.replies or each.routing.stats for each in (frontend, *led)
    ):
        return ""
    if led:
        named = join_words(list(dict.fromkeys(clean(each.name, 60) for each in led)), 4)
        return f"backend {named} has no server"
    return "there is no server" if frontend.kind == "listen" else "no default_backend, and no use_backend"
