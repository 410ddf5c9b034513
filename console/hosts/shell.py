"""Arguments as one line, for a login shell or a reader: the only place where a command is quoted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_DELICATE = frozenset("\\!\n\r")
"""What single quotes do not protect everywhere: fish unescapes a backslash, csh expands `!` and ends at a newline."""

WORD = 800
"""Bytes that are spelled in one word: csh takes no word of more than some 8000 characters, and a byte becomes five."""


def quote(argv: Sequence[str]) -> str:
    """Return `argv` as a line that sh, bash, zsh, dash, fish, csh and tcsh all take for exactly these arguments."""
    line = shlex.join(argv)
    if _DELICATE.isdisjoint(line):
        return line
    return spelled(argv)


def spelled(argv: Sequence[str]) -> str:
    """Return `argv` byte by byte, for a shell or a terminal that would make something else of it."""
    text = shlex.join(argv).encode()
    parts = ("".join(f"\\0{byte:03o}" for byte in text[at : at + WORD]) for at in range(0, len(text), WORD))
    return f"""sh -c 'eval "exec $(printf %b "$@")"' sh {" ".join(f"'{part}'" for part in parts)}"""


def line(argv: Sequence[str]) -> str:
    """Return `argv` as a person reads it and a POSIX shell takes it: for plans, logs and runbooks."""
    return shlex.join(argv)


def command(argv: Sequence[str]) -> str:
    """Return the line that runs `argv` in the place of the login shell, in the C locale."""
    return "exec env LC_ALL=C " + quote(argv)
