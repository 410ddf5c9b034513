"""More of what may be seen of HAProxy's own check, and of one rule after another."""

from __future__ import annotations

from msgspec.structs import replace

from console.model import Span, Target
from console.observation import SweepData
from tests.console.diagnosis.cases import ALL_OK, BUSY, SCREENED, certificate, ladder
from tests.console.diagnosis.changed_cases import Table, all_of, as_it_is, lane, relane

CHECKS = Table()
case = CHECKS.case


# ── haproxy's check ───────────────────────────────────────────────────────────────────────────────────────────────────

case("smtpd without postscreen passes option smtpchk", {25: ("ok", "ok", "ok", "UP L7OK 2.0.0 Bye")})(
    lambda seen: relane(seen, 25, service="postfix") and None
)
case("haproxy calls postscreen down for another reason", {25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 554")})(as_it_is)
case("postscreen is drained after its teaser", {25: ("closed 0.1", "ok", "ok", "DRAIN L7RSP 220-mail")})(as_it_is)
case("postscreen is down, and its vm too", {25: ("closed 0.1", "silent", "silent", "DOWN L7RSP 220-mail")})(as_it_is)
case("smtpchk passes where haproxy checks no more", {25: ("ok", "ok", "ok", "MAINT L7OK Bye")})(as_it_is)
case("a check of another kind ends with a goodbye", {25: ("ok", "ok", "ok", "UP L4OK Bye")})(as_it_is)
case("smtpchk passes with the shortest goodbye", {25: ("ok", "ok", "ok", "UP L7OK bye"), 993: ALL_OK})(as_it_is)


# ── one rule after another ────────────────────────────────────────────────────────────────────────────────────────────


@case(
    "the running proxy sends no header, and the files say more of it",
    {465: ("closed 5", "ok", "ok", "UP"), 993: ("closed 3", "ok", "ok", "UP"), 4190: ("closed 3", "ok", "ok", "UP")},
)
def _(seen: SweepData) -> None:
    relane(seen, 465, target=Target("10.10.10.214", 10465, Span("backends.cfg", 7)))
    relane(seen, 993, target=Target("10.10.10.214", 10993, None))
    relane(seen, 4190, target=None)


case(
    "one lane is down in the stats, and the next has no header",
    {25: (f"refused {SCREENED}", "ok", "ok", "DOWN L4CON"), 993: ("closed 3", "ok", "ok", "UP")},
)(as_it_is)
case(
    "haproxy was not heard, and the second lane proves less",
    {4190: ("closed 3.0", "ok", "ok", "?"), 993: ("closed 0.1", "ok", "ok", "?")},
    stats="no way in",
)(as_it_is)
case(
    "haproxy stumbles over the teaser of the second lane",
    {993: ALL_OK, 25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 220-mail")},
)(as_it_is)
case("haproxy stumbles, nobody can ask the vm", {25: ("closed 0.1", "no-way", "ok", "DOWN L7RSP 220-mail")})(as_it_is)
case("haproxy passes smtpchk, and calls it down", {25: ("closed 0.1", "silent", "ok", "DOWN L7OK Bye")})(as_it_is)


@case("haproxy stumbles, and the vm was not asked", {25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 220-mail")})
def _(seen: SweepData) -> None:
    lane(seen, 25).vm = None


@case(
    "haproxy stumbles over one postscreen and passes another",
    {25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 220-mail"), 587: ("ok", "ok", "ok", "UP L7OK Bye")},
)
def _(seen: SweepData) -> None:
    relane(seen, 587, protocol="smtp")


@case("two web interfaces redirect to themselves", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        for each in all_of(relane(seen, port, protocol="https")):
            each.target = replace(each.target, protocol="https")
            each.said = "HTTP/1.1 301 → https://mail.example.org/"


@case("IPv6 clients are refused, while an IPv4 ladder climbs", {993: ("ok|closed 3", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    found = lane(seen, 993)
    climbing = ladder("closed 0.1", "203.0.113.11", 993, "imaps", None, certificate(60))
    climbing.done = False
    found.public["203.0.113.11"] = climbing


case(
    "IPv6 clients are refused on the second lane, and the first is busy",
    {25: (f"ok|refused {SCREENED}", f"refused {BUSY}", "ok", "UP"), 993: ("ok|closed 3", "ok", "ok", "UP L4OK")},
)(as_it_is)
case(
    "a lane turns away, and is silent elsewhere",
    {25: ("refused 421 x|timeout", "ok", "ok", "UP"), 993: ALL_OK},
)(as_it_is)


@case("port 25 has no public address yet, and others answer", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    lane(seen, 25).public = {}


case(
    "a certificate has expired, nobody can ask the vm",
    {993: ("ok", "no-way", "ok", "UP")},
    served=certificate(-2),
)(as_it_is)
case(
    "a certificate has expired, the daemon is silent",
    {993: ("ok", "ok", "silent", "UP")},
    served=certificate(-2),
)(as_it_is)
case("the daemon is stopped, and nobody can ask from the proxy", {993: ("closed 0.1", "-", "refused", "-")})(as_it_is)
case("the daemon inside cannot be reached", {993: ("closed 0.1", "silent", "timeout", "UP")})(as_it_is)
case("every port refuses, and nobody can ask the proxy", {25: ("refused", "-", "-", "-")})(as_it_is)
case("two lanes have no public address", {25: ("-", "ok", "ok", "UP"), 993: ("-", "ok", "ok", "UP")})(as_it_is)
