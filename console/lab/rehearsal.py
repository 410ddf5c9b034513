"""The rehearsal estate as a whole: network, mail services, proxy and faults, built from the lab's own site files."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any

from console.lab.daemons.certificate import Certificate
from console.lab.daemons.dovecot import Dovecot
from console.lab.daemons.nginx import nginx
from console.lab.daemons.postfix import postfix
from console.lab.daemons.services import Service
from console.lab.faults import find
from console.lab.haproxy.proxy import Proxy
from console.lab.machines.disks import Machine
from console.lab.network.addresses import MAIL, MAIL_NAME, PROXY
from console.lab.network.network import Network
from console.model import Span, Topology

MISHAPS = 20
"""Most of the lab's own errors that are kept."""


class Estate:
    """Everything that runs in a lab. `mishaps` are errors of the lab itself, for `lab status` and the tests."""

    def __init__(self, topology: Topology) -> None:
        targets = tuple(dict.fromkeys(lane.target.host for lane in topology.lanes if lane.target))
        names = tuple(dict.fromkeys((MAIL_NAME, *topology.public)))
        self.topology = topology
        self.network = Network(targets, names)
        self.certificate = Certificate(names[-1])
        self.dovecot = Dovecot(self.network, self.certificate.context)
        self.services: tuple[Service, ...] = (
            postfix(self.network, self.certificate.context, lambda: self.dovecot.running),
            self.dovecot,
            nginx(self.network),
        )
        self.proxy = Proxy(self.network, topology.lanes, self.certificate.context)
        self.files = files()
        self.disks = Machine()
        self.broken: dict[str, None] = {}
        self.mishaps: list[str] = []

    async def start(self) -> None:
        """Open every port; the proxy's checks begin."""
        asyncio.get_running_loop().set_exception_handler(self._note)
        for service in self.services:
            service.start()
        await self.proxy.apply()

    async def stop(self) -> None:
        """Close every port."""
        self.proxy.running = False
        await self.proxy.apply()
        for service in self.services:
            service.stop()

    def service(self, name: str) -> Service | None:
        """The compose service of that name."""
        return next((service for service in self.services if service.name == name), None)

    async def break_(self, id: str) -> None:
        """Break something; already broken is done already; raises `LabError` for an unknown fault."""
        fault = find(id)
        if id not in self.broken:
            self.broken[id] = None
            await fault.break_(self)

    async def heal(self, id: str | None = None) -> None:
        """Heal one fault, or all; raises `LabError` for an unknown fault."""
        for broken in (find(id).id,) if id else tuple(self.broken):
            if broken in self.broken:
                del self.broken[broken]
                await find(broken).heal(self)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ConnectionError):
            return  # a peer that went while we wrote
        if len(self.mishaps) < MISHAPS:
            place = traceback.extract_tb(error.__traceback__)[-1:] if error else ()
            where = "".join(f" at {frame.filename}:{frame.lineno}" for frame in place)
            self.mishaps.append(f"{context.get('message', '')}: {type(error).__name__}: {error}{where}")


def files() -> dict[tuple[str, str], bytes]:
    """The files in use on the lab's machines, by machine and path: what the site's own files say, where they belong."""
    folder = site_file().parent
    places = {
        (PROXY, "/etc/haproxy/haproxy.cfg"): "haproxy.cfg",
        (PROXY, "/etc/letsencrypt/renewal-hooks/deploy/certbot-deploy-hook.sh"): "certbot-deploy-hook.sh",
        (MAIL, "/usr/local/bin/mailcow-cert-deploy.sh"): "mailcow-cert-deploy.sh",
        (MAIL, "/opt/mailcow-dockerized/docker-compose.override.yml"): "docker-compose.override.yml",
    }
    return {place: (folder / name).read_bytes() for place, name in places.items()}


def site_file() -> Path:
    """The site file of the lab, as shipped."""
    import assets

    return Path(assets.__file__).parent / "lab" / "site.toml"


def plan() -> Topology:
    """Read the lab's own haproxy.cfg and `[[lane]]` entries; what its other files say decides nothing that runs here.

    They are left unread for the start's sake, and so that a lab writes no grammar cache."""
    from console.estate.site_file import load
    from console.sources import haproxy
    from console.topology import build as topology
    from console.topology.sources import Sources

    file = site_file()
    told = load(file)
    configuration = haproxy.parse_files([(name, (file.parent / name).read_text()) for name in told.sources.haproxy])
    return topology.build(Sources(told, configuration, declared=(Span(file.name, 1),) * len(told.lane)))
