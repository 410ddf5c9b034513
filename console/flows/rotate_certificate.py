"""Renew the certificate when it is due, or use the one that is there, and prove on every port that it is served.

Certbot renews, its hook of certificate-sync pushes; this flow asks for it, pushes again what did not arrive, and looks
from outside. A rehearsal (`--answer renew=test`) goes the whole way with a certificate that is not installed."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from msgspec import Struct

from console.diagnosis.tlsa import PREFIX, agreement, usable
from console.errors import HostError, InputError
from console.estate import named
from console.facts import certificates, tlsa
from console.facts.command import explain
from console.flows import (
    Ask,
    CheckResult,
    Flow,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    done,
    needed,
    refused,
    skipped,
    wrong,
)
from console.flows.certificate_sync import lines, proof
from console.flows.certificate_sync.commands import PUSH
from console.flows.certificate_sync.ground import LOOK, SETTINGS, Ground, ground
from console.flows.certificate_sync.previous import Pushed
from console.flows.certificate_sync.steps import asset
from console.ladders import IMPLICIT_TLS, STARTTLS, Ladder, ProbeTarget
from console.model import Certificate, Tlsa
from console.probes import tls
from console.probes.ladder import climb
from console.probes.sweep import MOST_ADDRESSES
from console.runner.read_only import script
from console.text import address, clean, count, join_words

CLOCK = script("sh", """printf '%s %s\\n' "$(date +%s)" "$(stat -L -c %Y -- "$1")" """)
"""The host's own time, and since when the lineage's certificate is there; both in Unix seconds."""

CERTBOT = script("sh", 'certbot --version 2>&1 && cat -- "$1" && find "$2" -name \'cert*.pem\' -mtime -7 | wc -l')
"""Its version, the lineage's settings, and how many certificates of it were issued within seven days."""

FRESH = 3600
"""Seconds in which what was issued is used as it is: a retry must not order another one."""

LIMIT, AUTHORITY = 5, "acme-v02.api.letsencrypt.org"
"""How many certificates for the same names Let's Encrypt issues within seven days."""

AT_ONCE = 16
"""Handshakes under way at once."""

ORDER, HOOK = 900.0, 1500.0
"""Seconds that certbot may take, and the hook."""


class State(Struct, frozen=True):
    """The lineage as it is: its certificate, the host's time, since when it is there, certbot, its server and count."""

    leaf: Certificate
    now: float
    since: float
    version: tuple[int, ...]
    server: str
    issued: int
    reuses: bool = False
    """Whether certbot keeps the key at each renewal (reuse_key in the lineage's settings)."""

    @property
    def left(self) -> str:
        """What is left, in words."""
        days = (self.leaf.not_after - self.now) / 86400
        return f"{days:.0f} days left" if days > 0 else f"expired {-days:.0f} days ago"

    @property
    def due(self) -> bool:
        """Whether less than a third of its own life is left."""
        return self.now > self.leaf.due


async def state(context: StepContext) -> State:
    """Look at the lineage, once between two changes; raises `Refusal` or `HostError`."""
    return await context.cached("the lineage of rotate-certificate", lambda: _look(context))


async def _look(context: StepContext) -> State:
    found, proxy = await ground(context), context.host("proxy")
    text = await context.text("proxy", f"{found.lineage}/fullchain.pem") or ""
    try:
        leaf = certificates.parse(text)[0]
    except ValueError as error:
        raise Refusal(f"{found.lineage}/fullchain.pem {error}") from None
    clock = await proxy.run(["sh", "-c", CLOCK, "sh", f"{found.lineage}/fullchain.pem"], LOOK)
    times = clock.stdout.decode("ascii", "replace").split()
    if clock.status or len(times) != 2 or not all(re.fullmatch(r"\d{1,12}(\.\d{1,12})?", each) for each in times):
        raise HostError(explain(context.name("proxy"), "stat", clock))
    settings = f"/etc/letsencrypt/renewal/{found.name}.conf"
    words = ["sh", "-c", CERTBOT, "sh", settings, f"/etc/letsencrypt/archive/{found.name}"]
    said = await proxy.run(words, LOOK)
    told = said.stdout.decode("utf-8", "replace")
    version = re.search(r"certbot (\d{1,9})\.(\d{1,9})", told)
    if version is None:
        raise Refusal(f"{context.name('proxy')} has no certbot: {explain(context.name('proxy'), 'certbot', said)}")
    server = re.search(r"(?m)^server\s*=\s*(https?://\S+)", told)
    issued = told.split()[-1]
    return State(
        leaf, float(times[0]), float(times[1]), (int(version[1]), int(version[2])), server[1] if server else "",
        count(issued) or 0, re.search(r"(?mi)^reuse_key\s*=\s*true\s*$", told) is not None,
    )  # fmt: skip


