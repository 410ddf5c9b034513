"""Whether the real lab can run here, and Docker in it, and if not, why, in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.oracle import compose

PACKAGES = Path(__file__).parent / "packages.txt"
COMMANDS = (
    "haproxy", "postfix", "dovecot", "doveadm", "nginx", "sshd", "ssh", "socat", "nft", "ip", "sysctl", "unshare",
    "nsenter", "setpriv", "sudo", "openssl", "swaks", "losetup", "mkfs.ext4", "debugfs", "findmnt", "lsblk",
    "wipefs", "python3", "knotd", "keymgr", "unbound",
)  # fmt: skip
"""What the lab runs; each comes with one of the packages."""

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def missing() -> str:
    """Say why the lab cannot run here; "" when it can."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root, for network namespaces"
    absent = [command for command in COMMANDS if shutil.which(command, path=SYSTEM) is None]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install $(cat tests/reallab/packages.txt)"
    version = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=False).stdout
    if not version.startswith("2.3."):
        return f"it speaks the configuration of Dovecot 2.3, as Mailcow ships; here is {version.split(' ')[0]}"
    trial = subprocess.run(["unshare", "-n", "-m", "-p", "-f", "mount", "-t", "tmpfs", "none", "/mnt"],
                           capture_output=True, text=True, check=False)  # fmt: skip
    if trial.returncode:
        return f"namespaces cannot be made here: {trial.stderr.strip()}"
    return ""


def engine() -> str:
    """Return the root of unpacked packages with a newer Docker engine than the machine's own; "" without one.

    Mailcow wants 24, and Debian 12 has 20.10; `.ci/run` unpacks the next release's, and names it in ENGINE."""
    named = os.environ.get("ENGINE", "")
    return named if named and Path(named, "usr/sbin/dockerd").is_file() else ""


ENGINE = ("docker", "dockerd", "containerd", "runc", "iptables", "ip6tables", "supervisord", "syslog-ng", "certbot",
          "pebble", "pebble-challtestsrv")  # fmt: skip
"""What the VM's Docker engine runs, the image's services, and what issues and renews certificates on the VPS."""


@cache
def missing_docker() -> str:
    """Say why the lab cannot have a Docker engine here; "" when it can."""
    if why := missing():
        return why
    absent = [command for command in ENGINE if shutil.which(command, path=SYSTEM) is None]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install $(cat tests/reallab/packages.txt)"
    if compose.binary() is None:
        return "no docker compose v2: set COMPOSE to its binary, as .ci/run does"
    return ""


def incus() -> str:
    """Return the root of unpacked packages with Incus 6 and QEMU, which `.ci/run` names in INCUS; "" without one."""
    named = os.environ.get("INCUS", "")
    return named if named and Path(named, "usr/libexec/incus/incusd").is_file() else ""


@cache
def missing_incus() -> str:
    """Say why a real Incus cannot run here; "" when it can."""
    if why := missing():
        return why
    if os.uname().machine != "x86_64":
        return "vsock.py knows the system calls of x86_64 alone"
    if not incus():
        return "no Incus 6: set INCUS to the root of its unpacked packages, as .ci/run does"
    return ""


@cache
def missing_opentofu() -> str:
    """Say why no real OpenTofu can work on a real Incus here; "" when it can."""
    if why := missing_incus():
        return why
    absent = [name for name in ("TOFU", "PROVIDER") if not os.access(os.environ.get(name, ""), os.X_OK)]
    return f"no OpenTofu: set {' and '.join(absent)}, as .ci/run does" if absent else ""
