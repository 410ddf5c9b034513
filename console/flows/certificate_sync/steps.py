"""Have certbot's renewals pushed to Mailcow by a key that can do nothing else, and prove it by a real push.

Certbot stays the only one that renews. Its hook on the proxy sends the pair to one script on the mail host, which
refuses what is not a valid pair, and puts the pair before back when a port does not show the new one. A hook and a
script that do the same in a plainer way are upgraded where they stand."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from msgspec.structs import replace

import assets
from console.errors import FileError, InputError
from console.estate import named
from console.facts import certificates
from console.flows import (
    Action,
    Ask,
    CheckResult,
    Flow,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    done,
    make_folder,
    needed,
    refused,
)
from console.flows.certificate_sync import commands, letting_in, lines, proof, way_back
from console.flows.certificate_sync.acme import Acme
from console.flows.certificate_sync.ground import (
    AUTHORITY,
    DEPLOY,
    HOOKS,
    KEY,
    KNOWN,
    LOOK,
    MOST,
    SETTINGS,
    banner,
    caller,
    ground,
    own,
    public_key,
)
from console.runner.read_only import script
from console.text import clean, join_words

TRIES, PAUSE = 20, 0.5
"""How often, and how many seconds apart, a fresh sshd is asked for its name."""

CONFIG = "/etc/haproxy/haproxy.cfg"
HOST_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("ed25519", "ecdsa", "rsa"))
SSHD = script("sh", "/usr/sbin/sshd -T 2>/dev/null | sed -n 's/^hostkey //p'")
"""The host keys that sshd has by its own settings: a `HostKey` line names others than the usual ones."""
PUBLIC = script("sh", """[ -s "$1" ] && ssh-keygen -y -P '' -f "$1" </dev/null 2>/dev/null""")
"""The public half of a key that has none beside it."""


@lru_cache(maxsize=2)
def asset(name: str) -> bytes:
    """A script that cowhand brings along."""
    return (Path(assets.__file__).parent / name).read_bytes()


class Part(Step):
    """A step that lays files, and takes them back to the byte."""

    async def undo(self, context: StepContext) -> Plan | None:
        """The files from before, when nobody has changed them since."""
        found = await way_back.actions(context, self.name)
        return Plan(found) if found else None


class Look(Step):
    """What is there already; nothing is changed."""

    name, words = "look", "find the certificate, the mail host's address, and a set-up that is there"

    async def check(self, context: StepContext) -> CheckResult:
        """Done, or refused with what is missing."""
        found = await ground(context)
        rows = [f"Mailcow is in {found.folder} on {context.name('mail')}", f"the push goes to root@{found.address}"]
        rows += [f"HAProxy's own {each} is renewed by the hook, too" for each in found.bundles]
        rows += [f"{found.hook} is there: it is upgraded where it stands"] if found.upgrades else []
        return done(f"certbot has {found.name} in {found.lineage}", *rows)


class Sshd(Part):
    """An sshd on the mail host, at the address that HAProxy uses."""

    name, words = "sshd", "have an sshd answer on the mail host"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when OpenSSH answers the proxy; Tailscale's own server is refused."""
        found = await ground(context)
        said = await banner(context, found.address)
        where = f"{found.address}:22"
        if "Tailscale" in said:
            return refused(f"Tailscale SSH answers on {where}: it does not read authorized_keys, so no key can be "
                           "held to one command there. Turn it off (`tailscale set --ssh=false`)")  # fmt: skip
        if said.startswith("SSH-2.0-"):
            return done(f"{context.name('proxy')} reaches {said.removeprefix('SSH-2.0-')} on {where}")
        if said:
            return refused(f"what answers on {where} is no SSH server: {said}")
        there = await context.host("mail").run(["test", "-x", "/usr/sbin/sshd"], LOOK)
        if there.status == 0:
            why = "start it, or open the way there"
            return refused(f"{context.name('mail')} has an sshd, and {context.name('proxy')} does not reach it on "
                           f"{where}: {why}")  # fmt: skip
        return needed(f"{context.name('mail')} has no sshd")

    async def plan(self, context: StepContext) -> Plan:
        """The distribution's own package, which starts it."""
        run = Run("mail", ("sh", "-c", commands.INSTALL), 600.0, undo=("sh", "-c", commands.PURGE))
        note = "its settings are the distribution's: root comes in by a key, and not by a password"
        return Plan((run,), (note,), undo="the package is removed")

    async def verify(self, context: StepContext) -> CheckResult:
        """It may take a moment to start."""
        for _ in range(TRIES):
            context.invalidate()
            if (found := await self.check(context)).state == "done":
                return found
            await asyncio.sleep(PAUSE)
        return await self.check(context)


