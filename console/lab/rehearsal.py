"""The rehearsal estate as a whole: network, mail services, proxy, files and disks, from the lab's own site file."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from console.lab.daemons.certificate import OLDER, Certificate
from console.lab.daemons.dovecot import Dovecot
from console.lab.daemons.names import RESOLV_CONF, NameServer
from console.lab.daemons.nginx import nginx
from console.lab.daemons.postfix import postfix
from console.lab.daemons.services import Service
from console.lab.haproxy.proxy import Proxy
from console.lab.machines.disks import Machine
from console.lab.machines.installed import Installing
from console.lab.machines.locks import Locks
from console.lab.machines.pushing import HOST_KEY, Pushing, host_key, lay
from console.lab.machines.rollbacks import Rollbacks
from console.lab.network.addresses import HERE, MAIL, MAIL_NAME
from console.lab.network.network import Network
from console.lab.plan import files
from console.lab.provisioning import Provisioning
from console.model import Topology

MISHAPS = 20
"""Most of the lab's own errors that are kept."""


class Rehearsal:
    """Everything that runs in a lab; `seed` and `empty` are those of `plan.files`.

    `broken` has the ids of its faults in the order they were made.

    `mishaps` are errors of the lab itself, for `lab status` and the tests."""

    def __init__(self, topology: Topology, seed: bool = False, empty: bool = False) -> None:
        seed = seed or empty
        targets = tuple(dict.fromkeys(lane.target.host for lane in topology.lanes if lane.target))
        names = tuple(dict.fromkeys((MAIL_NAME, *topology.public)))
        self.topology = topology
        self.network = Network(targets, names)
        self.named = NameServer(self.network, names)
        self.issued = Certificate(names[-1])
        """What certbot has, and HAProxy serves."""
        # Half-way nothing is pushed yet: Mailcow has the one from before.
        self.certificate = Certificate(names[-1], left=OLDER) if seed else Certificate(names[-1], self.issued)
        """What Mailcow's services serve."""
        self.dovecot = Dovecot(self.network, self.certificate.context)
        self.services: tuple[Service, ...] = (
            postfix(self.network, self.certificate.context, lambda: self.dovecot.running),
            self.dovecot,
            nginx(self.network),
        )
        self.proxy = Proxy(self.network, topology.lanes, self.issued.context)
        self.files = {**files(seed, empty), (HERE, "/etc/resolv.conf"): RESOLV_CONF}
        self.installing = Installing(tuple(service.image for service in self.services), empty)
        if seed:
            self.dovecot.trust()
            for service in self.services:
                service.publish({})
        self.modes: dict[tuple[str, str], int] = {}
        """Modes of the files that were written here; others have the usual one."""
        self.pushing = Pushing(self.network, not seed)
        lay(self.files, self.modes, self.issued, self.certificate)
        if empty:
            for place in [place for place in self.files if place[0] == MAIL]:
                del self.files[place]
        if not seed:
            self.files[MAIL, HOST_KEY] = host_key()
        self.disks, self.locks = Machine(), Locks()
        self.rollbacks = Rollbacks()
        self.provisioning = Provisioning(targets[0])
        self.broken: dict[str, None] = {}
        self.mishaps: list[str] = []

    async def start(self) -> None:
        """Open every port; the proxy's checks begin."""
        asyncio.get_running_loop().set_exception_handler(self._note)
        for service in self.services if self.installing.made else ():
            service.start()
        self.pushing.start()
        await self.named.start()
        self.proxy.running = self.installing.haproxy
        await self.proxy.apply()

    async def stop(self) -> None:
        """Close every port."""
        self.rollbacks.close()
        self.proxy.running = False
        await self.proxy.apply()
        for service in self.services:
            service.stop()
        self.pushing.stop()
        self.named.stop()

    def service(self, name: str) -> Service | None:
        """The compose service of that name."""
        return next((service for service in self.services if service.name == name), None)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, ConnectionError):
            return  # a peer that went while we wrote
        if len(self.mishaps) < MISHAPS:
            place = traceback.extract_tb(error.__traceback__)[-1:] if error else ()
            where = "".join(f" at {frame.filename}:{frame.lineno}" for frame in place)
            self.mishaps.append(f"{context.get('message', '')}: {type(error).__name__}: {error}{where}")
