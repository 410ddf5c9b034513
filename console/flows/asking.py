"""A round of questions: asked once, after a yes; then logs and queue are read. For flows that prove things only."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import ceil

from msgspec import Struct

from console.errors import HostError
from console.facts import log, queue
from console.facts.queue import Queue
from console.flows import Call, CheckResult, NotYetKnown, Plan, Step, StepContext, done, needed, skipped, wrong
from console.hosts.host import Host
from console.probes.knock import Knock, Knocker, Told
from console.runner import read_only

for _script in queue.SCRIPTS:
    read_only.script("sh", _script)

LETTERS = "bcdfghjkmnpqrstvwxz"
"""Of which a nonce is made: no vowels, so no words."""

ASK = "ask"
"""The name of the step that asks, and of the interface that it asks by."""

LINES = 400
"""Lines of one service's log that may be ours."""

MARGIN = 2.0
"""Seconds before the first question from which a log counts, for its lines have whole seconds."""

TRIES, PAUSE = 5, 0.6
"""How often a log is read until all lines are there, and the seconds between: docker hands them on late."""

PATTERNS = {
    "postfix-mailcow": r"postscreen\[\d+\]: CONNECT |NOQUEUE: |haproxy read: ",
    "dovecot-mailcow": r"-login: ",
    "nginx-mailcow": r'"HEAD /',
}
"""The lines of each service that may tell whom it saw."""


class Log(Struct, frozen=True):
    """The lines of a service since the first question, or why they cannot be had."""

    lines: tuple[str, ...] = ()
    error: str = ""


class Round:
    """What is asked in this run, and what came of it. `services` are those whose logs tell."""

    def __init__(self, context: StepContext) -> None:
        self.nonce = "cowhand-" + "".join(secrets.choice(LETTERS) for _ in range(8))
        self.knocker = Knocker(lambda name: context.host(name, fresh=True), lambda: _proxy(context))
        context.offer(ASK, self.knocker)
        self.context = context
        self.before, self.after = Queue(error="it was not looked at"), Queue(error="it was not looked at")
        self.logs: dict[str, Log] = {}
        self.stale: dict[str, Counter[str]] = {}
        self.began = 0.0
        self.over = False

    def told(self, knock: Knock) -> Told | None:
        """What came of a question; None when it was not asked."""
        return self.knocker.told.get(knock)

    def lines(self, service: str | None) -> Log:
        """The log of a service."""
        return self.logs.get(service or "", Log(error="nobody knows which service answers"))

    def wait(self, context: StepContext) -> CheckResult | None:
        """What a step says while there are no answers; None when there are. May raise `NotYetKnown`."""
        if self.over:
            return None
        if context.expects(ASK):
            raise NotYetKnown("nothing was asked yet")
        return skipped("nothing was asked")

    async def mark(self) -> None:
        """Take what the logs say just before the first question: it is about somebody else, or about an earlier run."""
        self.began, self.stale = time.time(), {}
        found = await asyncio.gather(*(self._log(self.context, service) for service in PATTERNS))
        self.stale = {service: Counter(log.lines) for service, log in zip(PATTERNS, found, strict=True)}

    async def read(self, context: StepContext, services: Sequence[str], whole: Callable[[], bool]) -> None:
        """Read the logs until all is there that is looked for, or it is too late."""
        for turn in range(TRIES):
            if turn:
                await asyncio.sleep(PAUSE)
            found = await asyncio.gather(*(self._log(context, service) for service in services))
            self.logs = dict(zip(services, found, strict=True))
            if whole():
                return

    async def _log(self, context: StepContext, service: str) -> Log:
        try:
            host = context.host("mail", fresh=True)
        except HostError as error:
            return Log(error=str(error))
        since = ceil(time.time() - self.began + MARGIN)
        found = await log.ask(host, "service", service, since=since, pattern=PATTERNS.get(service, ""), lines=LINES)
        left, lines = Counter(self.stale.get(service)), []
        for line in found.lines:
            if left[line]:
                left[line] -= 1  # a line like it may come again in the same second, and is ours then
            else:
                lines.append(line)
        return Log(tuple(lines), found.error)


