"""Give HAProxy the listeners that mail needs: checks that prove something, times that let IDLE live, both families.

HAProxy is installed where it is absent. Its file on the proxy is edited, not replaced; HAProxy checks it before it is
used, and is reloaded, never restarted.
When a lane that was well is not any more, or nobody comes back to say so, the file before is put back."""

from __future__ import annotations

import asyncio

from console.errors import InputError
from console.flows import Ask, CheckResult, Flow, Group, Member, Plan, Step, StepContext, done, needed, refused
from console.flows.awaiting import mailcow
from console.flows.haproxy_listeners.program import Program
from console.flows.haproxy_listeners.reloading import reloading, restore
from console.flows.haproxy_listeners.running import PROOF, Found, down, look, prove, reading, unread, used
from console.flows.haproxy_listeners.wanted import Wanted, offers, running, wanted
from console.text import join_words

NAME = "listeners"
"""The step's name, by which the journal keeps what it did."""

KEY = "submission"
"""The key of the answer whether 587 is to be offered."""


class File(Step):
    """Which file, and whether it may be edited."""

    name, words = "file", "find the file that HAProxy runs"

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse a file that HAProxy does not run, or refuses as it is; and a HAProxy that nobody can ask."""
        found = await look(context)
        if isinstance(found, CheckResult):
            return found
        return done(f"{context.name('proxy')} runs {found.path}, and accepts it", *found.evidence)


class Listeners(Member):
    """The proxy's part: its file, and the reload."""

    name, words, guarded = "proxy", "edit HAProxy's listeners, and reload it", ("proxy",)
    patience = 60.0 + 2 * PROOF

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while the file is not as it should be, or HAProxy has not read it."""
        found = await look(context)
        if isinstance(found, CheckResult):
            return found
        try:
            want = await asyncio.to_thread(work, context, found, context.answers.get(KEY) == "yes")
        except InputError as error:
            return refused(f"an edit cannot be made: {error}")
        there = await asyncio.to_thread(running, context.estate, found.path, want.text)
        left = tuple(f"left as it is: {each.id} {each.summary}" for each in want.left)
        if want.text != found.text:
            mailcow(context)
            now = await asyncio.to_thread(running, context.estate, found.path, found.text)
            if dead := down(now, found.stats):
                return refused(f"{join_words(dead)}: the mail host does not answer there; that has to be mended first")
            count = len(want.changes)
            return needed(f"{count} change{'s' if count > 1 else ''} in {found.path}", *left)
        if waiting := unread(there, found.stats):
            return needed(f"{found.path} is as it should be, and HAProxy has not read it: {join_words(waiting)}", *left)
        return done("every listener of mail is as it should be", *left)

    async def verify(self, context: StepContext) -> CheckResult:
        """As `check`, once HAProxy has had its time: systemd calls a reload done before the new process answers."""
        path = used(context.estate)
        if isinstance(path, str) and (text := await context.text("proxy", path)) is not None:
            await reading(context, running(context.estate, path, text))
        return await self.check(context)

    async def plan(self, context: StepContext) -> Plan:
        """The candidate beside the file, HAProxy's own check of it, the file, and a reload."""
        found = await look(context)
        assert isinstance(found, Found)
        offered = await asyncio.to_thread(offers, context.estate, found.path, found.text)
        submission = offered and context.ask(_question()) == "yes"
        want = await asyncio.to_thread(work, context, found, submission)
        actions, rollback = await reloading(context, found, want.text)
        if want.text == found.text:
            return Plan(actions, undo="nothing was changed", rollbacks=(rollback,))
        notes = (
            *want.changes,
            "a reload interrupts nobody: what is open stays with the old process until it ends",
            f"the repository's file is left as it is: bring {found.path} there, or it is told as drift",
        )
        undo = f"{found.path}.previous is put back, and HAProxy reloaded"
        return Plan(actions, notes, undo=undo, rollbacks=(rollback,))

    async def undo(self, context: StepContext) -> Plan | None:
        """The file before, when nobody has changed it since."""
        found = await look(context)
        return await restore(context, NAME, found.path) if isinstance(found, Found) else None


async def proof(context: StepContext) -> CheckResult:
    """HAProxy itself has every server of mail UP, by a check that got its answer."""
    found = await look(context)
    if isinstance(found, CheckResult):
        return found
    return await prove(context, await asyncio.to_thread(running, context.estate, found.path, found.text))


def work(context: StepContext, found: Found, submission: bool) -> Wanted:
    """What the file should be; raises `InputError`.

    The file is the proxy's own and may be long: this is done beside the loop, which hears of Ctrl+C meanwhile."""
    return wanted(context.estate, found.path, found.text, found.six, submission)


def _question() -> Ask:
    choices = {"no": "465 is enough: leave 587 closed", "yes": "a listener for 587 as well"}
    text = "Mailcow has 587 (STARTTLS) ready for HAProxy. Offer it to clients?"
    return Ask(KEY, text, choices, default="no")


def _steps(context: StepContext) -> list[Step]:
    words = "edit HAProxy's listeners, and reload it"
    return [Program(), File(), Group(NAME, words, [Listeners()], proof)]


FLOW = Flow(_steps)
