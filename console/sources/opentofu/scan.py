"""One quick pass over HCL before its grammar: comments, heredocs, what is left open, and the text the grammar gets."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from msgspec import Struct

from console.errors import InputError
from console.sources.opentofu.template import Unclosed, end_of

DEEPEST = 100
"""Brackets inside brackets; the walk calls itself once for each."""

PIECE = 1024
"""Characters that the grammar is given at once, at the least; its tree takes some three hundred times the text."""

LARGE = 4 * PIECE
"""Characters inside brackets from which on their content is given to the grammar apart from what is around them."""

HEAD = 1024
"""Characters before a block's brace that are looked at to tell it from an object."""

_SKIPPED = r"#[^\n]*|//[^\n]*|/\*"
_CODE = re.compile(_SKIPPED + r'|"|<<-?([^\W\d][\w-]*)\r?\n|~?\}|[()\[\]{]|[^\x00-\x7f]+')
_FLAT = re.compile(_SKIPPED + r'|"|<<-?([^\W\d][\w-]*)\r?\n|~?\}|[()\[\]{]|[^\x00-\x7f]+|\n')
_QUOTED = re.compile(r'\\.|\$\$\{|%%\{|[$%]\{~?|"|\n')
_FOR = re.compile(r"(?:\s|#[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*+for\s+[^\W\d][\w-]*\s*(?:,|in\b)", re.DOTALL)
_BLOCK = re.compile(r'[ \t]*[^\W\d][\w-]*(?:[ \t]+(?:[^\W\d][\w-]*|"[^"\n]*"))*[ \t]*')
_VALUE = re.compile(r".*(?:[=:,(\[?>]|\bin)", re.DOTALL)
"""What stands before the bracket of a list or object, and not of an index or block."""

_CLOSES = {"{": "}", "(": ")", "[": "]", "${": "}", '"': '"'}


class Large(Struct, frozen=True, gc=False):
    """What is parsed in pieces: a file or a block's body (`opener` is ""), a list or an object.

    `begin` and `end` are the offsets of its content, `cuts` those where another attribute, block or element begins."""

    opener: str
    begin: int
    end: int
    cuts: list[int]
    inner: list[Large]

    @property
    def hole(self) -> tuple[int, int, str]:
        """Offsets of what is left out where it stands, and what stands there instead."""
        return (self.begin - 1, self.end + 1, "_") if self.opener else (self.begin, self.end, "")


class Piece(Struct, frozen=True, gc=False):
    """A part of a `Large` for the grammar; the offset of `text` in the whole is `base`."""

    base: int
    end: int
    text: str
    inner: list[Large]


class _Bracket:
    """One that is open."""

    __slots__ = ("block", "cuts", "flat", "inner", "offset", "opener", "value", "wanted")

    def __init__(self, opener: str, offset: int, flat: bool, value: bool = False, block: bool = False) -> None:
        self.opener, self.offset, self.flat, self.value, self.block = opener, offset, flat, value, block
        self.wanted = offset + PIECE
        self.cuts: list[int] = []
        self.inner: list[Large] = []


