"""What a sweep showed, test by test: who asked whom, and what came of it. A test that did not pass is a symptom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from console.answers import Server, Stats
from console.ladders import Ladder
from console.observation import LaneData, SweepData

Kind = Literal["connect", "talk", "check", "ping", "way", "name"]
"""connect: a connection was asked for; talk: it was made, and spoken over; check: HAProxy's own; way: our way in."""

At = Literal[
    "here", "itself", "vm", "door", "inside", "haproxy", "router", "host", "large", "gateway", "proxy", "mail"
]  # fmt: skip
"""From here; from the proxy to its own public address; from the proxy to the VM, and to its port 22; in the VM."""

PASS = "pass"  # noqa: S105  no word that opens anything
OUTCOMES = (
    "refused", "timeout", "unreachable", "closed-0", "closed-3", "closed-5", "closed", "silent", "tls", "not-tls",
    "says-4xx", "says-5xx", "says-no", "headerless", "out-of-step", "loop", "busy", "odd", "down", "lost", "no-way",
    "none", "unheard", "shut", "idle",
)  # fmt: skip
"""What can come of a test, but that it passes."""

AT_ONCE = 2.5
"""Seconds within which a far end hangs up at once: no daemon waits for a header so briefly."""

HEADERLESS = re.compile(r"421 4\.3\.2 No system resources|421 4\.3\.0 .*\bServer local error")
"""postscreen's and smtpd's words to a client without a header (Postfix 3.4 to 3.11, as `said` has them)."""

BUSY = re.compile(r"4\d\d (?:.*\b)?(?:ports are busy|too many connections)\b", re.IGNORECASE)
"""postscreen's and smtpd's words when all their processes are taken, or too many connections are a client's."""

_STATUS = re.compile(r"(?:HTTP/1\.\d )?(\d)\d\d\b")
_NOBODY = re.compile(r"did not answer|no answer|timed out|unreachable|[Nn]o route", re.IGNORECASE)
"""How a way in says that nobody was there: any other complaint is a machine's that answered."""
_REDIRECT = re.compile(r" → (\S+)")


class Test(Struct, frozen=True):
    """One test: `outcome` "pass" or one of OUTCOMES; `port` is the lane's public one, 0 where it is of no lane."""

    __test__ = False

    kind: Kind
    at: At
    outcome: str = PASS
    port: int = 0
    family: int = 4
    address: str = ""
    said: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing was amiss."""
        return self.outcome == PASS


Key = tuple[str, str, str]
"""Kind, place and outcome of a test."""


def key(test: Test) -> Key:
    """What a test is of, wherever it was made."""
    return test.kind, test.at, test.outcome


def outcome(ladder: Ladder) -> str:
    """How a ladder ended, as one of OUTCOMES; what an HTTP server says with 4xx or 5xx is no pass."""
    cause, said = ladder.cause, ladder.said
    if cause == "closed":
        return _closed(ladder.after)
    if cause == "refused" and ladder.connected:
        return _refusal(said)
    if cause == "out-of-step":
        return _refusal(said) if ladder.target.protocol in ("http", "https") else cause
    if cause in ("refused", "timeout", "unreachable", "silent", "tls", "not-tls"):
        return cause
    if cause:
        return "odd"
    if ladder.target.protocol in ("http", "https"):
        return _answered(ladder)
    return PASS


def _closed(after: float) -> str:
    if after < AT_ONCE:
        return "closed-0"
    return "closed-3" if after < 4.5 else "closed-5" if after < 7 else "closed"


def _refusal(said: str) -> str:
    if HEADERLESS.match(said):
        return "headerless"
    if BUSY.match(said):
        return "busy"
    match = _STATUS.match(said)
    return f"says-{match[1]}xx" if match and match[1] in "45" else "says-no"


def _answered(ladder: Ladder) -> str:
    """A web server's answer: one that asks who we are is well, one that sends us to where we are is not."""
    name, said = ladder.target.name, ladder.said
    if ladder.target.protocol == "https" and (match := _REDIRECT.search(said)):
        return "loop" if match[1].rstrip("/") == f"https://{name}" else PASS
    return PASS


