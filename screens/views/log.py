"""Every command that was run on a host, the latest at the bottom."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
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
        """The lines that pass the filter; the same command with the same result has one, the latest."""
        return folded(line for line in self._lines if self.wanted in line.lower())

    def _log(self, width: int, height: int) -> list[Line]:
        ink, rows = self.ink, self.rows()
        self.behind = max(min(self.behind, len(rows) - height), 0)
        end = len(rows) - self.behind
        if not rows:
            none = "no command was run on a host yet; probes are on the lanes, with their evidence"
            return [((f" {f'no line has “{self.wanted}” in it' if self.wanted else none}", ink.muted),)]
        shown = rows[max(end - height, 0) : end]
        return [((" " + row[:8], ink.muted), *self._row(row[8:], width - 10)) for row in shown]

    def _row(self, row: str, width: int) -> Line:
        """A command and its result; where there is no room for both, the command is cut."""
        what, result = split(row)
        took = result[result.rfind("  ") :] if result else ""
        room = max(width // 2, width - cell_len(what)) - len(took)
        if cell_len(result) > room + len(took):  # what a host said may be long: the command has its half
            result = clip(result[: len(result) - len(took)], room) + took
        return (clip(what, width - cell_len(result)), self.ink.text), (result, self.ink.muted)

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
        """The whole log, as far as it passes the filter, nothing folded."""
        return "".join(f"{row}\n" for row in self._lines if self.wanted in row.lower())


def split(row: str) -> tuple[str, str]:
    """Return a line's command, and what came of it with the time it took ("" when the line has none)."""
    found = re.search(r"  (?:status \d+|open|\d+ bytes|\S[^\n]*?)  \d+ ms(?: ×\d+)?$", row)
    if found is None:
        return row, ""
    at = row.rfind("  ", 0, row.rfind("  "))
    result = row[at:].replace("  status 127  ", "  status 127, not found  ")
    return row[:at], result


def folded(lines: Iterable[str]) -> list[str]:
    """Return lines by the latest of each; those that differ in their times alone are one, with how many they were."""
    seen: dict[str, tuple[str, int]] = {}
    for line in lines:
        key = re.sub(r"  \d+ ms$", "", line[8:])
        seen[key] = (line, seen.pop(key, ("", 0))[1] + 1)
    return [f"{line} ×{count}" if count > 1 else line for line, count in seen.values()]


SCREEN = Log
