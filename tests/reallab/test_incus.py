"""cowhand's own client against a real Incus 6: what it reads, what it is told as it happens, and HTTPS with a pin."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.facts import incus as listed
from console.hosts.local import Local
from console.incus import client
from console.incus.seen import Change, Guest, Kept, Seen
from console.incus.way import carried
from tests.reallab.incus import Incus
from tests.reallab.provisioned import SEED
from tests.reallab.warden import PROJECT

PATIENCE = 90.0


async def look(incus: Incus, project: str = "") -> Seen:
    async with carried(Local(), project, str(incus.socket)) as way:
        return await client.look(way)


@pytest.fixture(scope="module")
def vm(incus: Incus) -> Iterator[Incus]:
    """A VM with a block volume and a snapshot, and one in a project of its own."""
    incus.volume("mailcow_opt", "64MiB")
    incus.ask("POST", "/1.0/storage-pools/default/volumes/custom/mailcow_opt/snapshots", {"name": "s1"})
    incus.vm("mailcow", {"opt": "mailcow_opt"})
    incus.ask("POST", "/1.0/instances/mailcow/snapshots", {"name": "before"})
    features = {"features.images": "false", "features.profiles": "false", "features.storage.volumes": "true"}
    incus.ask("POST", "/1.0/projects", {"name": "other", "config": features})
    incus.volume("mailcow_opt", "16MiB", "other")
    incus.vm("mailcow", {"opt": "mailcow_opt"}, "other")
    incus.turn("mailcow", "start")
    yield incus
    for project in ("default", "other"):
        if incus.ask("GET", f"/1.0/instances/mailcow?project={project}")["status"] == "Running":
            incus.turn("mailcow", "stop", project)
        incus.ask("DELETE", f"/1.0/instances/mailcow?project={project}")
        incus.ask("DELETE", f"/1.0/storage-pools/default/volumes/custom/mailcow_opt?project={project}")
    incus.ask("DELETE", "/1.0/projects/other")


def guest(seen: Seen, project: str) -> Guest:
    return next(each for each in seen.guests if each.machine.project == project)


async def test_vms_volumes_and_snapshots_of_all_projects_are_read(vm: Incus) -> None:
    found = await look(vm)
    assert found.version.startswith("incus 6.0") and not found.clustered
    ours, theirs = guest(found, "default"), guest(found, "other")
    assert (ours.machine.name, ours.machine.type, ours.machine.status) == ("mailcow", "virtual-machine", "Running")
    assert ours.machine.snapshots == ("before",) and ours.agent is False and ours.started.startswith("20")
    assert (theirs.machine.status, theirs.agent, theirs.started) == ("Stopped", None, "")
    for each in (ours, theirs):
        assert each.machine.volumes == (("opt", "default", "mailcow_opt"),)
        assert each.machine.settings == {"limits.cpu": "1", "limits.memory": "256MiB", "root": "1GiB"}
    assert found.volumes == (
        Kept("mailcow_opt", "default", "default", "block", "64MiB", ("mailcow",), ("s1",)),
        Kept("mailcow_opt", "default", "other", "block", "16MiB", ("mailcow",), ()),
    )


async def test_one_project_that_is_named_is_looked_at_alone(vm: Incus) -> None:
    found = await look(vm, "other")
    assert [each.machine.project for each in found.guests] == ["other"]
    assert [each.project for each in found.volumes] == ["other"]


def test_its_own_command_says_the_same_of_the_instances(vm: Incus) -> None:
    told = {each.project: each for each in listed.parse(vm.run(*listed.EVERYWHERE))}
    assert told == {each.machine.project: each.machine for each in asyncio.run(look(vm)).guests}
    assert {each.project for each in listed.parse(vm.run(*listed.COMMAND))} == {"default"}


async def test_an_instance_that_stops_is_told_as_it_happens(vm: Incus) -> None:
    heard, ready = asyncio.Queue[Change](), asyncio.Event()
    async with carried(Local(), "", str(vm.socket)) as way:
        following = asyncio.ensure_future(client.follow(way, heard.put_nowait, ready.set))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        for action in ("start", "stop"):
            await asyncio.to_thread(vm.turn, "mailcow", action, "other")
        found: list[Change] = []
        while not any(each.what in ("instance-stopped", "instance-shutdown") for each in found):
            found.append(await asyncio.wait_for(heard.get(), PATIENCE))
        following.cancel()
        await asyncio.wait({following})
    assert {(each.name, each.project) for each in found} == {("mailcow", "other")}
    assert found[0].what == "instance-started"
    assert guest(await look(vm), "other").machine.status == "Stopped"


async def test_a_vm_whose_process_dies_is_told_to_have_stopped(vm: Incus) -> None:
    pid = vm.ask("GET", "/1.0/instances/mailcow/state")["pid"]
    heard, ready = asyncio.Queue[Change](), asyncio.Event()
    async with carried(Local(), "", str(vm.socket)) as way:
        following = asyncio.ensure_future(client.follow(way, heard.put_nowait, ready.set))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        vm.run("kill", "-KILL", str(pid))
        change = await asyncio.wait_for(heard.get(), PATIENCE)
        following.cancel()
        await asyncio.wait({following})
    assert (change.name, change.project) == ("mailcow", "default")
    vm.turn("mailcow", "start")


VOLUMES = """\
[sources]
opentofu = ["mailcow.tf"]
[hosts.home]
role = "hypervisor"
local = true
[hosts.mail]
role = "mail"
via = "home"
incus = "NAME"
"""


@pytest.mark.parametrize(
    ("instance", "project", "why"),
    [
        ("mailcow", "default", "VM agent isn't currently running"),
        ("mailcow", "other", "Instance is not running"),
        ("elsewhere", "default", "Instance not found"),
    ],
    ids=["no agent", "stopped", "none"],
)
def test_into_a_vm_that_nobody_answers_in_no_volume_is_mounted_and_why_is_said(
    vm: Incus, tmp_path: Path, instance: str, project: str, why: str
) -> None:
    vm.run("incus", "project", "switch", project)
    (tmp_path / "mailcow.tf").write_text(SEED.read_text())
    (tmp_path / "site.toml").write_text(VOLUMES.replace("NAME", instance))
    argv = [sys.executable, "-m", "console", "--site", str(tmp_path / "site.toml"), "flow", "mount-volumes", "--yes"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path.parent / "state"), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(vm.inside(*argv), capture_output=True, text=True, env=environment, timeout=PATIENCE,
                          check=False)  # fmt: skip
    vm.run("incus", "project", "switch", "default")
    assert done.returncode == 1, done.stdout + done.stderr
    assert why in done.stdout.splitlines()[-1], done.stdout + done.stderr


# ── by HTTPS ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def site(vm: Incus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose Incus is asked by HTTPS, with a client's certificate that is not trusted yet."""
    folder = tmp_path_factory.mktemp("site")
    key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-days", "30",
           "-subj", "/CN=cowhand", "-keyout", "client.key", "-out", "client.crt"]  # fmt: skip
    subprocess.run(key, cwd=folder, check=True, capture_output=True)
    vm.ask("PATCH", "/1.0", {"config": {"core.https_address": "127.0.0.1:8443"}})
    (folder / "server.crt").write_text(vm.ask("GET", "/1.0")["environment"]["certificate"])
    (folder / "site.toml").write_text(
        '[incus]\nurl = "https://127.0.0.1:8443"\nserver_certificate = "server.crt"\n'
        'certificate = "client.crt"\nkey = "client.key"\n'
    )
    return folder


