"""The one widget everything is drawn with: it paints whole, and sends only the cells that differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from textual.geometry import Region, Size
from textual.strip import Strip

from screens.text import Line, changed_span, settle, to_strip
from screens.textual_private import PlacedWidget, drop_repaints

if TYPE_CHECKING:
    from screens.port import AppPort

Painter = Callable[[int, int], Sequence[Line]]
"""From width and height in cells to at most that many lines."""


class Pane(PlacedWidget):
    """Rows from a painter. Textual sends a row from the pane's left edge to the last cell marked: narrow is cheap."""

    DEFAULT_CSS = ""

    def __init__(self, paint: Painter, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._paint = paint
        self._rows: list[Line] = []
        self._painted = Size(0, 0)

    def redraw(self, whole: bool = False) -> None:
        """Paint again; cells that stay as they were are not sent, unless the `whole` pane is asked for."""
        before, known = self._rows, self._painted == self.size
        self._settle()
        if whole or not known:
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            span = changed_span(old, new)
            if span is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def forget(self) -> None:
        """Drop what is still to be sent, for a layout is about to paint all of this pane.

        Textual keeps what a hidden widget asked for, and would send the whole pane again with its next change."""
        drop_repaints(self)

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        if self._painted != self.size:
            self._settle()
        width = self.size.width
        return to_strip(self._rows[y], width) if y < len(self._rows) else Strip.blank(width)

    def _settle(self) -> None:
        size = self.size
        base = cast("AppPort", self.app).ink.text
        painted = list(self._paint(size.width, size.height)[: size.height]) if size else []
        painted += [()] * (size.height - len(painted))
        self._rows = [settle(line, size.width, base) for line in painted]
        self._painted = size
