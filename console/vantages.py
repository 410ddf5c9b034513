"""From where cowhand can look: the hosts of a site, or the lab's, with the reason for each that is missing."""

from __future__ import annotations

import importlib
from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from console.hosts.host import Host
from console.hosts.local import Local
from console.hosts.recorded import Recorded
from console.model import Role
from console.site import HostEntry, Site

if TYPE_CHECKING:
    from console.lab.client import Lab

LOG = 400
"""Lines the command log keeps."""


class Vantages(Struct):
    """The hosts by role, why a role has none, and the command log they write."""

    hosts: dict[Role, Host]
    missing: dict[Role, str]
    log: deque[str]
    lab: Lab | None = None

    async def close(self) -> None:
        """Let go of every host, and of the lab if it is ours alone."""
        for host in self.hosts.values():
            await host.close()
        if self.lab is not None:
            self.lab.close()


def open_site(site: Site, log: deque[str] | None = None) -> Vantages:
    """Return the vantages of a site; opening costs nothing, a host is first dialled when it is first asked."""
    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    hosts: dict[Role, Host] = {"here": Recorded(Local(), lines)}
    missing: dict[Role, str] = {}
    for role in ("proxy", "mail"):
        name, entry = next(((name, entry) for name, entry in site.hosts.items() if entry.role == role), ("", None))
        if entry is not None and entry.local:
            hosts[role] = Recorded(Local(name, role), lines)
        else:
            missing[role] = _why(role, name, entry)
    return Vantages(hosts, missing, lines)


def _why(role: Role, name: str, entry: HostEntry | None) -> str:
    if entry is None:
        return f'no way in: no host has role = "{role}" in site.toml'
    way = "ssh" if entry.ssh else "incus exec"
    return f"no way in to {name}: this version cannot open {way}; run cowhand on {name} with local = true"


def open_lab(log: deque[str] | None = None) -> Vantages:
    """Return the vantages of the running lab, or of a private one that ends with this process; raises LabError."""
    from console.lab.client import Lab

    lines: deque[str] = deque(maxlen=LOG) if log is None else log
    lab = Lab.find_running() or Lab.start_private()
    importlib.import_module("cryptography.x509")  # needed soon, and the lab takes its time to come up
    lab.wait()
    return Vantages({role: Recorded(host, lines) for role, host in lab.hosts().items()}, {}, lines, lab)
