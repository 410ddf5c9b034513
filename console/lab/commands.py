"""The few commands the lab's machines know. Never a shell: a list of words is looked up, and that is all."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from console.facts.certificate_places import SCRIPT as CERTIFICATES
from console.facts.log import ERASE
from console.facts.queue import SCRIPTS as QUEUE
from console.hosts.lock import SCRIPT as LOCK
from console.hosts.marks import FIND
from console.lab import certificates, front, installing, stack, synchronising
from console.lab.daemons.services import PROXIED, Service
from console.lab.machines import put_back
from console.lab.machines.done import Done
from console.lab.machines.rollbacks import PROGRAM
from console.lab.network.addresses import HERE, MAIL, PROXY, TAILNET
from console.lab.stack import PROJECT

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal


async def run(lab: Rehearsal, machine: str, argv: tuple[str, ...]) -> Done:
    """Run one command on a machine; what is not known there is status 127, as a shell would say."""
    known: dict[tuple[str, str], Callable[[Rehearsal, list[str]], Done]] = {
        (MAIL, "docker"): _docker,
        (PROXY, "tailscale"): _tailscale,
    }
    if argv[:3] == ("sh", "-c", FIND):
        return Done(0)  # every command here ends before it is answered
    if argv[:3] == ("sh", "-c", CERTIFICATES):
        return certificates.stored(lab, machine)
    if (done := synchronising.run(lab, machine, argv)) is not None:
        return done
    if argv[:3] == ("sh", "-c", LOCK):
        return lab.locks.run(machine, argv[4:])
    laid = (machine, PROGRAM) in lab.files or lab.disks.read(PROGRAM) is not None
    if (done := await lab.rollbacks.answer(machine, argv, laid)) is not None:
        return done
    if (done := await put_back.run(lab.files, machine, argv, partial(run, lab))) is not None:
        return done
    if machine == HERE and (done := lab.provisioning.run(argv)) is not None:
        return done
    if machine == MAIL and (done := installing.run(lab, argv)) is not None:
        return done
    if machine == MAIL and (done := stack.run(lab, argv)) is not None:
        return done
    if machine == PROXY and (done := await front.run(lab, argv)) is not None:
        return done
    if machine == MAIL and argv[:2] == ("sh", "-c") and argv[2:] in [(script,) for script in QUEUE]:
        return _queue(lab)
    command = known.get((machine, argv[0])) if argv else None
    if command is None and machine == MAIL and (done := lab.disks.run(argv)) is not None:
        return done
    if command is None:
        return Done(127, "", f"{argv[0] if argv else ''}: command not found\n")
    return command(lab, list(argv[1:]))


def _queue(lab: Rehearsal) -> Done:
    """Nothing is ever in the queue: no message is taken."""
    service = lab.service("postfix-mailcow")
    if service is not None and service.running:
        return Done(0)
    return Done(1, "", 'service "postfix-mailcow" is not running\n')


def _docker(lab: Rehearsal, words: list[str]) -> Done:
    if words[:1] != ["compose"]:
        return Done(1, "", f"docker: '{' '.join(words[:1])}' is not a docker command.\nSee 'docker --help'\n")
    words = words[1:]
    while words[:1] in (["--project-directory"], ["--project-name"]):
        words = words[2:]
    if words[:1] == ["logs"]:
        return _logs(lab, words[1:])
    if words[:1] == ["ps"]:
        return _ps(lab, words[1:])
    return Done(16, "", f'unknown docker command: "compose {" ".join(words[:1])}"\n')


def _logs(lab: Rehearsal, words: list[str]) -> Done:
    lines, since, names, options = 0, 0.0, [], iter(words)
    for word in options:
        if word in ("--tail", "-n"):
            amount = next(options, "")
            lines = int(amount) if amount.isdecimal() else 0  # the engine takes what is no number for "all"
        elif word == "--since":
            back = re.fullmatch(r"(\d+)([smh])", told := next(options, ""))
            if back is None:
                problem = "failed to parse value as time or duration"
                return Done(1, "", f'invalid value for "since": {problem}: "{told}"\n')
            since = time.time() - int(back[1]) * {"s": 1, "m": 60, "h": 3600}[back[2]]
        elif word.startswith("-"):
            if word not in ("--no-color", "--no-log-prefix"):
                return Done(16, "", f"unknown flag: {word}\n")
        else:
            names.append(word)
    out = ""
    for name in names:
        if service := lab.service(name):  # a service that is not there has no lines, and compose does not mind
            out += "".join(f"{ERASE}{line}\n" for line in service.lines(since)[-lines:])
    return Done(0, out)


def _ps(lab: Rehearsal, words: list[str]) -> Done:
    every = bool({"-a", "--all"} & set(words))
    words = [word for word in words if word not in ("-a", "--all")]
    flags = [word for word in words if word.startswith("-") and word != "--format"]
    if flags or words[:2] != ["--format", "json"]:
        return Done(16, "", f"unknown flag: {(flags or ['--quiet'])[0]}\n")
    wanted = words[2:]
    shown = [s for s in lab.services if (s.running or every) and (not wanted or s.name in wanted)]
    return Done(0, "".join(msgspec.json.encode(_container(service)).decode() + "\n" for service in shown))


def _container(service: Service) -> dict[str, object]:
    """One line of `docker compose ps --format json`, in the keys of compose 2.26."""
    name = f"{PROJECT}-{service.name}-1"
    ago = _ago(time.time() - service.changed)
    published = [
        (address, number)
        for number in service.doors
        for address in ((service.address(number) or "0.0.0.0",) if number >= PROXIED else ("0.0.0.0", "::"))
    ]
    return {
        "Command": '"/docker-entrypoint.…"',
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(service.created)),
        "ExitCode": 0,
        "Health": "",
        "ID": service.id[:12],
        "Image": service.image,
        "Labels": f"com.docker.compose.project={PROJECT},com.docker.compose.service={service.name}",
        "LocalVolumes": "0",
        "Mounts": "",
        "Name": name,
        "Names": name,
        "Networks": f"{PROJECT}_mailcow-network",
        "Ports": ", ".join(f"{address}:{port}->{port}/tcp" for address, port in published),
        "Project": PROJECT,
        "Publishers": [
            {"URL": address, "TargetPort": number, "PublishedPort": number, "Protocol": "tcp"}
            for address, number in published
        ]
        or None,
        "RunningFor": f"{_ago(time.time() - service.created)} ago",
        "Service": service.name,
        "Size": "0B",
        "State": "running" if service.running else "exited",
        "Status": f"Up {ago}" if service.running else f"Exited (0) {ago} ago",
    }


def _ago(seconds: float) -> str:
    """How Docker writes a span of time."""
    if seconds < 1:
        return "Less than a second"
    for size, unit, article in ((1, "second", "1"), (60, "minute", "About a"), (3600, "hour", "About an")):
        count = int(seconds / size)
        if count == 1:
            return f"{article} {unit}"
        if count < 60 or unit == "hour":
            break
    return f"{count} {unit}s"


def _tailscale(lab: Rehearsal, words: list[str]) -> Done:
    if words != ["status", "--json"]:
        return Done(2, "", f"tailscale: unknown subcommand: {' '.join(words[:1])}\n")
    link = lab.network.tunnel
    there = link.whole.is_set()
    seen = _stamp(time.time() if there else link.since)
    document = {
        "Version": "1.86.2",
        "TUN": True,
        "BackendState": "Running",
        "HaveNodeKey": True,
        "AuthURL": "",
        "TailscaleIPs": [TAILNET],
        "Self": _node("vps", TAILNET, [f"{TAILNET}/32"], True, _stamp(0)),
        "Health": [],
        "MagicDNSSuffix": "tail0000.ts.net",
        "Peer": {"nodekey:home": _node("home", "100.64.0.2", ["100.64.0.2/32", "10.10.10.0/24"], there, seen)},
    }
    return Done(0, msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def _node(name: str, address: str, allowed: list[str], online: bool, seen: str) -> dict[str, object]:
    return {
        "ID": f"n{name}",
        "HostName": name,
        "DNSName": f"{name}.tail0000.ts.net.",
        "OS": "linux",
        "TailscaleIPs": [address],
        "AllowedIPs": allowed,
        "PrimaryRoutes": allowed[1:],
        "CurAddr": "",
        "Relay": "tok",
        "LastSeen": seen,
        "LastHandshake": seen,
        "Online": online,
        "Active": online,
        "ExitNode": False,
        "KeyExpiry": _stamp(time.time() + 120 * 86400),
    }


def _stamp(moment: float) -> str:
    if not moment:
        return "0001-01-01T00:00:00Z"  # Go's zero time: Tailscale says so of the node itself
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
