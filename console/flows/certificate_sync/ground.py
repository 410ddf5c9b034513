"""What the sync stands on: the lineage on the proxy, Mailcow's folder on the VM, and the address between the two."""

from __future__ import annotations

import re
from ipaddress import ip_address

from msgspec import Struct

from console.diagnosis.certificates import covers
from console.errors import HostError, StreamError
from console.facts import certificates
from console.flows import Ask, NotYetKnown, Refusal, StepContext
from console.flows.awaiting import mailcow
from console.runner.read_only import script
from console.sources import authorized_keys
from console.text import clean, join_words
from console.topology.lanes import MAIL

LOOK, PATIENCE = 15.0, 5.0
"""Seconds a command that only looks may take, and sshd to say its name."""

FOLDER = "/opt/mailcow-dockerized"
LIVE = "/etc/letsencrypt/live"
HOOKS = "/etc/letsencrypt/renewal-hooks/deploy"
HOOK = "mailcow-cert-push.sh"
DEPLOY = "/usr/local/bin/mailcow-cert-deploy.sh"
KEY = "/root/.ssh/id_ed25519_mailcow_deploy"
KNOWN, SETTINGS = "/etc/cowhand/certificate_known_hosts", "/etc/cowhand/certificate.conf"
AUTHORITY = "/etc/cowhand/certificate_authority.pem"

_BIND = re.compile(r"(?m)^[ \t]*bind[ \t]+(\S+)[ \t]([^#\n]*)")
_CRT = re.compile(r"(?<!\S)(crt|crt-list)[ \t]+(\S+)")
_BASE = re.compile(r"(?m)^[ \t]*crt-base[ \t]+(/\S+)")
_PATH = re.compile(r"/[\w./@%+-]+")
_BESIDE = (".key", ".ocsp", ".issuer", ".sctl", ".dh")
"""Endings of files that HAProxy takes for parts of another one."""

