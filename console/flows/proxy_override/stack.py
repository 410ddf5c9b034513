"""Where Mailcow is on the mail host, and whether its stack may be changed now."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from console.errors import HostError
from console.facts.command import explain
from console.facts.installation import UPDATING
from console.flows import Refusal, StepContext
from console.mask import mask
from console.model import PLAIN_PORTS
from console.runner import read_only
from console.text import clean, join_words

LOOK = 30.0
"""Seconds a command of docker's may take that only looks."""

EDITED = 64 << 10
"""Bytes of a file that Mailcow's operator writes, and that is edited: an edit reads it several times over."""

MOST = 64
"""PROXY ports that are published, in all: Mailcow has ten, over two families."""

BASE, OVERRIDE = "docker-compose.yml", "docker-compose.override.yml"
POSTFIX, DOVECOT = "postfix-mailcow", "dovecot-mailcow"

_SECOND = re.compile(r"v?(?:[2-9]|\d\d)\.")
_PAIR = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)$")
_EXTRA = re.compile(r"\s*(?:#.*)?$|\s+\S|[A-Za-z_][\w.-]*\s*=|\$")


class Binding(Struct, frozen=True):
    """A port that compose publishes: `address` "" for all of them."""

    service: str
    address: str
    port: int
    target: int


class Stack(Struct, frozen=True):
    """Mailcow's compose project: its name and folder, what it would publish and what its containers do publish."""

    project: str
    folder: str
    configured: tuple[Binding, ...] = ()
    running: tuple[Binding, ...] = ()

    def compose(self, *words: str) -> tuple[str, ...]:
        """`docker compose WORDS` for this project, wherever it is started."""
        return ("docker", "compose", "--project-directory", self.folder, "--project-name", self.project, *words)

    def at(self, *parts: str) -> str:
        """A path in its folder."""
        return posixpath.join(self.folder, *parts)


async def find(context: StepContext) -> Stack:
    """Find the stack; raises `Refusal` with the reason why it may not be changed, or `HostError`."""
    name = context.name("mail")
    await _docker(context, name)
    told = await _json(context, ("docker", "compose", "ls", "--all", "--format", "json"), name)
    projects = [each for each in (told if isinstance(told, list) else ()) if isinstance(each, dict)]
    ours = [each for each in projects if await _is_mailcow(context, each)]
    if len(ours) != 1:
        names = join_words([clean(str(each.get("Name", ""))) for each in ours or projects]) or "no project at all"
        why = "more than one Mailcow" if ours else "no Mailcow"
        raise Refusal(f"docker compose on {name} has {why} ({names})")
    folder = _folder(ours[0])
    stack = Stack(str(ours[0]["Name"]), folder)
    own = (f"{folder}/{BASE}", f"{folder}/{OVERRIDE}")
    extra = [each for each in _files(ours[0]) if posixpath.normpath(each) not in own]
    if extra:
        raise Refusal(f"compose reads {join_words(extra)} as well, and this flow reads {OVERRIDE} alone")
    await _quiet(context, stack, name)
    return await _ports(context, stack, name)


async def _docker(context: StepContext, name: str) -> None:
    """Refuse where there is no Docker, none that root has, or no compose v2."""
    info = await context.host("mail").run(["docker", "info", "--format", "{{json .SecurityOptions}}"], LOOK)
    if info.status == 127:
        raise Refusal(f"there is no docker on {name}")
    if info.status:
        raise Refusal(f"docker on {name} does not answer: {explain(name, 'docker', info)}")
    if b"name=rootless" in info.stdout:
        raise Refusal(f"docker on {name} is rootless: every client would have the address of the host")
    version = await context.host("mail").run(["docker", "compose", "version", "--short"], LOOK)
    if version.status or not _SECOND.match(version.stdout.decode("utf-8", "replace").strip()):
        raise Refusal(f"docker on {name} has no compose v2: install docker-compose-plugin")


async def _is_mailcow(context: StepContext, project: dict[str, Any]) -> bool:
    folder = _folder(project)
    return bool(folder) and await context.data("mail", f"{folder}/mailcow.conf") is not None


def _files(project: dict[str, Any]) -> list[str]:
    return [
        each for each in str(project.get("ConfigFiles", "")).split(",") if each.startswith("/") and each.isprintable()
    ]


def _folder(project: dict[str, Any]) -> str:
    files = _files(project)
    return posixpath.dirname(files[0]) if files else ""


STARTS = read_only.script(
    "sh",
    r"""docker compose --project-directory "$1" --project-name "$2" exec -T postfix-mailcow sh -c '
conf=/opt/postfix/conf
new=$(mktemp -d) || exit 0
trap "rm -rf $new" EXIT
sed "/[Oo]verrides/q" $conf/main.cf >$new/main.cf && cp $conf/master.cf $new/ || exit 0
[ ! -e $conf/extra.cf ] || sed "/\$myhostname/! { /myhostname/d }" $conf/extra.cf >>$new/main.cf
postconf -c $new >/dev/null 2>$new/said || { sed -n "s|$new|$conf|g; \$p" $new/said >&2; exit 65; }
'""",
)
"""What Postfix's container does when it starts (postfix.sh): main.cf to its overrides, extra.cf, then `postconf -c`.

Here in a folder of its own, which is gone afterwards. Status 65: Postfix refuses them, and would not start."""

