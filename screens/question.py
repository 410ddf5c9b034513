"""What the engine asks, put to the operator in the docked bar: one at a time, never over what is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.questions import Question
from screens.text import Line, wrap
from screens.themes import Ink
from screens.widgets.bar import Bar

if TYPE_CHECKING:
    from screens.port import AppPort

PROMPTS = {
    "host-key": "type yes to trust this key, esc to cancel:",
    "passphrase": "passphrase, esc to cancel:",
    "password": "password, esc to cancel:",
    "sudo": "password for sudo, esc to cancel:",
    "code": "answer, esc to cancel:",
}

MOST = 8
"""Rows of a question in cowhand's own words at most, so that the matrix stays in view."""

QUOTED = 9
"""Rows of a quotation at most; the last ones are shown, for what is asked stands at the end."""


class QuestionBar:
    """Opens the bar for the oldest question when the bar is free, and closes it when the question is withdrawn."""

    def __init__(self, app: AppPort) -> None:
        self.app = app
        self.shown: str | None = None

    def show_next_question(self) -> None:
        """Look whether there is a question to put, or one to take back."""
        bar = self.app.query_one(Bar)
        waiting = self.app.board.questions
        if self.shown is not None and all(question.id != self.shown for question in waiting):
            self.shown = None
            bar.withdraw()
        if waiting and not bar.open:
            self._put(bar, waiting[0])

    def _put(self, bar: Bar, question: Question) -> None:
        self.shown = question.id

        def done(answer: str | None) -> None:
            self.shown = None
            self.app.board.questions = tuple(q for q in self.app.board.questions if q.id != question.id)
            self.app.engine.answer(question.id, answer)

        bar.ask(
            PROMPTS[question.kind], done, head=lambda width: rows(question, self.app.ink, width), secret=question.secret
        )


def rows(question: Question, ink: Ink, width: int) -> list[Line]:
    """Return who asks, what, and where the answer goes. What a host says is behind a bar of its own, and dim."""
    by_host = question.kind == "code"
    mark, style = ("▲ ", ink.degraded) if by_host else ("", ink.bright)
    lines: list[Line] = [((f" {mark}{row}", style),) for row in wrap(question.heading, width - 4)]
    if by_host:
        said = [row for line in question.quoted for row in wrap(line, width - 8)]
        said = said if len(said) <= QUOTED else ["…", *said[1 - QUOTED :]]
        lines += [(("   │ ", style), (row, ink.muted)) for row in said]
    else:
        own: list[Line] = [((f"   {row}", ink.bright),) for row in wrap(question.text, width - 4)]
        for line in question.detail.splitlines():
            own += [((f"   {row}", ink.text),) for row in wrap(line, width - 4)]
        lines += own[:MOST]
    return [*lines, *(((f" → {row}", ink.text),) for row in wrap(question.destination, width - 4))]
