"""Compares what HAProxy runs with its file."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from msgspec.structs import replace

from console.drift.compared import Compared
from console.drift.shown import diff
from console.drift.tracked import Tracked
from console.estate.load import Estate
from console.facts import haproxy_running, listeners
from console.facts.haproxy_stats import SOCKETS
from console.hosts.host import Host
from console.model import Span
from console.observation import Drifted
from console.sources.haproxy import Configuration
from console.text import clean


async def with_running(
    estate: Estate, each: Tracked, host: Host, compared: Compared, ours: Configuration, deployed: Configuration | None
) -> Compared:
    """Return `compared` with what HAProxy runs, against the host's file (`deployed`), or against ours without one."""
    said = deployed or ours
    sockets = said.stats_sockets or estate.topology.stats_sockets or SOCKETS
    told, heard = await asyncio.gather(haproxy_running.ask(host, sockets), listeners.ask(host))
    if told.error:
        why = compared.why or f"what runs is not known: {told.error}"
        return replace(compared, why=why)
    ports = None if heard.error else {each.port for each in heard.found}
    whole = not estate.site.lane
    before, after, gone = _views(said, told, ports, whole)
    if deployed:
        mine, theirs, _ = _views(ours, told, ports, whole)
        compared = replace(compared, runs_ours=mine == theirs)
    if before == after:
        return replace(compared, running_state="same")
    file = f"{host.name}:{each.path}" if deployed else each.file
    shown = diff(before, after, file, f"what runs ({told.socket})")
    drifted = compared.drifted
    if deployed:
        count = max(len({*before} - {*after}), len({*after} - {*before}))
        place = next((proxy.span for proxy in said.proxies if proxy.name in gone), None)
        line = 1 if place is None or compared.state != "same" else place.line
        proof = tuple(shown.split("\n"))
        drifted += (Drifted(each.file, host.name, each.path, Span(each.file, line), "running", count, gone, proof),)
    return replace(compared, running_state="differs", running=shown, drifted=drifted)


def _views(
    said: Configuration, told: haproxy_running.Running, ports: set[int] | None, whole: bool
) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Return file and running state as lines that can be compared, and the frontends that do not run.

    Frontends that are not in the file are included only when the file is the `whole` configuration."""
    before, after, gone = [], [], []
    names = {proxy.name for proxy in said.proxies}
    for proxy in said.proxies:
        if proxy.disabled or proxy.perhaps:
            continue
        if proxy.kind != "backend":
            before.append(f"frontend {clean(proxy.name)}")
            if clean(proxy.name) in told.frontends:
                after.append(f"frontend {clean(proxy.name)}")
            else:
                gone.append(clean(proxy.name))
        absent = clean(proxy.name) in gone and proxy.kind == "listen"
        for server in proxy.servers if told.servers and not absent else ():
            if server.local or server.count != 1 or server.port is None:
                continue
            key, numeric = (clean(proxy.name), clean(server.name)), _numeric(server.host)
            before.append(f"server {key[0]}/{key[1]} {_dialled(server.host if numeric else '', server.port)}")
            if key in told.servers:
                address, port = told.servers[key]
                after.append(f"server {key[0]}/{key[1]} {_dialled(address if numeric else '', port)}")
    if ports is not None:
        wanted = {door.port: door for door in said.doors if clean(door.frontend.name) not in gone}
        before += [f"listens on {port}" for port in sorted(wanted)]
        after += [f"listens on {port}" for port in sorted(wanted) if port in ports]
    if whole:
        after += [f"frontend {name}" for name in told.frontends if name not in names]
    return before, after, tuple(gone)


def _dialled(host: str, port: int) -> str:
    return f"{host}:{port}" if host else f"port {port}"


def _numeric(host: str) -> bool:
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return False
