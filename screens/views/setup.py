"""The set-up: what was found and understood, the questions that are left, and the site file before it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message

from screens.question import PROMPTS, rows
from screens.text import Line, clip, fit, wrap
from screens.view import View
from screens.widgets.bar import Bar
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from rich.style import Style

    from console.engine.setup_engine import SetupPort, SetupState
    from console.engine.site_setup import Row
    from console.setup.answers import SetupQuestion

LABEL = 28
"""Columns of a row's label."""

NOTES = 5
"""Rows above the bar of what is known."""


class SetupSpoke(Message):
    """The set-up has something new to say."""


class Setup(View):
    """One pane of rows, and the docked bar for the questions; esc dismisses one, enter puts it again."""

    NAME: ClassVar[str] = "setup"

    def __init__(self) -> None:
        super().__init__(id="setup")
        self.skipped = 0
        self._port: SetupPort | None = None
        self._put = ""
        """What the bar shows: the id of a question."""
        self._dismissed = ""

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._rows, id="setup-rows")

    @property
    def state(self) -> SetupState | None:
        """How far the set-up is; None before it began."""
        return self._port.state if self._port is not None else None

    # what is shown

    def _rows(self, width: int, height: int) -> list[Line]:
        ink, state = self.ink, self.state
        if state is None:
            return [((" no set-up can be made from here", ink.muted),)]
        head: Line = ((" set-up of ", ink.muted), (clip(state.path, width - 24), ink.bright),
                      (", which is there" if state.exists else ", a new file", ink.muted))  # fmt: skip
        lines: list[Line] = [head]
        if self.cowhand.lab:
            lines.append(((" behind it the rehearsal is open: esc leads there", ink.muted),))
        for row in state.rows if not state.text or state.problem else ():
            lines += self._known(row, width)
        lines += self._now(state, width)
        room = max(height - self._covered(), 3)
        self.skipped = max(min(self.skipped, len(lines) - room), 0)
        shown = lines[self.skipped : self.skipped + room]
        below = len(lines) - room - self.skipped
        if below > 0:
            shown[-1] = ((f" ↓ {below + 1} more lines: pgdn", ink.degraded),)
        return shown

    def _covered(self) -> int:
        """Rows at the bottom that the open bar hides."""
        bar = self.cowhand.query_one(Bar)
        height = bar.styles.height
        return max(int(height.value) - 1, 0) if bar.open and height is not None else 0

    def _known(self, row: Row, width: int) -> list[Line]:
        ink = self.ink
        mark, style = {"ok": ("●", ink.ok), "wrong": ("✗", ink.broken)}.get(row.mark, ("·", ink.muted))
        if not row.label and row.mark == "note":
            room = width - 5
            return [((f" {mark if not at else ' '} ", style), (part, ink.muted))
                    for at, part in enumerate(wrap(row.words, room, 1))]  # fmt: skip
        label = fit(row.label, min(LABEL, width // 3))
        parts = wrap(row.words, max(width - len(label) - 5, 10), 3) or [""]
        return [
            ((f" {mark if not at else ' '} ", style), (label if not at else " " * len(label), ink.bright),
             (f" {part}", ink.text))
            for at, part in enumerate(parts)
        ]  # fmt: skip

    def _now(self, state: SetupState, width: int) -> list[Line]:
        """What the set-up does or waits for, below what is known."""
        ink = self.ink
        if state.problem:
            rows = [((f" ✗ {row}" if not at else f"   {row}", ink.broken),)
                    for at, row in enumerate(wrap(state.problem, width - 5))]  # fmt: skip
            return [(), *rows, ((" nothing was written; ", ink.muted), ("c", ink.key), (" begins again", ink.muted))]
        if state.busy:
            return [(), ((f" … {clip(state.busy, width - 4)}", ink.unknown),)]
        if state.question is not None:
            waits: Line = ((" ⏎ ", ink.key), (clip(state.question.text, width - 4), ink.bright))
            wrong: list[Line] = [((f"   {row}", ink.broken),) for row in wrap(state.wrong, width - 4)]
            listed = [((f"   {fit(value, 18)} ", ink.text), (clip(words, width - 24), ink.muted))
                      for value, words in state.question.choices.items() if state.question.free]  # fmt: skip
            return [(), *([waits] if self._dismissed == state.question.key else []), *wrong, *listed]
        if state.text:
            lines: list[Line] = [((" ⏎ ", ink.key), ("what would be written; enter asks for the yes", ink.bright))]
            lines += [((f" · {row}", ink.degraded),) for row in state.lacks]
            lines += [((f"   {clip(row, width - 4)}", self._styled(row)),) for row in state.text.split("\n")]
            return lines
        if state.written:
            return [(), ((" the site file says all of this", ink.ok),)]
        return []

    def _styled(self, row: str) -> Style:
        return self.ink.muted if row.startswith("#") else self.ink.bright if row.startswith("[") else self.ink.text

    # what happens

    def shown(self) -> None:
        """Come to the front; the set-up begins with the first time."""
        if self._port is None:
            self._port = self.cowhand.setup_port()
            if self._port is not None:
                self._port.start(self._wake)
        self._dismissed = ""
        self.redraw()
        self.show_next_prompt()

    def _wake(self) -> None:
        try:
            self.post_message(SetupSpoke())
        except RuntimeError:
            return  # the screens have ended

    def on_setup_spoke(self, message: SetupSpoke) -> None:
        """Show the state, put what is asked, and open the site once it is written."""
        message.stop()
        state = self.state
        if state is None or not self.is_running:
            return
        if state.written and state.text and not state.problem:
            self.cowhand.open_site(state.path)
            return
        bar = self.cowhand.query_one(Bar)
        self.skipped = 0 if state.text else 100_000  # what is asked about stands at the end
        if self._put and self._put not in self._wanted(state):
            self._put = ""
            bar.withdraw()
        self.redraw()
        self.show_next_prompt()

    def _wanted(self, state: SetupState) -> list[str]:
        """The ids of what may be put now, the first of them first."""
        if state.asked:
            return [question.id for question in state.asked]
        if state.problem or state.busy:
            return []
        return [state.question.key] if state.question is not None else ["write"] if state.text else []

    def show_next_prompt(self) -> None:
        """Put the next question, unless it was dismissed or the bar is taken."""
        state = self.state
        if state is None or self.cowhand.query_one(Bar).open or not self.display:
            return
        wanted = self._wanted(state)
        if not wanted or wanted[0] == self._dismissed or (wanted[0] == "write" and self._dismissed != "open"):
            return
        self._put = wanted[0]
        if state.asked:
            self._put_ssh(state)
        elif state.question is not None:
            self._put_question(state.question, state.number)
        else:
            self._put_write(state)
        self.redraw()

    def _put_ssh(self, state: SetupState) -> None:
        port, question = self._port, state.asked[0]
        assert port is not None

        def done(answer: str | None) -> None:
            self._put = ""
            port.reply(question.id, answer)

        self.cowhand.query_one(Bar).ask(
            PROMPTS[question.kind], done, head=lambda width: rows(question, self.ink, width), secret=question.secret
        )

    def _put_question(self, question: SetupQuestion, number: int) -> None:
        port = self._port
        assert port is not None

        def done(answer: str | None) -> None:
            self._put = ""
            if answer is None:
                self._dismissed = question.key
            else:
                port.answer(question.key, answer)
            self.redraw()

        def head(width: int) -> list[Line]:
            ink = self.ink
            parts = wrap(question.text, width - 6)
            lines: list[Line] = [((f" {number}  ", ink.key), (parts[0], ink.bright))]
            lines += [((f"    {part}", ink.bright),) for part in parts[1:]]
            notes = [part for note in question.notes for part in wrap(note, width - 6, 2)]
            return [*lines, *(((f"    {note}", ink.muted),) for note in notes[:NOTES])]

        bar = self.cowhand.query_one(Bar)
        if question.choices and not question.free:
            offers = [(value, value, words) for value, words in question.choices.items()]
            first = next((at for at, (value, _, _) in enumerate(offers) if value == question.default), 0)
            bar.ask(
                "which? esc for later:", done, head=head, suggest=lambda typed: _matching(offers, typed), picked=first
            )
        else:
            offered = question.default or ""
            prompt = (
                "enter takes them" if question.several else f"enter takes {clip(offered, 40)}" if offered else "type"
            )
            # a list is edited, a single answer is typed anew
            bar.ask(f"{prompt}, esc for later:", done, head=head, value=offered if question.several else "")

    def _put_write(self, state: SetupState) -> None:
        port = self._port
        assert port is not None

        def done(answer: str | None) -> None:
            self._put, self._dismissed = "", ""
            if answer is not None and answer.strip() == "yes":
                port.write()
            elif answer is not None:
                self.cowhand.say("that was not yes: nothing was written")
            self.redraw()

        def head(width: int) -> list[Line]:
            return [((f" write {clip(state.path, width - 8)}", self.ink.bright),)]

        self.cowhand.query_one(Bar).ask("type yes to write it, esc to cancel:", done, head=head)

    def do(self, id: str) -> None:
        """Scroll, put the question again, or begin again."""
        page = max(self.size.height - 3, 1)
        moves = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -100_000, "last": 100_000}
        state = self.state
        if id in moves:
            self.skipped = max(self.skipped + moves[id], 0)
        elif id == "open" and state is not None:
            self._dismissed = "open" if state.text and state.question is None else ""
            self.show_next_prompt()
        elif id == "check" and self._port is not None:
            self.skipped, self._dismissed = 0, ""
            self._port.start(self._wake)
        self.redraw()

    def on_resize(self, event: events.Resize | None = None) -> None:
        """Take another shape."""
        self.fit()
        self.redraw()

    def text(self) -> str:
        """What is known, or the site file as it would be, as plain lines."""
        state = self.state
        if state is None:
            return ""
        return state.text or "".join(f"{row.label}  {row.words}\n" for row in state.rows)


def _matching(offers: list[tuple[str, str, str]], typed: str) -> list[tuple[str, str, str]]:
    return [offer for offer in offers if typed.lower() in f"{offer[0]} {offer[2]}".lower()]


SCREEN = Setup
