"""OpenSSH's own sshd on a loopback port, as whoever runs the tests; where there is none these tests are left out.

In CI they are not: there they fail."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from console.hosts.ssh import Ssh

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

if SSHD is None and os.environ.get("CI") != "true":
    collect_ignore_glob = ["test_*.py"]


class Sshd:
    """A real server with keys of its own. `settings` are lines of sshd_config."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.settings: list[str] = []
        self.key_file = folder / "id"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Sshd:
        """Start it, and wait until it takes connections."""
        assert SSHD, "sshd is missing; on Debian: apt-get install openssh-server"
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for name in ("host", "id"):
            if not (self.folder / name).exists():
                keygen("-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        shutil.copy(f"{self.key_file}.pub", self.folder / "authorized_keys")
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        lines = [
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "PermitRootLogin yes",
            "LogLevel VERBOSE",
        ]
        file = self.folder / "sshd_config"
        file.write_text("\n".join([*self.settings, *lines]) + "\n")
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(file)], stdin=subprocess.DEVNULL, stderr=log)
        log.close()
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None, self.log()
                subprocess.run(["sleep", "0.02"], check=True)
            else:
                return self
        raise AssertionError(self.log())

    def stop(self) -> None:
        """End it, and the sessions it has open."""
        if self.process is None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        self.process.wait()
        for child in children:
            subprocess.run(["kill", "-KILL", child], check=False, stderr=subprocess.DEVNULL)
        self.process = None

    def log(self) -> str:
        """What it logged."""
        return (self.folder / "log").read_text()

    def configure(self, *lines: str, known: bool = True) -> Path:
        """Write the client's configuration for the alias vps; return its path."""
        public = (self.folder / "host.pub").read_text().split()
        hosts = self.folder / "known_hosts"
        if known:
            hosts.write_text(f"[127.0.0.1]:{self.port} {public[0]} {public[1]}\n")
        file = self.folder / "config"
        text = [
            "Host vps",
            *(f"  {line}" for line in lines),
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            f"  User {getpass.getuser()}",
            f"  IdentityFile {self.key_file}",
            "  IdentityAgent none",
            f"  UserKnownHostsFile {hosts}",
            "  GlobalKnownHostsFile none",
        ]
        file.write_text("\n".join(text) + "\n")
        return file


def keygen(*arguments: str) -> str:
    """Run ssh-keygen quietly; return what it prints."""
    done = subprocess.run(["ssh-keygen", "-q", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    """A server that is not running yet: give it settings, then `start`."""
    made = Sshd(tmp_path)
    yield made
    made.stop()


Make = Callable[..., Ssh]


@pytest.fixture
async def ssh(sshd: Sshd) -> AsyncIterator[Make]:
    """Make an `Ssh` for the server's configuration; every one is closed at the end."""
    made: list[Ssh] = []

    def make(file: Path, *, alias: str = "vps", **more: Any) -> Ssh:
        made.append(Ssh("vps", "proxy", alias, file=file, **more))
        return made[-1]

    yield make
    for host in made:
        await host.close()
    await asyncio.sleep(0)
