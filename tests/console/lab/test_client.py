"""The lab's life: one public lab a user, private ones that die with their parent, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.errors import LabError, NoWayIn, Refused, TimedOut, Unreachable, Unresolved
from console.estate.load import load
from console.lab import client, place
from console.lab.client import Lab, LabHost
from console.lab.plan import plan, site_file
from console.model import Role
from tests.console.lab.conftest import PUBLIC, PUBLIC6, VM

ORPHAN = """
import os, sys, time
from console.lab.client import Lab
lab = Lab.start_private()
print(lab.name, lab.wait().pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A well-known name of this test's own; whatever lab took it is ended."""
    name = f"test-{os.urandom(6).hex()}"
    monkeypatch.setenv("COWHAND_LAB", name)
    yield name
    if not vacant(name):
        Lab(name).down()


def soon(holds: Callable[[], bool]) -> bool:
    """Whether it holds within a generous time."""
    end = time.monotonic() + 60
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def ended(pid: int) -> bool:
    """Whether a process is gone; one that only waits to be reaped counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def vacant(name: str) -> bool:
    there = place.connect(name, 5)
    if there is not None:
        there.close()
    return there is None


def test_up_is_ready_when_it_returns_and_a_second_up_says_so(name: str) -> None:
    assert Lab.find_running() is None
    assert client.up() == "the lab is up, 5 lanes; end it with: cowhand lab down"
    lab = Lab.find_running()
    assert lab is not None
    state = lab.wait()
    assert state.name == name and state.faults == ()
    assert client.up() == "the lab is up already"
    assert lab.wait().pid == state.pid
    lab.down()
    assert Lab.find_running() is None
    assert soon(lambda: ended(state.pid))


def test_the_public_lab_has_let_go_of_the_terminal_and_of_every_folder(name: str) -> None:
    client.up()
    pid = Lab(name).wait().pid
    session = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    assert session != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert {str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in (0, 1, 2)} == {"/dev/null"}


def test_two_started_at_once_end_up_with_one(name: str) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", "from console.lab import client; print(client.up())"], stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = sorted(start.communicate(timeout=60)[0].decode().split(",")[0].strip() for start in starts)
    assert said == ["the lab is up", "the lab is up already", "the lab is up already"]


def test_a_lab_killed_outright_leaves_its_name_free(name: str) -> None:
    client.up()
    os.kill(Lab(name).wait().pid, signal.SIGKILL)
    assert soon(lambda: vacant(name))
    assert client.up().startswith("the lab is up, ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_private_lab_ends_when_its_parent_is_killed(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    name, pid = parent.stdout.readline().decode().split()
    assert not vacant(name)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    assert soon(lambda: vacant(name) and ended(int(pid)))


def test_closing_a_private_lab_leaves_no_process_and_no_name() -> None:
    lab = Lab.start_private()
    pid = lab.wait().pid
    lab.close()
    assert ended(pid) and vacant(lab.name)
    lab.close()


def test_a_private_lab_may_be_closed_before_it_is_up() -> None:
    lab = Lab.start_private()
    lab.close()
    assert vacant(lab.name)


def test_a_private_lab_has_no_file_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    lab = Lab.start_private()
    pid = lab.wait().pid
    lab.break_("certificate-expired")
    opened = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    lab.close()
    assert [path for path in opened if path.startswith("/") and not path.startswith("/dev/")] == []
    assert list(tmp_path.iterdir()) == []


def test_what_runs_is_what_the_console_reads_in_the_labs_files(lab: Lab) -> None:
    read = load(site_file()).topology
    assert lab.status()["lanes"] == [lane.id for lane in read.lanes]
    planned = plan()
    assert [(lane.proxy, lane.server, lane.target, lane.binds, lane.proxy_protocol) for lane in planned.lanes[:4]] == [
        (lane.proxy, lane.server, lane.target, lane.binds, lane.proxy_protocol) for lane in read.lanes[:4]
    ]


def test_a_lab_that_dies_on_its_way_up_says_how_to_see_why(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LabError, match=f"the lab did not come up; to see why, run: .* --name {name}"):
        client.up()
    assert vacant(name)
    private = Lab.start_private()
    assert private.process is not None
    private.process.wait()
    with pytest.raises(LabError, match="the lab did not come up"):
        private.wait()
    private.close()


def test_what_needs_a_lab_says_how_to_start_one(name: str) -> None:
    with pytest.raises(LabError, match="the lab is not running; start one with: cowhand lab up"):
        Lab(name).break_("tunnel-cut")


async def test_a_host_whose_lab_has_ended_has_no_way_in() -> None:
    lab = Lab.start_private()
    lab.wait()
    lab.close()
    with pytest.raises(NoWayIn, match="the lab is not running any more"):
        await lab.hosts()["here"].connect(PUBLIC, 25, 5)


async def test_what_is_asked_of_a_lab_that_is_starting_waits_for_it() -> None:
    lab = Lab.start_private()
    try:
        assert await lab.hosts()["here"].resolve("mail.benoit.jp.net") == (PUBLIC, PUBLIC6)
    finally:
        lab.close()


def test_another_users_lab_is_not_joined(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client.up()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 4321)
        with pytest.raises(LabError, match=f"the name {name} is taken by another user's process"):
            Lab.find_running()


def test_a_name_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWHAND_LAB", "../elsewhere")
    with pytest.raises(LabError, match="COWHAND_LAB must be"):
        Lab.find_running()


async def test_the_hosts_are_the_three_roles(lab: Lab) -> None:
    assert {role: (host.name, host.role) for role, host in lab.hosts().items()} == {
        "here": ("here", "here"),
        "proxy": ("vps", "proxy"),
        "mail": ("mailcow", "mail"),
    }


async def test_names_resolve_to_the_public_addresses_and_to_nothing_else(hosts: dict[Role, LabHost]) -> None:
    assert await hosts["here"].resolve("Mail.Benoit.jp.net.") == (PUBLIC, PUBLIC6)
    assert await hosts["here"].resolve("203.0.113.99") == ("203.0.113.99",)
    with pytest.raises(Unresolved, match=r"example\.org has no address"):
        await hosts["here"].resolve("example.org")


@pytest.mark.parametrize(
    ("role", "address", "port", "error"),
    [
        ("here", VM, 10025, Unreachable),
        ("here", "192.0.2.1", 25, Unreachable),
        ("here", "not an address", 25, Unreachable),
        ("here", PUBLIC, 587, Refused),
        ("here", "127.0.0.1", 25, Refused),
        ("proxy", "198.51.100.77", 25, Unreachable),
        ("proxy", VM, 10110, Refused),
        ("mail", "8.8.8.8", 53, Unreachable),
    ],
)
async def test_nothing_ever_leaves_the_lab(
    hosts: dict[Role, LabHost], role: Role, address: str, port: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await hosts[role].connect(address, port, 5)


async def test_a_stream_tells_its_addresses_in_the_estates_own_terms(hosts: dict[Role, LabHost]) -> None:
    for role, address, source in (
        ("proxy", VM, "100.64.0.1"),
        ("here", PUBLIC, "198.51.100.77"),
        ("here", PUBLIC6, "2001:db8:77::77"),
        ("mail", "127.0.0.1", "127.0.0.1"),
    ):
        stream = await hosts[role].connect(address, 25, 5)  # type: ignore[index]
        assert stream.local is not None and stream.local[0] == source
        assert stream.peer == (address, 25)
        stream.close()


async def test_a_connect_that_is_given_up_leaves_nothing_waiting(lab: Lab, hosts: dict[Role, LabHost]) -> None:
    lab.break_("tunnel-cut")
    pending = asyncio.create_task(hosts["proxy"].connect(VM, 25, 60))
    await asyncio.sleep(0.1)
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    with pytest.raises(TimedOut, match=r"nobody answered within 0\.05 s"):
        await hosts["proxy"].connect(VM, 25, 0.05)
    lab.heal()


@pytest.mark.parametrize(
    ("role", "argv", "status", "said"),
    [
        ("mail", ["bash", "-c", "id"], 127, b"bash: command not found\n"),
        ("mail", ["tailscale", "status", "--json"], 127, b"tailscale: command not found\n"),
        ("proxy", ["docker", "compose", "ps"], 127, b"docker: command not found\n"),
        ("here", ["ls"], 127, b"ls: command not found\n"),
        ("mail", [], 127, b": command not found\n"),
        ("mail", ["docker", "run", "alpine"], 1, b"docker: 'run' is not a docker command.\n"),
        (
            "mail",
            ["docker", "compose", "exec", "dovecot-mailcow", "sh"],
            16,
            b'unknown docker command: "compose exec"\n',
        ),
        ("mail", ["docker", "compose", "ps", "--wide"], 16, b"unknown flag: --wide\n"),
        ("mail", ["docker", "compose", "logs", "--follow", "dovecot-mailcow"], 16, b"unknown flag: --follow\n"),
        ("mail", ["docker", "compose", "logs", "coffee"], 0, b""),
        ("proxy", ["tailscale", "down"], 2, b"tailscale: unknown subcommand: down\n"),
    ],
)
async def test_a_command_that_is_not_known_is_refused(
    hosts: dict[Role, LabHost], role: Role, argv: list[str], status: int, said: bytes
) -> None:
    done = await hosts[role].run(argv, 5)
    assert (done.status, done.stdout) == (status, b"")
    assert done.stderr.startswith(said)


async def test_compose_ps_lists_one_object_a_line(hosts: dict[Role, LabHost]) -> None:
    done = await hosts["mail"].run(["docker", "compose", "ps", "--format", "json"], 5)
    services = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(s["Service"], s["State"]) for s in services] == [
        ("postfix-mailcow", "running"),
        ("dovecot-mailcow", "running"),
        ("nginx-mailcow", "running"),
    ]
    assert {"URL": "0.0.0.0", "TargetPort": 10993, "PublishedPort": 10993, "Protocol": "tcp"} in services[1][
        "Publishers"
    ]


async def test_tailscale_knows_the_home_router_and_its_route(hosts: dict[Role, LabHost]) -> None:
    status = json.loads((await hosts["proxy"].run(["tailscale", "status", "--json"], 5)).stdout)
    assert status["BackendState"] == "Running"
    (home,) = status["Peer"].values()
    assert home["Online"] and home["PrimaryRoutes"] == ["10.10.10.0/24"]


async def test_output_beyond_the_cap_is_dropped(hosts: dict[Role, LabHost]) -> None:
    assert len((await hosts["proxy"].run(["tailscale", "status", "--json"], 5, cap=10)).stdout) == 10


@pytest.mark.parametrize("text", [b"\n", b"{}\n", b"\xff\xfe\n", b'{"op":"shell"}\n', b'{"op":"open","from":1}\n'])
def test_what_is_no_request_is_answered_as_such(lab: Lab, text: bytes) -> None:
    there = place.connect(lab.name, 5)
    assert there is not None
    with there:
        there.sendall(text)
        assert json.loads(there.makefile().readline())["error"] == "bad request"


@pytest.mark.parametrize("path", ["/var/run/docker.sock", "/run/haproxy/admin.sock"])
async def test_the_stats_socket_is_on_the_proxy_and_no_other_socket_is_anywhere(
    hosts: dict[Role, LabHost], path: str
) -> None:
    with pytest.raises(Refused):
        await hosts["mail"].connect_unix(path, 5)


@pytest.fixture
def filed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """As on a system without abstract sockets; the folder's path is short, for a socket's path must be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(place, "ABSTRACT", False)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder) / f"cowhand-{os.getuid()}"


def test_without_abstract_sockets_a_name_is_a_file_in_a_folder_of_our_own(filed: Path) -> None:
    taken = place.Place("one")
    assert filed.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileExistsError):
        place.Place("one")
    there = place.connect("one", 5)
    assert there is not None
    there.close()
    taken.close()
    place.vacate("one")
    assert list(filed.iterdir()) == []


def test_a_stale_file_is_taken_over_and_other_stale_ones_are_swept(filed: Path) -> None:
    for name in ("stale", "other"):
        place.Place(name).close()  # as a killed lab leaves it: the files stay, the lock is gone
    assert place.connect("stale", 5) is None
    alive = place.Place("stale")
    there = place.connect("stale", 5)
    assert there is not None
    there.close()
    assert sorted(path.name for path in filed.iterdir()) == ["stale.lock", "stale.sock"]
    alive.close()


def test_a_folder_that_others_may_enter_is_not_used(filed: Path) -> None:
    filed.mkdir(mode=0o755)
    with pytest.raises(LabError, match="is not a folder of yours alone"):
        place.Place("one")