class AskAll(Step):
    """Ask every planned question, each once; the answers are kept for the steps that follow."""

    name = ASK
    patience = 120.0

    def __init__(self, turn: Round) -> None:
        self.turn = turn

    async def knocks(self, context: StepContext) -> Sequence[Knock]:
        """The questions."""
        raise NotImplementedError

    def notes(self, count: int) -> tuple[str, ...]:
        """What the operator should know before the yes."""
        raise NotImplementedError

    async def learn(self, context: StepContext) -> None:
        """Read what the answers need to be judged."""
        raise NotImplementedError

    def unneeded(self, knock: Knock) -> Awaitable[bool] | bool:
        """Whether a question need not be asked, after those before it."""
        return False

    async def check(self, context: StepContext) -> CheckResult:
        """It is asked anew each time: an answer of yesterday proves nothing."""
        if self.turn.over:
            return done(f"asked {_counted(len(self.turn.knocker.told), 'question')}")
        self.turn.before = await look(context)
        return needed("nobody has asked yet")

    async def plan(self, context: StepContext) -> Plan:
        """Each question is an action."""
        found = await self.knocks(context)
        calls = []
        for knock in found:
            path, says = self.turn.knocker.plan(knock)
            calls.append(Call(knock.vantage, ASK, "", path, says, 90.0))
        return Plan(tuple(calls), self.notes(len(calls)), undo="nothing is changed, so there is nothing to take back")

    async def apply(self, change: object, plan: Plan) -> None:
        """Ask them in order."""
        await self.turn.mark()
        for action in plan.actions:
            assert isinstance(action, Call)
            asked = self.unneeded(self.turn.knocker.planned[action.path])
            if not (asked if isinstance(asked, bool) else await asked):
                await change.do(action)  # type: ignore[attr-defined]

    async def verify(self, context: StepContext) -> CheckResult:
        """Read what the machines have written meanwhile."""
        await self.learn(context)
        self.turn.after = await look(context)
        self.turn.over = True
        rows = [f"{told.knock.to} from {told.knock.vantage}: {told.words}" for told in self.turn.knocker.told.values()]
        return done(f"asked {_counted(len(rows), 'question')}", *rows)


class Unchanged(Step):
    """Nothing of ours may be in Postfix's queue: nothing was relayed."""

    name, words = "queue", "see that nothing of ours was taken"

    def __init__(self, turn: Round) -> None:
        self.turn = turn

    async def check(self, context: StepContext) -> CheckResult:
        """Compare the queue before and after."""
        if waiting := self.turn.wait(context):
            return waiting
        before, after, nonce = self.turn.before, self.turn.after, self.turn.nonce
        if error := before.error or after.error:
            return skipped(f"the queue could not be looked at: {error}; no message was handed over: DATA is never said")
        if ours := [each.id for each in after.held if each.has(nonce)]:
            return wrong(f"the message {ours[0]} in the queue is addressed to {nonce}@example.invalid")
        if before.ids == after.ids:
            return done(f"the queue is unchanged: {_counted(len(after.held), 'message')} before and after")
        counts = f"{len(before.held)} before, {len(after.held)} after"
        return done(f"the queue holds nothing of ours; others' mail moved meanwhile: {counts}")


async def look(context: StepContext) -> Queue:
    """Look at the queue; what keeps us from it is in the result."""
    try:
        return await queue.ask(context.host("mail", fresh=True))
    except HostError as error:
        return Queue(error=str(error))


def standing_as(states: Mapping[str, str], wanted: str) -> list[str]:
    """The names of what was judged so."""
    return [name for name, state in states.items() if state == wanted]


def _proxy(context: StepContext) -> Host | None:
    try:
        return context.host("proxy", fresh=True)
    except HostError:
        return None


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
