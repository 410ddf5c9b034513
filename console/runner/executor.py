"""Executes the actions of a confirmed plan; each is journalled before and after."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any

from console.errors import CowhandError, FileError, HostError, StreamError, TimedOut
from console.events import ActionBegan, ActionEnded, ActionProgressed, ActionSaid, FlowEvent
from console.facts.command import explain
from console.hosts.host import ABSENT, Completed, feeding, overhearing
from console.hosts.marks import guarding, marking
from console.hosts.shell import line
from console.runner import show, transfer
from console.runner.hearing import TAIL, Ear, Gauge, text
from console.runner.plan import Action, Amount, Call, Copy, Plan, Run, Wait, Write
from console.runner.progress import Entry, Progress, Running, Unsettled
from console.runner.read_only import Forbidden
from console.text import clean

WRITE = 60.0
"""Seconds a write may take, reading the old content included."""

GUARD = 30.0
"""Seconds a guard may take."""

GRACE = 10.0
"""Seconds beyond its own limit after which an action is given up though its host has not said so."""


class Failed(CowhandError):
    """A planned action did not do what it should."""


class Executor:
    """Executes the actions of one confirmed plan of one step; each is journalled before and after."""

    def __init__(self, progress: Progress, entry: Entry, plan: Plan) -> None:
        self.context, self.plan = progress.context, plan
        self.under: Mapping[str, tuple[str, str, str]] = {}
        """Host, by its name in the site file → the rollback (host, program, name) that must be armed there."""
        self.guards = False
        """Whether what it does arms and settles rollbacks: that is no part of the change, and is not undone with it."""
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
        limit = WRITE if isinstance(action, Write) else action.timeout
        key = self.context.key(action.host)
        begun = Unsettled(self._journal.run, f"{self._journal.run}-{_word()}", key, shown.text, time.time(), limit)
        told = {
            "step": self._entry.step.name, "flow": self._entry.flow, "host": shown.host, "text": shown.text,
            "key": key, "mark": begun.mark,
        }  # fmt: skip
        argv = list(action.argv) if isinstance(action, Run) else []
        self._journal.write(
            "do", **told, argv=argv, limit=limit, undo=_way_back(action) or None, guard=self.guards or None
        )
        self._tell(ActionBegan(self._journal.run, self._at, shown, time.time(), self._entry.path))
        self.begun += 1
        self._progress.begun += 1
        began = time.monotonic()
        done: Completed | None = None
        problem, unsure = "", False
        token, guard = marking.set(begun.mark), guarding.set(self.under.get(key))
        signal = action.signal if isinstance(action, Run) else "TERM"
        running = self._progress.running = Running(key, begun.mark, signal)
        try:
            async with asyncio.timeout(limit + GRACE + GUARD * len(getattr(action, "guards", ()))):
                done = await self._perform(action)
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
            self._progress.running = None
            running.ended.set()
            self.context.invalidate()
            if unsure:
                self._progress.unsettled.append(begun)
            took = round(time.monotonic() - began, 3)
            output, status = self._output(action, done), done.status if done else None
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
        if not self.guards:
            made = self._progress.made.setdefault(self._entry.identity, [])
            made.append(_way_back(action) | {"key": key})
        return done

    async def _perform(self, action: Action) -> Completed | None:
        match action:
            case Run():
                return await self._run(action)
            case Write():
                await self._write(action)
            case Copy():
                source, target = self.context.machine(action.source_host), self.context.machine(action.host)
                await transfer.copy(source, target, action, Gauge(self._far).take)
            case Call():
                return await self.context.api(action.api).call(action.method, action.path, action.body, action.timeout)
            case Wait():
                await self._wait(action)
        return None

    async def _wait(self, action: Wait) -> None:
        """Ask until it succeeds; a host that cannot be asked for a while is asked again."""
        until = time.monotonic() + action.timeout
        why = "it was not asked"
        while time.monotonic() < until:
            try:
                done = await self.context.host(action.host, fresh=True).run(action.argv, GUARD)
                if done.status == 0:
                    return
                why = explain(self.context.name(action.host), action.argv[0], done)
            except HostError as error:
                why = str(error)
            await self._progress.pause(min(action.every, max(until - time.monotonic(), 0.0)))
        raise Failed(f"waited {action.timeout:g} s in vain until {action.words}: {clean(why, 200)}")

    def _far(self, amount: Amount, rate: float, left: float) -> None:
        words = show.line(self.context, amount.words)
        self._tell(
            ActionProgressed(
                self._journal.run, self._at, amount.done, amount.total, amount.unit, round(rate, 3), round(left, 1),
                words, time.time(), self._entry.path,
            )
        )  # fmt: skip

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
        gauge = Gauge(self._far)
        read = action.progress

        def far(line: str) -> None:
            if read is not None and (amount := read(line)) is not None:
                gauge.take(amount)

        ear = Ear(lambda said: self._said(action, said), far if read is not None else None)
        token = overhearing.set(ear.hear)
        machine, fed = self.context.machine(action.host), feeding.set(_fed(action))
        running = asyncio.ensure_future(machine.run(_taking(action), action.timeout))
        feeding.reset(fed)
        silent = asyncio.ensure_future(ear.silence(action.silence)) if action.silence else None
        try:
            await asyncio.wait({running, silent} if silent else {running}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise TimedOut(f"{action.argv[0]} said nothing for {action.silence:g} s, and was given up")
            return running.result()
        finally:
            overhearing.reset(token)
            ear.close()
            for task in (running, silent):
                if task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait({task})

    def _said(self, action: Run, said: str) -> None:
        output = show.lines(self.context, _told(action, said))[-TAIL:]
        self._tell(ActionSaid(self._journal.run, self._at, output, time.time(), self._entry.path))

    async def _write(self, action: Write) -> None:
        now = await self.context.data(action.host, action.path, fresh=True)
        if now not in (action.before, action.after):
            raise Failed(f"{action.path} has changed since its plan was shown; it was left as it is")
        before = ABSENT if now is None else now
        await self.context.machine(action.host).write(action.path, action.after, action.mode, before)

    def _problem(self, action: Action, done: Completed | None) -> str:
        if done is None or done.status in (action.well if isinstance(action, Run) else (0,)):
            return ""
        tool = action.argv[0] if isinstance(action, Run) else getattr(action, "api", "it")
        return self.context.redact(explain(self.context.name(action.host), tool, done))

    def _output(self, action: Action, done: Completed | None) -> str:
        if done is None:
            return ""
        said = "\n".join(part for part in (text(done.stdout), text(done.stderr)) if part)
        return show.lines(self.context, _told(action, said))[-TAIL:]


def _told(action: Action, said: str) -> str:
    """What is shown of an output."""
    if not isinstance(action, Run) or action.tells is None:
        return said
    return "\n".join(told for line in said.split("\n") if (told := action.tells(line)))


TAKE = """\
n=$1
shift
while [ "$n" -gt 0 ]; do
  IFS= read -r v || exit 125
  export "$1=$v"
  shift
  n=$((n-1))
