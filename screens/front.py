"""Which screen is in front: the way from one to the next and back, and to a finding, a cell, a place or a flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from console.model import Finding, Role, Span
from screens.actions import BY_ID, allowed
from screens.board import Board
from screens.bridge import EnginePort
from screens.textual_private import PrivateApp
from screens.themes import Ink
from screens.view import View
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from console.engine.setup_engine import SetupPort
    from console.site import SiteListed

NEEDS_A_SITE = ("sweep", "setup", "back")
"""Actions that there are not before a site is chosen, beside the screens."""


class Front(PrivateApp, inherit_bindings=False):
    """An app with several screens, one of them in front. A subclass lays out the frame around it."""

    engine: EnginePort
    board: Board
    ink: Ink
    read_only: bool

    def __init__(
        self, view: View, setup: Callable[[], SetupPort] | None, sites: Callable[[], Sequence[SiteListed]]
    ) -> None:
        super().__init__()
        self.view = view
        self._views: dict[str, View] = {view.NAME: view}
        self._trail: list[str] = []
        self._said = ""
        self._make_setup, self._sites = setup, sites
        self._setup: SetupPort | None = None
        self.reopen: str | None = None
        """The site file to open instead, once this app has ended."""

    def frame(self, whole: bool = False) -> None:
        """Paint masthead and key line again."""
        for id in ("#masthead", "#cramped", "#foot"):
            self.query_one(id, Pane).redraw(whole)

    def can(self, id: str) -> bool:
        """Whether an action exists here; the key line stays as it is while cells flip."""
        if self.board.choosing and (BY_ID[id].group == "screens" or id in NEEDS_A_SITE):
            return False
        return allowed(BY_ID[id], self.view.NAME, self.read_only)

    def action_do(self, id: str) -> None:
        """Do an action of the registry."""
        raise NotImplementedError

    def say(self, words: str) -> None:
        """Show a short message in the key line until the next key."""
        self._said = words
        self.frame()

    def machine(self) -> tuple[Role, str] | None:
        """Return the machine that is chosen on the screen in front."""
        return self.view.machine()

    def go(self, name: str) -> None:
        """Bring a screen to the front."""
        if name == self.view.NAME:
            return
        self._trail = [*[seen for seen in self._trail if seen != name], self.view.NAME][-5:]
        self.show_screen(name)

    def back(self) -> None:
        """Clear the filter, close what is open here, or return to the screen before."""
        if self.view.wanted:
            self.view.filter("")
            self.frame()
        elif self.view.close():
            self.frame()
        elif self._trail and self.view.NAME != "lanes":  # where all begins, esc leads nowhere
            self.show_screen(self._trail.pop())
        elif self.view.NAME != "lanes":
            self.show_screen("lanes")

    def show_screen(self, name: str) -> None:
        """Put a screen in front without a way back to the one before."""
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
        self.frame()

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
        self.frame()

    def undo_run(self, flow: str, run: str) -> None:
        """Go to a flow, and begin to undo an earlier run of it."""
        from screens.views.flow import Flow

        self.go("flow")
        assert isinstance(self.view, Flow)
        self.view.undo_run(flow, run)
        self.frame()

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
        self.frame()

    def show_place(self, place: Span | None) -> None:
        """Go to the sources, with one line of them chosen."""
        if place is None:
            self.say("no source line is known for it")
        else:
            self.go("sources")
            self.view.choose(place)


def _make(name: str) -> View:
    """Return a new screen; its module is imported only now."""
    from importlib import import_module

    view: View = import_module(f"screens.views.{name}").SCREEN()
    return view
