"""Publish Mailcow's PROXY ports for HAProxy alone, and have Dovecot trust HAProxy as it sees it.

The override is edited, not replaced, and compose has to accept it before it is used. Whom Dovecot has to trust it
says itself of a connection from the proxy. When a lane that was well is not any more, the files before are put back."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_address

from console.errors import InputError
from console.facts import addresses
from console.flows import (
    CheckResult,
    Flow,
    Group,
    Member,
    NotYetKnown,
    Plan,
    Run,
    Step,
    StepContext,
    Write,
    done,
    needed,
    refused,
    skipped,
)
from console.flows.awaiting import mailcow
from console.flows.proxy_override.reaching import reaches, refused_peer, turned_away
from console.flows.proxy_override.stack import DOVECOT, EDITED, OVERRIDE, Stack, find
from console.flows.proxy_override.wanted import (
    Files,
    Needed,
    affected,
    covered,
    explained,
    files,
    right,
    service,
    trusted,
    trusting,
)
from console.flows.proxy_override.wanted import needed as work_out
from console.flows.putting_back import CANDIDATE, back, lay, undone
from console.text import join_words

PORTS, TRUST = "ports", "trust"
"""The steps' names, by which the journal keeps what they did."""

TRIES, PAUSE, PATIENCE = 40, 1.0, 3.0
"""How often and how far apart a port is dialled until its container is up; seconds a connection may take."""

UP, RELOAD, SECONDS = 300.0, 60.0, 420
"""Seconds: recreating containers, a reload inside one, and what the host waits before it goes back by itself."""

MADE = ("up", "-d", "--no-deps", "--pull", "never")
"""Compose recreates a container whose configuration has changed, and leaves the services it depends on alone."""

TRY = (
    'docker compose --project-directory "$1" --project-name "$2" -f "$1/docker-compose.yml" -f "$3" config -q; '
    'said=$?; rm -f -- "$3" "$3.previous"; exit "$said"'
)
"""Compose's own check of the candidate, which is gone afterwards."""

AGAIN = "doveconf -n >/dev/null && dovecot reload"
"""Dovecot reads its files again, when it accepts them."""

CONF = "data/conf/dovecot/extra.conf"

_NO_IPV6 = re.compile(r"(?mi)^[ \t]*ENABLE_IPV6[ \t]*=[ \t]*[\"']?(?:false|n|no|0)\b")


def closed_to_six(conf: str) -> bool:
    """Whether a mailcow.conf says that Mailcow has no IPv6."""
    return _NO_IPV6.search(conf) is not None


async def stack_of(context: StepContext) -> Stack:
    """The stack, looked for once between two changes; raises `NotYetKnown` while it is to be installed."""
    mailcow(context)
    return await context.cached("mailcow's stack", lambda: find(context))


class Find(Step):
    """Mailcow's project, and what its override does now."""

    name, words = "stack", "find Mailcow, and see what its PROXY ports are open for"

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse a stack that may not be changed now; say what is dangerous in it first."""
        need = work_out(context.estate)
        if need.why:
            return skipped(need.why)
        stack = await stack_of(context)
        own = await addresses.ask(context.host("mail"))
        if not own.error and need.address not in own.found:
            there = f"{context.name('mail')} has {join_words(list(own.found))}"
            return refused(f"HAProxy dials {need.address}, and {there}: this flow publishes on its own addresses")
        six = [each for each in own.found if ":" in each and not ip_address(each).is_private]
        conf = await context.text("mail", stack.at("mailcow.conf"), EDITED) or ""
        rows = explained(need, stack.configured)
        if six and closed_to_six(conf):
            who = f"a client of {six[0]} counts as Mailcow's own: open relay (CH007)"
            rows.insert(0, f"danger: ENABLE_IPV6=false, and the VM has IPv6: {who}")
        return done(f"{stack.project} in {stack.folder}", *rows)


class Ports(Member):
    """The override and mailcow.conf, and the containers recreated from them."""

    name, words, guarded, patience = "mail", "publish the PROXY ports on one address", ("mail",), 90.0

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while a port is missing, or open on every address, in the files or in the containers."""
        need = work_out(context.estate)
        if need.why:
            return skipped(need.why)
        stack = await stack_of(context)
        if right(need, stack.configured):
            if right(need, stack.running):
                ports = join_words([str(port) for port in need.ports])
                return done(f"{ports} are published on {need.address} alone")
            return needed("the files are right, and the containers were made before that")
        try:
            made = await _files(context, stack, need)
        except InputError as error:
            return refused(str(error))
        return needed(f"{len(made.changes)} change{'s' if len(made.changes) > 1 else ''} of what is published")

    async def plan(self, context: StepContext) -> Plan:
        """The candidate, compose's check of it, the files, and `up -d` of the two services."""
        need, stack = work_out(context.estate), await stack_of(context)
        made = await _files(context, stack, need)
        place = stack.at(OVERRIDE)
        write = await context.edit("mail", place, made.override)
        conf = await context.edit("mail", stack.at("mailcow.conf"), made.settings)
        writes = [each for each in (conf, write) if each.before != each.after]
        candidate = f"{place}{CANDIDATE}"
        beside = await context.edit("mail", candidate, made.override, write.mode)
        words = f"the {made.override.count(chr(10))} lines as they will be"
        shown = Write("mail", candidate, beside.before, beside.after, write.mode, summary=words)
        check = Run("mail", ("sh", "-c", TRY, "sh", stack.folder, stack.project, candidate), RELOAD)
        tried = (shown, check) if write in writes else ()
        services = affected(need, stack.configured, stack.running)
        every = stack.compose(*MADE, *services)
        # one after another: neither waits for the other's stop and start
        ups = [Run("mail", stack.compose(*MADE, each), UP) for each in services]
        notes = (
            *made.changes,
            *(
                f"{each} is recreated: its ports refuse for some seconds, and clients have to try again"
                for each in services
            ),
        )
        undo = "the files before are put back, and the containers recreated"
        actions = (*await lay(context, "mail"), *tried, *writes, *ups)
        return Plan(actions, notes, undo=undo, rollbacks=(back("mail", writes, every, SECONDS),))

    async def undo(self, context: StepContext) -> Plan | None:
        """The files before, when nobody has changed them since."""
        stack, need = await stack_of(context), work_out(context.estate)
        actions = await undone(context, PORTS, "mail")
        services = sorted({service(port) for port in need.ports})
        ups = [Run("mail", stack.compose(*MADE, each), UP) for each in services]
        return Plan((*actions, *ups), undo="start the flow again") if actions else None


