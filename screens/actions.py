"""Every action there is, once: its keys, its words, whether it changes anything. All else is made from this."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from textual.binding import Binding

Group = Literal["screens", "move", "look", "change", "console"]

GROUPS: tuple[Group, ...] = ("screens", "move", "look", "change", "console")


class Action(Struct, frozen=True):
    """`keys` are Textual's names, comma separated; `label` is how they are shown; `words` fit a key line.

    A `danger` changes something outside cowhand, and is absent when read-only. `views` empty means everywhere."""

    id: str
    keys: str
    label: str
    words: str
    help: str
    group: Group
    views: tuple[str, ...] = ()
    danger: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("lanes", "1", "1", "lanes", "what works, and where it stops", "screens"),
    Action("findings", "2", "2", "findings", "what is wrong, and the remedy", "screens"),
    Action("sources", "3", "3", "sources", "files, findings in the margin", "screens"),
    Action("estate", "4", "4", "estate", "the map: machines, volumes", "screens"),
    Action("log", "5", "5", "log", "commands run on hosts", "screens"),
    Action("flows", "6", "6", "flows", "guided changes", "screens"),
    Action("journal", "7", "7", "journal", "what flows did here", "screens"),
    Action("down", "j,down", "j ↓", "down", "one down", "move"),
    Action("up", "k,up", "k ↑", "up", "one up", "move"),
    Action("left", "h,left", "h ←", "left", "one left", "move", ("lanes", "sources")),
    Action("right", "l,right", "l →", "right", "one right", "move", ("lanes", "sources")),
    Action("first", "g,home", "g", "first", "to the first", "move"),
    Action("last", "G,end", "G", "last", "to the last", "move"),
    Action("page_down", "pagedown,ctrl+d", "pgdn", "page down", "a page down", "move"),
    Action("page_up", "pageup,ctrl+u", "pgup", "page up", "a page up", "move"),
    Action("next", "n", "n", "next", "to the next trouble", "move", ("lanes", "sources")),
    Action("previous", "N", "N", "previous", "to the trouble before", "move", ("lanes", "sources")),
    Action("next_file", "tab,right_square_bracket", "tab", "file", "to the next file", "move", ("sources",)),
    Action(
        "previous_file",
        "shift+tab,left_square_bracket",
        "⇧tab",
        "file before",
        "to the file before",
        "move",
        ("sources",),
    ),
    Action(
        "open", "enter", "⏎", "open", "details", "look",
        ("lanes", "findings", "flows", "journal", "setup", "sites"),
    ),
    Action("certificates", "8", "8", "certificates", "each place of a certificate", "look"),
    Action("source", "s", "s", "source", "its line in the files", "look", ("lanes", "findings")),
    Action("filter", "slash", "/", "filter", "filter", "look"),
    Action("sweep", "r", "r", "sweep", "ask every hop again, now", "look"),
    Action(
        "check", "c", "c", "check", "ask how it stands, now", "look",
        ("flows", "flow", "journal", "setup", "certificates"),
    ),
    Action("copy", "y", "y", "copy", "copy to your own clipboard", "look"),
    Action(
        "remedy", "f", "f", "remedy", "its remedy: begin, or read it", "change",
        ("lanes", "findings", "sources"), danger=True,
    ),
    Action("do", "d", "d", "do", "do the step; answer", "change", ("flow",), danger=True),
    Action("do_all", "a", "a", "do all", "do this and all remaining", "change", ("flow",), danger=True),
    Action("skip", "S", "S", "skip", "skip the step", "change", ("flow",), danger=True),
    Action("retry", "R", "R", "retry", "after a failure: go on", "change", ("flow",), danger=True),
    Action("undo", "u", "u", "undo", "undo a failed step, or a run", "change", ("flow", "journal"), danger=True),
    Action("stop", "x", "x", "stop", "end the run here", "change", ("flow",), danger=True),
    Action("shell", "exclamation_mark", "!", "shell", "a shell at what is chosen", "change", danger=True),
    Action("setup", "i", "i", "set-up", "name files and hosts of a site", "change", danger=True),
    Action("palette", "colon,ctrl+p", ":", "all", "any action, by its name", "console"),
    Action("sites", "o", "o", "sites", "open another of your sites", "console"),
    Action("theme", "t", "t", "theme", "dark, light, terminal colours", "console"),
    Action("help", "question_mark,f1", "?", "help", "all keys; a finding explained", "console"),
    Action("back", "escape", "esc", "back", "back to where you were", "console"),
    Action("leave", "q,ctrl+q,ctrl+c", "q", "leave", "quit cowhand", "console"),
)  # fmt: skip

BY_ID = {action.id: action for action in ACTIONS}

KEY_LINES: dict[str, tuple[str, ...]] = {
    "lanes": ("help", "next", "open", "source", "remedy", "sweep", "copy", "palette", "leave"),
    "findings": ("help", "filter", "open", "remedy", "copy", "palette", "back", "leave"),
    "sources": ("help", "filter", "next", "next_file", "remedy", "copy", "palette", "back", "leave"),
    "estate": ("help", "sweep", "copy", "palette", "back", "leave"),
    "log": ("help", "filter", "sweep", "copy", "palette", "back", "leave"),
    "flows": ("help", "filter", "open", "check", "copy", "palette", "back", "leave"),
    "journal": ("help", "filter", "open", "undo", "check", "copy", "palette", "back", "leave"),
    "flow": ("help", "do", "do_all", "skip", "retry", "undo", "stop", "check", "copy", "palette", "back", "leave"),
    "certificates": ("help", "filter", "check", "copy", "palette", "back", "leave"),
    "setup": ("help", "open", "check", "copy", "palette", "back", "leave"),
    "sites": ("help", "filter", "open", "copy", "palette", "back", "leave"),
    "help": ("back", "palette", "leave"),
}
"""What the key line of each screen offers, as far as it can be done at the moment."""

SCREENS = tuple(action.id for action in ACTIONS if action.group == "screens")


def bindings() -> list[Binding]:
    """Return all keys as Textual wants them."""
    return [Binding(action.keys, f"do('{action.id}')", action.words, show=False, id=action.id) for action in ACTIONS]


def allowed(action: Action, view: str, read_only: bool) -> bool:
    """Whether an action exists on this screen at all."""
    return not (read_only and action.danger) and (not action.views or view in action.views)


def matches(query: str, actions: list[Action]) -> list[Action]:
    """Return the actions that a few typed letters mean, the best first."""
    wanted = query.lower().split()
    scored = [(_score(action, wanted), place, action) for place, action in enumerate(actions)]
    return [action for score, _, action in sorted(scored, key=lambda item: item[:2]) if score < _NO]


_NO = 9


def _score(action: Action, wanted: list[str]) -> int:
    name, words = action.words.lower(), f"{action.id} {action.words} {action.help}".lower()
    worst = 0
    for part in wanted:
        if name.startswith(part) or action.label == part:
            score = 0
        elif any(word.startswith(part) for word in words.split()):
            score = 1
        elif part in words:
            score = 2
        else:
            score = _NO
        worst = max(worst, score)
    return worst


def key_sheet() -> str:
    """Return all keys as plain text, one line each, for a manual page."""
    width = max(len(_spelled(action)) for action in ACTIONS)
    rows: list[str] = []
    for group in GROUPS:
        rows += ["", group]
        rows += [f"  {_spelled(action):<{width}}  {action.help}" for action in ACTIONS if action.group == group]
    return "\n".join(rows).strip() + "\n"


_SPELLED = {
    "slash": "/", "colon": ":", "question_mark": "?", "right_square_bracket": "]", "left_square_bracket": "[",
    "escape": "esc", "pagedown": "page down", "pageup": "page up",
}  # fmt: skip


def _spelled(action: Action) -> str:
    return ", ".join(_SPELLED.get(key, key) for key in action.keys.split(","))