class Pin(Part):
    """The mail host's own key, told by the mail host itself, and believed by the hook alone."""

    name, words = "pin", "pin the mail host's key on the proxy"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the file holds exactly what the mail host has."""
        wanted = await self._wanted(context)
        if await context.text("proxy", KNOWN) == wanted:
            return done(f"{KNOWN} holds the key of {context.name('mail')}, and no other")
        return needed(f"{KNOWN} does not hold the key of {context.name('mail')}")

    async def plan(self, context: StepContext) -> Plan:
        """One file."""
        write = await context.edit("proxy", KNOWN, await self._wanted(context), 0o644)
        note = f"read on {context.name('mail')} itself, not taken from whoever answers first"
        return Plan((*await folder(context, "proxy", "/etc/cowhand", 0o755), write), (note,), undo="remove it again")

    async def _wanted(self, context: StepContext) -> str:
        found = await ground(context)
        rows = []
        said = await context.host("mail").run(["sh", "-c", SSHD], LOOK)
        keys = [each for each in said.stdout.decode("utf-8", "replace").split("\n") if each.startswith("/")][:MOST]
        for path in keys or HOST_KEYS:
            half = await context.text("mail", f"{path}.pub")
            if half is None and path in keys:
                told = await context.host("mail").run(["sh", "-c", PUBLIC, "sh", path], LOOK)
                half = told.stdout.decode("utf-8", "replace") if told.status == 0 else ""
            words = (half or "").split()
            rows += [f"{found.address} {words[0]} {words[1]}\n"] if len(words) > 1 else []
        if not rows and context.expects("sshd"):
            raise NotYetKnown("sshd makes its keys when it is installed")
        if not rows:
            where = clean(join_words(keys), 200) or "/etc/ssh"
            raise Refusal(f"{context.name('mail')} has no host key that can be read in {where}")
        return "".join(rows)


class Key(Part):
    """The pair that pushes; its private half never leaves the proxy, and is never read from here."""

    name, words = "key", "make the key that pushes, on the proxy"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when both halves are there."""
        there = await has(context, "proxy", "-s", KEY)
        if there and await context.text("proxy", f"{KEY}.pub"):
            return done(f"{KEY} is there", await public_key(context))
        return needed(f"{KEY}.pub is missing" if there else f"there is no {KEY}")

    async def plan(self, context: StepContext) -> Plan:
        """One command, in which the private half stays."""
        there = await has(context, "proxy", "-s", KEY)
        undo = ("rm", "--", f"{KEY}.pub") if there else ("rm", "--", KEY, f"{KEY}.pub")
        run = Run("proxy", ("sh", "-c", commands.KEYGEN, "sh", KEY, lines.COMMENT), undo=undo)
        note = "the private half stays on the proxy: this console does not read it either"
        return Plan((*await folder(context, "proxy", "/root/.ssh", 0o700), run), (note,), undo="remove the pair")


class Script(Part):
    """The deploy script on the mail host."""

    name, words = "script", "lay the deploy script on the mail host"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when it is this cowhand's, to the byte."""
        await ground(context)
        there = await context.data("mail", DEPLOY)
        if authority(context) is not None and await context.data("mail", AUTHORITY) != authority(context):
            return needed(f"{AUTHORITY} does not hold the authority that site.toml names")
        if there == asset("certificate_deploy.sh") and await context.mode("mail", DEPLOY, 0) == 0o755:
            return done(f"{DEPLOY} is this cowhand's")
        return needed(f"there is no {DEPLOY}" if there is None else f"{DEPLOY} is another: it is replaced")

    async def plan(self, context: StepContext) -> Plan:
        """The script, and the authority where the site has one of its own."""
        actions: list[Action] = []
        if (roots := authority(context)) is not None:
            actions += await folder(context, "mail", "/etc/cowhand", 0o755)
            actions.append(await context.edit("mail", AUTHORITY, roots, 0o644))
        actions.append(await laid(context, "mail", DEPLOY, "certificate_deploy.sh"))
        note = "it takes a pair from its input, and nothing else; what it refuses changes nothing"
        return Plan(tuple(actions), (note,), undo="what was there before")


