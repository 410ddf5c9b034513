"""How findings name lanes, daemons and times."""

from __future__ import annotations

from collections.abc import Iterable

from console.model import Lane
from console.text import spell

_DAEMONS = {"postfix-mailcow": "Postfix", "dovecot-mailcow": "Dovecot", "nginx-mailcow": "nginx"}


def lanes(found: Iterable[Lane]) -> str:
    """Return "smtp (25)", "smtp (25) and imaps (993)", …."""
    return spell([f"{lane.name} ({lane.port})" for lane in found])


def ids(found: Iterable[Lane]) -> tuple[str, ...]:
    """Return what tells the lanes apart."""
    return tuple(lane.id for lane in found)


def daemon(found: Iterable[Lane]) -> str:
    """Return the name of the daemon behind the lanes, "the daemon" when nobody knows."""
    return next((_DAEMONS[lane.service] for lane in found if lane.service in _DAEMONS), "the daemon")


def duration(seconds: float) -> str:
    """Return a time as HAProxy writes it: "50s", "5m", "1h30m"."""
    whole = round(seconds)
    if whole < 1:
        return f"{round(seconds * 1000)}ms"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return "".join(f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number)
