"""`docker compose` where Mailcow lives: in its folder, else where we are, else by the project's name alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from console.errors import HostError, TimedOut
from console.facts.command import CAP, TIMEOUT, Answer, explain
from console.hosts.host import Host
from console.text import clean

FOLDER = "/opt/mailcow-dockerized"
"""Where Mailcow's manual puts it."""

PROJECT = "mailcowdockerized"
"""COMPOSE_PROJECT_NAME as generate_config.sh writes it; by name alone no file has to be readable."""

WAYS: tuple[tuple[str, ...], ...] = (("--project-directory", FOLDER), (), ("--project-name", PROJECT))

_NONE = re.compile(
    r"not a docker command|unknown command: docker compose|unknown (?:shorthand )?flag: (?:--project|'p')"
)
_CLOSED = re.compile(r"docker daemon|docker API|docker\.sock", re.I)


async def run(host: Host, words: Sequence[str], timeout: float = TIMEOUT, cap: int = CAP) -> Answer:
    """Run `docker compose WORDS`; the first way that works answers, else the first way's complaint is returned."""
    first: Answer | None = None
    for way in WAYS:
        try:
            completed = await host.run(["docker", "compose", *way, *words], timeout, cap)
        except HostError as error:
            return Answer(error=clean(str(error)), status=-1, late=isinstance(error, TimedOut))
        text = completed.stdout.decode("utf-8", "replace")
        if completed.status == 0:
            full = len(completed.stdout) >= cap
            return Answer(text, f"docker on {host.name} said more than {cap} bytes" if full else "")
        said = completed.stderr.decode("utf-8", "replace")
        if _NONE.search(said):
            missing = f"docker on {host.name} has no compose v2: install docker-compose-plugin"
            return Answer(error=missing, status=completed.status)
        answer = Answer(text, explain(host.name, "docker", completed), completed.status)
        if completed.status == 127 or _CLOSED.search(said):
            return answer
        first = first or answer
    assert first is not None
    return first
