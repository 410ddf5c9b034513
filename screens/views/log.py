"""Every command that was run on a host, the latest at the bottom."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.timer import Timer

from screens.text import Line, clip
from screens.view import View
from screens.widgets.pane import Pane

PERIOD = 1.0
"""Seconds between two looks at the log, while it is in front."""


class Log(View):
    """The command log; it follows its end until one scrolls up."""

    NAME: ClassVar[str] = "log"

    def __init__(self) -> None:
        super().__init__(id="log")
        self.behind = 0
        self._lines: tuple[str, ...] = ()
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._log)

    def on_mount(self) -> None:
        """Look now and then."""
        self._timer = self.set_interval(PERIOD, self._look)

    def _look(self) -> None:
        lines = self.cowhand.engine.recent()
        if lines != self._lines:
            if self.behind:
                self.behind += max(len(lines) - len(self._lines), 0)
            self._lines = lines
            self.redraw()

    def rows(self) -> list[str]:
        """The lines that pass the filter."""
        return [line for line in self._lines if self.wanted in line.lower()]

    def _log(self, width: int, height: int) -> list[Line]:
        ink, rows = self.ink, self.rows()
        self.behind = max(min(self.behind, len(rows) - height), 0)
        end = len(rows) - self.behind
        if not rows:
            none = "no command was run on a host yet; probes are on the lanes, with their evidence"
            return [((f" {f'no line has “{self.wanted}” in it' if self.wanted else none}", ink.muted),)]
        shown = rows[max(end - height, 0) : end]
        return [((" " + row[:8], ink.muted), (clip(row[8:], width - 10), ink.text)) for row in shown]

    def shown(self) -> None:
        """Come to the front."""
        self._lines = self.cowhand.engine.recent()
        if self._timer is not None:
            self._timer.resume()
        self.redraw()

    def hidden(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.pause()

    def do(self, id: str) -> None:
        """Scroll."""
        page = max(self.size.height - 1, 1)
        rows = len(self.rows())
        steps = {"down": -1, "up": 1, "page_down": -page, "page_up": page, "first": rows, "last": -rows}
        self.behind = max(self.behind + steps.get(id, 0), 0)
        self.redraw()

    def filter(self, text: str) -> None:
        """Keep the lines that have `text` in them."""
        self.wanted, self.behind = text.lower(), 0
        self.redraw()

    def text(self) -> str:
        """The whole log, as far as it passes the filter."""
        return "".join(f"{row}\n" for row in self.rows())


SCREEN = Log
