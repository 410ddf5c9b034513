"""What the commands of a script are about: docker, other machines, certificate files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from console.sources.shell import Command, Script, Word

PEM = re.compile(r"(?:^|/)[^/]*\.pem$|\.crt$|\.key$")
REMOTE = frozenset(("ssh", "scp", "sftp", "rsync"))


def all_commands(script: Script) -> Iterator[Command]:
    """Yield the commands of a script and of every shell that it starts, here or on another machine."""
    for shell in script.shells():
        yield from shell.commands


def all_words(script: Script) -> Iterator[Word]:
    """Yield every word of every command: assignments, arguments, targets of redirections."""
    for command in all_commands(script):
        yield from command.assignments
        yield from command.words
        for redirect in command.redirects:
            yield redirect.target


def written(script: Script) -> Iterator[Word]:
    """Yield the names of certificate files that are written: redirections, tee, cp, install, scp to another machine."""
    for shell in script.shells():
        yield from written_by(shell)
        for command in shell.commands:
            # rsync itself writes beside the file, and renames.
            if command.name == "scp" or (command.name == "rsync" and "--inplace" in command.texts):
                yield from (word for word in command.words[-1:] if _sent(word))


def written_by(shell: Script) -> Iterator[Word]:
    """Yield the names of certificate files that one shell writes itself."""
    for command in shell.commands:
        for redirect in command.redirects:
            if redirect.operator.lstrip("0123456789&") in (">", ">>", ">|") and PEM.search(redirect.target.text):
                yield redirect.target
        if command.name == "tee":
            yield from (word for word in command.words[1:] if PEM.search(word.text))
        elif command.name in _WRITERS and len(command.words) > 2 and PEM.search(command.words[-1].text):
            yield command.words[-1]
        elif any(text.rpartition("/")[2] == "acme.sh" for text in command.texts[:3]):
            # Its --install-cert writes with cat > FILE where the file is there already.
            yield from (word for option, word in pairwise(command.words) if option.text in _ACME_FILES)


_USED = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
MOST_VALUE = 1000
"""Characters of what a word's variables stand for that are looked at."""


def values(script: Script) -> dict[str, str]:
    """Return the variables of a script that are set once, to a text that no command makes."""
    found: dict[str, list[str]] = {}
    for command in all_commands(script):
        declares = command.name in ("export", "readonly", "local", "declare")
        for word in command.words[1:] if declares else command.assignments:
            name, given, text = word.text.partition("=")
            if given:
                found.setdefault(name, []).append(text)
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1 and "$(" not in texts[0]}


def temporary(script: Script) -> dict[str, str]:
    """Return the variables that hold what mktemp makes, each as that substitution."""
    assigned = (word.text.partition("=") for command in all_commands(script) for word in command.assignments)
    return {name: "$(mktemp)" for name, _, text in assigned if text.lstrip('"').startswith(("$(mktemp", "`mktemp"))}


def meant(text: str, known: dict[str, str]) -> str:
    """Return a word with what its variables stand for, and theirs."""
    for _ in range(3):
        if "$" not in text or len(text) > MOST_VALUE:
            break
        text = _USED.sub(lambda match: known.get(match[1] or match[2], match[0]), text)
    return text[:MOST_VALUE]


_WRITERS = frozenset(("cp", "install"))
"""What writes the file itself. install takes the old one away first, and never renames."""

_ACME_FILES = ("--key-file", "--fullchain-file", "--cert-file", "--keypath", "--fullchainpath", "--certpath")
_SSL = "data/assets/ssl"


def _sent(word: Word) -> bool:
    """Whether the last word of scp is a certificate file, or Mailcow's folder of them, on another machine."""
    host, colon, path = word.text.partition(":")
    return bool(colon) and "/" not in host and (PEM.search(path) is not None or _SSL in path)
