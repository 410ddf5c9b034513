"""`${NAME:-default}` as docker compose expands it in compose files and in .env."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

DEEPEST = 20
"""Defaults inside defaults."""

MOST = 1 << 20
"""Characters that the variables of one file bring: doubled 64 times over, they would fill any memory."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")


class Expansion(Struct, frozen=True):
    """What a text became; `names` are the variables it asks for, outermost first.

    `problem` says which variable had to be set and is not, or what is not a variable; `overflows`, that it says that
    variables bring too much."""

    text: str
    names: tuple[str, ...] = ()
    problem: str | None = None
    overflows: bool = False


class Room:
    """How many characters variables may still bring; the texts of one file share it."""

    def __init__(self) -> None:
        self.left = MOST


def expand(text: str, variables: Mapping[str, str], room: Room | None = None) -> Expansion:
    """Expand `$NAME`, `${NAME}`, their defaults (`-`, `:-`), alternatives (`+`, `:+`), errors (`?`, `:?`) and `$$`."""
    if "$" not in text:
        return Expansion(text)
    work = _Work(variables, room or Room())
    result = work.expand(text, 0)
    return Expansion(result, tuple(dict.fromkeys(work.names)), work.problem, work.overflows)


class _Work:
    def __init__(self, variables: Mapping[str, str], room: Room) -> None:
        self.variables, self.room = variables, room
        self.names: list[str] = []
        self.problem: str | None = None
        self.overflows = False

    def expand(self, text: str, depth: int) -> str:
        result: list[str] = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            result.append(text[at:dollar])
            at = dollar + 1
            if text.startswith("$", at):
                result.append("$")
                at += 1
            elif match := _NAME.match(text, at):
                self.names.append(match[0])
                result.append(self._brought(self.variables.get(match[0])))
                at = match.end()
            elif text.startswith("{", at):
                end = _end(text, at)
                if end < 0 or depth >= DEEPEST:
                    self.problem = self.problem or '"${" without its "}"; a dollar sign is written $$'
                    return "".join(result)
                result.append(self._braces(text[at + 1 : end], depth))
                at = end + 1
            else:
                self.problem = self.problem or '"$" without a name; a dollar sign is written $$'
                result.append("$")
        result.append(text[at:])
        return "".join(result)

    def _brought(self, value: str | None) -> str:
        """Return what a variable brings: nothing where there is no room for it."""
        if not value:
            return ""
        if len(value) > self.room.left:
            self.overflows = True
            self.problem = f"variables bring more than {MOST} characters: the rest is left out; is this the right file?"
            return ""
        self.room.left -= len(value)
        return value

    def _braces(self, inside: str, depth: int) -> str:
        match = _NAME.match(inside)
        operator = _OPERATOR.match(inside, match.end()) if match else None
        if not match or (match.end() < len(inside) and not operator):
            self.problem = self.problem or f'"${{{inside[:40]}}}" is no variable'
            return ""
        self.names.append(match[0])
        value = self.variables.get(match[0])
        if operator is None:
            return self._brought(value)
        rest = inside[operator.end() :]
        present = value is not None and (value != "" or not operator[0].startswith(":"))
        kind = operator[0][-1]
        if kind == "+":
            return self.expand(rest, depth + 1) if present else ""
        if present:
            return self._brought(value)
        if kind == "-":
            return self.expand(rest, depth + 1)
        self.problem = self.problem or f"{match[0]} must be set" + (f": {rest[:80]}" if rest else "")
        return ""


def _end(text: str, at: int) -> int:
    """Return where the brace that opens at `at` closes; -1 when it does not."""
    depth = 0
    for match in re.compile(r"\$?\{|\}").finditer(text, at):
        depth += 1 if match[0] != "}" else -1
        if depth == 0:
            return match.start()
    return -1
