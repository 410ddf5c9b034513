"""The VM's Docker as an administrator sees it: Mailcow's project, what compose makes of its files, and their reload."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from console.errors import InputError
from console.facts.arrivals import SCRIPT as ARRIVING
from console.lab.daemons.services import PROXIED, Port
from console.lab.machines.done import Done
from console.lab.machines.rollbacks import STORE
from console.lab.network.addresses import MAIL
from console.sources import settings
from console.sources.compose.nodes import is_kind, parse, word

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal

FOLDER = "/opt/mailcow-dockerized"
PROJECT = "mailcowdockerized"
OVERRIDE, CONF = f"{FOLDER}/docker-compose.override.yml", f"{FOLDER}/mailcow.conf"
DOVECOT_CONF = f"{FOLDER}/data/conf/dovecot/extra.conf"
CANDIDATE = f"{OVERRIDE}.cowhand-candidate"
SERVICES = ("postfix-mailcow", "dovecot-mailcow")

CHAINS = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-USER
-N MAILCOW
-A FORWARD -j MAILCOW
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
"""
"""What `iptables -S` lists of the VM, as much as matters of Docker's."""

_ENTRY = re.compile(r"(?:\$\{(\w+):-([^}]*)\}|(.*?)):(\d+)")
_FOLDERS = (FOLDER, f"{FOLDER}/data/conf/dovecot", f"{FOLDER}/data/conf/postfix", "/var/lib/cowhand", STORE)


def writable(path: str) -> bool:
    """Whether a file of that path can be written here."""
    return path.rpartition("/")[0] in _FOLDERS


def run(lab: Rehearsal, argv: tuple[str, ...]) -> Done | None:
    """Run a command of the VM; None when it is none of these."""
    match argv:
        case ("ip", "-o", "addr", "show"):
            rows = (
                f"2: eth0    inet {each}/24 scope global eth0 \\       valid_lft forever\n"
                for each in lab.network.targets
            )
            return Done(0, "".join(rows))
        case ("pgrep", *_):
            return Done(1)
        case ("iptables", "-S"):
            return Done(0, CHAINS)
        case ("sh", "-c", script, "sh", _, _, service) if script == ARRIVING:
            return _arrived(lab, service)
        case ("stat", "-L", "-c", "%a", "--", path) if (MAIL, path) in lab.files:
            return Done(0, "644\n")
        case ("mkdir", "-p", "-m", "0700", "--", path) if path == STORE:
            return Done(0)
        case ("rm", "--", path) if (MAIL, path) in lab.files:
            del lab.files[MAIL, path]
            return Done(0)
        case ("sh", "-c", script, "sh", _, _, path) if script.startswith("docker compose") and path == CANDIDATE:
            done = _config(lab, path, True)
            lab.files.pop((MAIL, path), None)
            lab.files.pop((MAIL, f"{path}.previous"), None)
            return done
    return docker(lab, list(argv[1:])) if argv[:1] == ("docker",) else None


def _arrived(lab: Rehearsal, name: str) -> Done:
    """Who is connected to a container, as the kernel lists it there: the router has written its own address."""
    service = lab.service(name)
    if service is None or not service.running:
        return Done(1, "", "Error: No such container\n")
    rows = ""
    for each in lab.network.arrived:
        if each.to[1] in service.doors and ":" not in each.address:
            far = ip_address(each.address).packed[::-1].hex().upper()
            rows += f"   1: {far}:{each.to[1]:04X} {far}:{each.port:04X} 01 00000000:00000000\n"
    return Done(0, rows)


