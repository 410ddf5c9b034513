"""What a view or a widget may ask of the app; they know this and not the app itself.

It is for the type checker alone: nothing imports it at run time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from textual.geometry import Size
from textual.widget import Widget

from console.engine.setup_engine import SetupPort
from console.model import Finding, Role, Span
from console.site import SiteListed
from screens.board import Board
from screens.bridge import EnginePort
from screens.themes import Ink

Kind = TypeVar("Kind", bound=Widget)


class AppPort(Protocol):
    """The app, as its parts see it."""

    engine: EnginePort
    board: Board
    ink: Ink
    read_only: bool
    lab: bool

    @property
    def size(self) -> Size:
        """The terminal's columns and rows."""

    def query_one(self, selector: type[Kind]) -> Kind:
        """Return the one widget of a class."""

    def say(self, words: str) -> None:
        """Show a short message in the key line until the next key."""

    def show_next_question(self) -> None:
        """Put the next question of the engine or of a run, if there is one and the bar is free."""

    def show_finding(self, found: Finding | None) -> None:
        """Go to the findings, with one of them chosen."""

    def show_cell(self, found: Finding) -> None:
        """Go to the lanes, with the cell chosen that a finding is about."""

    def show_place(self, place: Span | None) -> None:
        """Go to the sources, with one line of them chosen."""

    def open_flow(self, name: str) -> None:
        """Go to one flow."""

    def undo_run(self, flow: str, run: str) -> None:
        """Go to a flow, and begin to undo an earlier run of it."""

    def setup_port(self) -> SetupPort | None:
        """Return the set-up of this console; None when there is none."""

    def sites(self) -> Sequence[SiteListed]:
        """Return the operator's own sites."""

    def open_site(self, path: str) -> None:
        """Leave this site, and open the one that was written."""

    def machine(self) -> tuple[Role, str] | None:
        """Return the role of the machine that is chosen, and its service or ""; None when no machine is."""

    def suspend(self) -> AbstractContextManager[None]:
        """Lend the terminal for as long as the context lasts; raises Textual's `SuspendNotSupported`."""

    def leave_after(self, cut: bool) -> None:
        """End the run, and leave as soon as it has ended."""
