"""What runs on a machine, and in which state: `ps -eo stat=,args=`; T means stopped by a signal."""

from __future__ import annotations

import re

from msgspec import Struct

from console.answers import Program
from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

ALL = ("ps", "-eo", "stat=,args=")
MOST = 4000
"""Processes read of one machine."""

MAIL = re.compile(r"(?:\S*/)?(?:dovecot|auth|postscreen|smtpd|nginx)\b|\S*/(?:master|postfix)\b")
"""What answers clients of a mail host: of other processes nothing is kept, for their words may be anything."""

_LINE = re.compile(r"\s*([A-Za-z][A-Za-z<+]*)\s+(\S.*)")


class Programs(Struct, frozen=True):
    """Processes, or why nobody could tell."""

    found: tuple[Program, ...] = ()
    error: str = ""


async def ask(host: Host, name: str = "") -> Programs:
    """Ask which processes of that name (of a mail host, without one) run on `host`; failures are in the result.

    ps ends with status 1 and says nothing when there are none of that name."""
    answer = await run(host, ("ps", "-C", name, "-o", "stat=,args=") if name else ALL)
    if answer.error and not (name and answer.status == 1 and not answer.text.strip() and not answer.remark):
        return Programs(error=answer.error)
    found = parse(answer.text)
    return Programs(found if name else tuple(each for each in found if MAIL.match(each.words)))


def parse(text: str) -> tuple[Program, ...]:
    """Read `stat args` lines; a line of another shape is left out."""
    rows = (_LINE.match(line) for line in text.split("\n")[:MOST])
    return tuple(Program(match[1], clean(match[2].strip(), 160)) for match in rows if match)