def docker(lab: Rehearsal, words: list[str]) -> Done | None:
    """Answer `docker WORDS`; None for what is answered elsewhere."""
    if words[:1] == ["info"]:
        return Done(0, '["name=seccomp,profile=builtin","name=cgroupns"]\n')
    if words[:1] != ["compose"]:
        return None
    words = words[1:]
    if words == ["version", "--short"]:
        return Done(0, "2.26.1\n")
    if words[:1] == ["ls"]:
        files = [f"{FOLDER}/docker-compose.yml", *([OVERRIDE] if (MAIL, OVERRIDE) in lab.files else [])]
        row = {"Name": PROJECT, "Status": "running(3)", "ConfigFiles": ",".join(files)}
        return Done(0, json.dumps([row]) + "\n")
    if words[:1] != ["--project-directory"] or words[2:3] != ["--project-name"]:
        return None
    words = words[4:]
    if words[:1] == ["config"]:
        return _config(lab, OVERRIDE, words[1:] == ["-q"])
    if words[:5] == ["up", "-d", "--no-deps", "--pull", "never"]:
        return _up(lab, words[5:])
    if words[:5] == ["exec", "-T", "dovecot-mailcow", "sh", "-c"]:
        return _reload(lab)
    return None


def published(lab: Rehearsal, path: str = OVERRIDE) -> dict[str, list[tuple[str, int, int]]]:
    """Address, port and container's port of what the override publishes, by service; raises `InputError`."""
    data = lab.files.get((MAIL, path))
    found: dict[str, list[tuple[str, int, int]]] = {name: [] for name in SERVICES}
    if data is None:
        return found
    node = parse(data.decode("utf-8", "replace"), path)
    if node is None or not is_kind(node, "mapping"):
        raise InputError(path, 1, 1, "Top-level object must be a mapping")
    conf = settings.read(lab.files.get((MAIL, CONF), b"").decode("utf-8", "replace"), CONF)
    services = next((value for key, value in node.value if word(key) == "services"), None)
    for key, service in services.value if services is not None and is_kind(services, "mapping") else ():
        entries = next((value for name, value in service.value if word(name) == "ports"), None)
        for each in entries.value if entries is not None and is_kind(entries, "sequence") else ():
            if (entry := _ENTRY.fullmatch(word(each))) is None:
                raise InputError(path, each.start_mark.line + 1, 1, f"invalid port: {word(each)}")
            bound = (conf.get(entry[1]) or entry[2]) if entry[1] else entry[3]
            address, _, port = bound.rpartition(":")
            found.setdefault(word(key), []).append((address.strip("[]"), int(port), int(entry[4])))
    return found


def _config(lab: Rehearsal, path: str, quiet: bool) -> Done:
    try:
        told = published(lab, path)
    except (InputError, ValueError) as error:
        return Done(15, "", f"{error}\n")
    services = {}
    for name in SERVICES:
        own = [("0.0.0.0", port.number, port.number) for port in _own(lab, name)]
        services[name] = {
            "ports": [
                {"mode": "ingress", "host_ip": address, "published": str(port), "target": target, "protocol": "tcp"}
                for address, port, target in (*own, *told[name])
            ]
        }
    return Done(0, "" if quiet else json.dumps({"name": PROJECT, "services": services}) + "\n")


def _own(lab: Rehearsal, name: str) -> list[Port]:
    service = lab.service(name)
    return [port for port in service.ports if port.number < PROXIED] if service else []


def _up(lab: Rehearsal, names: list[str]) -> Done:
    """Recreate those containers of which anything has changed."""
    try:
        told = published(lab)
    except (InputError, ValueError) as error:
        return Done(15, "", f"{error}\n")
    said = ""
    for name in names:
        service = lab.service(name)
        if service is None:
            return Done(1, "", f"no such service: {name}\n")
        wanted = {target: address for address, _, target in told[name]}
        if service.publish(wanted):
            said += f" Container {PROJECT}-{name}-1  Recreated\n"
    return Done(0, "", said)


def publish(lab: Rehearsal) -> None:
    """Let new containers have the PROXY ports that the override gives them, and no others."""
    told = published(lab)
    for service in lab.services:
        service.publish({target: address for address, _, target in told.get(service.name, ())})


def _reload(lab: Rehearsal) -> Done:
    """Dovecot reads whom it trusts."""
    text = lab.files.get((MAIL, DOVECOT_CONF), b"").decode("utf-8", "replace")
    networks = settings.read(text, DOVECOT_CONF).get("haproxy_trusted_networks").replace(",", " ").split()
    try:
        lab.dovecot.trust(*networks)
    except ValueError as error:
        return Done(89, "", f"doveconf: Fatal: haproxy_trusted_networks: {error}\n")
    return Done(0)
