"""Images, containers, and the question that each service answers."""

from __future__ import annotations

import asyncio
import re

from console.errors import HostError
from console.facts.installation import PROJECT
from console.flows import CheckResult, NotYetKnown, Plan, Run, Step, StepContext, done, needed, skipped, wrong
from console.flows.awaiting import GENERATED
from console.flows.install_mailcow import working
from console.flows.install_mailcow.commands import Layers
from console.flows.install_mailcow.ground import FOLDER, QUIET, bound, look
from console.flows.install_mailcow.wanted import FILE, read
from console.sources.compose import env_file
from console.text import join_words

PULLED, UP = "pull", "up"

PULL, QUIET_PULL, START = 3 * 3600.0, 3600.0, 1200.0
"""Seconds: one image, one of its layers, of which docker says nothing while it comes, and `up -d`."""

TRIES, PAUSE = 60, 5.0
"""How often services that have just been started are asked, and the seconds between."""

NOT_UPDATING = (("sh", "-c", QUIET),)

_YOUNG = re.compile(r"second|About a minute|\b[2-9] minutes")


def compose(*words: str) -> tuple[str, ...]:
    """`docker compose WORDS` for Mailcow's project."""
    return ("docker", "compose", "--project-directory", FOLDER, "--project-name", PROJECT, *words)


class Pull(Step):
    """The images, one after another."""

    name, words, patience = PULLED, "fetch the images", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when docker has each image that compose names."""
        ground = await look(context)
        if ground.adopted:
            return skipped("the containers are there: `update.sh` fetches new images")
        there = ground.there
        if not there.wanted:
            if context.expects(GENERATED):
                raise NotYetKnown("compose names the images when mailcow.conf is there")
            raise HostError("docker compose names no images")
        if not there.absent:
            return done(f"{len(set(there.wanted))} images are there")
        verb = "is" if len(there.absent) == 1 else "are"
        return needed(f"{len(there.absent)} of {len(set(there.wanted))} images {verb} missing")

    async def plan(self, context: StepContext) -> Plan:
        """What has come stays: a pull that was cut off goes on with the layers that are missing."""
        absent = (await look(context)).there.absent
        pulls = [
            Run("mail", ("docker", "pull", each), PULL, guards=NOT_UPDATING, silence=QUIET_PULL, progress=Layers(each))
            for each in absent
        ]
        return Plan(tuple(pulls), undo="docker image rm, by hand")


class Up(Step):
    """The containers."""

    name, words, patience = UP, "start Mailcow", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when a container of each service runs."""
        there = (await look(context)).there
        if not there.services:
            if context.expects(GENERATED):
                raise NotYetKnown("compose names the services when mailcow.conf is there")
            raise HostError("docker compose names no services")
        if context.expects(PULLED):
            return needed("nothing runs yet")
        if not there.stopped:
            return done(f"containers of all {len(there.services)} services run")
        if len(there.stopped) == len(there.services):
            return needed("no service runs")
        return needed(f"{join_words(there.stopped)} {'does' if len(there.stopped) == 1 else 'do'} not run")

    async def plan(self, context: StepContext) -> Plan:
        """Start the containers that exist, and create those that are missing. No container is recreated."""
        ground = await look(context)
        words = compose("up", "-d", "--no-recreate", "--pull", "never")
        notes = ["existing containers are started; none of them is recreated"]
        if not ground.adopted:
            notes.append("the first start makes the database, and may take some minutes")
        back = () if ground.adopted else compose("down")
        return Plan(
            (Run("mail", words, START, guards=NOT_UPDATING, undo=back),),
            tuple(notes),
            undo="" if ground.adopted else "docker compose down; the volumes, and all mail in them, stay",
        )


class Services(Step):
    """Each service is asked its own question."""

    name, words, patience = "services", "see that each service works", 900.0

    async def check(self, context: StepContext) -> CheckResult:
        """Ask; those that have just been started are asked again until they answer."""
        if context.expects(UP):
            raise NotYetKnown("the services are asked when they run")
        for left in reversed(range(TRIES)):
            ground = await look(context)
            values = env_file.read(await read(context), FILE).values
            found = await working.ask(context, values, bound(ground) or "127.0.0.1", ground.there.containers)
            young = any(_YOUNG.search(each.status) for each in ground.there.containers)
            if not found.bad or not young or not left:
                break
            await asyncio.sleep(PAUSE)
            context.invalidate()
        rows = (*found.bad, *(f"{each} works" for each in found.well))
        if found.unasked:
            rows = (*rows, f"run, and nobody can ask them anything from here: {join_words(found.unasked)}")
        if found.bad:
            return wrong(f"{join_words([each.partition(':')[0] for each in found.bad])}: no sign of work", *rows)
        told = f"Mailcow runs: {len(found.well)} services answer as they should"
        return done(f"{told}, {len(found.unasked)} run and cannot be asked" if found.unasked else told, *rows)
