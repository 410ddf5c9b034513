"""The flows there are: what each is for, how it stands, and what came of its last run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult

from console.runner.left_down import of_run
from screens.board import Change
from screens.text import Line, clip, clock, fit, follow, wrap
from screens.view import View
from screens.views import flow_rows
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen

ROWS = 2
"""Rows of one flow: how it stands, and what it is for."""


class Flows(View):
    """A list; opening it asks every flow how its steps stand, and changes nothing."""

    NAME: ClassVar[str] = "flows"

    def __init__(self) -> None:
        super().__init__(id="flows")
        self.cursor = self.top = 0
        self._asked = False

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._list, id="flows-list")

    def items(self) -> list[FlowSeen]:
        """The flows that pass the filter."""
        return [seen for seen in self.board.flows if self.wanted in f"{seen.name} {seen.words}".lower()]

    def _list(self, width: int, height: int) -> list[Line]:
        ink, items = self.ink, self.items()
        moment = self.board.now
        lines: list[Line] = []
        held = flow_rows.elsewhere(self.board.flows, moment)
        if held and not self.board.busy:
            lines += [((f" {row}", ink.degraded),) for row in wrap(held, width - 2)]
        if self.cowhand.read_only:
            lines.append(((" read-only: plans can be read, nothing can be changed from here", ink.degraded),))
        if not items:
            what = f"nothing has “{self.wanted}” in it" if self.wanted else "no flow is known"
            if not self.wanted and not self.board.unusable:
                what += " yet"
            return [*lines, ((f" {what}", ink.muted),)]
        room = max((height - len(lines)) // (ROWS + 1), 1)
        if len(items) > room:  # the last row says how many there are
            room = max((height - len(lines) - 1) // (ROWS + 1), 1)
        self.cursor = min(self.cursor, len(items) - 1)
        self.top = follow(self.top, self.cursor, len(items), room)
        for at, seen in list(enumerate(items))[self.top : self.top + room]:
            lines += [*([()] if lines else []), *self._flow(seen, width, at == self.cursor)]
        if len(items) > room:
            above, below = self.top, len(items) - self.top - room
            told = [f"↑ {above} more"] if above else []
            told += [f"↓ {below} more"] if below else []
            lines = [*lines, *[()] * (height - len(lines) - 1), ((f" {' · '.join(told)}", ink.degraded),)]
        return lines

    def _flow(self, seen: FlowSeen, width: int, here: bool) -> list[Line]:
        ink, run = self.ink, self.board.flow
        shape, words, style, asked = flow_rows.stands(ink, seen)
        moment = max(self.board.now, asked)
        on = run is not None and run.flow == seen.name and self.board.busy
        last = clip("runs now" if on else flow_rows.last_words(seen.last, moment), max(width // 3, 12))
        room = max(width - 26 - len(last), 8)
        when = f" (asked {clock(asked, moment)})" if asked else ""
        words += when if len(words) + len(when) <= room else ""  # what is to do comes before when it was asked
        if on and run is not None:
            failed = run.asked is not None and run.asked.kind == "failed"
            shape, words = ("✗" if failed else "▸"), flow_rows.standing(run)
            style = ink.broken if failed else ink.degraded if run.asked else ink.unknown
        elif run is not None and run.flow == seen.name and flow_rows.newer(run, seen.look):
            shape, style = flow_rows.ending(ink, run)
            words = f"{run.outcome} at {clock(run.ended, moment)}"
        elif seen.looking:
            since = clock(seen.looking, moment, seconds=True)
            shape, words, style = "▸", f"asking its steps since {since}", ink.unknown
        name = fit(seen.name, 20)
        state = fit(words, room)
        row: Line = (
            ("▸" if here else " ", ink.bright),
            (f"{name} ", ink.bright if here else ink.text),
            (f"{shape} ", style),
            (f"{state} ", style),
            (f"{last} ", ink.muted),
        )
        if here:
            row = tuple((text, ink.chosen(worn)) for text, worn in row)
        down = of_run(run) if run is not None and run.flow == seen.name and not run.dry else ()
        if down:
            words = "; ".join(f"{each.words}, since {clock(each.since, moment)}" for each in down)
            return [row, ((f"   ✗ {clip(words, width - 6)}", ink.broken),)]
        return [row, ((f"   {clip(seen.words, width - 4)}", ink.muted),)]

    def shown(self) -> None:
        """Come to the front; the first time, ask."""
        if not self._asked:
            self._asked = True
            self.cowhand.engine.look_flows()
        self.redraw()

    def changed(self, change: Change) -> None:
        """Show what the engine said."""
        self.redraw()

    def do(self, id: str) -> None:
        """Move, open, or ask again."""
        items = self.items()
        last = max(len(items) - 1, 0)
        moves = {"down": 1, "up": -1, "page_down": 5, "page_up": -5, "first": -last, "last": last}
        if id in moves:
            self.cursor = min(max(self.cursor + moves[id], 0), last)
            self.redraw()
        elif id == "check":
            self.cowhand.engine.look_flows()
        elif id == "open" and items:
            self.cowhand.open_flow(items[min(self.cursor, last)].name)

    def filter(self, text: str) -> None:
        """Keep what has `text` in its name or purpose."""
        self.wanted, self.cursor, self.top = text.lower(), 0, 0
        self.redraw()

    def text(self) -> str:
        """All flows and how they stand, as plain lines."""
        rows = []
        for seen in self.items():
            shape, words, _, _ = flow_rows.stands(self.ink, seen)
            rows.append(
                f"{seen.name}: {seen.words}: {shape} {words}; {flow_rows.last_words(seen.last, self.board.now)}"
            )
        return "".join(f"{row}\n" for row in rows)


SCREEN = Flows
