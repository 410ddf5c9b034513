"""A shell script to its commands and words with their places, and those of the shells that it starts."""

from __future__ import annotations

import re

from console.sources.shell_inner import inner
from console.sources.shell_lexer import DEEPEST, Command, Lexer, Redirect, Script, Word

__all__ = ["DEEPEST", "Command", "Redirect", "Script", "Word", "read"]


def read(text: str, file: str) -> Script:
    """Read a script; a quote or a substitution that does not close is a problem, what stands before it is kept."""
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
        tuple(lexer.problems),
        inner(commands, text, file),
        strict,
    )
