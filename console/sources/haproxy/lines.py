"""One line of haproxy.cfg: its raw text, its words as HAProxy would see them, and where each stands.

The grammar is that of `parse_line()` in HAProxy's src/tools.c: words end at blanks, `#` begins a comment even glued to
a word, quoted pieces join on, variables expand inside double quotes only, a carriage return ends the line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import Struct

from console.model import Span
from console.sources.haproxy.variables import Variables
from console.text import clean

BLANKS = " \t\n\v\f\r"
MOST_WORDS = 64
"""HAProxy refuses a line of more (MAX_LINE_ARGS)."""

GROWTH = 4 << 20
"""Characters that the variables of one file may expand to."""

# What keeps a line off the fast path. `str.split` also splits at \x1c-\x1f and beyond ASCII; HAProxy does not.
SPECIAL = re.compile(r"[\\'\"#\x00\x1c-\x1f\x80-\U0010ffff]|\r(?!\n?\Z)")
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_BARE = re.compile(r"[^ \t\v\f\r\n\\'\"#]+")
# A carriage return ends the line, but one among blanks is a blank.
_BLANK = re.compile(r"[ \t\v\f][ \t\v\f\r]*")
_QUOTED = re.compile(r"[^\"\\$\r\n]+")
_SINGLE = re.compile(r"'([^'\r\n]*)'")
_VARIABLE = re.compile(r"\$(?:\{(\.?[A-Za-z0-9_]+)(\[\*\])?(?:-([^}]*))?\}|(\.?[A-Za-z0-9_]+))")
_NAME_START = re.compile(r"\$\{?[A-Za-z_.]")
_NAME = re.compile(r"[A-Za-z0-9_.:-]*\Z")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")
_ESCAPES = {" ": " ", "\\": "\\", "#": "#", "'": "'", '"': '"', "t": "\t", "n": "\n", "r": "\r"}


class Word(NamedTuple):
    """One word: the value HAProxy takes it for, the text as written, and its place (0-based offsets in the line)."""

    value: str
    raw: str
    start: int
    end: int


class Line(Struct, frozen=True, gc=False):
    """One line with its end. `places` of the words are None on a plain line: they are found when somebody asks."""

    number: int
    raw: str
    words: tuple[str, ...]
    places: tuple[tuple[int, int], ...] | None
    comment: int
    """Offset of the `#`, -1 when there is no comment."""

    def tokens(self) -> tuple[Word, ...]:
        """Return every word with its raw text and place."""
        places = self.places
        if places is None:
            places = tuple(match.span() for match in _WORD.finditer(self.raw))
        return tuple(
            Word(value, self.raw[start:end], start, end) for value, (start, end) in zip(self.words, places, strict=True)
        )

    def span(self, file: str, first: int = 0, last: int = -1) -> Span:
        """Return the place from word `first` to word `last`; the whole line's words when not told."""
        if self.places is None and first == 0 and last == -1:
            body = self.raw.rstrip()
            return Span(file, self.number, len(body) - len(body.lstrip()) + 1, len(body) + 1)
        tokens = self.tokens()
        if not tokens:
            return Span(file, self.number)
        return Span(file, self.number, tokens[first].start + 1, tokens[last].end + 1)


def bad_name(name: str) -> str:
    """Say why HAProxy takes no such name for a proxy or server; "" when it does."""
    if _NAME.match(name) or "${" in name:
        return ""
    return f"'{clean(name, 60)}' is no name HAProxy takes: use letters, digits and - _ . :"


class Fault(NamedTuple):
    """What makes HAProxy refuse a line, at a 0-based offset."""

    offset: int
    problem: str


class _Token:
    """The word being read; a variable with `[*]` makes several words of it."""

    __slots__ = ("forced", "start", "words")

    def __init__(self, start: int) -> None:
        self.start = start
        self.words: list[list[str]] = [[]]
        self.forced = False

    def add(self, text: str) -> None:
        self.words[-1].append(text)

    def spread(self, value: str) -> None:
        if value[:1].isspace() and self.words[-1]:
            self.words.append([])
        for index, part in enumerate(value.split()):
            if index:
                self.words.append([])
            self.add(part)
        if value[-1:].isspace() and value.strip():
            self.words.append([])

    def values(self) -> list[str]:
        found = ["".join(pieces) for pieces in self.words if pieces]
        return found or ([""] if self.forced else [])


