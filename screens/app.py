"""The app: one frame of masthead, body and key line, in which the screens take turns."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from console.events import EstateRead
from screens import themes
from screens.actions import BY_ID, KEY_LINES, bindings
from screens.board import Board
from screens.bridge import Bridge, EnginePort, EngineSpoke, News
from screens.front import Front
from screens.text import Line, wrap
from screens.textual_private import OncePaintedScreen, PlacedWidget
from screens.views.lanes import Lanes
from screens.widgets.bar import Bar
from screens.widgets.edges import foot, masthead
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from console.engine.setup_engine import SetupPort
    from console.site import SiteListed
    from screens.question import QuestionBar

LEAST = (60, 15)
"""Columns and rows below which only the verdict and its sentence are shown."""

EVERYWHERE = ("help", "sweep", "remedy", "copy", "filter", "palette", "theme")
"""Actions that are the same in every screen: acts.py has them."""

ENGINE_FAILED = 70
"""Exit status when the engine stopped: sysexits' EX_SOFTWARE."""


def _unreported(error: BaseException) -> str:
    return "nowhere"


class Frame(OncePaintedScreen, inherit_bindings=False):
    """The one screen that Textual knows of."""

    def on_resize(self, event: events.Resize) -> None:
        """Say so when there is too little room."""
        self.set_class(event.size.width < LEAST[0] or event.size.height < LEAST[1], "-cramped")


