"""The hosts from which cowhand can probe: those of a site or of the lab, with the reason for each that is missing."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import HostError, InputError, LabError
from console.hosts.host import Host
from console.hosts.local import Local
from console.hosts.recorded import Recorded
from console.model import Role
from console.questions import Asker, Credentials
from console.site import HostEntry, Site
from console.text import clean
from console.tofu.refine import AUTOMATION, ENVIRONMENT

if TYPE_CHECKING:
    from console.estate.load import Estate
    from console.hosts.ssh import Ssh
    from console.lab.client import Lab
    from console.probes.trust import Trust

LOG = 400
"""Lines that the command log keeps."""

ROLES: tuple[Role, ...] = ("proxy", "mail", "hypervisor")
NEEDED: tuple[Role, ...] = ("proxy", "mail")
"""Roles without which readings are unknown; a missing one is reported."""


class Vantages(Struct):
    """The hosts that probes look from, one a role; why a role has none; and the command log they write.

    `named` are all hosts by the operator's names, `absent` the reason for each name without a way in. What flows do
    with them is theirs: probes need one host a role, flows may need each."""

    hosts: dict[Role, Host]
    missing: dict[Role, str]
    log: deque[str]
    lab: Lab | None = None
    named: dict[str, Host] = {}
    absent: dict[str, str] = {}
    site: Site | None = None
    credentials: Credentials | None = None
    file: Path | None = None

    def __post_init__(self) -> None:
        if not self.named:
            self.named = {"here" if role == "here" else host.name: host for role, host in self.hosts.items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Why there is no way in: to a role, or to a host by its name."""
        return {str(role): why for role, why in self.missing.items()} | self.absent

    async def open(self) -> None:
        """Connect to every host, and wait for the operator's answers; the first probe of a host reports a failure."""
        await asyncio.gather(*self.opening().values())

    def opening(self) -> dict[Role, asyncio.Task[bool]]:
        """Begin to connect to every host, each by itself; returns by role what tells whether we are in."""

        async def connect(host: Host) -> bool:
            with suppress(HostError):
                await host.open()
                return True
            return False

        return {role: asyncio.ensure_future(connect(host)) for role, host in self.hosts.items()}

    async def renew(self, site: Site) -> None:
        """Reach the hosts of a site that was read again; a host whose way in is unchanged keeps its connection."""
        known = self.site
        if known is None or self.credentials is None or known.hosts == site.hosts:
            return
        same = {name for name in site.hosts if _way(known, name) == _way(site, name)}
        kept = {name: self.named[name] for name in same & {*self.named}}
        fresh = open_site(site, self.log, self.credentials, kept, self.file)
        gone = [host for name, host in self.named.items() if fresh.named.get(name) is not host and name != "here"]
        fresh.named["here"] = fresh.hosts["here"] = self.named["here"]
        for ours, theirs in ((self.hosts, fresh.hosts), (self.missing, fresh.missing)):
            ours.clear()
            ours.update(theirs)  # type: ignore[arg-type]
        self.named, self.absent, self.site = fresh.named, fresh.absent, site
        await asyncio.gather(*(host.close() for host in gone))
        await self.open()

    def forget(self) -> None:
        """Try again what was refused, failed or not answered, because the operator asked for it."""
        for host in self.named.values():
            host.forget()

    async def close(self) -> None:
        """Disconnect from every host, and end the lab when it is private to this process."""
        await asyncio.gather(*(host.close() for host in self.named.values()))
        if self.lab is not None:
            self.lab.close()


def open_site(
    site: Site,
    log: deque[str] | None = None,
    ask: Asker | Credentials | None = None,
    open_already: Mapping[str, Host] | None = None,
    file: Path | None = None,
) -> Vantages:
    """Return the vantages of a site; a host is connected to when it is first asked.

    `ask` puts questions to the operator (host keys, passphrases, passwords); without it they cannot be answered. Hosts
    that are `open_already` are used as they are. `file` is the site file: an SSH configuration beside it came with
    it."""
    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    credentials = ask if isinstance(ask, Credentials) else Credentials(ask)
    named: dict[str, Host] = {"here": Recorded(Local(keep=ENVIRONMENT, only=AUTOMATION), lines)}
    absent: dict[str, str] = {}
    config = ssh_config(file)
    for name, entry in site.hosts.items():
        if known := (open_already or {}).get(name):
            named[name] = known
        elif machine := _open(name, entry, credentials, lines, site, config):
            named[name] = Recorded(machine, lines)
        else:
            absent[name] = _why(entry.role, name, entry)
    hosts: dict[Role, Host] = {"here": named["here"]}
    missing: dict[Role, str] = {}
    for role in ROLES:
        name = next((name for name, entry in site.hosts.items() if entry.role == role), "")
        if name in named and name:
            hosts[role] = named[name]
        elif name or role in NEEDED:
            missing[role] = absent.get(name) or _why(role, "", None)
    return Vantages(hosts, missing, lines, None, named, absent, site, credentials, file)


