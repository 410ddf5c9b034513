"""Looks at a machine that a site may have: is there a way in, who are we there, what answers. It only reads."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from console.engine.vantages import open_site
from console.errors import FileError, HostError
from console.facts import incus, programs
from console.facts.command import run
from console.facts.incus import Machine
from console.hosts.host import Host
from console.model import Role, Topology
from console.questions import Credentials
from console.runner.read_only import ReadOnlyHost
from console.setup.answers import LOCAL, Wanted
from console.setup.understood import counted
from console.site import HostEntry, Site
from console.sources import haproxy
from console.text import clean, join_words
from console.topology.build import build
from console.topology.sources import Sources

HAPROXY = "/etc/haproxy/haproxy.cfg"
OVERRIDE = "/opt/mailcow-dockerized/docker-compose.override.yml"
CONF = "/opt/mailcow-dockerized/mailcow.conf"
LARGEST = 1 << 20


INCUS = "/var/lib/incus/unix.socket"


def here() -> str:
    """Return what this machine has of a mail server, by the usual places alone; "" when nothing."""
    found = ((INCUS, "Incus"), (HAPROXY, "HAProxy"), (CONF, "Mailcow"))
    return join_words([f"{words} is here ({path})" for path, words in found if Path(path).exists()])


class Looked(Struct, frozen=True):
    """What was seen of one machine. `error` says why there is no way in; `roles` are what answers there.

    `files` are texts of the usual files by their path there; `ports` those that its HAProxy's file listens on."""

    wanted: Wanted
    entry: HostEntry | None = None
    rows: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    error: str = ""
    files: dict[str, str] = {}
    running: Topology | None = None
    machines: tuple[Machine, ...] = ()
    mailcow: bool = False

    @property
    def ports(self) -> frozenset[int]:
        """Ports that its HAProxy's file listens on."""
        return frozenset(lane.port for lane in self.running.lanes) if self.running else frozenset()


def entry_of(wanted: Wanted, role: Role, become: str | None = None) -> HostEntry:
    """Return the entry of the site file."""
    if wanted.way == LOCAL:
        return HostEntry(role, local=True, become=become)
    return HostEntry(role, ssh=wanted.way, become=become)


async def look(wanted: Wanted, credentials: Credentials, file: Path, log: deque[str] | None = None) -> Looked:
    """Connect to a machine and look what answers there; failures are in the result, never raised.

    Its host key is verified as always; `file` is the site file, whose own SSH configuration is not used unasked."""
    entry = entry_of(wanted, wanted.role or "proxy")
    host = _open(wanted, entry, credentials, file, log)
    try:
        await host.open()
        user = await run(host, ("id", "-u"))
        if user.error:
            return Looked(wanted, error=f"{wanted.way}: no command was run there: {user.error}")
        rows = [f"{wanted.way} answers"]
        if user.text.strip() != "0" and not (await run(host, ("which", "sudo"))).error:
            root = _open(wanted, replace(entry, become="sudo"), credentials, file, log)
            try:
                await root.open()
            except HostError as error:
                rows.append(f"looked without root: {clean(str(error), 160)}")
                await root.close()
            else:
                await host.close()
                host, entry = root, replace(entry, become="sudo")
                rows.append("commands run there by sudo")
        return await _answers(ReadOnlyHost(host), Looked(wanted, entry, tuple(rows)))
    except HostError as error:
        return Looked(wanted, error=clean(str(error), 300))
    finally:
        await host.close()


def _open(wanted: Wanted, entry: HostEntry, credentials: Credentials, file: Path, log: deque[str] | None) -> Host:
    site = Site(hosts={wanted.name: entry})
    return open_site(site, log, credentials, file=file).named[wanted.name]


async def _answers(host: Host, seen: Looked) -> Looked:
    rows, roles, files = list(seen.rows), [], {}
    running = None
    if text := await _text(host, HAPROXY):
        files[HAPROXY] = text
        running = build(Sources(haproxy=haproxy.parse_files([(HAPROXY, text)])))
    processes = await programs.ask(host, "haproxy")
    version = await run(host, ("haproxy", "-v"))
    if processes.found or running is not None:
        roles.append("proxy")
        what = "runs" if processes.found else "does not run"
        if processes.error:
            what = f"may run or not: {processes.error}"
        listens = f"; {HAPROXY} has {counted(len(running.lanes), 'lane')}" if running is not None else ""
        rows.append(f"HAProxy{_version(version.text)} {what}{listens}")
    names = (await run(host, ("docker", "ps", "--format", "{{.Names}}"))).text.split()
    mailcow = [name for name in names if "mailcow" in name]
    there = not (await run(host, ("test", "-e", CONF))).error
    if mailcow or there:
        roles.append("mail")
        rows.append(
            f"Mailcow: {counted(len(mailcow), 'container')}" if mailcow else f"{CONF} is there, no container runs"
        )
        if text := await _text(host, OVERRIDE):
            files[OVERRIDE] = text
    machines = await incus.ask(host)
    if not machines.error:
        roles.append("hypervisor")
        shown = join_words([f"{each.name} ({each.status.lower() or 'state unknown'})" for each in machines.found])
        rows.append(f"Incus answers: {shown or 'no instance'}")
    if not roles:
        rows.append("neither HAProxy nor Mailcow nor Incus answers there")
    return replace(
        seen, rows=tuple(rows), roles=tuple(roles), files=files, running=running, machines=machines.found,
        mailcow=bool(mailcow or there),
    )  # fmt: skip


def _version(text: str) -> str:
    match = re.search(r"version (\d+\.\d+(?:\.\d+)?)", text)
    return f" {match[1]}" if match else ""


async def _text(host: Host, path: str) -> str:
    try:
        return (await host.read(path, LARGEST)).decode("utf-8", "surrogateescape")
    except FileError:
        return ""


def stranger(seen: Looked, ours: Topology) -> str:
    """Return why a machine looks like somebody else's; "" when nothing says so."""
    lanes = {lane.port for lane in ours.lanes if lane.proxy}
    if "proxy" in seen.roles and seen.running is not None and lanes and seen.ports and not lanes & seen.ports:
        theirs = join_words([str(port) for port in sorted(seen.ports)])
        wanted = join_words([str(port) for port in sorted(lanes)])
        return (
            f"{seen.wanted.way} is another site's: its {HAPROXY} listens on {theirs}, and yours on {wanted}; "
            "leave it out, or name yours"
        )
    return ""


async def inside(seen: Looked, instance: str, credentials: Credentials, file: Path) -> str:
    """Return why `incus exec` does not lead into an instance of that machine; "" when it does."""
    if seen.entry is None:
        return seen.error
    outer = seen.wanted.name
    site = Site(hosts={outer: seen.entry, instance: HostEntry("mail", via=outer, incus=instance)})
    host = open_site(site, None, credentials, file=file).named[instance]
    try:
        return (await run(host, ("true",))).error
    finally:
        await host.close()
