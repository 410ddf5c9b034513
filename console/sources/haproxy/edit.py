"""Edits of haproxy.cfg as splices: what was not asked for keeps every byte.

`apply(text, edit, …)` returns the new text, or raises `InputError` at the place that stands in the way. All edits of
one call speak of the lines of `text` as it is given (1-based, as in every `Span`), so findings of one parse can be
mended together. New lines take the indentation and the line end of their neighbours.

    apply(text, Argument(12, ("send-proxy",)))                 server m 10.0.0.1:25 check  →  … check send-proxy
    apply(text, Argument(12, ("port", "10025")))               sets the value where the keyword stands already
    apply(text, Drop(12, "check-send-proxy"))                  takes the keyword and its value out
    apply(text, Change(7, 2, "30m"))                           word 2 (from 0) of line 7: timeout client 1m  →  … 30m
    apply(text, Insert(3, ("timeout tunnel 1h",)))             new lines below line 3
    apply(text, Remove(9))                                     the line is gone
    apply(text, Listener("listen", "submission", ("bind :587", "server m 10.0.0.1:10587 send-proxy")))
    apply(text, Recipe(10, ("tcp-check connect port 10025 send-proxy", "tcp-check expect rstring ^220")))

Texts are haproxy.cfg's own: `quote()` makes a word of any value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from console.errors import InputError
from console.sources.haproxy import Configuration, Line, Section, parse
from console.sources.haproxy.arguments import SERVERS, arguments, known
from console.sources.haproxy.keywords import CHECKS, SECTIONS
from console.sources.haproxy.lines import BLANKS, Scanner, Word
from console.sources.haproxy.tree import DIRECTIVES
from console.sources.haproxy.variables import Variables
from console.text import clean

_PLAIN = re.compile(r"[^\s\\'\"#$\x00-\x1f\x7f]+\Z")
_RULES = ("tcp-check", "http-check")


class Argument(Struct, frozen=True):
    """Give a bind, server or default-server line a keyword with its values; one that is there gets the new values.

    It goes to the end of the line, or before the keyword `before` where that stands."""

    line: int
    words: tuple[str, ...]
    before: str | None = None


class Drop(Struct, frozen=True):
    """Take a keyword and its value out of a bind, server or default-server line."""

    line: int
    keyword: str


class Change(Struct, frozen=True):
    """Put `text` in the place of one word; `word` counts from 0."""

    line: int
    word: int
    text: str


class Insert(Struct, frozen=True):
    """Put lines below line `after`; each is indented like its neighbours."""

    after: int
    lines: tuple[str, ...]


class Remove(Struct, frozen=True):
    """Take a line out; a section's header or a directive is refused."""

    line: int


class Listener(Struct, frozen=True):
    """Add a section at the end of the file, or below the section whose header is line `after`."""

    kind: str
    name: str
    lines: tuple[str, ...]
    after: int | None = None


class Recipe(Struct, frozen=True):
    """Make the health check of the proxy whose header is line `header` this one, and put away its own former one.

    `option` is what chooses the kind of check ("tcp-check", "httpchk"), `rules` are the lines that follow it."""

    header: int
    rules: tuple[str, ...]
    option: str = "tcp-check"


Edit = Argument | Drop | Change | Insert | Remove | Listener | Recipe


class _Splice(NamedTuple):
    start: int
    end: int
    text: str


def apply(text: str, *edits: Edit, file: str = "haproxy.cfg") -> str:
    """Return `text` with the edits made; raises `InputError` with the place when one cannot be."""
    page = _Page(text, file)
    splices = [splice for edit in edits for splice in page.splices(edit)]
    splices.sort(key=lambda splice: (splice.start, splice.end))
    pieces: list[str] = []
    at = 0
    for start, end, new in splices:
        if start < at:
            raise page.error_at(start, "two edits want the same words: make one of them at a time")
        pieces += (text[at:start], new)
        at = end
    pieces.append(text[at:])
    edited = "".join(pieces)
    page.compare(edited)
    return edited


def quote(value: str) -> str:
    """Return a value as one word of haproxy.cfg; raises `ValueError` for a NUL or line feed inside."""
    if "\x00" in value or "\n" in value:
        raise ValueError("no word of haproxy.cfg holds a NUL or a line end")
    if _PLAIN.match(value):
        return value
    return '"' + re.sub(r'[\\"$]', r"\\\g<0>", value).replace("\r", "\\r").replace("\t", "\\t") + '"'


def header(configuration: Configuration, name: str, kind: str | None = None) -> int | None:
    """Return the line of a section's header, None when there is no such section."""
    for section in configuration.sections:
        if section.name == name and kind in (None, section.kind):
            return section.header.number
    return None


