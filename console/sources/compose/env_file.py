"""mailcow.conf, which docker compose reads as .env: names, values and their places."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, cast

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.compose.expansion import Room, expand

if TYPE_CHECKING:
    from dotenv.parser import Binding


class EnvFile(Struct, frozen=True):
    """Values by name, the last one of a name counting, each with the place of its name."""

    values: dict[str, str] = {}
    spans: dict[str, Span] = {}
    problems: tuple[InputError, ...] = ()


_NEWLINE = re.compile(r"\r\n|\n|\r")
_NAME = re.compile(r"[A-Za-z_][\w.\[\]-]*")
_KEY = re.compile(r"(?:export[^\S\r\n]+)?(?P<key>'[^']+'|[^=#\s]+)\s*=?[^\S\r\n]*(?P<quote>['\"]?)")


MOST_BLANKS = 256
"""Blanks in a row: python-dotenv goes through each end of them again, so that a million cost minutes."""

_BLANKS = re.compile(r"[^\S\r\n]++")


def endless(text: str, file: str) -> InputError | None:
    """Why a text is not read: blanks without end in one of its lines; None when there are none."""
    for run in _BLANKS.finditer(text):
        if run.end() - run.start() > MOST_BLANKS:
            before = text[: run.start()]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            return InputError(file, line, column, f"more than {MOST_BLANKS} blanks in a row: take them out")
    return None


def read(text: str, file: str, around: Mapping[str, str] | None = None) -> EnvFile:
    """Read an env file; a line that is none is a problem, and the others are still read.

    `around` has the variables its values may ask for, beside those of its own lines above."""
    if why := endless(text, file):
        return EnvFile(problems=(why,))
    values: dict[str, str] = {}
    spans: dict[str, Span] = {}
    problems: list[InputError] = []
    known = ChainMap(values, dict(around or {}))
    room, full = Room(), False
    for binding in bindings(text.removeprefix("\ufeff")):
        original = binding.original.string
        start = original[: len(original) - len(original.lstrip())]
        breaks = list(_NEWLINE.finditer(start))
        line = binding.original.line + len(breaks)
        column = len(start) - (breaks[-1].end() if breaks else 0) + 1
        body = original[len(start) :]
        if binding.error:
            # What stands there is not quoted: in a file of passwords it may be one.
            problems.append(InputError(file, line, column, "this is no NAME=value; quotes must close"))
        elif binding.key is not None and not _NAME.fullmatch(binding.key):
            problems.append(InputError(file, line, column, "this is no name of a variable"))
        elif binding.key is not None and binding.value is not None and (match := _KEY.match(body)):
            begin = column + match.start("key")
            values[binding.key] = binding.value
            if match["quote"] != "'":
                found = expand(binding.value, known, room)
                values[binding.key] = found.text
                if found.overflows and not full:
                    problems.append(InputError(file, line, column, found.problem or ""))
                full = full or found.overflows
            spans[binding.key] = Span(file, line, begin, begin + len(match["key"]))
    return EnvFile(values, spans, tuple(problems))


class _Whole:
    """A text as python-dotenv asks for one: by `read`, once."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> str:
        return self.text


def bindings(text: str) -> Iterator[Binding]:
    """Yield the lines of an env file as python-dotenv tells them apart; joined, they are the whole text again."""
    from dotenv.parser import parse_stream

    return parse_stream(cast("IO[str]", _Whole(text)))
