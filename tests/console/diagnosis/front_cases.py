"""More of what may be seen of the public side and of HAProxy."""

from __future__ import annotations

from console.answers import Server, Stats
from console.model import Bind, Rung, Span, Target
from console.observation import SweepData
from tests.console.diagnosis.cases import ALL_OK, BUSY, SCREENED
from tests.console.diagnosis.changed_cases import FOUR, SIX, Table, all_of, as_it_is, lane, public, relane

FRONT = Table()
case = FRONT.case


# ── public ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@case("the public name has no address", {25: ("-", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    lane(seen, 25).unresolved = Rung("resolve", "failed", "mail.example.org has no address")


@case("a public address was not dialled yet", {25: ("ok|ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    lane(seen, 25).public[SIX].rungs = []


@case("no public address is known yet", {25: ALL_OK})
def _(seen: SweepData) -> None:
    lane(seen, 25).public = {}


@case("the faster address is the latency that is told", {25: ("ok 41|ok 9", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    lane(seen, 25).public[FOUR].done = False


@case("a connection took less than a clock can tell", {25: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(lane(seen, 25)):
        each.rungs[0] = Rung("connect", "ok", "", 0.0 if each is public(seen, 25) else None)


case("this machine cannot be asked from", {25: ("no-way", "ok", "ok", "UP L4OK")})(as_it_is)
case("IPv6 is refused where IPv4 is accepted", {25: ("ok|refused", "ok", "ok", "UP L4OK"), 993: ALL_OK})(as_it_is)
case("IPv4 is refused where IPv6 is accepted", {25: ("refused|ok", "ok", "ok", "UP L4OK"), 993: ALL_OK})(as_it_is)
case("one address cannot be asked and the other is refused", {25: ("no-way|refused", "ok", "ok", "UP L4OK")})(as_it_is)
case("no address of either family has a route", {25: ("unreachable|unreachable", "ok", "ok", "UP L4OK")})(as_it_is)
case("a port other than 25 is silent from here", {25: ALL_OK, 993: ("timeout", "ok", "ok", "UP L4OK")})(as_it_is)
case("port 25 is silent at one address alone", {25: ("timeout|refused", "ok", "ok", "UP L4OK"), 993: ALL_OK})(as_it_is)
case("port 25 is silent and nothing else was asked", {25: ("timeout", "ok", "ok", "UP L4OK")})(as_it_is)


@case("port 25 has not been silent for long", {25: ("timeout", "ok", "ok", "UP L4OK"), 993: ALL_OK})
def _(seen: SweepData) -> None:
    public(seen, 25).done = False


case("one lane alone gets no answer", {25: ("timeout", "ok", "ok", "UP L4OK")})(as_it_is)
case(
    "one address is silent and one refuses, on every lane",
    {25: ("timeout|refused", "ok", "ok", "UP L4OK"), 993: ("timeout|refused", "ok", "ok", "UP L4OK")},
)(as_it_is)
case(
    "two addresses are silent and unreachable",
    {587: ("timeout|unreachable", "ok", "ok", "UP L4OK"), 993: ("timeout|unreachable", "ok", "ok", "UP L4OK")},
)(as_it_is)
case(
    "a listener is gone at both addresses",
    {25: ALL_OK, 993: ("refused|refused", "ok", "ok", "UP L4OK")},
)(as_it_is)


@case("a listener is gone whose line in the file is not known", {25: ALL_OK, 993: ("refused", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    relane(seen, 993, binds=(Bind("", 993, None), Bind("", 993, Span("haproxy.cfg", 7))))


@case("a listener is gone whose lines are not known at all", {25: ALL_OK, 993: ("refused", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    relane(seen, 993, binds=(Bind("", 993, None),))


# ── haproxy ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@case("the stats have not been read yet", {25: ALL_OK})
def _(seen: SweepData) -> None:
    seen.stats = None


@case("a ladder of the lane still climbs", {25: ALL_OK, 993: ("ok", "closed 0.1", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        public(seen, port).done = False


@case("the probe inside still climbs", {25: ("ok", "ok", "closed", "UP L4OK"), 993: ("ok", "closed", "-", "UP L4OK")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        found = lane(seen, port).vm
        assert found is not None
        found.done = False


case("haproxy knows no such server", {25: ("ok", "ok", "ok", "UP L4OK")})(
    lambda seen: setattr(seen, "stats", Stats((Server("smtp", "other", "UP", "L4OK", ""),)))
)
case("haproxy is told to send nobody there", {25: ("closed 0.1", "ok", "ok", "MAINT")})(as_it_is)
case("haproxy drains the server", {25: ("closed 0.1", "ok", "ok", "DRAIN L4OK"), 993: ALL_OK})(as_it_is)
case("haproxy has no check", {25: ("ok", "ok", "ok", "no")})(as_it_is)
case("haproxy checks by an agent", {25: ("ok", "ok", "ok", "UP L7STS")})(as_it_is)
case("haproxy calls down what is down", {25: ("closed 0.1", "refused", "refused", "DOWN L4CON")})(as_it_is)
case("haproxy calls down what nobody can look at", {993: ("ok", "no-way", "-", "DOWN L4CON")})(as_it_is)


@case("no check at all, as haproxy words it", {25: ALL_OK})
def _(seen: SweepData) -> None:
    seen.stats = Stats((Server("smtp", "mailcow", "no check", "", ""),))


@case("nobody asked the vm, and haproxy tells", {25: ALL_OK, 993: ("ok", "ok", "ok", "DOWN L4CON")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        lane(seen, port).vm = None


@case("the lane's server is in no file, and all gets through", {25: ALL_OK})
def _(seen: SweepData) -> None:
    relane(seen, 25, proxy="", server="")
    public(seen, 25).rungs.append(Rung("capability", "ok", "STARTTLS", 3.0))


@case("the lane's server is in no file, and nothing gets through", {25: ("closed 0.1", "closed 0.1", "ok", "UP")})
def _(seen: SweepData) -> None:
    relane(seen, 25, proxy="", server="")


@case("the lane's server is in no file, and nobody could try", {25: ("timeout", "ok", "ok", "UP")})
def _(seen: SweepData) -> None:
    relane(seen, 25, proxy="", server="")


@case("haproxy was not heard, and every address fails differently", {993: ("silent|closed 0.1", "silent", "ok", "?")})
def _(seen: SweepData) -> None:
    seen.stats = Stats(error="no way in")


@case("haproxy is stopped, and yet somebody answers on one port", {25: ALL_OK, 993: ("refused", "ok", "ok", "")})
def _(seen: SweepData) -> None:
    seen.stats = Stats(stopped=True, error="connection refused")


@case("haproxy is stopped, and no public address is known", {25: ("-", "ok", "ok", "")})
def _(seen: SweepData) -> None:
    seen.stats = Stats(stopped=True, error="connection refused")


case("every port refuses, and the stats were not asked", {25: ("refused", "ok", "ok", "UP")})(
    lambda seen: setattr(seen, "stats", Stats(error="no way in"))
)
case("every port is silent or refuses", {25: ("timeout", "ok", "ok", "UP"), 993: ("refused", "ok", "ok", "UP")})(
    as_it_is
)
case("nothing gets through, and stats call it down", {993: ("closed 3", "ok", "ok", "DOWN L4CON")})(as_it_is)
case("one of two addresses gets through", {993: ("ok|closed 3", "ok", "ok", "UP L4OK")})(as_it_is)
case("IPv4 clients are refused behind the proxy", {25: (f"refused {SCREENED}|ok", "ok", "ok", "UP L4OK")})(as_it_is)
case(
    "IPv6 clients are refused behind a vm that fails too",
    {25: (f"ok|refused {SCREENED}", "closed 0.1", "ok", "UP L4OK")},
)(as_it_is)
case("IPv6 clients meet too much to do", {25: (f"ok|refused {BUSY}", "ok", "ok", "UP L4OK")})(as_it_is)


@case("an IPv6 ladder still climbs", {25: (f"ok|refused {SCREENED}", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    lane(seen, 25).public[SIX].done = False


@case("nothing gets through, and the vm was never asked", {993: ("closed 3", "-", "ok", "-"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    seen.stats = Stats((Server("imaps", "mailcow", "UP", "L4OK", ""),))


@case("the file sends no header to a port that wants none", {25: ("closed 0.1", "closed 0.1", "ok", "UP")}, header=None)
def _(seen: SweepData) -> None:
    relane(seen, 25, service_port=25, target=Target("10.10.10.214", 25, None))


@case("the file sends no header, and only the target tells the port", {25: ("refused 421", "closed 0.1", "ok", "UP")},
      header=None)  # fmt: skip
def _(seen: SweepData) -> None:
    relane(seen, 25, service_port=None, service=None)


@case("the file sends no header to nowhere", {993: ("closed 0.1", "closed 0.1", "ok", "UP")}, header=None)
def _(seen: SweepData) -> None:
    relane(seen, 993, service_port=None, target=None)


case("no header is configured, and dovecot hangs up", {993: ("closed 0.1", "closed 3", "ok", "UP")}, header=None)(
    as_it_is
)
case("no header is configured, and dovecot is silent", {993: ("closed 0.1", "silent", "ok", "UP")}, header=None)(
    as_it_is
)
