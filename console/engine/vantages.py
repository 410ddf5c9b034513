"""From where cowhand can look: the hosts of a site, or the lab's, with the reason for each that is missing."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import HostError
from console.hosts.host import Host
from console.hosts.local import Local
from console.hosts.recorded import Recorded
from console.model import Role
from console.questions import Asker, Credentials
from console.site import HostEntry, Site
from console.text import clean

if TYPE_CHECKING:
    from console.hosts.ssh import Ssh
    from console.lab.client import Lab

LOG = 400
"""Lines the command log keeps."""

ROLES: tuple[Role, ...] = ("proxy", "mail", "hypervisor")
NEEDED: tuple[Role, ...] = ("proxy", "mail")
"""Roles whose absence leaves cells dark, and is said."""


class Vantages(Struct):
    """The hosts by role, why a role has none, and the command log they write."""

    hosts: dict[Role, Host]
    missing: dict[Role, str]
    log: deque[str]
    lab: Lab | None = None

    async def open(self) -> None:
        """Connect to every host that has to be, and wait for the operator's answers; what fails is said when asked."""

        async def connect(host: Host) -> None:
            with suppress(HostError):
                await host.open()

        await asyncio.gather(*(connect(host) for host in self.hosts.values()))

    def forget(self) -> None:
        """Try again at once what was refused, failed or not answered: the operator asked."""
        for host in self.hosts.values():
            host.forget()

    async def close(self) -> None:
        """Let go of every host, and of the lab if it is ours alone."""
        await asyncio.gather(*(host.close() for host in self.hosts.values()))
        if self.lab is not None:
            self.lab.close()


def open_site(site: Site, log: deque[str] | None = None, ask: Asker | None = None) -> Vantages:
    """Return the vantages of a site; opening costs nothing, a host is first dialled when it is first asked.

    `ask` puts questions to the operator (host keys, passphrases, passwords); without it nobody can answer them."""
    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    credentials = Credentials(ask)
    hosts: dict[Role, Host] = {"here": Recorded(Local(), lines)}
    missing: dict[Role, str] = {}
    for role in ROLES:
        name, entry = next(((name, entry) for name, entry in site.hosts.items() if entry.role == role), ("", None))
        machine = _open(name, entry, credentials, lines, site) if entry is not None else None
        if machine is not None:
            hosts[role] = Recorded(machine, lines)
        elif entry is not None or role in NEEDED:
            missing[role] = _why(role, name, entry)
    return Vantages(hosts, missing, lines)


def _open(name: str, entry: HostEntry, credentials: Credentials, lines: deque[str], site: Site) -> Host | None:
    if entry.ssh is None and not entry.local and entry.incus is not None:
        return _open_inside(name, entry, credentials, lines, site)
    return _open_machine(name, entry, credentials, lines)


def _open_inside(name: str, entry: HostEntry, credentials: Credentials, lines: deque[str], site: Site) -> Host | None:
    """An instance of Incus, through the machine that runs it."""
    outer = site.hosts.get(entry.via or "")
    machine = _open_machine(entry.via or "", outer, credentials, lines) if outer is not None else None
    if machine is None or entry.incus is None:
        return None
    from console.hosts.incus.exec import Incus

    return Incus(name, entry.role, entry.incus, machine)


def _open_machine(name: str, entry: HostEntry, credentials: Credentials, lines: deque[str]) -> Local | Ssh | None:
    if entry.become not in (None, "sudo"):
        return None
    if entry.local:
        return Local(name, entry.role, become=entry.become, ask=credentials)
    if entry.ssh is None:
        return None
    from console.hosts.ssh import Ssh

    def tell(text: str) -> None:
        lines.append(f"{time.strftime('%H:%M:%S')}  {name}  {clean(text, 400)}")

    file = os.environ.get("COWHAND_SSH_CONFIG")
    path = Path(file).expanduser() if file else None
    return Ssh(name, entry.role, entry.ssh, become=entry.become, ask=credentials, tell=tell, file=path)


def _why(role: Role, name: str, entry: HostEntry | None) -> str:
    if entry is None:
        return f'no way in: no host has role = "{role}" in site.toml'
    if entry.become not in (None, "sudo"):
        return f'no way in to {name}: become = "{clean(entry.become or "", 20)}" is not known, only "sudo"'
    if entry.ssh is None and entry.incus is None:
        return f"no way in to {name}: neither ssh, local nor incus is set for it in site.toml"
    return f"no way in to {name}: {entry.via or 'its home server'} has neither ssh nor local in site.toml"


def open_lab(log: deque[str] | None = None) -> Vantages:
    """Return the vantages of the running lab, or of a private one that ends with this process; raises LabError."""
    from console.lab.client import Lab

    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    lab = Lab.find_running() or Lab.start_private()
    importlib.import_module("cryptography.x509")  # needed soon, and the lab takes its time to come up
    lab.wait()
    return Vantages({role: Recorded(host, lines) for role, host in lab.hosts().items()}, {}, lines, lab)