class _Page:
    """A file that is edited: its lines, where each begins, and how deep in `.if` each stands."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.before = parse(text, file)
        self.lines = self.before.documents[0].lines
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line.raw))
        self.depths = list(_depths(self.lines))
        self.scanner = Scanner(Variables())

    # ── what each edit is in splices ────────────────────────────────────────────────────────────────────────────────

    def splices(self, edit: Edit) -> list[_Splice]:
        if isinstance(edit, Argument):
            return self._argument(edit)
        if isinstance(edit, Drop):
            return [self._drop(edit)]
        if isinstance(edit, Change):
            return [self._change(edit)]
        if isinstance(edit, Insert):
            for new in edit.lines:
                if _begins(self.scanner, new):
                    self._keyword(Line(edit.after, "", (), (), -1), new)
            return [self._lines(self._line(edit.after).number, edit.lines, self._indent(self._section(edit.after)))]
        if isinstance(edit, Remove):
            return [self._remove(edit)]
        return [self._listener(edit)] if isinstance(edit, Listener) else self._recipe(edit)

    def _argument(self, edit: Argument) -> list[_Splice]:
        line, tokens = self._options(edit.line)
        for word in edit.words:
            self._word(line, word)
        if not edit.words:
            raise self._error(line, "no keyword was given")
        keyword, values = edit.words[0], edit.words[1:]
        begin = self.starts[line.number - 1]
        found = [each for each in arguments(line) if line.words[each.start] == keyword]
        if found:
            first, last = found[-1].start, found[-1].stop
            if last - first - 1 != len(values):
                raise self._error(line, f"'{clean(keyword, 40)}' stands here with another number of values")
            if "no-" + keyword not in line.words[last:]:
                return [
                    _Splice(begin + token.start, begin + token.end, value)
                    for token, value in zip(tokens[first + 1 : last], values, strict=True)
                    if token.raw != value
                ]
        new = " ".join(edit.words)
        ahead = [each.start for each in arguments(line) if line.words[each.start] == edit.before]
        if ahead:
            at = begin + tokens[ahead[0]].start
            return [_Splice(at, at, new + " ")]
        if len(self.scanner.read(1, tokens[-1].raw + " .")[0].words) != 2:
            raise self._error(line, "the backslash at the end of the line would swallow what follows: double it")
        at = begin + tokens[-1].end
        return [_Splice(at, at, " " + new)]

    def _drop(self, edit: Drop) -> _Splice:
        line, tokens = self._options(edit.line)
        found = [each for each in arguments(line) if line.words[each.start] == edit.keyword]
        if not found:
            raise self._error(line, f"there is no '{clean(edit.keyword, 40)}' on this line")
        if len(found) > 1:
            raise self._error(line, f"'{clean(edit.keyword, 40)}' stands on this line more than once: take one out")
        begin = self.starts[line.number - 1]
        first, last = found[0].start, found[0].stop - 1
        return _Splice(begin + tokens[first - 1].end, begin + tokens[last].end, "")

    def _change(self, edit: Change) -> _Splice:
        line = self._line(edit.line)
        tokens = self._own(line)
        if not 0 <= edit.word < len(tokens):
            raise self._error(line, f"there is no word {edit.word} on this line")
        self._word(line, edit.text)
        if edit.word == 0:
            self._keyword(line, edit.text)
        begin = self.starts[line.number - 1]
        return _Splice(begin + tokens[edit.word].start, begin + tokens[edit.word].end, edit.text)

    def _remove(self, edit: Remove) -> _Splice:
        line = self._line(edit.line)
        self._keyword(line, "")
        return _Splice(self.starts[line.number - 1], self.starts[line.number], "")

    def _listener(self, edit: Listener) -> _Splice:
        for section in self.before.sections:
            if (section.kind, section.name) == (edit.kind, edit.name):
                raise self._error(
                    section.header, f"'{clean(edit.name, 60)}' is there already: edit it, or take another"
                )
        if edit.kind not in SECTIONS:
            raise InputError(self.file, 0, 0, f"'{clean(edit.kind, 40)}' is no section of HAProxy's")
        indent = self._indent(self.before.sections[-1] if self.before.sections else None)
        after = len(self.lines)
        if edit.after is not None:
            after = self._last(self._headed(edit.after))
        elif self.depths and self.depths[-1]:
            raise self._error(self.lines[-1], "an .if is open at the end of the file: close it")
        above = self.lines[after - 1] if after else None
        if above is not None and self.depths[after - 1] and above.words[:1] != (".endif",):
            raise self._error(above, "this stands inside an .if block, and so would the new section")
        body = [f"{edit.kind} {edit.name}" if edit.name else edit.kind]
        body += [indent + line if line else line for line in edit.lines]
        blank = above is not None and bool(above.raw.strip(BLANKS))
        return self._lines(after, ([""] if blank else []) + body, "")

    def _recipe(self, edit: Recipe) -> list[_Splice]:
        section = self._headed(edit.header)
        depth = self.depths[edit.header - 1]
        gone = [line for line in section.lines if _checks(line)]
        for line in gone:
            if self.depths[line.number - 1] != depth:
                raise self._error(line, "a check stands inside an .if block: edit it by hand")
        after = edit.header
        for line in section.lines:
            if line.words[0] in SERVERS:
                break
            if self.depths[line.number - 1] == depth:
                after = line.number
        lines = [f"option {edit.option}", *edit.rules]
        splices = [_Splice(self.starts[line.number - 1], self.starts[line.number], "") for line in gone]
        return [*splices, self._lines(after, lines, self._indent(section))]

    def _keyword(self, line: Line, new: str) -> None:
        """Refuse what would give the lines below to another section or block."""
        if line.words and line.words[0] in DIRECTIVES:
            raise self._error(line, f"'{line.words[0]}' holds other lines: take the whole block out by hand")
        if any(section.header.number == line.number for section in self.before.sections):
            raise self._error(line, "this line begins a section, whose lines would fall to the one above")
        if _begins(self.scanner, new):
            raise self._error(line, f"'{clean(new, 40)}' would begin a section or block here: add a Listener instead")

    # ── places ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _line(self, number: int) -> Line:
        if not 1 <= number <= len(self.lines):
            raise InputError(self.file, number, 1, f"the file has {len(self.lines)} lines: read it again")
        return self.lines[number - 1]

    def _section(self, number: int) -> Section | None:
        """Return the section that a line stands in."""
        found = None
        for section in self.before.sections:
            if section.header.number > number:
                break
            found = section
        return found

    def _headed(self, number: int) -> Section:
        section = self._section(number)
        if section is None or section.header.number != number:
            raise self._error(self._line(number), "no section begins on this line")
        return section

    def _last(self, section: Section) -> int:
        """Return the last line of a section; comments and blank lines below it are the next one's."""
        following = [each.header.number for each in self.before.sections if each.header.number > section.header.number]
        last = (following[0] if following else len(self.lines) + 1) - 1
        while last > section.header.number and not self.lines[last - 1].words:
            last -= 1
        return last

    def _indent(self, section: Section | None) -> str:
        sections = ([section] if section else []) + list(self.before.sections)
        for each in sections:
            depth = self.depths[each.header.number - 1]
            for line in each.lines:
                blanks = line.raw[: len(line.raw) - len(line.raw.lstrip(" \t"))]
                if blanks and self.depths[line.number - 1] == depth:
                    return blanks
        return "    "

    def _options(self, number: int) -> tuple[Line, tuple[Word, ...]]:
        line = self._line(number)
        if not known(line):
            raise self._error(line, "this is no bind or server line: its arguments are not known")
        return line, self._own(line)

    def _own(self, line: Line) -> tuple[Word, ...]:
        """Return the words of a line; those that one variable makes together cannot be edited one by one."""
        tokens = line.tokens()
        if len({token.start for token in tokens}) != len(tokens):
            raise self._error(line, "a variable makes several words of this line: edit it by hand")
        return tokens

    # ── new text ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _lines(self, after: int, lines: Iterable[str], indent: str) -> _Splice:
        above = self.lines[after - 1].raw if after else "\n"
        if not above.endswith("\n"):
            raise self._error(
                self.lines[after - 1], "the last line has no line end; it may be cut: add the missing rest first"
            )
        end = "\r\n" if above.endswith("\r\n") else "\n"
        made = [indent + line if line else line for line in lines]
        for line in made:
            _, fault = self.scanner.read(1, line + end)
            if fault is not None or "\n" in line or "\r" in line:
                raise InputError(self.file, after, 1, f"'{clean(line.strip(), 60)}' is no line HAProxy takes")
        return _Splice(self.starts[after], self.starts[after], "".join(line + end for line in made))

    def _word(self, line: Line, text: str) -> None:
        read, fault = self.scanner.read(1, text + " .")
        if fault is not None or len(read.words) != 2 or read.tokens()[0].raw != text:
            raise self._error(line, f"'{clean(text, 60)}' is not one word: quote it")

    def _error(self, line: Line, problem: str) -> InputError:
        span = line.span(self.file)
        return InputError(self.file, span.line, span.column, problem)

    def error_at(self, offset: int, problem: str) -> InputError:
        """Return an error at an offset of the text."""
        import bisect

        number = max(bisect.bisect_right(self.starts, offset), 1)
        return InputError(self.file, number, offset - self.starts[number - 1] + 1, problem)

    def compare(self, edited: str) -> None:
        """Refuse an outcome with a problem that was not there before."""
        known = Counter(problem.problem for problem in self.before.problems)
        for problem in parse(edited, self.file).problems:
            if not known[problem.problem]:
                raise InputError(self.file, problem.line, problem.column, f"the edit would not hold: {problem.problem}")
            known[problem.problem] -= 1


def _depths(lines: Iterable[Line]) -> Iterator[int]:
    depth = 0
    for line in lines:
        directive = line.words[0] if line.words else ""
        depth += (directive == ".if") - (directive == ".endif")
        yield depth + (directive == ".endif")


def _begins(scanner: Scanner, text: str) -> bool:
    """Whether a line would begin a section, or an .if block."""
    words = scanner.read(1, text)[0].words
    return bool(words) and (words[0] in SECTIONS or words[0] in DIRECTIVES)


def _checks(line: Line) -> bool:
    return line.words[0] in _RULES or (line.words[0] == "option" and line.words[1:2] != () and line.words[1] in CHECKS)
