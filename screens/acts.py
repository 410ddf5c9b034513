"""What keys do in every screen: help, sweep, remedy, copy, filter, palette, theme. Imported at the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import themes
from screens.actions import ACTIONS, matches
from screens.text import Line
from screens.views.evidence import labelled
from screens.widgets.bar import Bar
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from screens.front import Front


def help(app: Front) -> None:
    """Show all keys, and above them what the chosen finding means."""
    from screens.views.help import Help

    chosen = app.view.finding() if app.view.NAME == "findings" else None
    app.go("help")
    assert isinstance(app.view, Help)
    app.view.about, app.view.skipped = chosen.id if chosen is not None else "", 0
    app.view.redraw()


def sweep(app: Front) -> None:
    """Ask every hop again."""
    if app.board.failed is not None:
        app.say("the engine has stopped: nothing can be asked; q leaves")
        return
    if app.board.estate is not None and not app.board.lanes:
        app.say("no lane is known: there is nothing to ask")
        return
    app.engine.sweep()
    app.say("asking every hop again")


def remedy(app: Front) -> None:
    """Open the flow that mends what is chosen, or show its remedy."""
    found = app.view.finding()
    if found is None:
        seen = app.board.observed
        first = seen.findings[0] if seen is not None and seen.findings else None
        lead = f"; n leads to {first.id} {first.name}" if first is not None and app.can("next") else ""
        here = "nothing is known to be wrong here" if app.view.NAME == "lanes" else "no finding is chosen"
        app.say(f"{here}{lead}")
        return
    if found.flow is not None and found.flow in app.engine.flow_names():
        app.open_flow(found.flow)
        return

    def lines(width: int) -> list[Line]:
        by_hand: Line = (("   by hand: no flow does this yet", app.ink.muted),)
        head: Line = ((f" {found.id} {found.name}", app.ink.bright),)
        return [head, *labelled(app.ink, "remedy", found.remedy, width), by_hand]

    app.query_one(Bar).note(lines)


def copy(app: Front) -> None:
    """Send what is chosen to the terminal's clipboard."""
    from screens.clipboard import caution, sequence

    text = app.view.text()
    written = sequence(text) if text else None
    if written is None:
        app.say("too long to copy" if text else "nothing to copy here")
    else:
        app.write_to_terminal(written)
        app.say(f"sent {len(text.splitlines())} lines to your clipboard{caution()}")


def narrow(app: Front) -> None:
    """Ask for a filter; what is typed narrows the screen at once."""
    view, before = app.view, app.view.wanted

    def done(answer: str | None) -> None:
        view.filter(before if answer is None else answer)
        app.frame()

    app.query_one(Bar).ask("/", done, value=before, typed=view.filter)


def palette(app: Front) -> None:
    """Ask for an action by a part of its name."""

    def suggest(query: str) -> list[tuple[str, str, str]]:
        here = [action for action in ACTIONS if action.group != "move" and app.can(action.id)]
        return [(action.id, action.label, f"{action.words:<14} {action.help}") for action in matches(query, here)]

    def done(answer: str | None) -> None:
        if answer is not None:
            app.action_do(answer)

    app.query_one(Bar).ask(":", done, suggest=suggest)


def next_theme(app: Front) -> None:
    """Wear the next theme."""
    at = themes.NAMES.index(app.theme) if app.theme in themes.NAMES else -1
    name = themes.NAMES[(at + 1) % len(themes.NAMES)]
    app.ink = themes.ink(name, colour=not app.no_color)
    app.theme = name
    for pane in app.query(Pane):
        pane.redraw(whole=True)
    app.say(f"theme: {name.removeprefix('cowhand-')}")


ACTS = {
    "help": help,
    "sweep": sweep,
    "remedy": remedy,
    "copy": copy,
    "filter": narrow,
    "palette": palette,
    "theme": next_theme,
}
"""What each action of `app.EVERYWHERE` does."""
