"""HAProxy's listeners that do the wrong thing with clients: each is told where facts show it, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from console.answers import Directed, Ping, Route
from console.diagnosis.explain import explain
from console.diagnosis.world import World
from console.hosts.host import Completed, Host
from console.hosts.local import Local, SocketStream
from console.ladders import Ladder, ProbeTarget
from console.observation import SweepData
from console.probes import asking
from console.probes.ladder import climb as really_climb
from tests.console.facts.recorded import StandIn, failed
from tests.drill.less import without_proxy
from tests.drill.record import read


def told(seen: SweepData) -> set[str]:
    """Return what is proven."""
    return {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}


def with_front(seen: SweepData, name: str, **changed: object) -> SweepData:
    assert seen.stats is not None
    fronts = tuple(replace(each, **changed) if each.name == name else each for each in seen.stats.frontends)
    seen.stats = replace(seen.stats, frontends=fronts)
    return seen


@pytest.mark.parametrize("mode", ["tcp", "", "health"])
def test_only_a_frontend_in_http_mode_is_called_the_webs(mode: str) -> None:
    assert told(read("mode-http")) == {"haproxy-listener/mode-http"}
    assert told(with_front(read("mode-http"), "sieve", mode=mode)) == set()


def test_a_web_lane_in_http_mode_is_as_it_should_be() -> None:
    seen = read("nginx-stopped")
    assert told(with_front(seen, "https", mode="http")) == {"daemon/stopped"}


def test_a_frontend_in_http_mode_is_told_beside_what_hangs_behind_it() -> None:
    seen = with_front(read("auth-hung"), "sieve", mode="http")
    assert told(seen) == {"dovecot/auth-hung", "haproxy-listener/mode-http"}


@pytest.mark.parametrize(("front", "server"), [(0, 0), (None, 0), (4, 2), (4, None)])
def test_tls_ends_early_only_where_haproxy_counts_clients_sessions_and_none_with_the_server(
    front: int | None, server: int | None
) -> None:
    assert told(read("wraps-tls")) == {"haproxy-listener/wraps-tls"}
    seen = with_front(read("wraps-tls"), "imaps", secured=front)
    assert seen.stats is not None
    rows = (replace(each, secured=server) if each.proxy == "imaps" else each for each in seen.stats.servers)
    seen.stats = replace(seen.stats, servers=tuple(rows))
    assert told(seen) == set()


def test_where_our_own_handshake_failed_it_is_not_haproxy_that_ends_tls_in_vain() -> None:
    seen = read("wraps-tls")
    for ladder in seen.lanes["993/imaps"].public.values():
        ladder.rungs[:] = [replace(each, outcome="failed") if each.name == "tls" else each for each in ladder.rungs]
    assert told(seen) == set()


@pytest.mark.parametrize("spoken", [True, False])
def test_tls_that_ends_early_is_told_beside_a_dead_tunnel_but_not_beside_a_daemon_without_tls(spoken: bool) -> None:
    """Where nobody reaches the daemon, a handshake that stands was surely HAProxy's."""
    seen, cut = read("wraps-tls"), read("own-tunnel-cut")
    for id, lane in seen.lanes.items():
        if spoken:
            lane.vm = cut.lanes[id].vm
        elif lane.vm is not None:
            rungs = [replace(each, outcome="failed") if each.name == "tls" else each for each in lane.vm.rungs]
            lane.vm = replace(lane.vm, rungs=rungs, cause="tls")
    assert ("haproxy-listener/wraps-tls" in told(seen)) == spoken


def test_while_the_daemon_may_still_answer_tls_nobody_is_said_to_have_ended_it() -> None:
    seen = read("wraps-tls")
    vm = seen.lanes["993/imaps"].vm
    assert vm is not None
    seen.lanes["993/imaps"].vm = replace(vm, rungs=vm.rungs[:1], done=False, said="")
    assert told(seen) == set()


def test_what_dovecot_says_of_a_header_on_one_lane_is_no_proof_on_another() -> None:
    """A packet that was lost may have had it; who hangs up at once has waited for none."""
    seen = read("bad-check")
    without_proxy(seen)
    line = "Nov 28 12:43:18 mx dovecot: {}-login: Error: haproxy: Client timed out (rip=100.64.0.1)"
    seen.logs["dovecot-mailcow"] = (line.format("managesieve"),)
    assert told(seen) == set()
    seen.logs["dovecot-mailcow"] = (line.format("imap"),)
    assert told(seen) == set()
    for ladder in seen.lanes["993/imaps"].public.values():
        ladder.after = 3.0
    assert told(seen) == {"haproxy-server/no-header"}
    other = "Nov 28 12:43:18 mx dovecot: imap-login: Disconnected: Connection closed: user=<>, rip={}, lip={}, TLS"
    for rip, lip, proven in (("203.0.113.50", "203.0.113.10", False), ("100.64.0.1", "10.10.10.214", True)):
        seen.logs["dovecot-mailcow"] = (line.format("imap"), other.format(rip, lip))
        assert ("haproxy-server/no-header" in told(seen)) is proven


