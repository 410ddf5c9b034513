"""Questions only the operator can answer, and their answers: each is asked once, and kept while it is right."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from console.secret import Secret
from console.text import quote

Kind = Literal["host-key", "passphrase", "password", "sudo", "code"]


class Question(Struct, frozen=True):
    """One thing to ask. The same `id` is the same question; what is typed is hidden when it is `secret`.

    `text` and `detail` (which may be several lines) are cowhand's own words. What a host says is in `quoted` alone,
    made by `quotation`. `address` is where the host is, as user@host. A host key is accepted by "yes" or by its
    fingerprint, anything else is no."""

    id: str
    kind: Kind
    host: str
    text: str
    detail: str
    secret: bool
    address: str = ""
    quoted: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """Who asks, in cowhand's own words; it stands before everything else."""
        host = label(self.host)
        return f"{host} asks, in its own words:" if self.kind == "code" else f"cowhand asks, for {host}:"

    @property
    def destination(self) -> str:
        """Where the answer goes, in cowhand's own words; it stands next to what is typed."""
        host = label(self.host)
        if self.kind == "passphrase":
            return "your answer opens the key on this machine and is sent nowhere"
        if self.kind == "host-key":
            return "your answer is sent nowhere"
        if self.kind == "sudo":
            return f"your answer goes to sudo on {host}"
        return f"your answer goes to {host}" + (f" ({quote(self.address, 80)})" if self.address else "")


LINES = 10
"""Lines of a quotation at most: the last of them, for what is asked stands at the end."""

LONGEST = 200
"""Characters of a line of a quotation at most."""


def quotation(*texts: str) -> tuple[str, ...]:
    """Return what a host says as lines to show apart from cowhand's words: few, short, in ASCII."""
    lines = [quote(line.strip(), LONGEST) for text in texts for line in text[:16384].splitlines() if line.strip()]
    return (f"... ({len(lines) - LINES + 1} lines more)", *lines[1 - LINES :]) if len(lines) > LINES else tuple(lines)


def label(host: str) -> str:
    """Return a host's name as the operator wrote it; in quotes when it could be taken for words of a sentence."""
    name = quote(host, 60)
    return (
        name
        if re.fullmatch(r"[\w.@:\[\]-]+( \(the jump host of [\w.-]+\))?", name) and name != "cowhand"
        else f'"{name}"'
    )


Asker = Callable[[Question], Awaitable[str | None]]
"""Puts a question to the operator; None: dismissed."""


class Credentials:
    """Asks the questions of all hosts of one console and keeps the right answers in memory.

    One question is asked once, however many wait for its answer. What was not answered is not asked again until
    `forget`."""

    def __init__(self, ask: Asker | None = None) -> None:
        self._ask = ask
        self._open: dict[str, asyncio.Task[str | None]] = {}
        self._waiting: dict[str, int] = {}
        self._unanswered: set[str] = set()
        self._kept: dict[str, Secret] = {}

    @property
    def staffed(self) -> bool:
        """Whether there is anybody to ask."""
        return self._ask is not None

    def declined(self, id: str) -> bool:
        """Whether nobody can or would answer this."""
        return self._ask is None or id in self._unanswered

    async def ask(self, question: Question) -> Secret | None:
        """Put a question and wait, however long it takes; None when nobody can answer, or it was dismissed."""
        if self._ask is None or question.id in self._unanswered:
            return None
        task = self._open.get(question.id)
        if task is None:
            task = self._open[question.id] = asyncio.ensure_future(self._ask(question))
            self._waiting[question.id] = 0
        self._waiting[question.id] += 1
        try:
            answer = await asyncio.shield(task)
        finally:
            self._leave(question.id, task)
        if answer is None:
            self._unanswered.add(question.id)
            return None
        return Secret(answer)

    def _leave(self, id: str, task: asyncio.Task[str | None]) -> None:
        if self._open.get(id) is not task:
            return
        self._waiting[id] -= 1
        if task.done() or not self._waiting[id]:
            task.cancel()
            del self._open[id], self._waiting[id]

    def keep(self, id: str, secret: Secret) -> None:
        """Remember an answer that proved right, for as long as this console runs."""
        self._kept[id] = secret

    def kept(self, id: str) -> Secret | None:
        """The answer that was right before."""
        return self._kept.get(id)

    def drop(self, id: str) -> None:
        """Forget an answer that is not right any more."""
        self._kept.pop(id, None)

    def decline(self, id: str) -> None:
        """Do not ask this again until `forget`."""
        self._unanswered.add(id)

    def forget(self) -> None:
        """Ask again what was not answered."""
        self._unanswered.clear()
