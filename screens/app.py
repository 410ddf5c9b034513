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
from console.model import Finding, Role, Span
from screens import themes
from screens.actions import ACTIONS, BY_ID, KEY_LINES, allowed, bindings
from screens.board import Board
from screens.bridge import Bridge, EnginePort, EngineSpoke, News
from screens.text import Line, wrap
from screens.textual_private import OncePaintedScreen, PlacedWidget, PrivateApp
from screens.view import View
from screens.views.evidence import labelled
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

NEEDS_A_SITE = ("sweep", "setup", "back")
"""Actions that there are not before a site is chosen, beside the screens."""

ENGINE_FAILED = 70
"""Exit status when the engine stopped: sysexits' EX_SOFTWARE."""


def _unreported(error: BaseException) -> str:
    return "nowhere"


class Frame(OncePaintedScreen, inherit_bindings=False):
    """The one screen that Textual knows of."""

    def on_resize(self, event: events.Resize) -> None:
        """Say so when there is too little room."""
        self.set_class(event.size.width < LEAST[0] or event.size.height < LEAST[1], "-cramped")


class CowhandApp(PrivateApp, inherit_bindings=False):
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
        super().__init__()
        self.engine = engine
        self.read_only = read_only
        self.lab = lab
        self.crash: str | None = None
        self.board = Board(title)
        if opening is not None:
            self.board.take(News(estate=opening))
        self.view: View = Lanes()
        self._views: dict[str, View] = {self.view.NAME: self.view}
        self._trail: list[str] = []
        self._said = hint
        self._make_setup, self._first, self._sites = setup, first, sites
        self.board.choosing = first == "sites"
        self._setup: SetupPort | None = None
        self.reopen: str | None = None
        """The site file to open instead, once this app has ended."""
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
            self._show(self._first)
            return
        self.engine.start(self._bridge.notify)
        self.engine.watch(True)
        if self._first != self.view.NAME:
            self._show(self._first)

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
        self._frame()
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

    def _frame(self, whole: bool = False) -> None:
        for id in ("#masthead", "#cramped", "#foot"):
            self.query_one(id, Pane).redraw(whole)

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

    def can(self, id: str) -> bool:
        """Whether an action exists here; the key line stays as it is while cells flip."""
        if self.board.choosing and (BY_ID[id].group == "screens" or id in NEEDS_A_SITE):
            return False
        return allowed(BY_ID[id], self.view.NAME, self.read_only)

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
            "back": self._back,
            "theme": self._next_theme,
            "sweep": self._sweep,
            "copy": self._copy,
            "filter": self._filter,
            "palette": self._palette,
            "source": lambda: self.show_place(self.view.place()),
            "remedy": self._remedy,
            "shell": self._shell,
        }
        if id in own:
            own[id]()
        elif id == "help" and self.view.NAME == "help":
            self._back()
        elif id == "help":
            self._help()
        elif id in KEY_LINES:
            self.go(id)
        else:
            self.view.do(id)
        self._frame()

    def _help(self) -> None:
        """Show all keys, and above them what the chosen finding means."""
        from screens.views.help import Help

        chosen = self.view.finding() if self.view.NAME == "findings" else None
        self.go("help")
        assert isinstance(self.view, Help)
        self.view.about, self.view.skipped = chosen.id if chosen is not None else "", 0
        self.view.redraw()

    def say(self, words: str) -> None:
        """Show a short message in the key line until the next key."""
        self._said = words
        self._frame()

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

    def _sweep(self) -> None:
        if self.board.failed is not None:
            self.say("the engine has stopped: nothing can be asked; q leaves")
            return
        self.engine.sweep()
        self.say("asking every hop again")

    def _shell(self) -> None:
        from screens.shells import open_shell

        open_shell(self)

    def machine(self) -> tuple[Role, str] | None:
        """Return the machine that is chosen on the screen in front."""
        return self.view.machine()

    def _remedy(self) -> None:
        found = self.view.finding()
        if found is None:
            seen = self.board.observed
            first = seen.findings[0] if seen is not None and seen.findings else None
            lead = f"; n leads to {first.id} {first.name}" if first is not None and self.can("next") else ""
            here = "nothing is known to be wrong here" if self.view.NAME == "lanes" else "no finding is chosen"
            self.say(f"{here}{lead}")
            return
        if found.flow is not None and found.flow in self.engine.flow_names():
            self.open_flow(found.flow)
            return

        def lines(width: int) -> list[Line]:
            by_hand: Line = (("   by hand: no flow does this yet", self.ink.muted),)
            head: Line = ((f" {found.id} {found.name}", self.ink.bright),)
            return [head, *labelled(self.ink, "remedy", found.remedy, width), by_hand]

        self.query_one(Bar).note(lines)

    def _copy(self) -> None:
        from screens.clipboard import sequence

        text = self.view.text()
        written = sequence(text) if text else None
        if written is None:
            self.say("too long to copy" if text else "nothing to copy here")
        else:
            self.write_to_terminal(written)
            self.say(f"sent {len(text.splitlines())} lines to your terminal's clipboard")

    def _filter(self) -> None:
        view, before = self.view, self.view.wanted

        def done(answer: str | None) -> None:
            view.filter(before if answer is None else answer)
            self._frame()

        self.query_one(Bar).ask("/", done, value=before, typed=view.filter)

    def _palette(self) -> None:
        from screens.actions import matches

        def suggest(query: str) -> list[tuple[str, str, str]]:
            here = [action for action in ACTIONS if action.group != "move" and self.can(action.id)]
            return [(action.id, action.label, f"{action.words:<14} {action.help}") for action in matches(query, here)]

        def done(answer: str | None) -> None:
            if answer is not None:
                self.action_do(answer)

        self.query_one(Bar).ask(":", done, suggest=suggest)

    def _next_theme(self) -> None:
        at = themes.NAMES.index(self.theme) if self.theme in themes.NAMES else -1
        name = themes.NAMES[(at + 1) % len(themes.NAMES)]
        self.ink = themes.ink(name, colour=not self.no_color)
        self.theme = name
        for pane in self.query(Pane):
            pane.redraw(whole=True)
        self.say(f"theme: {name.removeprefix('cowhand-')}")

    # screens

    def go(self, name: str) -> None:
        """Bring a screen to the front."""
        if name == self.view.NAME:
            return
        self._trail = [*[seen for seen in self._trail if seen != name], self.view.NAME][-5:]
        self._show(name)

    def _back(self) -> None:
        if self.view.wanted:
            self.view.filter("")
            self._frame()
        elif self.view.close():
            self._frame()
        elif self._trail and self.view.NAME != "lanes":  # where all begins, esc leads nowhere
            self._show(self._trail.pop())
        elif self.view.NAME != "lanes":
            self._show("lanes")

    def _show(self, name: str) -> None:
        self.view.hidden()
        self.view.display = False
        known = self._views.get(name)
        if known is None:
            known = self._views[name] = _make(name)
            self.query_one("#body").mount(known)
        known.display = True
        self.view = known
        known.shown()
        for pane in known.query(Pane):
            pane.forget()
        self._frame()

    def setup_port(self) -> SetupPort | None:
        """Return the set-up of this console, made when it is first asked for; None when there is none."""
        if self._setup is None and self._make_setup is not None and not self.read_only:
            self._setup = self._make_setup()
        return self._setup

    def sites(self) -> Sequence[SiteListed]:
        """Return the operator's own sites, read again at each call."""
        return self._sites()

    def open_site(self, path: str) -> None:
        """Leave this site, and open the one that was written; a run that is on is not ended for it."""
        if self.board.busy:
            self.say("it is written; a flow runs here: start cowhand again when it has ended")
            return
        self.reopen = path
        self.exit(return_code=0)

    def open_flow(self, name: str) -> None:
        """Go to one flow."""
        from screens.views.flow import Flow

        self.go("flow")
        assert isinstance(self.view, Flow)
        self.view.open(name)
        self._frame()

    def undo_run(self, flow: str, run: str) -> None:
        """Go to a flow, and begin to undo an earlier run of it."""
        from screens.views.flow import Flow

        self.go("flow")
        assert isinstance(self.view, Flow)
        self.view.undo_run(flow, run)
        self._frame()

    def show_finding(self, found: Finding | None) -> None:
        """Go to the findings, with one of them chosen."""
        if found is None:
            self.say("no finding is known here")
        else:
            self.go("findings")
            self.view.choose(found)

    def show_cell(self, found: Finding) -> None:
        """Go to the lanes, with the cell chosen that a finding is about."""
        self.go("lanes")
        self.view.choose(found)
        self._frame()

    def show_place(self, place: Span | None) -> None:
        """Go to the sources, with one line of them chosen."""
        if place is None:
            self.say("no source line is known for it")
        else:
            self.go("sources")
            self.view.choose(place)

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


def _make(name: str) -> View:
    """Return a new screen; its module is imported only now."""
    from importlib import import_module

    view: View = import_module(f"screens.views.{name}").SCREEN()
    return view
