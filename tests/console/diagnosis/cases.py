"""What may be seen, as a table of cases, each with the hop at fault, the verdict and the finding that names it."""

from __future__ import annotations

import time

from msgspec import Struct

from console.answers import Asked, Server, Stats
from console.diagnosis.judge import judge_lane
from console.ladders import Cause, Ladder, ProbeTarget
from console.model import Bind, Certificate, Lane, Protocol, ProxyVersion, Reading, Rung, Span, Target, Topology
from console.observation import LaneData, SweepData

NOW = time.time()
DAY = 86400.0

LANES: dict[int, tuple[Protocol, str, int]] = {
    25: ("smtp", "postfix-mailcow", 10025),
    465: ("smtps", "postfix-mailcow", 10465),
    587: ("submission", "postfix-mailcow", 10587),
    993: ("imaps", "dovecot-mailcow", 10993),
    4190: ("sieve", "dovecot-mailcow", 14190),
}


def a_lane(port: int, header: ProxyVersion | None, target: int) -> Lane:
    protocol, service, _ = LANES[port]
    where = Span("haproxy.cfg", port)
    return Lane(
        protocol, protocol, port, (Bind("", port, where),), Target("10.10.10.214", target, where), header,
        "passthrough", where, protocol, "mailcow", protocol, None, service, target,
    )  # fmt: skip


def certificate(days_left: float, life: float = 90, name: str = "mail.example.org") -> Certificate:
    until = NOW + days_left * DAY
    return Certificate("CN=mail", (name,), "1", until - life * DAY, until, "00")


def ladder(
    text: str, address: str, port: int, protocol: Protocol, header: ProxyVersion | None, served: Certificate
) -> Ladder:
    """Read `text`: "ok", "ok 1200" (ms), or a cause and what was said: "closed 0.1", "refused 421 4.3.2"."""
    word, _, rest = text.partition(" ")
    target = ProbeTarget(address, port, protocol, header, name="mail.example.org")
    made = Ladder(target, "somewhere", done=True)
    if word == "ok":
        made.rungs = [Rung("connect", "ok", "", float(rest or 12)), Rung("greeting", "ok", "220", 1.0)]
        made.certificate = served if target.implicit_tls else None
        return made
    cause: Cause = word  # type: ignore[assignment]
    connected = word in ("closed", "silent", "not-tls", "unexpected", "out-of-step") or rest.startswith("421")
    if connected:
        made.rungs.append(Rung("connect", "ok", "", 12.0))
    made.rungs.append(Rung("greeting" if connected else "connect", "failed", f"{word} {rest}", 10.0))
    made.cause, made.said = cause, rest if rest.startswith("421") else ""
    made.after = float(rest) if word == "closed" and rest else 5.0
    return made


class Case(Struct, frozen=True):
    """Per lane port: (public, vm, service, HAProxy's row); public may be "v4|v6"; "-" where nobody can be asked."""

    says: str
    lanes: dict[int, tuple[str, str, str, str]]
    hops: dict[int, str]
    findings: tuple[str, ...]
    verdict: str
    stats: str = ""
    logs: dict[str, tuple[str, ...]] = {}
    served: Certificate = certificate(60)
    header: ProxyVersion | None = "v1"
    targets: dict[int, int] = {}
    older: dict[int, Certificate] = {}


ALL_OK = ("ok", "ok", "ok", "UP L4OK")
SCREENED, SERVED = "421 4.3.2 No system resources", "421 4.3.0 mail.example.org Server local error"
BUSY, FULL = "421 4.3.2 All server ports are busy", "421 4.7.0 mail.example.org Error: too many connections"
WAITED = "managesieve-login: Error: haproxy: Client timed out (rip=10.10.10.1)"
NOT_TRUSTED = "imap-login: Error: haproxy: Client not trusted (rip=10.10.10.1)"

