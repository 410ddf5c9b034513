"""The real lab from outside: HAProxy, Postfix, Dovecot, nginx and OpenSSH, each on a machine of its own, as namespaces.

A *machine* has its own root, processes, host name and network; four of them and a home router make the estate of the
seed: `vps`, `mailcow`, `oper` (the operator, inside the home network) and `client` (somebody on the Internet)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from console.answers import Server
from console.facts import haproxy_stats
from tests.oracle import compose
from tests.reallab import network, warden
from tests.reallab.addresses import TUNNEL, Machine

UP = 60.0
"""Seconds a lab may take to come up."""

SOCKET = "/run/haproxy/admin.sock"
ENVIRONMENT = ("env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm-256color")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RealLab:
    """One lab, by name. Its namespaces are NAME-vps, NAME-mailcow, …; `up` and `down` may be called from anywhere."""

    def __init__(self, name: str = "cowlab") -> None:
        self.name, self.state = name, warden.folder(name)
        self.process: subprocess.Popen[str] | None = None
        self.lifeline: int | None = None
        self._first: dict[str, int] = {}

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def up(self, detach: bool = False, tunnel: str = "", docker: bool = False) -> None:
        """Bring it up; raises OSError with the reason. Unless detached it ends when this process does.

        With `docker` the VM runs Mailcow's services in a real Docker engine, by a real docker compose."""
        ends = (None, None) if detach else os.pipe()
        keep = () if ends[0] is None else (ends[0],)
        engine = (compose.binary() or "") if docker else ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.reallab.warden", self.name, str(ends[0] or ""), tunnel, engine],
            cwd=warden.PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=keep,
            start_new_session=True,
            text=True,
        )
        self.lifeline = ends[1]
        for end in keep:
            os.close(end)
        assert self.process.stdout is not None
        if (said := self.process.stdout.readline().strip()) != "ready":
            said = f"{said}\n{self.process.stdout.read()}".strip()
            self.down()
            raise OSError(f"the lab did not come up: {said}")
        (self.state / "warden.pid").write_text(str(self.process.pid))

    def down(self) -> None:
        """Take it down and wait until nothing of it is left; a lab that is not up is down already."""
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None
        if self.process is not None:
            self.process.wait(120)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None
        elif (pid := self._pid("warden")) and self._is_warden(pid):
            os.kill(pid, signal.SIGTERM)
            self.wait(lambda: not self._is_warden(pid), "the lab did not end")
        self._first.clear()
        warden.tidy()

    @property
    def is_up(self) -> bool:
        """Whether all its machines run."""
        return (self.state / "warden.pid").exists()

    def _is_warden(self, pid: int) -> bool:
        try:
            return b"tests.reallab.warden" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def _pid(self, what: str) -> int:
        try:
            return int((self.state / f"{what}.pid").read_text())
        except (OSError, ValueError):
            return 0

    # ── its machines ────────────────────────────────────────────────────────────────────────────────────────────

    def first(self, machine: Machine) -> int:
        """The process that is PID 1 in a machine: the root that children of `unshare` made."""
        if machine not in self._first:
            outer = self._pid(machine)
            children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
            self._first[machine] = int(children[0])
        return self._first[machine]

    def root(self, machine: Machine) -> Path:
        """The machine's root folder, as seen from here."""
        return Path(f"/proc/{self.first(machine)}/root")

    def argv(self, machine: Machine, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` inside a machine: its files, processes, name and network."""
        return ["nsenter", "-t", str(self.first(machine)), "-m", "-p", "-u", "-i", "-n", "-r", "-w", "--",
                *ENVIRONMENT, PATH, *argv]  # fmt: skip

    def run(
        self, machine: Machine, argv: Sequence[str], *, input: str = "", timeout: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside a machine and return what it left, whatever its status."""
        return subprocess.run(
            self.argv(machine, argv), input=input, capture_output=True, text=True, timeout=timeout, check=False
        )

    def do(self, machine: Machine, *argv: str) -> str:
        """Run a command that must succeed; returns what it printed."""
        done = self.run(machine, argv)
        if done.returncode:
            raise OSError(f"{machine}: {' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def read(self, machine: Machine, path: str) -> str:
        """Return a file of a machine; "" when it is not there."""
        try:
            return self._at(machine, path).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def write(self, machine: Machine, path: str, text: str) -> None:
        """Write a file of a machine."""
        self._at(machine, path).write_text(text)

    def _at(self, machine: Machine, path: str) -> Path:
        return self.root(machine) / path.lstrip("/")

    # ── the tunnel ──────────────────────────────────────────────────────────────────────────────────────────────

    def tunnel(self, up: bool = True, delay: float = 0.0, jitter: float = 0.0, loss: float = 0.0) -> None:
        """Set the tunnel as it shall be: seconds one way, and the share of packets that is lost."""
        told = {"up": up, "delay": delay, "jitter": jitter, "loss": loss}
        if (self.state / "tunnel.kind").read_text() == "tun":
            fresh = self.state / "tunnel.fresh"
            fresh.write_text(json.dumps(told))
            wanted, heard = str(fresh.stat().st_mtime_ns), self.state / "tunnel.heard"
            fresh.rename(self.state / "tunnel.json")
            self.wait(lambda: heard.exists() and heard.read_text() == wanted, "the tunnel did not hear")
        else:
            self._tie(up, delay, jitter, loss)

    def _tie(self, up: bool, delay: float, jitter: float, loss: float) -> None:
        self._link("nft", "add table inet cut", "; delete table inet cut")
        if not up:
            self._link("nft", "add table inet cut; add chain inet cut f { type filter hook forward priority 0; }; ",
                       "add rule inet cut f drop")  # fmt: skip
        for machine in ("vps", "link"):
            exec_ = ["ip", "netns", "exec", network.space(self.name, machine), "tc", "qdisc"]
            subprocess.run([*exec_, "del", "dev", TUNNEL, "root"], capture_output=True, check=False)
            if delay or loss:
                network.call(*exec_, "add", "dev", TUNNEL, "root", "netem", "delay", f"{delay * 1000:.0f}ms",
                             f"{jitter * 1000:.0f}ms", "loss", f"{loss:.0%}")  # fmt: skip

    def snat(self, on: bool) -> None:
        """Rewrite source addresses at the home router, as a Tailscale subnet router does unless told otherwise."""
        self._link("nft", "add table ip nat", "; delete table ip nat")
        if on:
            self._link(
                "nft",
                "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; ",
                f'add rule ip nat post iifname "{TUNNEL}" oifname "br0" masquerade',
            )

    def _link(self, command: str, *words: str) -> None:
        network.inside(self.name, "link", command, "".join(words))

    # ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────────────

    def servers(self) -> dict[str, Server]:
        """What HAProxy says of its servers, by proxy; {} when nobody listens on its stats socket."""
        done = self.run("vps", ["socat", "-t", "3", "-", f"UNIX-CONNECT:{SOCKET}"], input="show stat\n")
        return {row.proxy: row for row in haproxy_stats.parse(done.stdout)} if done.stdout else {}

    def settle(self, *down: str) -> None:
        """Wait until HAProxy has made up its mind: every server up, those of the proxies named here down."""

        def settled() -> bool:
            servers = self.servers()
            return bool(servers) and all(
                row.check not in ("", "INI") and row.status == ("DOWN" if name in down else "UP")
                for name, row in servers.items()
            )

        self.wait(settled, f"HAProxy did not settle with {down or 'nothing'} down")

    def recover(self) -> None:
        """Wait until all is well: a Dovecot just started greets before its own authentication process answers it."""
        self.settle()
        ask = "printf 'a LOGOUT\\r\\n' | nc -w 2 127.0.0.1 143"

        def ready() -> bool:
            said = self.run("mailcow", ["sh", "-c", ask]).stdout
            return "ready" in said and "Waiting" not in said

        self.wait(ready, "Dovecot did not get ready")

    def wait(self, holds: Callable[[], bool], what: str, patience: float = 120.0) -> None:
        """Wait until something holds; raises `OSError(what)` after `patience` seconds, plenty for a busy machine."""
        end = time.monotonic() + patience
        while not holds():
            if time.monotonic() > end:
                raise OSError(what)
            time.sleep(0.05)
