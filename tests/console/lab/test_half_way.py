"""From the set-up half-way (no override, Dovecot trusts nobody, blind checks) both flows make every lane well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.engine.lanes import look
from console.estate.load import load
from console.events import FlowEvent, StepChanged
from console.flows import StepContext, registry
from console.lab.client import Lab
from console.lab.plan import site_file
from console.runner.session import Session
from tests.console.flows.walking import agree

FOLDER = "/opt/mailcow-dockerized"


@pytest.fixture
def seed() -> Iterator[Lab]:
    lab = Lab.start_private(seed=True)
    lab.wait()
    yield lab
    mishaps = lab.status()["mishaps"]
    lab.close()
    assert mishaps == []


@pytest.mark.slow
async def test_both_flows_from_half_way_to_every_lane_green_and_then_nothing_to_do(seed: Lab, tmp_path: Path) -> None:
    hosts, estate = seed.hosts(), load(site_file())

    async def lanes() -> dict[str, str]:
        return dict(await look(estate.topology, hosts, {}))

    async def flow(name: str) -> str:
        heard: list[FlowEvent] = []
        world = StepContext(estate, {"mail": hosts["mail"], "proxy": hosts["proxy"]}, {}, {"submission": "no"})
        world.lanes = lambda: look(estate.topology, hosts, {})
        ending = await Session(registry.find(name), world, agree, heard.append, tmp_path).run()
        return ending.words if ending.outcome == "done" else str([e.words for e in heard if isinstance(e, StepChanged)])

    before = await lanes()
    assert [before[each] for each in ("25/smtp", "465/smtps", "993/imaps", "4190/sieve")] == ["failed"] * 4
    assert await flow("proxy-override") == "done, and verified"
    assert await flow("haproxy-listeners") == "done, and verified"
    assert set((await lanes()).values()) == {"ok"}
    override = await hosts["mail"].read(f"{FOLDER}/docker-compose.override.yml")
    assert override.count(b'"10.10.10.214:') == 4
    assert b"haproxy_trusted_networks = 10.10.10.1\n" in await hosts["mail"].read(
        f"{FOLDER}/data/conf/dovecot/extra.conf"
    )
    for name in ("proxy-override", "haproxy-listeners"):
        assert await flow(name) == "nothing to do: everything is as it should be"


async def test_an_override_that_is_open_to_all_is_narrowed(tmp_path: Path) -> None:
    lab = Lab.start_private()
    try:
        lab.wait()
        hosts, heard = lab.hosts(), list[FlowEvent]()
        world = StepContext(load(site_file()), {"mail": hosts["mail"], "proxy": hosts["proxy"]})
        ending = await Session(registry.find("proxy-override"), world, agree, heard.append, tmp_path).run()
        stood = [event for event in heard if isinstance(event, StepChanged)]
        assert ending.words == "done, and verified", [event.words for event in stood]
        told = next(event.evidence for event in stood if event.state == "so")
        assert told[0].startswith("danger: 0.0.0.0:10025 → postfix-mailcow 10025: whoever reaches it may claim")
        override = await hosts["mail"].read(f"{FOLDER}/docker-compose.override.yml")
        assert b"0.0.0.0" not in override
    finally:
        lab.close()
