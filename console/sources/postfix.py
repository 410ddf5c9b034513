"""Postfix's files: the services of master.cf with their own `-o name=value`, and what it refuses of extra.cf."""

from __future__ import annotations

import re

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.settings import Setting
from console.text import clean


class Service(Struct, frozen=True):
    """One `inet` service: the port it listens on (None: by a name nobody knows), its command, its own settings."""

    port: int | None
    command: str
    values: dict[str, Setting]
    span: Span


_NAMES = {"smtp": 25, "smtps": 465, "submissions": 465, "urd": 465, "submission": 587}
_OPTION = re.compile(r"-o\s*(?:\{\s*([\w.]+)\s*=\s*([^}]*?)\s*\}|([\w.]+)=(\S*))")


def services(text: str, file: str) -> tuple[Service, ...]:
    """Return the services of a master.cf that clients reach; those of the machine itself are left out."""
    found: list[Service] = []
    for rows in _logical(text):
        number, first = rows[0]
        words = first.split()
        if len(words) < 8 or words[1] != "inet":
            continue
        address, _, name = words[0].rpartition(":")
        if address in ("127.0.0.1", "localhost", "[::1]"):
            continue
        port = int(name) if re.fullmatch(r"\d{1,5}", name) else _NAMES.get(name)
        values = {
            (match[1] or match[3]): Setting(match[2] if match[1] else match[4], Span(file, row, match.start() + 1))
            for row, line in rows
            for match in _OPTION.finditer(line)
        }
        found.append(Service(port, words[7], values, Span(file, number, 1, len(words[0]) + 1)))
    return tuple(found)


def _logical(text: str) -> list[list[tuple[int, str]]]:
    """Return the lines with the ones that go on with them: those that begin with a blank."""
    found: list[list[tuple[int, str]]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        bare = line.rstrip()
        if not bare or bare.lstrip().startswith("#"):
            continue
        if bare[0] in " \t" and found:
            found[-1].append((number, bare))
        elif bare[0] not in " \t":
            found.append([(number, bare)])
    return found


_NAME = re.compile(r"[^\s=]+")
MOST = 20
"""Refused lines that are said."""


def refused(text: str, file: str) -> tuple[InputError, ...]:
    """Return the lines of main.cf or extra.cf with which no command of Postfix runs (split_nameval, postconf 3.7).

    A byte order mark is told too: the name behind it is another one, and nobody reads it."""
    found: list[InputError] = []
    if text.startswith("\ufeff"):
        problem = "Postfix takes this byte order mark for a part of the first name: save the file as UTF-8 without one"
        found.append(InputError(file, 1, 1, problem))
    for rows in _logical(text):
        number = rows[0][0]
        whole = " ".join(row.strip() for _, row in rows)
        name = _NAME.match(whole)
        if name is not None and whole[name.end() :].lstrip().startswith("="):
            continue
        what = "a name is missing before '='" if name is None else f"'{clean(name[0], 60)}' has no '=' behind it"
        found.append(InputError(file, number, 1, f"Postfix does not start with this line: {what}; write name = value"))
    return tuple(found[:MOST])