class SshConfig(Struct, frozen=True):
    """The configuration that COWHAND_SSH_CONFIG names; None: the user's own. `site` is the folder it came with."""

    path: Path | None = None
    site: Path | None = None

    def distrust(self) -> str:
        """Return why it is not used; "" when it may be."""
        if self.path is None or self.site is None:
            return ""
        from console.hosts.ssh import foreign

        why = foreign.doubt(self.path, self.site)
        return f"{clean(str(self.path), 120)} was not used, for {why} (see cowhand trust)" if why else ""


def ssh_config(site: Path | None) -> SshConfig:
    """Return the configuration that COWHAND_SSH_CONFIG names: one in the site's folder or repository came with it."""
    named = os.environ.get("COWHAND_SSH_CONFIG")
    if not named or site is None:
        return SshConfig(Path(named).expanduser() if named else None)
    from console.estate.boundary import Boundary

    path, folder = Path(named).expanduser().absolute(), site.absolute().parent
    return SshConfig(path, folder if Boundary(folder, ()).holds(path) else None)


def _way(site: Site, name: str) -> tuple[HostEntry | None, HostEntry | None]:
    """All that says how a host is reached: its entry, and that of the host it is reached through."""
    entry = site.hosts.get(name)
    return entry, site.hosts.get(entry.via or "") if entry is not None else None


def _open(
    name: str, entry: HostEntry, credentials: Credentials, lines: deque[str], site: Site, config: SshConfig
) -> Host | None:
    if entry.ssh is None and not entry.local and entry.incus is not None:
        return _open_inside(name, entry, credentials, lines, site, config)
    return _open_machine(name, entry, credentials, lines, config)


def _open_inside(
    name: str, entry: HostEntry, credentials: Credentials, lines: deque[str], site: Site, config: SshConfig
) -> Host | None:
    """Return the host for an instance of Incus, reached through the machine that runs it."""
    outer = site.hosts.get(entry.via or "")
    machine = _open_machine(entry.via or "", outer, credentials, lines, config) if outer is not None else None
    if machine is None or entry.incus is None:
        return None
    from console.hosts.incus.exec import Incus

    return Incus(name, entry.role, entry.incus, machine)


def _open_machine(
    name: str, entry: HostEntry, credentials: Credentials, lines: deque[str], config: SshConfig
) -> Local | Ssh | None:
    if entry.become not in (None, "sudo"):
        return None
    if entry.local:
        return Local(name, entry.role, become=entry.become, ask=credentials)
    if entry.ssh is None:
        return None
    from console.hosts.ssh import Ssh

    def tell(text: str) -> None:
        lines.append(f"{time.strftime('%H:%M:%S')}  {name}  {clean(text, 400)}")

    return Ssh(
        name,
        entry.role,
        entry.ssh,
        become=entry.become,
        ask=credentials,
        tell=tell,
        file=config.path,
        distrust=config.distrust,
    )


def _why(role: Role, name: str, entry: HostEntry | None) -> str:
    if entry is None:
        return f'no way in: no host has role = "{role}" in site.toml'
    if entry.become not in (None, "sudo"):
        return f'no way in to {name}: become = "{clean(entry.become or "", 20)}" is not known, only "sudo"'
    if entry.ssh is None and entry.incus is None:
        return f"no way in to {name}: neither ssh, local nor incus is set for it in site.toml"
    return f"no way in to {name}: {entry.via or 'its home server'} has neither ssh nor local in site.toml"


def trusting(estate: Estate, vantages: Vantages) -> Trust | None:
    """Return who judges whether clients trust a certificate: this machine's roots, and the site's own authority.

    Return None for the lab, whose certificates are signed by itself, and where the authority cannot be read."""
    from console.estate import named
    from console.probes.trust import Trust

    if vantages.lab is not None:
        return None
    try:
        return Trust(named.authority(estate))
    except InputError:
        return None


def open_lab(log: deque[str] | None = None, empty: bool = False) -> Vantages:
    """Return the vantages of the running lab, or of a private one that ends with this process; raises LabError.

    An `empty` one, with a VM as OpenTofu made it, is always its own."""
    from console.lab.client import Lab

    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    lab = Lab.find_running()
    if lab is not None and empty:
        raise LabError("a lab is up already: leave --empty out to join it, or end it first: cowhand lab down")
    lab = lab or Lab.start_private(empty=empty)
    importlib.import_module("cryptography.x509")  # imported while the lab starts, because it is needed next
    lab.wait()
    return Vantages({role: Recorded(host, lines) for role, host in lab.hosts().items()}, {}, lines, lab)
