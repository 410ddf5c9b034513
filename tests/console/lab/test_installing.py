"""The lab whose VM is as OpenTofu made it: Mailcow is installed there, and then every lane can be made well."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.engine.lanes import look
from console.errors import Refused
from console.estate.load import load
from console.events import FlowEvent, StepChanged
from console.flows import StepContext, registry
from console.flows.haproxy_listeners.program import INSTALL, REMOVE
from console.lab.client import Lab
from console.lab.network.addresses import PUBLIC
from console.lab.plan import CONFIGURATION, site_file
from console.runner.session import Session
from tests.console.flows.walking import agree

DISKS = ("mailcow_opt", "mailcow_var_lib_docker")


@pytest.mark.slow
async def test_from_an_empty_vm_first_setup_makes_every_lane_green_and_leaves_nothing_to_do(tmp_path: Path) -> None:
    lab = Lab.start_private(empty=True)
    try:
        lab.wait(60)
        hosts, estate = lab.hosts(), load(site_file())

        async def flow(name: str, dry: bool = False) -> str:
            heard: list[FlowEvent] = []
            machines = {host.role: host for host in hosts.values()}
            world = StepContext(estate, machines, {}, {"submission": "no", "snapshot": "take"}, DISKS)
            world.lanes = lambda: look(estate.topology, hosts, {})
            ending = await Session(registry.find(name), world, agree, heard.append, None if dry else tmp_path).run()
            said = [event.words for event in heard if isinstance(event, StepChanged)]
            return ending.words if ending.outcome == ("planned" if dry else "done") else f"{ending.words}: {said}"

        assert "no volume is mounted at /var/lib/docker and /opt" in await flow("install-mailcow")
        assert await flow("first-setup", dry=True) == "this is what would be done; nothing was changed"
        proven = "the server sees the real client: 6 of 10 answers prove it, 4 more likely so"
        assert (await flow("first-setup")).startswith(proven)
        assert set(dict(await look(estate.topology, hosts, {})).values()) == {"ok"}
        for name in ("mount-volumes", "install-mailcow", "proxy-override", "haproxy-listeners", "certificate-sync"):
            assert await flow(name) == "nothing to do: everything is as it should be", name
        assert lab.status()["mishaps"] == []
    finally:
        lab.close()


async def test_haproxy_of_the_lab_listens_from_its_installation_to_its_removal() -> None:
    lab = Lab.start_private(empty=True)
    try:
        lab.wait(60)
        vps, here = lab.hosts()["proxy"], lab.hosts()["here"]

        async def listens() -> bool:
            try:
                (await here.connect(PUBLIC[0], 443, 5.0)).close()
            except Refused:
                return False
            return True

        assert not await listens()
        assert (await vps.run(["sh", "-c", INSTALL], 5.0)).status == 0
        assert await listens()
        removal = ["sh", "-c", REMOVE, "sh", CONFIGURATION]
        kept = await vps.read(CONFIGURATION)
        await vps.write(CONFIGURATION, kept + b"# mine\n", 0o644)
        assert b"is not as the package brought it" in (await vps.run(removal, 5.0)).stderr and await listens()
        await vps.write(CONFIGURATION, kept, 0o644)
        assert (await vps.run(removal, 5.0)).status == 0
        assert not await listens()
    finally:
        lab.close()


async def test_in_the_whole_lab_mailcow_is_adopted(tmp_path: Path) -> None:
    lab = Lab.start_private()
    try:
        lab.wait(60)
        heard: list[FlowEvent] = []
        world = StepContext(load(site_file()), {"mail": lab.hosts()["mail"]})
        ending = await Session(registry.find("install-mailcow"), world, agree, heard.append, tmp_path).run()
        assert ending.words == "nothing to do: everything is as it should be"
        first = next(event for event in heard if isinstance(event, StepChanged) and event.state == "so")
        assert first.words == "Mailcow 2026-08 is there, with 3 containers: it is taken as it is"
    finally:
        lab.close()
