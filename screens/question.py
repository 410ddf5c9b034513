"""What the engine asks, put to the operator in the docked bar: one at a time, never over what is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.questions import Question
from screens.text import Line, wrap
from screens.widgets.bar import Bar

if TYPE_CHECKING:
    from screens.app import CowhandApp

PROMPTS = {
    "host-key": "type yes to trust this key, esc for not now:",
    "passphrase": "passphrase, esc for not now:",
    "password": "password, esc for not now:",
    "sudo": "password for sudo, esc for not now:",
    "code": "answer, esc for not now:",
}

MOST = 8
"""Rows of a question at most, so that the matrix stays in view."""


class QuestionBar:
    """Opens the bar for the oldest question when the bar is free, and closes it when the question is withdrawn."""

    def __init__(self, app: CowhandApp) -> None:
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

        def head(width: int) -> list[Line]:
            ink = self.app.ink
            rows: list[Line] = [((f" {row}", ink.bright),) for row in wrap(question.text, width - 2)]
            for line in question.detail.splitlines():
                rows += [((f" {row}", ink.text),) for row in wrap(line, width - 2)]
            return rows[:MOST]

        bar.ask(PROMPTS[question.kind], done, head=head, secret=question.secret)
