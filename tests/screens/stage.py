"""A stage: the seed's estate with the lab's words, and a double of the engine that says real events on cue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    Bind,
    Check,
    Finding,
    HopName,
    Instance,
    Lane,
    Node,
    Outcome,
    Published,
    Reading,
    Rung,
    Span,
    Target,
    Topology,
    Volume,
)
from console.runner.state import RunStatus, fold

START = 1_770_991_200.0
"""2026-02-13 14:00:00 UTC."""

SEED = Path(__file__).parent / "seed"
"""The operator's own three files, word for word."""

FILES = ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml")
TEXTS = {name: (SEED / name).read_text() for name in FILES} | {"site.toml": "[[lane]]\nport = 443\n"}
VM = "10.10.10.214"


def _lane(name: str, protocol: str, port: int, inner: int, line: int, service: str) -> Lane:
    def at(offset: int) -> Span:
        return Span("haproxy.cfg", line + offset)

    return Lane(
        name=name,
        protocol=protocol,  # type: ignore[arg-type]
        port=port,
        binds=(Bind("", port, at(1)), Bind("::", port, at(2))),
        target=Target(VM, inner, at(5)),
        proxy_protocol="v1",
        tls="passthrough",
        source=at(0),
        proxy=name,
        server="mailcow",
        check=Check("L4", inner, False, at(5)),
        service=service,
        service_port=inner,
    )


LANES = (
    _lane("smtp", "smtp", 25, 10025, 1, "postfix-mailcow"),
    _lane("smtps", "smtps", 465, 10465, 8, "postfix-mailcow"),
    _lane("imaps", "imaps", 993, 10993, 15, "dovecot-mailcow"),
    _lane("sieve", "sieve", 4190, 14190, 22, "dovecot-mailcow"),
    Lane(
        "https", "https", 443, (), Target(VM, 443, Span("site.toml", 1)), None, "passthrough", Span("site.toml", 1),
        service="nginx-mailcow", service_port=443,
    ),
)  # fmt: skip

_PUBLISHED = (
    ("dovecot-mailcow", "IMAP_PORT_HAPROXY", 10143, 8),
    ("dovecot-mailcow", "IMAPS_PORT_HAPROXY", 10993, 9),
    ("dovecot-mailcow", "POP_PORT_HAPROXY", 10110, 10),
    ("dovecot-mailcow", "POPS_PORT_HAPROXY", 10995, 11),
    ("dovecot-mailcow", "SIEVE_PORT_HAPROXY", 14190, 12),
    ("postfix-mailcow", "SMTP_PORT_HAPROXY", 10025, 16),
    ("postfix-mailcow", "SMTPS_PORT_HAPROXY", 10465, 17),
    ("postfix-mailcow", "SUBMISSION_PORT_HAPROXY", 10587, 18),
)

TOPOLOGY = Topology(
    nodes=(
        Node("internet", "internet", "internet"),
        Node("proxy", "proxy", "haproxy"),
        Node("tunnel", "tunnel", VM),
        Node("vm", "vm", "mailcow", Span("mailcow.tf", 19)),
    ),
    lanes=LANES,
    volumes=(
        Volume(
            "mailcow_var_lib_docker", "var_lib_docker", "default", "50GiB", "block", "/var/lib/docker",
            Span("mailcow.tf", 1),
        ),
        Volume("mailcow_opt", "opt", "default", "10GiB", "block", "/opt", Span("mailcow.tf", 10)),
    ),
    instances=(
        Instance("mailcow", "virtual-machine", "images:ubuntu/24.04", "6", "6GiB", (), Span("mailcow.tf", 19)),
    ),
    published=tuple(
        Published(service, "0.0.0.0", port, port, Span("docker-compose.override.yml", line), variable)
        for service, variable, port, line in _PUBLISHED
    ),
    public=("relay.benoit.jp.net",),
)  # fmt: skip

STATIC = (
    *(
        finding(
            "CH004",
            f"{lane.port} {lane.name}: the check of port {lane.target.port} connects without the PROXY header,"
            " so HAProxy says UP while the daemon refuses every client",
            Span("haproxy.cfg", lane.target.source.line),
            lanes=(lane.id,),
            hop="haproxy",
        )
        for lane in LANES[:4]
        if lane.target and lane.target.source
    ),
    finding(
        "CH006",
        "8 PROXY ports are published on 0.0.0.0: whoever reaches them may claim any client address",
        Span("docker-compose.override.yml", 8),
        also=tuple(Span("docker-compose.override.yml", line) for line in (9, 10, 11, 12, 16, 17, 18)),
    ),
    finding(
        "CH019",
        "993 imaps: no timeout client and timeout server: IMAP IDLE is cut at HAProxy's default",
        Span("haproxy.cfg", 15),
        lanes=("993/imaps",),
        hop="haproxy",
    ),
    finding("CH021", "10587 is published, and no listener leads to it", Span("docker-compose.override.yml", 18)),
    finding(
        "CH021",
        "10143, 10110 and 10995 are published, and no listener leads to them",
        Span("docker-compose.override.yml", 8),
    ),
    finding("CH024", f"HAProxy sends to {VM}, which no nic in the OpenTofu files pins", Span("mailcow.tf", 19)),
)  # fmt: skip

ESTATE = EstateRead("benoit", TOPOLOGY, STATIC, (), TEXTS)
CUT = EstateRead(
    "benoit",
    Topology(TOPOLOGY.nodes, LANES[:2], (), (), (), TOPOLOGY.public),
    STATIC[:2],
    (
        InputError("haproxy.cfg", 27, 64, "the last line does not end: HAProxy refuses such a file; add a newline"),
        InputError("mailcow.tf", 12, 3, "an attribute was expected here, not `}`; a value may be missing before it"),
    ),
    TEXTS,
)
"""What is left when two files are broken."""

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