def wish(context: StepContext, found: State) -> str:
    """What the operator wants: due, yes, no or test."""
    text = f"The certificate has {found.left}, and was issued for {_days(found)}. Renew it?"
    choices = {
        "due": "only when less than a third of its life is left",
        "yes": "now, whatever is left",
        "no": "use the one that is there",
        "test": "rehearse it: certbot's dry run, and the hook with what is there",
    }
    return context.ask(Ask("renew", text, choices, default="due"))


def _days(found: State) -> str:
    return f"{(found.leaf.not_after - found.leaf.not_before) / 86400:.0f} days"


async def key(context: StepContext) -> tuple[bool, str]:
    """Whether certbot has to be told to keep the key, for a TLSA record names it; and what is known of such records.

    Raises `Unanswered` while the operator has to choose."""
    found, there = await ground(context), await state(context)
    if there.reuses:
        return False, "the key stays: certbot keeps it at each renewal (reuse_key)"
    try:
        records = await context.cached("TLSA records", lambda: tlsa.ask(context.host("here"), PREFIX + found.name))
    except HostError as error:
        return False, f"cannot tell whether a TLSA record names the key: {clean(str(error))}"
    if records.error:
        return False, f"cannot tell whether a TLSA record names the key: {records.error}"
    named = [each for each in records.records if usable(each) and each.usage == 3]
    if not named:
        return False, f"no TLSA record of {records.name} names the key or the certificate"
    keys = Tlsa(records.name, tuple(each for each in named if each.selector == 1))
    if not agreement(keys, there.leaf, {}):
        return False, f"no TLSA record of {records.name} names this key: publish one for the new key (CH014)"
    text = f"A TLSA record of {records.name} names the key of this certificate. Keep that key?"
    choices = {
        "yes": "at this renewal and the later ones (certbot's --reuse-key)",
        "no": "publish the new key's record at once, or senders that check DANE defer until it is known",
    }
    keep = context.ask(Ask("reuse", text, choices, default="yes")) == "yes"
    return (
        keep,
        "the key stays, so the TLSA record still matches" if keep else "the TLSA record will not match the new key",
    )


def _order(found: Ground) -> list[str]:
    """The command that has certbot renew the lineage, without what makes it a rehearsal or forces it."""
    return ["certbot", "renew", "--cert-name", found.name, "--non-interactive", "--no-random-sleep-on-renew"]


class Look(Step):
    """What is there already; nothing is changed."""

    name, words = "look", "find the certificate, certbot, and the hook that pushes"

    async def check(self, context: StepContext) -> CheckResult:
        """Done, or refused with what is missing."""
        found = await ground(context)
        same = await context.data("proxy", found.hook) == asset("certificate_push.sh")
        if not same or await context.text("proxy", SETTINGS) != lines.settings(found):
            return refused("nothing pushes a renewed certificate to Mailcow: run certificate-sync first")
        there = await state(context)
        version = ".".join(map(str, there.version))
        rows = [f"serial {there.leaf.serial}, issued by {clean(there.leaf.issuer, 80)}", f"certbot {version}"]
        return done(f"{found.name}: {there.left}, issued for {_days(there)}", *rows)


class Rehearse(Step):
    """The whole way without a new certificate, when that is asked for."""

    name, words, patience = "rehearse", "rehearse a renewal", 60.0

    def __init__(self) -> None:
        self.made = False

    async def check(self, context: StepContext) -> CheckResult:
        """Skipped unless asked for; done when the commands of this run have succeeded."""
        if wish(context, await state(context)) != "test":
            return skipped("not asked for (--answer renew=test)")
        if self.made:
            return done("certbot's dry run succeeded, and the hook pushed what is there")
        return needed("certbot's dry run, then the hook with what is there")

    async def plan(self, context: StepContext) -> Plan:
        """Certbot's dry run asks the lineage's own authority; then the hook runs as certbot would run it."""
        found, there = await ground(context), await state(context)
        words = _order(found)
        # Without --server, certbot sends every dry run to Let's Encrypt's staging server.
        words += ["--server", there.server] if there.server and AUTHORITY not in there.server else []
        order = Run("proxy", (*words, "--dry-run"), ORDER, undo=("true",))
        by_hand = Run("proxy", ("sh", "-c", PUSH, "sh", found.lineage, found.hook), HOOK, undo=("true",))
        notes = ("nothing is issued, and Mailcow gets the certificate that it has",)
        return Plan((order, by_hand), notes, undo="nothing was changed")

    async def verify(self, context: StepContext) -> CheckResult:
        """The commands themselves are the proof."""
        self.made = True
        return await self.check(context)


