"""The VPS as an administrator sees it: HAProxy's package, file, check and reload, its process and its addresses."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from console.lab.machines.done import Done
from console.lab.machines.rollbacks import STORE
from console.lab.network.addresses import PROXY, PUBLIC, TAILNET
from console.lab.plan import CONFIGURATION, lanes
from console.sources import haproxy

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal

FOLDERS = ("/etc/haproxy", "/var/lib/cowhand", STORE)
"""Where files of this machine can be written."""

_TUNNEL = ("3: tailscale0", f"inet {TAILNET}/32")

CANDIDATE = f"{CONFIGURATION}.cowhand-candidate"


DEFAULT = """\
global
\tlog /dev/log\tlocal0
\tstats socket /run/haproxy/admin.sock mode 660 level admin
\tuser haproxy
\tgroup haproxy
\tdaemon

defaults
\tlog\tglobal
\tmode\thttp
\toption\thttplog
\toption\tdontlognull
\ttimeout connect 5000
\ttimeout client  50000
\ttimeout server  50000
"""
"""The file of Debian's package, but for its folders and error pages."""


async def run(lab: Rehearsal, argv: tuple[str, ...]) -> Done | None:
    """Run a command of the VPS; None when it is none of its own."""
    match argv:
        case ("which", "apt-get"):
            return Done(0, "/usr/bin/apt-get\n")
        case ("sh", "-c", script) if "apt-get install" in script:
            return await _install(lab)
        case ("haproxy", *_) if not lab.installing.haproxy:
            return Done(127, "", "haproxy: command not found\n")
        case ("haproxy", "-v"):
            return Done(0, "HAProxy version 2.8.5-1ubuntu3 2024/04/01 - https://haproxy.org/\n")
        case ("systemctl", "enable", "--now", "haproxy.service"):
            lab.proxy.running = True
            await lab.proxy.apply()
            return Done(0)
        case ("haproxy", "-c", "-f", path):
            return _check(lab, path)
        case ("sh", "-c", script, "sh", path) if "apt-get remove" in script:
            if lab.files.get((PROXY, path)) != DEFAULT.encode():
                return Done(3, "", f"{path} is not as the package brought it: HAProxy is in use\n")
            lab.installing.haproxy = lab.proxy.running = False
            await lab.proxy.apply()
            return Done(0, "Removing haproxy (2.8.5-1ubuntu3) ...\n")
        case ("systemctl", "reload", "haproxy"):
            return await _reload(lab)
        case ("ps", "-C", "haproxy", "-o", "stat=,args="):
            row = f"Ss   /usr/sbin/haproxy -Ws -f {CONFIGURATION} -p /run/haproxy.pid -S /run/haproxy-master.sock\n"
            return Done(0, row) if lab.proxy.running else Done(1)
        case ("ip", "-o", "addr", "show"):
            told = (("2: eth0", f"inet {PUBLIC[0]}/24"), ("2: eth0", f"inet6 {PUBLIC[1]}/64"), _TUNNEL)
            return Done(
                0,
                "".join(f"{device}    {address} scope global \\       valid_lft forever\n" for device, address in told),
            )
        case ("stat", "-L", "-c", "%a", "--", path):
            there = (PROXY, path) in lab.files
            return (
                Done(0, "644\n") if there else Done(1, "", f"stat: cannot statx '{path}': No such file or directory\n")
            )
        case ("mkdir", "-p", "-m", "0700", "--", path) if path == STORE:
            return Done(0)
        case ("sh", "-c", script, "sh", path) if script.startswith("haproxy -c") and path == CANDIDATE:
            done = _check(lab, path)
            lab.files.pop((PROXY, path), None)
            lab.files.pop((PROXY, f"{path}.previous"), None)
            return done
    return None


async def _install(lab: Rehearsal) -> Done:
    """The package brings its own file where there is none, and starts HAProxy."""
    lab.installing.haproxy = lab.proxy.running = True
    lab.files.setdefault((PROXY, CONFIGURATION), DEFAULT.encode())
    await _reload(lab)
    return Done(0, "Setting up haproxy (2.8.5-1ubuntu3) ...\n")


def _check(lab: Rehearsal, path: str) -> Done:
    """What `haproxy -c` says: our own reading of the file stands for its."""
    data = lab.files.get((PROXY, path))
    if data is None:
        return Done(1, "", f"[ALERT]    (1) : Could not open configuration file {path} : No such file or directory\n")
    problems = haproxy.parse(data.decode("utf-8", "surrogateescape"), path).problems
    if not problems:
        return Done(0, "Configuration file is valid\n")
    said = "".join(f"[ALERT]    (1) : config : parsing [{path}:{each.line}] : {each.problem}\n" for each in problems)
    return Done(1, "", said)


async def _reload(lab: Rehearsal) -> Done:
    """A new process reads the file; where it is refused the old one goes on, as systemd's unit has it."""
    if not lab.proxy.running:
        return Done(1, "", "haproxy.service is not active, cannot reload.\n")
    if _check(lab, CONFIGURATION).status:
        why = 'Job for haproxy.service failed.\nSee "systemctl status haproxy.service" for details.\n'
        return Done(1, "", why)
    await lab.proxy.reload(lanes(lab.files[PROXY, CONFIGURATION].decode("utf-8", "surrogateescape")))
    return Done(0)


def writable(path: str) -> bool:
    """Whether a file of that path can be written here."""
    return posixpath.dirname(path) in FOLDERS
