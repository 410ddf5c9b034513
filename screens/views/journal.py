"""The journal: the runs of this site, the latest first; one of them opened shows what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from screens.board import Change
from screens.text import Line, clock, fit, follow, wrap
from screens.view import View
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from rich.style import Style

    from console.events import RunShown

SHAPES = {"done": "✓", "failed": "✗", "refused": "✗", "running": "▸"}
"""A shape for how a run ended, so that colour is never alone; ■ for every other."""


class Journal(View):
    """A list of runs; the journal is read again whenever it comes to the front."""

    NAME: ClassVar[str] = "journal"

    def __init__(self) -> None:
        super().__init__(id="journal")
        self.cursor = self.top = self.skipped = 0
        self.opened = ""
        """The run whose entries are shown; "" for the list."""

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._journal, id="journal-list")

    def runs(self) -> list[RunShown]:
        """The runs that pass the filter, the latest first."""
        known = self.board.runs
        if known is None:
            return []
        return [run for run in known.runs if self.wanted in f"{run.run} {run.flow} {run.state} {run.words}".lower()]

    def chosen(self) -> RunShown | None:
        """The opened run, else the one under the cursor."""
        runs = self.runs()
        if self.opened and self.board.runs is not None:
            return next((run for run in self.board.runs.runs if run.run == self.opened), None)
        return runs[min(self.cursor, len(runs) - 1)] if runs else None

    # what is shown

    def _journal(self, width: int, height: int) -> list[Line]:
        known, chosen = self.board.runs, self.chosen()
        if self.opened and chosen is not None:
            return self._entries(chosen, width, height)
        if known is None:
            return [((" the journal is being read", self.ink.muted),)]
        if known.problem:
            return [((f" {row}", self.ink.broken),) for row in wrap(known.problem, width - 2)]
        runs = self.runs()
        if not runs:
            what = f"no run has “{self.wanted}” in it" if self.wanted else "no flow has run here"
            return [((f" {what}", self.ink.muted),)]
        about = self._about(runs[min(self.cursor, len(runs) - 1)], width)
        room = max(height - len(about) - 1, 1)
        self.cursor = min(self.cursor, len(runs) - 1)
        self.top = follow(self.top, self.cursor, len(runs), room)
        shown = list(enumerate(runs))[self.top : self.top + room]
        rows = [self._row(run, width, at == self.cursor) for at, run in shown]
        return [*rows, *[()] * (room - len(rows) + 1), *about][:height]

    def _mark(self, run: RunShown) -> tuple[str, Style]:
        ink = self.ink
        style = {"done": ink.ok, "failed": ink.broken, "refused": ink.broken, "running": ink.unknown}
        return SHAPES.get(run.state, "■"), style.get(run.state, ink.degraded)

    def _row(self, run: RunShown, width: int, here: bool) -> Line:
        ink = self.ink
        shape, style = self._mark(run)
        when = fit(clock(run.began, self._moment(), seconds=True), 15)
        what = f"undo of {run.undo}" if run.undo else run.words
        row: Line = (
            ("▸" if here else " ", ink.bright),
            (f"{when} ", ink.muted),
            (f"{fit(run.flow or '?', 20)} ", ink.bright if here else ink.text),
            (f"{shape} {fit(run.state, 11)} ", style),
            (fit(what, max(width - 53, 1)), ink.muted),
        )
        return tuple((text, ink.chosen(worn)) for text, worn in row) if here else row

    def _about(self, run: RunShown, width: int) -> list[Line]:
        """What is known of the run under the cursor, and whether it can be undone."""
        ink = self.ink
        lines: list[Line] = [((f" {run.run}", ink.bright),)]
        lines += [((f" {row}", ink.text),) for row in wrap(run.words, width - 2, 3)]
        return [*lines, *self._undo(run, width)]

    def _undo(self, run: RunShown, width: int) -> list[Line]:
        ink = self.ink
        if run.refused:
            return [((f" {row}", ink.muted),) for row in wrap(f"cannot be undone: {run.refused}", width - 2)]
        if self.cowhand.read_only:
            return [((" read-only: it cannot be undone from here", ink.degraded),)]
        return [((" u ", ink.key), ("undo it: each step is planned and shown before you are asked", ink.text))]

    def _entries(self, run: RunShown, width: int, height: int) -> list[Line]:
        ink = self.ink
        shape, style = self._mark(run)
        when = clock(run.began, self._moment(), seconds=True)
        head: Line = ((f" {shape} ", style), (run.flow or "?", ink.bright), (f"  {when}  {run.run}", ink.muted))
        rows: list[Line] = []
        for row in run.rows:
            indent, text = row[:12], row[12:]
            style = ink.muted if indent.isspace() else ink.text
            for at, part in enumerate(wrap(text, width - 11) or [""]):
                rows.append(((indent[2:].ljust(10) if not at else " " * 10, ink.muted), (part, style)))
        undo = self._undo(run, width)
        room = max(height - 2 - len(undo), 1)
        self.skipped = max(min(self.skipped, len(rows) - room), 0)
        shown = rows[self.skipped : self.skipped + room]
        below = len(rows) - room - self.skipped
        more: Line = ((f" ↓ {below} more lines: pgdn", ink.degraded),) if below > 0 else ()
        return [head, *shown, *[()] * (room - len(shown)), more, *undo][:height]

    def _moment(self) -> float:
        known = self.board.runs
        return max(self.board.now, known.runs[0].began if known is not None and known.runs else 0.0)

    # what happens

    def shown(self) -> None:
        """Come to the front, and read the journal again."""
        self.cowhand.engine.look_runs()
        self.redraw()

    def changed(self, change: Change) -> None:
        """Show what the engine said of the journal."""
        if change.runs:
            self.redraw()

    def close(self) -> bool:
        """Go back from the entries of a run to the list."""
        was, self.opened = self.opened, ""
        self.redraw()
        return bool(was)

    def do(self, id: str) -> None:
        """Move, open a run, read again, or undo a run."""
        page = max(self.size.height - 3, 1)
        moves = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -100_000, "last": 100_000}
        if id in moves and self.opened:
            self.skipped = max(self.skipped + moves[id], 0)
        elif id in moves:
            self.cursor = min(max(self.cursor + moves[id], 0), max(len(self.runs()) - 1, 0))
        elif id == "check":
            self.cowhand.engine.look_runs()
        elif id == "open" and not self.opened and (chosen := self.chosen()) is not None:
            self.opened, self.skipped = chosen.run, 0
        elif id == "undo" and (chosen := self.chosen()) is not None:
            self._take_back(chosen)
        self.redraw()

    def _take_back(self, run: RunShown) -> None:
        if self.board.busy:
            self.cowhand.say("a flow is running: wait for its end")
        elif run.refused:
            self.cowhand.say(run.refused)
        else:
            self.cowhand.undo_run(run.flow, run.run)

    def filter(self, text: str) -> None:
        """Keep the runs that have `text` in name, flow, state or words."""
        self.wanted, self.cursor, self.top, self.opened = text.lower(), 0, 0, ""
        self.redraw()

    def text(self) -> str:
        """The entries of the opened run, else of the one under the cursor, as plain lines."""
        run = self.chosen()
        rows = [f"{run.run}  {run.flow}  {run.state}", *run.rows] if run is not None else []
        return "".join(f"{row}\n" for row in rows)


SCREEN = Journal
