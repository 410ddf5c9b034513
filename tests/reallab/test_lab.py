"""The lab itself: is what stands there the seed's estate, on the real daemons, and does all of it go away again?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import assets
from console.errors import TimedOut
from tests.reallab import leftovers, warden
from tests.reallab.addresses import CLIENT, CLIENT6, GATEWAY, MAILCOW, TAILNET, VPS, VPS6, Machine
from tests.reallab.inside import Inside
from tests.reallab.lab import RealLab


def until(holds: Callable[[], bool], patience: float = 60.0) -> bool:
    """Whether it comes to hold."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def logged(lab: RealLab, service: str) -> str:
    folder = "/opt/mailcow-dockerized"
    return lab.do("mailcow", "docker", "compose", "--project-directory", folder, "logs", "--no-log-prefix", service)


# ── it is the seed's estate ─────────────────────────────────────────────────────────────────────────────────────────


def test_haproxy_runs_the_seeds_listeners_byte_for_byte(lab: RealLab) -> None:
    seed = Path(assets.__file__).parent / "lab" / "haproxy.cfg"
    assert lab.read("vps", "/etc/haproxy/mail.cfg") == seed.read_text()
    assert set(lab.servers()) == {"smtp", "smtps", "imaps", "sieve", "web"}


@pytest.mark.parametrize("machine", ["vps", "mailcow", "oper", "client"])
def test_a_machine_has_a_name_processes_and_files_of_its_own(lab: RealLab, machine: Machine) -> None:
    assert lab.do(machine, "hostname").strip() == machine
    assert "host.sh" in lab.do(machine, "ps", "-p", "1", "-o", "args=")
    lab.write(machine, "/etc/only-here", machine)
    assert lab.do(machine, "cat", "/etc/only-here") == machine
    assert not Path("/etc/only-here").exists()


def test_this_machines_home_is_not_in_the_lab(lab: RealLab) -> None:
    assert lab.do("vps", "ls", "-A", "/home").split() == ["cow", "ox"]
    assert ".ssh" in lab.do("vps", "ls", "-A", "/root").split()
    assert lab.read("vps", "/root/.ssh/authorized_keys").endswith(" oper\n")


@pytest.mark.parametrize(("address", "own"), [(VPS, CLIENT), (VPS6, CLIENT6)])
def test_mail_from_the_internet_arrives_with_its_senders_address(lab: RealLab, address: str, own: str) -> None:
    nonce = f"cow{time.monotonic_ns()}.test"
    lab.run("client", ["swaks", "--server", address, "--ehlo", nonce, "--from", "<>", "--to", "a@example.invalid",
                       "--quit-after", "RCPT", "--timeout", "20"])  # fmt: skip
    said = logged(lab, "postfix-mailcow")
    assert f"NOQUEUE: reject: RCPT from unknown[{own}]: 454 4.7.1 <a@example.invalid>: Relay access denied" in said
    assert f"helo=<{nonce}>" in said


@pytest.mark.parametrize(
    ("port", "extra"),
    [(25, ["-starttls", "smtp"]), (465, []), (993, []), (4190, ["-starttls", "sieve"]), (443, [])],
)
def test_every_public_port_serves_the_deployed_certificate(lab: RealLab, port: int, extra: list[str]) -> None:
    argv = ["openssl", "s_client", "-connect", f"{VPS}:{port}", "-servername", "mail.benoit.jp.net", *extra]
    shown = lab.run("client", argv).stdout
    served = lab.run("client", ["openssl", "x509", "-noout", "-serial"], input=shown).stdout
    assert served == lab.do("oper", "openssl", "x509", "-noout", "-serial", "-in", "/run/shared/well.crt")


def test_dovecot_sees_the_client_through_the_proxy(lab: RealLab) -> None:
    argv = ["openssl", "s_client", "-quiet", "-connect", f"[{VPS6}]:993"]
    assert "* OK [CAPABILITY IMAP4rev1" in lab.run("client", argv, input="a LOGOUT\r\n").stdout
    assert until(lambda: f"rip={CLIENT6}, " in logged(lab, "dovecot-mailcow"))


