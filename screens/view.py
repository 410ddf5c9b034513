"""What every screen is: a widget that fills the body, shows the board, and does what keys ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from console.model import Finding, Role, Span
from screens.actions import KEY_LINES
from screens.board import Board, Change
from screens.textual_private import PlacedWidget
from screens.themes import Ink
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from screens.port import AppPort

BROAD, WIDE = 120, 160
"""Columns from which a screen says more on a row, and from which it stands in two halves side by side."""


class View(PlacedWidget):
    """A screen. Keys arrive as action ids; `do` answers whether it had a use for one."""

    NAME: ClassVar[str]

    wanted = ""
    """The filter of now."""

    @property
    def cowhand(self) -> AppPort:
        """The app."""
        return cast("AppPort", self.app)

    @property
    def board(self) -> Board:
        """What is known."""
        return self.cowhand.board

    @property
    def ink(self) -> Ink:
        """The styles of now."""
        return self.cowhand.ink

    def fit(self) -> None:
        """Take the shape that the terminal has room for."""
        width = self.cowhand.size.width
        self.set_class(width >= WIDE, "-wide")
        self.set_class(BROAD <= width < WIDE, "-broad")

    def on_mount(self) -> None:
        """Take the first one: what is inside was not there yet when it was composed."""
        self.fit()

    def on_resize(self) -> None:
        """Take another shape."""
        self.fit()

    def redraw(self, whole: bool = False) -> None:
        """Paint all panes again."""
        for pane in self.query(Pane):
            pane.redraw(whole)

    def changed(self, change: Change) -> None:
        """Show what the engine said; called only while this screen is in front."""
        self.redraw()

    def shown(self) -> None:
        """Come to the front."""
        self.redraw()

    def hidden(self) -> None:
        """Go to the back."""

    def close(self) -> bool:
        """Close what is open in this screen; False when nothing is, and esc leads to the screen before."""
        return False

    def show_next_prompt(self) -> None:
        """Put to the operator what waits for an answer, if the bar is free; called whenever it may be."""

    def offers(self) -> tuple[str, ...]:
        """What the key line names."""
        return KEY_LINES[self.NAME]

    def do(self, id: str) -> None:
        """Do an action."""

    def filter(self, text: str) -> None:
        """Narrow down to what holds `text`; "" for everything."""

    def choose(self, what: Finding | Span) -> None:
        """Put the cursor on something that another screen asks for."""

    def finding(self) -> Finding | None:
        """What is chosen, as a finding."""
        return None

    def machine(self) -> tuple[Role, str] | None:
        """What is chosen, as the role of a machine and a service there ("" for the machine itself)."""
        return None

    def place(self) -> Span | None:
        """What is chosen, as a place in a file."""
        return None

    def text(self) -> str:
        """What is chosen, for the clipboard."""
        return ""