class Scanner:
    """Reads the lines that need more than splitting at blanks; linear in the length of the line."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self._left = GROWTH

    def read(self, number: int, raw: str) -> tuple[Line, Fault | None]:
        """Return the line and what is wrong with it; a faulty line has no words, as HAProxy skips it."""
        at, stop = len(raw) - len(raw.lstrip(BLANKS)), len(raw)
        values: list[str] = []
        places: list[tuple[int, int]] = []
        comment = -1
        token: _Token | None = None
        try:
            while at < stop:
                character = raw[at]
                if character in "#\r\n":
                    comment = at if character == "#" else -1
                    break
                blank = _BLANK.match(raw, at, stop)
                if blank is not None:
                    _end(token, at, values, places)
                    token, at = None, blank.end()
                    continue
                token = token or _Token(at)
                at = self._piece(raw, at, stop, token)
        except _Refused as refused:
            return Line(number, raw, (), (), -1), refused.fault
        _end(token, at, values, places)
        line = Line(number, raw, tuple(values), tuple(places), comment)
        if len(values) > MOST_WORDS:
            problem = f"HAProxy takes at most {MOST_WORDS} words on a line and refuses this one: split it"
            less = Line(number, raw, line.words[:MOST_WORDS], tuple(places[:MOST_WORDS]), comment)
            return less, Fault(places[MOST_WORDS][0], problem)
        return line, None

    def _piece(self, raw: str, at: int, stop: int, token: _Token) -> int:
        """Read one piece of a word (bare, escaped or quoted) and return where the next begins."""
        bare = _BARE.match(raw, at, stop)
        if bare is not None:
            token.add(bare.group())
            return bare.end()
        character = raw[at]
        if character == "\\":
            return _escape(raw, at, stop, token)
        if character == '"':
            return self._double(raw, at, stop, token)
        single = _SINGLE.match(raw, at, stop)
        if single is None:
            raise _Refused(at, "a single quote is opened and never closed on this line: close it")
        token.forced = True
        token.add(single.group(1))
        return single.end()

    def _double(self, raw: str, opened: int, stop: int, token: _Token) -> int:
        at = opened + 1
        token.forced = token.forced or raw.startswith('"', at)
        while at < stop:
            character = raw[at]
            if character == '"':
                return at + 1
            if character == "\\":
                at = _escape(raw, at, stop, token, quoted=True)
            elif character == "$":
                at = self._variable(raw, at, stop, token)
            elif run := _QUOTED.match(raw, at, stop):
                token.add(run.group())
                at = run.end()
            else:
                break
        raise _Refused(opened, "a double quote is opened and never closed on this line: close it")

    def _variable(self, raw: str, at: int, stop: int, token: _Token) -> int:
        if _NAME_START.match(raw, at, stop) is None:
            raise _Refused(at, "a variable's name cannot begin like this: write \\$ for a dollar sign")
        match = _VARIABLE.match(raw, at, stop)
        if match is None:
            raise _Refused(at, "the brace of this variable is never closed: write ${NAME} or ${NAME-default}")
        name = match.group(1) or match.group(4)
        value = self.variables.expand(name, match.group(3))
        self._left -= len(value)
        if self._left < 0:
            raise _Refused(at, "the variables of this file grow without end: write the value itself")
        if match.group(2):
            token.spread(value)
        else:
            token.forced = True
            token.add(value)
        return match.end()


class _Refused(Exception):
    def __init__(self, offset: int, problem: str) -> None:
        self.fault = Fault(offset, problem)


def _end(token: _Token | None, at: int, values: list[str], places: list[tuple[int, int]]) -> None:
    if token is not None:
        found = token.values()
        values += found
        places += [(token.start, at)] * len(found)


def _escape(raw: str, at: int, stop: int, token: _Token, quoted: bool = False) -> int:
    following = raw[at + 1] if at + 1 < stop else ""
    if following in _ESCAPES and following:
        token.add(_ESCAPES[following])
        return at + 2
    if following == "$" and quoted:
        token.add("$")
        return at + 2
    if following == "x":
        digits = _HEX.match(raw, at + 2, stop)
        if digits is None:
            raise _Refused(at, "\\x needs two hexadecimal digits: write \\x20, or \\\\x for a backslash")
        token.add(chr(int(digits.group(), 16)))
        return at + 4
    token.add("\\")
    return at + 1
