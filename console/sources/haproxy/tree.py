"""haproxy.cfg as a lossless tree: every line as it stands, and the sections HAProxy would see in them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from console.errors import InputError
from console.model import Span
from console.sources.haproxy.build import Build
from console.sources.haproxy.conditions import Conditions
from console.sources.haproxy.keywords import KEYWORDS, PROXIES, SECTIONS, SETTINGS
from console.sources.haproxy.lines import BLANKS, MOST_WORDS, SPECIAL, Line, Scanner, bad_name
from console.sources.haproxy.variables import Variables
from console.text import clean

DIRECTIVES = frozenset({".if", ".elif", ".else", ".endif"})
NOTES = frozenset({".notice", ".warning", ".diag", ".alert"})
MOST_PROBLEMS = 50
"""Per file; HAProxy stops at as many fatal errors."""

MOST_KEPT = 500
"""Different lines of a file that are looked for again."""

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
MARKS = ("\ufeff", "ï»¿")


class Document(Struct, frozen=True):
    """One file: its name as the operator gave it, and its lines."""

    file: str
    lines: tuple[Line, ...]


class Section(Struct, frozen=True, gc=False):
    """A section and the lines that count in it; `doubtful` holds the numbers of the file's lines only perhaps there,
    each with the line of the condition that decides it, and whether it stands in the `.else` of that one.

    `conditional` says that the header itself is only perhaps there."""

    kind: str
    name: str
    base: str | None
    """The name behind `from`."""
    file: str
    header: Line
    lines: list[Line]
    doubtful: dict[int, tuple[int, bool]]
    conditional: bool = False

    @property
    def span(self) -> Span:
        """The header's place."""
        return self.header.span(self.file)


Decided = Mapping[tuple[str, int], bool]
"""Conditions, each by its file and line, that are taken to hold or not."""

_NOTHING: Decided = {}


class Reader:
    """Reads file after file, as HAProxy reads several `-f`: variables live on, sections and `.if` end with the file."""

    def __init__(
        self, environment: Mapping[str, str] | None, build: Build | None = None, decided: Decided = _NOTHING
    ) -> None:
        self.variables = Variables(environment, build)
        self.decided = decided
        self.question: tuple[str, int] | None = None
        """The first condition nobody can decide over a line that changes what other lines mean."""
        self.documents: list[Document] = []
        self.sections: list[Section] = []
        self.problems: list[InputError] = []
        self.binary: set[str] = set()
        self.cut: dict[str, int] = {}

    def read(self, file: str, text: str) -> None:
        """Read one file, whatever is in it."""
        page = _Page(self, file)
        self.documents.append(Document(file, tuple(page.read(text))))
        if "\x00" in text:
            self.binary.add(file)
            page.problems = [_nul(file, text)]
        elif page.problems and (nginx := _NGINX.search(text)):
            self.binary.add(file)
            page.sections = []
            line = text.count("\n", 0, nginx.start()) + 1
            page.problems = [InputError(file, line, 1, _NOT_READ)]
        self.cut[file] = page.cut
        self.sections += page.sections
        if page.question and self.question is None:
            self.question = file, page.question
        self.problems += page.problems

    def explains(self, problem: InputError) -> bool:
        """Say whether a further problem only follows from one that is told already: a binary file, a cut line."""
        return problem.file in self.binary or problem.line == self.cut.get(problem.file)


