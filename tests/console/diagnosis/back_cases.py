"""More of what may be seen of the tunnel, of the VM and of the services in it."""

from __future__ import annotations

from msgspec.structs import replace

from console.answers import Container, Peer, Tailnet
from console.model import Rung, Span, Target
from console.observation import SweepData
from tests.console.diagnosis.cases import ALL_OK, BUSY, NOT_TRUSTED, SCREENED, certificate
from tests.console.diagnosis.changed_cases import Table, all_of, as_it_is, lane, public, relane, web

BACK = Table()
case = BACK.case


# ── tunnel and vm ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── service ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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
