"""The lab's owner: builds it, keeps its machines as children, and takes all of it down when told, or when left alone.

Whatever ends it ends its machines, for they die with their parent; what then remains of a lab (namespaces, a mount, a
folder) is taken away by the next lab that starts, or by `python -m tests.reallab down`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import assets
from tests.reallab import certificates, cgroups, needs, network
from tests.reallab.addresses import MACHINES, MAILCOW, ROUTER, TAILNET, VPS, VPS6
from tests.reallab.network import space

BASE = Path("/run/cowhand-reallab")
"""One folder (a tmpfs) and one lock for each lab, by name."""

KIT = Path(__file__).parent
PROJECT = KIT.parent.parent
START, DOCKER_START = 40.0, 120.0
"""Seconds a machine may take to come up, on a machine that is busy: without and with a Docker engine in it."""

NAMES = f"{VPS} mail.benoit.jp.net vps\n{VPS6} mail.benoit.jp.net vps\n{MAILCOW} mailcow\n"
"""What every machine of the lab knows by name; there is no resolver."""

WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


class Taken(Exception):
    """A lab of that name runs already."""


def claim(name: str) -> int:
    """Take the lock of a name; raises `Taken`. It is free again when the last process that holds it has ended."""
    BASE.mkdir(mode=0o755, exist_ok=True)
    while True:
        lock = os.open(BASE / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_ino == (BASE / f"{name}.lock").stat().st_ino:
                return lock
        except FileNotFoundError:
            pass  # somebody tidied it away between open and lock
        except BlockingIOError:
            os.close(lock)
            raise Taken(f"a lab named {name} is up already") from None
        os.close(lock)


def tidy() -> list[str]:
    """Take away what labs left whose owner is dead; returns their names."""
    dead: list[str] = []
    for path in sorted(BASE.glob("*.lock")) if BASE.is_dir() else []:
        with contextlib.suppress(Taken):
            lock = claim(path.stem)
            if folder(path.stem).exists() or network.spaces(path.stem):
                dead.append(path.stem)
            dismantle(path.stem)
            release(path.stem, lock)
    return dead


def folder(name: str) -> Path:
    """The state of a lab."""
    return BASE / name


def main(name: str, lifeline: str = "", tunnel: str = "", compose: str = "") -> int:
    """Build the lab `name`, say "ready" on stdout, and own it until SIGTERM, or until the pipe `lifeline` closes.

    `compose` is the binary of docker compose; with it the VM has a real Docker engine."""
    try:
        tidy()
        lock = claim(name)
    except (Taken, OSError) as error:
        print(error, flush=True)
        return 1
    wake = _wake_on_signals()
    keeper = Warden(name, compose)
    try:
        dismantle(name)
        keeper.build(tunnel)
        print("ready", flush=True)
        watched = [wake, *([int(lifeline)] if lifeline else [])]
        select.select(watched, [], [])
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    finally:
        keeper.end()
        dismantle(name)
        release(name, lock)
    return 0


def _wake_on_signals() -> int:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


class Warden:
    """Builds a lab and owns its processes."""

    def __init__(self, name: str, compose: str = "") -> None:
        self.name, self.state, self.compose = name, folder(name), compose
        self.engine = needs.engine() if compose else ""
        self.shared = self.state / "shared"
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def build(self, tunnel: str) -> None:
        """Bring everything up; raises OSError with the reason when something does not come."""
        self.state.mkdir()
        network.call("mount", "-t", "tmpfs", "-o", "size=1g,mode=755", self.name, str(self.state))
        self.shared.mkdir()
        self._share()
        network.build(self.name)
        self._dig(tunnel)
        for machine in MACHINES:
            self._boot(machine)
        for machine in MACHINES:
            self._await(machine)

    def end(self) -> None:
        """End every process that was started, and wait for it."""
        for child in self.children.values():
            child.kill()
        for child in self.children.values():
            child.wait()

    def _share(self) -> None:
        (self.shared / "hosts").write_text(NAMES)
        (self.shared / "name").write_text(self.name)
        if self.compose:
            (self.shared / "docker-compose").symlink_to(self.compose)
            if self.engine:
                (self.shared / "engine").symlink_to(self.engine)
        certificates.write(self.shared)
        for key in ("oper", *(f"{machine}_host_key" for machine in ("vps", "mailcow"))):
            network.call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(self.shared / key))
        seed = Path(assets.__file__).parent / "lab"
        shutil.copy(seed / "haproxy.cfg", self.shared / "mail.cfg")
        site = self.shared / "site"
        site.mkdir()
        for source in seed.iterdir():
            if source.is_file() and source.name != "site.toml":
                shutil.copy(source, site)
        shutil.copy(KIT / "conf" / "oper" / "site.toml", site)

    def _dig(self, kind: str) -> None:
        """Make the tunnel: by the shuttle, or by a veth pair where there is no /dev/net/tun."""
        kind = kind or ("tun" if os.access("/dev/net/tun", os.W_OK) else "veth")
        (self.state / "tunnel.kind").write_text(kind)
        (self.state / "tunnel.json").write_text("{}")
        if kind == "tun":
            ends = (space(self.name, "vps"), TAILNET, space(self.name, "link"), ROUTER)
            self._spawn("shuttle", (sys.executable, str(KIT / "shuttle.py"), *ends, str(self.state / "tunnel.json")))
            _until(lambda: "ready" in (self.state / "shuttle.log").read_text(), "the tunnel")
        else:
            network.tie(self.name)
        network.route(self.name)

    def _boot(self, machine: str) -> None:
        # what runs the tests must be there in every machine, wherever the checkout and its Python are
        folders = (
            str(PROJECT),
            sys.prefix,
            sys.base_prefix,
            *([self.engine] if self.engine else []),  # compose may lie in it: the outer one first
            *([str(Path(self.compose).parent)] if self.compose else []),
        )
        visible = dict.fromkeys(folders)
        self._spawn(
            machine,
            (
                # `ip netns exec` would hide the cgroups
                "nsenter", f"--net={network.NAMED / space(self.name, machine)}",
                "unshare", "-m", "-p", "-u", "-i", "-f", "--kill-child=KILL",
                "env", "-i", "HOME=/root", "LANG=C.UTF-8",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                str(KIT / "host.sh"), machine, str(self.state), str(KIT), *visible,
            ),
        )  # fmt: skip

    def _spawn(self, what: str, argv: tuple[str, ...]) -> None:
        with (self.state / f"{what}.log").open("wb") as log:
            child = subprocess.Popen(
                [*WITH_PARENT, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.children[what] = child
        (self.state / f"{what}.pid").write_text(str(child.pid))

    def _await(self, machine: str) -> None:
        child, ready = self.children[machine], self.shared / f"{machine}.ready"
        end = time.monotonic() + (DOCKER_START if self.compose else START)
        while not ready.exists():
            if child.poll() is not None or time.monotonic() > end:
                said = (self.state / f"{machine}.log").read_text(errors="replace").strip()
                raise OSError(f"{machine} did not come up: {said[-800:]}")
            time.sleep(0.02)


def _until(holds: object, what: str) -> None:
    assert callable(holds)
    end = time.monotonic() + 60
    while not holds():
        if time.monotonic() > end:
            raise OSError(f"{what} did not come up")
        time.sleep(0.02)


def dismantle(name: str) -> None:
    """Take away namespaces, mount and folder of a lab whose lock the caller holds, and whoever still sits in it."""
    for named in network.spaces(name):
        for pid in network.call("ip", "netns", "pids", named).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        network.call("ip", "netns", "del", named)
    state = folder(name)
    if state.is_mount():
        for _ in range(100):
            if subprocess.run(["umount", str(state)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        else:
            network.call("umount", "--lazy", str(state))
    cgroups.remove(name)
    with contextlib.suppress(FileNotFoundError):
        state.rmdir()


def release(name: str, lock: int) -> None:
    """Let go of a name, and of the places that no other lab uses."""
    (BASE / f"{name}.lock").unlink(missing_ok=True)
    os.close(lock)
    with contextlib.suppress(OSError):
        BASE.rmdir()
    if network.NAMED.is_dir() and not any(network.NAMED.iterdir()):
        # `ip netns add` mounts it and leaves it mounted; another's namespace in it would have kept us from here
        subprocess.run(["umount", str(network.NAMED)], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            network.NAMED.rmdir()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