class _Page:
    """One file being read."""

    def __init__(self, reader: Reader, file: str) -> None:
        self.file = file
        self.variables = reader.variables
        self.variables.file = file
        self.variables.section = ""
        self.scanner = Scanner(reader.variables)
        self.conditions = Conditions({line: holds for (of, line), holds in reader.decided.items() if of == file})
        self.question = 0
        self.sections: list[Section] = []
        self.problems: list[InputError] = []
        self.section: Section | None = None
        self.doubtful: dict[int, tuple[int, bool]] = {}
        self.astray = False
        self.cut = 0

    def read(self, text: str) -> list[Line]:
        lines: list[Line] = []
        add, special = lines.append, SPECIAL.search
        # Most words, and many lines, come again and again: one of each is enough.
        plain: dict[str, Line] = {}
        again = plain.get
        seen: dict[str, str] = {}
        same = seen.setdefault
        for number, raw in enumerate(_LINES.findall(text), 1):
            if (alike := again(raw)) is not None:
                line = Line(number, alike.raw, alike.words, alike.places, alike.comment)
            elif special(raw) is None and len(words := tuple([same(word, word) for word in raw.split()])) <= MOST_WORDS:
                line = Line(number, raw, words, None, -1)
                if len(plain) < MOST_KEPT:
                    plain[raw] = line
            else:
                line = self._scan(number, raw)
                if line.comment >= 0 and not line.words and len(plain) < MOST_KEPT:
                    plain[raw] = line
            add(line)
            if line.words and line.words[0]:
                self._take(line)
        for opened in self.conditions.opened:
            self._problem(opened, 0, "this .if has no .endif: the file may be cut; add the missing rest")
        if lines and not lines[-1].raw.endswith("\n"):
            last = lines[-1]
            # What else is wrong on that line, the cut explains.
            self.problems = [problem for problem in self.problems if problem.line != last.number]
            self.cut = last.number
            self._problem(
                last.number,
                len(last.raw),
                "the last line has no line end, so HAProxy refuses the file; it may be cut: add the missing rest",
            )
        return lines

    def _scan(self, number: int, raw: str) -> Line:
        self.variables.line = number
        readable = raw
        for mark in MARKS if number == 1 else ():
            if raw.startswith(mark):
                readable = " " * len(mark) + raw[len(mark) :]
                self._problem(1, 0, "a byte order mark, which HAProxy refuses: save the file as UTF-8 without one")
        line, fault = self.scanner.read(number, readable)
        if fault is not None:
            self._problem(number, fault.offset, fault.problem)
        return line if readable is raw else replace(line, raw=raw)

    def _take(self, line: Line) -> None:
        keyword = line.words[0]
        if keyword[0] == ".":
            self._direct(keyword, line)
            return
        active = self.conditions.active
        if active is False or keyword[0] == "[":
            return
        section = self.section
        if keyword in SECTIONS or (section is not None and self._unknown(section, keyword, line)):
            self._open(keyword, line)
        elif section is None:
            if not self.astray:
                self.astray = True
                self._at(
                    line, f"'{clean(keyword, 40)}' stands outside any section: the file's beginning may be missing"
                )
        else:
            section.lines.append(line)
            if active is None:
                section.doubtful[line.number] = self.conditions.undecided
                # A proxy that is only perhaps there is told as such, whole.
                whole = section.conditional and section.kind != "defaults"
                if not self.question and section.kind in PROXIES and keyword in SETTINGS and not whole:
                    self.question = self.conditions.question
            if section.kind == "global" and keyword.endswith("env"):
                self.variables.follow(line.words)

    def _direct(self, keyword: str, line: Line) -> None:
        if keyword in DIRECTIVES:
            problem = self.conditions.take(line.words, line.number, self.variables)
            if problem is not None:
                self._at(line, problem)
        elif keyword not in NOTES and self.conditions.active is not False:
            self._at(line, f"HAProxy knows no directive '{clean(keyword, 40)}': correct it or remove it")

    def _unknown(self, section: Section, keyword: str, line: Line) -> bool:
        """Tell a section of a kind nobody knows yet: it begins at the margin while the lines before are indented."""
        return (
            section.kind in PROXIES
            and line.raw[0] not in BLANKS
            and keyword not in KEYWORDS
            and bool(section.lines)
            and section.lines[0].raw[0] in BLANKS
        )

    def _open(self, keyword: str, line: Line) -> None:
        words = line.words
        name = words[1] if len(words) > 1 and words[1] != "from" else ""
        base = None
        if keyword in PROXIES and "from" in words:
            at = words.index("from", 1)
            base = words[at + 1] if len(words) > at + 1 else None
        if keyword in PROXIES and not name and keyword != "defaults":
            self._at(line, f"'{keyword}' needs a name: add it")
        if keyword in PROXIES and (problem := bad_name(name)):
            self._problem(line.number, line.tokens()[1].start, problem)
        if keyword in PROXIES and (extra := _extra(words, name)):
            self._problem(line.number, line.tokens()[extra].start, _EXTRA)
        self.section = Section(keyword, name, base, self.file, line, [], self.doubtful, self.conditions.active is None)
        self.sections.append(self.section)
        self.variables.section = name or keyword

    def _at(self, line: Line, problem: str) -> None:
        tokens = line.tokens()
        self._problem(line.number, tokens[0].start if tokens else 0, problem)

    def _problem(self, number: int, offset: int, problem: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(InputError(self.file, number, offset + 1, problem))


_NGINX = re.compile(
    r"^[ \t]*(?:((?:events|stream|http|server)[ \t]*\{[ \t}]*(?:#.*)?$)|(upstream[ \t]+\S+[ \t]*\{(?!\{)))",
    re.MULTILINE,
)
"""How nginx opens its blocks; no line of HAProxy's looks so."""

_NOT_READ = (
    "this is nginx's configuration, and of proxies HAProxy's alone is read: name no file of nginx's in haproxy, and say"
    " each of its ports by a [[lane]]"
)

_EXTRA = "a section's line ends with its name and 'from' another: write an address as 'bind' on a line of its own"


def _extra(words: tuple[str, ...], name: str) -> int:
    """Return the first word too many on a proxy's header, 0 when there is none."""
    at = 2 if name else 1
    if len(words) <= at:
        return 0
    if words[at] != "from" or len(words) == at + 1:
        return at
    return at + 2 if len(words) > at + 2 else 0


def _nul(file: str, text: str) -> InputError:
    """Say where the first NUL byte is: nothing else about such a file is worth saying."""
    at = text.index("\x00")
    before = text.rfind("\n", 0, at)
    line = text.count("\n", 0, at) + 1
    return InputError(
        file, line, at - before, "a NUL byte: this is no text file, or a damaged one; put a good copy here"
    )
