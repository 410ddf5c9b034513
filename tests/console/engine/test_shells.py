"""A shell where the operator looks: the exact command for each way in, and a stand-in ssh that is run by name."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from console.engine import shells
from console.engine.shells import INSIDE, ShellWay
from console.engine.vantages import SshConfig
from console.site import HostEntry, Site

DOVECOT = "dovecot-mailcow"
STRICT = ["-t", "-o", "StrictHostKeyChecking=yes", "--"]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins that write down what they were started with."""
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("ssh", "incus", "sudo", "sh", "docker"):
        (place / name).write_text(
            f'#!/bin/sh\nprintf "%s\\n" {name} "$@" > {tmp_path}/ran\npwd >> {tmp_path}/ran\nexit 3\n'
        )
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place))
    return place


def way(entries: dict[str, HostEntry], name: str, service: str = "", config: SshConfig | None = None) -> ShellWay:
    found = shells.ways(Site(hosts=entries), {DOVECOT, "", "$(x)"}, config or SshConfig())
    return next(each for each in found if each.name == name and each.service == service)


VPS = HostEntry("proxy", ssh="vps")
ROOT = HostEntry("mail", ssh="root@192.0.2.1")
ANNA = HostEntry("mail", ssh="anna@192.0.2.1", become="sudo")
HOME = HostEntry("hypervisor", local=True, become="sudo")
VM = HostEntry("mail", via="home", incus="local:mailcow")
IN = ["sh", "-c", INSIDE, "sh", DOVECOT]


@pytest.mark.parametrize(
    ("entries", "name", "service", "argv"),
    [
        ({"vps": VPS}, "vps", "", ["ssh", *STRICT, "vps"]),
        ({"m": ROOT}, "m", DOVECOT, ["ssh", *STRICT, "root@192.0.2.1", shlex.join(IN)]),
        ({"m": ANNA}, "m", "", ["ssh", *STRICT, "anna@192.0.2.1", "sudo -i"]),
        ({"m": ANNA}, "m", DOVECOT, ["ssh", *STRICT, "anna@192.0.2.1", shlex.join(["sudo", *IN])]),
        ({"home": HOME}, "home", "", ["sudo", "-i"]),
        ({"home": HOME, "m": VM}, "m", "", ["sudo", "incus", "exec", "-t", "local:mailcow", "--", "su", "-l"]),
        ({"home": HOME, "m": VM}, "m", DOVECOT, ["sudo", "incus", "exec", "-t", "local:mailcow", "--", *IN]),
        ({"home": VPS, "m": VM}, "m", "", ["ssh", *STRICT, "vps", "incus exec -t local:mailcow -- su -l"]),
    ],
)  # fmt: skip
def test_the_way_is_the_host_s_own(
    tools: Path, entries: dict[str, HostEntry], name: str, service: str, argv: list[str]
) -> None:
    found = way(entries, name, service)
    assert found.argv == (str(tools / argv[0]), *argv[1:])
    assert found.problem == ""


def test_a_service_whose_name_a_shell_would_take_apart_is_left_out(tools: Path) -> None:
    found = shells.ways(Site(hosts={"m": ROOT, "vps": VPS}), {DOVECOT, "$(x)", "-x"}, SshConfig())
    assert [(each.name, each.service) for each in found] == [("m", ""), ("m", DOVECOT), ("vps", "")]


def test_a_configuration_of_the_repository_opens_no_shell(tools: Path, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("Host vps\n  ProxyCommand touch ran\n")
    assert "was not used" in way({"vps": VPS}, "vps", config=SshConfig(file, tmp_path)).problem
    assert way({"vps": VPS}, "vps", config=SshConfig(file)).argv[1:3] == ("-F", str(file))


def test_a_missing_ssh_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert way({"vps": VPS}, "vps").problem == "ssh is not installed on this machine"


def test_it_runs_what_it_shows_from_the_root_folder_and_says_how_it_ended(
    tools: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = way({"vps": VPS}, "vps")
    before = signal.getsignal(signal.SIGINT)
    assert shells.run(found) == "back from vps: it ended with status 3"
    assert (tmp_path / "ran").read_text().split("\n") == ["ssh", *STRICT, "vps", "/", ""]
    assert f"{tools}/ssh -t -o StrictHostKeyChecking=yes -- vps" in capfd.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_the_shell_s_own_and_ends_nothing_here(tmp_path: Path) -> None:
    script = f"kill -INT {os.getpid()}; kill -INT $$; touch {tmp_path}/deaf"
    found = ShellWay("here", "hypervisor", argv=("/bin/sh", "-c", script))
    assert shells.run(found) == "back from here: it was ended by signal 2"
    assert not (tmp_path / "deaf").exists()


@pytest.mark.parametrize("argv", [("/nowhere/ssh",)])
def test_what_cannot_be_started_is_a_sentence(argv: tuple[str, ...]) -> None:
    assert shells.run(ShellWay("vps", "proxy", argv=argv)) == "no shell in vps: no such file or directory"
