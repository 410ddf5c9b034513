"""A stage: the seed's estate with the lab's words, and a double of the engine that says real events on cue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from console.diagnosis.catalogue import finding
from console.engine.overview import FlowSeen
from console.engine.shells import ShellWay
from console.errors import InputError
from console.events import (
    CertificateSurvey,
    EstateRead,
    Event,
    FindingsChanged,
    FlowEvent,
    FlowsChecked,
    ReadingsChanged,
    RunsRead,
)
from console.model import (
    HOPS,
    Finding,
    HopName,
    Lane,
    Outcome,
    Reading,
    Rung,
    Span,
)
from console.runner.state import RunStatus, fold
from tests.screens.stage_estate import CUT, ESTATE, LANES, STATIC, TEXTS, TOPOLOGY, VM

START = 1_770_991_200.0
"""2026-02-13 14:00:00 UTC."""

VANTAGES: dict[HopName, str] = {
    "public": "this machine", "haproxy": "vps, stats socket", "tunnel": "vps", "vm": "vps", "service": "mailcow",
}  # fmt: skip
DAEMONS = {25: "postfix", 465: "postfix", 993: "dovecot", 4190: "dovecot", 443: "nginx"}
GREETINGS = {
    25: "220 relay.benoit.jp.net ESMTP Postcow",
    465: "220 relay.benoit.jp.net ESMTP Postcow",
    993: "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE] Dovecot ready.",
    4190: '"IMPLEMENTATION" "Dovecot Pigeonhole"',
    443: "HTTP/1.1 200 OK",
}


def reading(
    lane: Lane, hop: HopName, outcome: Outcome = "ok", word: str = "", ms: float | None = None, since: float = START
) -> Reading:
    """A reading as a sweep gives it."""
    at = 10.0 + LANES.index(lane) * 3
    taken = (
        ms if ms is not None else {"public": at + 2, "haproxy": None, "tunnel": 41.2, "vm": 41.6, "service": 0.4}[hop]
    )
    good = {
        "public": f"{at + 2:.0f} ms",
        "haproxy": "L4OK",
        "tunnel": "41 ms",
        "vm": "PROXY v1" if lane.proxy_protocol else "200",
        "service": DAEMONS[lane.port],
    }[hop]
    return Reading(
        lane.id, hop, VANTAGES[hop], outcome, word or good, _ladder(lane, hop, outcome, word, taken),
        taken if outcome == "ok" else None, START + 450, since, f"{lane.protocol} at {hop}",
    )  # fmt: skip


def _ladder(lane: Lane, hop: HopName, outcome: Outcome, word: str, ms: float | None) -> tuple[Rung, ...]:
    assert lane.target is not None
    if hop == "haproxy":
        return (Rung("ask", outcome, f"show stat: {lane.name}/mailcow UP, L4OK in 41 ms, last_chk empty"),)
    place = f"relay.benoit.jp.net:{lane.port}" if hop == "public" else f"{VM}:{lane.target.port}"
    rungs = [Rung("connect", "ok", place, ms)]
    if word in ("refused", "timeout"):
        said = "refused at once" if word == "refused" else "no answer in 5 s"
        return (Rung("connect", outcome, f"{place}: {said}", None),)
    if hop in ("vm", "service") and lane.proxy_protocol:
        rungs.append(Rung("header", "ok", f"PROXY TCP4 100.64.0.1 {VM} 51234 {lane.target.port}", 0.1))
    if lane.protocol in ("smtps", "imaps", "https"):
        if outcome == "failed":
            rungs.append(Rung("tls", "failed", "closed at once, before any byte", 2.1))
            return tuple(rungs)
        rungs.append(Rung("tls", "ok", "TLSv1.3, relay.benoit.jp.net, until 2026-04-30", 6.3))
    if outcome == "failed":
        rungs.append(Rung("greeting", "failed", "closed at once, before any byte", 2.0))
    else:
        rungs.append(Rung("greeting", outcome, GREETINGS[lane.port], 12.5))
    return tuple(rungs)


CALM = tuple(reading(lane, hop) for lane in LANES for hop in HOPS)
WELL = FindingsChanged((), "well", "", None, START)

UNTRUSTED = tuple(
    reading(lane, "vm", "failed", "untrusted", since=START + 120) for lane in LANES if lane.service == "dovecot-mailcow"
)
CH001 = finding(
    "CH001",
    "Dovecot closes every PROXY connection at once: its log says Client not trusted (rip=10.10.10.1)",
    "mailcow",
    observed=True,
    also=(Span("haproxy.cfg", 20), Span("haproxy.cfg", 27)),
    lanes=("993/imaps", "4190/sieve"),
    hop="vm",
    remedy="set haproxy_trusted_networks = 10.10.10.1 in data/conf/dovecot/extra.conf, then `dovecot reload`",
)
TROUBLE = FindingsChanged(
    (CH001,), "down", "mailcow: dovecot refuses the proxy, lanes 993 and 4190", "CH001", START + 120
)

TUNNEL = tuple(
    reading(lane, hop, outcome, word, since=START + 300)
    for lane in LANES
    for hop, outcome, word in (
        ("public", "degraded", "no greeting"),
        ("tunnel", "failed", "timeout"),
        ("vm", "skipped", "not asked"),
    )
)
CH016 = finding(
    "CH016",
    "nothing answers through the tunnel: 5 of 5 lanes end at the VPS",
    "vps",
    observed=True,
    lanes=tuple(lane.id for lane in LANES),
    hop="tunnel",
)
CUT_OFF = FindingsChanged((CH016,), "down", "tunnel: every lane stops here", "CH016", START + 300)


@dataclass
class Stage:
    """A double of the engine: it says the events it is given, when told, and remembers what it was asked."""

    opening: tuple[Event, ...] = ()
    asked: list[str] = field(default_factory=list)
    lines: tuple[str, ...] = ()
    notify: Callable[[Event], None] = field(default=lambda event: None)
    seen: tuple[FlowSeen, ...] = ()
    run: RunStatus | None = None
    ways: tuple[ShellWay, ...] = ()
    spreads: dict[tuple[str, HopName], tuple[float, ...]] = field(default_factory=dict)
    certificates: CertificateSurvey | None = None
    past: RunsRead = field(default_factory=lambda: RunsRead(()))

    def start(self, notify: Callable[[Event], None]) -> None:
        self.notify = notify
        self.asked.append("start")
        for event in self.opening:
            notify(event)

    def sweep(self) -> None:
        self.asked.append("sweep")

    def watch(self, on: bool) -> None:
        self.asked.append("watch" if on else "unwatch")

    def answer(self, id: str, text: str | None) -> None:
        self.asked.append(f"answer {id} {text}")

    def close(self, timeout: float = 0.5) -> bool:
        self.asked.append("close")
        return True

    def recent(self) -> tuple[str, ...]:
        return self.lines

    def latencies(self, lane: str, hop: HopName) -> tuple[float, ...]:
        return self.spreads.get((lane, hop), ())

    def flow_names(self) -> tuple[str, ...]:
        return tuple(seen.name for seen in self.seen)

    def flows(self) -> tuple[FlowSeen, ...]:
        return self.seen

    def look_flows(self, name: str | None = None) -> None:
        self.asked.append(f"look {name}")
        self.notify(FlowsChecked(START))

    def look_runs(self) -> None:
        self.notify(self.past)

    def look_certificates(self) -> None:
        if self.certificates is not None:
            self.notify(self.certificates)

    def flow(self) -> RunStatus | None:
        return self.run

    def shells(self) -> tuple[ShellWay, ...]:
        return self.ways

    def run_shell(self, way: ShellWay) -> str:
        self.asked.append(f"shell {way.where}")
        return f"back from {way.where}"

    def start_flow(
        self, name: str, answers: Mapping[str, str] | None = None, dry: bool = False, undoing: str = ""
    ) -> None:
        self.asked.append(f"flow {name}{f' undoing {undoing}' if undoing else ''}")

    def answer_flow(self, id: str, text: str | None) -> None:
        self.asked.append(f"flow answer {id} {text}")

    def stop_flow(self, cut: bool = False) -> None:
        self.asked.append("flow cut" if cut else "flow stop")

    def say(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, FlowEvent):
                self.run = fold(self.run, event)
            self.notify(event)


def found(*ids: str) -> list[Finding]:
    """The static findings of some ids."""
    return [one for one in STATIC if one.id in ids]


def calm() -> Stage:
    """All lanes are well."""
    return Stage((ESTATE, ReadingsChanged(CALM), WELL), lines=LOG)


def trouble() -> Stage:
    """Dovecot does not trust the proxy."""
    return Stage((ESTATE, ReadingsChanged(CALM), ReadingsChanged(UNTRUSTED), TROUBLE), lines=LOG)


def half_read() -> Stage:
    """Two files could not be used, and the rest is well."""
    return Stage((CUT, ReadingsChanged(tuple(one for one in CALM if one.lane in ("25/smtp", "465/smtps"))), WELL))


def doubted() -> Stage:
    """A word in haproxy.cfg that HAProxy does not know, on a line that has no finding."""
    config = TEXTS["haproxy.cfg"] + "    timeuot tunnel 1h\n"
    unread = InputError(
        "haproxy.cfg",
        config.count("\n"),
        5,
        "no HAProxy up to 3.5 knows the keyword 'timeuot'; 'timeout' is meant?",
    )
    estate = msgspec.structs.replace(ESTATE, texts={**TEXTS, "haproxy.cfg": config}, warnings=(unread,))
    return Stage((estate, ReadingsChanged(CALM), WELL))


def crowd(count: int) -> Stage:
    """Many lanes, two of them broken."""
    lanes = tuple(msgspec.structs.replace(LANES[at % 4], name=f"lane{at:02d}", port=2000 + at) for at in range(count))
    readings = tuple(
        msgspec.structs.replace(one, lane=lane.id, latency_ms=5.0, word=one.word)
        for lane in lanes
        for one in (CALM if lane.port not in (2007, 2038) else (*CALM, *UNTRUSTED))
        if one.lane == "993/imaps"
    )
    topology = msgspec.structs.replace(TOPOLOGY, lanes=lanes)
    return Stage((EstateRead("benoit", topology, (), (), TEXTS), ReadingsChanged(readings), TROUBLE), lines=LOG)


EVIL = "\x1b[31mred\x1b[0m [bold]markup[/] \u202egnp.exe \x07\x9b2J 漢字 🐄 \ud83d"


def hostile() -> Stage:
    """A server that answers with escape sequences, markup, wide and reversing characters."""
    said = Reading(
        "993/imaps", "vm", "vps", "failed", EVIL, (Rung("greeting", "failed", EVIL * 3, 2.0),), None, START, START
    )
    cause = FindingsChanged(
        (finding("CH001", EVIL, EVIL, observed=True, lanes=("993/imaps",), hop="vm"),), "down", EVIL, "CH001", START
    )
    return Stage((ESTATE, ReadingsChanged(CALM), ReadingsChanged((said,)), cause), lines=(EVIL,))


def cut_off() -> Stage:
    """The tunnel is down."""
    return Stage((ESTATE, ReadingsChanged(CALM), ReadingsChanged(TUNNEL), CUT_OFF), lines=LOG)


LOG = tuple(
    f"14:0{minute}:{second:02d}  {line}"
    for minute in range(3)
    for second, line in (
        (0, "here     connect  relay.benoit.jp.net:25        ok      12 ms"),
        (0, "here     connect  relay.benoit.jp.net:465       ok      15 ms"),
        (1, "vps      show stat /run/haproxy/admin.sock      ok       2 ms"),
        (1, "vps      connect  10.10.10.214:10025            ok      41 ms"),
        (1, "vps      connect  10.10.10.214:10993            ok      41 ms"),
        (2, "mailcow  docker inspect dovecot-mailcow         status 0"),
    )
)