REFUSED = 65


async def _quiet(context: StepContext, stack: Stack, name: str) -> None:
    """Refuse while Mailcow updates itself, and where its own files are not fit to be started from."""
    found = await context.host("mail").run(["pgrep", "-af", UPDATING], LOOK)
    if found.status == 0 and found.stdout.strip():
        raise Refusal(f"Mailcow's update.sh runs on {name}: start this flow again when it has ended")
    conf = await context.text("mail", stack.at("mailcow.conf"), EDITED) or ""
    if twice := duplicates(conf):
        raise Refusal(f"mailcow.conf gives {join_words(twice)} more than once: keep one of each")
    extra = await context.text("mail", stack.at("data/conf/postfix/extra.cf"), EDITED) or ""
    if number := broken(extra):
        raise Refusal(f"extra.cf:{number}: this is no `name = value`; Postfix would not start with it")
    said = await context.host("mail").run(stack.compose("config", "-q"), LOOK)
    if said.status:
        raise Refusal(f"docker compose refuses the files as they are: {explain(name, 'docker', said)}")
    said = await context.host("mail").run(("sh", "-c", STARTS, "sh", stack.folder, stack.project), LOOK)
    if said.status == REFUSED:
        words = clean(mask(said.stderr.decode("utf-8", "replace").strip()), 200)
        raise Refusal(f"Postfix would not start again with its files as they are: {words}")


def duplicates(text: str) -> list[str]:
    """The names that mailcow.conf gives more than one value."""
    values: dict[str, set[str]] = {}
    for line in text.split("\n"):
        if match := _PAIR.match(line):
            values.setdefault(match[1], set()).add(match[2].strip())
    return [each for each, given in values.items() if len(given) > 1]


def broken(text: str) -> int:
    """The first line of extra.cf that Postfix does not take, 0 for none."""
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    return next((number for number, line in lines if not _EXTRA.match(line)), 0)


async def _ports(context: StepContext, stack: Stack, name: str) -> Stack:
    """The stack with the ports of Postfix and Dovecot, as compose works them out and as the containers have them."""
    whole = await _json(context, stack.compose("config", "--format", "json"), name)
    services = whole.get("services", {}) if isinstance(whole, dict) else {}
    try:
        configured = [binding for service in (POSTFIX, DOVECOT) for binding in _declared(services, service)]
    except _STRANGE:
        raise HostError(f"docker compose config on {name}: not what was asked for") from None
    if not {POSTFIX, DOVECOT} <= {*services}:
        raise Refusal(f"{stack.folder} has no {POSTFIX} and {DOVECOT}: this is not Mailcow's compose project")
    rows = await context.host("mail").run(stack.compose("ps", "--format", "json", POSTFIX, DOVECOT), LOOK)
    if rows.status:
        raise HostError(explain(name, "docker", rows))
    try:
        running = [binding for row in _rows(rows.stdout) for binding in _published(row)]
    except _STRANGE:
        raise HostError(f"docker compose ps on {name}: not what was asked for") from None
    for bindings, whose in ((configured, "compose would publish"), (running, "the containers publish")):
        if (many := sum(each.target in PLAIN_PORTS for each in bindings)) > MOST:
            raise Refusal(f"{whose} {many} PROXY ports on {name}: this flow works out at most {MOST}")
    return Stack(stack.project, stack.folder, tuple(configured), tuple(running))


_STRANGE = (ValueError, TypeError, AttributeError, KeyError)
"""What comes of JSON in which something is of another kind than docker makes it."""


def _declared(services: dict[str, Any], service: str) -> list[Binding]:
    """The ports of one service, as `docker compose config` tells them."""
    return [
        Binding(service, str(each.get("host_ip", "")), int(each.get("published") or 0), int(each.get("target") or 0))
        for each in services.get(service, {}).get("ports", ())
        if each.get("protocol", "tcp") == "tcp"
    ]


def _published(row: dict[str, Any]) -> list[Binding]:
    """The ports of one container, as `docker compose ps` tells them."""
    return [
        Binding(
            str(row.get("Service", "")), str(each.get("URL", "")), int(each["PublishedPort"]), int(each["TargetPort"])
        )
        for each in row.get("Publishers") or ()
        if each.get("PublishedPort") and each.get("Protocol", "tcp") == "tcp"
    ]


def _rows(data: bytes) -> list[dict[str, Any]]:
    """`ps --format json`: one object a line, or, before compose 2.21, one list."""
    try:
        text = data.decode("utf-8", "replace").strip()
        read = msgspec.json.decode  # it refuses numbers without end and halves of characters, which no path can have
        rows = read(text) if text.startswith("[") else [read(line) for line in text.split("\n") if line]
        return [row for row in rows if isinstance(row, dict)]
    except (ValueError, RecursionError):
        raise HostError("docker compose ps: not what was asked for") from None


async def _json(context: StepContext, argv: Sequence[str], name: str) -> Any:
    said = await context.host("mail").run(argv, LOOK, 8 << 20)
    if said.status:
        raise HostError(explain(name, "docker", said))
    try:
        return msgspec.json.decode(said.stdout.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise HostError(f"{' '.join(argv[:3])} on {name}: not what was asked for") from None
