"""The set-up in a thread of its own, for the screens: what it knows comes as one frozen value, the latest counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from console.engine.site_setup import Row, SiteSetup
from console.errors import CowhandError, Report, summarize, unreported
from console.questions import Question
from console.setup.answers import SetupQuestion


class SetupState(Struct, frozen=True):
    """How far a set-up is. `number` counts the questions; `wrong` says why the last answer cannot be used.

    `problem` says what ended it. `text` is what would be written, when there is nothing left to ask. `asked` are the
    questions of SSH that wait."""

    path: str
    exists: bool = False
    rows: tuple[Row, ...] = ()
    question: SetupQuestion | None = None
    number: int = 0
    wrong: str = ""
    busy: str = ""
    problem: str = ""
    text: str = ""
    lacks: tuple[str, ...] = ()
    asked: tuple[Question, ...] = ()
    written: bool = False


class SetupPort(Protocol):
    """What a screen may ask of a set-up; nothing blocks."""

    state: SetupState

    def start(self, notify: Callable[[], object]) -> None:
        """Begin, or begin again; `notify` is called from the set-up's thread when the state has changed."""

    def answer(self, key: str, text: str) -> None:
        """Answer the question with this key."""

    def reply(self, id: str, text: str | None) -> None:
        """Answer a question of SSH's; None cancels."""

    def write(self) -> None:
        """Write the site file."""

    def close(self) -> None:
        """End; nothing is written any more."""


class SetupEngine:
    """Runs a `SiteSetup` for `folder` and the site file `path`."""

    def __init__(self, folder: Path, path: Path, report: Report = unreported, *, tests: bool = True) -> None:
        self.folder, self.path, self.tests = folder, path, tests
        self.state = SetupState(str(path))
        self._report = report
        self._notify: Callable[[], object] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._setup: SiteSetup | None = None
        self._waiting: dict[str, tuple[Question, asyncio.Future[str | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, notify: Callable[[], object]) -> None:
        """Begin, or begin again; `notify` is called from this thread's loop when the state has changed."""
        self._notify = notify
        if self._loop is None:
            threading.Thread(target=self._run, name="setup", daemon=True).start()
        else:
            self._do(self._begin())

    def answer(self, key: str, text: str) -> None:
        """Answer the question with this key."""
        self._do(self._answer(key, text))

    def reply(self, id: str, text: str | None) -> None:
        """Answer a question of SSH's; None cancels. One that is not open is ignored."""

        def settle() -> None:
            _, waiting = self._waiting.get(id, (None, None))
            if waiting is not None and not waiting.done():
                waiting.set_result(text)

        self._soon(settle)

    def write(self) -> None:
        """Write the site file, when there is nothing left to ask."""
        self._do(self._write())

    def close(self) -> None:
        """End; nothing is written any more."""
        loop = self._loop
        if loop is not None:
            self._soon(loop.stop)

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        self._do(self._begin())
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            loop.close()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()

    def _soon(self, call: Callable[[], object]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        def begin() -> None:
            task = asyncio.ensure_future(self._safely(work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._soon(begin)

    async def _safely(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CowhandError as error:
            self._tell(replace(self.state, problem=str(error), busy="", question=None, text=""))
        except Exception as error:
            self._report(error)
            said = f"the set-up stopped: {summarize(error)}"
            self._tell(replace(self.state, problem=said, busy="", question=None, text=""))

    def _tell(self, state: SetupState) -> None:
        self.state = state
        self._notify()

    async def _begin(self) -> None:
        self._tell(SetupState(str(self.path), self.path.exists(), busy="looking for files"))
        self._setup = SiteSetup(self.folder, self.path, self._ask, tests=self.tests)
        self._setup.begin()
        self._tell(replace(self.state, busy=""))
        self._next()

    def _next(self, wrong: str = "") -> None:
        """Put what comes now: the next question, or what would be written."""
        setup, state = self._setup, self.state
        assert setup is not None
        question = setup.question()
        number = state.number + (question is not None and question != state.question)
        rows, lacks = tuple(setup.rows), tuple(setup.lacks)
        new = replace(state, rows=rows, question=question, number=number, wrong=wrong, busy="", lacks=lacks, text="")
        if question is None:
            text = setup.text()
            new = replace(new, text=text if text != setup.before or setup.copies else "", written=text == setup.before)
        self._tell(new)

    async def _answer(self, key: str, text: str) -> None:
        if self._setup is None or self.state.busy:
            return
        looking = f"looking at {text}" if key == "hosts" and self.tests else "reading"
        self._tell(replace(self.state, busy=looking, wrong=""))
        self._next(await self._setup.answer(key, text))

    async def _write(self) -> None:
        if self._setup is None or not self.state.text:
            return
        self._setup.write()
        self._tell(replace(self.state, written=True))

    async def _ask(self, question: Question) -> str | None:
        waiting: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting[question.id] = (question, waiting)
        self._tell(replace(self.state, asked=tuple(each for each, _ in self._waiting.values())))
        try:
            return await waiting
        finally:
            self._waiting.pop(question.id, None)
            self._tell(replace(self.state, asked=tuple(each for each, _ in self._waiting.values())))
