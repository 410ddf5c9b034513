"""A cloned ssh configuration has programs run and vouches for hosts: neither, before the operator said so."""

from __future__ import annotations

import pytest

from console.engine.vantages import open_site
from console.errors import NoWayIn
from console.estate.load import load
from tests.attacks.clones import Clone, Run, clone, run

__all__ = ["clone", "run"]


SSH = {
    "Match exec": 'Match exec "{mark}"\n  User x\n',
    "Match exec, in quotes and with another case": 'mAtCh "ExEc" "{mark}"\n',
    "ProxyCommand": "Host *\n  ProxyCommand {mark}\n",
    "ProxyCommand in quotes": 'Host *\n  "proxycommand"={mark}\n',
    "ProxyCommand in pieces": "Host *\n  Pr\\oxy''C\"omm\"and {mark}\n",
    "ProxyCommand behind a comment": "# words\rProxyCommand {mark}\n",
    "Match exec in pieces": 'Match "ex"e\'c\' "{mark}"\n',
    "UserKnownHostsFile with a Kelvin sign": "Host *\n  User\u212anownHostsFile {folder}/known_hosts\n",
    "Include": "Include {folder}/more\n",
    "KnownHostsCommand": "Host *\n  KnownHostsCommand /bin/sh -c '{mark}'\n",
    "UserKnownHostsFile": "Host *\n  UserKnownHostsFile {folder}/known_hosts\n",
}


@pytest.fixture
def dialled(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The clone names a host that is reached by its own SSH configuration, and nothing answers there."""
    clone.site.write_text(clone.site.read_text() + '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n')
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(clone.folder / "ssh_config"))
    return clone


NOWHERE = "Host vps\n  HostName 127.0.0.1\n  Port 1\n"


@pytest.mark.parametrize("what", SSH)
@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/nowhere"], ids=["with ssh", "without ssh"])
def test_an_ssh_configuration_of_the_clone_runs_nothing_and_vouches_for_nobody(
    dialled: Clone, run: Run, what: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dialled.folder / "more").write_text(f'Match exec "{dialled.mark("ssh")}"\n')
    text = SSH[what].format(mark=dialled.mark("ssh"), folder=dialled.folder)
    (dialled.folder / "ssh_config").write_text(text + NOWHERE)
    monkeypatch.setenv("PATH", path)
    said = " ".join(run("check")[1].split())
    assert "was not used, for this folder is not trusted (see cowhand trust)" in said
    assert dialled.marks() == []


@pytest.mark.parametrize("what", ["Match exec", "Match exec, in quotes and with another case", "ProxyCommand"])
def test_with_a_trust_it_is_used_until_it_changes(dialled: Clone, run: Run, what: str) -> None:
    (dialled.folder / "ssh_config").write_text(SSH[what].format(mark=dialled.mark("ssh")) + NOWHERE)
    _, told, _ = run("trust --yes")
    assert f"ssh_config: {SSH[what].splitlines()[-1].split()[0].strip()}" in told or "ssh_config: m" in told.lower()
    run("check")
    assert dialled.marks() == ["ssh"]
    (dialled.top / "pwned-ssh").unlink()
    (dialled.folder / "ssh_config").write_text(SSH[what].format(mark=dialled.mark("other")) + NOWHERE)
    assert "has changed since this folder was trusted" in " ".join(run("check")[1].split())
    assert dialled.marks() == []


def test_an_include_is_trusted_by_nobody(dialled: Clone, run: Run) -> None:
    (dialled.folder / "ssh_config").write_text(SSH["Include"].format(folder=dialled.folder) + NOWHERE)
    status, told, _ = run("trust --yes")
    assert status == 1 and "an Include in it leads to other files: write them into it" in told


def test_a_plain_configuration_of_the_clone_is_used(dialled: Clone, run: Run) -> None:
    (dialled.folder / "ssh_config").write_text(
        f"# ProxyCommand is not here\n{NOWHERE}  ProxyJump none\n  User deploy\n"
    )
    assert "127.0.0.1:1 refused the connection" in " ".join(run("check")[1].split())


async def test_a_configuration_that_changes_while_the_console_runs_is_looked_at_again(dialled: Clone) -> None:
    (dialled.folder / "ssh_config").write_text(NOWHERE)
    estate = load(dialled.site)
    opened = open_site(estate.site, file=estate.file)
    host = opened.named["vps"]
    with pytest.raises(NoWayIn, match="refused the connection"):
        await host.open()
    (dialled.folder / "ssh_config").write_text(f'Match exec "{dialled.mark("ssh")}"\n{NOWHERE}')
    host.forget()
    with pytest.raises(NoWayIn, match="was not used, for this folder is not trusted"):
        await host.open()
    await opened.close()
    assert dialled.marks() == []