MOST = 64
"""Files of a folder or a list that are looked at."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")

LEAVES = script("sh", """[ -f "$1" ] || exit 1; sed -n -e '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' -- "$1" """)
"""The certificates of a bundle, without the key that is in it."""


class Ground(Struct, frozen=True):
    """The name on the certificate, its folder on the proxy, the VM's address, Mailcow's folder, and HAProxy's bundles.

    `hook` is where certbot's deploy hook stands, or will; `upgrades` says that one of the same purpose is there.
    `served` are addresses of the proxy where HAProxy shows one of the bundles; `chain` has the SHA-256 of each
    certificate of the lineage, `leaf` first."""

    name: str
    lineage: str
    leaf: str
    address: str
    folder: str
    hook: str
    upgrades: bool = False
    bundles: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


async def ground(context: StepContext) -> Ground:
    """Look for all of it, once between two changes; raises `Refusal` with what is missing, or `HostError`."""
    mailcow(context)
    return await context.cached("the ground of certificate-sync", lambda: _find(context))


async def _find(context: StepContext) -> Ground:
    name = _named(context)
    lineage = f"{LIVE}/{name}"
    text = await context.text("proxy", f"{lineage}/fullchain.pem")
    if text is None:
        raise Refusal(f"{context.name('proxy')} has no {lineage}/fullchain.pem: have certbot issue {name} first")
    try:
        chain = tuple(each.fingerprint for each in certificates.parse(text))
    except ValueError as error:
        raise Refusal(f"{lineage}/fullchain.pem {error}") from None
    folder = await _folder(context)
    hook, upgrades = await _hook(context)
    bundles, served = await _bundles(context, name)
    return Ground(name, lineage, chain[0], await _address(context), folder, hook, upgrades, bundles, served, chain)


def _named(context: StepContext) -> str:
    site = context.estate.site
    if site.certificate is None and not site.public.names:
        raise Refusal('site.toml does not say which certificate: add [certificate] with name = "mail.example.org"')
    name = site.certificate.name if site.certificate else site.public.names[0]
    if not _NAME.fullmatch(name):
        raise Refusal(f"{clean(name, 80)} is no name of a host")
    return name


async def _folder(context: StepContext) -> str:
    there = await context.data("mail", f"{FOLDER}/mailcow.conf") is not None
    text = f"{context.name('mail')} has no {FOLDER}/mailcow.conf. Which folder is Mailcow's there?"
    folder = context.ask(Ask("folder", text, kind="path", given=FOLDER if there else None)).rstrip("/")
    if not re.fullmatch(r"/[\w./-]+", folder):
        raise Refusal(f"{clean(folder, 80)} cannot be written into authorized_keys: its path has unusual characters")
    if await context.data("mail", f"{folder}/mailcow.conf") is None:
        raise Refusal(f"{context.name('mail')} has no {folder}/mailcow.conf")
    return folder


async def _address(context: StepContext) -> str:
    """The one address that the mail lanes lead to: the way that is known to be there."""
    lanes = [lane for lane in context.estate.topology.lanes if lane.protocol in MAIL and lane.target]
    hosts = sorted({lane.target.host for lane in lanes if lane.target})
    if len(hosts) != 1:
        raise Refusal(f"the mail lanes lead to {join_words(hosts) or 'nobody'}: this flow pushes to one mail host")
    try:
        return str(ip_address(hosts[0]))
    except ValueError:
        found = await context.host("proxy").resolve(hosts[0])
    if len(set(found)) != 1:
        told = join_words(list(found)) or "no address"
        raise Refusal(f"{context.name('proxy')} resolves {hosts[0]} to {told}: the push needs exactly one")
    return found[0]


async def _hook(context: StepContext) -> tuple[str, bool]:
    """Where the hook belongs: over one that sends a pair by ssh already, else in a file of its own."""
    said = await context.host("proxy").run(["ls", "-1", HOOKS], LOOK)
    names = said.stdout.decode("utf-8", "replace").split("\n") if said.status == 0 else []
    if len([*filter(None, names)]) > MOST:
        raise Refusal(f"{HOOKS} on {context.name('proxy')} has more than {MOST} files: nobody can say which one pushes")
    found = []
    for each in filter(re.compile(r"[\w][\w.-]*").fullmatch, names):
        if each.endswith((".previous", "~")):
            continue
        text = await context.text("proxy", f"{HOOKS}/{each}") or ""
        if each == HOOK or ("ssh" in text and "privkey.pem" in text and "fullchain.pem" in text):
            found.append(f"{HOOKS}/{each}")
    if len(found) > 1:
        raise Refusal(f"{join_words(found)} each send the certificate away: leave one of them, and start again")
    return (found[0], True) if found else (f"{HOOKS}/{HOOK}", False)


async def _bundles(context: StepContext, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """HAProxy's own files that hold a certificate of this name, and where they are shown."""
    bundles: dict[str, None] = {}
    served: dict[str, None] = {}
    for file in context.estate.site.sources.haproxy:
        text = context.estate.texts.get(file, "")
        base = (_BASE.findall(text) or [""])[-1]
        for bind, rest in _BIND.findall(text):
            for how, path in _CRT.findall(rest):
                for each in await _files(context, how, path, base):
                    if await _holds(context, each, name):
                        bundles[each] = None
                        host, _, port = bind.rpartition(":")
                        if host in ("", "*", "0.0.0.0") and port.isdigit():
                            served[f"127.0.0.1:{port}"] = None
    return tuple(bundles), tuple(served)


async def _files(context: StepContext, how: str, path: str, base: str) -> list[str]:
    """The files that `crt` or `crt-list` means: itself, what is in its folder, or what its lines name.

    Certbot's own files are left out: a rewrite would replace its links, and certbot renews nothing without them."""
    path = path if path.startswith("/") else f"{base}/{path}"
    if how == "crt-list":
        rows = [row.split() for row in (await context.text("proxy", path) or "").split("\n")]
        names = [row[0] for row in rows if row and not row[0].startswith("#")][:MOST]
        found = [each if each.startswith("/") else f"{base or path.rpartition('/')[0]}/{each}" for each in names]
    elif (await context.host("proxy").run(["test", "-d", path], LOOK)).status == 0:
        said = await context.host("proxy").run(["ls", "-1p", "--", path.rstrip("/")], LOOK)
        names = said.stdout.decode("utf-8", "replace").split("\n") if said.status == 0 else []
        names = [each for each in names if each and not each.endswith(("/", *_BESIDE))]
        found = [f"{path.rstrip('/')}/{each}" for each in names[:MOST]]
    else:
        found = [path]
    return [each for each in found if _PATH.fullmatch(each) and not each.startswith("/etc/letsencrypt/")]


