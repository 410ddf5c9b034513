"""Every recorded fault of the real lab is told as truly as it was when it was recorded, and none falsely."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.answers import Guest
from console.diagnosis.conclude import conclude
from console.diagnosis.diagnose import diagnose, judge
from console.diagnosis.explain import BUDGET, MOST, Explanation, explain
from console.diagnosis.judge import judge_lane
from console.diagnosis.modes import MODES
from console.diagnosis.world import World
from console.model import Span
from console.observation import Drifted, SweepData
from tests.drill.less import LESS as LESS_TO_SEE
from tests.drill.record import FAULTS, place, read
from tests.drill.score import score, scores

LESS: dict[str, str] = {
    "vps-off": "among", "vm-off": "among", "vm-moved": "among", "25-blocked-here": "among",
    "25-blocked-here+auth-hung": "among", "no-forwarding": "among",
    "own-tunnel-lossy+smtpd-busy": "among", "vm-off+nat-993-to-22": "among", "v6-blackhole+25-blocked-here": "among",
    "smtps-plain": "among", "here-mtu": "among", "rejects-us+fw-drop-993": "hidden",
    "haproxy-loop+vm-off": "among", "vm-default-astray": "among", "v6-blackhole+only-aaaa": "hop",
    "wan-loss+nginx-404": "among", "own-tunnel-lossy+nginx-404": "hop",
    "wan-loss+content-reject": "among",
}  # fmt: skip
"""What is told less well than right: two of a kind that look alike to everybody who may be asked, or in no row."""

RECORDED = sorted(id for id in FAULTS if place(id).exists())


def test_every_fault_has_its_recording() -> None:
    assert set(FAULTS) == set(RECORDED)
    assert place("calm").exists()


@pytest.mark.parametrize("id", RECORDED)
def test_a_recorded_fault_is_told_truly(id: str) -> None:
    world = World(read(id))
    found = score(id, FAULTS[id].truth, explain(world))
    assert found.grade == LESS.get(id, "right"), found


def test_nothing_is_found_where_all_is_well() -> None:
    seen = read("calm")
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    assert diagnose(seen, readings) == ()
    assert seen.asked is None


@pytest.mark.slow
def test_most_are_told_right_and_none_falsely() -> None:
    graded = scores()
    assert len([each for each in graded if each.grade == "right"]) >= 0.85 * len(graded)
    assert not [each for each in graded if each.grade == "FALSE"]


# ── with less to look at, less is said and nothing false ────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("less", LESS_TO_SEE.values(), ids=list(LESS_TO_SEE))
def test_with_less_to_look_at_nothing_false_is_said(less: Callable[[SweepData], None]) -> None:
    false = []
    for id in RECORDED:
        seen = read(id)
        less(seen)
        found = score(id, FAULTS[id].truth, explain(World(seen)))
        false += [found] if found.grade == "FALSE" else []
    assert not false


# ── the rules that a suspect obeys ──────────────────────────────────────────────────────────────────────────────────


@st.composite
def estates(draw: st.DrawFn) -> SweepData:
    """What was seen of one fault, with pieces of others put into it: estates that are broken in ways nobody made."""
    seen = read(draw(st.sampled_from(RECORDED)))
    other = read(draw(st.sampled_from(RECORDED)))
    for id, lane in seen.lanes.items():
        if id in other.lanes and draw(st.booleans()):
            theirs = other.lanes[id]
            lane.public = theirs.public if draw(st.booleans()) else lane.public
            lane.vm = theirs.vm if draw(st.booleans()) else lane.vm
            lane.service = theirs.service if draw(st.booleans()) else lane.service
    for part in ("stats", "containers", "logs", "asked"):
        if draw(st.booleans()):
            setattr(seen, part, getattr(other, part))
    return seen


def explained(seen: SweepData) -> tuple[World, Explanation]:
    world = World(seen)
    return world, explain(world)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(estates())
def test_a_suspect_that_nothing_proves_is_never_alone(seen: SweepData) -> None:
    world, told = explained(seen)
    for cause in told.causes:
        for finding in conclude(world, Explanation((cause,))):
            alone = "not known here" not in finding.summary and "or a firewall" not in finding.summary
            assert cause.proven or not alone, finding.summary
        assert all(suspect.proven == cause.proven for suspect in cause.suspects)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(estates())
def test_of_a_lane_all_symptoms_are_explained_or_its_rivals_are_not_named(seen: SweepData) -> None:
    _, told = explained(seen)
    left = {test.port for test in told.unexplained if test.port}
    for cause in told.causes:
        assert cause.proven or not left & {test.port for test in cause.symptoms}


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(estates())
def test_no_pass_forbids_what_is_said(seen: SweepData) -> None:
    world, told = explained(seen)
    for cause in told.causes:
        for suspect in cause.suspects:
            if suspect.mode.spreads:
                continue  # what is proven on one lane is taken for the cause on others, whose passes it was not asked
            mine = [t for port in (0, *suspect.scope.ports) for t in world.by_port.get(port, ())]
            if suspect.scope.family or suspect.scope.addresses:
                mine = [t for t in mine if t.at not in ("here", "itself")]
            assert not [t for t in mine if (t.kind, t.at, t.outcome) in suspect.mode.forbids.own]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(estates())
def test_one_cause_on_many_lanes_is_one(seen: SweepData) -> None:
    _, told = explained(seen)
    proven = [(c.suspects[0].mode.id, c.suspects[0].proof.given.get("daemon"), c.suspects[0].scope.family)
              for c in told.causes if c.proven]  # fmt: skip
    assert len(proven) == len(set(proven))


def test_an_old_line_of_a_log_proves_nothing() -> None:
    """The engine asks for lines since the sweep began alone: an estate without such lines has none to show."""
    seen = read("own-dovecot-wrong-peer")
    seen.logs = {}
    (cause,) = explain(World(seen)).causes
    assert not cause.proven


@pytest.mark.parametrize(
    ("id", "guest", "told"),
    [
        ("vm-off", Guest("mailcow", "Stopped"), "vm/off"),
        ("vm-moved", Guest("mailcow", "Running", ("10.10.10.99",)), "vm/other-address"),
    ],
)
def test_incus_tells_a_vm_that_is_off_from_one_that_moved(id: str, guest: Guest, told: str) -> None:
    seen = read(id)
    assert seen.asked is not None
    seen.asked.guest = guest
    (cause,) = explain(World(seen)).causes
    assert (cause.proven, cause.suspects[0].mode.id) == (True, told)


@pytest.mark.parametrize("guest", [Guest("mailcow", "Running", ("10.10.10.214",)), Guest("mailcow", "Running")])
def test_a_vm_that_incus_has_where_it_should_be_is_not_called_off_or_moved(guest: Guest) -> None:
    seen = read("vm-off")
    assert seen.asked is not None
    seen.asked.guest = guest
    assert not [cause for cause in explain(World(seen)).causes if cause.proven]


CHANGED = (
    "--- haproxy.cfg", "+++ /etc/haproxy/haproxy.cfg", "@@ -1,6 +1,7 @@", " listen smtp", "     bind :25",
    "     bind :::25 v6only", "     mode tcp", "     option tcplog", "+    timeout server 2s", "+    # a word",
)  # fmt: skip


@pytest.mark.parametrize("at", [1, 40])
def test_a_changed_line_is_told_with_the_lane_that_it_describes_and_with_no_other(at: int) -> None:
    seen = read("timeouts")
    diff = tuple(line.replace("@@ -1,", f"@@ -{at},") for line in CHANGED)
    path = "/etc/haproxy/haproxy.cfg"
    seen.drifted = (Drifted("haproxy.cfg", "vps", path, Span("haproxy.cfg", at), "file", 2, diff=diff),)
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    found = {finding.id: finding for finding in diagnose(seen, readings)}
    if at == 1:
        assert found["CH082"].summary == (
            "haproxy.cfg on vps is not yours where smtp is described: + timeout server 2s"
        )
        assert found["CH082"].lanes == ("25/smtp",)
    else:
        assert "CH082" not in found


def test_the_search_is_bounded() -> None:
    """Forty lanes that all break in every way: the search ends, with at most so many suspects together."""
    seen = read("vm-off")
    lanes = list(seen.lanes.values())
    for number in range(40):
        twin = msgspec.convert(msgspec.to_builtins(lanes[number % len(lanes)]), type(lanes[0]))
        twin.lane = msgspec.structs.replace(twin.lane, port=20000 + number, name=f"lane{number}")
        seen.lanes[twin.lane.id] = twin
    told = explain(World(seen))
    assert told.causes and all(len(cause.suspects) <= len(MODES) for cause in told.causes)
    assert BUDGET and MOST


# ── what stands beside another cause ────────────────────────────────────────────────────────────────────────────────


def test_lost_packets_are_told_beside_what_explains_every_lane_and_blame_none() -> None:
    world, told = explained(read("postscreen-drops+loss30"))
    (loss,) = [cause for cause in told.causes if cause.suspects[0].mode.id == "tunnel/loss"]
    (found,) = conclude(world, Explanation((loss,)))
    assert (found.id, found.lanes, loss.ports) == ("CH062", (), ())


def test_new_connections_that_are_slow_prove_no_loss_beside_a_filter() -> None:
    """A filter that limits new connections looks just so: that packets are lost needs pings, too."""
    seen = read("new-rate-vm")
    proven = [cause for cause in explain(World(seen)).causes if cause.proven]
    assert {cause.suspects[0].mode.id for cause in proven} == {"vm-filter/from-proxy"}


def test_what_a_running_haproxy_has_otherwise_is_no_cause_where_the_lane_is_well() -> None:
    """A file that was given may be another than the one that runs: of a lane that works nothing is said here."""
    seen = read("nginx-stopped")
    assert seen.asked is not None and seen.asked.directed is not None
    seen.asked.directed["smtps/mailcow"] = msgspec.structs.replace(seen.asked.directed["smtps/mailcow"], port=10466)
    (cause,) = explain(World(seen)).causes
    assert cause.suspects[0].mode.id == "daemon/stopped"


def test_a_lane_that_fails_as_another_of_its_service_does_is_no_cross_on_haproxy() -> None:
    seen = read("config-hung")
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    assert {r.lane for r in readings if (r.hop, r.outcome) == ("haproxy", "failed")} == {"4190/sieve"}
    assert {(r.lane, r.hop) for r in judge(seen, readings)[1] if r.outcome == "failed"} == {("993/imaps", "service")}


def test_what_ipv4_clients_alone_see_is_not_laid_at_the_mail_host() -> None:
    seen = read("double-bind")
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    bad = {(r.lane, r.hop): r.word for r in judge(seen, readings)[1] if r.outcome != "ok"}
    assert bad == {("993/imaps", "haproxy"): "v4 closed"}


def test_a_daemon_that_hangs_up_in_time_misses_no_header_unless_its_log_says_so() -> None:
    """HAProxy's own retries take three seconds, too."""
    seen = read("server-speaks-tls")
    assert not [cause for cause in explain(World(seen)).causes if cause.proven]
    seen.logs = {}
    assert not [cause for cause in explain(World(seen)).causes if cause.proven]