def words(incus: Incus, site: Path, *more: str) -> list[str]:
    """`cowhand incus` in the daemon's network, where its HTTPS listens."""
    inside = ["nsenter", "-t", str(incus.inner), "-n", sys.executable, "-m", "console"]
    return [*inside, "--site", str(site / "site.toml"), "incus", "--json", *more]


def environment(site: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(site / "state"), **more}


def command(incus: Incus, site: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words(incus, site), capture_output=True, text=True, env=environment(site, **more),
                          timeout=PATIENCE, check=False)  # fmt: skip


def watched_by_https(incus: Incus, site: Path) -> None:
    """The stream of events comes by HTTPS too."""
    watching = subprocess.Popen(words(incus, site, "--watch"), stdout=-1, stderr=-1, text=True, env=environment(site))
    stop = threading.Timer(PATIENCE, watching.kill)
    stop.start()
    try:
        assert watching.stdout is not None and watching.stderr is not None
        assert any("listening for changes" in line for line in iter(watching.stderr.readline, ""))
        incus.turn("mailcow", "start", "other")
        lines = iter(watching.stdout.readline, "")
        assert any('"what":"instance-started"' in line for line in lines)
        incus.turn("mailcow", "stop", "other")
    finally:
        watching.kill()
        watching.communicate()
        stop.cancel()


def test_by_https_a_certificate_must_be_trusted_and_the_server_be_the_one_that_is_pinned(vm: Incus, site: Path) -> None:
    refused = command(vm, site)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "Incus does not trust this client's certificate: incus config trust add-certificate FILE" in refused.stderr
    vm.run("incus", "config", "trust", "add-certificate", str(site / "client.crt"))
    trusted = command(vm, site, REQUESTS_CA_BUNDLE="/nowhere", CURL_CA_BUNDLE="/nowhere")
    assert [each["machine"]["name"] for each in json.loads(trusted.stdout)["guests"]] == ["mailcow"] * 2
    watched_by_https(vm, site)
    (site / "server.crt").write_text((site / "client.crt").read_text())
    astray = command(vm, site)
    assert (astray.returncode, astray.stdout) == (3, "")
    assert "its certificate is not the one that is pinned" in astray.stderr