class CowhandApp(Front, inherit_bindings=False):
    """The screens. They ask `engine`, show what it says, and decide nothing.

    `setup` makes the set-up, `first` is the screen in front.
    `theme` is dark, light or terminal; `opening` is what is known of the estate before anything is read, `hint` stands
    in the key line until the first key. `on_loop` is
    told of the loop as soon as there is one; `report` writes a crash to a file and returns its path. After a crash
    `crash` holds one line for stderr: what and where, never a value."""

    TITLE = "cowhand"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[Any]] = list(bindings())

    def __init__(
        self,
        engine: EnginePort,
        *,
        title: str,
        read_only: bool,
        lab: bool,
        theme: str | None = None,
        opening: EstateRead | None = None,
        hint: str = "",
        on_loop: Callable[[asyncio.AbstractEventLoop], None] | None = None,
        report: Callable[[BaseException], str] = _unreported,
        setup: Callable[[], SetupPort] | None = None,
        first: str = "lanes",
        sites: Callable[[], Sequence[SiteListed]] = tuple,
    ) -> None:
        super().__init__(Lanes(), setup, sites)
        self.engine = engine
        self.read_only = read_only
        self.lab = lab
        self.crash: str | None = None
        self.board = Board(title)
        if opening is not None:
            self.board.take(News(estate=opening))
        self._said, self._first = hint, first
        self.board.choosing = first == "sites"
        self._on_loop = on_loop
        self._report = report
        self._bridge = Bridge(self._wake)
        self._question_bar: QuestionBar | None = None
        self._leaving = False
        for known in themes.themes():
            self.register_theme(known)
        worn = f"cowhand-{theme}" if theme else themes.TERMINAL if self.no_color else themes.DARK
        self.ink = themes.ink(worn, colour=not self.no_color)
        self.wear(worn)

    def get_default_screen(self) -> Screen[None]:
        """Return the frame."""
        return Frame(id="frame")

    def compose(self) -> ComposeResult:
        """Lay out the frame."""
        yield Pane(self._masthead, id="masthead")
        yield PlacedWidget(self.view, id="body")
        yield Pane(self._cramped, id="cramped")
        yield Pane(self._foot, id="foot")
        yield Bar()

    def on_mount(self) -> None:
        """Paint first; the engine starts when that is on its way to the terminal."""
        if self._on_loop is not None:
            self._on_loop(asyncio.get_running_loop())
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self.board.choosing:  # nothing is asked of a site that nobody chose
            self.show_screen(self._first)
            return
        self.engine.start(self._bridge.notify)
        self.engine.watch(True)
        if self._first != self.view.NAME:
            self.show_screen(self._first)

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self.engine.watch(False)
        if self._setup is not None:
            self._setup.close()

    # news

    def _wake(self) -> None:
        try:
            self.post_message(EngineSpoke())
        except RuntimeError:
            return  # the loop has ended; nobody is left to tell

    def on_engine_spoke(self, message: EngineSpoke) -> None:
        """Show the events that have gathered, unless the app is shutting down and its widgets are gone."""
        message.stop()
        if not self.is_running:
            return
        news = self._bridge.drain()
        if news.flows:
            self.board.flow, self.board.flows = self.engine.flow(), self.engine.flows()
        change = self.board.take(news)
        if not change.only_flows or self.view.NAME in ("flows", "flow"):
            self.view.changed(change)
        self.frame()
        self.show_next_question()
        if self._leaving and not self.board.busy:
            self._leave()

    def show_next_question(self) -> None:
        """Put what the engine asks, if it asks anything and the bar is free."""
        if self.board.questions or (self._question_bar is not None and self._question_bar.shown):
            if self._question_bar is None:
                from screens.question import QuestionBar

                self._question_bar = QuestionBar(self)
            self._question_bar.show_next_question()
        self.view.show_next_prompt()

    def _masthead(self, width: int, height: int) -> list[Line]:
        return masthead(
            self.board, self.ink, self.view.NAME, self.view.wanted, width, read_only=self.read_only, lab=self.lab
        )

    def _cramped(self, width: int, height: int) -> list[Line]:
        columns, rows = LEAST
        have = f"this terminal has {self.size.width}×{self.size.height} cells"
        need = f"the lanes need {columns}×{rows}"
        cause = self.board.observed.cause if self.board.observed else ""
        lines = [((f" {row}", self.ink.text),) for row in wrap(cause, width - 2)]
        return [*lines, (), ((f" {have}", self.ink.muted),), ((f" {need}", self.ink.muted),)]

    def _foot(self, width: int, height: int) -> list[Line]:
        offers = (BY_ID[id] for id in self.view.offers() if self.can(id))
        return [foot(self.ink, self._said, offers, width)]

    # input

    def on_app_blur(self, event: events.AppBlur) -> None:
        """Look the same when the terminal's window loses the focus: Textual would send the whole screen again."""
        event.prevent_default()

    def on_app_focus(self, event: events.AppFocus) -> None:
        """Look the same when it comes back."""
        event.prevent_default()

    def on_key(self, event: events.Key) -> None:
        """While the bar is open it has all the keys."""
        bar = self.query_one(Bar)
        if bar.open:
            event.stop()
            event.prevent_default()
            bar.press(event)

    def on_paste(self, event: events.Paste) -> None:
        """Only the bar takes text."""
        bar = self.query_one(Bar)
        if bar.open:
            bar.paste(event.text)

    # actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide what read-only forbids and what this screen does not know."""
        if action == "do" and parameters:
            return self.can(str(parameters[0]))
        return True

    def action_do(self, id: str) -> None:
        """Do an action of the registry."""
        if not self.can(id):
            return
        self._said = ""
        own: dict[str, Callable[[], None]] = {
            "leave": self._leave,
            "back": self.back,
            "source": lambda: self.show_place(self.view.place()),
            "shell": self._shell,
        }
        if id == "help" and self.view.NAME == "help":
            id = "back"
        if id in own:
            own[id]()
        elif id in EVERYWHERE:
            from screens import acts

            acts.ACTS[id](self)
        elif id in KEY_LINES:
            self.go(id)
        else:
            self.view.do(id)
        self.frame()

    def _leave(self) -> None:
        """Leave at once, or ask first when that would end a run; when told so, leave as soon as the run has ended."""
        if self.board.busy:
            from screens.views.flow_bar import leave

            leave(self)
            return
        self.exit(return_code=ENGINE_FAILED if self.board.failed else 0)

    def leave_after(self, cut: bool) -> None:
        """End the run, and leave as soon as that is done."""
        self._leaving = True
        self.engine.stop_flow(cut)

    def _shell(self) -> None:
        from screens.shells import open_shell

        open_shell(self)

    # the end

    def crashed(self, error: BaseException) -> None:
        """Keep one line for stderr: what and where, never a value."""
        if self.crash is None:
            places = [
                f"{frame.name} {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
                for frame in traceback.extract_tb(error.__traceback__)[-3:]
            ]
            where = " > ".join(places) or "an unknown place"
            self.crash = f"cowhand stopped: {type(error).__name__} at {where}; the report is in {self._report(error)}"
