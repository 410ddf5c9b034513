"""Mailcow's own ACME client is told to keep away: two that order the same name use up the authority's limit."""

from __future__ import annotations

import re

from console.errors import HostError
from console.facts.command import explain
from console.flows import Action, CheckResult, Plan, Run, Step, StepContext, done, needed
from console.flows.certificate_sync import way_back
from console.flows.certificate_sync.commands import ACME
from console.flows.certificate_sync.ground import LOOK, Ground, ground
from console.flows.proxy_override.stack import EDITED
from console.sources.compose import env_edit

NAME = "SKIP_LETS_ENCRYPT"
UP = 300.0
"""Seconds in which the container is recreated."""

_YES = re.compile(rf"{NAME}=[\"']?[yY]")


class Acme(Step):
    """mailcow.conf, and the container that reads it."""

    name, words = "acme", "have Mailcow's own ACME client keep away"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the file and the running container both say so."""
        found = await ground(context)
        if not _YES.search(_last(await context.text("mail", f"{found.folder}/mailcow.conf", EDITED) or "")):
            return needed(f"mailcow.conf does not say {NAME}=y: Mailcow orders certificates of its own")
        if not await _heeded(context, found):
            return needed(f"mailcow.conf says {NAME}=y, and {ACME} was made before that")
        return done(f"{NAME}=y")

    async def plan(self, context: StepContext) -> Plan:
        """One line of mailcow.conf, and the container recreated."""
        found = await ground(context)
        path = f"{found.folder}/mailcow.conf"
        text = await context.text("mail", path, EDITED) or ""
        actions: list[Action] = []
        if not _YES.search(_last(text)):
            actions.append(await context.edit("mail", path, env_edit.put(text, NAME, "y", "mailcow.conf")))
        actions.append(_up(found))
        return Plan(tuple(actions), (f"{ACME} serves nobody: mail is not interrupted",), undo="the file from before")

    async def undo(self, context: StepContext) -> Plan | None:
        """The file from before, then the container recreated from it."""
        found = await way_back.actions(context, self.name)
        return Plan((*found, _up(await ground(context)))) if found else None


def _up(found: Ground) -> Run:
    words = ("docker", "compose", "--project-directory", found.folder, "up", "-d", "--no-deps", "--pull", "never", ACME)
    return Run("mail", words, UP)


def _last(text: str) -> str:
    rows = [row.strip() for row in text.split("\n") if row.strip().startswith(f"{NAME}=")]
    return rows[-1] if rows else ""


async def _heeded(context: StepContext, found: Ground) -> bool:
    """Whether the container, if it runs, was made with the setting."""
    words = ["docker", "compose", "--project-directory", found.folder, "ps", "-q", ACME]
    said = await context.host("mail").run(words, LOOK)
    if said.status:
        raise HostError(explain(context.name("mail"), "docker", said))
    number = said.stdout.decode("ascii", "replace").strip()
    if not number:
        return True
    told = await context.host("mail").run(["docker", "inspect", "--format", "{{json .Config.Env}}", number], LOOK)
    if told.status:
        raise HostError(explain(context.name("mail"), "docker", told))
    return bool(_YES.search(told.stdout.decode("utf-8", "replace")))