HANGUP = "Nov 27 09:06:19 mx haproxy/postscreen[773]: HANGUP after {} from [203.0.113.50]:33134 in tests before SMTP"


@pytest.mark.parametrize(
    ("lines", "proven"),
    [
        ((HANGUP.format(2), HANGUP.format(2)), True),
        ((HANGUP.format("1.9"), HANGUP.format("2.1")), True),
        ((HANGUP.format(2),), False),  # one client may have gone by itself
        ((HANGUP.format("0.4"), HANGUP.format("0.4")), False),
        ((HANGUP.format(5), HANGUP.format(5)), False),
        ((HANGUP.format(2).replace("haproxy/", "postfix/"),) * 2, False),  # not through the proxy
        ((HANGUP.format(2).replace("HANGUP after 2 from", "DISCONNECT"),) * 2, False),
        ((), False),
    ],
)
def test_haproxy_is_impatient_only_where_postscreen_saw_it_hang_up_at_that_time(
    lines: tuple[str, ...], proven: bool
) -> None:
    seen = read("timeouts")
    seen.logs = {"postfix-mailcow": lines}
    assert told(seen) == ({"haproxy-listener/timeout"} if proven else set())


@pytest.mark.parametrize("after", [(0.2, 0.2), (1.4, 2.2)])
def test_clients_that_are_hung_up_on_at_once_or_at_any_time_prove_no_timeout(after: tuple[float, float]) -> None:
    seen = read("timeouts")
    lane = seen.lanes["25/smtp"]
    for ladders in (lane.public, lane.itself):
        for ladder, seconds in zip(ladders.values(), after, strict=True):
            ladder.after = seconds
    assert told(seen) == set()


def test_a_daemon_that_greets_sooner_than_haproxy_hangs_up_is_not_waited_for_too_briefly() -> None:
    seen = read("timeouts")
    ladder = seen.lanes["25/smtp"].vm
    assert ladder is not None
    ladder.rungs[:] = [replace(each, ms=40.0) if each.name == "greeting" else each for each in ladder.rungs]
    assert told(seen) == set()


# ── this machine, and a filter behind a daemon that hangs ───────────────────────────────────────────────────────────

NONE = "RTNETLINK answers: Network is unreachable"
OUT = (Route("203.0.113.10", none=NONE), Route("2001:db8:113::10", none=NONE))


@pytest.mark.parametrize(
    ("outward", "proven"),
    [
        (OUT, True),
        (OUT[:1], False),  # the other family may have a way
        ((OUT[0], Route("2001:db8:113::10", "wan0", "fe80::1")), False),
        ((OUT[0], Route("2001:db8:113::10", none="RTNETLINK answers: Permission denied")), False),  # one is forbidden
        ((), False),
        (None, False),
    ],
)
def test_this_machine_is_called_offline_only_where_its_kernel_has_no_way_of_either_family(
    outward: tuple[Route, ...] | None, proven: bool
) -> None:
    seen = read("here-offline")
    assert seen.asked is not None
    seen.asked.outward = outward
    assert told(seen) == ({"here/offline"} if proven else set())


def test_a_filter_is_told_beside_a_daemon_that_hangs_but_not_where_packets_are_lost() -> None:
    both = {"daemon/hung", "vm-filter/from-proxy"}
    assert told(read("own-service-silent+out-drop-10993")) == both
    seen = read("own-service-silent+out-drop-10993")
    assert seen.asked is not None
    seen.asked.pings["vm"] = Ping("10.10.10.214", 2, 1, 0.3)
    assert told(seen) == both - {"vm-filter/from-proxy"}


# ── a HAProxy that is halted is not waited for again ────────────────────────────────────────────────────────────────


class Silent(Local):
    """Stands for the proxy: all its connections are taken, and nobody says a word; its HAProxy is in `state`."""

    def __init__(self, port: int, state: str) -> None:
        super().__init__("vps", "proxy")
        self.port, self.state = port, state

    async def connect(self, address: str, port: int, timeout: float) -> SocketStream:
        return await super().connect("127.0.0.1", self.port, timeout)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if argv[0] == "ps":
            return Completed(0, f"{self.state} /usr/sbin/haproxy -f /etc/haproxy/haproxy.cfg\n".encode(), b"")
        return Completed(127, b"", b"not found")


