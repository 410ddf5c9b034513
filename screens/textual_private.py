"""Every use of a name that Textual keeps to itself. A release may rename one without a word: each has a test.

The dangerous one is `_fatal_error`: without our own, Textual prints a traceback with the values of all variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import App
from textual.filter import NoColor
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.widget import Widget

if TYPE_CHECKING:
    from typing import Self

    from rich.console import RenderableType


class PlacedWidget(Widget):
    """A widget that takes the size it is given without asking for a second layout because of it."""

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class OncePaintedScreen(Screen[None], inherit_bindings=False):
    """A screen that takes its size as given, and is painted once when it comes to the front, not twice."""

    _resuming = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Paint again, unless Textual has painted everything in this moment."""
        if self._resuming:
            return self
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def _on_screen_resume(self, event: events.ScreenResume) -> None:
        event.prevent_default()
        self._resuming = True
        super()._on_screen_resume(event)
        self._resuming = False

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class PrivateApp(App[None], inherit_bindings=False):
    """An app that sets its first theme without drawing twice, writes to the terminal, and tells no value in a crash."""

    def wear(self, theme: str) -> None:
        """Set the theme before anything is drawn, so that nothing is drawn twice."""
        self.set_reactive(App.theme, theme)
        self.set_class(self.current_theme.dark, "-dark-mode", update=False)
        self.set_class(not self.current_theme.dark, "-light-mode", update=False)
        self.stylesheet.set_variables(self.get_css_variables())
        self._refresh_truecolor_filter(self.ansi_theme)
        if self.no_color:
            self._filters[1:] = [NoColor()]

    def write_to_terminal(self, sequence: str) -> None:
        """Send a control sequence to the terminal at once; nothing before there is one."""
        if self._driver is not None:
            self._driver.write(sequence)
            self._driver.flush()

    def panic(self, *renderables: RenderableType) -> None:
        """End without printing what an error tells of itself, for it may hold a secret."""
        self._fatal_error()

    def _fatal_error(self) -> None:
        failure = self._exception
        self.crashed(getattr(failure, "error", None) or failure or RuntimeError())
        self._close_messages_no_wait()

    def crashed(self, error: BaseException) -> None:
        """Take note of the error that ends this app; called once for each that is raised meanwhile."""


def drop_repaints(widget: Widget) -> None:
    """Forget which regions of a widget are still to be sent."""
    widget._exchange_repaint_regions()