class Allow(Part):
    """The one line of authorized_keys."""

    name, words = "allow", "let the key run the deploy script, and nothing else"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the key stands there once, held to the script and to the proxy's address."""
        key, text, wanted = await self._wanted(context)
        if lines.allows(text, key, wanted):
            return done(f"the key may run {DEPLOY} alone, from {context.name('proxy')} alone")
        there = key.split()[1] in text
        return needed("the key may do more, or other things, than it must" if there else "the key is not let in")

    async def plan(self, context: StepContext) -> Plan:
        """One line more, or one line changed."""
        key, text, wanted = await self._wanted(context)
        own(context, key, lines.strangers(text, key))
        write = await context.edit("mail", lines.PATH, lines.allow(text, key, wanted))
        if write.before is None:
            write = await context.edit("mail", lines.PATH, lines.allow(text, key, wanted), 0o600)
        return Plan((*await folder(context, "mail", "/root/.ssh", 0o700), write), undo="the file from before")

    async def _wanted(self, context: StepContext) -> tuple[str, str, str]:
        found, key = await ground(context), await public_key(context)
        text = await context.text("mail", lines.PATH) or ""
        there = lines.source(text, key) or await _source(context, found.address)
        question = f"From which address does {context.name('mail')} see {context.name('proxy')}?"
        source = context.ask(Ask("from", question, kind="host", given=there or None))
        await letting_in.refuse(context, source)
        return key, text, lines.line(found, key, source, authority(context) is not None)


class Hook(Part):
    """Certbot's deploy hook and its settings."""

    name, words = "hook", "have certbot push each renewal"

    async def check(self, context: StepContext) -> CheckResult:
        """Done when hook and settings are as they must be."""
        found = await ground(context)
        if await context.text("proxy", SETTINGS) != lines.settings(found):
            return needed(f"{SETTINGS} is missing, or not what it must be")
        same = await context.data("proxy", found.hook) == asset("certificate_push.sh")
        if same and await context.mode("proxy", found.hook, 0) == 0o755:
            return done(f"certbot runs {found.hook} after each renewal")
        return needed(f"{found.hook} is {'another: it is replaced' if found.upgrades else 'missing'}")

    async def plan(self, context: StepContext) -> Plan:
        """Two files; certbot finds the hook by its folder."""
        found = await ground(context)
        settings = await context.edit("proxy", SETTINGS, lines.settings(found), 0o644)
        actions: list[Action] = [settings] if settings.before != settings.after else []
        for path in (HOOKS.rpartition("/")[0], HOOKS):
            actions += await folder(context, "proxy", path, 0o755)
        actions.append(await laid(context, "proxy", found.hook, "certificate_push.sh"))
        note = "a failure is told by mail to root, in the log and in its state file: certbot itself says nothing of it"
        return Plan(tuple(actions), (note,), undo="what was there before")


