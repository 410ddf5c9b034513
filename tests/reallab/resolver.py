"""A resolver on the operator's machine: a real Unbound that knows what it was told, and asks nobody.

with Resolver(lab, "_25._tcp.mail.example.org. TLSA 3 1 1 ab…"):
    …                            # /etc/resolv.conf names it
"""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from types import TracebackType

from tests.reallab.lab import RealLab

CONF, RESOLV_CONF = "/run/unbound.conf", "/etc/resolv.conf"
_CONF = """\
server:
  interface: 127.0.0.1
  username: ""
  chroot: ""
  directory: "/run"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  local-zone: "." static
  local-data: "{}"
"""
_ANSWERS = "import socket; socket.create_connection(('127.0.0.1', 53), 1).close()"


class Resolver(AbstractContextManager["Resolver"]):
    """The resolver, while the block runs."""

    def __init__(self, lab: RealLab, record: str) -> None:
        self.lab, self.record, self.before = lab, record, ""

    def __enter__(self) -> Resolver:
        lab = self.lab
        self.before = lab.run("oper", ["cat", RESOLV_CONF]).stdout
        lab.write("oper", CONF, _CONF.format(self.record))
        argv = lab.argv("oper", ["unbound", "-d", "-c", CONF])
        self.running = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        lab.wait(lambda: lab.run("oper", ["python3", "-c", _ANSWERS]).returncode == 0, "Unbound does not listen")
        lab.write("oper", RESOLV_CONF, "nameserver 127.0.0.1\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.lab.write("oper", RESOLV_CONF, self.before)
        self.running.terminate()
        self.running.wait(60)
