"""Incus by pylxd, over a socket that is carried: what is read, what is told as it happens, and what is given up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.errors import HostError, NoWayIn, Refused, TimedOut
from console.facts.incus import machine
from console.formats import incus as formats
from console.hosts.local import Local
from console.incus import client, seen
from console.incus.seen import Change, Seen
from console.incus.way import carried, https
from tests.console.incus.standin import RECORDED, STOPPED, Incus


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "s"


async def look(incus: Incus, socket: Path) -> Seen:
    async with incus.serving(socket) as path, carried(Local(), path=path) as way:
        return await client.look(way)


async def test_what_incus_6_said_is_read_over_a_carried_socket(socket: Path) -> None:
    found = await look(Incus(), socket)
    (guest,), (volume,) = found.guests, found.volumes
    assert (found.server, found.version, found.clustered) == ("home", "incus 6.0.4", False)
    assert (guest.machine.name, guest.machine.status, guest.machine.snapshots) == ("mailcow", "Running", ("before",))
    assert guest.machine.volumes == (("opt", "default", "mailcow_opt"),)
    assert (guest.memory, round(guest.cpu, 3), guest.agent) == (401408, 0.007, None)
    assert (volume.name, volume.used, volume.snapshots) == ("mailcow_opt", ("mailcow",), ("s1",))
    assert formats.lines(found, ("mailcow", "web"))[:3] == [
        "incus 6.0.4 on home", "✓ mailcow  Running, container", formats.lines(found, ())[2],
    ]  # fmt: skip
    assert "✗ web  the files declare it, and Incus has none" in formats.lines(found, ("mailcow", "web"))


async def test_all_projects_are_looked_at_but_for_one_that_is_named(socket: Path) -> None:
    incus = Incus()
    await look(incus, socket)
    assert "/1.0/instances?recursion=2&all-projects=true" in incus.asked


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "ALL_PROXY"])
async def test_the_environment_decides_nothing(socket: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert (await look(Incus(), socket)).server == "home"


async def test_an_event_is_told_as_it_happens_and_the_end_of_the_stream_too(socket: Path) -> None:
    incus, heard = Incus(), asyncio.Queue[Change]()
    async with incus.serving(socket) as path, carried(Local(), path=path) as way:
        ready = asyncio.Event()
        task = asyncio.ensure_future(client.follow(way, heard.put_nowait, ready.set))
        await ready.wait()
        await incus.heard_of.wait()
        incus.tell({"type": "logging", "metadata": {}})
        incus.tell(STOPPED)
        found = await asyncio.wait_for(heard.get(), 60)
        assert found == Change("mailcow", "default", "instance-stopped", "2026-11-27T16:48:14.777031276Z")
        assert formats.change(found) == "16:48:14 mailcow  stopped"
        incus.hang_up()
        await asyncio.wait_for(task, 60)


async def test_a_server_that_says_nothing_is_given_up(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LIMIT", 0.2)
    with pytest.raises(TimedOut, match=r"did not answer within 0\.2 s"):
        await look(Incus(mute=True), socket)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", {"metadata": []}, {"metadata": {"environment": {}}}])
async def test_what_is_no_incus_is_said_to_be_none(socket: Path, answer: object) -> None:
    with pytest.raises(HostError, match="Incus"):
        await look(Incus(answers={"/1.0": answer}), socket)


async def test_one_that_does_not_trust_us_is_a_sentence(socket: Path) -> None:
    untrusted = {**RECORDED["/1.0"], "metadata": {**RECORDED["/1.0"]["metadata"], "auth": "untrusted"}}
    with pytest.raises(NoWayIn, match="incus config trust add-certificate"):
        await look(Incus(answers={"/1.0": untrusted}), socket)


async def test_a_host_without_a_socket_says_where_it_was_looked_for() -> None:
    with pytest.raises(Refused, match="Incus has no socket on here"):
        async with carried(Local(), path="/nowhere/unix.socket"):
            pass


async def test_files_of_https_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoWayIn, match="cannot be read"):
        await client.look(https("https://127.0.0.1:1", tmp_path / "a", tmp_path / "b", tmp_path / "c"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/1.0/instances/mailcow", "mailcow"),
        ("/1.0/virtual-machines/mailcow?project=mail", "mailcow"),
        ("/1.0/instances/mailcow/snapshots/x", None),
        ("/1.0/storage-pools/default", None),
        ("", None),
    ],
)
def test_events_about_an_instance_itself_are_told(source: str, name: str | None) -> None:
    found = seen.change({"type": "lifecycle", "metadata": {"action": "instance-started", "source": source}})
    assert (found.name if found else None) == name


def test_a_vm_without_agent_is_told_apart_from_one_that_is_stopped() -> None:
    row = {"name": "vm", "type": "virtual-machine", "status": "Running", "state": {"processes": -1}}
    assert seen.guest(row).agent is False
    assert seen.guest({**row, "state": {"processes": 120}}).agent is True
    assert seen.guest({**row, "status": "Stopped"}).agent is None


def test_pylxd_is_imported_only_where_incus_is_asked() -> None:
    script = (
        "import sys, console.commands.incus, console.incus.client, console.incus.way; print('pylxd' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("row", "networked"),
    [
        ({"expanded_devices": {"eth0": {"type": "nic"}, "root": {"type": "disk"}}}, True),
        ({"expanded_devices": {"card": {"type": "pci"}}}, True),
        ({"expanded_devices": {"root": {"type": "disk"}}}, False),
        ({"expanded_devices": {}, "expanded_config": {"raw.qemu": "-netdev user,id=n"}}, None),
        ({"expanded_devices": {}, "expanded_config": {"raw.lxc": "lxc.net.0.type = veth"}}, None),
        ({"devices": {"root": {"type": "disk"}}}, None),
    ],
    ids=["nic", "card", "none", "by hand in QEMU", "by hand in LXC", "not told"],
)
def test_a_machine_without_a_network_is_one_that_nothing_connects(row: dict[str, Any], networked: bool | None) -> None:
    assert machine({"name": "vm", "type": "virtual-machine", **row}).networked is networked
