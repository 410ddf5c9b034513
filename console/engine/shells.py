"""A shell where the operator looks: on a host by its own way in, or in the container of a service there."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import termios
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct

from console.engine.vantages import SshConfig, Vantages, ssh_config
from console.estate.load import Estate
from console.hosts import shell
from console.hosts.programs import own_environment, program
from console.model import Role
from console.process.signals import Attributes, attributes
from console.site import Site
from console.text import clean

REHEARSED = "the rehearsal's machines are stand-ins and have no shell"

SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)

INSIDE = (
    'id=$(docker ps -q --filter "label=com.docker.compose.service=$1" | head -n 1); '
    '[ -n "$id" ] || { echo "no container of $1 runs here" >&2; exit 1; }; '
    "exec docker exec -it \"$id\" sh -c 'command -v bash >/dev/null 2>&1 && exec bash; exec sh'"
)
"""A script for `sh -c INSIDE sh SERVICE`: a shell in the service's first container, told by compose's own label."""


class ShellWay(Struct, frozen=True):
    """A place where a shell can be opened, and the command that opens it; `problem` says why there is none."""

    name: str
    role: Role
    service: str = ""
    argv: tuple[str, ...] = ()
    problem: str = ""

    @property
    def where(self) -> str:
        """The place in words."""
        return f"{self.service} on {self.name}" if self.service else self.name

    @property
    def line(self) -> str:
        """The command as a person reads it."""
        return clean(shell.line(self.argv), 500)


def of(estate: Estate, vantages: Vantages) -> tuple[ShellWay, ...]:
    """Return where shells can be opened on the machines of an estate; none can on the lab's stand-ins."""
    if vantages.lab is not None:
        return tuple(ShellWay(name, host.role, problem=REHEARSED) for name, host in vantages.named.items())
    topology = estate.topology
    services = {lane.service or "" for lane in topology.lanes} | {each.service for each in topology.published}
    return ways(estate.site, services, ssh_config(estate.file))


def ways(site: Site, services: Iterable[str], config: SshConfig) -> tuple[ShellWay, ...]:
    """Return where shells can be opened: every host of the site, and the services on each mail host."""
    distrust = config.distrust()
    inside = sorted({each for each in services if SERVICE.fullmatch(each)})
    return tuple(
        _way(site, name, service, config, distrust)
        for name, entry in site.hosts.items()
        for service in ("", *(inside if entry.role == "mail" else ()))
    )


def _way(site: Site, name: str, service: str, config: SshConfig, distrust: str) -> ShellWay:
    role = site.hosts[name].role
    words = ["sh", "-c", INSIDE, "sh", service] if service else []
    try:
        argv = _argv(site, name, words, config)
    except LookupError as error:
        return ShellWay(name, role, service, problem=str(error.args[0]))
    by_ssh = argv[0].rpartition("/")[2] == "ssh"
    return ShellWay(name, role, service, tuple(argv), distrust if by_ssh else "")


def _argv(site: Site, name: str, words: list[str], config: SshConfig) -> list[str]:
    """Return the command that runs `words` there on this terminal, a login shell without any; raises LookupError."""
    entry = site.hosts.get(name)
    if entry is None:
        raise LookupError(f"no host is called {clean(name, 40)}")
    if entry.incus and entry.via:
        return _argv(site, entry.via, ["incus", "exec", "-t", entry.incus, "--", *(words or ["su", "-l"])], config)
    if entry.become:
        words = ["sudo", *(words or ["-i"])]
    if entry.local:
        words = words or [pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh", "-l"]
        return [_program(words[0]), *words[1:]]
    if not entry.ssh:
        raise LookupError(f"no way in to {clean(name, 40)}: see site.toml")
    # A key that cowhand has not shown and stored is refused, whatever the configuration accepts unasked.
    options = [*(("-F", str(config.path)) if config.path else ()), "-t", "-o", "StrictHostKeyChecking=yes"]
    return [_program("ssh"), *options, "--", entry.ssh, *([shell.quote(words)] if words else [])]


def _program(name: str) -> str:
    found = program(name)
    if found is None:
        raise LookupError(f"{clean(name, 60)} is not installed on this machine")
    return found


def run(way: ShellWay) -> str:
    """Open the shell on this terminal and wait for its end; returns how it ended in words.

    Called while the screens are suspended, from the main thread: ctrl+c is the shell's own."""
    print(f"cowhand: a shell in {way.where}: {way.line}\ncowhand: exit leads back", flush=True)
    modes = attributes()
    # A handler, and not to ignore it: what is ignored here would be ignored by the shell too.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.call(way.argv, cwd="/", env=own_environment())
    except OSError as error:
        return f"no shell in {way.where}: {(error.strerror or 'unknown reason').lower()}"
    finally:
        _take_back(modes)
        signal.signal(signal.SIGINT, before)
    how = f": it was ended by signal {-status}" if status < 0 else f": it ended with status {status}" if status else ""
    return f"back from {way.where}{how}"


def _take_back(modes: Attributes | None) -> None:
    """Be in the terminal's foreground again, in the modes of before: a shell that was killed restores neither."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):
            os.tcsetpgrp(2, os.getpgrp())
        with suppress(OSError, termios.error):
            if modes is not None:
                termios.tcsetattr(2, termios.TCSADRAIN, modes)
        with suppress(OSError, termios.error):
            termios.tcflush(2, termios.TCIFLUSH)  # what the far end had the terminal answer is no key of the console's
    finally:
        signal.signal(signal.SIGTTOU, before)
