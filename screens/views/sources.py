"""The files as they are, with the findings in their margin and the one on the cursor's line explained."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult

from console.errors import InputError
from console.model import Finding, Span
from screens.board import Change
from screens.text import Line, Piece, cells, clean, clip, follow, wrap
from screens.themes import SEVERITIES
from screens.view import View
from screens.views.evidence import describe, explain, rule, short_name
from screens.widgets.pane import Pane

STEP = 8
"""Columns that left and right move a long line by."""

COMMENTS = ("#", "//")

UNREAD = "· unread"
"""The margin of a line that has a word HAProxy may not know."""


class Sources(View):
    """Files by name on one row, the text of one of them, and what is wrong with its line."""

    NAME: ClassVar[str] = "sources"

    def __init__(self) -> None:
        super().__init__(id="sources")
        self.file = ""
        self.cursor = 1
        self.top = 0
        self.shift = 0
        self._rows: list[str] = []
        self._marks: dict[int, list[Finding]] = {}
        self._doubts: dict[int, list[InputError]] = {}

    def compose(self) -> ComposeResult:
        """Lay out names, text and explanation."""
        self.fit()
        yield Pane(self._names, id="sources-names")
        yield Pane(self._text, id="sources-text")
        yield Pane(self._why, id="sources-why")

    def files(self) -> list[str]:
        """The names of all files that were read."""
        return list(self.board.estate.texts) if self.board.estate else []

    def _read(self) -> None:
        files = self.files()
        if self.file not in files:
            self.file = files[0] if files else ""
            self._open()
            return
        self._rows = [row.expandtabs(4) for row in self.board.rows(self.file)]
        self.cursor = max(min(self.cursor, len(self._rows)), 1)
        self._marks = {}
        for found in self.board.findings():
            for place in (found.where, *found.also):
                if isinstance(place, Span) and place.file == self.file and found not in self._at(place.line):
                    self._marks.setdefault(place.line, []).append(found)
        self._doubts = {}
        for doubt in self.board.estate.warnings if self.board.estate else ():
            if doubt.file == self.file:
                self._doubts.setdefault(doubt.line, []).append(doubt)

    def _open(self) -> None:
        """Begin a file at its first finding."""
        self.cursor, self.top, self.shift = 1, 0, 0
        if self.file:
            self._read()
            self.cursor = min(self._marks or self._doubts, default=1)

    def _at(self, line: int) -> list[Finding]:
        return self._marks.get(line, [])

    def _names(self, width: int, height: int) -> list[Line]:
        ink = self.ink
        names: list[tuple[str, list[Piece]]] = []
        counts = self.board.memory.once("places of files", self._counts)
        for file in self.files():
            count = counts[file]
            here = file == self.file
            piece: list[Piece] = [
                ("▸" if here else " ", ink.key),
                (short_name(file), ink.bright if here else ink.muted),
            ]
            if count:
                piece.append((f" ({count})", ink.degraded if here else ink.muted))
            names.append((file, [*piece, ("  ", ink.text)]))
        while len(names) > 1 and names[0][0] != self.file and sum(cells(piece) for _, piece in names) > width:
            names.pop(0)
        return (
            [tuple(piece for _, pieces in names for piece in pieces)]
            if names
            else [((f" {self._missing()}", ink.muted),)]
        )

    def _counts(self) -> Counter[str]:
        """Return how many places of findings each file has."""
        places = (place for found in self.board.findings() for place in (found.where, *found.also))
        return Counter(place.file for place in places if isinstance(place, Span))

    def _missing(self) -> str:
        """Say why there is no file: what is shown at the very start is kept without the texts."""
        kept = self.board.estate is not None and self.board.estate.topology.lanes
        return "the files are being read" if kept else "no file was read"

    def _text(self, width: int, height: int) -> list[Line]:
        self.top = follow(self.top, self.cursor - 1, len(self._rows), height)
        digits = max(len(str(len(self._rows))), 3)
        return [
            self._row(number, digits, width)
            for number in range(self.top + 1, min(self.top + height, len(self._rows)) + 1)
        ]  # fmt: skip

    def _row(self, number: int, digits: int, width: int) -> Line:
        ink, here, found = self.ink, number == self.cursor, self._at(number)
        margin: Piece = (" " * 9, ink.text)
        if found:
            margin = (
                f"{SEVERITIES[found[0].severity]} {found[0].id}{'+' if len(found) > 1 else ' '}",
                ink.severity(found[0].severity),
            )
        elif number in self._doubts:
            margin = (UNREAD, ink.muted)
        row = clean(self._rows[number - 1])
        comment = row.lstrip().startswith(COMMENTS)
        style = ink.bright if here else ink.muted if comment else ink.text
        line: list[Piece] = [
            ("▸" if here else " ", ink.key),
            (f"{margin[0]:<8}"[:8], margin[1]),
            (f"{number:>{digits}} ", ink.bright if here else ink.faint),
        ]
        text = clip(row[self.shift :], width - cells(line))
        at = text.lower().find(self.wanted) if self.wanted else -1
        if at < 0:
            return (*line, (text, style))
        end = at + len(self.wanted)
        return (*line, (text[:at], style), (text[at:end], ink.lab), (text[end:], style))

    def _why(self, width: int, height: int) -> list[Line]:
        ink = self.ink
        found = self._at(self.cursor)
        place: Piece = (f"{short_name(self.file)}:{self.cursor}" if self.file else "", ink.muted)
        lines = [rule(ink, (place,), width)]
        doubts = self._doubts.get(self.cursor, [])
        if not found and not doubts:
            hint = "no finding on this line; n goes to the next" if self._marked() else "no finding in this file"
            return [*lines, ((f" {hint}", ink.muted),)]
        for one in found:
            lines += explain(ink, one, width, places=False)
        for doubt in doubts:
            head, *rest = wrap(clean(doubt.problem), width - len(UNREAD) - 4)
            lines.append(((f" {UNREAD}  ", ink.muted), (head, ink.text)))
            lines += [((" " * (len(UNREAD) + 3) + row, ink.text),) for row in rest]
        if len(lines) > height and found:
            lines[height - 1 :] = [
                ((f" {len(found)} findings on this line: key 2 shows all of their words", ink.muted),)
            ]
        return lines

    def changed(self, change: Change) -> None:
        """Read again what the engine read again."""
        if change.estate or change.findings:
            self.shown()

    def shown(self) -> None:
        """Come to the front."""
        self._read()
        self.redraw()

    def do(self, id: str) -> None:
        """Move in the file, to its findings, or to another file."""
        page = max(self.query_one("#sources-text").size.height - 2, 1)
        last = len(self._rows)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -last, "last": last}
        if id in steps:
            self.cursor = max(min(self.cursor + steps[id], last), 1)
        elif id in ("left", "right"):
            longest = max((cell_len(row) for row in self._rows), default=0)
            self.shift = max(min(self.shift + (STEP if id == "right" else -STEP), longest - STEP), 0)
        elif id in ("next", "previous"):
            self._seek(id == "next")
        elif id in ("next_file", "previous_file"):
            files = self.files()
            if files:
                step = 1 if id == "next_file" else -1
                self.file = files[(files.index(self.file) + step) % len(files)]
                self._open()
        self.redraw()

    def _marked(self) -> list[int]:
        """The lines that have something in their margin."""
        return sorted(self._marks.keys() | self._doubts.keys())

    def _seek(self, onward: bool) -> None:
        marked = self._marked()
        if not marked:
            self.cowhand.say("no finding in this file")
        elif onward:
            self.cursor = next((line for line in marked if line > self.cursor), marked[0])
        else:
            self.cursor = next((line for line in reversed(marked) if line < self.cursor), marked[-1])

    def choose(self, what: Finding | Span) -> None:
        """Put the cursor on a place."""
        if isinstance(what, Span):
            self.file = what.file
            self.shift = 0
            self._read()
            self.cursor = max(min(what.line, len(self._rows)), 1)
            self.redraw()

    def filter(self, text: str) -> None:
        """Go to the next line that has `text` in it, from the cursor on and round."""
        self.wanted = text.lower()
        if self.wanted:
            order = [*range(self.cursor, len(self._rows) + 1), *range(1, self.cursor)]
            self.cursor = next((at for at in order if self.wanted in self._rows[at - 1].lower()), self.cursor)
        self.redraw()

    def finding(self) -> Finding | None:
        """The first finding on the cursor's line."""
        return next(iter(self._at(self.cursor)), None)

    def place(self) -> Span | None:
        """The cursor's line."""
        return Span(self.file, self.cursor) if self.file else None

    def text(self) -> str:
        """The line with its place, and what is wrong with it."""
        if not self._rows:
            return ""
        rows = [f"{self.file}:{self.cursor}: {self._rows[self.cursor - 1].strip()}"]
        doubts = [f"warning: {clean(doubt.problem)}" for doubt in self._doubts.get(self.cursor, [])]
        return "\n".join([*rows, *(describe(found) for found in self._at(self.cursor)), *doubts]) + "\n"


SCREEN = Sources
