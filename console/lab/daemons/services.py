"""A compose service of the lab's VM: its ports, whether it runs, and its log."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from console.lab.daemons.doors import Door, Policy, Visitor
from console.lab.network.addresses import MAIL
from console.lab.network.network import Network

KEPT = 500
"""Lines of log kept per service."""

Enter = Callable[[Visitor], asyncio.Protocol]


class Port(Struct, frozen=True):
    """A port a service listens on: what it demands, and the protocol behind."""

    number: int
    policy: Policy
    enter: Enter


class Service:
    """One container: opened and closed as a whole. `image` and `started` are what `docker compose ps` tells."""

    def __init__(self, network: Network, name: str, image: str) -> None:
        self.network, self.name, self.image = network, name, image
        self.id = hashlib.sha256(name.encode()).hexdigest()
        self.ports: list[Port] = []
        self.doors: dict[int, Door] = {}
        self.written: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self.created = self.changed = time.time()

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return bool(self.doors)

    def start(self) -> None:
        """Listen on every port."""
        if self.running:
            return
        self.changed = time.time()
        for port in self.ports:
            door = self.doors[port.number] = Door(self.network, port.policy, port.enter)
            self.network.listeners[MAIL, "", port.number] = door.open()

    def stop(self) -> None:
        """Close every port and every connection."""
        if self.running:
            self.changed = time.time()
        for number, door in self.doors.items():
            del self.network.listeners[MAIL, "", number]
            door.close()
        self.doors.clear()

    def log(self, text: str) -> None:
        """Add a line, in the form syslog-ng writes to a Mailcow container's output."""
        self.written.append((time.time(), f"{time.strftime('%b %e %H:%M:%S')} {self.id[:12]} {text}"))

    def lines(self, since: float = 0.0) -> list[str]:
        """What was logged from a Unix time on, oldest first."""
        return [line for at, line in self.written if at >= since]
