"""Every fault on the real daemons: the finding it must give and no other, at its hop, as the shipped lab has it too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from console.engine.sweeps import Sweeps
from console.lab.client import Lab
from console.ladders import Ladder
from console.model import HOPS, Outcome, Reading
from console.observation import LaneData
from tests.console.lab.conftest import until
from tests.reallab import inside
from tests.reallab.faults import FAULTS, MAIL, Fault
from tests.reallab.lab import RealLab
from tests.reallab.sweeping import EXIT, check, found, look, observed, outcomes, site

SEED = (inside.SEED / "haproxy.cfg").read_text()
GRAVE: tuple[Outcome, ...] = ("ok", "unknown", "skipped", "degraded", "failed")


@pytest.fixture(scope="module")
def broken(request: pytest.FixtureRequest, standing: RealLab) -> Iterator[Fault]:
    """The session's lab with one fault in it."""
    fault = FAULTS[request.param]
    standing.recover()
    fault.break_(standing)
    try:
        if standing.servers():
            standing.settle(*fault.down)
        yield fault
    finally:
        fault.heal(standing)
        standing.recover()


def every(*, shipped: bool = False, ssh: bool = False, only: bool = False) -> pytest.MarkDecorator:
    """All faults that can be seen; `shipped` those the shipped lab has too, `ssh` more, `only` none but those."""
    wanted = (fault for fault in FAULTS.values() if (fault.ssh and ssh) or not (fault.ssh or only))
    ids = [fault.id for fault in wanted if fault.twin or not shipped]
    return pytest.mark.parametrize("broken", ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def seen(broken: Fault, standing: RealLab, tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    """What one sweep sees of the fault, from sockets made on the machines themselves."""
    told = standing.read("vps", "/etc/haproxy/mail.cfg") if broken.told else ""
    return asyncio.run(look(inside.hosts(standing), tmp_path_factory.mktemp("estate"), told))


def worst(sweeps: Sweeps) -> dict[str, Reading]:
    """The gravest reading of each lane, the leftmost of those."""
    gravest: dict[str, Reading] = {}
    for reading in sorted(sweeps.readings.values(), key=lambda reading: HOPS.index(reading.hop)):
        known = gravest.get(reading.lane)
        if known is None or GRAVE.index(reading.outcome) > GRAVE.index(known.outcome):
            gravest[reading.lane] = reading
    return gravest


@every()
def test_a_fault_gives_its_finding_and_no_other(broken: Fault, seen: Sweeps) -> None:
    assert seen.findings is not None
    if broken.chance and found(seen) == list(broken.chance):
        return  # a header or a whole handshake was lost: it is said that packets are
    assert found(seen) == list(broken.findings), seen.findings.findings
    assert seen.findings.verdict == broken.verdict
    shown = {int(lane.partition("/")[0]): (reading.hop, reading.outcome) for lane, reading in worst(seen).items()}
    if broken.outcome != "ok":
        touched = {port: at for port, at in shown.items() if at == (broken.hop, broken.outcome)}
        assert set(touched) == set(broken.lanes), shown
    assert any(set(broken.lanes) <= {int(lane.partition("/")[0]) for lane in finding.lanes}
               for finding in seen.findings.findings) or not broken.findings  # fmt: skip


@pytest.mark.parametrize("broken", ["dovecot-wrong-peer"], indirect=True, scope="module")
def test_the_peer_that_dovecot_must_trust_is_read_from_its_log(seen: Sweeps) -> None:
    assert seen.findings is not None
    (finding,) = seen.findings.findings
    assert finding.summary == "Dovecot does not trust the proxy 10.10.10.1, lanes 993 and 4190"
    assert finding.remedy.startswith("haproxy_trusted_networks = 10.10.10.1 ")


@pytest.mark.parametrize("broken", ["dovecot-wrong-peer"], indirect=True, scope="module")
def test_who_may_not_read_the_log_reads_it_by_sudo(broken: Fault, standing: RealLab) -> None:
    _, answer = check(standing, site(standing, "cow"))
    (finding,) = [each for each in answer["findings"] if each["observed"] and each["id"] != "CH088"]
    assert finding["summary"] == "Dovecot does not trust the proxy 10.10.10.1, lanes 993 and 4190"


# ── as the operator does it: cowhand check, through OpenSSH ─────────────────────────────────────────────────────────


@every(ssh=True)
def test_check_says_so_to_an_operator(broken: Fault, standing: RealLab) -> None:
    if broken.fleeting:
        broken.break_(standing)
        standing.settle(*broken.down)
    running = standing.read("vps", "/etc/haproxy/mail.cfg")
    standing.write("oper", "/root/site/haproxy.cfg", running if broken.told else SEED)
    try:
        status, answer = check(standing)
    finally:
        standing.write("oper", "/root/site/haproxy.cfg", SEED)
    if broken.chance and observed(answer) == list(broken.chance):
        return
    assert observed(answer) == list(broken.findings)
    assert (answer["verdict"], status) == (broken.verdict, EXIT[broken.verdict])
    there = outcomes(answer, broken.hop)
    assert {port: there[port] for port in broken.lanes} == dict.fromkeys(broken.lanes, broken.outcome)


@every(ssh=True, only=True)
def test_what_could_not_be_looked_at_is_said_and_the_rest_is_judged(broken: Fault, standing: RealLab) -> None:
    _, answer = check(standing)
    gone = broken.id == "sshd-gone"
    begins = "could not look from vps: " if gone else "the host key of vps CHANGED, nothing was asked from there: "
    assert answer["cause"].startswith(begins)
    assert not gone or "refused" in answer["cause"]
    assert set(outcomes(answer, "public").values()) == {"ok"}
    assert set(outcomes(answer, "service").values()) == {"ok"}
    assert set(outcomes(answer, "tunnel").values()) == set(outcomes(answer, "vm").values()) == {"unknown"}
    unheard = dict.fromkeys(MAIL, "unknown")  # no given file names the server of 443, whose opinion nobody asks
    assert outcomes(answer, "haproxy") == unheard | {443: "ok"}


# ── agreement ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def twin(broken: Fault, shipped: Lab) -> AsyncIterator[Lab]:
    """The shipped lab with the same fault in it."""
    assert broken.twin is not None
    shipped.break_(broken.twin)
    yield shipped
    shipped.heal()


@every(shipped=True)
async def test_the_shipped_lab_reads_the_same(standing: RealLab, seen: Sweeps, twin: Lab, tmp_path: Path) -> None:
    downs = {name: row.status for name, row in standing.servers().items() if name != "web"}

    async def imitated() -> Sweeps:
        return await look(dict(twin.hosts()), tmp_path)

    def has_made_up_its_mind(sweeps: Sweeps) -> bool:
        stats = sweeps.seen.stats if sweeps.seen else None
        told = {row.proxy: row.status for row in (stats.servers if stats else ())}
        return all(told.get(name) == status for name, status in downs.items())

    shipped = await until(imitated, has_made_up_its_mind, 15)
    assert differences(seen, shipped) == []


def differences(real: Sweeps, shipped: Sweeps) -> list[object]:
    """Where the two labs' ladders, cells and findings are not alike; how long something took is no difference."""
    assert real.seen is not None and shipped.seen is not None and real.findings and shipped.findings
    apart: list[object] = []
    for lane, seen in real.seen.lanes.items():
        pairs = zip(_ladders(seen), _ladders(shipped.seen.lanes[lane]), strict=True)
        apart += [(lane, _end(one), _end(other)) for one, other in pairs if _end(one) != _end(other)]
    apart += [
        (_cell(one), _cell(shipped.readings[key]))
        for key, one in real.readings.items()
        if _cell(one) != _cell(shipped.readings[key])
    ]
    told, imitated = ([(f.id, f.severity, f.hop, f.lanes) for f in each.findings.findings if each.findings]
                      for each in (real, shipped) if each.findings)  # fmt: skip
    return apart if told == imitated else [*apart, told, imitated]


def _ladders(lane: LaneData) -> list[Ladder]:
    return [*lane.public.values(), *(ladder for ladder in (lane.vm, lane.service) if ladder)]


def _end(ladder: Ladder) -> tuple[object, ...]:
    return ladder.vantage, ladder.target, ladder.cause, [(rung.name, rung.outcome) for rung in ladder.rungs]


def _cell(reading: Reading) -> tuple[str, ...]:
    return reading.lane, reading.hop, reading.outcome, re.sub(r"^(<?[\d.]+ m?s|up|slow)$", "time", reading.word)
