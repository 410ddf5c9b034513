"""One line to type in, docked over the last rows: the palette, a filter, a question. No window over the live view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual import events

from screens.text import Line, clean, fit, follow
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from screens.port import AppPort

MATCHES = 6
"""Rows of suggestions at most."""

LEAST_HEAD = 6
"""Rows that may stand above the line in the smallest terminal."""

Choice = tuple[str, str, str]
"""What a suggestion is called (its id), its label, and its words."""


class Bar(Pane):
    """Takes all keys while it is open; enter ends it with an answer, escape without."""

    def __init__(self) -> None:
        super().__init__(self._rows_of, id="bar")
        self.open = False
        self.prompt = ""
        self.value = ""
        self.picked = 0
        self._suggest: Callable[[str], Sequence[Choice]] | None = None
        self._typed: Callable[[str], None] | None = None
        self._done: Callable[[str | None], None] = lambda answer: None
        self._note: Callable[[int], Sequence[Line]] | None = None
        self._head: Callable[[int], Sequence[Line]] | None = None
        self._check: Callable[[str], str] | None = None
        self._wrong = ""
        self._skipped = self._matches = 0
        self._secret = False

    def ask(
        self,
        prompt: str,
        done: Callable[[str | None], None],
        *,
        value: str = "",
        suggest: Callable[[str], Sequence[Choice]] | None = None,
        typed: Callable[[str], None] | None = None,
        head: Callable[[int], Sequence[Line]] | None = None,
        secret: bool = False,
        picked: int = 0,
        check: Callable[[str], str] | None = None,
    ) -> None:
        """Open. `done` gets the text, or the id of the chosen suggestion, or None; `typed` hears every change.

        `head` gives rows to stand above the line; what is typed shows as dots when it is `secret`. `picked`
        is the suggestion that enter takes. `check` says what is wrong with a text (""
        when nothing is): then it is asked again."""
        self.prompt, self.value, self.picked = prompt, value, picked
        self._done, self._suggest, self._typed = done, suggest, typed
        self._head, self._secret = head, secret
        self._check, self._wrong, self._skipped = check, "", 0
        self._matches = 0 if not suggest else len(self.choices()) if head else MATCHES
        self._stand()
        self.open = True
        self.redraw()

    def _stand(self) -> None:
        """Take as many rows as what stands above the line needs, up to half of the terminal."""
        rows = min(len(self._head(self.app.size.width)), self._most()) if self._head else 0
        self.styles.height = 1 + rows + self._matches + (1 if self._head or self._suggest else 0) + bool(self._wrong)

    def _most(self) -> int:
        return max(self.app.size.height // 2, LEAST_HEAD)

    def _headed(self, width: int) -> list[Line]:
        """What stands above the line; where it is longer than its room a part, and how much more there is."""
        ink = cast("AppPort", self.app).ink
        rows = list(self._head(width)) if self._head is not None else []
        room = self._most()
        self._skipped = max(min(self._skipped, len(rows) - room), 0)
        below = len(rows) - room - self._skipped
        shown = rows[self._skipped : self._skipped + room]
        if below > 0:
            shown[-1] = ((f" ↓ {below + 1} more lines: pgdn", ink.degraded),)
        if self._skipped:
            shown[0] = ((f" ↑ {self._skipped + 1} lines above: pgup", ink.degraded),)
        return [*shown, *([((f" {self._wrong}", ink.broken),)] if self._wrong else [])]

    def note(self, lines: Callable[[int], Sequence[Line]]) -> None:
        """Show rows until any key."""
        self._note = lines
        self._done = lambda answer: None
        self.styles.height = len(lines(self.app.size.width)) + 1
        self.open = True
        self.redraw()

    def choices(self) -> list[Choice]:
        """The suggestions for what is typed."""
        return list(self._suggest(self.value)) if self._suggest else []

    def _rows_of(self, width: int, height: int) -> list[Line]:
        ink = cast("AppPort", self.app).ink
        if self._note is not None:
            return [(("─" * width, ink.faint),), *self._note(width)]
        room = width - cell_len(self.prompt) - 4
        typed = "•" * len(self.value) if self._secret else self.value
        shown = typed if cell_len(typed) <= room else "…" + typed[-(room - 1) :]
        line: Line = ((f" {self.prompt} ", ink.muted), (shown, ink.bright), ("▏", ink.key))
        head = [(("─" * width, ink.faint),), *self._headed(width)] if self._head is not None else []
        if not self._suggest:
            return [*head, line]
        rows: list[Line] = head or [(("─" * width, ink.faint),)]
        named = len(rows)
        found = self.choices()
        room_of = self._matches or MATCHES
        top = follow(self.picked - room_of + 1, self.picked, len(found), room_of)
        for at, (_, label, words) in list(enumerate(found))[top : top + room_of]:
            chosen = at == self.picked
            style = ink.chosen(ink.bright) if chosen else ink.muted
            room = max(cell_len(label), 5)
            lead = ("▸" if chosen else " ") + f"{fit(label, room)} "
            rows.append(((lead, style), (fit(words, max(width - room - 2, 0)), style)))
        if len(rows) == named:
            rows.append(((" nothing is called that", ink.muted),))
        left = len(found) - room_of
        if left > 0:
            more = f"{min(self.picked + 1, len(found))} of {len(found)}: ↓ ↑ or type "
            gap = width - sum(cell_len(text) for text, _ in line) - cell_len(more)
            line = (*line, (" " * gap + more, ink.muted)) if gap > 0 else line
        return [*rows, *[()] * (height - 1 - len(rows)), line]

    def press(self, event: events.Key) -> None:
        """Edit, choose or end. Keys come from the app: moving Textual's focus would repaint the whole screen."""
        key = event.key
        if self._note is not None or key in ("escape", "ctrl+c"):
            self._end(None)
        elif key == "enter":
            choices = self.choices()
            wrong = self._check(self.value) if self._check is not None and self.value else ""
            if wrong:
                self._wrong, self.value = wrong, ""
                self._stand()
                self.redraw()
            elif self._suggest is None:
                self._end(self.value)
            elif choices:
                self._end(choices[self.picked][0])
        elif key in ("down", "tab", "ctrl+n", "up", "shift+tab", "ctrl+p"):
            last = max(len(self.choices()) - 1, 0)
            self.picked = min(max(self.picked + (1 if key in ("down", "tab", "ctrl+n") else -1), 0), last)
            self.redraw()
        elif key in ("pagedown", "pageup"):
            self._skipped = max(self._skipped + (1 if key == "pagedown" else -1) * max(self._most() - 2, 1), 0)
            self.redraw()
        elif key in ("backspace", "ctrl+h"):
            self._edit(self.value[:-1])
        elif key == "ctrl+u":
            self._edit("")
        elif key == "ctrl+w":
            self._edit(self.value.rstrip().rpartition(" ")[0])
        elif event.character is not None and event.is_printable:
            self._edit(self.value + event.character)

    def paste(self, text: str) -> None:
        """Take the first line of what is pasted."""
        if self._note is not None:
            return
        self._edit(self.value + clean((text.splitlines() or [""])[0]))

    def _edit(self, value: str) -> None:
        self.value, self.picked = value[:200], 0
        self.redraw()
        if self._typed is not None:
            self._typed(self.value)

    def withdraw(self) -> None:
        """Close without an answer to anybody."""
        self._done = lambda answer: None
        self._end(None)

    def _end(self, answer: str | None) -> None:
        self.open = False
        self.value = self._wrong = ""
        self._note = self._head = self._check = None
        self._secret = False
        self.styles.height = 0
        self._done(answer)
        cast("AppPort", self.app).show_next_question()
