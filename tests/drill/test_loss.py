"""Lost packets are told where they were counted, and nowhere else: late connections alone are a reason to ask."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from console.answers import Asked, Ping, Route
from console.diagnosis.conclude import conclude
from console.diagnosis.diagnose import judge
from console.diagnosis.explain import explain
from console.diagnosis.judge import judge_lane
from console.diagnosis.world import World
from console.hosts.host import Completed
from console.hosts.local import Local
from console.model import Role
from console.observation import SweepData
from console.probes import asking
from tests.drill.less import without_proxy
from tests.drill.record import read
from tests.drill.score import score

VM, ROUTER, FRONT = "10.10.10.214", "100.64.0.2", "203.0.113.10"


def late(seen: SweepData, at: str, count: int) -> None:
    """Let so many connections take a second more than they did."""
    lanes = list(seen.lanes.values())
    ladders = [each.vm for each in lanes if each.vm] if at == "vm" else [b for a in lanes for b in a.public.values()]
    for ladder in ladders[:count]:
        ladder.rungs = [replace(r, ms=(r.ms or 0) + 1010) if r.name == "connect" else r for r in ladder.rungs]


def told(seen: SweepData) -> list[str]:
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    return [finding.summary for finding in judge(seen, readings)[0]]


@pytest.mark.parametrize(
    ("delayed", "vm", "router", "counted"),
    [
        (1, Ping(VM, 20, 14, 0.2), Ping(ROUTER, 20, 20, 0.1), "(14 of 20 pings of 10.10.10.214 were answered)"),
        (0, Ping(VM, 20, 14, 0.2), Ping(ROUTER, 20, 15, 0.1), "(14 of 20 pings of 10.10.10.214 were answered)"),
        (2, Ping(VM, 20, 19, 0.2), Ping(ROUTER, 20, 20, 0.1), "(19 of 20 pings of 10.10.10.214 were answered)"),
        (1, Ping(VM, 20, 19, 0.2), Ping(ROUTER, 20, 20, 0.1), ""),  # one may be any machine's
        (3, Ping(VM, 20, 20, 0.2), Ping(ROUTER, 20, 20, 0.1), ""),  # late, and nothing is lost
        (3, Ping(VM, 20, 0), Ping(ROUTER, 20, 20, 0.1), ""),  # it lets no pings in
        (0, Ping(VM, 20, 14, 0.2), Ping(ROUTER, 20, 20, 0.1), ""),  # it lets few pings in, and every connection
        (2, Ping(VM, 20, 12, 900.0), Ping(ROUTER, 20, 12, 900.0), ""),  # slower than they were waited for
    ],
)
def test_where_all_is_well_loss_to_the_mail_host_is_told_as_it_was_counted(
    delayed: int, vm: Ping, router: Ping, counted: str
) -> None:
    seen = read("calm")
    late(seen, "vm", delayed)
    seen.asked = Asked(pings={"vm": vm, "router": router})
    found = told(seen)
    assert len(found) == bool(counted)
    assert not found or (counted in found[0] and "between vps and mailcow" in found[0])


@pytest.mark.parametrize(
    ("delayed", "front", "counted"),
    [
        (1, Ping(FRONT, 20, 15, 0.2), "between this machine and vps (15 of 20 pings of 203.0.113.10 were answered)"),
        (4, Ping(FRONT, 20, 20, 0.2), ""),
        (4, Ping(FRONT, 20, 0), ""),  # many a provider lets no ping in
        (4, None, ""),
        (0, Ping(FRONT, 20, 15, 0.2), ""),
    ],
)
def test_where_all_is_well_loss_from_here_is_told_as_it_was_counted(
    delayed: int, front: Ping | None, counted: str
) -> None:
    seen = read("calm")
    late(seen, "here", delayed)
    seen.asked = Asked(pings={"front": front} if front else {})
    found = told(seen)
    assert len(found) == bool(counted) and (not found or counted in found[0])


def test_a_filter_that_limits_new_connections_is_no_loss_where_no_ping_is_lost() -> None:
    seen = read("new-rate-vm")
    assert seen.asked is not None
    for who, ping in seen.asked.pings.items():
        seen.asked.pings[who] = replace(ping, sent=20, answered=20)
    named = {each.mode.id for cause in explain(World(seen)).causes for each in cause.suspects}
    assert "vm-filter/from-proxy" in named and "tunnel/loss" not in named


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Pinging(Local):
    """A machine that notes what is pinged from it, and answers as `ping` and `ip` do."""

    def __init__(self, role: Role, answered: int) -> None:
        super().__init__(role, role)
        self.answered, self.pinged = answered, list[tuple[str, str]]()

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if argv[0] == "ip":
            return Completed(0, f"{VM} via {ROUTER} dev tailscale0 src 100.64.0.1 uid 0\n".encode(), b"")
        assert argv[0] == "ping"
        count = argv[argv.index("-c") + 1]
        self.pinged.append((argv[-1], count))
        said = f"{count} packets transmitted, {min(int(count), self.answered)} received, 0% packet loss\n"
        return Completed(0, said.encode(), b"")


@pytest.mark.parametrize(
    ("delayed", "answered", "many"), [(0, 2, False), (0, 1, True), (1, 2, True), (1, 0, True), (0, 0, False)]
)
async def test_many_pings_are_sent_only_where_some_seem_to_be_lost(delayed: int, answered: int, many: bool) -> None:
    seen, proxy = read("calm"), Pinging("proxy", answered)
    late(seen, "vm", delayed)
    await asking.ping(seen, {"proxy": proxy})
    few = {(VM, "2"), (ROUTER, "2")}
    assert {*proxy.pinged} == (few | {(VM, "20"), (ROUTER, "20")} if many else few)


@pytest.mark.parametrize("delayed", [0, 1])
async def test_the_proxy_is_pinged_from_here_only_where_connections_were_late(delayed: int) -> None:
    seen, here = read("calm"), Pinging("here", 20)
    late(seen, "here", delayed)
    await asking.ping(seen, {"here": here})
    assert here.pinged == [(FRONT, "20")] * delayed


@pytest.mark.parametrize(("came", "asked"), [("timeout", True), ("refused", False), ("slow", True)])
async def test_the_proxy_is_pinged_from_here_where_a_connection_got_no_answer_beside_others(
    came: str, asked: bool
) -> None:
    seen, here = read("calm"), Pinging("here", 20)
    ladder = seen.lanes["993/imaps"].public[FRONT]
    if came == "slow":
        ladder.rungs[0] = replace(ladder.rungs[0], ms=980.0)
    else:
        ladder.rungs[:], ladder.cause = [replace(ladder.rungs[0], outcome="failed", ms=None)], came
    await asking.ping(seen, {"here": here})
    assert bool(here.pinged) is asked


@pytest.mark.parametrize(("resent", "asked"), [((0, 0), False), ((1, 0), False), ((1, 1), True), ((0, 2), True)])
async def test_the_proxy_is_pinged_from_here_where_packets_were_sent_again_more_than_once(
    resent: tuple[int, int], asked: bool
) -> None:
    seen, here = read("calm"), Pinging("here", 20)
    for name, count in zip(("465/smtps", "993/imaps"), resent, strict=True):
        seen.lanes[name].public[FRONT].resent = count
    await asking.ping(seen, {"here": here})
    assert bool(here.pinged) is asked


async def test_where_nothing_from_here_is_answered_nobody_is_pinged() -> None:
    seen, here = read("vps-off"), Pinging("here", 20)
    await asking.ping(seen, {"here": here})
    assert here.pinged == []


@pytest.mark.parametrize(
    ("front", "named"),
    [
        (Ping(FRONT, 20, 9, 0.2), {"here/loss"}),
        (Ping(FRONT, 20, 20, 0.2), set()),
        (Ping(FRONT, 20, 0), set()),
        (None, set()),
    ],
)
def test_a_family_that_is_silent_on_some_ports_is_filtered_only_where_no_ping_is_lost(
    front: Ping | None, named: set[str]
) -> None:
    """Connections of 4.09 s and two that were never made, of packets that were lost by chance, were called a filter."""
    seen = read("wan-loss+nginx-404")
    assert seen.asked is not None
    if front is not None:
        seen.asked.pings["front"] = front
    for lane in seen.lanes.values():  # none that shows by its delay that packets were sent again
        for ladder in lane.public.values():
            if ladder.connected:
                ladder.rungs[0] = replace(ladder.rungs[0], ms=20.0)
    proven = {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven} - {"daemon/says-no"}
    steady = front is not None and front.answered == front.sent
    assert proven == (named or ({"vps-filter/drop"} if steady else set()))


# ── the way back, and what is hidden ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("back", "proven"),
    [
        (Route("100.64.0.1", none="RTNETLINK answers: Network is unreachable"), True),
        (Route("100.64.0.1", "eth0", "10.10.10.1"), False),
        (None, False),
    ],
)
def test_that_there_is_no_way_back_is_the_mail_hosts_own_word(back: Route | None, proven: bool) -> None:
    seen = read("no-way-back")
    assert seen.asked is not None
    seen.asked.back = back
    (cause,) = explain(World(seen)).causes
    assert cause.proven is proven and "vm/no-way-back" in {each.mode.id for each in cause.suspects}


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("vm-off", "what HAProxy and mailcow say to each other, lanes 25, 465, 993, 4190 and 443; how the services "
                   "inside mailcow do, lanes 25, 465, 993, 4190 and 443"),
        ("fw-drop-993", "what HAProxy does with clients from here, lane 993"),
        ("own-tunnel-cut", "what HAProxy and mailcow say to each other, lanes 25, 465, 993, 4190 and 443"),
        ("nginx-502", ""),
        ("maint", ""),
    ],
)  # fmt: skip
def test_what_a_fault_hides_is_said_to_be_unseen(id: str, said: str) -> None:
    world = World(read(id))
    lines = [line for finding in conclude(world, explain(world)) for line in finding.evidence]
    unseen = [line for line in lines if line.startswith("cannot tell until")]
    assert unseen == ([f"cannot tell until this is mended: {said}"] if said else [])


@pytest.mark.parametrize(("said", "own"), [("500 Internal Server Error", True), ("403 Forbidden", True),
                                           ("503 Service Unavailable", False), ("502 Bad Gateway", False)])  # fmt: skip
def test_what_haproxy_says_of_a_server_that_is_gone_is_its_own_but_that_it_is_gone(said: str, own: bool) -> None:
    seen = read("http-500+nginx-stopped")
    for lane in seen.lanes.values():
        for ladder in (*lane.public.values(), *lane.itself.values()):
            ladder.said = re.sub(r"500 Internal Server Error", said, ladder.said)
    proven = {each.suspects[0].mode.id for each in explain(World(seen)).causes if each.proven}
    assert ("haproxy-listener/denies" in proven) is own and "daemon/stopped" in proven


@pytest.mark.parametrize(
    ("status", "weight", "drained"), [("DOWN", 0, True), ("DOWN", 100, False), ("MAINT", 0, False)]
)
def test_a_server_without_weight_is_drained_though_it_is_down_too(status: str, weight: int, drained: bool) -> None:
    seen = read("no-10025")
    assert seen.stats is not None
    rows = [replace(r, status=status, weight=weight) if r.proxy == "smtp" else r for r in seen.stats.servers]
    seen.stats = replace(seen.stats, servers=tuple(rows))
    proven = {each.suspects[0].mode.id for each in explain(World(seen)).causes if each.proven}
    assert ("haproxy-server/drain" in proven) is drained and "daemon/listener-absent" in proven


@pytest.mark.parametrize(
    ("processes", "stopped", "said"),
    [
        ((), True, "HAProxy is stopped on vps: it has no process, and its stats socket refuses"),
        (None, True, ""),  # nobody could look for its processes, and nobody dialled a port
        ((), False, ""),
    ],
)
def test_a_stopped_haproxy_is_told_though_the_name_has_no_address_to_dial(
    processes: tuple[()] | None, stopped: bool, said: str
) -> None:
    seen = read("own-haproxy-stopped+dns-none")
    assert seen.asked is not None and seen.stats is not None
    seen.asked.haproxy, seen.stats = processes, replace(seen.stats, stopped=stopped)
    found = [each for each in told(seen) if each.startswith("HAProxy is stopped")]
    assert found == ([said] if said else [])


@pytest.mark.parametrize(("id", "grade"), [("own-tunnel-lossy", "right"), ("own-tunnel-slow", "FALSE")])
def test_lost_packets_that_are_told_of_a_tunnel_that_loses_some_are_not_false(id: str, grade: str) -> None:
    seen = read("calm")
    late(seen, "vm", 1)
    seen.asked = Asked(pings={"vm": Ping(VM, 20, 17, 0.2)})
    assert score(id, (), explain(World(seen))).grade == grade


def test_who_says_a_plain_word_on_imaps_waits_for_no_header() -> None:
    """The tunnel lost a header of ours, and Dovecot's log says so: what answers from here is another daemon."""
    seen = read("nat-993-to-22+loss30")
    without_proxy(seen)
    assert "haproxy-server/no-header" not in {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}


