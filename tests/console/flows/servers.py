"""Stands for mail servers and their machine: scripted talks, and logs and a queue as files of a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from console.errors import Missing, NoWayIn, Refused
from console.facts.queue import SCRIPTS
from console.hosts.host import ANY, Before, Completed, Stream
from console.hosts.local import Local
from console.hosts.lock import SCRIPT as LOCK
from console.hosts.marks import FIND
from console.model import Role

Talk = Callable[[str], str]
"""What is answered to a line; to "" is the greeting."""


def smtp(line: str) -> str:
    """As much of SMTP as is ever said."""
    answers = {"": "220 mail.example ESMTP", "QUIT": "221 2.0.0 Bye", "RSET": "250 2.0.0 Ok", "MAIL": "250 2.1.0 Ok"}
    if line.startswith("EHLO"):
        return "250-mail.example\r\n250 PIPELINING\r\n"
    return f"{answers.get(line[:4], '500 5.5.2 Error: command not recognized')}\r\n"


def sieve(line: str) -> str:
    """As much of ManageSieve as is ever said."""
    return 'OK "Logout completed."\r\n' if line else '"IMPLEMENTATION" "Dovecot Pigeonhole"\r\nOK "Dovecot ready."\r\n'


class Talking:
    """One conversation."""

    def __init__(self, talk: Talk, local: tuple[str, int], peer: tuple[str, int]) -> None:
        self.talk, self.local, self.peer = talk, local, peer
        self.waiting = talk("").encode()

    async def read(self, limit: int = 65536) -> bytes:
        data, self.waiting = self.waiting, b""
        return data

    async def write(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            if not line.startswith("PROXY "):
                self.waiting += self.talk(line).encode()

    def close(self) -> None: ...


Accept = Callable[["Machine", tuple[str, int], tuple[str, int]], Stream]
"""Takes a connection from an address to one; raises `Refused` where nobody listens."""


class Machine:
    """A machine whose connections `accept` takes; its locks, logs and queue are files of `root`."""

    def __init__(self, root: Path, name: str, role: Role, addresses: Mapping[int, str], accept: Accept) -> None:
        self.root, self.name, self.role = root, name, role
        self.addresses, self.accept = addresses, accept

    def log(self, service: str, text: str) -> None:
        """Write a line as syslog-ng does."""
        with (self.root / f"{service}.log").open("a") as file:
            file.write(f"{time.strftime('%b %e %H:%M:%S')} 5eb507882c59 {text}\n")

    def count(self) -> int:
        """A number nobody had before."""
        made = self.root / "count"
        number = int(made.read_text()) + 1 if made.exists() else 1
        made.write_text(str(number))
        return number

    async def open(self) -> None: ...

    async def resolve(self, name: str) -> tuple[str, ...]:
        return ("203.0.113.10", "2001:db8:113::10")

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        source = (self.addresses[6 if ":" in address else 4], 40000 + self.count())
        return self.accept(self, source, (address, port))

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        raise NoWayIn(path)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if tuple(argv[:3]) == ("sh", "-c", FIND):
            return await Local().run(argv, timeout, cap)
        if tuple(argv[:3]) == ("sh", "-c", LOCK):
            return await Local().run([*argv[:5], str(self.root / f"locks-{self.name}"), *argv[6:]], timeout, cap)
        if argv[:2] == ("sh", "-c") and argv[2] in SCRIPTS:
            return Completed(0, (self.root / "queue").read_bytes(), b"")
        if "logs" in argv:
            file = self.root / f"{argv[-1]}.log"
            return Completed(0, file.read_bytes() if file.exists() else b"", b"")
        return Completed(127, b"", f"{argv[0]}: command not found\n".encode())

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        raise Missing(f"{path} is not there on {self.name}")

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        raise NoWayIn(f"{path} may not be written")

    def forget(self) -> None: ...

    async def close(self) -> None: ...


def nobody(machine: Machine, source: tuple[str, int], to: tuple[str, int]) -> Stream:
    """Nobody listens anywhere."""
    raise Refused(f"{to[0]}:{to[1]} refused the connection")
