"""The repository's files, those on the hosts, and what runs, side by side. Reads only."""

from __future__ import annotations

import asyncio
import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Literal

from msgspec import Struct

from console.errors import HostError, Missing
from console.estate.load import Estate
from console.facts import haproxy_running, incus, listeners
from console.facts.compose import FOLDER
from console.facts.haproxy_stats import SOCKETS
from console.hosts.host import Host
from console.mask import mask
from console.model import Role, Span
from console.observation import Drifted
from console.sources import haproxy
from console.sources.haproxy import Configuration
from console.text import clean

State = Literal["same", "differs", "absent", "unknown"]

CAP = 4 << 20
"""Bytes of a file on a host."""


class Tracked(Struct, frozen=True):
    """A file of the repository and where it is in use; `usual` when the site file does not say so itself."""

    file: str
    role: Role
    path: str
    usual: bool = True


class Compared(Struct, frozen=True):
    """One file in its places. Diffs are unified ones, with secrets hidden; "" where there is no difference.

    `deployed` is repository against host, `running` the host's file (or, without it, the repository's) against what
    runs. `runs_ours` says that what runs agrees with the repository's, `why` what could not be looked at."""

    file: str
    host: str
    path: str
    state: State
    running_state: State
    why: str = ""
    deployed: str = ""
    running: str = ""
    drifted: tuple[Drifted, ...] = ()
    runs_ours: bool = False


# ── where files are in use ──────────────────────────────────────────────────────────────────────────────────────────


def tracked(estate: Estate) -> tuple[Tracked, ...]:
    """Return every file whose place on a host is known: said in [deployed], or usual for its kind."""
    named = estate.site.sources
    found = [Tracked(file, role, path) for file, role, path in _usual(estate)]
    roles = {name: host.role for name, host in estate.site.hosts.items()}
    for file, place in estate.site.deployed.items():
        name, _, path = place.partition(":")
        found = [each for each in found if each.file != file]
        found.append(Tracked(file, roles[name], path, usual=False))
    known = {*estate.texts}
    return tuple(each for each in found if each.file in known and each.file not in named.opentofu)


def _usual(estate: Estate) -> list[tuple[str, Role, str]]:
    named = estate.site.sources
    configurations = [document.file for document in estate.sources.haproxy.documents] if estate.sources.haproxy else []
    found: list[tuple[str, Role, str]] = []
    for file in configurations:
        name = "haproxy.cfg" if len(configurations) == 1 else posixpath.basename(file)
        found.append((file, "proxy", f"/etc/haproxy/{name}"))
    found += [
        (file, "mail", f"{FOLDER}/{posixpath.basename(file)}")
        for file in named.compose
        if ".override." in posixpath.basename(file)
    ]
    if estate.sources.environment_file.endswith("mailcow.conf"):
        found.append((estate.sources.environment_file, "mail", f"{FOLDER}/mailcow.conf"))
    if estate.sources.postfix:
        found.append((estate.sources.postfix.file, "mail", f"{FOLDER}/data/conf/postfix/extra.cf"))
    if estate.sources.dovecot:
        found.append((estate.sources.dovecot.file, "mail", f"{FOLDER}/data/conf/dovecot/extra.conf"))
    if named.deploy_script:
        found.append((named.deploy_script, "mail", f"/usr/local/bin/{posixpath.basename(named.deploy_script)}"))
    if named.deploy_hook:
        name = posixpath.basename(named.deploy_hook)
        found.append((named.deploy_hook, "proxy", f"/etc/letsencrypt/renewal-hooks/deploy/{name}"))
    if named.authorized_keys:
        found.append((named.authorized_keys, "mail", "/root/.ssh/authorized_keys"))
    for file in named.mounts:
        table = posixpath.basename(file) == "fstab"
        path = "/etc/fstab" if table else f"/etc/systemd/system/docker.service.d/{posixpath.basename(file)}"
        found.append((file, "mail", path))
    return found


