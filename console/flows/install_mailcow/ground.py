"""What is there before anything is changed, and what in it forbids an installation."""

from __future__ import annotations

from ipaddress import ip_address

from msgspec import Struct

from console.errors import HostError
from console.facts import addresses, installation, mounts
from console.facts.installation import Installation, Socket
from console.facts.mounts import Mounts
from console.flows import Refusal, StepContext
from console.flows.mount_volumes.mounting import Mount
from console.flows.mount_volumes.targets import targets
from console.flows.proxy_override.wanted import needed
from console.runner import read_only
from console.text import clean, join_words

FOLDER = "/opt/mailcow-dockerized"
DOCKER = "/var/lib/docker"

OLDEST = 24
"""The oldest engine that generate_config.sh accepts."""

SMALL = 2621440
"""KiB of memory up to which generate_config.sh advises to leave ClamAV out."""

PORTS = {
    "SMTP_PORT": 25, "SMTPS_PORT": 465, "SUBMISSION_PORT": 587, "IMAP_PORT": 143, "IMAPS_PORT": 993, "POP_PORT": 110,
    "POPS_PORT": 995, "SIEVE_PORT": 4190,
}  # fmt: skip
"""The ports of mail that Mailcow publishes, by their names in mailcow.conf."""

WEB = (80, 443)

read_only.script("sh", installation.SCRIPT)

QUIET = read_only.script(
    "sh", f"if pgrep -f '{installation.UPDATING}' >/dev/null; then echo 'Mailcow updates itself' >&2; exit 1; fi"
)
"""Fails while Mailcow updates itself. pgrep sees the shell that runs this: nothing in it may look like an update."""


class Ground(Struct, frozen=True):
    """One look: the machine, what is mounted on it, and its addresses; `address` is what HAProxy dials ("": unknown).

    `why` says why no address of HAProxy's is known."""

    there: Installation
    mounted: Mounts
    own: tuple[str, ...]
    address: str
    why: str = ""

    @property
    def adopted(self) -> bool:
        """Whether containers of a Mailcow are there: then its files are the operator's."""
        return bool(self.there.containers)

    @property
    def public6(self) -> tuple[str, ...]:
        """The machine's addresses that the Internet may reach over IPv6."""
        return tuple(each for each in self.own if ":" in each and not ip_address(each).is_private)


async def look(context: StepContext) -> Ground:
    """Look at the mail host, once between two changes; raises `HostError`, or `Refusal` where nothing may be done."""
    return await context.cached("install-mailcow", lambda: _look(context))


async def _look(context: StepContext) -> Ground:
    host = context.host("mail")
    there = await installation.ask(host, FOLDER)
    if there.error:
        raise HostError(there.error)
    mounted = await mounts.ask(host)
    if mounted.error:
        raise HostError(mounted.error)
    own = await addresses.ask(host)
    if own.error:
        raise HostError(own.error)
    need = needed(context.estate)
    found = Ground(there, mounted, own.found, "" if need.why else need.address, need.why)
    if there.updating:
        raise HostError(f"Mailcow's update.sh runs on {host.name}: look again when it has ended")
    if there.silent and there.settings:
        raise HostError(f"docker on {host.name} does not answer: {there.silent}")
    if why := forbidden(found, context.name("mail")):
        raise Refusal(why)
    return found


def forbidden(ground: Ground, name: str) -> str:
    """Why Mailcow must not be installed, or gone on with, on this machine; "" when nothing is in the way."""
    there = ground.there
    if not there.root:
        return f'we are not root on {name}, and Docker and {FOLDER} are root\'s; add become = "sudo"'
    if elsewhere := [each for each in there.places if each != FOLDER]:
        return (
            f"Mailcow's project runs from {join_words(elsewhere)}: this flow knows {FOLDER} alone; nothing was changed"
        )
    if there.kind in ("link", "file", "other"):
        what = {"link": "a symbolic link", "file": "a file", "other": "a folder with other files in it"}[there.kind]
        return f"{FOLDER} is {what}: move it away, for Mailcow is never laid over anything"
    if there.rootless:
        return f"docker on {name} is rootless: every client would have the address of the host"
    if there.engine and not there.at_least(OLDEST):
        return (
            f"docker on {name} is {there.engine}, and Mailcow needs {OLDEST} or newer. Upgrade it as it was installed; "
            "or remove it (of Debian's: apt-get remove docker.io containerd runc; images and volumes stay), and start "
            "again with --answer docker-from=own"
        )
    if there.complaint:
        return f"docker compose refuses Mailcow's files as they are: {there.complaint}"
    if there.volumes and not there.settings:
        return (
            f"volumes of an earlier Mailcow are there ({there.volumes[0]}), without its mailcow.conf: put that back, "
            "for it has the passwords of the database"
        )
    if not ground.adopted and (taken := conflicts(there.sockets, ground.address)):
        return f"{taken[0]}: Mailcow needs it; stop and remove that program, then start again"
    return ""


def conflicts(sockets: tuple[Socket, ...], address: str) -> list[str]:
    """What listens on a port that Mailcow will publish, on the address where it will be."""
    found = []
    for each in sockets:
        if each.port not in (*PORTS.values(), *WEB) or (address and each.address not in ("", address)):
            continue
        who = f"{each.program}, process {each.pid}" if each.program else "an unknown program"
        found.append(f"port {each.port} is taken by {who}")
    return list(dict.fromkeys(found))


def unmounted(context: StepContext, ground: Ground) -> list[str]:
    """The declared volumes that Mailcow or Docker would write to, and that are not mounted at their paths."""
    paths = [each.path for each in targets(context)]
    ours = [path for path in paths if path == DOCKER or f"{FOLDER}/".startswith(f"{path.rstrip('/')}/")]
    return [path for path in ours if ground.mounted.on(path) is None]


def waits(context: StepContext) -> bool:
    """Whether, in a dry run, the volumes would be mounted by now."""
    return context.expects(Mount.name)


def evidence(context: StepContext, ground: Ground) -> list[str]:
    """What a person would like to know before a yes."""
    there, rows = ground.there, []
    if there.engine:
        rows.append(f"docker {there.engine}, compose {there.compose or 'none'}")
    if there.memory:
        small = ": ClamAV is left out, as Mailcow advises" if there.memory <= SMALL else ""
        rows.append(f"{there.memory / (1 << 20):.1f} GiB of memory{small}")
    for path in (FOLDER, DOCKER):
        held = ground.mounted.holding(path)
        if held is not None:
            free = f", {held.free / (1 << 30):.1f} GiB free" if held.free is not None else ""
            root = ", the root disk" if held.target == "/" else ""
            rows.append(f"{path} is on {clean(held.source, 60)} ({held.target}){root}{free}")
    rows.append(f"HAProxy dials {ground.address}" if ground.address else f"which address HAProxy dials: {ground.why}")
    return rows


def bound(ground: Ground) -> str:
    """The address that Mailcow's own ports are bound to; "" where HAProxy's is not one of this machine."""
    return ground.address if ground.address in ground.own else ""
