"""Shell text to commands and words with their places: enough to say what it runs, not to run it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from console.errors import InputError
from console.model import Span

MOST_COMMANDS = 10_000
"""Commands of one script; Mailcow's own update.sh has about a tenth of it."""

DEEPEST = 40
"""Command substitutions inside each other; what is deeper is kept as text."""


class Word(Struct, frozen=True):
    """One word: `text` without its quotes, `$NAME` and `$(…)` as written; `raw` as it stands in the file."""

    text: str
    raw: str
    span: Span


class Redirect(Struct, frozen=True):
    """`operator` (">", "2>", "<<") and its target; of a here-document `body` is the text, `line` its first line."""

    operator: str
    target: Word
    body: str = ""
    line: int = 0


class Command(Struct, frozen=True):
    """One simple command; `span` is its first line's. `after` is what joins it to the one before: "|", "&&", ";", ….

    Those of a `$(…)` or of backticks are commands of their own, with one more `depth`. `marks` are the reserved words
    that stand between it and the command before ("if", "else", "fi", "}", ";;")."""

    words: tuple[Word, ...]
    span: Span
    after: str = ""
    depth: int = 0
    assignments: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The first word, without its folder; "" for an assignment or a redirection alone."""
        return self.words[0].text.rpartition("/")[2] if self.words else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """All words, without quotes."""
        return tuple(word.text for word in self.words)


class Script(Struct, frozen=True):
    """A script: its commands in order, and where it first uses each variable.

    `inner` are the shells that it starts: by `ssh host '…'`, `sh -c '…'`, a here-document. `strict` says that it was
    started with -e; `apart`, that it is not written where it stands, letter for letter."""

    file: str
    interpreter: str | None = None
    commands: tuple[Command, ...] = ()
    variables: dict[str, Span] = {}
    problems: tuple[InputError, ...] = ()
    inner: tuple[Script, ...] = ()
    strict: bool = False
    apart: bool = False

    def shells(self) -> Iterator[Script]:
        """Yield the script, and every shell that it starts, on this machine or another."""
        yield self
        for each in self.inner:
            yield from each.shells()


_BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_OPERATOR = re.compile(r"&&|\|\||\|&|;;&|;;|;&|[;&|()]")
_REDIRECT = re.compile(r"\d*(?:<<<|<<-|<<|>>|>\||[<>]&|<>|[<>])|&>>|&>")
_PLAIN = re.compile(r"[^\s\\'\"`$;&|()<>]+")
_NAME = re.compile(r"\{?[#!]?([A-Za-z_]\w*)")
_USED = re.compile(r"(?<!\\)\$\{?([A-Za-z_]\w*)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(?:\[[^\]]*\])?\+?=")
_OPENS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"})
_ENDS = frozenset({"fi", "done", "esac", "}"})
_GOES_ON = frozenset({"|", "|&", "&&", "||"})
_PLAIN_BRACES = re.compile(r"[^'\"\\`$]*")
_QUOTED = re.compile(r"[^\"\\`$]+")


class Lexer:
    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.at = text, file, 0
        self.found: list[Command] = []
        self.variables: dict[str, Span] = {}
        self.problems: list[InputError] = []
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._sums = "))" in text
        self._mark: tuple[str, ...] = ()
        self._bodies: list[tuple[_Draft, int, str, bool]] = []

    def commands(self, closer: str, depth: int) -> None:
        """Read commands up to `closer` (")", "`") or the end, and stand behind it."""
        start, draft = self.at, _Draft("", depth)
        opened = cases = 0
        while self.at < len(self.text):
            if len(self.found) >= MOST_COMMANDS:
                self._complain(self.at, f"more than {MOST_COMMANDS} commands: from here on this script is not read")
                self.at = len(self.text)
                break
            character = self.text[self.at]
            if character == closer and not opened and not (cases and closer == ")"):
                self.at += 1
                self._end(draft)
                return
            if character == "\n":
                self.at += 1
                self._heredocs()
                draft = self._end(draft)
            elif match := _BLANK.match(self.text, self.at):
                self.at = match.end()
            elif match := _COMMENT.match(self.text, self.at):
                self.at = match.end()
                if closer == "`" and (tick := match[0].find("`")) >= 0:
                    self.at = match.start() + tick
            elif match := _REDIRECT.match(self.text, self.at):
                self._redirect(match, draft, closer)
            elif match := _OPERATOR.match(self.text, self.at):
                self.at = match.end()
                opened = max(opened + (match[0] == "(") - (match[0] == ")"), 0)
                draft = self._end(draft, match[0])
                if match[0] in (";;", ";&", ";;&"):
                    self._mark = (*self._mark[:DEEPEST], match[0])
            else:
                first, word = not draft.words, self._take(draft, closer)
                # The parenthesis behind a pattern of `case` closes nothing.
                cases = max(cases + (first and word == "case") - (first and word == "esac"), 0)
        self._end(draft)
        if closer:
            opening = "$(" if closer == ")" else "`"
            self._complain(start, f'the "{opening}" before this has no closing "{closer}"')

    def _take(self, draft: _Draft, closer: str) -> str:
        """Read a word into a draft, and return it as it is written."""
        word = self._word(closer, draft.depth)
        if not draft.words and (word.raw in _ENDS or (not draft.assignments and word.raw in _OPENS)):
            if len(self._mark) < DEEPEST:
                self._mark = (*self._mark, word.raw)
            return word.raw
        (draft.assignments if not draft.words and _ASSIGNMENT.match(word.raw) else draft.words).append(word)
        return word.raw

    def _end(self, draft: _Draft, operator: str = "") -> _Draft:
        if parts := [*draft.assignments, *draft.words, *(redirect.target for redirect in draft.redirects)]:
            first = min(parts, key=lambda word: (word.span.line, word.span.column)).span
            draft.number = len(self.found)
            self.found.append(
                Command(
                    tuple(draft.words),
                    first,
                    draft.after,
                    draft.depth,
                    tuple(draft.assignments),
                    tuple(draft.redirects),
                    self._mark,
                )
            )
            self._mark = ()
        # A pipe or a list goes on after a line's end.
        return _Draft(operator or (draft.after if not parts and draft.after in _GOES_ON else ""), draft.depth)

    def _redirect(self, match: re.Match[str], draft: _Draft, closer: str) -> None:
        self.at = match.end()
        if blank := _BLANK.match(self.text, self.at):
            self.at = blank.end()
        if self.at >= len(self.text) or self.text[self.at] in "\n;&|()<>":
            return
        target = self._word(closer, draft.depth)
        draft.redirects.append(Redirect(match[0], target))
        if match[0].lstrip("0123456789") in ("<<", "<<-"):
            self._bodies.append((draft, len(draft.redirects) - 1, target.text, match[0].endswith("-")))

    def _heredocs(self) -> None:
        """Take the here-documents that begin on this line."""
        waiting, self._bodies = self._bodies, []
        for draft, index, delimiter, tabs in waiting:
            start = self.at
            pattern = rf"^{chr(9) + '*' if tabs else ''}{re.escape(delimiter)}\r?$"
            match = re.compile(pattern, re.MULTILINE).search(self.text, start)
            if match is None:
                self._complain(max(start - 1, 0), f'a here-document without its closing "{delimiter}"')
            end = match.start() if match else len(self.text)
            if draft.redirects[index].target.raw == delimiter:
                for name in _USED.finditer(self.text, start, end):
                    self.variables.setdefault(name[1], self._span(*name.span()))
            self.at = match.end() if match else end
            line = self._place(start)[0]
            draft.redirects[index] = replace(draft.redirects[index], body=self.text[start:end], line=line)
            if draft.number is not None:
                self.found[draft.number] = replace(self.found[draft.number], redirects=tuple(draft.redirects))

    def _word(self, closer: str, depth: int) -> Word:
        start, parts = self.at, list[str]()
        while self.at < len(self.text):
            character = self.text[self.at]
            if match := _PLAIN.match(self.text, self.at):
                self.at = match.end()
                parts.append(match[0])
            elif character == "'":
                parts.append(self._until("'"))
            elif character == '"':
                parts.append(self._double(closer, depth))
            elif character == "$":
                parts.append(self._dollar(closer, depth))
            elif character == "`" and closer != "`":
                parts.append(self._ticks(depth))
            elif character == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                parts.append("" if escaped == "\n" else escaped)
            else:
                break
        if self.at == start:
            self.at += 1
        return Word("".join(parts), self.text[start : self.at], self._span(start, self.at))

    def _until(self, quote: str) -> str:
        start = self.at
        end = self.text.find(quote, start + 1)
        if end < 0:
            self._complain(start, "the quote that opens here does not close")
            end = len(self.text)
        self.at = end + 1
        return self.text[start + 1 : end]

    def _double(self, closer: str, depth: int) -> str:
        start, parts = self.at, list[str]()
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(parts)
            if match := _QUOTED.match(self.text, self.at):
                self.at = match.end()
                parts.append(match[0])
            elif character == "$":
                parts.append(self._dollar(closer, depth, quoted=True))
            elif character == "`":
                parts.append(self._ticks(depth) if closer != "`" else "`")
                self.at += closer == "`"
            else:
                escaped = self.text[self.at + 1 : self.at + 2]
                parts.append("" if escaped == "\n" else escaped if escaped in '$`"\\' else "\\" + escaped)
                self.at += 2
        self._complain(start, "the quote that opens here does not close")
        return "".join(parts)

    def _dollar(self, closer: str, depth: int, quoted: bool = False) -> str:
        start = self.at
        following = self.text[start + 1 : start + 2]
        if following == "'":
            self.at += 1
            return self._until("'")
        arithmetic = self._sums and self.text.startswith("$((", start)
        if arithmetic and (end := self.text.find("))", start)) >= 0:
            self.at = end + 2
        elif following == "(" and depth < DEEPEST:
            self.at += 2
            self.commands(")", depth + 1)
        else:
            match = _NAME.match(self.text, start + 1)
            if match:
                self.variables.setdefault(match[1], self._span(start, match.end()))
            self.at = match.end() if match else start + 1
            if following == "{":
                self._braces(closer, depth, quoted)
        return self.text[start : self.at]

    def _braces(self, closer: str, depth: int, quoted: bool) -> None:
        """Stand behind the brace that closes `${…`: what it puts in place may be quoted, and have braces of its own.

        Inside double quotes an apostrophe quotes in a pattern (#, %, /) alone."""
        apostrophes = not quoted or self.text[self.at : self.at + 1] in ("#", "%", "/")
        end = self.text.find("}", self.at)
        if end < 0 or _PLAIN_BRACES.fullmatch(self.text, self.at, end):
            self.at = end + 1 if end >= 0 else len(self.text)
            return
        if depth >= DEEPEST:
            self.at = end + 1
            return
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "}":
                self.at += 1
                return
            if character == '"':
                self._double(closer, depth + 1)
            elif character == "$":
                self._dollar(closer, depth + 1)
            elif character == "`" and closer != "`":
                self._ticks(depth + 1)
            elif character == "'" and apostrophes:
                self._until("'")
            else:
                self.at += 2 if character == "\\" else 1

    def _ticks(self, depth: int) -> str:
        start = self.at
        self.at += 1
        if depth < DEEPEST:
            self.commands("`", depth + 1)
        return self.text[start : self.at]

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._newlines, offset - 1)
        return line + 1, offset - (self._newlines[line - 1] if line else -1)

    def _span(self, start: int, end: int) -> Span:
        line, column = self._place(start)
        last, after = self._place(end)
        return Span(self.file, line, column, after if last == line else 0)

    def _complain(self, offset: int, problem: str) -> None:
        if not self.problems:
            self.problems.append(InputError(self.file, *self._place(offset), problem))


class _Draft:
    """A command while it is read."""

    def __init__(self, after: str, depth: int) -> None:
        self.after, self.depth = after, depth
        self.number: int | None = None
        self.words: list[Word] = []
        self.assignments: list[Word] = []
        self.redirects: list[Redirect] = []