class Renew(Step):
    """One order of a certificate, when it is due or asked for."""

    name, words = "renew", "have certbot renew it"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when nothing is to be ordered: not due, not wanted, or just issued."""
        there = await state(context)
        wanted = wish(context, there)
        if wanted in ("no", "test"):
            return done(f"what is there is used: {there.left}")
        if wanted == "due" and not there.due:
            return done(f"not due: {there.left} of {_days(there)}")
        if there.now - there.since < FRESH and not there.due:
            return done(f"issued {max(there.now - there.since, 0) / 60:.0f} min ago: that one is used")
        await key(context)
        return needed(f"{there.left}: {'due' if there.due else 'not due, and wanted now'}")

    async def plan(self, context: StepContext) -> Plan:
        """One command; the hook is certbot's own to run."""
        found, there = await ground(context), await state(context)
        if AUTHORITY in there.server and there.issued >= LIMIT:
            why = f"Let's Encrypt issues {LIMIT} certificates for the same names within seven days"
            raise Refusal(f"{why}, and certbot has {there.issued}: use what is there (--answer renew=no)")
        words = _order(found)
        words += [] if there.due else ["--force-renewal"]
        keep, known = await key(context)
        words += ["--reuse-key"] if keep else []
        notes = [
            "certbot runs the hook, which gives the new pair to HAProxy and to Mailcow",
            "a port that does not show it makes the mail host put the pair from before back",
            f"issued within seven days so far: {there.issued}",
            known,
        ]
        return Plan(
            (Run("proxy", tuple(words), ORDER),), tuple(notes), undo="an issued certificate cannot be taken back"
        )


class Seen(Step):
    """The look from outside, at each public port and address."""

    name, words = "seen", "see it served to clients"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when every port that answers shows the lineage's certificate."""
        found = await ground(context)
        if any(context.expects(each) for each in ("renew", "push")):
            return skipped("seen when it is pushed")
        try:
            host = context.host("here")
        except HostError:
            return skipped("cannot tell from here: this machine is not among the vantages")
        right, other, crowds = await _served(context, found)
        if crowds:
            return wrong(join_words(crowds, 6))
        if other:
            return wrong(f"{join_words(other, 6)} {'show' if len(other) > 1 else 'shows'} another certificate")
        if not right:
            return wrong(f"no TLS port was seen from {host.name}")
        return done(f"{join_words(right, 6)} show it to clients", f"SHA-256 {found.leaf}")


async def _served(context: StepContext, found: Ground) -> tuple[list[str], list[str], list[str]]:
    """Which public ports show the lineage's certificate, which another (the silent ones are in neither), and a sentence
    for each name with too many addresses, which is not asked at all."""
    host = context.host("here")
    await tls.prepare()
    asked: list[ProbeTarget] = []
    crowds: list[str] = []
    room = asyncio.Semaphore(AT_ONCE)

    async def ask(target: ProbeTarget) -> Ladder:
        async with room:
            return await climb(target, host)

    for name in context.estate.topology.public:
        try:
            addresses = await host.resolve(name)
        except HostError:
            continue
        if len(addresses) > MOST_ADDRESSES:
            crowds.append(f"{name} has {len(addresses)} addresses: more than {MOST_ADDRESSES} are not asked")
            continue
        for lane in context.estate.topology.lanes:
            if lane.protocol in IMPLICIT_TLS or lane.protocol in STARTTLS:
                depth: Literal["greeting", "starttls"] = "greeting" if lane.protocol in IMPLICIT_TLS else "starttls"
                asked += [ProbeTarget(each, lane.port, lane.protocol, name=name, depth=depth) for each in addresses]
    ladders = await asyncio.gather(*map(ask, asked))
    right: list[str] = []
    other: list[str] = []
    for target, ladder in zip(asked, ladders, strict=True):
        if ladder.certificate is not None:
            shown = ladder.certificate.fingerprint == found.leaf
            (right if shown else other).append(address(target.address, target.port))
    return right, other, crowds


def steps(context: StepContext) -> list[Step]:
    """Every step; a site whose own authority cannot be read is refused before anything is asked."""
    try:
        named.authority(context.estate)
    except InputError as error:
        raise Refusal(str(error)) from None
    return [Look(), Rehearse(), Renew(), Pushed(), Seen()]


async def standing(context: StepContext) -> CheckResult:
    """Whether it is due, or not pushed; the operator is asked nothing for a list, and no port is tried."""
    found = await Look().check(context)
    if found.state != "done":
        return found
    there = await state(context)
    if there.due:
        return needed(f"due: {there.left} of {_days(there)}")
    if why := await proof.pushed(context, await ground(context)):
        return needed(why)
    return done(f"not due, and pushed: {there.left} of {_days(there)}")


FLOW = Flow(steps, standing=standing)