@pytest.mark.parametrize(("state", "depth"), [("Ts", "connect"), ("Ss", "greeting")])
async def test_of_a_halted_haproxy_the_proxy_asks_itself_only_whether_it_is_let_in(
    monkeypatch: pytest.MonkeyPatch, state: str, depth: str
) -> None:
    asked: list[str] = []

    async def climb(target: ProbeTarget, host: Host, *rest: object) -> Ladder:
        asked.append(target.depth)
        return await really_climb(replace(target, depth="connect"), host)

    monkeypatch.setattr(asking, "climb", climb)
    seen = read("haproxy-frozen")
    for lane in seen.lanes.values():
        lane.itself.clear()
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0) as server:
        await asking.ask(seen, {"proxy": Silent(server.sockets[0].getsockname()[1], state)})
    assert seen.asked is not None and seen.asked.haproxy is not None
    assert {each for each in asked if each != "connect"} == ({"greeting"} if depth == "greeting" else set())
    assert all(each.connected for lane in seen.lanes.values() for each in lane.itself.values())


# ── this machine's own ways ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("dialled", "asked"),
    [
        (("203.0.113.10", "2001:db8:113::10"), ("203.0.113.10", "2001:db8:113::10")),
        (("203.0.113.10",), ("203.0.113.10", "2001:db8::1")),  # the name has none of that family
        (("2001:db8:113::10",), ("192.0.2.1", "2001:db8:113::10")),
    ],
)
async def test_where_nobody_is_reached_this_machine_is_asked_for_its_ways_of_both_families(
    dialled: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    seen = read("here-offline")
    for lane in seen.lanes.values():
        lane.public = {address: ladder for address, ladder in lane.public.items() if address in dialled}
    here = StandIn({"ip route get": failed(NONE, 2)}, "here")
    await asking.ask(seen, {"here": here})
    assert seen.asked is not None and seen.asked.outward == tuple(Route(each, none=NONE) for each in asked)
    assert told(seen) == {"here/offline"}


async def test_a_machine_that_cannot_be_asked_for_its_ways_is_not_called_offline() -> None:
    seen = read("here-offline")
    await asking.ask(seen, {"here": StandIn({}, "here")})
    assert seen.asked is not None and seen.asked.outward is None
    assert told(seen) == set()


async def test_where_somebody_is_reached_nobody_asks_for_ways_out() -> None:
    here = StandIn({}, "here")
    await asking.ask(read("auth-hung"), {"here": here})
    assert not [each for each in here.asked if each.startswith("ip route get")]


@pytest.mark.parametrize("slow", [False, True])
def test_a_filter_is_told_beside_a_hanging_daemon_only_where_others_are_answered_at_once(slow: bool) -> None:
    seen = read("own-service-silent+out-drop-10993")
    vm = seen.lanes["25/smtp"].vm
    assert vm is not None
    vm.rungs[:] = [replace(each, ms=1100.0) if slow and each.name == "connect" else each for each in vm.rungs]
    assert ("vm-filter/from-proxy" in told(seen)) is not slow


@pytest.mark.parametrize("shown", ["others", "none", "elsewhere"])
def test_that_a_daemon_does_not_listen_is_told_beside_a_dead_way_where_ss_shows_its_other_ports(shown: str) -> None:
    """Docker may publish ports that ss does not show; and of another machine it told nothing."""
    seen = read("no-way-back+listener-removed")
    assert seen.asked is not None
    if shown == "none":
        seen.asked.listeners["mail"] = tuple(each for each in seen.asked.listeners["mail"] if each.port == 22)
    if shown == "elsewhere":
        lane = seen.lanes["993/imaps"].lane
        assert lane.target is not None
        seen.lanes["993/imaps"].lane = replace(lane, target=replace(lane.target, host="10.10.10.99"))
    found = told(seen)
    assert "vm/no-way-back" in found and ("daemon/listener-absent" in found) == (shown == "others")


@pytest.mark.parametrize("led", [None, {"elsewhere/other": Directed("10.10.10.214", 10465)}])
def test_a_server_of_another_name_may_serve_where_the_lane_is_ill_for_something_else(
    led: dict[str, Directed] | None,
) -> None:
    seen = read("own-service-stopped+no-server")
    assert told(seen) == {"daemon/stopped", "haproxy-server/absent"}
    assert seen.asked is not None
    seen.asked.directed = led
    assert told(seen) == {"daemon/stopped"}