class Scan:
    """What one pass finds. `masked` is as long as the text, so that an offset means the same place in both.

    The grammar knows newlines too well: inside ( [ ${ and `{ for` they mean nothing, and there they become blanks, as
    comments do. A heredoc becomes `_`, for the grammar's own pattern takes the square of its blanks; a letter that is
    not ASCII becomes `u`. The grammar also reads a quote without its end on to the next one and then complains
    somewhere else; `flaw` is where such a thing begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments: dict[int, str] = {}
        self.heredocs: dict[int, tuple[int, int, int, bool]] = {}
        """Offset → offsets of the body, of the end, and whether it is cut to size (`<<-`)."""
        self.strips: set[int] = set()
        """Offsets of `${`, `%{` and their `}` that have a `~`: blanks beside them do not count."""
        self.flaw: tuple[int, str] | None = None
        self.hopeless = False
        self.large: dict[int, Large] = {}
        """Offset of the bracket, or for a block of its closing one → what is parsed apart."""
        self._newlines = self.lines(text)
        self._blanked: list[tuple[int, int, str]] = []
        self._top = _Bracket("", 0, False)
        self._before = ""
        self._run()
        self.whole = Large("", 0, len(text), self._top.cuts, self._top.inner)
        self.masked = self._mask()

    def pieces(self, large: Large) -> Iterator[Piece]:
        """Yield what the grammar is given of it, one after the other."""
        head = f"_={large.opener}" if large.opener else ""
        tail = _CLOSES[large.opener] if large.opener else ""
        waiting = large.inner[::-1]
        for begin, end in pairwise([large.begin, *large.cuts, large.end]):
            parts, at = [head], begin
            inner: list[Large] = []
            while waiting and waiting[-1].begin < end:
                inner.append(waiting.pop())
                first, last, fill = inner[-1].hole
                parts += [self.masked[at:first], fill, " " * (last - first - len(fill))]
                at = last
            parts += [self.masked[at:end], tail]
            yield Piece(begin - len(head), end, "".join(parts), inner)

    def _mask(self) -> str:
        """Return the text for the grammar."""
        if not self._blanked:
            return self.text
        parts: list[str] = []
        at = 0
        for start, end, fill in self._blanked:
            parts.append(self.text[at:start])
            parts.append(fill if len(fill) == end - start else fill + " " * (end - start - len(fill)))
            at = end
        parts.append(self.text[at:])
        return "".join(parts)

    @staticmethod
    def lines(text: str) -> list[int]:
        """Return the offsets of all line ends."""
        return [match.start() for match in re.finditer("\n", text)]

    @staticmethod
    def place_in(lines: list[int], offset: int) -> tuple[int, int]:
        """Return line and column, 1-based, in a text with these line ends."""
        line = bisect_right(lines, offset - 1)
        return line + 1, offset - (lines[line - 1] if line else -1)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, 1-based."""
        return self.place_in(self._newlines, offset)

    def error(self, file: str) -> InputError:
        """Return the flaw, with its place."""
        assert self.flaw is not None
        return InputError(file, *self.place(self.flaw[0]), f"this is not HCL: {self.flaw[1]}")

    def _fail(self, offset: int, problem: str, hopeless: bool = False) -> int:
        self.flaw, self.hopeless = (offset, problem), hopeless
        return len(self.text) + 1

    def _run(self) -> None:
        stack: list[_Bracket] = []
        position = 0
        while position <= len(self.text):
            top = stack[-1] if stack else self._top
            quoted = top.opener == '"'
            match = (_QUOTED if quoted else _FLAT if top.flat else _CODE).search(self.text, position)
            end = match.start() if match else len(self.text)
            if not quoted and end > top.wanted:
                self._cut(top, position, end)
            if match is None:
                break
            position = self._quoted(match, stack) if quoted else self._code(match, stack, position)
            if len(stack) > DEEPEST:
                position = self._fail(match.start(), f"more than {DEEPEST} brackets inside each other", True)
        for each in stack:
            self._top.inner += each.inner
        if stack and self.flaw is None:
            opener, line = stack[-1].opener, self.place(stack[-1].offset)[0]
            closer = _CLOSES[opener]
            self._fail(
                len(self.text.rstrip()),
                f'"{closer}" expected before the end of the file, for the "{opener}" of line {line}; was the file cut?',
            )

    def _cut(self, top: _Bracket, begin: int, end: int) -> None:
        """Note where another attribute, block or element begins: there is no bracket, text or comment in between."""
        marks = "\n," if top.opener == "{" else "," if top.opener else "\n"
        for mark in marks:
            while (at := self.text.find(mark, max(begin, top.wanted), end)) >= 0:
                top.cuts.append(at + 1)
                top.wanted = at + PIECE

    def _open(self, opener: str, offset: int, stack: list[_Bracket], position: int) -> None:
        if opener not in "[{":
            stack.append(_Bracket(opener, offset, True))
            return
        parent = stack[-1] if stack else self._top
        before = self.text[position:offset].rstrip() or self._before
        value = _VALUE.fullmatch(before[-3:]) is not None
        within = parent is self._top or (parent.opener == "{" and not parent.flat and not parent.value)
        flat = opener == "[" or bool(_FOR.match(self.text, offset + 1))
        stack.append(_Bracket(opener, offset, flat, value, within))

    def _close(self, bracket: _Bracket, end: int, stack: list[_Bracket]) -> None:
        """Take what is large out of what it stands in."""
        parent = stack[-1] if stack else self._top
        opener = self._kind(bracket) if end - bracket.offset > LARGE else None
        if opener is None:
            parent.inner += bracket.inner
            return
        found = Large(opener, bracket.offset + 1, end, bracket.cuts, bracket.inner)
        parent.inner.append(found)
        self.large[bracket.offset if opener else end] = found

    def _kind(self, bracket: _Bracket) -> str | None:
        """Return "" for a block's body, [ or { for a list or object, and None for all that is not taken apart."""
        if bracket.opener == "[":
            return "[" if bracket.value and not _FOR.match(self.text, bracket.offset + 1) else None
        if bracket.opener != "{" or bracket.flat:
            return None
        line = self.text.rfind("\n", max(bracket.offset - HEAD, 0), bracket.offset) + 1
        line = line or (0 if bracket.offset < HEAD else bracket.offset)
        if bracket.block and _BLOCK.fullmatch(self.text, line, bracket.offset):
            return ""
        return "{" if bracket.value else None

    def _quoted(self, match: re.Match[str], stack: list[_Bracket]) -> int:
        found = match[0]
        if found == '"':
            inner = stack.pop().inner
            (stack[-1] if stack else self._top).inner += inner
            self._before = '"'
        elif found == "\n":
            return self._fail(stack[-1].offset, 'the text that begins here has no closing " on its line')
        elif found[0] in "$%" and found not in ("$${", "%%{"):
            stack.append(_Bracket("${", match.start(), True))
            self._before = ""
            if found.endswith("~"):
                self._strip(match.start(), match.end() - 1)
        return match.end()

    def _code(self, match: re.Match[str], stack: list[_Bracket], position: int) -> int:
        found, start = match[0], match.start()
        if found == "~}":
            found, start = "}", start + 1
            self._strip(start, start - 1)
        if found == "\n":
            self._blanked.append((start, start + 1, " "))
        elif found in '([{"':
            self._open(found, start, stack, position)
        elif found in "})]":
            if not stack or _CLOSES[stack[-1].opener] != found:
                what = (
                    f'"{_CLOSES[stack[-1].opener]}" expected before "{found}"' if stack else f'"{found}" closes nothing'
                )
                if stack:
                    what += f', for the "{stack[-1].opener}" of line {self.place(stack[-1].offset)[0]}'
                return self._fail(start, what)
            self._close(stack.pop(), start, stack)
        if found != "\n" and found[0] not in "#/":
            self._before = found if len(found) == 1 else "_"
        elif plain := self.text[position:start].rstrip():
            self._before = plain[-3:]
        return self._skipped(match, found, start)

    def _skipped(self, match: re.Match[str], found: str, start: int) -> int:
        """Go past what is no bracket; comments and heredocs have their own ends."""
        if found == "/*":
            end = self.text.find("*/", match.end())
            if end < 0:
                return self._fail(start, 'the comment that begins here has no closing "*/"')
            self._comment(start, self.text[start + 2 : end], end + 2)
            return end + 2
        if found.startswith("<<"):
            return self._heredoc(match)
        if found[0] in "#/":
            self._comment(start, found.lstrip("#/"), match.end())
        elif f"u{found}".isidentifier():
            self._blanked.append((start, match.end(), "u" * len(found)))
        return match.end()

    def _strip(self, bracket: int, marker: int) -> None:
        self.strips.add(bracket)
        self._blanked.append((marker, marker + 1, " "))

    def _heredoc(self, match: re.Match[str]) -> int:
        start = match.start()
        try:
            begin, end = end_of(self.text, match.end(), match[1])
        except Unclosed as error:
            what = "has a template without its end" if error.args else f'has no closing "{match[1]}"'
            return self._fail(start, f"the text that begins here {what}", True)
        self.heredocs[start] = (match.end(), begin, end, match[0].startswith("<<-"))
        self._blanked.append((start, end, "_"))
        return end

    def _comment(self, offset: int, text: str, end: int) -> None:
        self._blanked.append((offset, end, " "))
        line = self.place(offset)[0]
        for number, part in enumerate(text.split("\n")):
            if part := part.strip().lstrip("* "):
                self.comments[line + number] = f"{self.comments.get(line + number, '')} {part}".strip()
