"""After a failure, and only then, the machines are asked why; in the shipped lab, with its own commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

import assets
from console.engine.sweeps import Sweeps
from console.estate.load import load
from console.events import Event, ReadingsChanged
from console.facts import containers, tailscale
from console.hosts.recorded import Recorded
from console.lab.client import Lab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A private lab."""
    lab = Lab.start_private()
    lab.wait()
    yield lab
    lab.close()


@pytest.fixture
def sweeps(lab: Lab) -> Iterator[tuple[Sweeps, list[Event], deque[str]]]:
    """The sweeps of the lab, what it told, and its command log."""
    told: list[Event] = []
    lines: deque[str] = deque()
    topology = load(Path(assets.__file__).parent / "lab" / "site.toml").topology
    hosts = {role: Recorded(host, lines) for role, host in lab.hosts().items()}
    yield Sweeps(topology, hosts, {}, told.append), told, lines
    lab.heal()


Observed = tuple[Sweeps, list[Event], deque[str]]


def commands(lines: deque[str]) -> list[str]:
    return [line for line in lines if "docker" in line or "tailscale" in line]


async def test_while_all_is_well_no_machine_is_asked_why(sweeps: Observed) -> None:
    looked, _, lines = sweeps
    seen = await looked.sweep()
    assert looked.findings is not None and looked.findings.verdict == "well"
    assert commands(lines) == []
    assert (seen.containers, seen.tailnet, seen.logs) == ((), None, {})


async def test_a_stopped_service_brings_its_containers_and_is_told_once(lab: Lab, sweeps: Observed) -> None:
    looked, told, lines = sweeps
    lab.break_("service-stopped")
    seen = await looked.sweep()
    assert {each.service: each.state for each in seen.containers}["dovecot-mailcow"] == "exited"
    assert seen.tailnet is None
    detail = looked.readings["993/imaps", "service"].evidence[-1].detail
    assert detail.startswith("docker compose ps: dovecot-mailcow exited (0) ")
    assert [line for line in commands(lines) if " ps " in line]
    told.clear()
    await looked.sweep()
    again = [reading for each in told if isinstance(each, ReadingsChanged) for reading in each.readings]
    assert [reading for reading in again if reading.hop == "service"] == []  # HAProxy takes its time to notice


async def test_a_distrusted_proxy_brings_the_log_and_is_told_once(lab: Lab, sweeps: Observed) -> None:
    looked, told, _ = sweeps
    lab.break_("dovecot-untrusted-proxy")
    await looked.sweep()
    assert "not trusted (rip=10.10.10.1)" in looked.readings["993/imaps", "vm"].evidence[-1].detail
    told.clear()
    await looked.sweep()
    again = [reading for each in told if isinstance(each, ReadingsChanged) for reading in each.readings]
    assert [reading for reading in again if reading.hop == "vm"] == []


async def test_a_cut_tunnel_brings_what_tailscale_says(lab: Lab, sweeps: Observed) -> None:
    looked, _, lines = sweeps
    lab.break_("tunnel-cut")
    seen = await looked.sweep()
    assert seen.tailnet is not None and seen.tailnet.state == "Running"
    for lane in seen.lanes:
        assert looked.readings[lane, "tunnel"].evidence[-1].detail.startswith("tailscale: peer home offline since ")
    asked = [line for line in commands(lines) if "docker" in line]
    assert asked and not [line for line in asked if " ps " not in line]  # nobody was talked to, so no log tells


async def test_the_labs_own_answers_are_read_as_real_ones_are(lab: Lab) -> None:
    hosts = lab.hosts()
    told = await containers.ask(hosts["mail"])
    assert told.error == "" and all(each.well for each in told.found)
    assert {"dovecot-mailcow", "postfix-mailcow", "nginx-mailcow"} <= {each.service for each in told.found}
    tailnet = await tailscale.ask(hosts["proxy"])
    peer = tailnet.toward("10.10.10.214")
    assert (tailnet.error, peer.name if peer else "", peer.online if peer else None) == ("", "home", True)
    assert (await tailscale.ask(hosts["mail"])).absent
