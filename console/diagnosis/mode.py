"""What a row of the table of suspects is made of: a component in a mode, what it produces, and what proves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from msgspec import Struct

from console.diagnosis.symptoms import OUTCOMES, PASS, At, Key, Kind
from console.diagnosis.world import World
from console.model import HopName

_KINDS: tuple[str, ...] = get_args(Kind)
_PLACES: tuple[str, ...] = get_args(At)


class Pattern(Struct, frozen=True):
    """Which tests are meant: on the suspect's own ports (and of none), or on those that log in through Dovecot."""

    own: frozenset[Key] = frozenset()
    logins: frozenset[Key] = frozenset()


def pattern(text: str, *, passing: bool = False) -> Pattern:
    """Read "talk here,itself: silent closed-0; check haproxy"; no outcome means any symptom, or a pass;
    but of HAProxy's check only that it fails: that a server is put away is nobody's effect, and stands by itself.

    A clause that begins with "logins" is of the ports on which Postfix asks Dovecot who may submit."""
    own: set[Key] = set()
    logins: set[Key] = set()
    for clause in filter(None, (part.strip() for part in text.split(";"))):
        tests, _, outcomes = clause.partition(":")
        words = tests.split()
        into = logins if words[0] == "logins" else own
        kind, places = words[-2], words[-1].split(",")
        usual = ("down",) if kind == "check" else OUTCOMES
        came = (PASS,) if passing else tuple(outcomes.split()) or usual
        if kind not in _KINDS or not {*places} <= {*_PLACES} or not {*came} <= {*OUTCOMES, PASS}:
            raise ValueError(f"{clause!r} names no test")
        into |= {(kind, place, each) for place in places for each in came}
    return Pattern(frozenset(own), frozenset(logins))


class Scope(Struct, frozen=True):
    """Where a mode may hold: lanes by public port, of one address family or of certain addresses where these count."""

    ports: tuple[int, ...]
    family: int = 0
    addresses: frozenset[str] = frozenset()


class Proof(Struct, frozen=True):
    """Whether facts prove a suspect (True), disprove it (False) or do not decide (None); `words` are those facts.

    `given` fill the suspect's own words; `cost`, where a fact makes it likelier or less so, replaces the row's.
    `beside` is False where the fact is strong enough for what nothing else explains, and for no more. `spared` are
    public ports of which it explains nothing, though it holds."""

    holds: bool | None = None
    words: tuple[str, ...] = ()
    given: dict[str, str] = {}
    cost: float | None = None
    beside: bool = True
    spared: frozenset[int] = frozenset()


UNKNOWN = Proof()
Fact = Callable[[World, Scope], Proof]
Scoping = Callable[[World], list[Scope]]
Stands = Literal["", "beside", "apart"]


class Mode(Struct, frozen=True):
    """A row: `component/mode`, its words, its cost (the minus logarithm of how likely, 0 to 3), and what it explains.

    A pass that it `forbids` clears it; a port on which what it `needs` did not pass is none of its own. `finding` is
    the id that names it once it is proven, `kin` those by which it is known among rivals. One that `spreads` is
    taken for the cause on a lane that fits, too, once it is proven on another; one that `stands` "beside" is told when
    it is proven on a lane that is ill, though something else explains all of it; "apart" where no lane is ill, too."""

    id: str
    words: str
    cost: float
    hop: HopName
    scope: Scoping
    covers: Pattern
    forbids: Pattern
    fact: Fact
    finding: str
    needs: Pattern = Pattern()
    tells: str = ""
    remedy: str = ""
    kin: str = ""
    spreads: bool = False
    stands: Stands = ""


def row(
    id: str, words: str, cost: float, hop: HopName, scope: Scoping, *, covers: str, finding: str, fact: Fact,
    forbids: str = "", needs: str = "", tells: str = "", remedy: str = "", kin: str = "", spreads: bool = False,
    stands: Stands = "",
) -> Mode:  # fmt: skip
    """Return a row of the table, its tests written as `pattern` reads them."""
    return Mode(
        id, words, cost, hop, scope, pattern(covers), pattern(forbids, passing=True), fact, finding,
        pattern(needs, passing=True), tells, remedy, kin, spreads, stands,
    )  # fmt: skip
