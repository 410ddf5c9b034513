"""Stands for what installs Mailcow on the VM: apt-get, git, generate_config.sh, docker's pulls and compose's first up.

No shell runs here: each command of the flow is known by what it is about, and does to the lab what it does to a host.
In a lab that is whole all of it is there already."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from console.facts.installation import PROJECT, SCRIPT, UPDATING
from console.lab.machines.done import Done
from console.lab.machines.pushing import lay
from console.lab.network.addresses import MAIL
from console.lab.stack import CONF, FOLDER, publish

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal

VERSION = "2026-08"
ENGINE, COMPOSE = "26.1.3", "2.26.1"
LAYERS = ("a3ed95caeb02", "5f70bf18a086", "e0a1e6f3d2c4")
COMPOSED = ("docker", "compose", "--project-directory", FOLDER, "--project-name", PROJECT)

CONFIGURATION = """\
MAILCOW_HOSTNAME={name}
DBPASS=rehearsed-and-never-used
HTTP_PORT=80
HTTP_BIND=
HTTPS_PORT=443
HTTPS_BIND=
HTTP_REDIRECT=y
SMTP_PORT=25
SMTPS_PORT=465
SUBMISSION_PORT=587
IMAP_PORT=143
IMAPS_PORT=993
POP_PORT=110
POPS_PORT=995
SIEVE_PORT=4190
TZ={zone}
COMPOSE_PROJECT_NAME=mailcowdockerized
SKIP_LETS_ENCRYPT=n
SKIP_CLAMD={clamd}
ENABLE_IPV6=false
"""
"""The lines of mailcow.conf that matter here, as generate_config.sh writes them."""


def run(lab: Rehearsal, argv: tuple[str, ...]) -> Done | None:
    """Run a command of the VM; None when it is none of these."""
    here = lab.installing
    match argv:
        case ("sh", "-c", script, *rest):
            return _script(lab, script, tuple(rest[1:]))
        case ("docker", *_) if not here.docker:
            return Done(127, "", "docker: command not found\n")
        case ("docker", "pull", image):
            return _pull(lab, image)
        case ("docker", "compose", "ls", *_) if not here.made:
            return Done(0, "[]\n")
        case (*words, "up", "-d", "--no-recreate", "--pull", "never") if tuple(words) == COMPOSED:
            return _up(lab)
        case (*words, "down") if tuple(words) == COMPOSED:
            for service in lab.services:
                service.stop()
            here.made = False
            return Done(0)
        case ("docker", "compose", *words) if not here.made and {"ps", "logs"} & {*words}:
            return Done(0)
    return None


def _script(lab: Rehearsal, script: str, words: tuple[str, ...]) -> Done | None:
    here = lab.installing
    if script == SCRIPT:
        return Done(0, "".join(f"{word}\t{value}\n" for word, value in _look(lab)))
    if script.startswith(f"if pgrep -f '{UPDATING}'"):
        return Done(0)
    if "apt-get install -q -y" in script:
        here.docker = True
        lab.disks.docker = "inactive"
        lab.disks.run(("systemctl", "start", "docker.service"))
        return Done(0, f"Setting up docker.io ({ENGINE}-0ubuntu1~24.04.1) ...\n")
    if "git clone --progress" in script:
        here.cloned = True
        return Done(0, "", "Receiving objects: 100% (70000/70000)\nResolving deltas: 100% (40000/40000)\n")
    if "./generate_config.sh" in script and here.docker and here.cloned:
        _, name, zone, clamd, _ = words
        lab.files[MAIL, CONF] = CONFIGURATION.format(name=name, zone=zone, clamd=clamd).encode()
        lab.modes[MAIL, CONF] = 0o600
        lay(lab.files, lab.modes, lab.issued, lab.certificate)
        return Done(0, "Generating snake-oil certificate...\nCopying snake-oil certificate...\n")
    return None


def _look(lab: Rehearsal) -> list[tuple[str, str]]:
    here = lab.installing
    rows = [("root", "0"), ("apt", "/usr/bin/apt-get"), ("memory", "6103516"), ("zone", "Etc/UTC")]
    rows += [("lacking", each) for each in ("docker", "jq") if not here.docker]
    rows.append(("kind", "mailcow" if here.cloned else "none"))
    rows += [("version", VERSION)] if here.cloned else []
    there = (MAIL, CONF) in lab.files
    rows += [("settings", f"{lab.modes.get((MAIL, CONF), 0o644):o}")] if there else []
    if here.docker:
        rows += [("engine", ENGINE), ("compose", COMPOSE)]
    if here.made:
        for service in lab.services:
            minutes = int(time.time() - service.created) // 60
            rows.append(
                ("container", f"{service.name} {'running' if service.running else 'exited'} Up {minutes} minutes")
            )
        rows += [("place", FOLDER), ("volume", f"{PROJECT}_mysql-vol-1")]
    if here.docker and there:
        rows += [("image", each) for each in here.images]
        rows += [("service", service.name) for service in lab.services]
        rows += [("wanted", each) for each in here.wanted]
    return rows


def _pull(lab: Rehearsal, image: str) -> Done:
    here = lab.installing
    if image not in here.wanted:
        return Done(1, "", f"Error response from daemon: manifest for {image} not found: manifest unknown\n")
    here.images = tuple(dict.fromkeys((*here.images, image)))
    said = "".join(f"{layer}: {state}\n" for state in ("Pulling fs layer", "Pull complete") for layer in LAYERS)
    return Done(0, f"{said}Status: Downloaded newer image for {image}\n")


def _up(lab: Rehearsal) -> Done:
    """Make the containers that are not there, and start all."""
    here = lab.installing
    if lacking := [each for each in here.wanted if each not in here.images]:
        return Done(1, "", f"Error response from daemon: No such image: {lacking[0]}\n")
    if not here.made:
        publish(lab)
    here.made = True
    said = ""
    for service in lab.services:
        if not service.running:
            service.created = time.time()
            service.start()
            said += f" Container {PROJECT}-{service.name}-1  Started\n"
    return Done(0, "", said)
