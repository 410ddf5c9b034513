"""How findings name lanes, daemons and times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from console.model import Lane
from console.text import address, clean, join_words
from console.topology.lanes import MAIL, Way

MOST = 6
"""Lanes that a sentence names."""

OUTCOMES = {
    "refused": "refused", "timeout": "no answer", "unreachable": "no way there", "closed-0": "hung up at once",
    "closed-3": "hung up after 3 s", "closed-5": "hung up after 5 s", "closed": "hung up", "silent": "silent",
    "tls": "TLS fails", "not-tls": "plain text instead of TLS", "headerless": "asks for a PROXY header",
    "out-of-step": "takes the header for a command", "loop": "redirects to itself", "busy": "too busy",
    "idle": "HAProxy sends nobody there", "down": "HAProxy's check fails",
    "lost": "no ping comes back", "no-way": "cannot be asked", "none": "no address",
    "unheard": "could not be asked", "odd": "a strange answer",
}  # fmt: skip
"""What came of a test that did not pass, in words; of the rest its own are told."""

_DAEMONS = {"postfix-mailcow": "Postfix", "dovecot-mailcow": "Dovecot", "nginx-mailcow": "nginx"}


class _Same:
    """A tuple of lanes, told from others by being the very same object."""

    __slots__ = ("lanes",)

    def __init__(self, lanes: tuple[Lane, ...]) -> None:
        self.lanes = lanes

    def __hash__(self) -> int:
        return id(self.lanes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.lanes is other.lanes


def lanes(found: Iterable[Lane]) -> str:
    """Return "smtp (25)", "smtp (25) and imaps (993)", …."""
    names = found if isinstance(found, tuple | list) else tuple(found)
    shown = [f"{lane.name} ({lane.port})" for lane in names[:MOST]]
    return join_words(shown) if len(names) <= MOST else f"{', '.join(shown[:-1])} and {len(names) - MOST + 1} more"


@lru_cache(maxsize=16)
def _ids(found: _Same) -> tuple[str, ...]:
    return tuple(lane.id for lane in found.lanes)


def ids(found: Iterable[Lane]) -> tuple[str, ...]:
    """Return what tells the lanes apart; made once for all findings of the same tuple."""
    return _ids(_Same(found)) if isinstance(found, tuple) else tuple(lane.id for lane in found)


def together(ways: Sequence[Way]) -> tuple[Lane, ...]:
    """Return the lanes of several ways, each once."""
    different = {id(way.lanes): way.lanes for way in ways}
    if len(different) == 1:
        return ways[0].lanes
    return tuple({lane.id: lane for lanes in different.values() for lane in lanes}.values())


def daemon(found: Iterable[Lane], way: Way | None = None) -> str:
    """Return the name of the daemon behind a way or the lanes, "the daemon" when nobody knows."""
    if way is not None and (service := way.arrival.listener.service) is not None:
        return _DAEMONS.get(service) or clean(service, 60)
    if way is not None and way.arrival.known:
        return "the daemon"
    named = _named(_Same(found)) if isinstance(found, tuple) else _named(_Same(tuple(found)))
    return named or "the daemon"


def dialled(way: Way) -> str:
    """Return the address that HAProxy dials, and where Incus leads that on."""
    arrival = way.arrival
    onward = f", which leads to {address(arrival.host, arrival.port)}" if arrival.hops else ""
    return f"{address(way.server.host, way.port)}{onward}"


@lru_cache(maxsize=16)
def _named(found: _Same) -> str:
    return next((_DAEMONS[lane.service] for lane in found.lanes if lane.service in _DAEMONS), "")


@lru_cache(maxsize=16)
def _mail(found: _Same) -> bool:
    return any(lane.protocol in MAIL for lane in found.lanes)


def carry_mail(found: tuple[Lane, ...]) -> bool:
    """Whether one of the lanes is a mail lane."""
    return _mail(_Same(found))


def duration(seconds: float) -> str:
    """Return a time as HAProxy writes it: "50s", "5m", "1h30m"."""
    whole = round(seconds)
    if whole < 1:
        return f"{round(seconds * 1000)}ms"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return "".join(f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number)