# ── what counts as the same ─────────────────────────────────────────────────────────────────────────────────────────


def lines(text: str) -> list[str]:
    """Return a file's lines without what no reader of it sees: line ends, blanks at their ends, a last empty line."""
    return [line.rstrip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]


def _extra(text: str) -> list[str]:
    """extra.cf: Mailcow's start deletes each line with `myhostname` (but for `$myhostname`), and writes its own."""
    return [line for line in lines(text) if "myhostname" not in line or "$myhostname" in line]


def _main(text: str) -> list[str]:
    """main.cf: Mailcow's start puts extra.cf behind the line that names the user's overrides."""
    found = lines(text)
    marks = [number for number, line in enumerate(found) if "User overrides" in line]
    return found[: marks[0]] if marks else found


def _generated(text: str) -> list[str]:
    """sni.map is made anew at each start."""
    return []


_NORMAL: dict[str, Callable[[str], list[str]]] = {"extra.cf": _extra, "main.cf": _main, "sni.map": _generated}

_KEY = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=")


def normal(path: str, ours: str, theirs: str) -> tuple[list[str], list[str]]:
    """Return the lines of a file of the repository and of its host that are to be compared.

    Of mailcow.conf those of the names that ours sets: the host's has passwords that belong in no repository."""
    if posixpath.basename(path) in ("mailcow.conf", ".env"):
        names = {match[1] for line in lines(ours) if (match := _KEY.match(line))}
        return _settings(ours, names), _settings(theirs, names)
    read = _NORMAL.get(posixpath.basename(path), lines)
    return read(ours), read(theirs)


def _settings(text: str, names: set[str]) -> list[str]:
    found = {match[1]: line.strip() for line in lines(text) if (match := _KEY.match(line)) and match[1] in names}
    return [found[name] for name in sorted(found)]


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def look(estate: Estate, hosts: Mapping[Role, Host], missing: Mapping[Role, str]) -> tuple[Compared, ...]:
    """Compare every tracked file with its host's, HAProxy's with what runs, and instances with Incus's own view."""
    found = list(await asyncio.gather(*(_file(estate, each, hosts, missing) for each in tracked(estate))))
    if "hypervisor" in hosts and estate.topology.instances:
        found.append(await _instances(estate, hosts["hypervisor"]))
    return tuple(found)


async def _file(estate: Estate, each: Tracked, hosts: Mapping[Role, Host], missing: Mapping[Role, str]) -> Compared:
    host = hosts.get(each.role)
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
        compared = _compare(each, host.name, text, theirs)
    if configuration is None:
        return compared
    running = haproxy.parse(theirs, each.path) if theirs is not None else configuration
    return await _with_running(estate, each, host, compared, running, theirs is not None)


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
    """Whether a file that was found where such files usually are has nothing to do with ours."""
    names = {proxy.name for proxy in haproxy.parse(theirs, path).proxies}
    return bool(ours.proxies) and not names & {proxy.name for proxy in ours.proxies}


def _compare(each: Tracked, host: str, text: str, theirs: str) -> Compared:
    mine, other = normal(each.path, text, theirs)
    if mine == other:
        return Compared(each.file, host, each.path, "same", "unknown")
    matcher = difflib.SequenceMatcher(None, mine, other, autojunk=False)
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    count = sum(max(change[2] - change[1], change[4] - change[3]) for change in changes)
    place = Span(each.file, _place(text, mine, changes[0][1]))
    shown = _diff(mine, other, each.file, f"{host}:{each.path}")
    drifted = Drifted(each.file, host, each.path, place, "file", count, diff=tuple(shown.split("\n")))
    return Compared(each.file, host, each.path, "differs", "unknown", deployed=shown, drifted=(drifted,))


def _place(text: str, mine: list[str], index: int) -> int:
    """Return the line of the repository's file that a line of its normal form is."""
    rows = [line.strip() for line in text.splitlines()]
    if not rows:
        return 1
    if index >= len(mine):
        return len(rows)
    wanted = mine[index].strip()
    if index < len(rows) and rows[index] == wanted:
        return index + 1
    return rows.index(wanted) + 1 if wanted in rows else 1


