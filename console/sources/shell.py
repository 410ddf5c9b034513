"""A shell script to its commands and words with their places, and those of the shells that it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.errors import InputError
from console.sources.shell_inner import inner
from console.sources.shell_lexer import DEEPEST, Command, Lexer, Redirect, Script, Word

__all__ = ["DEEPEST", "Command", "Redirect", "Script", "Word", "read"]


def read(text: str, file: str) -> Script:
    """Read a script; a quote or a substitution that does not close is a problem, what stands before it is kept."""
    problems = tuple(_unrunnable(text, file))
    text = text.removeprefix("\ufeff")
    first = text.split("\n", 1)[0].strip()
    lexer = Lexer(text, file)
    lexer.commands("", 0)
    found = sorted(lexer.found, key=lambda command: (command.span.line, command.span.column))
    interpreter = first[2:].strip() if first.startswith("#!") else None
    strict = interpreter is not None and re.search(r"\s-\w*e\w*(?:\s|$)", interpreter) is not None
    commands = tuple(found)
    return Script(
        file,
        interpreter,
        commands,
        lexer.variables,
        (*problems, *lexer.problems),
        inner(commands, text, file),
        strict,
    )


def _unrunnable(text: str, file: str) -> Iterator[InputError]:
    """Yield what keeps the script from being run as it looks: a sign that nobody sees."""
    first = text.split("\n", 1)[0]
    if first.startswith("#!") and first.endswith("\r"):
        problem = "the line ends in CR and LF, so that no such interpreter is found: save the file with LF alone"
        yield InputError(file, 1, len(first), problem)
