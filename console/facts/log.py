"""What a service logged, since a time and by pattern: a compose service, a systemd unit, or a file.

Times are given as seconds back from now and counted by the machine's own clock, so that a clock that is wrong there,
or here, hides nothing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Literal

from msgspec import Struct

from console.facts import compose
from console.facts.command import Answer, run
from console.hosts.host import Host
from console.mask import mask
from console.text import clean

Kind = Literal["service", "unit", "file"]

CAP = 1 << 20
"""Most bytes of log read at once."""

WIDTH = 300
"""Characters kept of a line."""

HIDDEN = ("not seeing messages from other users", "insufficient permissions")
"""What journalctl remarks when it has entries that it may not show us; its status is 0 all the same."""

ERASE = "\x1b[2K"
"""What compose 2.26 puts before each line of `logs`, even into a pipe and whatever --ansi and --no-color say."""

_MARK = re.compile(r"-- (?:Logs begin|Journal begins|No entries|Boot |Reboot)")
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) ")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Log(Struct, frozen=True):
    """Lines of a log, the oldest first, or why it could not be read."""

    lines: tuple[str, ...] = ()
    error: str = ""


async def tail(host: Host, service: str, lines: int = 60) -> tuple[str, ...]:
    """Return the last lines of a compose service's log, cleaned and without secrets; () when they cannot be had."""
    return masked((await ask(host, "service", service, lines=lines)).lines)


def masked(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the lines without the secrets that are in them."""
    return tuple(mask("\n".join(lines)).split("\n")) if lines else ()


async def ask(
    host: Host, kind: Kind, name: str, *, since: float = 0, pattern: str | re.Pattern[str] = "", lines: int = 60
) -> Log:
    """Return the last `lines` lines that match, of the last `since` seconds (0: whenever); failures are in the result.

    The pattern is searched here, in at most 20 times as many lines as are asked for."""
    fetched = lines * 20 if pattern else lines
    back = f"{max(1, round(since))}s"
    if kind == "service":
        words = ["logs", "--no-color", "--no-log-prefix", "--tail", str(fetched), *(["--since", back] if since else [])]
        answer = await compose.run(host, [*words, name], cap=CAP)
    elif kind == "unit":
        words = ["journalctl", "--no-pager", "--output=short-iso", f"--lines={fetched}", f"--unit={name}"]
        answer = await run(host, [*words, *([f"--since=-{back}"] if since else [])], cap=CAP)
    else:
        answer = await run(host, ["tail", "-n", str(fetched), "--", name], cap=CAP)
    if answer.error and not answer.text:
        return Log(error=answer.error)
    text = answer.text
    if kind == "file" and since:
        clock = await _clock(host)
        text = after(text, clock - timedelta(seconds=since)) if clock else text
    found = parse(text, pattern)[-lines:]
    hidden = not found and any(words in answer.remark for words in HIDDEN)
    return Log(found, f'journalctl: permission denied on {host.name}; add become = "sudo"' if hidden else "")


def parse(text: str, pattern: str | re.Pattern[str] = "") -> tuple[str, ...]:
    """Return the lines that match `pattern`, cleaned; journalctl's own remarks are left out."""
    matches = re.compile(pattern).search
    shown = (clean(line.removeprefix(ERASE).rstrip("\r"), WIDTH) for line in text.split("\n") if not _MARK.match(line))
    return tuple(line for line in shown if line and matches(line))


def after(text: str, earliest: datetime) -> str:
    """Leave out lines older than `earliest`, which has the machine's own zone; a line without a time is as old as the
    one before it."""
    kept, young = [], True
    for line in text.split("\n"):
        moment = _moment(line, earliest)
        young = young if moment is None else moment >= earliest
        if young:
            kept.append(line)
    return "\n".join(kept)


def _moment(line: str, near: datetime) -> datetime | None:
    """When a line was written; a syslog time has no year, so the one that puts it nearest to `near` is meant."""
    if match := _ISO.match(line):
        try:
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}")
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=near.tzinfo)
    match = _SYSLOG.match(line)
    if match is None or match[1] not in _MONTHS:
        return None
    hour, minute, second = (int(part) for part in match[3].split(":"))
    years = (near.year - 1, near.year, near.year + 1)
    try:
        day = (_MONTHS.index(match[1]) + 1, int(match[2]), hour, minute, second)
        return min((datetime(year, *day, tzinfo=near.tzinfo) for year in years), key=lambda it: abs(it - near))
    except ValueError:
        return None


async def _clock(host: Host) -> datetime | None:
    """The machine's own time, in its own zone."""
    answer: Answer = await run(host, ("date", "+%s %z"))
    match = re.match(r"(\d{1,10}) ([+-])([01]\d)(\d\d)\s*$", answer.text)
    if match is None:
        return None
    offset = timedelta(hours=int(match[3]), minutes=int(match[4])) * (-1 if match[2] == "-" else 1)
    return datetime.fromtimestamp(int(match[1]), timezone(offset))
