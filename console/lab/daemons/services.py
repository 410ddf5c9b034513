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

PROXIED = 10000
"""From here on ports are the override's, which publishes them on IPv4 alone; the base file's are on both."""

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
        self.published: dict[int, str] | None = None
        """PROXY port → the VM's address on which it is published, "" for all; None: every port, on every address."""
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
            if (address := self.address(port.number)) is not None:
                door = self.doors[port.number] = Door(self.network, port.policy, port.enter)
                self.network.listeners[MAIL, address, port.number] = door.open()

    def address(self, number: int) -> str | None:
        """Where a port is published, "" for every address; None when it is not."""
        if self.published is None or number < PROXIED:
            return ""
        return self.published.get(number)

    def publish(self, wanted: dict[int, str]) -> bool:
        """Be a new container with these PROXY ports, when that changes anything; whether it did."""
        known = {port.number for port in self.ports if port.number >= PROXIED}
        wanted = {number: "" if each == "0.0.0.0" else each for number, each in wanted.items() if number in known}
        if wanted == {number: each for number in known if (each := self.address(number)) is not None}:
            return False
        running = self.running
        self.stop()
        self.published = wanted
        if running:
            self.created = time.time()
            self.start()
        return True

    def stop(self) -> None:
        """Close every port and every connection."""
        if self.running:
            self.changed = time.time()
        for number, door in self.doors.items():
            del self.network.listeners[MAIL, self.address(number) or "", number]
            door.close()
        self.doors.clear()

    def log(self, text: str) -> None:
        """Add a line, in the form syslog-ng writes to a Mailcow container's output."""
        self.written.append((time.time(), f"{time.strftime('%b %e %H:%M:%S')} {self.id[:12]} {text}"))

    def lines(self, since: float = 0.0) -> list[str]:
        """What was logged from a Unix time on, oldest first."""
        return [line for at, line in self.written if at >= since]
