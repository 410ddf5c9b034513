"""More of what may be seen, for what the table of test_judge.py has no column for."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from console.answers import Container, Peer, Server, Stats, Tailnet
from console.ladders import Ladder
from console.model import Bind, Rung, Span, Target
from console.observation import LaneData, SweepData
from tests.console.diagnosis.test_judge import ALL_OK, BUSY, NOT_TRUSTED, SCREENED, Case, certificate, ladder, stage

MORE: dict[str, Callable[[], SweepData]] = {}
"""What is seen, in words → the sweep's data."""

Lanes = dict[int, tuple[str, str, str, str]]
FOUR, SIX = "203.0.113.10", "2001:db8::10"


def case(says: str, lanes: Lanes, **more: object) -> Callable[[Callable[[SweepData], None]], None]:
    """Add a case: lanes as in test_judge.py, and what the decorated function changes in them."""

    def register(change: Callable[[SweepData], None]) -> None:
        def make() -> SweepData:
            seen = stage(Case(says, lanes, {}, (), "", **more))  # type: ignore[arg-type]
            change(seen)
            return seen

        MORE[says] = make

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


# ── public ──────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── haproxy ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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

# ── the web ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@case("the web interface is well", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    web(seen)


@case("the web interface answers 503 to everybody", {993: ("refused", "refused", "refused", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    for number, each in enumerate(all_of(web(seen))):
        each.said = f"HTTP/1.{number % 2} 503 Service Unavailable"
        each.rungs.insert(0, Rung("connect", "ok", "", 12.0))


@case("the web interface answers strangely", {993: ("ok", "refused", "refused", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(web(seen))[1:]:
        each.said = "HTTP/2 0"
        each.rungs.insert(0, Rung("connect", "ok", "", 12.0))


@case("the web interface redirects to itself", {993: ("ok|ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    for each in web(seen).public.values():
        each.target = replace(each.target, protocol="https")
        each.said = "HTTP/1.1 301 → https://mail.example.org/"


@case("the web interface redirects to another place", {993: ("ok", "ok", "ok", "UP L4OK"), 25: ALL_OK})
def _(seen: SweepData) -> None:
    web(seen)
    public(seen, 443).said = "HTTP/1.1 301 → https://mail.example.org/SOGo"
    public(seen, 25).said = "220 → https://mail.example.org/"


@case("the web interface redirects, and no name was asked for", {993: ("ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    web(seen)
    public(seen, 443).said = "HTTP/1.1 301 → https:///"
    public(seen, 443).target = replace(public(seen, 443).target, name=None)


@case("the proxy's own certificate has expired", {993: ALL_OK}, served=certificate(-3))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate ends soon", {993: ALL_OK}, served=certificate(9))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate is for another name", {993: ALL_OK}, served=certificate(60, name="b.example.org"))
def _(seen: SweepData) -> None:
    web(seen)


@case("the proxy's own certificate is older than the mail server's", {465: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(web(seen)):
        each.certificate = certificate(40) if each.certificate else None


@case("an expired certificate on the proxy, nobody to say which", {993: ALL_OK}, served=certificate(-3))
def _(seen: SweepData) -> None:
    web(seen)
    seen.vantages.clear()


# ── tunnel and vm ───────────────────────────────────────────────────────────────────────────────────────────────────


@case("the vm was not asked yet", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    lane(seen, 25).vm = None
    found = lane(seen, 993).vm
    assert found is not None
    found.rungs, found.done = [], False


@case("the way to the vm goes by name", {25: ("closed 0.1", "timeout", "ok", "UP"), 993: ("ok", "ok", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        found = lane(seen, port).vm
        assert found is not None
        found.rungs.insert(0, Rung("resolve", "ok", "100.64.0.9", 1.0))
    seen.answered.clear()
    seen.tailnet = Tailnet(state="Running", peers=(Peer("cow", addresses=("100.64.0.9/32",), online=False),))


@case("the tunnel is cut, and tailscale knows no peer", {25: ("closed 0.1", "timeout", "ok", "UP")})
def _(seen: SweepData) -> None:
    seen.tailnet = Tailnet(state="Running")


@case("the tunnel is cut before the sweep has ended", {25: ("closed 0.1", "timeout", "ok", "UP")})
def _(seen: SweepData) -> None:
    seen.ended = False


@case("the proxy refuses one hop, and its target is in no file", {25: ("closed 0.1", "timeout", "ok", "UP")})
def _(seen: SweepData) -> None:
    relane(seen, 25, target=None)


@case("the tunnel is silent, and lanes of another machine answer", {25: ("ok", "timeout", "ok", "UP"), 993: ALL_OK})
def _(seen: SweepData) -> None:
    found = relane(seen, 25, target=Target("10.10.10.9", 10025, Span("haproxy.cfg", 3)))
    seen.answered = {"10.10.10.214": 12.0}
    assert found.vm is not None


@case("the tunnel is slow by a hair", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    seen.answered = {"10.10.10.214": 999.9}


@case("the tunnel is slow by no hair", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    seen.answered = {"10.10.10.214": 1000.0}


@case("one of two lanes is slow, to another machine", {25: ALL_OK, 993: ALL_OK})
def _(seen: SweepData) -> None:
    relane(seen, 25, target=Target("10.10.10.9", 10025, None))
    seen.answered = {"10.10.10.214": 12.0, "10.10.10.9": 1300.0}


@case("a lane without target is never slow", {25: ALL_OK})
def _(seen: SweepData) -> None:
    relane(seen, 25, target=None)
    seen.answered = {"10.10.10.214": 1300.0}


case("the vm does not know its own address", {25: ("ok", "no-source", "ok", "UP"), 993: ALL_OK})(as_it_is)
case("dovecot is silent on its proxy port", {25: ALL_OK, 993: ("silent", "silent", "ok", "UP")})(as_it_is)
case("dovecot closes late on a header", {993: ("closed 3", "closed 3", "ok", "UP")})(as_it_is)
case("postfix closes at once on a header", {25: ("closed 0.1", "closed 0.1", "ok", "UP")})(as_it_is)
case("no TLS where dovecot should speak it", {993: ("not-tls", "not-tls", "ok", "UP")})(as_it_is)
case("submission is refused on a header", {587: (f"refused {SCREENED}", f"refused {SCREENED}", "ok", "UP")})(as_it_is)
case("dovecot without a header is well", {993: ALL_OK}, header=None)(as_it_is)
case("the vm's port is silent, and nothing was heard from it before", {25: ("closed 0.1", "timeout", "ok", "UP")})(
    lambda seen: seen.answered.update({"10.10.10.214": 4.0})
)


@case("the web behind haproxy is plain and well", {993: ALL_OK}, header=None)
def _(seen: SweepData) -> None:
    web(seen, said="HTTP/1.1 302 Found")


@case("dovecot distrusts a proxy over a slow tunnel", {993: ("closed 2.6", "closed 2.6", "ok", "UP")})
def _(seen: SweepData) -> None:
    found = lane(seen, 993).vm
    assert found is not None
    found.rungs[0] = Rung("connect", "ok", "", 60.0)


@case("dovecot distrusts the proxy, and its log does not say whom", {993: ("closed 0.1", "closed 0.1", "ok", "UP")},
      logs={"postfix-mailcow": (NOT_TRUSTED,)})  # fmt: skip
def _(seen: SweepData) -> None:
    seen.vantages.clear()


@case("dovecot distrusts the proxy on two lanes", {993: ("closed 0.1", "closed 0.1", "ok", "UP"),
      4190: ("closed 0.1", "closed 0.1", "ok", "UP")},
      logs={"dovecot-mailcow": (NOT_TRUSTED, NOT_TRUSTED.replace("imap", "managesieve"))})  # fmt: skip
def _(seen: SweepData) -> None:
    relane(seen, 993, service=None)


@case("dovecot distrusts the proxy on one lane, and closes at once on another",
      {993: ("closed 0.1", "closed 0.1", "ok", "UP"), 4190: ("closed 0.1", "closed 0.1", "ok", "UP")},
      logs={"dovecot-mailcow": (NOT_TRUSTED,)})  # fmt: skip
def _(seen: SweepData) -> None:
    assert seen.logs


case(
    "postfix complains of the header in its log",
    {25: (f"refused {SCREENED}", f"refused {SCREENED}", "ok", "UP")},
    logs={"postfix-mailcow": ("warning: haproxy read: EOF",)},
)(lambda seen: setattr(seen, "ended", False))


@case(
    "a port takes the header for a command, and the service is on another",
    {25: ("unexpected", "unexpected", "ok", "UP")},
)
def _(seen: SweepData) -> None:
    """The probe inside asks port 25, the proxy port 10025."""


case("a plain port refuses the header", {25: ("refused 421 x", "refused 421 x", "ok", "UP")}, targets={25: 25})(
    as_it_is
)
case("a plain port is silent about the header", {993: ("silent", "silent", "ok", "UP")}, targets={993: 993})(as_it_is)
case("a plain port whose daemon is down", {993: ("closed 0.1", "closed 0.1", "refused", "UP")}, targets={993: 993})(
    as_it_is
)
case("a plain port nobody could ask inside", {993: ("closed 0.1", "closed 0.1", "-", "UP")}, targets={993: 993})(
    as_it_is
)
case(
    "the header goes to plain ports over TLS alone",
    {465: ("closed 0.1", "ok", "ok", "UP"), 25: ("out-of-step", "ok", "ok", "DOWN L4CON")},
)(as_it_is)
case(
    "two lanes stumble, one over the header and one in silence",
    {25: ("out-of-step", "ok", "ok", "UP"), 465: ("silent", "ok", "ok", "UP"), 993: ("tls", "ok", "ok", "UP")},
)(as_it_is)

# ── service ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@case("the service was not asked, for nobody may", {25: ("ok", "ok", "-", "UP L4OK")})
def _(seen: SweepData) -> None:
    """The proxy was asked, the mail host was not."""


@case("no compose file says which service answers", {25: ALL_OK, 993: ("ok", "closed 0.1", "ok", "UP L4OK")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        found = lane(seen, port)
        found.service = None
        assert found.vm is not None
        found.vm.done = port == 25


case("the mail host cannot be asked today", {25: ("ok", "ok", "no-source", "UP L4OK")})(as_it_is)
case("the daemon inside fails, and the vm's port answers", {25: ("ok", "ok", "silent", "UP L4OK")})(as_it_is)
case("the daemon inside is strange", {25: ("unexpected", "unexpected", "unexpected", "UP")})(as_it_is)
case("the daemon inside hangs up", {25: ("closed 0.1", "closed 0.1", "closed 0.1", "UP"), 993: ALL_OK})(
    lambda seen: setattr(seen, "ended", False)
)
case("the daemon inside refuses after its greeting", {25: ("closed 0.1", "refused", "refused 421 no", "UP")})(as_it_is)
case(
    "postfix waits for a dovecot that is there",
    {465: ("silent", "silent", "silent", "UP"), 993: ALL_OK, 587: ("refused", "refused", "refused", "UP")},
)(as_it_is)
case(
    "postfix waits for dovecot, and its container is gone",
    {465: ("silent", "silent", "silent", "UP"), 993: ("closed 0.1", "refused", "refused", "DOWN")},
)(lambda seen: setattr(seen, "containers", (Container("postfix-mailcow", "exited", exit_code=137),)))
case(
    "a plain mail lane does not wait for dovecot",
    {25: ("silent", "silent", "silent", "UP"), 993: ("closed 0.1", "refused", "refused", "DOWN")},
)(as_it_is)
case(
    "three daemons are down, one of them differently",
    {993: ("closed 0.1", "refused", "refused", "DOWN"), 4190: ("closed 0.1", "silent", "silent", "DOWN"),
     25: ("closed 0.1", "refused", "refused", "DOWN")},
)(lambda seen: relane(seen, 25, service=None) and None)  # fmt: skip


@case("the daemon inside still climbs", {25: ALL_OK, 993: ("closed 0.1", "closed 0.1", "refused", "UP")})
def _(seen: SweepData) -> None:
    for port in (25, 993):
        found = lane(seen, port).service
        assert found is not None
        found.done = False


@case("the daemon inside has too much to do", {25: ("ok", "ok", f"refused {BUSY}", "UP L4OK")})
def _(seen: SweepData) -> None:
    public(seen, 25).rungs[0] = Rung("connect", "ok", "", 5.0)


@case("a certificate names nobody", {465: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(lane(seen, 465)):
        assert each.certificate is not None
        each.certificate = replace(each.certificate, names=())


@case("nobody was asked for by name", {465: ALL_OK}, served=certificate(60, name="other.example.org"))
def _(seen: SweepData) -> None:
    for each in all_of(lane(seen, 465)):
        each.target = replace(each.target, name=None)


@case("only the service shows another certificate", {465: ALL_OK, 993: ALL_OK}, older={993: certificate(-1)})
def _(seen: SweepData) -> None:
    seen.vantages.clear()


@case("two certificates are older, and one is of another name", {465: ALL_OK, 993: ALL_OK, 25: ALL_OK})
def _(seen: SweepData) -> None:
    for each in all_of(lane(seen, 465)):
        each.certificate = certificate(40)
    for each in all_of(lane(seen, 993)):
        each.certificate = certificate(50, name="b.example.org")


@case("no lane is known", {25: ALL_OK})
def _(seen: SweepData) -> None:
    seen.lanes.clear()


# ── haproxy's check ─────────────────────────────────────────────────────────────────────────────────────────────────


case("smtpd without postscreen passes option smtpchk", {25: ("ok", "ok", "ok", "UP L7OK 2.0.0 Bye")})(
    lambda seen: relane(seen, 25, service="postfix") and None
)
case("haproxy calls postscreen down for another reason", {25: ("closed 0.1", "ok", "ok", "DOWN L7RSP 554")})(as_it_is)
case("postscreen is drained after its teaser", {25: ("closed 0.1", "ok", "ok", "DRAIN L7RSP 220-mail")})(as_it_is)
case("postscreen is down, and its vm too", {25: ("closed 0.1", "silent", "silent", "DOWN L7RSP 220-mail")})(as_it_is)
case("smtpchk passes where haproxy checks no more", {25: ("ok", "ok", "ok", "MAINT L7OK Bye")})(as_it_is)
case("a check of another kind ends with a goodbye", {25: ("ok", "ok", "ok", "UP L4OK Bye")})(as_it_is)
case("smtpchk passes with the shortest goodbye", {25: ("ok", "ok", "ok", "UP L7OK bye"), 993: ALL_OK})(as_it_is)


# ── one rule after another ──────────────────────────────────────────────────────────────────────────────────────────


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
