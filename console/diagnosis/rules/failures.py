"""Which failures of a shell nobody notices: without `set -e`, those that neither end it nor are looked at."""

from __future__ import annotations

import re

from console.diagnosis.rules.commands import PEM, REMOTE
from console.sources.shell import Command, Script

_STRICT = re.compile(r"-[A-Za-z]*e[A-Za-z]*\Z")
_TESTS = frozenset(("if", "elif", "while", "until", "!"))
_OPENS = frozenset(("if", "while", "until", "{"))
_CLOSES = frozenset(("fi", "done", "esac"))
_OPENING = frozenset(("case", "for", "select"))
_FOLDER = "data/assets/ssl"


def unnoticed(shell: Script) -> list[Command]:
    """Return the commands that bring a certificate somewhere, and whose failure changes nothing."""
    commands = [command for command in shell.commands if command.depth == 0]
    if _asks(commands):
        return []
    loose = _loose(shell.strict, commands)
    return [
        command
        for at, command in enumerate(commands)
        if loose[at] and _brings(command) and not _judged(commands, at) and _goes_on(commands, at)
    ]


def strict_after(shell: Script, command: Command) -> Command | None:
    """Return the first `set -e` below a command; None when there is none."""
    below = [each for each in shell.commands if each.span.line > command.span.line]
    return next((each for each in below if _strict(each)), None)


def _loose(strict: bool, commands: list[Command]) -> list[bool]:
    """Return for each command whether the shell goes on when it fails.

    What stands in braces may be a function, which is called later: there a `set -e` below counts too."""
    later = any(_strict(command) for command in commands)
    deep, found = 0, []
    for command in commands:
        deep = max(deep + command.marks.count("{") - command.marks.count("}"), 0)
        if _strict(command):
            strict = True
        elif command.name == "set" and (
            "+e" in command.texts or ("+o" in command.texts and "errexit" in command.texts)
        ):
            strict, later = False, False
        found.append(not strict and not (deep and later))
    return found


def _strict(command: Command) -> bool:
    if command.name == "trap":
        return "ERR" in command.texts
    return command.name == "set" and (
        any(_STRICT.match(text) for text in command.texts[1:])
        or ("errexit" in command.texts and "+o" not in command.texts)
    )


def _asks(commands: list[Command]) -> bool:
    """Whether the shell looks at `$?` somewhere: it may be that very failure."""
    words = (word for command in commands for word in (*command.words, *command.assignments))
    return any("$?" in word.text or "PIPESTATUS" in word.text for word in words)


def _brings(command: Command) -> bool:
    if command.name == "ssh":
        return command.after in ("|", "|&") or any(each.operator.startswith("<") for each in command.redirects)
    if command.name in REMOTE:
        return True
    if command.name not in ("cp", "install", "mv") or len(command.words) < 3:
        return False
    target = command.words[-1].text
    return PEM.search(target) is not None or _FOLDER in target


def _judged(commands: list[Command], at: int) -> bool:
    """Whether a condition, or `||` behind it, takes a command's failure up."""
    if any(mark in _TESTS for mark in commands[at].marks):
        return True
    for following in commands[at + 1 :]:
        if following.after == "||":
            return True
        if following.after not in ("&&", "|", "|&"):
            return False
    return False


def _goes_on(commands: list[Command], at: int) -> bool:
    """Whether another command runs behind a failed one, in the same branch and the same list of commands."""
    level, skipping = 0, False
    chained = True
    for following in commands[at + 1 :]:
        chained = chained and following.after in ("&&", "|", "|&")
        for mark in following.marks:
            if mark == "}" and level == 0:
                return False
            if mark in _CLOSES or mark == "}":
                if level == 0:
                    skipping = False
                level = max(level - 1, 0)
            elif level == 0 and mark in ("else", "elif", ";;", ";&", ";;&"):
                skipping = True
            elif mark in _OPENS:
                level += 1
        if following.name in _OPENING:
            level += 1
        if not chained and not skipping and following.name not in ("exit", "return"):
            return True
        if following.name in ("exit", "return") and not skipping:
            return bool(following.texts[1:]) and following.texts[1] == "0"
    return False
