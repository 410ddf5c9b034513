"""Compares the repository's files, those on the hosts, and what runs; nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import assets
from console.differences import changes
from console.drift.compared import Compared, State
from console.drift.instances import instances
from console.drift.running import with_running
from console.drift.sameness import normal
from console.drift.shown import diff
from console.drift.tracked import Tracked, tracked
from console.errors import HostError, Missing
from console.estate.load import Estate
from console.hosts.host import Host
from console.model import Role, Span
from console.observation import Drifted
from console.sources import haproxy
from console.sources.haproxy import Configuration
from console.text import clean

SHORT = 3
"""Characters of a line that says nothing: every file may have a brace or `fi`."""

OURS = ("certificate_deploy.sh", "certificate_push.sh")
"""Scripts that a flow lays on a host, among the assets."""

CAP = 4 << 20
"""Most bytes of a file on a host that are read."""


async def look(estate: Estate, hosts: Mapping[Role, Host], missing: Mapping[Role, str]) -> tuple[Compared, ...]:
    """Compare every tracked file with the host's, HAProxy's with what runs, and the instances with those of Incus."""
    found = list(await asyncio.gather(*(_file(estate, each, hosts, missing) for each in tracked(estate))))
    if "hypervisor" in hosts and estate.topology.instances:
        found.append(await instances(estate, hosts["hypervisor"]))
    return tuple(found)


async def _file(estate: Estate, each: Tracked, hosts: Mapping[Role, Host], missing: Mapping[Role, str]) -> Compared:
    host = hosts.get(each.role)
    if each.why:
        return Compared(each.file, host.name if host else each.role, each.path, "unknown", "unknown", each.why)
    if host is None:
        why = missing.get(each.role, f'no host has role = "{each.role}"')
        return Compared(each.file, each.role, each.path, "unknown", "unknown", why)
    text = estate.texts[each.file]
    theirs, state, why = await _read(host, each)
    configuration = _configuration(estate, each)
    if theirs is not None and configuration and each.usual and _stranger(configuration, theirs, each.path):
        why = f"{each.path} on {host.name} is another file; say where this one is: [deployed] in site.toml"
        theirs, state = None, "unknown"
    if theirs is None:
        drifted = (
            (Drifted(each.file, host.name, each.path, Span(each.file, 1), "file", 0),) if state == "absent" else ()
        )
        compared = Compared(each.file, host.name, each.path, state, "unknown", why, drifted=drifted)
    else:
        compared = _compare(estate, each, host.name, text, theirs)
    if configuration is None:
        return compared
    deployed = haproxy.parse(theirs, each.path) if theirs is not None else None
    return await with_running(estate, each, host, compared, configuration, deployed)


async def _read(host: Host, each: Tracked) -> tuple[str | None, State, str]:
    try:
        data = await host.read(each.path, CAP)
    except Missing:
        why = f"{each.path} is not there on {host.name}"
        if each.usual:
            return None, "unknown", f"{why}; if it is elsewhere, say so: [deployed] in site.toml"
        return None, "absent", why
    except HostError as error:
        return None, "unknown", clean(str(error))
    return data.decode("utf-8", "surrogateescape"), "same", ""


def _configuration(estate: Estate, each: Tracked) -> Configuration | None:
    whole = estate.sources.haproxy
    if whole is None or each.file not in [document.file for document in whole.documents]:
        return None
    return whole if len(whole.documents) == 1 else None


def _stranger(ours: Configuration, theirs: str, path: str) -> bool:
    """Return whether the host's file, at the usual path, has no proxy in common with the repository's."""
    names = {proxy.name for proxy in haproxy.parse(theirs, path).proxies}
    return not names & {proxy.name for proxy in ours.proxies}


def _compare(estate: Estate, each: Tracked, host: str, text: str, theirs: str) -> Compared:
    mine, other = normal(each.path, text, theirs)
    if mine == other:
        return Compared(each.file, host, each.path, "same", "unknown")
    if _laid(theirs):
        why = f"{host} has the script that cowhand's certificate-sync lays; the one here is not used there"
        return Compared(each.file, host, each.path, "unknown", "unknown", why)
    found = changes(mine, other)
    count = sum(max(change[2] - change[1], change[4] - change[3]) for change in found)
    place = Span(each.file, _place(text, mine, found[0][1]))
    if estate.own or _akin(each, mine, other):
        shown = diff(mine, other, each.file, f"{host}:{each.path}", each.path, found)
    else:
        shown = f"--- {each.file}\n+++ {host}:{each.path}\n~ no line in common; what stands there is not shown"
    drifted = Drifted(each.file, host, each.path, place, "file", count, diff=tuple(shown.split("\n")))
    return Compared(each.file, host, each.path, "differs", "unknown", deployed=shown, drifted=(drifted,))


def _laid(theirs: str) -> bool:
    """Return whether a host's script is one that cowhand itself laid there, to the byte."""
    folder = Path(assets.__file__).parent
    return any(theirs == (folder / name).read_text("utf-8") for name in OURS)


def _akin(each: Tracked, mine: list[str], other: list[str]) -> bool:
    """Return whether two texts have something in common: else the host's may be any file, named by the repository.

    Of mailcow.conf, only names that the repository's has are compared at all."""
    if each.path.endswith(("/mailcow.conf", "/.env")):
        return True
    words = {line.strip() for line in mine if len(line.strip()) > SHORT}
    return any(line.strip() in words for line in other)


def _place(text: str, mine: list[str], index: int) -> int:
    """Return the number of the line in the repository's file that line `index` of its normal form comes from."""
    rows = [line.strip() for line in text.splitlines()]
    if not rows:
        return 1
    if index >= len(mine):
        return len(rows)
    wanted = mine[index].strip()
    if index < len(rows) and rows[index] == wanted:
        return index + 1
    return rows.index(wanted) + 1 if wanted in rows else 1
