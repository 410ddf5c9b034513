"""A machine of the real lab as a host, from this very process: its sockets are made in the machine's network.

So a whole sweep runs over several machines in one loop, without SSH between: what differs from the shipped lab is the
daemons alone."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import assets
from console.errors import Unreachable, Unresolved
from console.estate.load import Estate, load
from console.hosts.host import Completed, Stream
from console.hosts.local import Local, SocketStream, _explained
from console.model import Role
from tests.reallab import network
from tests.reallab.addresses import Machine
from tests.reallab.lab import RealLab

CLONE_NEWNET = 0x40000000


class Inside(Local):
    """As `Local` would be, run there."""

    def __init__(self, lab: RealLab, machine: Machine, role: Role) -> None:
        super().__init__("here" if role == "here" else machine, role)
        self.lab, self.machine = lab, machine

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses by the machine's /etc/hosts: there is no other resolver."""
        lines = (line.split() for line in self.lab.read(self.machine, "/etc/hosts").splitlines())
        found = [words[0] for words in lines if name in words[1:]]
        if not found:
            raise Unresolved(f"{name} has no address")
        return tuple(sorted(found, key=lambda address: ":" in address))

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        """Open a TCP stream from the machine's network."""
        there = self._socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(there, (address, port))
            return SocketStream(*await asyncio.open_connection(sock=there))
        except OSError as error:
            there.close()
            if error.errno == errno.EACCES and self.role != "here":  # a route prohibits it: sshd does not say so much
                said = f"{address}:{port}: {self.name} could not begin to connect and did not say why"
                raise Unreachable(said) from None
            raise _explained(error, f"{address}:{port}", timeout) from None

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """Open a stream to a UNIX socket among the machine's files."""
        return await super().connect_unix(f"{self.lab.root(self.machine)}{path}", timeout)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command on the machine."""
        return await super().run(self.lab.argv(self.machine, argv), timeout, cap)

    def _socket(self, family: socket.AddressFamily) -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(network.NAMED / network.space(self.lab.name, self.machine), os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter the machine's network")
            try:
                made = socket.socket(family)
            finally:
                libc.setns(here, CLONE_NEWNET)
        finally:
            os.close(here)
            os.close(there)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def hosts(lab: RealLab) -> dict[Role, Inside]:
    """The lab's machines by role: the operator's is where cowhand runs."""
    return {
        "here": Inside(lab, "oper", "here"),
        "proxy": Inside(lab, "vps", "proxy"),
        "mail": Inside(lab, "mailcow", "mail"),
    }


SEED = Path(assets.__file__).parent / "lab"


def estate(folder: Path, haproxy: str = "") -> Estate:
    """Read the estate that both labs are judged by, in a folder of its own; `haproxy` replaces its haproxy.cfg."""
    shutil.copytree(SEED, folder, dirs_exist_ok=True)
    if haproxy:
        (folder / "haproxy.cfg").write_text(haproxy)
    return load(folder / "site.toml")