# ── what lost packets do not explain ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("answered", "explained"), [(18, False), (16, False), (8, True)])
def test_few_lost_packets_do_not_silence_each_of_five_conversations_on_one_lane(answered: int, explained: bool) -> None:
    seen = read("own-tunnel-lossy+smtpd-busy")
    assert seen.asked is not None
    for who in ("vm", "router"):
        seen.asked.pings[who] = replace(seen.asked.pings[who], answered=answered)
    causes = explain(World(seen)).causes
    assert ("daemon/process-limit" in {s.mode.id for c in causes for s in c.suspects}) is not explained
    (loss,) = [c for c in causes if c.suspects[0].mode.id == "tunnel/loss"] or [None]
    assert (loss is not None and loss.ports == (465,)) is explained


def test_where_one_conversation_of_a_lane_passes_lost_packets_may_have_silenced_the_others() -> None:
    seen = read("own-tunnel-lossy+smtpd-busy")
    lane = seen.lanes["465/smtps"]
    lane.itself["203.0.113.10"] = seen.lanes["25/smtp"].public["203.0.113.10"]
    (loss,) = [c for c in explain(World(seen)).causes if c.suspects[0].mode.id == "tunnel/loss"]
    assert loss.ports == (465,)


@pytest.mark.parametrize(("took", "proven"), [(2001.0, {"haproxy-check/teaser"}), (3600.0, set()), (None, set())])
def test_a_check_that_gives_up_before_postscreen_greets_is_its_own_fault_and_else_may_be_the_losses(
    took: float | None, proven: set[str]
) -> None:
    seen = read("own-smtpchk-on-postscreen+vm-loss")
    assert seen.stats is not None
    seen.stats = replace(seen.stats, servers=tuple(replace(each, took=took) for each in seen.stats.servers))
    named = {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}
    assert named - {"tunnel/loss"} == proven