# ── the operator's way in ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("alias", "machine", "user"),
    [("vps", "vps", "root"), ("mailcow", "mailcow", "root"), ("mailcow-jump", "mailcow", "root"),
     ("vps-cow", "vps", "cow"), ("mailcow-ox", "mailcow", "ox")],
)  # fmt: skip
def test_openssh_gets_in_by_alias_and_pinned_key(lab: RealLab, alias: str, machine: str, user: str) -> None:
    done = lab.run("oper", ["ssh", "-o", "BatchMode=yes", alias, "hostname; id -un"])
    assert (done.stdout.split(), done.stderr) == ([machine, user], "")


@pytest.mark.parametrize(("user", "command", "status"), [
    ("cow", "sudo -n id -u", 0), ("ox", "sudo -n id -u", 1), ("ox", "echo moo | sudo -S -p '' id -u", 0),
])  # fmt: skip
def test_sudo_wants_a_password_of_ox_and_none_of_cow(lab: RealLab, user: str, command: str, status: int) -> None:
    for machine in ("vps", "mailcow"):
        done = lab.run("oper", ["ssh", "-o", "BatchMode=yes", f"{machine}-{user}", command])
        assert done.returncode == status, done
        assert done.stdout.strip() == ("" if status else "0")


def test_only_root_may_ask_haproxys_socket(lab: RealLab) -> None:
    ask = "echo show stat | socat - /run/haproxy/admin.sock"
    assert "Permission denied" in lab.run("oper", ["ssh", "vps-cow", ask]).stderr
    assert lab.run("oper", ["ssh", "vps", ask]).stdout.startswith("# pxname,svname,")


# ── the stand-in for compose ────────────────────────────────────────────────────────────────────────────────────────


def compose(lab: RealLab, *words: str, folder: str = "/opt/mailcow-dockerized") -> subprocess.CompletedProcess[str]:
    return lab.run("mailcow", ["docker", "compose", "--project-directory", folder, *words])


def test_compose_tells_of_the_real_daemons(lab: RealLab) -> None:
    def states() -> dict[str, str]:
        lines = compose(lab, "ps", "-a", "--format", "json").stdout.splitlines()
        return {row["Service"]: row["State"] for row in map(json.loads, lines)}

    assert states() == dict.fromkeys(("postfix-mailcow", "dovecot-mailcow", "nginx-mailcow"), "running")
    assert compose(lab, "stop", "dovecot-mailcow").returncode == 0
    try:
        assert states()["dovecot-mailcow"] == "exited"
        assert lab.run("mailcow", ["pgrep", "-x", "dovecot"]).stdout == ""
        refused = compose(lab, "exec", "-T", "dovecot-mailcow", "true")
        assert (refused.returncode, refused.stderr) == (1, 'service "dovecot-mailcow" is not running\n')
    finally:
        assert compose(lab, "start", "dovecot-mailcow").returncode == 0


def test_compose_wants_its_project_folder(lab: RealLab) -> None:
    done = compose(lab, "logs", "postfix-mailcow", folder="/root")
    assert (done.returncode, done.stderr) == (14, "no configuration file provided: not found\n")


def test_compose_wants_root(lab: RealLab) -> None:
    command = "docker compose --project-directory /opt/mailcow-dockerized ps"
    done = lab.run("oper", ["ssh", "mailcow-cow", command])
    assert done.returncode == 1
    assert done.stderr.startswith("permission denied while trying to connect to the Docker daemon socket")
    assert lab.run("oper", ["ssh", "mailcow-cow", f"sudo -n {command}"]).returncode == 0


# ── the tunnel ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tunnel(lab: RealLab) -> Iterator[RealLab]:
    """The lab, for a test that changes its tunnel."""
    yield lab
    lab.snat(False)
    lab.tunnel()