done
exec "$@"
"""
"""Reads the value of each variable from a line of its input, and becomes the command."""


def _taking(action: Run) -> tuple[str, ...]:
    """The command, taking its secret variables from its input: neither `ps` nor a log on the host shows them."""
    if not action.environment:
        return action.argv
    names = [name for name, _ in action.environment]
    return ("sh", "-c", TAKE, "sh", str(len(names)), *names, *action.argv)


def _fed(action: Run) -> bytes:
    """What a command gets as its input."""
    lines = b"".join(secret.reveal().encode() + b"\n" for _, secret in action.environment)
    return lines + (action.stdin.reveal().encode() if action.stdin is not None else b"")


def _way_back(action: Action) -> dict[str, Any]:
    """What takes an action back later, as the journal keeps it; {} when nothing does by itself."""
    if isinstance(action, Run) and action.undo:
        return {"run": list(action.undo)}
    if isinstance(action, Write):
        before = "" if action.before is None else _sum(action.before)
        kept = {"path": action.path, "before": before, "after": _sum(action.after), "mode": action.mode}
        return kept | ({"sealed": True} if action.sealed else {})
    if isinstance(action, Copy):
        return {"path": action.path, "before": action.before, "after": action.sha256, "mode": action.mode}
    return {}


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _word() -> str:
    """A word that no other action has had, and that nobody can guess."""
    return secrets.token_hex(8)


def _unsure(error: HostError) -> bool:
    """Whether an action that ended with this may have taken effect: all but what the machine itself refused."""
    return not isinstance(error, FileError) or isinstance(error, StreamError)