@pytest.mark.parametrize(("pings", "proven"), [(True, True), (False, False)])
def test_where_the_mail_host_crawls_to_the_proxy_haproxy_has_no_cross(pings: bool, proven: bool) -> None:
    """One answer that came in time does not make the way behind HAProxy well; that it crawls needs pings, too."""
    seen = read("narrow-tunnel")
    assert seen.asked is not None
    if not pings:
        seen.asked.pings = {who: msgspec.structs.replace(p, answered=2, fastest=1.0) for who, p in
                            seen.asked.pings.items()}  # fmt: skip
    _, told = explained(seen)
    assert [cause.suspects[0].mode.id for cause in told.causes if cause.proven] == ["tunnel/narrow"] * proven
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    assert [r.lane for r in readings if (r.hop, r.outcome) == ("haproxy", "failed")]
    assert not [r.lane for r in judge(seen, readings)[1] if (r.hop, r.outcome) == ("haproxy", "failed")]


def test_one_lane_that_is_late_is_no_narrow_tunnel() -> None:
    """Its daemon may have had something else to do."""
    seen = read("narrow-tunnel")
    del seen.lanes["4190/sieve"]
    world, told = explained(seen)
    assert len(world.dragged) == 1 and not [cause for cause in told.causes if cause.proven]


