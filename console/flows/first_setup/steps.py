"""Set everything up, from OpenTofu's files to mail that is proven, and say what is left for other hands.

The other flows one after another. Where it stands is what each of their steps finds, so it may be left at any point and
started again days later; what is there is not done twice."""

from __future__ import annotations

from collections.abc import Sequence

from console.errors import HostError
from console.facts import addresses
from console.flows import CheckResult, Flow, NotYetKnown, Step, StepContext, done, first_open, needed, skipped
from console.flows.first_setup.report import Left
from console.flows.registry import find
from console.text import join_words

PARTS = (
    "provision", "mount-volumes", "install-mailcow", "proxy-override", "haproxy-listeners", "certificate-sync",
    "prove-client-address",
)  # fmt: skip
"""In this order: HAProxy's new checks need the PROXY ports, and the push needs Mailcow."""

MACHINE = 1
"""How many of the parts come before the mail host must answer."""


class Reach(Step):
    """The mail host, which may just have been made."""

    name, words, patience = "reach", "reach the mail host", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """The site's files are read again where there is no way in yet: a new machine may have one now."""
        if context.expects("apply"):
            raise NotYetKnown("it is made first")
        try:
            return await self._answers(context)
        except HostError:
            await context.renew()
        return await self._answers(context)

    async def _answers(self, context: StepContext) -> CheckResult:
        own = await addresses.ask(context.host("mail", fresh=True))
        if own.error:
            raise HostError(own.error)
        return done(f"{context.name('mail')} answers; it has {join_words(list(own.found)) or 'no address'}")


class Needless(Step):
    """Stands for a part of which the site says too little."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.words, self.why = name, find(name).words, why

    async def check(self, context: StepContext) -> CheckResult:
        """Nothing is looked at."""
        return skipped(self.why)


def needless(context: StepContext, name: str) -> str:
    """Why a part cannot be done for this site, which its own run would refuse; "" when it can."""
    site = context.estate.sources.site
    if name == "certificate-sync" and site.certificate is None and not site.public.names:
        return 'site.toml does not say which certificate: [certificate] with name = "mail.example.org"'
    if name == "haproxy-listeners" and context.estate.sources.haproxy is None:
        return "the site names no file of HAProxy's"
    if name == "prove-client-address" and not context.estate.topology.lanes:
        return "no lane of mail is known: neither HAProxy's file nor [[lane]] names one"
    return ""


def _part(context: StepContext, name: str) -> Step | Flow:
    why = needless(context, name)
    return Needless(name, why) if why else find(name)


def _steps(context: StepContext) -> Sequence[Step | Flow]:
    parts = [_part(context, name) for name in PARTS]
    return [*parts[:MACHINE], Reach(), *parts[MACHINE:], Left()]


async def _standing(context: StepContext) -> CheckResult:
    """The first part that is not done; what only looks is left to a run."""
    for name in PARTS[:-1]:
        if needless(context, name):
            continue
        flow = find(name)
        try:
            if flow.standing is not None:
                found = await flow.standing(context)
            else:
                found = await first_open(context, [each for each in flow.steps(context) if isinstance(each, Step)])
        except NotYetKnown as error:
            return needed(f"{name}: {error}")
        if found.state not in ("done", "skipped"):
            return needed(f"{name}: {found.words}")
    return done("every part that changes anything is done; start it to have it proven and reported")


FLOW = Flow(_steps, standing=_standing)
