"""Home: the lane matrix, and the evidence of the chosen cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from textual.app import ComposeResult

from console.model import HOPS, Finding, HopName, Lane, Role, Span
from screens.board import Change, Key
from screens.text import Line, Piece, clip, fit, follow
from screens.textual_private import PlacedWidget
from screens.themes import MARKS
from screens.view import WIDE, View
from screens.views.evidence import brief, evidence, excerpt, place_of, plain, rule, stopped, unusable
from screens.widgets.edges import STOPPED
from screens.widgets.pane import Pane

TITLES: dict[HopName, str] = {
    "public": "public", "haproxy": "haproxy", "tunnel": "tunnel", "vm": "vm", "service": "service",
}  # fmt: skip

MATRIX_ROWS = 6
"""What the style sheet begins with: a title and five lanes."""

LEAST_EXTRA = 6
"""Rows that must be free before the evidence is followed by more than itself."""

LEAST_EVIDENCE = 12
"""Rows below which the matrix scrolls rather than grows."""


class Lanes(View):
    """Rows are lanes, columns are hops; one narrow pane for each column."""

    NAME: ClassVar[str] = "lanes"

    def __init__(self) -> None:
        super().__init__(id="lanes")
        self.row = 0
        self.column = 0
        self.top = 0
        self.skipped = 0
        self.wanted = ""
        self._placed = False
        self._tall = MATRIX_ROWS

    def compose(self) -> ComposeResult:
        """Lay out left (matrix, excerpt) and evidence."""
        self.fit()
        columns = [Pane(partial(self._column, at), classes="hop") for at in range(len(HOPS))]
        yield PlacedWidget(
            PlacedWidget(Pane(self._labels, id="labels"), *columns, id="matrix"),
            Pane(self._excerpt, id="excerpt"),
            id="left",
        )
        yield Pane(self._evidence, id="evidence")

    # what is shown

    def rows(self) -> list[Lane]:
        """The lanes that pass the filter."""
        return self.board.memory.once(("rows", self.wanted), self._rows)

    def _rows(self) -> list[Lane]:
        if not self.wanted:
            return list(self.board.lanes)
        return [lane for lane in self.board.lanes if self.wanted in f"{lane.port} {lane.name} {lane.protocol}".lower()]

    def chosen(self) -> tuple[Lane, HopName] | None:
        """The cell under the cursor."""
        rows = self.rows()
        return (rows[min(self.row, len(rows) - 1)], HOPS[self.column]) if rows else None

    def _labels(self, width: int, height: int) -> list[Line]:
        ink = self.ink
        window = self._window(height)
        lines: list[Line] = [((" lane", ink.muted), *self._hidden(len(window)))]
        if not window and self.board.lanes:
            lines.append(((f" none has “{self.wanted}”", ink.degraded),))
        for at, lane in window:
            style = ink.bright if at == self.row else ink.text
            pieces: list[Piece] = [(f" {lane.port:<4} {fit(lane.name, 8)} ", style)]
            if width > 30 and lane.leads:
                version = f" {lane.header.removeprefix('PROXY ')}" if lane.proxy_protocol or lane.headers else ""
                pieces.append((clip(f"{lane.leads}{version}", width - 16), ink.muted))
            lines.append(tuple(pieces))
        return lines

    def _column(self, column: int, width: int, height: int) -> list[Line]:
        ink, hop = self.ink, HOPS[column]
        lines: list[Line] = []
        for at, lane in self._window(height):
            reading = self.board.readings.get((lane.id, hop))
            outcome = reading.outcome if reading else "skipped"
            word = reading.word if reading else ""
            lamp, words = ink.state(outcome), ink.muted if outcome in ("ok", "skipped") else ink.state(outcome)
            if self.board.break_hop(lane) == hop and outcome == "failed":
                lamp = words = ink.broken
            chosen = at == self.row and column == self.column
            if chosen:
                lamp, words = ink.chosen(lamp), ink.chosen(words)
            lead = "▸" if chosen else " "
            lines.append(
                (
                    (lead + MARKS[outcome] + " ", lamp),
                    (fit(word if cell_len(word) <= width - 4 else word.replace(" ms", "ms"), width - 4), words),
                    (" ", ink.text),
                )
            )
        return [((" " + clip(TITLES[hop], width - 1), self._title_style(hop)),), *lines]

    def _hidden(self, shown: int) -> list[Piece]:
        """How many lanes are above and below what is shown, and how many of those are broken."""
        end = self.top + shown
        failing = self.board.memory.once(("failing", self.wanted), self._failing)
        below = len(failing) - 1 - end
        told = [f" ↑{self.top}"] if self.top else []
        told += [f" ↓{below}"] if below > 0 else []
        broken = failing[-1] - (failing[end] - failing[self.top])
        pieces: list[Piece] = [("".join(told), self.ink.text)] if told else []
        return [*pieces, (f" ✗{broken}", self.ink.broken)] if broken else pieces

    def _failing(self) -> list[int]:
        """How many of the first rows are broken: of none, of one, and so on."""
        return [0, *accumulate("failed" in self.board.outcomes(lane) for lane in self.rows())]

    def _title_style(self, hop: HopName) -> Style:
        return self.ink.broken if self.board.shared(hop) else self.ink.muted

    def _window(self, height: int) -> list[tuple[int, Lane]]:
        room = max(height - 1, 1)
        rows = self.rows()
        self.top = follow(self.top, self.row, len(rows), room)
        return list(enumerate(rows[self.top : self.top + room], self.top))

    def _evidence(self, width: int, height: int) -> list[Line]:
        ink = self.ink
        if self.board.unusable and self.board.estate is not None:
            return unusable(ink, self.board.estate.problems, width)
        failed = self.board.failed
        if failed is not None and len(f"{STOPPED}{failed.summary}") > width - 2:
            return stopped(ink, failed.summary, width)
        lines = evidence(self.board, ink, self.chosen(), width, self._latencies())
        spare = height - len(lines) - 1
        if spare >= LEAST_EXTRA:
            more = self._standing(width, spare)
            return [*lines, *[()] * (height - len(lines) - len(more)), *more]
        self.skipped = max(min(self.skipped, len(lines) - height), 0)
        head, rest = lines[:1], lines[1 + self.skipped : height + self.skipped]
        below = len(lines) - height - self.skipped
        if below > 0 and rest:
            rest[-1] = ((f" ↓ {below + 1} more lines: pgdn", ink.muted),)
        return head + rest

    def _latencies(self) -> tuple[float, ...]:
        key = self.key()
        return self.cowhand.engine.latencies(*key) if key is not None else ()

    def _standing(self, width: int, spare: int) -> list[Line]:
        """What stands at the foot of the evidence: where to repair what is broken, or beside it what else is known.

        The latter stays where it is whatever is chosen, so that moving the cursor sends none of it."""
        if not self.has_class("-wide"):
            return excerpt(self.board, self.ink, self.place(), width, spare) if self._bad() else []
        known = [found for found in self.board.findings() if not found.observed]
        if not known or len(known) >= spare:
            return []
        rows = [brief(self.ink, found, width) for found in known]
        return [rule(self.ink, (("read in the sources", self.ink.muted),), width), *rows]

    def _bad(self) -> bool:
        chosen = self.chosen()
        reading = self.board.readings.get((chosen[0].id, chosen[1])) if chosen else None
        return reading is not None and reading.outcome in ("failed", "degraded")

    def _excerpt(self, width: int, height: int) -> list[Line]:
        return excerpt(self.board, self.ink, self.place(), width, height)

    # what happens

    def fit(self) -> None:
        """Give the matrix as many rows as it has lanes, as long as evidence has room."""
        super().fit()
        if not self.is_attached or not self.query("#matrix"):
            return
        width, height = self.cowhand.size
        room = height - 4 - LEAST_EVIDENCE
        wanted = 1 + max(len(self.board.lanes) or 5, 3)
        wanted = min(wanted, height - 12 if width >= WIDE else max(room, 4))
        if wanted != self._tall:
            self._tall = wanted
            self.query_one("#matrix").styles.height = wanted

    def changed(self, change: Change) -> None:
        """Show what came; during the first sweep, until a key is pressed, the cursor goes to the first broken cell."""
        if change.estate:
            self.fit()
            self.row = max(min(self.row, len(self.rows()) - 1), 0)
        if change.cells and not self._placed:
            self._seek(1, from_start=True)
        self._placed = self._placed or self.board.observed is not None
        self.redraw()

    def do(self, id: str) -> None:
        """Move, or open."""
        last = max(len(self.rows()) - 1, 0)
        move: dict[str, Callable[[], tuple[int, int]]] = {
            "down": lambda: (min(self.row + 1, last), self.column),
            "up": lambda: (max(self.row - 1, 0), self.column),
            "left": lambda: (self.row, max(self.column - 1, 0)),
            "right": lambda: (self.row, min(self.column + 1, len(HOPS) - 1)),
            "first": lambda: (0, 0),
            "last": lambda: (last, self.column),
        }
        self._placed = True
        if id in move:
            self._go(*move[id]())
        elif id in ("next", "previous"):
            self._seek(1 if id == "next" else -1)
        elif id in ("page_down", "page_up"):
            page = max(self.query_one("#evidence").size.height - 3, 1)
            self.skipped = max(self.skipped + (page if id == "page_down" else -page), 0)
        elif id == "open":
            self.cowhand.show_finding(self.finding() or self._first())
        self.redraw()

    def _go(self, row: int, column: int) -> None:
        if (row, column) != (self.row, self.column):
            self.row, self.column, self.skipped = row, column, 0

    def _seek(self, step: int, from_start: bool = False) -> None:
        rows = {lane.id: at for at, lane in enumerate(self.rows())}
        cells = [key for key in self.board.troubled() if key[0] in rows]
        if not cells:
            if not from_start:
                self.cowhand.say(self._untroubled())
            return
        here = self.key()
        first = 0 if step > 0 else -1
        at = first if from_start or here not in cells else (cells.index(here) + step) % len(cells)
        self._go(rows[cells[at][0]], HOPS.index(cells[at][1]))

    def _untroubled(self) -> str:
        if self.wanted and self.board.troubled():
            return f"no lane with “{self.wanted}” is broken; others are: esc shows all"
        return "nothing was asked yet" if self.board.observed is None else "no lane is broken"

    def filter(self, text: str) -> None:
        """Keep the lanes whose port, name or protocol has `text` in it."""
        self.wanted, self.row, self.top = text.lower(), 0, 0
        self.redraw()

    def finding(self) -> Finding | None:
        """The first finding that touches the chosen cell, else its lane."""
        chosen = self.chosen()
        if chosen is None:
            return None
        touching = self.board.touching(*chosen)
        if self._bad() and not any(found.observed for found in touching):
            touching = [*self.board.causes(chosen[0]), *touching]
        return touching[0] if touching else None

    def _first(self) -> Finding | None:
        """What the first sentence names; None when nothing was observed."""
        seen = self.board.observed
        return seen.findings[0] if seen is not None and seen.findings else None

    def choose(self, what: Finding | Span) -> None:
        """Put the cursor on the cell that a finding is about: a broken one of its hop before another."""
        if isinstance(what, Span):
            return
        self.wanted = ""
        rows = {lane.id: at for at, lane in enumerate(self.rows())}
        for lane in sorted((lane for lane in what.lanes if lane in rows), key=lambda lane: self._well(lane, what.hop)):
            known = self.board.lane(lane)
            hop = what.hop or (self.board.break_hop(known) if known else None) or HOPS[0]
            self._placed = True
            self._go(rows[lane], HOPS.index(hop))
            break
        self.redraw()

    def _well(self, lane: str, hop: HopName | None) -> bool:
        reading = self.board.readings.get((lane, hop)) if hop else None
        return reading is None or reading.outcome != "failed"

    def machine(self) -> tuple[Role, str] | None:
        """The machine of the chosen cell: the proxy, the mail host, or the container of the lane's service there."""
        if (chosen := self.chosen()) is None or chosen[1] == "public":
            return None
        lane, hop = chosen
        return (
            ("proxy", "") if hop in ("haproxy", "tunnel") else ("mail", lane.service or "" if hop == "service" else "")
        )

    def place(self) -> Span | None:
        """Where the chosen cell comes from."""
        chosen = self.chosen()
        return place_of(self.board, *chosen) if chosen else None

    def text(self) -> str:
        """The evidence, as plain lines."""
        chosen = self.chosen()
        return plain(self.board, *chosen) if chosen else ""

    def key(self) -> Key | None:
        """The chosen cell's key."""
        chosen = self.chosen()
        return (chosen[0].id, chosen[1]) if chosen else None
