"""Who is connected to a port of a machine, and where a program's connections stand unanswered: `ss -Htn state …`."""

from __future__ import annotations

import re

from console.facts.command import run
from console.hosts.host import Host

_PEER = re.compile(r"^(?:\S+ +)?\d+ +\d+ +\S+ +\[?([0-9A-Fa-f.:]+)(?:%\w+)?\]?:(\d{1,5})\b")
_MAPPED = re.compile(r"::ffff:(\d+\.\d+\.\d+\.\d+)", re.IGNORECASE)


async def ask(host: Host, port: int) -> tuple[tuple[str, int], ...] | None:
    """Return the addresses and ports of those connected to `port`; None when nobody can tell."""
    answer = await run(host, ("ss", "-Htn", "state", "established", "sport", "=", f":{port}"))
    return None if answer.error else parse(answer.text)


def parse(text: str) -> tuple[tuple[str, int], ...]:
    """Read the rows; what is none is left out."""
    found = [(match[1], int(match[2])) for line in text.split("\n") if (match := _PEER.match(line.strip()))]
    return tuple(((mapped[1] if (mapped := _MAPPED.fullmatch(host)) else host), port) for host, port in found)


async def unanswered(host: Host, program: str) -> tuple[tuple[str, str, int], ...] | None:
    """Return the connections of a program that stand unanswered, as (own end, address, port); None: nobody can tell."""
    answer = await run(host, ("ss", "-Htnp", "state", "syn-sent"))
    lines = [line for line in answer.text.split("\n") if line.strip()]
    if answer.error or any("users:((" not in line for line in lines):
        return None
    mine = [line for line in lines if f'users:(("{program}",' in line]
    return tuple((line.split()[-3], *peer) for line in mine for peer in parse(line))
