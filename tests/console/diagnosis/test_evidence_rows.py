"""What machines say of themselves stands beside the rung that broke, in one line an operator can act on."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from console.answers import Container, Peer, Tailnet
from console.diagnosis.evidence_rows import contained, moment, tunnelled
from console.diagnosis.judge import judge_lane
from console.diagnosis.tunnel_time import UNTIMED
from console.model import Rung
from console.observation import SweepData
from tests.console.diagnosis.cases import CASES, NOW, stage

LANE = "993/imaps"
VM = "10.10.10.214"


def staged(says: str) -> SweepData:
    return stage(next(case for case in CASES if case.says == says))


def evidence(seen: SweepData, hop: str) -> list[Rung]:
    (reading,) = [each for each in judge_lane(seen, seen.lanes[LANE]) if each.hop == hop]
    return [rung for rung in reading.evidence if rung.name in ("ask", "log")]


DOVECOT = "dovecot-mailcow"


@pytest.mark.parametrize(
    ("container", "outcome", "said"),
    [
        (
            Container(DOVECOT, "exited", status="Exited (137) 2 minutes ago", exit_code=137),
            "failed",
            "dovecot-mailcow exited (137) 2 minutes ago, killed, often for lack of memory",
        ),
        (
            Container(DOVECOT, "exited", status="Exited (0) 5 seconds ago", exit_code=0),
            "failed",
            "dovecot-mailcow exited (0) 5 seconds ago",
        ),
        (Container(DOVECOT, "exited", exit_code=143), "failed", "dovecot-mailcow exited (143), told to end"),
        (
            Container(DOVECOT, "restarting", status="Restarting (89) 4 seconds ago", exit_code=89),
            "failed",
            "dovecot-mailcow restarting (89) 4 seconds ago",
        ),
        (
            Container(DOVECOT, "running", status="Up 3 hours (unhealthy)", health="unhealthy"),
            "failed",
            "dovecot-mailcow up 3 hours (unhealthy)",
        ),
        (Container(DOVECOT, "running", status="Up 3 hours"), "ok", "dovecot-mailcow up 3 hours"),
        (Container("postfix-mailcow", "running"), "failed", "dovecot-mailcow has no container"),
    ],
)
def test_a_stopped_service_shows_its_container(container: Container, outcome: str, said: str) -> None:
    seen = staged("dovecot is stopped")
    seen.containers = (container,)
    (rung,) = evidence(seen, "service")
    assert (rung.name, rung.outcome, rung.detail) == ("ask", outcome, f"docker compose ps: {said}")


def test_of_two_containers_of_a_service_the_one_that_is_ill_is_shown() -> None:
    seen = staged("dovecot is stopped")
    seen.containers = (Container(DOVECOT, "running", "a"), Container(DOVECOT, "exited", "b", exit_code=1))
    (rung,) = contained(seen, seen.lanes[LANE])
    assert rung.detail.endswith("dovecot-mailcow exited (1)")


def test_why_containers_could_not_be_asked_after_is_shown() -> None:
    seen = staged("dovecot is stopped")
    seen.containers_error = 'docker: permission denied on mailcow; add become = "sudo"'
    assert evidence(seen, "service") == [Rung("ask", "unknown", seen.containers_error)]


def test_without_a_failure_nothing_is_added() -> None:
    seen = staged("all well")
    seen.containers, seen.tailnet = (Container(DOVECOT, "exited", exit_code=1),), Tailnet("Stopped")
    assert [evidence(seen, hop) for hop in ("vm", "service")] == [[], []]
    assert [rung.detail for rung in evidence(seen, "tunnel")] == [UNTIMED]


SEEN = datetime(2026, 11, 22, 13, 2, 11, tzinfo=UTC).timestamp()


def home(**given: object) -> Tailnet:
    """A tailnet with the machine that has the route to the mail host."""
    peer = Peer("home", ("100.64.0.2",), (f"{VM.rpartition('.')[0]}.0/24",), **given)  # type: ignore[arg-type]
    return Tailnet("Running", Peer("vps", ("100.64.0.1",), key_expiry=NOW + 9e6), (peer,))


@pytest.mark.parametrize(
    ("tailnet", "outcome", "said"),
    [
        (home(online=False, last_seen=SEEN), "failed", f"peer home offline since {moment(SEEN)}"),
        (home(online=False), "failed", "peer home offline"),
        (
            home(online=False, last_seen=SEEN, expired=True, key_expiry=SEEN),
            "failed",
            f"peer home offline since {moment(SEEN)}, key expired {moment(SEEN)}",
        ),
        (home(online=True, key_expiry=NOW - 60), "failed", f"peer home online, key expired {moment(NOW - 60)}"),
        (home(online=True, relay="tok"), "ok", "peer home online, through relay tok"),
        (home(online=True, relay="tok", direct="192.0.2.9:41641"), "ok", "peer home online, direct to 192.0.2.9:41641"),
        (home(), "ok", "peer home"),
        (Tailnet("NeedsLogin"), "failed", "logged out; run tailscale up"),
        (Tailnet("Stopped"), "failed", "stopped; run tailscale up"),
        (Tailnet("Brandnew"), "failed", "Brandnew"),
        (
            Tailnet("Running", Peer("vps", expired=True, key_expiry=SEEN)),
            "failed",
            f"this machine's key expired {moment(SEEN)}; run tailscale up",
        ),
        (Tailnet("Running"), "unknown", f"no peer has a route to {VM}"),
        (
            Tailnet("Running", None, (Peer("nas", routes=("192.168.0.0/24",), online=False), Peer("tv", online=False))),
            "unknown",
            f"no peer has a route to {VM}; offline: nas",
        ),
    ],
)
def test_a_cut_tunnel_shows_what_tailscale_says(tailnet: Tailnet, outcome: str, said: str) -> None:
    seen = staged("the tunnel is cut")
    seen.tailnet = tailnet
    (rung,) = evidence(seen, "tunnel")
    assert (rung.outcome, rung.detail) == (outcome, f"tailscale: {said}")


def test_a_machine_without_tailscale_has_nothing_to_say_and_one_that_is_mute_says_why() -> None:
    seen = staged("the tunnel is cut")
    seen.tailnet = Tailnet(error="tailscale: not found on vps", absent=True)
    assert evidence(seen, "tunnel") == []
    seen.tailnet = Tailnet(error="tailscale on vps: it is down")
    assert evidence(seen, "tunnel") == [Rung("ask", "unknown", "tailscale on vps: it is down")]


def test_the_narrowest_route_leads_and_an_exit_node_leads_nowhere() -> None:
    wide, narrow = Peer("wide", routes=("10.0.0.0/8",)), Peer("narrow", routes=("10.10.10.0/24",))
    everything = Peer("exit", routes=("0.0.0.0/0", "::/0"))
    tailnet = Tailnet("Running", None, (everything, wide, narrow))
    assert tailnet.toward(VM) is narrow
    assert tailnet.toward("10.9.9.9") is wide
    assert tailnet.toward("192.0.2.1") is None
    assert tailnet.toward("2001:db8::1") is None
    assert tailnet.toward("mail.example.org") is None


def test_a_target_given_by_name_is_looked_up_by_the_address_it_had() -> None:
    seen = staged("the tunnel is cut")
    seen.tailnet = home(online=False)
    ladder = seen.lanes[LANE].vm
    assert ladder is not None
    ladder.target = type(ladder.target)("mail.home.example.org", 10993, "imaps", "v1")
    assert tunnelled(seen, "mail.home.example.org")[0].outcome == "unknown"
    ladder.rungs.insert(0, Rung("resolve", "ok", VM, 1.0))
    assert [rung.detail for rung in evidence(seen, "tunnel") if rung.name == "ask"] == ["tailscale: peer home offline"]


def test_a_header_that_postfix_refused_is_shown_in_its_own_words() -> None:
    seen = staged("the tunnel is cut")
    lane = seen.lanes["25/smtp"]
    assert lane.vm is not None
    lane.vm.rungs, lane.vm.cause = [Rung("connect", "ok", "", 12.0), Rung("greeting", "failed", "421")], "refused"
    lane.vm.said = "421 4.3.2 No system resources"
    line = "Nov 22 19:20:36 mail haproxy/postscreen[7]: warning: haproxy read: bad or missing protocol type: PROXY TCP6"
    seen.logs = {"postfix-mailcow": ("mail postfix/smtpd[8]: connect from x[203.0.113.9]", line)}
    (reading,) = [each for each in judge_lane(seen, lane) if each.hop == "vm"]
    assert reading.evidence[-1] == Rung("log", "failed", line)


def test_times_are_the_operators_own() -> None:
    assert moment(NOW) == time.strftime("%Y-%m-%d %H:%M", time.localtime(NOW))
