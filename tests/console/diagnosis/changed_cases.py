"""Cases of what may be seen that are changed by hand, for what the table of cases.py has no column for."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from console.ladders import Ladder
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import Case, stage

Lanes = dict[int, tuple[str, str, str, str]]
FOUR, SIX = "203.0.113.10", "2001:db8::10"


class Table(dict[str, Callable[[], SweepData]]):
    """What is seen, in words → the sweep's data."""

    def case(self, says: str, lanes: Lanes, **more: object) -> Callable[[Callable[[SweepData], None]], None]:
        """Add a case: lanes as in cases.py, and what the decorated function changes in them."""

        def register(change: Callable[[SweepData], None]) -> None:
            def make() -> SweepData:
                seen = stage(Case(says, lanes, {}, (), "", **more))  # type: ignore[arg-type]
                change(seen)
                return seen

            self[says] = make

        return register


def as_it_is(seen: SweepData) -> None:
    """Change nothing."""


def lane(seen: SweepData, port: int) -> LaneData:
    return next(each for each in seen.lanes.values() if each.lane.port == port)


def relane(seen: SweepData, number: int, **more: object) -> LaneData:
    """Change what the files say of the lane on that port."""
    found = lane(seen, number)
    found.lane = replace(found.lane, **more)
    return found


def public(seen: SweepData, port: int) -> Ladder:
    return next(iter(lane(seen, port).public.values()))


def web(seen: SweepData, tls: str = "terminated", said: str = "HTTP/1.1 200 OK") -> LaneData:
    """Make lane 993 the web interface on 443, whose TLS HAProxy ends."""
    found = relane(seen, 993, port=443, protocol="https", name="web", tls=tls, service="nginx-mailcow")
    for each in (*found.public.values(), found.vm, found.service):
        assert each is not None
        inside = each is not next(iter(found.public.values()))
        each.target = replace(each.target, protocol="http" if inside and tls == "terminated" else "https")
        each.said = said if each.cause == "" else each.said
        if each.target.protocol == "http":
            each.certificate = None
    return found


def all_of(found: LaneData) -> list[Ladder]:
    return [each for each in (*found.public.values(), found.vm, found.service) if each is not None]
