"""The containers of the compose project, running or not: `docker compose ps --all --format json`.

Compose up to 2.20 prints one array, later ones an object a line; Status came with 2.15. Publishers may be null. An
answer without containers is `[]`, or nothing at all."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from console.answers import Container, Publisher
from console.facts import compose
from console.hosts.host import Host
from console.text import clean

COMMAND = ("ps", "--all", "--format", "json")
ENDED = ("exited", "dead", "restarting")
"""States in which an exit code says something; for the others it is 0."""


class Containers(Struct, frozen=True):
    """What compose says of its containers, or why it could not be asked."""

    found: tuple[Container, ...] = ()
    error: str = ""


class _Publisher(Struct, frozen=True):
    url: str | None = msgspec.field(default=None, name="URL")
    inside: int = msgspec.field(default=0, name="TargetPort")
    outside: int = msgspec.field(default=0, name="PublishedPort")
    protocol: str = msgspec.field(default="tcp", name="Protocol")


class _Row(Struct, frozen=True, rename="pascal"):
    service: str
    state: str
    name: str = ""
    status: str | None = None
    health: str | None = None
    exit_code: int | None = None
    running_for: str | None = None
    publishers: tuple[_Publisher, ...] | None = None


async def ask(host: Host) -> Containers:
    """Ask which containers there are and how they are; failures are in the result, never raised."""
    answer = await compose.run(host, COMMAND)
    if answer.error:
        return Containers(error=answer.error)
    try:
        return Containers(parse(answer.text))
    except ValueError as error:
        return Containers(error=f"docker on {host.name}: {error}")


def parse(text: str) -> tuple[Container, ...]:
    """Read either shape, in the order given; raises ValueError when it is neither."""
    text = text.strip()
    try:
        if text.startswith("["):
            rows = msgspec.json.decode(text, type=tuple[_Row, ...])
        else:
            rows = tuple(msgspec.json.decode(line, type=_Row) for line in text.split("\n") if line.strip())
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"not the answer to docker compose ps: {clean(str(error), 120)}") from None
    return tuple(_container(row) for row in rows)


def _container(row: _Row) -> Container:
    state = clean(row.state, 20).lower()
    return Container(
        clean(row.service, 80),
        state,
        clean(row.name, 80),
        clean(row.status or "", 80),
        clean(row.health or "", 20),
        row.exit_code if state in ENDED else None,
        clean(row.running_for or "", 40),
        tuple(
            Publisher(clean(each.url or "", 60), each.outside, each.inside, clean(each.protocol, 8))
            for each in row.publishers or ()
            if each.outside
        ),
    )
