"""An executor over a stand-in for its host, which keeps what it was asked, and all that was told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from console.errors import Missing
from console.estate.load import load
from console.events import FlowEvent
from console.hosts.host import ANY, Before, Completed, Host, feeding
from console.hosts.marks import guarding, marking
from console.runner.context import StepContext
from console.runner.executor import Executor, Failed
from console.runner.plan import Action, Plan, Run
from console.runner.progress import Entry, Progress
from console.store.journal import Journal
from tests.console.flows.playing import SITE, Leave

WELL = Completed(0, b"", b"")
LOOKS = ("test", "-e", "/x")
"""A command that only reads."""


class Asked:
    """What a command came with."""

    def __init__(self, argv: Sequence[str], timeout: float) -> None:
        self.argv, self.timeout = tuple(argv), timeout
        self.mark, self.guard, self.fed = marking.get(), guarding.get(), feeding.get()


class Stand:
    """Stands for a host: `answers` are what its commands leave, in order; the last for all that follow."""

    role = "mail"

    def __init__(self, *answers: Completed | Exception, name: str = "cow") -> None:
        self.name, self.answers = name, list(answers) or [WELL]
        self.asked: list[Asked] = []
        self.files: dict[str, bytes] = {}
        self.written: list[tuple[str, bytes, int, Before]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.asked.append(Asked(argv, timeout))
        if self.meanwhile is not None:
            await self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        if path not in self.files:
            raise Missing(path)
        return self.files[path]

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        if isinstance(self.answers[0], Exception):
            raise self.answers[0]
        self.written.append((path, data, mode, before))


class Kept(Journal):
    """A journal in memory."""

    def __init__(self) -> None:
        self.run = "R"
        self._handle = -1
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, kind: str, **data: object) -> None:
        self.lines.append((kind, {key: value for key, value in data.items() if value not in (None, "", (), [])}))


class Doing:
    """An executor of a plan of these actions, and all that it told."""

    def __init__(self, tmp_path: Path, host: Stand, *actions: Action) -> None:
        (tmp_path / "site.toml").write_text(SITE)
        self.host, self.journal = host, Kept()
        self.events: list[FlowEvent] = []
        self.context = StepContext(load(tmp_path / "site.toml"), {"site-name": cast("Host", host)})
        step = Leave(Path("/x"), name="second")
        first, self.entry = Entry(("f",), Leave(Path("/x"), name="first")), Entry(("f", "g"), step)

        async def silent(prompt: object) -> str | None:
            return None

        self.progress = Progress(self.context, silent, self.events.append, self.journal)
        self.progress.entries = [first, self.entry]
        self.executor = Executor(self.progress, self.entry, Plan(actions))

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def failed(doing: Doing, action: Action, error: type[Exception] = Failed) -> str:
    with pytest.raises(error) as caught:
        await doing.executor.do(action)
    return str(caught.value)


RUN = Run("mail", ("touch", "/x"), 7.0, undo=("rm", "/x"), signal="INT")
