"""A name from a site file or an SSH configuration runs nothing: it is held to OpenSSH's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.__main__ import main
from console.errors import NoWayIn
from console.hosts import names
from console.hosts.ssh import config

PROXY = "Host *\n  ProxyCommand nc %h %p %r %n %k; touch {mark}-ran\n"

HOSTILE = [
    "$(touch {mark})",
    "x|touch {mark}|cat",
    "`touch {mark}`",
    "x;touch {mark}",
    "x&touch {mark}",
    "x>{mark}",
    "x -w {mark}",
    "x'y",
    'x"y',
    "x\\y",
    "(x)",
    "{{x}}",
    "*",
    "?x",
    "-oProxyCommand=touch {mark}",
    "ssh://-oProxyCommand=touch/",
    "#x",
    "x\u3164",
    "",
]

USERS = ["$(touch {mark})@h", "`touch {mark}`@h", "-l@h", "a;b@h", "a -b@h", "a\\@h", "a'b@h", "ssh://a|b@h:22"]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with no ssh on PATH and a ProxyCommand that takes every name."""
    (tmp_path / "config").write_text(PROXY.format(mark=tmp_path / "pwned"))
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def marks(folder: Path) -> list[Path]:
    return list(folder.glob("pwned*"))


@pytest.mark.parametrize("destination", [*HOSTILE[:-1], *USERS])
def test_a_site_file_that_names_a_command_is_refused_where_it_stands(
    bare: Path, destination: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = destination.format(mark=bare / "pwned").replace("\\", "\\\\").replace('"', '\\"')
    (bare / "site.toml").write_text(
        f'[hosts.vps]\nrole = "proxy"\nssh = "{text}"\n\n[[lane]]\nport = 1\nprotocol = "tcp"\ntarget = "127.0.0.1:1"\n'
    )
    assert main(["--site", str(bare / "site.toml"), "check"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"{bare}/site.toml:3:1: ")
    assert "cannot be an SSH destination" in said or "invisible character" in said
    assert not marks(bare)


@pytest.mark.parametrize("destination", [*HOSTILE, *USERS])
async def test_no_hostile_destination_is_resolved_without_ssh(bare: Path, destination: str) -> None:
    with pytest.raises(NoWayIn, match="cannot be an SSH destination"):
        await config.resolve(destination.format(mark=bare / "pwned"), bare / "config")
    assert not marks(bare)


@pytest.mark.parametrize("line", ["HostName $(./pwn)", "User x;./pwn", "HostKeyAlias `./pwn`", "User -oX"])
async def test_a_name_out_of_the_configuration_is_held_to_the_same_rules(bare: Path, line: str) -> None:
    (bare / "config").write_text(f"Host vps\n  {line}\n{PROXY.format(mark=bare / 'pwned')}")
    with pytest.raises(NoWayIn, match=r"^(HostName|User|HostKeyAlias) of vps is .* which OpenSSH does not take"):
        await config.resolve("vps", bare / "config")
    assert not marks(bare)


@pytest.mark.parametrize("line", ["hostname $(touch pwned)", "user x;y", "hostkeyalias a|b", "hostname %h"])
async def test_what_an_old_ssh_prints_is_held_to_the_same_rules(
    bare: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    tools = bare / "tools"
    tools.mkdir()
    ssh = tools / "ssh"
    ssh.write_text(f"#!/bin/sh\ncat <<'END'\n{line}\nproxycommand nc %h %p %r\nEND\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    if line == "hostname %h":  # no more than itself: what is put in is not expanded again
        assert (await config.resolve("vps", bare / "config")).proxy == f"nc %h 22 {config.pwd.getpwuid(0).pw_name}"
        return
    with pytest.raises(NoWayIn, match="which OpenSSH does not take"):
        await config.resolve("vps", bare / "config")


@pytest.mark.parametrize(
    "destination",
    ["vps", "deploy@vps", "vps.example.org", "203.0.113.7", "::1", "[::1]", "root@fe80::1%eth0", "my_host-1.",
     "ssh://deploy@vps:2222", "ssh://[::1]:22", "DOMAIN\\user@vps", "user@domain.example@vps", "münchen"],
)  # fmt: skip
def test_what_people_write_is_taken(destination: str) -> None:
    assert names.complaint(destination) == ""


@pytest.mark.parametrize("instance", ["--help", "-T", "a b", "$(x)", "", "home:"])
def test_an_instance_of_incus_is_no_option(instance: str) -> None:
    assert names.INSTANCE.fullmatch(instance) is None


@pytest.mark.parametrize("instance", ["home:mailcow", "mailcow", "local:Mail-1"])
def test_an_ordinary_instance_is_taken(instance: str) -> None:
    assert names.INSTANCE.fullmatch(instance)