def test_a_haproxy_that_a_reload_ends_is_no_second_one() -> None:
    """The new one has the old one's process on its command line; a leftover was started apart."""
    seen = read("leftover")
    assert seen.asked is not None and seen.asked.haproxy is not None
    first = seen.asked.haproxy[0]
    handed = msgspec.structs.replace(first, words=f"{first.words} -sf 4711 4712 -x /run/haproxy/admin.sock")
    for running, two in ((seen.asked.haproxy, True), ((first, handed), False), ((handed, first, first), False)):
        seen.asked.haproxy = running
        told = {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}
        assert ("haproxy-process/two" in told) == two


@pytest.mark.parametrize(
    ("shown", "proven"), [("shared", True), ("apart", False), ("no pids", False), ("no ss", False)]
)
def test_two_haproxies_are_a_fault_only_where_they_are_seen_on_one_port(shown: str, proven: bool) -> None:
    """One for the web beside one for mail is how many machines are."""
    seen = read("leftover")
    assert seen.asked is not None
    rows = seen.asked.listeners["proxy"]
    if shown == "apart":
        rows = tuple(each for each in rows if each.pid == rows[0].pid)
    if shown == "no pids":
        rows = tuple(msgspec.structs.replace(each, pid=0, process="") for each in rows)
    seen.asked.listeners["proxy"] = rows
    if shown == "no ss":
        del seen.asked.listeners["proxy"]
    told = {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}
    assert ("haproxy-process/two" in told) is proven


