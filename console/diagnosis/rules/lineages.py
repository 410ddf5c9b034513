"""Whether a hook of certbot's takes the mail certificate alone, of all that may have been renewed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from console.diagnosis.catalogue import finding
from console.diagnosis.rules.commands import REMOTE, all_commands, all_words
from console.model import Finding
from console.sources.shell import Command, Script, Word

LIVE = re.compile(r"letsencrypt/live/")
_GIVEN = frozenset(("RENEWED_LINEAGE", "RENEWED_DOMAINS"))
"""What certbot tells a deploy hook (certbot's user guide, "renewal hooks")."""

_USED = re.compile(r"\$\{?[#!]?(\w+)")
_COPIES = frozenset(("cp", "install", "mv"))
_DECLARES = frozenset(("export", "readonly", "local", "declare"))
_OPERATORS = frozenset(("=", "==", "!=", "=~", "-ef"))
_SEARCHES = frozenset(("grep", "egrep", "fgrep", "awk", "sed", "expr"))
_PIPES = ("|", "|&")
_TAKES = REMOTE | _COPIES | {"cat", "tee", "ln", "echo", "printf", "logger", "cd", "ls", "basename", "dirname", "for"}
"""Commands that are given a lineage without a look at which it is."""


def any_lineage(script: Script) -> Iterator[Finding]:
    """Blame a hook that sends a certificate on whichever was renewed: the fixed one, or the one that was."""
    commands = list(all_commands(script))
    if not script.variables.keys() & _GIVEN:
        live = next((word.span for word in all_words(script) if LIVE.search(word.text)), None)
        if live is not None and any(command.name in REMOTE for command in commands):
            yield finding(
                "CH027",
                "the hook never looks at RENEWED_LINEAGE: certbot runs it for every certificate, not for this one"
                " alone",
                live,
                remedy="leave the hook at once unless $RENEWED_LINEAGE is the mail certificate's folder",
            )
        return
    names = _made_of(commands)
    if _compared(commands, names):
        return
    taken = [word for at, command in enumerate(commands) for word in _taken(commands, at, command, names)]
    if taken:
        yield finding(
            "CH027",
            "the hook takes whichever certificate was renewed: among certbot's renewal hooks it runs for every one, and"
            " puts another in the mail server's place",
            taken[0].span,
            also=tuple(word.span for word in taken[1:]),
            severity="medium",
            remedy="leave the hook at once unless $RENEWED_LINEAGE is the mail certificate's folder, or name the"
            " hook in that certificate's renewal/NAME.conf alone (renew_hook)",
        )


def _uses(word: Word, names: frozenset[str]) -> bool:
    return any(match[1] in names for match in _USED.finditer(word.text))


def _made_of(commands: Iterable[Command]) -> frozenset[str]:
    """Return certbot's two variables, and those that are made of them."""
    names = _GIVEN
    for _ in range(3):
        found = set(names)
        for command in commands:
            if command.name == "for" and any(_uses(word, names) for word in command.words[2:]):
                found.add(command.texts[1])
            for word in command.words[1:] if command.name in _DECLARES else command.assignments:
                if _uses(word, names):
                    found.add(word.text.partition("=")[0].rstrip("+"))
        if found == names:
            break
        names = frozenset(found)
    return names


def _compared(commands: Sequence[Command], names: frozenset[str]) -> bool:
    """Whether the script looks at which certificate it is; what nobody here knows may do so."""
    piped = False
    for at, command in enumerate(commands):
        given = any(_uses(word, names) for word in command.words[1:])
        piped = piped and command.after in _PIPES
        told = given or piped or any(_uses(each.target, names) for each in command.redirects if each.operator == "<<<")
        if (told and (command.name == "case" or command.name in _SEARCHES)) or (given and _judges(commands, at)):
            return True
        piped = piped or given
    return False


def _judges(commands: Sequence[Command], at: int) -> bool:
    """Whether a command that is given the lineage asks which it is."""
    command = commands[at]
    if command.name in ("[", "[[", "test"):
        return not _OPERATORS.isdisjoint(command.texts)
    if command.name == "openssl":
        return any(text.startswith("-check") for text in command.texts)
    conditions = {"if", "elif", "while", "until", "!"} & set(command.marks)
    looked_at = bool(conditions) or any(each.after in ("||", "&&") for each in commands[at + 1 : at + 2])
    return command.name not in _TAKES and looked_at


def _taken(commands: Sequence[Command], at: int, command: Command, names: frozenset[str]) -> Iterator[Word]:
    """Yield what a command carries away of the lineage that was renewed, to a place that does not go by it."""
    targets = [each.target for each in command.redirects if ">" in each.operator]
    sources = [each.target for each in command.redirects if each.operator == "<"]
    if command.name in REMOTE | _COPIES:
        targets += command.words[-1:]
        sources += command.words[1:-1]
    elif command.name == "cat":
        sent = next((each for each in commands[at + 1 : at + 2] if each.after in _PIPES and each.name in REMOTE), None)
        targets += sent.words[1:] if sent else ()
        sources += command.words[1:]
    if targets and not any(_uses(word, names) for word in targets):
        yield from (word for word in sources if _uses(word, names))
