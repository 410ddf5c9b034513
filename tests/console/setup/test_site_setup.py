"""The set-up looks at machines over real SSH; HAProxy, docker and incus are stand-ins that say what those say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import assets
from console.engine import site_files, site_hosts
from console.engine.site_setup import SiteSetup
from console.hosts.ssh import aliases
from console.setup.answers import Wanted
from console.site import HostEntry
from tests.console.hosts.ssh_server import Server, answering

OURS = (Path(assets.__file__).parent / "lab/haproxy.cfg").read_text()
WEB = "\nlisten web\n  bind :443\n  mode tcp\n  server m 10.10.10.214:80\n"
PROXY = {"haproxy": "echo 'HAProxy version 2.8.5-1 2024/01/01'", "ps": "echo 'S haproxy -W'"}
INSTANCE = {"name": "mailcow", "type": "virtual-machine", "status": "Running"}
HOME = {"incus": f"[ $1 = list ] && echo '{json.dumps([INSTANCE])}' || true"}
MAIL = {"docker": "printf 'mailcowdockerized-dovecot-mailcow-1\\nmailcowdockerized-postfix-mailcow-1\\n'"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "infra"
    made.mkdir()
    for name in ("mailcow.tf", "docker-compose.override.yml"):
        (made / name).write_bytes((Path(assets.__file__).parent / "lab" / name).read_bytes())
    (made / "haproxy.cfg").write_text(OURS)
    return made


async def machine(
    server: Server, monkeypatch: pytest.MonkeyPatch, tools: dict[str, str], haproxy: str = "", known: bool = True
) -> None:
    """Let the SSH server be a machine with these commands and this haproxy.cfg; COWHAND_SSH_CONFIG leads to it."""
    place = server.folder / "bin"
    place.mkdir()
    absent = dict.fromkeys(("haproxy", "docker", "incus", "ps", "sudo"), "exit 127")
    for name, script in {**absent, "id": "echo 0", **tools}.items():
        (place / name).write_text(f"#!/bin/sh\n{script}\n")
        (place / name).chmod(0o755)
    server.path = f"{place}:{server.path}"
    there = server.folder / "etc-haproxy.cfg"
    if haproxy:
        there.write_text(haproxy)
    monkeypatch.setattr(site_hosts, "HAPROXY", str(there))
    monkeypatch.setattr(site_hosts, "here", lambda: "")
    monkeypatch.setattr("console.engine.site_setup.HAPROXY", str(there))
    monkeypatch.setattr("console.engine.site_setup.COPIES", (("haproxy", "proxy", str(there)),))
    monkeypatch.setattr(site_hosts, "CONF", str(server.folder / "mailcow.conf"))
    monkeypatch.setattr(site_hosts, "OVERRIDE", str(server.folder / "override.yml"))
    await server.start()
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(server.configure(known=known)))


async def told(setup: SiteSetup, **given: str) -> str:
    """Give answers until no question is left; returns the first that could not be used."""
    while (question := setup.question()) is not None:
        if wrong := await setup.answer(question.key, given.get(question.key, question.default or "none")):
            return wrong
    return ""


async def test_the_role_is_what_answers(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await machine(server, monkeypatch, PROXY, OURS + WEB)
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert "vps" in setup.aliases
    assert await told(setup, names="mail.example.org") == ""
    assert setup.site.hosts == {"vps": HostEntry("proxy", ssh="vps")}
    said = " ".join(row.words for row in setup.rows)
    assert "HAProxy 2.8.5 runs" in said
    assert [(lane.port, lane.target) for lane in setup.site.lane] == [(443, "10.10.10.214:80")]
    setup.write()
    assert "# HAProxy 2.8.5 runs" in setup.path.read_text()
    assert not any(command.startswith("exec env LC_ALL=C sudo") for command in server.commands)


async def test_the_vm_is_reached_by_incus_exec_where_that_works(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    await machine(server, monkeypatch, HOME)
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert await told(setup, hosts="vps") == ""
    assert setup.site.hosts == {
        "vps": HostEntry("hypervisor", ssh="vps"), "mailcow": HostEntry("mail", via="vps", incus="mailcow"),
    }  # fmt: skip


async def test_a_machine_where_nothing_answers_is_asked_about(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    await machine(server, monkeypatch, {})
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    await setup.answer("names", "none")
    assert await setup.answer("hosts", "vps") == ""
    question = setup.question()
    assert question is not None
    assert (question.key, set(question.choices)) == ("role.vps", {"proxy", "mail", "hypervisor", "none"})
    assert "neither HAProxy nor Mailcow nor Incus" in question.notes[0]
    assert await setup.answer("role.vps", "mail") == ""
    assert setup.site.hosts["vps"].role == "mail"


async def test_mailcow_is_told_by_its_containers(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await machine(server, monkeypatch, MAIL)
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert await told(setup, hosts="vps") == ""
    assert setup.site.hosts["vps"].role == "mail"
    assert "Mailcow: 2 containers" in [row.words for row in setup.rows]


async def test_the_proxy_of_another_site_is_refused(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    await machine(server, monkeypatch, PROXY, WEB)
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    wrong = await told(setup, hosts="vps")
    assert wrong.startswith("vps: vps is another site's")
    assert "listens on 443, and yours on 25, 465, 993 and 4190" in wrong
    assert setup.site.hosts == {}


async def test_a_host_key_that_nobody_knows_is_a_question_and_without_an_answer_no_way_in(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    await machine(server, monkeypatch, PROXY, OURS, known=False)
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert "no way in: the host key of vps is not known" in await told(setup, hosts="vps")
    assert server.commands == []
    asked, ask = answering("yes")
    setup = SiteSetup(folder, folder / "site.toml", ask)
    setup.begin()
    assert await told(setup, hosts="vps") == ""
    assert [question.kind for question in asked] == ["host-key"]


async def test_haproxy_s_file_is_copied_from_the_host_when_none_is_here(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (folder / "haproxy.cfg").unlink()
    await machine(server, monkeypatch, PROXY, OURS)
    monkeypatch.setattr("console.engine.site_setup.posixpath.basename", lambda path: "haproxy.cfg")
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert await told(setup, hosts="vps") == ""
    assert not (folder / "haproxy.cfg").exists()
    setup.write()
    assert (folder / "haproxy.cfg").read_text() == OURS
    assert (folder / "haproxy.cfg").stat().st_mode & 0o777 == 0o600
    assert setup.site.sources.haproxy == ("haproxy.cfg",)
    assert "a copy of vps:" in setup.path.read_text()
    assert "4 lanes" in " ".join(row.words for row in setup.rows)


async def test_a_file_that_cannot_be_used_is_not_copied_and_no_stays_possible(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "haproxy.cfg").unlink()
    await machine(server, monkeypatch, PROXY, OURS + 'listen broken\n  bind :1:2:3\n  mode\n  server\n frobnicate {\n"')
    monkeypatch.setattr("console.engine.site_setup.posixpath.basename", lambda path: "haproxy.cfg")
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    await setup.answer("names", "none")
    await setup.answer("hosts", "vps")
    before = list(setup.rows)
    assert "haproxy.cfg:" in await setup.answer("copy.haproxy", "yes")
    assert (setup.copies, setup.site.sources.haproxy, setup.rows) == ({}, (), before)
    assert await setup.answer("copy.haproxy", "no") == ""


async def test_the_file_that_a_package_brings_is_not_offered(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "haproxy.cfg").unlink()
    await machine(server, monkeypatch, PROXY, "global\n  daemon\ndefaults\n  mode tcp\n")
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert await told(setup, hosts="vps") == ""
    assert setup.copies == {}


async def test_an_ssh_configuration_of_the_repository_runs_nothing_unasked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text(f"Host vps\n  ProxyCommand touch {tmp_path}/ran\n")
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(folder / "config"))
    setup = SiteSetup(folder, folder / "site.toml")
    setup.begin()
    assert setup.aliases == {}
    assert "was not used" in await told(setup, hosts="vps")
    assert not (tmp_path / "ran").exists()


async def test_a_site_file_that_was_changed_meanwhile_is_not_written_over(folder: Path) -> None:
    setup = SiteSetup(folder, folder / "site.toml", tests=False)
    setup.begin()
    await told(setup, hosts="none")
    setup.path.write_text("# somebody else's\n")
    with pytest.raises(Exception, match="changed meanwhile"):
        setup.write()
    assert setup.path.read_text() == "# somebody else's\n"


async def test_an_untested_machine_needs_its_role(folder: Path, tmp_path: Path) -> None:
    setup = SiteSetup(folder, folder / "site.toml", tests=False)
    setup.begin()
    await setup.answer("names", "none")
    assert await setup.answer("hosts", "vps") == ""
    question = setup.question()
    assert question is not None
    assert question.key == "role.vps"
    assert site_hosts.entry_of(Wanted("local"), "mail") == HostEntry("mail", local=True)


def test_aliases_are_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("Host mailcow\n  HostName=10.0.0.2\n")
    (tmp_path / "config").write_text(
        f"Host vps relay\n  HostName vps.example\n  User root\nHost *.lan !x\n  User y\nInclude {tmp_path}/mor*\n"
        f'Match exec "touch {tmp_path}/ran"\n  User z\nHost "home"\n# Host no\nHost -oProxyCommand=x\n'
    )
    assert aliases.read(tmp_path / "config") == {
        "vps": "root@vps.example", "relay": "root@vps.example", "mailcow": "10.0.0.2", "home": "",
    }  # fmt: skip
    assert not (tmp_path / "ran").exists()


def test_a_link_that_leads_out_of_the_folder_is_not_taken_for_one_of_its_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.cfg").write_text("listen secret\n  bind :1\n")
    (folder / "haproxy.cfg").unlink()
    (folder / "haproxy.cfg").symlink_to(tmp_path / "elsewhere.cfg")
    assert "haproxy" not in site_files.find(folder)


def test_only_two_levels_are_looked_into_and_neither_hidden_folders_nor_dependencies(tmp_path: Path) -> None:
    for place in ("a", "a/b", "a/b/c", ".git", ".terraform/modules", "node_modules"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "main.tf").write_text("")
    assert site_files.find(tmp_path) == {"opentofu": ("a/main.tf", "a/b/main.tf")}
