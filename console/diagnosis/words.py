"""How findings name lanes, daemons and times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.model import PLAIN_PORTS, Lane
from console.text import spell
from console.topology import SERVICES, Way

MOST = 6
"""Lanes that a sentence names."""

_DAEMONS = {"postfix-mailcow": "Postfix", "dovecot-mailcow": "Dovecot", "nginx-mailcow": "nginx"}


def lanes(found: Iterable[Lane]) -> str:
    """Return "smtp (25)", "smtp (25) and imaps (993)", …."""
    names = list(found)
    return spell([f"{lane.name} ({lane.port})" for lane in names[:MOST]] + [""] * (len(names) - MOST), MOST)


def ids(found: Iterable[Lane]) -> tuple[str, ...]:
    """Return what tells the lanes apart."""
    return tuple(lane.id for lane in found)


def together(ways: Sequence[Way]) -> tuple[Lane, ...]:
    """Return the lanes of several ways, each once."""
    if len(ways) == 1:
        return ways[0].lanes
    return tuple({lane.id: lane for way in ways for lane in way.lanes}.values())


def daemon(found: Iterable[Lane], behind: int = 0) -> str:
    """Return the name of the daemon behind the lanes or the container's port, "the daemon" when nobody knows."""
    services = [lane.service for lane in found]
    services.append(SERVICES.get(PLAIN_PORTS.get(behind, behind)))
    return next((_DAEMONS[service] for service in services if service in _DAEMONS), "the daemon")


def duration(seconds: float) -> str:
    """Return a time as HAProxy writes it: "50s", "5m", "1h30m"."""
    whole = round(seconds)
    if whole < 1:
        return f"{round(seconds * 1000)}ms"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return "".join(f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number)
