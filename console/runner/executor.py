"""Executes the actions of a confirmed plan; each is journalled before and after."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping

from console.errors import CowhandError, FileError, HostError, StreamError
from console.events import ActionBegan, ActionEnded, ActionSaid, FlowEvent
from console.facts.command import explain
from console.hosts.host import ABSENT, Completed, overhearing
from console.hosts.marks import guarding, marking
from console.hosts.shell import line
from console.runner import show
from console.runner.plan import Action, Plan, Run, Write
from console.runner.progress import Entry, Progress, Unsettled
from console.runner.read_only import Forbidden
from console.text import clean

WRITE = 60.0
"""Seconds a write may take, reading the old content included."""

GUARD = 30.0
"""Seconds a guard may take."""

GRACE = 10.0
"""Seconds beyond its own limit after which an action is given up though its host has not said so."""

TAIL = 4000
"""Characters of a command's output that are told and kept: its end."""


OFTEN = 0.5
"""Seconds between two tellings of what a command says while it runs."""


class Failed(CowhandError):
    """A planned action did not do what it should."""


class Executor:
    """Executes the actions of one confirmed plan of one step; each is journalled before and after."""

    def __init__(self, progress: Progress, entry: Entry, plan: Plan) -> None:
        self.context, self.plan = progress.context, plan
        self.under: Mapping[str, tuple[str, str]] = {}
        """Host, by its name in the site file → the rollback (its program, its name) that must be armed there."""
        self.always = False
        """Whether it goes on though the operator has stopped the run: for what takes a change back."""
        self.begun = self.made = 0
        """Actions that were begun, and those of them that succeeded."""
        self._progress, self._entry = progress, entry
        self._journal = progress.journal

    async def do(self, action: Action) -> Completed | None:
        """Do one action; raises `Forbidden` when it is not in the plan, `Stopped`, `Failed` or `JournalError`."""
        if action not in self.plan.actions:
            raise Forbidden(f"{clean(action.text, 80)} was not in the plan that was shown")
        if isinstance(action, Run) and self.context.betrays(action.text):
            raise Forbidden(f"{action.argv[0]} would show a secret to every user of {self.context.name(action.host)}")
        if not self.always:
            self._progress.checkpoint()
        await self.context.lock(action.host)
        shown = show.action(self.context, action)
        limit = action.timeout if isinstance(action, Run) else WRITE
        key = self.context.key(action.host)
        begun = Unsettled(self._journal.run, f"{self._journal.run}-{_word()}", key, shown.text, time.time(), limit)
        told = {
            "step": self._entry.step.name, "flow": self._entry.flow, "host": shown.host, "text": shown.text,
            "key": key, "mark": begun.mark,
        }  # fmt: skip
        argv = list(action.argv) if isinstance(action, Run) else []
        self._journal.write("do", **told, argv=argv, limit=limit)
        self._tell(ActionBegan(self._journal.run, self._at, shown, time.time(), self._entry.path))
        self.begun += 1
        self._progress.begun += 1
        began = time.monotonic()
        done: Completed | None = None
        problem, unsure = "", False
        token, guard = marking.set(begun.mark), guarding.set(self.under.get(key))
        try:
            async with asyncio.timeout(limit + GRACE + GUARD * len(getattr(action, "guards", ()))):
                done = await (self._run(action) if isinstance(action, Run) else self._write(action))
            problem = self._problem(action, done)
        except TimeoutError:
            problem, unsure = f"it did not end within {limit + GRACE:g} s", True
            raise Failed(f"{shown.text}: {problem}") from None
        except asyncio.CancelledError:
            problem, unsure = "cut off while it ran: whether it took effect is not known", True
            raise
        except Failed as error:
            problem = str(error)
            raise
        except HostError as error:
            problem, unsure = clean(str(error), 400), _unsure(error)
            raise Failed(problem) from None
        finally:
            marking.reset(token)
            guarding.reset(guard)
            self.context.invalidate()
            if unsure:
                self._progress.unsettled.append(begun)
            took = round(time.monotonic() - began, 3)
            output, status = self._output(done), done.status if done else None
            self._tell(
                ActionEnded(
                    self._journal.run, self._at, shown, status, output, problem, took, time.time(), self._entry.path
                )
            )
            self._journal.write(
                "did", **told, status=status, problem=problem, output=output, seconds=took, unsure=unsure or None
            )
        if problem:
            raise Failed(problem)
        self.made += 1
        return done

    @property
    def _at(self) -> int:
        return self._progress.index(self._entry)

    def _tell(self, event: FlowEvent) -> None:
        self._progress.tell(event)

    async def _run(self, action: Run) -> Completed:
        for guard in action.guards:
            passed = await self.context.host(action.host, fresh=True).run(guard, GUARD)
            if passed.status:
                why = explain(self.context.name(action.host), guard[0], passed)
                raise Failed(f"{action.argv[0]} was not run, for {line(guard)} did not succeed: {why}")
        ear = Ear(self._said)
        token = overhearing.set(ear.hear)
        try:
            return await self.context.machine(action.host).run(action.argv, action.timeout)
        finally:
            overhearing.reset(token)
            ear.close()

    def _said(self, text: str) -> None:
        output = show.lines(self.context, text)[-TAIL:]
        self._tell(ActionSaid(self._journal.run, self._at, output, time.time(), self._entry.path))

    async def _write(self, action: Write) -> None:
        now = await self.context.data(action.host, action.path, fresh=True)
        if now not in (action.before, action.after):
            raise Failed(f"{action.path} has changed since its plan was shown; it was left as it is")
        before = ABSENT if now is None else now
        await self.context.machine(action.host).write(action.path, action.after, action.mode, before)

    def _problem(self, action: Action, done: Completed | None) -> str:
        if done is None or not isinstance(action, Run) or done.status in action.well:
            return ""
        return self.context.redact(explain(self.context.name(action.host), action.argv[0], done))

    def _output(self, done: Completed | None) -> str:
        if done is None:
            return ""
        text = "\n".join(part for part in (_text(done.stdout), _text(done.stderr)) if part)
        return show.lines(self.context, text)[-TAIL:]


def _word() -> str:
    """A word that no other action has had, and that nobody can guess."""
    return secrets.token_hex(8)


class Ear:
    """Hears a command and tells the end of what it said, in whole lines: half a secret would not be known as one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._kept = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, data: bytes) -> None:
        """Take what was said."""
        self._kept += data
        if len(self._kept) > 4 * TAIL:
            del self._kept[: self._kept.find(b"\n", len(self._kept) - 4 * TAIL) + 1 or len(self._kept)]
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(OFTEN, self._flush)

    def close(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self._timer = None
        whole = self._kept[: self._kept.rfind(b"\n") + 1]
        if whole:
            self._tell(_text(bytes(whole)))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip("\n")


def _unsure(error: HostError) -> bool:
    """Whether an action that ended with this may have taken effect: all but what the machine itself refused."""
    return not isinstance(error, FileError) or isinstance(error, StreamError)
