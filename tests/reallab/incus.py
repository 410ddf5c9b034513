"""A real Incus of its own for the tests, in namespaces, with virtual machines that QEMU emulates.

    with Incus(folder) as incus:
        incus.socket                          # its unix.socket, for pylxd and cowhand
        incus.ask("GET", "/1.0/instances")    # its REST API, without cowhand's code; what it makes is waited for
        incus.run("incus", "list")            # a command beside it, in its namespaces
        incus.pool()                          # a storage pool "default", and a profile with which a VM starts here

A VM has no image: its firmware finds nothing to boot, and waits. To Incus it runs, as one without agent."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.reallab import needs
from tests.reallab.warden import KIT, WITH_PARENT

PATIENCE = 90.0
"""Seconds it may take to start or to answer, on a machine that is busy."""

EMULATED = {
    "security.secureboot": "false",
    "raw.qemu": "-cpu max",
    "raw.qemu.conf": '[machine]\naccel = "tcg"\n[device "qemu_vsock"]',
}
"""By software, whatever /dev/kvm promises, and without the device that vsock.py cannot give."""


class Refused(Exception):
    """Incus says no."""


class Incus:
    """One daemon; its state is in `folder`, whose path must be short, for a socket's has at most 107 bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "incus"
        self.socket = self.state / "unix.socket"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers; it dies with this process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["unshare", "-n", "-m", "-p", "-f", "--propagation", "private", "--kill-child=KILL", "--mount-proc"]
        script = [str(KIT / "incus.sh"), str(self.folder), needs.incus(), sys.executable, str(KIT)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*WITH_PARENT, *words, *script], stdin=-3, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"incusd did not start: {said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it, and all it runs: its namespaces go with it."""
        if self._process is not None:
            first = self._first()
            self._process.kill()
            self._process.wait()
            if first:  # it ends after all others inside
                select.select([first], [], [], PATIENCE)
                os.close(first)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _first(self) -> int:
        """A descriptor that tells when the first process inside has ended; 0 when there is none."""
        try:
            return os.pidfd_open(self.inner)
        except (OSError, IndexError):
            return 0

    @property
    def inner(self) -> int:
        """The pid of its first process inside, whose namespaces are its."""
        assert self._process is not None
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def inside(self, *words: str) -> list[str]:
        """The command that runs another one beside it."""
        environment = [f"INCUS_DIR={self.state}", f"INCUS_CONF={self.folder}/client", f"HOME={self.folder}/home"]
        return ["nsenter", "-t", str(self.inner), "-n", "-m", "-p", "env", *environment, *words]

    def run(self, *words: str) -> str:
        """Run a command beside it that must succeed; returns what it prints."""
        done = subprocess.run(self.inside(*words), capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise Refused(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask its API, and wait for what that begins; returns the metadata of the answer. Raises `Refused`."""
        answer = self._answer(method, path, body)
        if answer["type"] == "async":
            answer = self._answer("GET", f"{answer['operation']}/wait?timeout={PATIENCE:g}")
            if answer["metadata"]["status"] != "Success":
                raise Refused(f"{method} {path}: {answer['metadata']['status']} {answer['metadata']['err']}")
        return answer["metadata"]

    def _answer(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("incus")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(PATIENCE)
            connection.sock.connect(os.fspath(self.socket))
            connection.request(method, path, None if body is None else json.dumps(body))
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["type"] == "error":
            raise Refused(f"{method} {path}: {answer['error']}")
        return answer

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/1.0")["auth"] == "trusted")
        except (OSError, ValueError, http.client.HTTPException):
            return False

    # ── what is in it ───────────────────────────────────────────────────────────────────────────────────────────────

    def pool(self) -> None:
        """Give it a pool, and a profile with which a VM starts on this machine."""
        self.ask("POST", "/1.0/storage-pools", {"name": "default", "driver": "dir"})
        self.ask("PUT", "/1.0/profiles/default", {"config": EMULATED, "devices": {}})

    def volume(self, name: str, size: str, project: str = "default") -> None:
        """Make a block volume."""
        row = {"name": name, "content_type": "block", "config": {"size": size}}
        self.ask("POST", f"/1.0/storage-pools/default/volumes/custom?project={project}", row)

    def vm(self, name: str, volumes: dict[str, str], project: str = "default") -> None:
        """Make a VM without an image; `volumes` are those attached, by the name of their device."""
        devices = {device: {"type": "disk", "pool": "default", "source": source} for device, source in volumes.items()}
        root = {"type": "disk", "path": "/", "pool": "default", "size": "1GiB"}
        row = {
            "name": name,
            "type": "virtual-machine",
            "source": {"type": "none"},
            "config": {"limits.cpu": "1", "limits.memory": "256MiB"},
            "devices": {"root": root, **devices},
        }
        self.ask("POST", f"/1.0/instances?project={project}", row)

    def turn(self, name: str, action: str, project: str = "default") -> None:
        """Start or stop an instance; a stop is a pulled plug, for nobody inside would hear another."""
        force = action != "start"
        self.ask("PUT", f"/1.0/instances/{name}/state?project={project}", {"action": action, "force": force})
