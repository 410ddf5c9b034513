"""One quick pass over HCL before its grammar: comments, heredocs, what is left open, and the text the grammar gets."""

from __future__ import annotations

import re
from bisect import bisect_right

from console.errors import InputError
from console.sources.hcl_template import Unclosed, end_of

DEEPEST = 100
"""Brackets inside brackets; the walk calls itself once for each."""

PIECE = 1024
"""Characters that the grammar is given at once, at the least; its tree takes some three hundred times the text."""

_SKIPPED = r"#[^\n]*|//[^\n]*|/\*"
_CODE = re.compile(_SKIPPED + r'|"|<<-?([^\W\d][\w-]*)\r?\n|~?\}|[()\[\]{]|[^\x00-\x7f]+')
_FLAT = re.compile(_SKIPPED + r'|"|<<-?([^\W\d][\w-]*)\r?\n|~?\}|[()\[\]{]|[^\x00-\x7f]+|\n')
_QUOTED = re.compile(r'\\.|\$\$\{|%%\{|[$%]\{~?|"|\n')
_FOR = re.compile(r"(?:\s|#[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*+for\s+[^\W\d][\w-]*\s*(?:,|in\b)", re.DOTALL)
_CLOSES = {"{": "}", "(": ")", "[": "]", "${": "}", '"': '"'}


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
        self.cuts: list[int] = []
        """Offsets of lines at which a new attribute or block of the file's own may begin."""
        self._newlines = self.lines(text)
        self._blanked: list[tuple[int, int, str]] = []
        self._run()

    @property
    def masked(self) -> str:
        """The text for the grammar."""
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
        stack: list[tuple[str, int, bool]] = []
        position, wanted = 0, PIECE
        while position <= len(self.text):
            opener, _, flat = stack[-1] if stack else ("", 0, False)
            quoted = opener == '"'
            match = (_QUOTED if quoted else _FLAT if flat else _CODE).search(self.text, position)
            if match is None:
                break
            if not stack and position >= wanted:
                newline = self.text.rfind("\n", position, match.start())
                if newline >= 0:
                    self.cuts.append(newline + 1)
                    wanted = newline + PIECE
            position = self._quoted(match, stack) if quoted else self._code(match, stack)
            if len(stack) > DEEPEST:
                position = self._fail(match.start(), f"more than {DEEPEST} brackets inside each other", True)
        if stack and self.flaw is None:
            opener, offset, _ = stack[-1]
            line = self.place(offset)[0]
            closer = _CLOSES[opener]
            self._fail(
                len(self.text.rstrip()),
                f'"{closer}" expected before the end of the file, for the "{opener}" of line {line}; was the file cut?',
            )

    def _quoted(self, match: re.Match[str], stack: list[tuple[str, int, bool]]) -> int:
        found = match[0]
        if found == '"':
            stack.pop()
        elif found == "\n":
            return self._fail(stack[-1][1], 'the text that begins here has no closing " on its line')
        elif found[0] in "$%" and found not in ("$${", "%%{"):
            stack.append(("${", match.start(), True))
            if found.endswith("~"):
                self._strip(match.start(), match.end() - 1)
        return match.end()

    def _code(self, match: re.Match[str], stack: list[tuple[str, int, bool]]) -> int:
        found, start = match[0], match.start()
        if found == "~}":
            found, start = "}", start + 1
            self._strip(start, start - 1)
        if found == "\n":
            self._blanked.append((start, start + 1, " "))
        elif found in '([{"':
            stack.append((found, start, found != "{" or bool(_FOR.match(self.text, start + 1))))
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
            self._comment(start, self.text[start + 2 : end], end + 2)
            return end + 2
        elif found.startswith("<<"):
            return self._heredoc(match)
        elif found[0] in "#/":
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
