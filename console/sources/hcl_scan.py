"""One quick pass over HCL before its grammar: the comments, and what is left open."""

from __future__ import annotations

import re
from bisect import bisect_right

from console.errors import InputError

DEEPEST = 100
"""Brackets inside brackets; the walk calls itself once for each."""

BLANKS = 4096
"""White space in one run inside a heredoc; the grammar's pattern takes the square of it."""

_CODE = re.compile(r'#[^\n]*|//[^\n]*|/\*|"|<<-?([A-Za-z_][\w.-]*)\r?\n|[()\[\]{}]')
_QUOTED = re.compile(r'\\.|\$\$\{|%%\{|[$%]\{|"|\n')
_BLANKS = re.compile(r"\s+")
_CLOSES = {"{": "}", "(": ")", "[": "]", "${": "}", '"': '"'}


class Scan:
    """One quick pass before the grammar: the comments, and what is left open.

    The grammar reads a quote without its end on to the next quote and then complains somewhere else, and a heredoc
    without its end takes it very long; this finds where they begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments: dict[int, str] = {}
        self.flaw: tuple[int, str] | None = None
        self.hopeless = False
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._run()

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, 1-based."""
        line = bisect_right(self._newlines, offset - 1)
        return line + 1, offset - (self._newlines[line - 1] if line else -1)

    def error(self, file: str) -> InputError:
        """Return the flaw, with its place."""
        assert self.flaw is not None
        return InputError(file, *self.place(self.flaw[0]), f"this is not HCL: {self.flaw[1]}")

    def _fail(self, offset: int, problem: str, hopeless: bool = False) -> int:
        self.flaw, self.hopeless = (offset, problem), hopeless
        return len(self.text) + 1

    def _run(self) -> None:
        stack: list[tuple[str, int]] = []
        position = 0
        while position <= len(self.text):
            quoted = bool(stack) and stack[-1][0] == '"'
            match = (_QUOTED if quoted else _CODE).search(self.text, position)
            if match is None:
                break
            position = self._quoted(match, stack) if quoted else self._code(match, stack)
            if len(stack) > DEEPEST:
                position = self._fail(match.start(), f"more than {DEEPEST} brackets inside each other", True)
        if stack and self.flaw is None:
            opener, offset = stack[-1]
            line = self.place(offset)[0]
            closer = _CLOSES[opener]
            self._fail(
                len(self.text.rstrip()),
                f'"{closer}" expected before the end of the file, for the "{opener}" of line {line}; was the file cut?',
            )

    def _quoted(self, match: re.Match[str], stack: list[tuple[str, int]]) -> int:
        found = match[0]
        if found == '"':
            stack.pop()
        elif found == "\n":
            return self._fail(stack[-1][1], 'the text that begins here has no closing " on its line')
        elif found in ("${", "%{"):
            stack.append(("${", match.start()))
        return match.end()

    def _code(self, match: re.Match[str], stack: list[tuple[str, int]]) -> int:
        found, start = match[0], match.start()
        if found in '{(["':
            stack.append((found, start))
        elif found in "})]":
            if not stack or _CLOSES[stack[-1][0]] != found:
                what = f'"{_CLOSES[stack[-1][0]]}" expected before "{found}"' if stack else f'"{found}" closes nothing'
                if stack:
                    what += f', for the "{stack[-1][0]}" of line {self.place(stack[-1][1])[0]}'
                return self._fail(start, what)
            stack.pop()
        elif found == "/*":
            end = self.text.find("*/", match.end())
            if end < 0:
                return self._fail(start, 'the comment that begins here has no closing "*/"')
            self._comment(start, self.text[start + 2 : end])
            return end + 2
        elif found.startswith("<<"):
            return self._heredoc(match)
        else:
            self._comment(start, found.lstrip("#/"))
        return match.end()

    def _heredoc(self, match: re.Match[str]) -> int:
        end = re.compile(rf"^[ \t]*{re.escape(match[1])}\r?$", re.MULTILINE).search(self.text, match.end() - 1)
        if end is None:
            return self._fail(match.start(), f'the text that begins here has no closing "{match[1]}"', True)
        for blanks in _BLANKS.finditer(self.text, match.end(), end.start()):
            if blanks.end() - blanks.start() > BLANKS:
                return self._fail(blanks.start(), f"more than {BLANKS} blank characters in a row", True)
        return end.end()

    def _comment(self, offset: int, text: str) -> None:
        line = self.place(offset)[0]
        for number, part in enumerate(text.split("\n")):
            if part := part.strip().lstrip("* "):
                self.comments[line + number] = f"{self.comments.get(line + number, '')} {part}".strip()