CASES = (
    Case("all well", {25: ALL_OK, 993: ALL_OK}, {25: "●●●●●", 993: "●●●●●"}, (), "well"),
    Case(
        "dovecot does not trust the proxy",
        {25: ALL_OK, 993: ("closed 0.1", "closed 0.1", "ok", "UP L4OK")},
        {25: "●●●●●", 993: "●▲●✗●"}, ("CH001",), "down",
        logs={"dovecot-mailcow": (NOT_TRUSTED,)},
    ),
    Case(
        "the running proxy sends no header",
        {25: (f"refused {SCREENED}", "ok", "ok", "UP L4OK"), 993: ("closed 3", "ok", "ok", "UP L4OK")},
        {25: "●✗●●●", 993: "●✗●●●"}, ("CH002",), "down",
    ),
    Case(
        "the configured proxy sends no header",
        {25: (f"refused {SCREENED}", f"refused {SCREENED}", "ok", "UP L4OK")},
        {25: "●✗●▲●"}, ("CH002",), "down", header=None,
    ),
    Case(
        "submission waits for a header in vain",
        {587: (f"refused {SERVED}", "ok", "ok", "UP L4OK")}, {587: "●✗●●●"}, ("CH002",), "down",
    ),
    Case(
        "submission of postfix 3.4 waits for a header in vain and says nothing, as a proxy's own time limit looks",
        {587: ("closed 5.1", "ok", "ok", "UP L4OK")}, {587: "●✗●●●"}, ("CH032",), "down",
    ),
    Case(
        "submission hangs up at once, which is no missing header",
        {587: ("closed 0.1", "ok", "ok", "UP L4OK")}, {587: "●✗●●●"}, ("CH032",), "down",
    ),
    Case(
        "haproxy was not heard, and dovecot waited for a header",
        {993: ("closed 0.1", "ok", "ok", "?"), 4190: ("closed 3.0", "ok", "ok", "?")},
        {993: "●✗●●●", 4190: "●✗●●●"}, ("CH002",), "down", stats="no way in",
        logs={"dovecot-mailcow": (WAITED,)},
    ),
    Case(
        "haproxy was not heard, and hangs up as if it had no server",
        {993: ("closed 0.1", "ok", "ok", "?"), 4190: ("closed 0.1", "ok", "ok", "?")},
        {993: "●✗●●●", 4190: "●✗●●●"}, (), "down", stats="no way in",
    ),
    Case(
        "postscreen has too much to do for clients, and not for us",
        {25: (f"refused {BUSY}", "ok", "ok", "UP L4OK"), 993: ALL_OK},
        {25: "●●●●▲", 993: "●●●●●"}, (), "degraded",
    ),
    Case(
        "postscreen has too much to do for anybody",
        {25: (f"refused {BUSY}", "refused 421 4.3.2 All screening ports are busy", "ok", "UP L4OK"), 993: ALL_OK},
        {25: "●▲●▲▲", 993: "●●●●●"}, (), "degraded",
    ),
    Case(
        "submission has too much to do everywhere",
        {587: (f"refused {FULL}", f"refused {FULL}", f"refused {FULL}", "UP L4OK")}, {587: "●▲●▲▲"}, (), "degraded",
    ),
    Case(
        "the header goes to plain ports",
        {25: ("out-of-step", "out-of-step", "ok", "UP L4OK"), 993: ("closed 0.1", "closed 0.1", "ok", "UP L4OK")},
        {25: "●▲●✗●", 993: "●▲●✗●"}, ("CH003",), "down", targets={25: 25, 993: 993},
    ),
    Case(
        "the running proxy sends the header to plain ports, unlike its file",
        {25: ("out-of-step", "ok", "ok", "UP L4OK"), 993: ("closed 0.1", "ok", "ok", "UP L4OK")},
        {25: "●✗●●●", 993: "●✗●●●"}, ("CH003",), "down",
    ),
    Case(
        "postfix cannot serve logins while dovecot is stopped",
        {25: ALL_OK, 465: ("closed 1", "closed 1", "closed 1", "UP L4OK"),
         993: ("closed 0.1", "refused", "refused", "DOWN L4CON")},
        {25: "●●●●●", 465: "●▲●▲▲", 993: "●▲●▲✗"}, ("CH029",), "down",
    ),
    Case(
        "one port still shows the old certificate",
        {465: ALL_OK, 993: ALL_OK}, {465: "●●●●●", 993: "●●●●▲"}, ("CH010",), "degraded",
        served=certificate(85), older={993: certificate(40)},
    ),
    Case(
        "one listener is gone",
        {25: ALL_OK, 993: ("refused", "ok", "ok", "UP L4OK")},
        {25: "●●●●●", 993: "✗●●●●"}, ("CH021",), "down",
    ),
    Case(
        "haproxy is stopped",
        {25: ("refused", "ok", "ok", ""), 993: ("refused", "ok", "ok", "")},
        {25: "✗▲●●●", 993: "✗▲●●●"}, ("CH030",), "down", stats="stopped",
    ),
    Case(
        "the tunnel is cut",
        {25: ("closed 0.1", "timeout", "ok", "DOWN L4TOUT"), 993: ("closed 0.1", "timeout", "ok", "DOWN L4TOUT")},
        {25: "●▲✗·●", 993: "●▲✗·●"}, ("CH016",), "down",
    ),
    Case(
        "the tunnel is slow for every lane",
        {25: ("ok", "ok 1300", "ok", "UP L4OK"), 993: ("ok", "ok 1250", "ok", "UP L4OK")},
        {25: "●●▲●●", 993: "●●▲●●"}, ("CH016",), "degraded",
    ),
    Case(
        "one lost packet colours nothing",
        {25: ("ok", "ok 1300", "ok", "UP L4OK"), 993: ("ok", "ok 300", "ok", "UP L4OK")},
        {25: "●●●●●", 993: "●●●●●"}, (), "well",
    ),
    Case(
        "a firewall drops one port behind a tunnel that is up",
        {25: ALL_OK, 993: ("closed 0.1", "timeout", "ok", "DOWN L4TOUT")},
        {25: "●●●●●", 993: "●▲●✗●"}, ("CH032",), "down",
    ),
    Case(
        "dovecot is stopped",
        {25: ALL_OK, 993: ("closed 0.1", "refused", "refused", "DOWN L4CON"),
         4190: ("closed 0.1", "refused", "refused", "DOWN L4CON")},
        {25: "●●●●●", 993: "●▲●▲✗", 4190: "●▲●▲✗"}, ("CH029",), "down",
    ),
    Case(
        "the certificate has expired",
        {25: ALL_OK, 465: ALL_OK, 993: ALL_OK},
        {25: "●●●●●", 465: "●●●●✗", 993: "●●●●✗"}, ("CH022",), "down", served=certificate(-1),
    ),
    Case(
        "the certificate has less than a third of its life",
        {465: ALL_OK}, {465: "●●●●▲"}, ("CH022",), "degraded", served=certificate(20),
    ),
    Case(
        "a short-lived certificate is judged by its own life",
        {465: ALL_OK}, {465: "●●●●●"}, (), "well", served=certificate(5, life=6),
    ),
    Case(
        "the certificate is for another name",
        {465: ALL_OK}, {465: "●●●●▲"}, ("CH020",), "degraded", served=certificate(60, name="other.example.org"),
    ),
    Case(
        "port 25 is blocked where we are",
        {25: ("timeout", "ok", "ok", "UP L4OK"), 993: ALL_OK},
        {25: "?●●●●", 993: "●●●●●"}, ("CH028",), "well",
    ),
    Case(
        "nobody answers at the public address",
        {25: ("timeout", "ok", "ok", "UP L4OK"), 993: ("timeout", "ok", "ok", "UP L4OK")},
        {25: "✗●●●●", 993: "✗●●●●"}, ("CH031",), "down",
    ),
    Case(
        "IPv6 clients are refused behind the proxy",
        {25: (f"ok|refused {SERVED}", "ok", "ok", "UP L4OK"), 993: ("ok|ok", "ok", "ok", "UP L4OK")},
        {25: "●●●▲●", 993: "●●●●●"}, ("CH018",), "degraded",
    ),
    Case(
        "this machine has no IPv6, which is no fault of the estate",
        {993: ("ok|unreachable", "ok", "ok", "UP L4OK")}, {993: "●●●●●"}, (), "well",
    ),
    Case(
        "haproxy stumbles over the teaser",
        {25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 220-mail"), 993: ALL_OK},
        {25: "●✗●●●", 993: "●●●●●"}, ("CH005",), "down",
    ),
    Case(
        "haproxy does not stumble while postscreen knows it",
        {25: ("ok", "ok", "ok", "UP L7OK 2.0.0 Bye"), 993: ALL_OK},
        {25: "●●●●●", 993: "●●●●●"}, ("CH005",), "well",
    ),
    Case(
        "haproxy waits for the end of the greeting",
        {25: ("ok", "ok", "ok", "UP L7OK (tcp-check)"), 465: ("ok", "ok", "ok", "UP L7OK 2.0.0 Bye")},
        {25: "●●●●●", 465: "●●●●●"}, (), "well",
    ),
    Case(
        "haproxy has not noticed yet that dovecot is back",
        {25: ALL_OK, 993: ("closed 0.1", "ok", "ok", "DOWN L4CON")},
        {25: "●●●●●", 993: "●✗●●●"}, ("CH032",), "down",
    ),
    Case(
        "nobody can look behind haproxy, and all gets through",
        {25: ("ok", "-", "-", "-"), 993: ("ok", "-", "-", "-")},
        {25: "●●???", 993: "●●???"}, (), "well",
    ),
    Case(
        "nobody can look behind haproxy, and nothing gets through",
        {993: ("closed 0.1", "-", "-", "-")}, {993: "●✗???"}, (), "down",
    ),
    Case("nobody can look anywhere", {993: ("-", "-", "-", "-")}, {993: "?????"}, (), "unknown"),
    Case(
        "the machines behind cannot be asked today",
        {993: ("ok", "no-way", "no-way", "?")}, {993: "●????"}, (), "well", stats="no way in",
    ),
    Case(
        "haproxy was not heard, and all gets through",
        {25: ("ok", "ok", "ok", "?"), 993: ("ok", "ok", "ok", "?")},
        {25: "●?●●●", 993: "●?●●●"}, (), "well", stats="sudo on vps wants a password; only the screens ask for it",
    ),
    Case(
        "haproxy was not heard, and lets one lane down",
        {25: ALL_OK, 993: ("silent", "ok", "ok", "?")},
        {25: "●?●●●", 993: "●✗●●●"}, (), "down", stats="sudo on vps wants a password; only the screens ask for it",
    ),
)  # fmt: skip

MARKS = {"ok": "●", "degraded": "▲", "failed": "✗", "unknown": "?", "skipped": "·"}


def stage(case: Case) -> SweepData:
    lanes: dict[str, LaneData] = {}
    rows: list[Server] = []
    missing = {}
    for port, (public, vm, service, row) in case.lanes.items():
        target = case.targets.get(port, LANES[port][2])
        lane = a_lane(port, case.header, target)
        seen = LaneData(lane)
        for address, text in zip(("203.0.113.10", "2001:db8::10"), public.split("|"), strict=False):
            if text == "-":
                seen.unresolved = Rung("resolve", "unknown", "no public name is known")
            else:
                seen.public[address] = ladder(text, address, port, lane.protocol, None, case.served)
        if vm == "-":
            missing["proxy"] = "no way in"
        else:
            seen.vm = ladder(vm, "10.10.10.214", target, lane.protocol, case.header, case.served)
        if service == "-":
            missing["mail"] = "no way in"
        else:
            seen.service = ladder(service, "127.0.0.1", port, lane.protocol, None, case.older.get(port, case.served))
        status, _, rest = row.partition(" ")
        check, _, last = rest.partition(" ")
        rows.append(Server(lane.proxy, lane.server, status, check, last))
        lanes[lane.id] = seen
    topology = Topology(lanes=tuple(seen.lane for seen in lanes.values()))
    stats = None
    if "proxy" not in missing:
        stats = Stats(error=case.stats, stopped=case.stats == "stopped") if case.stats else Stats(tuple(rows))
    answered = [s.vm.latency for s in lanes.values() if s.vm and s.vm.latency is not None]
    refused = any(s.vm is not None and s.vm.cause == "refused" and not s.vm.connected for s in lanes.values())
    dialled = tuple(dict.fromkeys(address for seen in lanes.values() for address in seen.public))
    return SweepData(
        topology, lanes, {"here": "here", "proxy": "vps", "mail": "mailcow"}, missing, stats, case.logs, NOW, True,  # type: ignore[arg-type]
        {"10.10.10.214": min(answered)} if answered else {"10.10.10.214": 12.0} if refused else {},
        {"CN=mail": max([case.served.not_before, *(served.not_before for served in case.older.values())])},
        asked=Asked(addresses=dialled) if case.stats == "stopped" else None,
    )  # fmt: skip


def readings_of(seen: SweepData) -> list[Reading]:
    return [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
