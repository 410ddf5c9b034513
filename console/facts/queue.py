"""The messages that Postfix holds: `postqueue -j` in its container (Postfix 3.1 and later), one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from console.facts.command import CAP, explain
from console.facts.compose import WAYS
from console.hosts import shell
from console.hosts.host import Host
from console.text import clean

SERVICE = "postfix-mailcow"
TIMEOUT = 10.0
"""Seconds that a look at the queue may take."""

SCRIPTS: tuple[str, ...] = tuple(
    f"exec {shell.line(['docker', 'compose', *way, 'exec', '-T', SERVICE, 'postqueue', '-j'])}" for way in WAYS
)
"""The looks, one for each way to the project, whole: nothing else is ever run in the container by them."""


class Held(Struct, frozen=True):
    """One message in the queue: its id, and whom it is from and to."""

    id: str
    sender: str = ""
    recipients: tuple[str, ...] = ()

    def has(self, nonce: str) -> bool:
        """Whether it has anything of ours."""
        return any(nonce in text for text in (self.sender, *self.recipients))


class Queue(Struct, frozen=True):
    """What is held, or why nobody could tell."""

    held: tuple[Held, ...] = ()
    error: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """The names of the messages."""
        return frozenset(each.id for each in self.held)


class _Recipient(Struct, frozen=True):
    address: str = ""


class _Row(Struct, frozen=True):
    queue_id: str
    sender: str = ""
    recipients: tuple[_Recipient, ...] = ()


async def ask(host: Host) -> Queue:
    """Look at the queue; raises `HostError` when the machine cannot be asked, other failures are in the result."""
    first = ""
    for script in SCRIPTS:
        done = await host.run(("sh", "-c", script), TIMEOUT, CAP)
        if done.status == 0:
            try:
                return Queue(parse(done.stdout.decode("utf-8", "replace")))
            except ValueError as error:
                return Queue(error=f"postqueue on {host.name}: {error}")
        first = first or explain(host.name, "docker", done)
        if done.status == 127:
            break
    return Queue(error=first)


def parse(text: str) -> tuple[Held, ...]:
    """Read the answer; an empty one is an empty queue. Raises ValueError when it is none."""
    try:
        rows: Sequence[_Row] = [msgspec.json.decode(line, type=_Row) for line in text.splitlines() if line.strip()]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"not the answer to postqueue -j: {clean(str(error), 120)}") from None
    return tuple(
        Held(clean(row.queue_id, 40), clean(row.sender), tuple(clean(each.address) for each in row.recipients))
        for row in rows
    )
