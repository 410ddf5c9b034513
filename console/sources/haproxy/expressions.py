"""Sample expressions, `fetch(arguments),converter(arguments)`, and the log-formats that hold them in `%[…]`.

The grammar is that of `sample_parse_expr()`, `make_arg_list()` and `lf_expr_compile()` in HAProxy's sources: inner
parentheses do not nest, quotes and backslashes count inside arguments."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import NamedTuple

from console.sources.haproxy.names import CONVERTERS, FETCHES, TESTS
from console.text import clean

ACL = FETCHES | TESTS
"""What may begin the expression of an ACL."""

_NAME = re.compile(r"[A-Za-z0-9._+:-]*")
_HOLE = re.compile(r"%%|%(?:\([^()\[\]]*\))?(?:\{[^{}]*\})?\[")

# What the converters' own checks take: a byte offset is never negative, a mask of control characters has 32 bits. The
# version is that of the first HAProxy that looks.
_TAKEN = {
    "bytes": ("2.9", re.compile(r"(?!-)[^,]*(?:,(?!-|0+\Z)[^,]*)?\Z")),
    "has_ctl": ("3.5-dev0", re.compile(r"(?:any|http|[0-9]{1,10}|0[xX]0*[0-9a-fA-F]{1,8})?\Z")),
}


class Doubt(NamedTuple):
    """What HAProxy would not take, at a 0-based offset of the text; `since` is the first version, "" for all."""

    offset: int
    problem: str
    since: str = ""


class _Stop(Exception):
    def __init__(self, offset: int, problem: str, since: str = "") -> None:
        self.doubt = Doubt(offset, problem, since)


def whole(text: str, known: Container[str] = FETCHES) -> Doubt | None:
    """Return what is wrong with a word that is one expression; what a variable hides is not judged."""
    if "${" in text:
        return None
    try:
        stop = _read(text, 0, known)
    except _Stop as stopped:
        return stopped.doubt
    rest = text[stop:]
    return None if not rest.strip(",") else Doubt(stop, f"HAProxy reads the expression to '{clean(rest[0], 8)}' only")


def holes(text: str) -> Iterator[Doubt]:
    """Yield what is wrong with the expressions of a log-format; only the first counts, as for HAProxy."""
    at = 0
    if "${" in text:
        return
    while hole := _HOLE.search(text, at):
        at = hole.end()
        if hole.group() == "%%":
            continue
        try:
            at = _read(text, at, FETCHES)
        except _Stop as stopped:
            yield stopped.doubt
            return
        if not text.startswith("]", at):
            found = f"before '{clean(text[at], 8)}'" if at < len(text) else "at the end"
            yield Doubt(min(at, len(text) - 1), f"the expression needs a ']' {found}")
            return


def names(text: str) -> Iterator[tuple[str, str]]:
    """Yield each sample fetch method of a text that may hold expressions, with the arguments that follow it."""
    for hole in _HOLE.finditer(text):
        name = _NAME.match(text, hole.end())
        if hole.group() != "%%" and name is not None:
            end = text.find(")", name.end())
            yield name.group(), text[name.end() + 1 : end] if text.startswith("(", name.end()) and end > 0 else ""


def _read(text: str, at: int, known: Container[str]) -> int:
    """Read one expression and return where it ends."""
    name, at = _word(text, at)
    if not name:
        raise _Stop(at, "the name of a sample is missing")
    if name not in known and not name.startswith("lua."):
        raise _Stop(at - len(name), f"no HAProxy up to 3.5 knows the sample fetch '{clean(name, 40)}'")
    at = _arguments(text, at, name)
    while text.startswith(",", at):
        while text.startswith(",", at):
            at += 1
        if at == len(text):
            break
        name, at = _word(text, at)
        if not name:
            raise _Stop(at, "the name of a converter is missing")
        if name not in CONVERTERS and not name.startswith("lua."):
            raise _Stop(at - len(name), f"no HAProxy up to 3.5 knows the converter '{clean(name, 40)}'")
        at = _arguments(text, at, name)
    return at


def _word(text: str, at: int) -> tuple[str, int]:
    match = _NAME.match(text, at)
    assert match is not None
    return match.group(), match.end()


def _arguments(text: str, at: int, name: str) -> int:
    """Pass over the arguments in parentheses, if any."""
    if not text.startswith("(", at):
        return at
    stop = _closed(text, at + 1)
    if stop < 0:
        raise _Stop(at, f"the parenthesis behind '{clean(name, 40)}' is never closed")
    given = text[at + 1 : stop]
    since, taken = _TAKEN.get(name, ("", None))
    if taken is not None and not taken.match(given):
        raise _Stop(at + 1, f"'{name}' takes no '{clean(given, 40)}' since HAProxy {since}", since)
    return stop + 1


def _closed(text: str, at: int) -> int:
    """Return where the parenthesis closes, -1 when it does not."""
    quote = ""
    while at < len(text):
        character = text[at]
        if character == quote:
            quote = ""
        elif character in "\"'" and not quote:
            quote = character
        elif character == "\\" and quote != "'" and text[at + 1 : at + 2] in ("\\", " ", '"', "'"):
            at += 1
        elif character == ")" and not quote:
            return at
        at += 1
    return -1
