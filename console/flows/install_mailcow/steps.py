"""Install Mailcow on the mail host, from Docker to services that each answer.

What is there is looked at first. Mailcow's own installer writes the settings, and what it gets wrong behind HAProxy is
mended before anything starts. A Mailcow that has containers is taken as it is: none of its files is written."""

from __future__ import annotations

import asyncio

from console.errors import InputError
from console.flows import (
    CheckResult,
    Flow,
    NotYetKnown,
    Plan,
    Step,
    StepContext,
    done,
    first_open,
    needed,
    refused,
    set_mode,
)
from console.flows.awaiting import GENERATED
from console.flows.install_mailcow.ground import Ground, bound, evidence, look, unmounted, waits
from console.flows.install_mailcow.preparing import Clone, Generate, Programs
from console.flows.install_mailcow.starting import Pull, Services, Up
from console.flows.install_mailcow.wanted import CONF, FILE, judged, loose, read, secrets, settings, web_peer
from console.text import clean, join_words


class Here(Step):
    """Nothing is begun that the installer, or the operator's data, forbids."""

    name, words, patience = "ground", "see whether Mailcow can be installed here", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """It only looks."""
        ground = await look(context)
        rows = evidence(context, ground)
        if ground.adopted:
            told = f"Mailcow {ground.there.version}".strip()
            return done(f"{told} is there, with {len(ground.there.containers)} containers: it is taken as it is", *rows)
        if bare := unmounted(context, ground):
            if waits(context):
                raise NotYetKnown(f"no volume is mounted at {join_words(bare)} yet")
            return refused(f"no volume is mounted at {join_words(bare)}: start the flow mount-volumes first", *rows)
        return done("nothing is in its way", *rows)


class Settings(Step):
    """What the installer cannot know: that HAProxy stands in front, and what the network has."""

    name, words, patience = "settings", "set what the installer gets wrong behind HAProxy", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when mailcow.conf says so, and only root reads it and the key; one that is in use is not touched."""
        ground = await look(context)
        if not ground.there.settings and not ground.adopted and context.expects(GENERATED):
            raise NotYetKnown(f"{FILE} is not written yet")
        text = await read(context)
        if ground.adopted:
            rows = await asyncio.to_thread(judged, text, ground)
            return done(f"{FILE} is in use, and left as it is" + (", though it differs" if rows else ""), *rows)
        try:
            made = await asyncio.to_thread(settings, text, ground, await web_peer(context, ground))
        except InputError as error:
            return refused(str(error))
        open_ = loose(ground)
        if not made.changes and not open_:
            return done("mailcow.conf is as it has to be", *([] if bound(ground) else [_unbound(ground)]))
        what = [f"{len(made.changes)} settings"] * bool(made.changes) + ["who may read the secrets"] * bool(open_)
        return needed(f"{join_words(what)} {'are' if made.changes else 'is'} to be changed")

    async def plan(self, context: StepContext) -> Plan:
        """One write, and the modes."""
        ground = await look(context)
        text = await read(context)
        for each in secrets(text):
            context.hide(each)
        made = await asyncio.to_thread(settings, text, ground, await web_peer(context, ground))
        write = await context.edit("mail", CONF, made.text, 0o600)
        modes = [set_mode("mail", path, 0o600, mode) for mode, path in loose(ground) if path != CONF]
        writes = [write] if made.changes or ground.there.settings != 0o600 else []
        notes = (*made.changes, *([] if bound(ground) else [_unbound(ground)]))
        return Plan((*writes, *modes), notes, undo=f"{FILE} before")


def _unbound(ground: Ground) -> str:
    why = ground.why or f"HAProxy dials {clean(ground.address, 60)}, which is no address of this machine"
    return f"Mailcow's own ports stay open on every address: {why}"


def _steps(context: StepContext) -> list[Step]:
    return [Here(), Programs(), Clone(), Generate(), Settings(), Pull(), Up(), Services()]


async def _standing(context: StepContext) -> CheckResult:
    """By the one look that the steps share; nothing is asked of the services."""
    return await first_open(context, _steps(context)[:-1])


FLOW = Flow(_steps, standing=_standing)
