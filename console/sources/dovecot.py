"""The listeners of Dovecot's `service … { inet_listener … { … } }` blocks, as extra.conf writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.settings import Setting, joined


class InetListener(Struct, frozen=True):
    """What a file says of one listener of a service ("imap-login"); what it does not say stays as it was."""

    service: str
    name: str
    values: dict[str, Setting]
    span: Span


_PIECE = re.compile(r"([{}])|(?<![\w.])([A-Za-z_][\w.]*+)\s*+=[ \t]*+")
DEEPEST = 20
"""Blocks inside each other that are told apart."""


def listeners(text: str, file: str) -> tuple[InetListener, ...]:
    """Return the listeners of a file; blocks may stand on one line, and what is no block is passed over."""
    found: list[InetListener] = []
    path: list[tuple[str, str]] = []
    values: dict[str, Setting] = {}
    begun = Span(file, 1)
    for kind, name, value, span in _pieces(text, file):
        if kind == "open" and len(path) < DEEPEST:
            path.append((name, value))
            if [part for part, _ in path] == ["service", "inet_listener"]:
                values, begun = {}, span
        elif kind == "close" and path:
            if [part for part, _ in path] == ["service", "inet_listener"]:
                found.append(InetListener(path[0][1], path[1][1], values, begun))
            path.pop()
        elif kind == "set" and len(path) == 2:
            values[name] = Setting(value, span)
    return tuple(found)


def _pieces(text: str, file: str) -> Iterator[tuple[str, str, str, Span]]:
    """Yield ("open", kind, name, place), ("close", "", "", place) and ("set", name, value, place) in their order."""
    for number, line in joined(text):
        at = 0
        while piece := _PIECE.search(line, at):
            place = Span(file, number, piece.start() + 1, piece.end() + 1)
            if piece[1] == "{":
                kind, name = (*line[at : piece.start()].split()[-2:], "", "")[:2]
                yield "open", kind, name.strip('"'), place
                at = piece.end()
            elif piece[1]:
                yield "close", "", "", place
                at = piece.end()
            else:
                # On one line the next setting, or a brace, ends a value; alone on its line it is the rest of it.
                following = _PIECE.search(line, piece.end()) if "{" in line or "}" in line else None
                at = following.start() if following else len(line)
                yield "set", piece[2], line[piece.end() : at].strip().strip('"'), place


_ASSIGNS = re.compile(r"\s*[^\s={}]+\s*=")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def refused(text: str, file: str) -> tuple[InputError, ...]:
    """Return the brace with which Dovecot does not start (doveconf 2.3): one that nothing opened, or nothing closes.

    A brace in the value of a setting is part of it."""
    if text.startswith("\ufeff"):
        problem = (
            "Dovecot does not start with this file: a byte order mark stands here; save the file as UTF-8 without one"
        )
        return (InputError(file, 1, 1, problem),)
    opened: list[tuple[int, int]] = []
    value = False
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = _COMMENT.sub("", raw).rstrip()
        if value or _ASSIGNS.match(line):
            value = line.endswith("\\")
            continue
        for at, sign in enumerate(line, 1):
            if sign == "{":
                opened.append((number, at))
            elif sign == "}":
                if not opened:
                    problem = "Dovecot does not start with this file: no block is open here; drop the }"
                    return (InputError(file, number, at, problem),)
                opened.pop()
    if not opened:
        return ()
    line_number, column = opened[-1]
    problem = "Dovecot does not start with this file: the block that begins here is not closed; add its }"
    return (InputError(file, line_number, column, problem),)