async def crossing(lab: RealLab, patience: float = 2.0) -> float:
    """Seconds a connection from the VPS to the VM takes."""
    began = time.monotonic()
    stream = await Inside(lab, "vps", "proxy").connect(MAILCOW, 10025, patience)
    stream.close()
    return time.monotonic() - began


async def test_a_delay_is_paid_on_the_way_there_and_back(tunnel: RealLab) -> None:
    tunnel.tunnel(delay=0.15)
    assert await crossing(tunnel) >= 0.3


async def test_a_cut_tunnel_answers_nothing_and_heals(tunnel: RealLab) -> None:
    tunnel.tunnel(up=False)
    with pytest.raises(TimedOut):
        await crossing(tunnel)
    tunnel.tunnel()
    await crossing(tunnel)


async def test_more_than_every_third_packet_lost_is_slow_and_no_more(tunnel: RealLab) -> None:
    tunnel.tunnel(loss=0.37)  # out of step with the packets of a connection
    took = await asyncio.gather(*(crossing(tunnel, 20) for _ in range(12)))
    assert max(took) >= 1  # a lost SYN is sent again after a second


@pytest.mark.parametrize(("rewriting", "seen"), [(False, TAILNET), (True, GATEWAY)])
async def test_the_vm_sees_the_proxy_or_the_router(tunnel: RealLab, rewriting: bool, seen: str) -> None:
    tunnel.snat(rewriting)
    stream = await Inside(tunnel, "vps", "proxy").connect(MAILCOW, 587, 3)
    await stream.read()
    stream.close()
    assert until(lambda: f"connect from unknown[{seen}]" in logged(tunnel, "postfix-mailcow"))


# ── it comes, and goes ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def name() -> Iterator[str]:
    """A name for one more lab, gone after the test whatever happened."""
    name = f"cowmore{os.getpid()}"
    yield name
    RealLab(name).down()
    assert leftovers.find(name) == []


def test_a_second_lab_may_stand_beside_the_first_and_a_third_of_the_same_name_may_not(lab: RealLab, name: str) -> None:
    second = RealLab(name)
    second.up(tunnel="veth")
    second.recover()
    with pytest.raises(OSError, match=f"a lab named {name} is up already"):
        RealLab(name).up()
    assert second.servers()
    numbers = leftovers.networks(name)
    second.down()
    assert leftovers.find(name, numbers) == []
    assert lab.servers()


OWNER = """
import sys, time
from tests.reallab.lab import RealLab
RealLab(sys.argv[1]).up()
print("up", flush=True)
time.sleep(600)
"""


def start_owner(name: str) -> subprocess.Popen[str]:
    """A process that brings a lab up and then only waits, as pytest does."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, name], stdout=subprocess.PIPE, text=True, cwd=warden.PROJECT)
    assert owner.stdout is not None and owner.stdout.readline() == "up\n"
    return owner


def test_nothing_is_left_of_a_lab_whose_owner_was_killed(name: str) -> None:
    owner = start_owner(name)
    numbers = leftovers.networks(name)
    assert len(numbers) == 6
    owner.kill()
    owner.communicate()
    assert until(lambda: leftovers.find(name, numbers) == []), leftovers.find(name, numbers)


def test_no_process_is_left_of_a_lab_whose_warden_was_killed_and_the_rest_goes_with_the_next(name: str) -> None:
    owner = start_owner(name)
    numbers = leftovers.networks(name)
    os.kill(int((warden.folder(name) / "warden.pid").read_text()), signal.SIGKILL)
    owner.kill()
    owner.communicate()

    def kinds() -> set[str]:
        return {left.split()[0] for left in leftovers.find(name, numbers)}

    assert until(lambda: "process" not in kinds()), leftovers.find(name, numbers)
    assert kinds() == {"namespace", "mount", "folder"}
    assert warden.tidy() == [name]
    assert leftovers.find(name, numbers) == []