class Push(Part):
    """A real push."""

    name, words, patience = "push", "push the certificate, and see it served", 180.0
    keeps = True
    """Whether HAProxy's bundles are kept for the undo: certbot may never have had what was in them."""

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the hook's last push was of this certificate, and each open port shows it."""
        found = await ground(context)
        if why := await proof.pushed(context, found):
            return needed(why)
        seen, mail = await proof.shown(context, found), context.name("mail")
        if seen.other:
            return needed(f"{_ports(seen.other)} of {mail} show another certificate")
        if seen.bare:
            return needed(f"{_ports(seen.bare)} of {mail} show it without its whole chain")
        if not seen.right:
            return needed("no port answers")
        words = f"{_ports(seen.right)} of {mail} show the certificate of {context.name('proxy')}"
        return done(f"{words}, with its chain" if len(found.chain) > 1 else words, f"SHA-256 {found.leaf}")

    async def plan(self, context: StepContext) -> Plan:
        """The key is tried, then the hook runs as certbot would run it."""
        found = await ground(context)
        if any(context.expects(each) for each in ("sshd", "pin", "key", "script", "allow", "hook")):
            raise NotYetKnown("the push is made when all that it needs is there")
        cert = f"{found.folder}/data/assets/ssl/cert.pem"
        same = found.leaf in await _stored(context, cert)
        actions: list[Action] = []
        for host, pushed in (("mail", "-" if same else found.leaf), ("proxy", "-")):
            new = "no" if await has(context, host, "-d", commands.STORE) else "yes"
            words: tuple[str, ...] = ("mkdir", "-p", "--", commands.STORE)
            back: tuple[str, ...] = (
                "sh",
                "-c",
                commands.RESTORE,
                "sh",
                commands.STORE,
                DEPLOY,
                cert,
                pushed,
                found.name,
                found.folder,
                new,
            )
            if host == "proxy" and found.bundles and self.keeps:
                words = ("sh", "-c", commands.KEEP, "sh", commands.STORE, found.leaf, *found.bundles)
                back = ("sh", "-c", commands.RETURN, "sh", commands.STORE, found.leaf, new, CONFIG, *found.bundles)
            actions.append(Run(host, words, undo=back))
        tried = ("sh", "-c", commands.TRY, "sh", KEY, KNOWN, f"root@{found.address}")
        actions.append(Run("proxy", tried, 150.0, undo=("true",)))
        run = ("sh", "-c", commands.PUSH, "sh", found.lineage, found.hook)
        actions.append(Run("proxy", run, 1500.0, undo=("true",)))
        notes = (
            "Postfix, Dovecot and nginx read their certificate again: a reload interrupts nobody",
            "when a port does not show it, the mail host puts the pair from before back by itself",
        )
        return Plan(tuple(actions), notes, undo="the pair from before")


def _ports(ports: tuple[int, ...]) -> str:
    return join_words([str(port) for port in ports])


async def folder(context: StepContext, host: str, path: str, mode: int) -> tuple[Action, ...]:
    """What makes a folder that is missing."""
    return () if await has(context, host, "-d", path) else (make_folder(host, path, mode),)


async def has(context: StepContext, host: str, kind: str, path: str) -> bool:
    """Whether `test KIND PATH` is true on a host."""
    return (await context.host(host).run(["test", kind, path], LOOK)).status == 0


async def laid(context: StepContext, host: str, path: str, name: str) -> Action:
    """A script of cowhand's, put in its place."""
    text = asset(name)
    write = await context.edit(host, path, text, 0o755)
    count = len(text.splitlines())
    return replace(write, summary=f"assets/{name} of this cowhand, {count} lines")


def authority(context: StepContext) -> bytes | None:
    """The roots that the site trusts beside the usual ones, and nothing else of their file; None for none."""
    try:
        return named.authority(context.estate).encode() or None
    except InputError as error:
        raise FileError(str(error)) from None


async def _stored(context: StepContext, path: str) -> str:
    text = await context.text("mail", path)
    try:
        return certificates.parse(text or "")[0].fingerprint
    except ValueError:
        return ""


async def _source(context: StepContext, address: str) -> str:
    """The address from which the mail host sees the proxy: seen there, else what the proxy's routes say, else ""."""
    if seen := await caller(context, address):
        return seen
    said = await context.host("proxy").run(["ip", "-o", "route", "get", address], LOOK)
    words = said.stdout.decode("utf-8", "replace").split()
    found = words[words.index("src") + 1] if "src" in words[:-1] else ""
    try:
        return str(ip_address(found))
    except ValueError:  # in from="…" other words are patterns, and `*` would let everybody in
        return ""


FLOW = Flow(lambda context: [Look(), Sshd(), Pin(), Key(), Script(), Allow(), Acme(), Hook(), Push()])
