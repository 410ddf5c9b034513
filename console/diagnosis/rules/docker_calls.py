"""What a script has docker do, however it says so: behind sudo and xargs, from variables, for each of several words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from console.sources.shell import Command, Script, read

DOCKER = frozenset(("docker", "docker-compose", "podman", "podman-compose"))
_WRAPPERS = frozenset(
    ("sudo", "doas", "env", "nice", "ionice", "timeout", "time", "nohup", "setsid", "command", "exec", "flock",
     "chronic", "xargs", "if", "!")
)  # fmt: skip
_USED = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_ALONE = re.compile(r"\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)")
_NAME = re.compile(r"[A-Za-z_]\w*")
_LONGEST = 4096
_NEAR = 16
"""Words in front of docker that are looked at."""

EXEC_VALUES = frozenset(("-u", "--user", "-e", "--env", "-w", "--workdir", "--index", "--env-file", "--detach-keys"))


class Call(Struct, frozen=True):
    """One call of docker. `argv` begins with docker itself, variables that are set once put in; `piped` are the words
    of the command that xargs takes its arguments from."""

    command: Command
    argv: tuple[str, ...]
    piped: tuple[str, ...] = ()

    @property
    def compose(self) -> bool:
        """Whether compose is spoken to, so that no name means all services."""
        return self.argv[0].endswith("-compose") or "compose" in self.argv[1:4]

    def after(self, word: str) -> tuple[str, ...] | None:
        """Return the words behind a sub-command of docker's; None when it is not given."""
        return self.argv[self.argv.index(word, 1) + 1 :] if word in self.argv[1:] else None

    def within(self) -> tuple[str, tuple[str, ...]]:
        """Return the container that `exec` enters, and the command it runs there; empty for another call."""
        rest = self.after("exec")
        if rest is None:
            return "", ()
        at = 0
        while at < len(rest) and rest[at].startswith("-"):
            at += 2 if rest[at] in EXEC_VALUES else 1
        return (rest[at], rest[at + 1 :]) if at < len(rest) else ("", ())


def calls(script: Script) -> Iterator[Call]:
    """Yield the calls of docker in a script and in every shell that it starts."""
    values: dict[str, str] = {}
    for shell in script.shells():
        values = {**values, **_values(shell)}
        before: Command | None = None
        for command in shell.commands:
            texts = _expanded(command, values)
            at = _docker(texts)
            if at is not None:
                piped = before is not None and command.after in ("|", "|&") and "xargs" in texts[:at]
                yield Call(command, texts[at:], _expanded(before, values) if piped and before else ())
            before = command


def _docker(texts: tuple[str, ...]) -> int | None:
    """Return where docker is called, perhaps behind sudo and the like."""
    names = [text.rpartition("/")[2] for text in texts[:_NEAR]]
    if not names or (names[0] not in DOCKER and names[0] not in _WRAPPERS):
        return None
    return next((at for at, name in enumerate(names) if name in DOCKER), None)


def _values(shell: Script) -> dict[str, str]:
    """Return the variables that are set once, and those of a `for`, which stand for all its words."""
    found: dict[str, list[str]] = {}
    for command in shell.commands:
        texts = command.texts
        if texts[:1] == ("for",) and len(texts) > 3 and texts[2] == "in":
            found.setdefault(texts[1], []).append(" ".join(texts[3:]))
        given = [word.text for word in command.assignments] if not command.words else []
        if command.name in ("export", "readonly", "local", "declare"):
            given = list(texts[1:])
        for text in given:
            name, equals, value = text.partition("=")
            if equals and _NAME.fullmatch(name) and len(value) <= _LONGEST:
                found.setdefault(name, []).append(value)
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1}


def _expanded(command: Command, values: Mapping[str, str]) -> tuple[str, ...]:
    found: list[str] = []
    for word in command.words:
        text = word.text
        if "$" not in text or len(text) > _LONGEST:
            found.append(text)
            continue
        alone = _ALONE.fullmatch(word.raw) is not None
        for _ in range(2):  # a variable may be made of another
            text = _USED.sub(lambda match: values.get(match[1] or match[2], match[0]), text)[:_LONGEST]
        found += text.split() if alone and "$(" not in text else [text]
    return tuple(found)


def signals(argv: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the signal that `kill` and its like are given ("" for their own), and whom they tell."""
    signal, targets, following = "", [], False
    for text in argv:
        option, equals, value = text.partition("=")
        if following:
            signal, following = text, False
        elif option in ("-s", "--signal"):
            signal, following = value, not equals
        elif text.startswith("-s") and not text.startswith("-si"):
            signal = text[2:]
        elif re.fullmatch(r"-(?:SIG)?[A-Za-z]{2,}|-\d{1,2}", text):
            signal = text[1:]
        elif not text.startswith("-"):
            targets.append(text)
    return signal.upper().removeprefix("SIG"), tuple(targets)


def inside(argv: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the commands that run in a container: the one given, or those of `sh -c '…'`."""
    if argv[:1] and argv[0].rpartition("/")[2] in ("sh", "bash", "ash", "dash") and len(argv) > 2:
        yield from (command.texts for command in read(argv[2], "").commands)
    else:
        yield argv
