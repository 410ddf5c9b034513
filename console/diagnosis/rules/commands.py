"""What the commands of a script are about: docker, other machines, certificate files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.sources.shell import Command, Script, Word

PEM = re.compile(r"(?:^|/)[^/]*\.pem$|\.crt$|\.key$")
REMOTE = frozenset(("ssh", "scp", "sftp", "rsync"))


def all_words(script: Script) -> Iterator[Word]:
    """Yield every word of every command: assignments, arguments, targets of redirections."""
    for command in script.commands:
        yield from command.assignments
        yield from command.words
        for redirect in command.redirects:
            yield redirect.target


def written(script: Script) -> Iterator[Word]:
    """Yield the names of certificate files that are written: redirections, tee and cp."""
    for command in script.commands:
        for redirect in command.redirects:
            if redirect.operator.lstrip("0123456789&") in (">", ">>", ">|") and PEM.search(redirect.target.text):
                yield redirect.target
        if command.name == "tee":
            yield from (word for word in command.words[1:] if PEM.search(word.text))
        elif command.name == "cp" and len(command.words) > 2 and PEM.search(command.words[-1].text):
            yield command.words[-1]


def docker(command: Command) -> bool:
    """Whether a command speaks to docker or podman, straight or through sudo and the like."""
    return command.name in ("docker", "docker-compose", "podman", "podman-compose") or (
        command.name in ("sudo", "env", "nice", "timeout") and any(text.startswith("docker") for text in command.texts)
    )