def tests(seen: SweepData) -> tuple[Test, ...]:
    """Return everything that was tested, as far as it has ended."""
    return tuple(_all(seen))


def _all(seen: SweepData) -> Iterator[Test]:
    for lane in seen.lanes.values():
        port = lane.lane.port
        for ladder in lane.public.values():
            yield from _climbed("here", port, ladder)
        for ladder in lane.itself.values():
            yield from _climbed("itself", port, ladder)
        yield from _climbed("vm", port, lane.vm)
        yield from _climbed("inside", port, lane.service)
        yield from _checked(seen, lane)
        if lane.unresolved is not None and seen.topology.public and "here" in seen.vantages:
            none = "none" if lane.unresolved.outcome == "failed" else "unheard"
            yield Test("name", "here", none, port, said=lane.unresolved.detail)
    yield from _asked(seen)
    yield from _ways(seen)


def _climbed(at: At, port: int, ladder: Ladder | None) -> Iterator[Test]:
    if ladder is None or not ladder.rungs or ladder.cause in ("no-way", "no-source"):
        return
    family, came, up = 6 if ":" in ladder.target.address else 4, outcome(ladder), ladder.connected
    if not ladder.done:
        if up:
            yield Test("connect", at, PASS, port, family, ladder.target.address)
        return
    said = ladder.rungs[-1].detail
    yield Test("connect", at, PASS if up else came, port, family, ladder.target.address, said)
    if up and ladder.target.depth != "connect":
        yield Test("talk", at, came, port, family, ladder.target.address, ladder.said or said)


def _checked(seen: SweepData, lane: LaneData) -> Iterator[Test]:
    row = seen.stats.server(lane.lane.proxy, lane.lane.server) if seen.stats else None
    if row is not None and (state := row.status.split(" ")[0]) in ("UP", "DOWN", "MAINT", "DRAIN"):
        idle = state in ("MAINT", "DRAIN") or row.weight == 0
        came = "down" if failing(row) else "idle" if idle else PASS
        yield Test("check", "haproxy", came, lane.lane.port, said=f"{row.check} {row.last}")


def failing(server: Server) -> bool:
    """Whether HAProxy's check fails: it is down, or on its way ("UP 2/3")."""
    return server.status.startswith("DOWN") or (server.status.startswith("UP") and "/" in server.status)


def _asked(seen: SweepData) -> Iterator[Test]:
    if seen.asked is None:
        return
    if seen.asked.door is not None:
        yield from _climbed("door", 0, seen.asked.door)
    places: dict[str, At] = {"router": "router", "vm": "host", "large": "large", "gateway": "gateway"}
    for name, ping in seen.asked.pings.items():
        if name in places:  # that nobody answers at the public address is many a provider's wish
            yield Test("ping", places[name], "lost" if ping.lost else PASS, address=ping.address)


def _ways(seen: SweepData) -> Iterator[Test]:
    """Test whether each host let us in; a role that the site does not configure gives no symptom."""
    for role, at in (("proxy", "proxy"), ("mail", "mail")):
        ladders = [lane.vm if role == "proxy" else lane.service for lane in seen.lanes.values()]
        asked = [ladder for ladder in ladders if ladder is not None and ladder.done]
        if asked:
            said = asked[0].rungs[-1].detail if asked[0].rungs else ""
            out = all(ladder.cause == "no-way" for ladder in asked)
            came = PASS if not out else "no-way" if _NOBODY.search(said) else "shut"
            yield Test("way", at, came, said=said if came != PASS else "")  # type: ignore[arg-type]


def ailing(seen: SweepData) -> bool:
    """Whether anything is amiss that the machines themselves may explain."""
    stats = seen.stats or Stats()
    idle = stats.servers and any(_idle(stats, lane) for lane in seen.lanes.values())
    return (
        bool(idle) or stats.stopped or stats.silent or any(not test.passed for test in _all(seen) if test.kind != "way")
    )


def _idle(stats: Stats, lane: LaneData) -> bool:
    """Whether HAProxy sends nobody to this lane's server, or has no such server."""
    if stats.error or not lane.lane.proxy:
        return False
    row = stats.server(lane.lane.proxy, lane.lane.server)
    return row is None or not row.status.startswith(("UP", "no check")) or row.weight == 0