SMTPD = "Nov 28 13:20:58 mx postfix/{}/smtpd[4775]: connect from mail.benoit.jp.net[{}]"
WAITED = "Nov 28 13:21:05 mx postfix/smtps-haproxy/smtpd[4775]: warning: haproxy read: timeout error"


@pytest.mark.parametrize(
    ("name", "client", "proven"),
    [
        ("smtps-haproxy", "203.0.113.50", False),
        ("smtps-haproxy", "2001:db8:113::10", False),
        ("smtps-haproxy", "100.64.0.1", True),  # the proxy's own end of the tunnel: no header told it
        ("smtps", "203.0.113.50", True),  # the port that has no header
    ],
)
def test_a_header_that_came_for_one_client_is_not_missing_for_another(name: str, client: str, proven: bool) -> None:
    seen = read("own-tunnel-lossy+smtpd-busy")
    without_proxy(seen)
    for ladder in seen.lanes["465/smtps"].public.values():
        ladder.cause, ladder.after = "closed", 5.0
    seen.logs["postfix-mailcow"] = (WAITED, SMTPD.format(name, client))
    named = {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}
    assert ("haproxy-server/no-header" in named) is proven


# ── large packets that never pass, and large ones that were lost as any ─────────────────────────────────────────────


@pytest.mark.parametrize(
    ("large", "small", "proven"),
    [((20, 0), (20, 20), True), ((20, 0), (20, 14), True), ((20, 0), (20, 8), False), ((2, 0), (2, 2), False),
     ((2, 0), (20, 20), False), ((20, 1), (20, 20), False), ((20, 0), (20, 0), False)],
)  # fmt: skip
def test_large_packets_never_pass_only_where_chance_would_not_lose_all_of_many(
    large: tuple[int, int], small: tuple[int, int], proven: bool
) -> None:
    seen = read("mtu")
    assert seen.asked is not None
    seen.asked.pings |= {"large": Ping(VM, *large, None), "vm": Ping(VM, *small, 0.2)}
    named = {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}
    assert ("tunnel/mtu" in named) is proven