async def _files(context: StepContext, stack: Stack, need: Needed) -> Files:
    override = await context.text("mail", stack.at(OVERRIDE), EDITED)
    conf = await context.text("mail", stack.at("mailcow.conf"), EDITED) or ""
    return await asyncio.to_thread(files, need, stack.configured, override, conf)


async def open_ports(context: StepContext) -> CheckResult:
    """The proxy itself reaches every port."""
    need = work_out(context.estate)
    closed = list(need.ports)
    for number in range(TRIES):
        closed = [port for port in need.ports if not await reaches(context, need.address, port)]
        if not closed:
            ports = join_words([str(port) for port in need.ports])
            return done(f"{context.name('proxy')} reaches {need.address}:{ports}")
        if number < TRIES - 1:
            await asyncio.sleep(PAUSE)
    return needed(f"{context.name('proxy')} does not reach {need.address}:{join_words([str(port) for port in closed])}")


async def taken(context: StepContext) -> CheckResult:
    """Dovecot takes the proxy's header on each of its ports."""
    need = work_out(context.estate)
    ports = [port for port in need.ports if service(port) == DOVECOT]
    away = [port for port in ports if await turned_away(context, need.address, port)]
    if away:
        return needed(f"Dovecot still turns HAProxy away on {join_words([str(port) for port in away])}")
    return done(f"Dovecot takes HAProxy's header on {join_words([str(port) for port in ports])}")


class Trust(Member):
    """extra.conf, and Dovecot's reload."""

    name, words, guarded, patience = "dovecot", "have Dovecot trust HAProxy as it sees it", ("mail",), 90.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when Dovecot does not turn the proxy away."""
        need = work_out(context.estate)
        if need.why or not any(service(port) == DOVECOT for port in need.ports):
            return skipped(need.why or "no lane leads to Dovecot")
        if context.expects(PORTS):
            raise NotYetKnown("Dovecot says whom it sees when HAProxy reaches it for the first time")
        stack = await stack_of(context)
        peer = await context.cached("dovecot's peer", lambda: _peer(context, stack, need))
        there = trusted(await context.text("mail", stack.at(CONF), EDITED) or "")
        if not peer:
            told = f"trusted: {join_words(there) or 'nobody'}"
            return done(f"Dovecot takes the header of {context.name('proxy')}", told)
        if covered(peer, there):
            return needed(f"extra.conf trusts {peer}, and Dovecot has not read it")
        return needed(f"Dovecot turns HAProxy away: it sees {peer}, and trusts {join_words(there) or 'nobody'}")

    async def plan(self, context: StepContext) -> Plan:
        """One more trusted network, and a reload."""
        need, stack = work_out(context.estate), await stack_of(context)
        peer = await context.cached("dovecot's peer", lambda: _peer(context, stack, need))
        text = await context.text("mail", stack.at(CONF), EDITED) or ""
        after = text if covered(peer, trusted(text)) else trusting(text, peer)
        write = await context.edit("mail", stack.at(CONF), after)
        writes = [write] if write.before != write.after else []
        again = Run("mail", stack.compose("exec", "-T", DOVECOT, "sh", "-c", AGAIN), RELOAD)
        notes = (
            f"{peer} is what Dovecot itself says of a connection from {context.name('proxy')}",
            "whoever else comes from that address may claim any client address as well",
            "a reload interrupts nobody",
        )
        actions = (*await lay(context, "mail"), *writes, again)
        rollback = back("mail", writes, again.argv, SECONDS)
        return Plan(actions, notes, undo="extra.conf before, and a reload", rollbacks=(rollback,))

    async def undo(self, context: StepContext) -> Plan | None:
        """The file before, when nobody has changed it since."""
        stack = await stack_of(context)
        actions = await undone(context, TRUST, "mail")
        again = Run("mail", stack.compose("exec", "-T", DOVECOT, "sh", "-c", AGAIN), RELOAD)
        return Plan((*actions, again), undo="start the flow again") if actions else None


async def _peer(context: StepContext, stack: Stack, need: Needed) -> str:
    ports = [port for port in need.ports if service(port) == DOVECOT]
    return await refused_peer(context, stack, need.address, max(ports))


def _steps(context: StepContext) -> list[Step]:
    trust = "have Dovecot trust HAProxy as it sees it"
    return [
        Find(),
        Group(PORTS, "publish the PROXY ports on one address", [Ports()], open_ports),
        Group(TRUST, trust, [Trust()], taken),
    ]


FLOW = Flow(_steps)
