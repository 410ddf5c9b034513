"""The hand that changes machines: what is in the plan that was shown, told and journalled before and after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from console.errors import CowhandError, FileError, HostError, StreamError
from console.events import ActionBegan, ActionEnded, ActionSaid, FlowEvent
from console.facts.command import explain
from console.hosts.host import Completed, overhearing
from console.hosts.shell import line
from console.runner import show
from console.runner.context import StepContext
from console.runner.read_only import Forbidden
from console.runner.step import Action, Plan, Run, Write
from console.store.journal import Journal
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
    """A planned action did not do what it should. `unsure`: whether it took effect is not known."""

    def __init__(self, text: str, unsure: bool = False) -> None:
        self.unsure = unsure
        super().__init__(text)


class Stopped(CowhandError):
    """The operator stopped the run, between two actions."""


class Executor:
    """Does the actions of one plan of one step. `checkpoint` raises `Stopped` when the operator wants an end."""

    def __init__(
        self,
        context: StepContext,
        plan: Plan,
        step: tuple[int, str],
        journal: Journal,
        tell: Callable[[FlowEvent], None],
        checkpoint: Callable[[], None],
    ) -> None:
        self.context, self.plan = context, plan
        self.begun = self.made = 0
        """Actions that were begun, and those of them that ended well."""
        self._index, self._name = step
        self._journal, self._tell, self._checkpoint = journal, tell, checkpoint

    async def do(self, action: Action) -> Completed | None:
        """Do one action; raises `Forbidden` when it is not in the plan, `Stopped`, `Failed` or `JournalError`."""
        if action not in self.plan.actions:
            raise Forbidden(f"{clean(action.text, 80)} was not in the plan that was shown")
        if isinstance(action, Run) and self.context.betrays(action.text):
            raise Forbidden(f"{action.argv[0]} would show a secret to every user of {self.context.name(action.host)}")
        self._checkpoint()
        shown = show.action(self.context, action)
        limit = action.timeout if isinstance(action, Run) else WRITE
        argv = list(action.argv) if isinstance(action, Run) else []
        self._journal.write(
            "do", step=self._name, role=action.host, host=shown.host, text=shown.text, argv=argv, limit=limit
        )
        self._tell(ActionBegan(self._journal.run, self._index, shown, time.time()))
        self.begun += 1
        began = time.monotonic()
        done: Completed | None = None
        problem = ""
        try:
            async with asyncio.timeout(limit + GRACE + GUARD * len(getattr(action, "guards", ()))):
                done = await (self._run(action) if isinstance(action, Run) else self._write(action))
            problem = self._problem(action, done)
        except TimeoutError:
            problem = f"it did not end within {limit + GRACE:g} s"
            raise Failed(f"{shown.text}: {problem}", unsure=True) from None
        except asyncio.CancelledError:
            problem = "cut off while it ran: whether it took effect is not known"
            raise
        except Failed as error:
            problem = str(error)
            raise
        except HostError as error:
            problem = clean(str(error), 400)
            raise Failed(problem, unsure=_unsure(error)) from None
        finally:
            self.context.forget()
            took = time.monotonic() - began
            output = self._output(done)
            status = done.status if done else None
            self._tell(
                ActionEnded(self._journal.run, self._index, shown, status, output, problem, round(took, 3), time.time())
            )
            self._journal.write(
                "did", step=self._name, host=shown.host, text=shown.text, status=status, problem=problem,
                output=output, seconds=round(took, 3),
            )  # fmt: skip
        if problem:
            raise Failed(problem)
        self.made += 1
        return done

    async def _run(self, action: Run) -> Completed:
        for guard in action.guards:
            passed = await self.context.host(action.host).run(guard, GUARD)
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
        self._tell(ActionSaid(self._journal.run, self._index, output, time.time()))

    async def _write(self, action: Write) -> None:
        now = await self.context.data(action.host, action.path)
        if now not in (action.before, action.after):
            raise Failed(f"{action.path} has changed since its plan was shown; it was left as it is")
        await self.context.machine(action.host).write(action.path, action.after, action.mode)

    def _problem(self, action: Action, done: Completed | None) -> str:
        if done is None or not isinstance(action, Run) or done.status in action.well:
            return ""
        return self.context.redact(explain(self.context.name(action.host), action.argv[0], done))

    def _output(self, done: Completed | None) -> str:
        if done is None:
            return ""
        text = "\n".join(part for part in (_text(done.stdout), _text(done.stderr)) if part)
        return show.lines(self.context, text)[-TAIL:]


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