def _diff(before: list[str], after: list[str], one: str, other: str) -> str:
    """Return a unified diff without secrets; a pair of lines that differ by secrets alone says so."""
    mine, theirs = (mask("\n".join(side)).split("\n") for side in (before, after))
    if mine == theirs:
        return f"--- {one}\n+++ {other}\n(they differ in a secret, which is not shown)"
    rows = difflib.unified_diff(mine, theirs, one, other, lineterm="")
    return "\n".join(clean(row.expandtabs(4), 400) for row in rows)


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def _with_running(
    estate: Estate, each: Tracked, host: Host, compared: Compared, said: Configuration, deployed: bool
) -> Compared:
    """Add what HAProxy runs; `said` is the host's own file where it could be read (`deployed`)."""
    from msgspec.structs import replace

    sockets = said.stats_sockets or estate.topology.stats_sockets or SOCKETS
    told, heard = await asyncio.gather(haproxy_running.ask(host, sockets), listeners.ask(host))
    if told.error:
        why = compared.why or f"what runs is not known: {told.error}"
        return replace(compared, why=why)
    ports = None if heard.error else {each.port for each in heard.found}
    whole = not estate.site.lane
    before, after, gone = _views(said, told, ports, whole)
    if deployed and estate.sources.haproxy is not None:
        ours, theirs, _ = _views(estate.sources.haproxy, told, ports, whole)
        compared = replace(compared, runs_ours=ours == theirs)
    if before == after:
        return replace(compared, running_state="same")
    file = f"{host.name}:{each.path}" if deployed else each.file
    shown = _diff(before, after, file, f"what runs ({told.socket})")
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
    """Return the file and what runs in the same few words, line by line, and the frontends that do not run.

    What runs beside the file is told only when the file is the `whole` of it: no lane is declared elsewhere."""
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


async def _instances(estate: Estate, host: Host) -> Compared:
    """Compare the instances of the OpenTofu files with what Incus says of them."""
    told = await incus.ask(host)
    names = " ".join(instance.name for instance in estate.topology.instances)
    file = estate.topology.instances[0].source.file
    if told.error:
        return Compared(file, host.name, f"incus list {names}", "unknown", "unknown", told.error)
    before, after = [], []
    for instance in estate.topology.instances:
        if "$" in instance.name or not re.fullmatch(r"[\w.-]+", instance.name):
            continue
        there = told.instance(instance.name)
        before.append(f"instance {instance.name} {instance.type}")
        if there is None:
            continue
        after.append(f"instance {there.name} {there.type}")
        for key, mine in (("limits.cpu", instance.cpu), ("limits.memory", instance.memory), ("root", instance.disk)):
            if mine and re.fullmatch(r"[\w.]+", mine):
                before.append(f"{instance.name} {key} {mine}")
                after.append(f"{instance.name} {key} {there.settings.get(key, 'unset')}")
        before += [f"{instance.name} address {address}" for address in sorted(instance.addresses)]
        after += [f"{instance.name} address {address}" for address in there.addresses if instance.addresses]
    state: State = "same" if before == after else "differs"
    shown = "" if before == after else _diff(before, after, file, f"incus on {host.name}")
    drifted: tuple[Drifted, ...] = ()
    if shown:
        count = max(len({*before} - {*after}), len({*after} - {*before}))
        place = estate.topology.instances[0].source
        drifted = (Drifted(file, host.name, "incus", place, "file", count, diff=tuple(shown.split("\n"))),)
    return Compared(file, host.name, "incus", state, "unknown", running=shown, drifted=drifted)


def drifted(found: Iterable[Compared]) -> tuple[Drifted, ...]:
    """Return what is not the same, of all files."""
    return tuple(each for compared in found for each in compared.drifted)
