"""Clients on the Internet and in the home network, at every TLS port, while something is changed.

with Load(lab, roots) as load:   # from here on they connect, all the while
    …
load.told                        # every handshake, in the order of its beginning
"""

from __future__ import annotations

import json
import subprocess
from contextlib import AbstractContextManager
from types import TracebackType

from msgspec import Struct

from console.lab.network.addresses import MAIL_NAME
from tests.reallab import handshakes
from tests.reallab.addresses import MAILCOW, MAILCOW6, VPS, VPS6, Machine
from tests.reallab.lab import RealLab

PUBLIC = {25: "smtp", 465: "", 993: "", 4190: "sieve", 443: ""}
"""What HAProxy listens on, and the protocol in which TLS begins."""

INNER = PUBLIC | {587: "smtp"}
"""What Mailcow's own containers publish."""

CLIENTS: tuple[tuple[Machine, tuple[str, ...], dict[int, str]], ...] = (
    ("client", (VPS, VPS6), PUBLIC),
    ("oper", (MAILCOW, MAILCOW6), INNER),
)


class Handshake(Struct, frozen=True):
    """One handshake: its times in monotonic seconds, `ADDRESS,PORT,PROTOCOL`, and a serial number or an error."""

    begun: float
    ended: float
    place: str
    serial: str
    wrong: str


class Load(AbstractContextManager["Load"]):
    """The clients, one for each port and address."""

    def __init__(self, lab: RealLab, roots: str) -> None:
        self.lab, self.roots = lab, roots
        self.told: list[Handshake] = []
        self.running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Load:
        for machine, addresses, ports in CLIENTS:
            self.lab.write(machine, "/run/roots.pem", self.roots)
            places = [f"{address},{port},{protocol}" for address in addresses for port, protocol in ports.items()]
            argv = self.lab.argv(machine, ["python3", handshakes.__file__, MAIL_NAME, "/run/roots.pem", *places])
            self.running.append(
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
        for each in self.running:
            assert each.stdout is not None and each.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        told: list[Handshake] = []
        for each in self.running:
            out, said = each.communicate(timeout=120)
            assert each.returncode == 0, said
            told += [Handshake(*json.loads(row)) for row in out.splitlines()]
        self.told = sorted(told, key=lambda each: each.begun)