def test_of_a_stopped_haproxy_nothing_is_supposed_that_only_a_running_one_does() -> None:
    seen = read("own-haproxy-stopped+nat-993-to-22")
    assert seen.asked is not None
    seen.asked.listeners.pop("proxy")  # what would prove who has the port
    named = {each.mode.id for cause in explain(World(seen)).causes for each in cause.suspects}
    assert "haproxy-process/stopped" in named
    assert not [id for id in named if id.startswith("haproxy-") and id != "haproxy-process/stopped"]


def test_what_is_said_on_a_port_of_a_server_that_is_up_may_be_haproxys_to_pass_on() -> None:
    """That somebody else answers is proven only where no word can come from HAProxy."""
    seen = read("bad-check+nat-993-to-22")
    assert seen.stats is not None
    seen.stats = msgspec.structs.replace(
        seen.stats,
        servers=tuple(msgspec.structs.replace(row, status="UP", check="L4OK") for row in seen.stats.servers),
    )
    assert "vps-filter/redirect" not in {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}


def test_what_haproxy_dials_in_vain_proves_a_rule_of_its_own_only_where_no_packet_is_lost() -> None:
    seen = read("haproxy-outbound")
    assert seen.asked is not None and seen.asked.dialling == (("10.10.10.214", 10025),)
    (cause,) = explain(World(seen)).causes
    assert (cause.proven, cause.suspects[0].mode.id) == (True, "vps-filter/haproxy-outbound")
    ping = seen.asked.pings["vm"]
    seen.asked.pings["vm"] = msgspec.structs.replace(ping, answered=1)
    assert not [each for each in explain(World(seen)).causes if each.suspects[0].mode.id.startswith("vps-filter/")]


def test_rivals_name_the_servers_of_their_own_lanes_alone() -> None:
    seen = read("haproxy-outbound+imap-off")
    assert seen.asked is not None
    seen.asked.dialling = seen.asked.standing = ()
    world, told = explained(seen)
    (found,) = [each for each in conclude(world, told) if each.id == "CH032"]
    assert "smtp/mailcow" in found.summary and "imaps/mailcow" not in found.summary


def test_what_nobody_reaches_proves_no_rule_on_haproxy() -> None:
    """Its connections stand unanswered there as everybody's do, though nobody in the mail host can say why."""
    seen = read("out-drop-10993")
    assert seen.asked is not None
    seen.asked.dialling = (("10.10.10.214", 10993),)
    LESS_TO_SEE["mail"](seen)
    assert "vps-filter/haproxy-outbound" not in {
        each.mode.id for cause in explain(World(seen)).causes for each in cause.suspects
    }


def test_a_daemon_that_names_the_client_of_a_header_wants_the_header() -> None:
    seen = read("client-restrictions")
    assert "daemon/no-header-wanted" not in {s.mode.id for c in explain(World(seen)).causes for s in c.suspects}


def test_an_error_of_a_server_that_is_up_may_be_its_own() -> None:
    seen = read("all-containers-stopped+http-403")
    assert "haproxy-listener/denies" in {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}
    assert seen.stats is not None
    up = tuple(msgspec.structs.replace(row, status="UP") for row in seen.stats.servers)
    seen.stats = msgspec.structs.replace(seen.stats, servers=up)
    assert "haproxy-listener/denies" not in {c.suspects[0].mode.id for c in explain(World(seen)).causes if c.proven}