async def _holds(context: StepContext, path: str, name: str) -> bool:
    """Whether the first certificate of a file is for the name."""
    said = await context.host("proxy").run(["sh", "-c", LEAVES, "sh", path], LOOK)
    try:
        return covers(certificates.parse(said.stdout.decode("utf-8", "replace"))[0], name)
    except ValueError:
        return False


async def banner(context: StepContext, address: str, port: int = 22) -> str:
    """What answers the proxy at the VM's ssh port; "" when nobody does."""
    try:
        stream = await context.host("proxy").connect(address, port, PATIENCE)
    except StreamError:
        return ""
    try:
        return clean((await stream.read(255)).split(b"\n")[0].decode("ascii", "replace").strip(), 80)
    except (OSError, StreamError):
        return ""
    finally:
        stream.close()


PEERS = ("ss", "-Htn", "state", "established")
BEFORE, DURING = "sport = :22", "( sport = :22 )"
"""The same filter twice: between two changes a command is asked for once, and its answer kept."""


async def caller(context: StepContext, address: str, port: int = 22) -> str:
    """The address from which the VM sees the proxy call: the one that ss shows while it does; "" when it cannot tell.

    A subnet router between the two rewrites it, which no route on the proxy says."""
    before = await _peers(context, BEFORE)
    if before is None:
        return ""
    try:
        stream = await context.host("proxy").connect(address, port, PATIENCE)
    except StreamError:
        return ""
    try:
        await stream.read(255)
        during = await _peers(context, DURING)
    except (OSError, StreamError):
        return ""
    finally:
        stream.close()
    new = {each.rpartition(":")[0].strip("[]").removeprefix("::ffff:") for each in (during or set()) - before}
    return new.pop() if len(new) == 1 else ""


async def _peers(context: StepContext, ports: str) -> set[str] | None:
    """Who is connected to the VM's sshd, each with its port; None when that cannot be told."""
    try:
        said = await context.host("mail").run((*PEERS, ports), LOOK)
    except HostError:
        return None
    if said.status:
        return None
    rows = (row.split() for row in said.stdout.decode("ascii", "replace").splitlines())
    return {row[3] for row in rows if len(row) > 3}


async def public_key(context: StepContext) -> str:
    """The type and the blob of the pusher's public key; raises `NotYetKnown` in a dry run, and `Refusal`."""
    text = await context.text("proxy", f"{KEY}.pub")
    if text is None and context.expects("key"):
        raise NotYetKnown("the key is made first")
    words = (text or "").split()
    if len(words) < 2 or not authorized_keys.is_key(words[0], words[1]):
        raise Refusal(f"{KEY}.pub on {context.name('proxy')} holds no public key")
    return f"{words[0]} {words[1]}"


def own(context: StepContext, key: str, there: list[str]) -> None:
    """Ask whose key it is that is let in already: a proxy that lies could name an operator's, and lock them out.

    The answer is the key's own fingerprint: it holds for no other key that the proxy shows later."""
    proxy, mail = context.name("proxy"), context.name("mail")
    text = f"{proxy} says that it pushes with a key that {mail} lets in already, {join_words(there)}. Whose is it?"
    yes = authorized_keys.fingerprint(key.split()[1])
    choices = {yes: f"{proxy}'s alone: it may only push from now on", "other": "somebody else's: change nothing"}
    if there and context.ask(Ask("pusher", text, choices)) != yes:
        raise Refusal(f"{KEY}.pub on {proxy} is somebody else's")
