"""Two faults of which one nearly hides the other: each is told where a fact shows it, and not where it does not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Route
from console.diagnosis.explain import explain
from console.diagnosis.world import World
from console.model import Instance
from console.observation import SweepData
from tests.drill.record import read


def told(seen: SweepData) -> set[str]:
    """Return what is proven."""
    return {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}


def guessed(seen: SweepData) -> set[str]:
    """Return what is said among rivals."""
    return {each.mode.id for cause in explain(World(seen)).causes if not cause.proven for each in cause.suspects}


# ── HAProxy's own connections, where the daemon lets nobody talk ────────────────────────────────────────────────────

TARGET = ("10.10.10.214", 10025)


@pytest.mark.parametrize("dialling", [None, (), (("10.10.10.214", 10465),), (TARGET,)])
def test_a_rule_on_haproxy_is_proven_beside_a_daemon_that_lets_nobody_talk_by_two_unanswered_connections(
    dialling: tuple[tuple[str, int], ...] | None,
) -> None:
    seen = read("no-proxy-on-10025+haproxy-outbound")
    assert seen.asked is not None
    seen.asked.dialling = dialling
    assert ("vps-filter/haproxy-outbound" in told(seen)) == (dialling == (TARGET,))
    assert "daemon/no-header-wanted" in told(seen)


def test_one_unanswered_connection_of_haproxys_is_a_reason_to_name_a_rule_among_others() -> None:
    seen = read("no-proxy-on-10025+haproxy-outbound")
    assert "vps-filter/haproxy-outbound" in guessed(seen)
    assert seen.asked is not None
    seen.asked.standing = ()
    assert "vps-filter/haproxy-outbound" not in told(seen) | guessed(seen)


def test_one_unanswered_connection_of_haproxys_is_proof_where_the_daemon_talks_and_no_client_hears_it() -> None:
    seen = read("own-dovecot-wrong-peer+haproxy-outbound")
    assert "vps-filter/haproxy-outbound" in told(seen)
    lane = seen.lanes["25/smtp"]
    address = next(iter(lane.public))
    lane.public[address] = replace(lane.public[address], cause="closed", after=0.1)
    assert "vps-filter/haproxy-outbound" not in told(seen)


@pytest.mark.parametrize("lost", ["ping", "connection"])
def test_where_packets_are_lost_one_unanswered_connection_is_no_proof(lost: str) -> None:
    seen = read("own-dovecot-wrong-peer+haproxy-outbound")
    assert seen.asked is not None
    if lost == "ping":
        seen.asked.pings["vm"] = replace(seen.asked.pings["vm"], answered=1)
    else:
        behind = seen.lanes["465/smtps"].vm
        assert behind is not None
        behind.rungs[0] = replace(behind.rungs[0], ms=1020.0)
    assert "vps-filter/haproxy-outbound" not in told(seen)


def test_a_rule_of_haproxys_is_named_among_others_where_it_has_ended_connections_before() -> None:
    seen = read("wan-loss+content-reject")
    assert "haproxy-listener/rejects-us" in guessed(seen) - told(seen)
    assert seen.stats is not None
    seen.stats = replace(seen.stats, frontends=tuple(replace(f, dropped=0) for f in seen.stats.frontends))
    assert "haproxy-listener/rejects-us" not in guessed(seen) | told(seen)


def test_a_daemon_that_said_something_to_the_proxy_is_not_said_to_greet_late() -> None:
    assert "daemon/slow-greeting" not in guessed(read("no-proxy-on-10025+haproxy-outbound"))


# ── a listener that one family lacks, where nothing of that family arrives ──────────────────────────────────────────


def without_listeners(seen: SweepData, six: bool, but: int) -> SweepData:
    assert seen.asked is not None
    known = seen.asked.listeners["proxy"]
    seen.asked.listeners["proxy"] = tuple(e for e in known if (":" in e.address) != six or e.port == but)
    return seen


def test_a_listener_that_one_port_lacks_is_told_beside_a_lost_family() -> None:
    assert told(read("vps-lost-v6+v4-only-993")) == {"vps/lost-family", "haproxy-listener/absent"}
    assert told(read("vps-lost-v6")) == {"vps/lost-family"}


def test_where_haproxy_listens_over_that_family_nowhere_no_port_lacks_it() -> None:
    seen = without_listeners(read("vps-lost-v6+v4-only-993"), six=True, but=22)
    assert told(seen) == {"vps/lost-family"}


def test_what_nobody_could_ask_is_not_absent() -> None:
    seen = read("vps-lost-v6+v4-only-993")
    assert seen.asked is not None
    del seen.asked.listeners["proxy"]
    assert told(seen) == {"vps/lost-family"}


# ── a filter before a port that the proxy is refused at itself ──────────────────────────────────────────────────────


def test_a_port_that_refuses_the_proxy_at_once_and_is_silent_from_here_is_filtered() -> None:
    proven = {"vps/other-program", "haproxy-process/stopped", "vps-filter/drop"}
    assert told(read("fw-drop-993+other-program-on-443")) == proven


def test_a_port_that_is_silent_to_the_proxy_itself_as_well_is_not_said_to_be_filtered() -> None:
    seen = read("fw-drop-993+other-program-on-443")
    for ladder in seen.lanes["993/imaps"].itself.values():
        ladder.cause = "timeout"
    assert "vps-filter/drop" not in told(seen)


def test_a_family_that_refuses_on_some_port_is_not_said_to_be_lost() -> None:
    seen = read("v6-blackhole")
    assert told(seen) == {"vps-filter/drop-family"}
    lane = seen.lanes["465/smtps"]
    six = next(address for address in lane.public if ":" in address)
    refused = replace(lane.public[six], cause="refused")
    lane.public[six] = refused
    assert "vps-filter/drop-family" not in told(seen) | guessed(seen)


# ── a mail host that moved, and lets us in another way ──────────────────────────────────────────────────────────────


def declared(seen: SweepData, *addresses: str) -> SweepData:
    where = seen.topology.lanes[0].source
    vm = Instance("mailcow", "virtual-machine", None, None, None, addresses, where)
    seen.topology = replace(seen.topology, instances=(vm,))
    return seen


def test_a_moved_mail_host_is_named_and_proven_only_where_the_files_give_it_the_address_that_is_dialled() -> None:
    assert (told(read("vm-moved-open")), guessed(read("vm-moved-open"))) == (set(), {"vm/other-address"})
    assert told(declared(read("vm-moved-open"), "10.10.10.214")) == {"vm/other-address"}
    assert told(declared(read("vm-moved-open"), "10.10.10.99")) == set()


@pytest.mark.parametrize(("device", "via", "source"), [("lo", "", "10.10.10.214"), ("eth0", "10.9.0.1", "10.9.0.5")])
def test_a_mail_host_that_has_the_address_or_is_in_another_network_did_not_move(
    device: str, via: str, source: str
) -> None:
    seen = declared(read("vm-moved-open"), "10.10.10.214")
    assert seen.asked is not None
    seen.asked.home = Route("10.10.10.214", device, via, source=source)
    assert "vm/other-address" not in told(seen) | guessed(seen)
    assert told(seen) == {"vm/no-way-back"}


def test_where_its_own_address_could_not_be_asked_a_mail_host_that_lets_us_in_is_not_said_to_have_moved() -> None:
    seen = declared(read("vm-moved-open"), "10.10.10.214")
    assert seen.asked is not None
    seen.asked.home = seen.asked.back = None
    assert "vm/other-address" not in told(seen) | guessed(seen)


# ── a daemon that is just being started anew ────────────────────────────────────────────────────────────────────────


def test_nginx_that_waits_for_its_last_clients_is_not_said_to_lack_its_listener() -> None:
    seen = read("own-tunnel-lossy+nginx-404")
    assert "daemon/listener-absent" not in told(seen)
    assert seen.asked is not None and seen.asked.programs is not None
    seen.asked.programs = tuple(p for p in seen.asked.programs if "shutting down" not in p.words)
    assert "daemon/listener-absent" in told(seen)
