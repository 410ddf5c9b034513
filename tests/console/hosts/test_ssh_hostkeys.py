"""Host keys: known, unknown, changed, revoked, signed; none is ever taken without the operator, none is a hang."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncssh
import pytest

from console.errors import NoWayIn
from console.hosts.ssh import known_hosts
from console.hosts.ssh.known_hosts import KnownHosts, matches
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, answering, until


async def test_an_unknown_key_is_refused_with_its_fingerprint_and_what_to_do(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure(known=False))
    with pytest.raises(NoWayIn) as caught:
        await host.run(["true"], 5)
    assert f"the host key of vps is not known: ssh-ed25519 {server.host_key.get_fingerprint()}" in str(caught.value)
    assert "to accept it: ssh vps" in str(caught.value)
    assert server.tries == 0


async def test_an_unknown_key_is_a_question_and_yes_writes_it_down(server: Server, ssh: Make) -> None:
    await server.start()
    asked, ask = answering("yes")
    file = server.configure(known=False)
    host = ssh(file, ask=ask)
    await host.open()
    assert (await host.run(["true"], 5)).status == 0
    (question,) = asked
    assert (question.kind, question.host, question.secret) == ("host-key", "vps", False)
    assert server.host_key.get_fingerprint() in question.detail and "ssh-ed25519" in question.detail
    hosts = server.folder / "known_hosts"
    assert hosts.read_text() == f"[127.0.0.1]:{server.port} {' '.join(server.public().split()[:2])}\n"
    assert hosts.stat().st_mode & 0o777 == 0o600
    assert str(hosts) in question.detail
    assert (await ssh(file).run(["true"], 5)).status == 0


async def test_the_fingerprint_typed_is_a_yes_and_anything_else_a_no(server: Server, ssh: Make) -> None:
    await server.start()
    _, ask = answering(server.host_key.get_fingerprint())
    await ssh(server.configure(known=False), ask=ask).open()
    for answer in ("y", "no", "SHA256:other", "", None):
        (server.folder / "known_hosts").unlink(missing_ok=True)
        asked, ask = answering(answer)
        host = ssh(server.configure(known=False), ask=ask)
        for _ in range(2):
            with pytest.raises(NoWayIn, match="you did not accept it"):
                await host.open()
        assert len(asked) == 1
        assert not (server.folder / "known_hosts").exists()


async def test_while_a_question_is_open_nobody_waits_for_it(server: Server, ssh: Make) -> None:
    await server.start()
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(question: object) -> str:
        return await answer

    host = ssh(server.configure(known=False), ask=ask)
    for _ in range(2):
        with pytest.raises(NoWayIn, match="vps waits for your answer: a new host key, "):
            await host.run(["true"], 5)
    answer.set_result("yes")
    await until(lambda: host.link.pending == "")
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 2


async def test_a_changed_key_is_a_refusal_that_names_the_line_and_never_a_question(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
    hosts = server.folder / "known_hosts"
    hosts.write_text(f"# mine\nelsewhere {other}\n[127.0.0.1]:{server.port} {other}\n")
    asked, ask = answering("yes")
    with pytest.raises(NoWayIn) as caught:
        await ssh(file, ask=ask).run(["true"], 5)
    assert f"the host key of vps changed: it is not the one of {hosts}:3" in str(caught.value)
    assert f"ssh-keygen -f {hosts} -R '[127.0.0.1]:{server.port}'" in str(caught.value)
    assert server.host_key.get_fingerprint() in str(caught.value)
    assert asked == [] and server.tries == 0


async def test_a_key_of_another_type_is_a_changed_key_too(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key("openssh").decode().strip()
    (server.folder / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with pytest.raises(NoWayIn, match="the host key of vps changed"):
        await ssh(file).run(["true"], 5)


async def test_a_revoked_key_is_a_refusal_even_where_it_is_known(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    with (server.folder / "known_hosts").open("a") as hosts:
        hosts.write(f"@revoked * {server.public()}\n")
    asked, ask = answering("yes")
    with pytest.raises(NoWayIn, match=r"@revoked in .*known_hosts:2"):
        await ssh(file, ask=ask).run(["true"], 5)
    assert asked == [] and server.tries == 0


async def test_strict_checking_asks_nothing(server: Server, ssh: Make) -> None:
    await server.start()
    asked, ask = answering("yes")
    with pytest.raises(NoWayIn, match="StrictHostKeyChecking is yes"):
        await ssh(server.configure("StrictHostKeyChecking yes", known=False), ask=ask).run(["true"], 5)
    assert asked == []


@pytest.mark.parametrize("setting", ["no", "accept-new"])
async def test_no_setting_makes_an_unknown_key_accepted_in_silence(server: Server, ssh: Make, setting: str) -> None:
    await server.start()
    said: list[str] = []
    host = ssh(server.configure(f"StrictHostKeyChecking {setting}", known=False), tell=said.append)
    with pytest.raises(NoWayIn, match="the host key of vps is not known"):
        await host.run(["true"], 5)
    assert any("StrictHostKeyChecking" in line and "not honoured" in line for line in said)


async def test_a_key_is_written_down_hashed_when_the_configuration_says_so(server: Server, ssh: Make) -> None:
    await server.start()
    _, ask = answering("yes")
    file = server.configure("HashKnownHosts yes", known=False)
    (server.folder / "known_hosts").write_text("# no newline at the end")
    await ssh(file, ask=ask).open()
    lines = (server.folder / "known_hosts").read_text().splitlines()
    assert lines[0] == "# no newline at the end" and lines[1].startswith("|1|")
    assert matches(lines[1].split()[0], f"[127.0.0.1]:{server.port}")
    assert (await ssh(file).run(["true"], 5)).status == 0


async def test_a_host_key_alias_is_what_the_key_is_looked_up_by(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure("HostKeyAlias my-vps")
    (server.folder / "known_hosts").write_text(f"my-vps {server.public()}\n")
    assert (await ssh(file).run(["true"], 5)).status == 0


async def test_a_key_of_the_plain_name_is_good_for_any_port(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    (server.folder / "known_hosts").write_text(f"127.0.0.1 {server.public()}\n")
    assert (await ssh(file).run(["true"], 5)).status == 0


async def test_the_key_type_that_is_known_is_the_one_asked_for(tmp_path: Path, ssh: Make, server: Server) -> None:
    server.host_key = asyncssh.generate_private_key("ecdsa-sha2-nistp384")
    server.more_host_keys = [asyncssh.generate_private_key("ssh-ed25519")]
    await server.start()
    assert (await ssh(server.configure()).run(["true"], 5)).status == 0


def signed(server: Server, authority: asyncssh.SSHKey, principal: str, **more: object) -> None:
    server.host_certificate = authority.generate_host_certificate(
        server.host_key,
        "vps",
        principals=[principal] if principal else [],
        **more,  # type: ignore[arg-type]
    )


async def test_a_certificate_of_a_known_authority_is_enough(server: Server, ssh: Make) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    signed(server, authority, "127.0.0.1")
    await server.start()
    file = server.configure()
    line = authority.export_public_key("openssh").decode().strip()
    (server.folder / "known_hosts").write_text(f"@cert-authority [127.0.0.*]:* {line}\n")
    assert (await ssh(file).run(["true"], 5)).status == 0


@pytest.mark.parametrize("flaw", ["stranger", "expired", "principal", "no principal"])
async def test_a_certificate_that_is_no_good_leaves_the_plain_key_to_judge(
    server: Server, ssh: Make, flaw: str
) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    signer = asyncssh.generate_private_key("ssh-ed25519") if flaw == "stranger" else authority
    times = {"valid_after": "20200101", "valid_before": "20200201"} if flaw == "expired" else {}
    principals = {"principal": "elsewhere", "no principal": ""}
    signed(server, signer, principals.get(flaw, "127.0.0.1"), **times)
    await server.start()
    file = server.configure()
    line = authority.export_public_key("openssh").decode().strip()
    hosts = server.folder / "known_hosts"
    hosts.write_text(f"@cert-authority * {line}\n")
    with pytest.raises(NoWayIn, match="the host key of vps is not known"):
        await ssh(file).run(["true"], 5)
    hosts.write_text(f"@cert-authority * {line}\n[127.0.0.1]:{server.port} {server.public()}\n")
    assert (await ssh(file).run(["true"], 5)).status == 0


async def test_a_certificate_by_a_revoked_authority_is_refused(server: Server, ssh: Make) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    signed(server, authority, "127.0.0.1")
    await server.start()
    file = server.configure()
    line = authority.export_public_key("openssh").decode().strip()
    (server.folder / "known_hosts").write_text(f"@cert-authority * {line}\n@revoked * {line}\n")
    with pytest.raises(NoWayIn, match=r"@revoked in .*known_hosts:2"):
        await ssh(file).run(["true"], 5)


PATTERNS = [
    ("vps", "vps", True),
    ("VPS", "vps", True),
    ("vps", "VPS", True),
    ("a,vps,b", "vps", True),
    ("vps", "vps2", False),
    ("vps*", "vps2", True),
    ("v?s", "vps", True),
    ("*.example.org,!bad.example.org", "good.example.org", True),
    ("*.example.org,!bad.example.org", "bad.example.org", False),
    ("!bad.example.org,*.example.org", "bad.example.org", False),
    ("!bad", "good", False),
    ("[vps]:2222", "[vps]:2222", True),
    ("[vps]:2222", "vps", False),
    ("[*]:2222", "[vps]:2222", True),
    ("[vps]", "v", False),
    ("[2001:db8::1]:22", "[2001:db8::1]:22", True),
    ("*", "anything", True),
    ("|1|bad|bad", "vps", False),
    ("|1|!!!|???", "vps", False),
]


@pytest.mark.parametrize(("hosts", "name", "found"), PATTERNS)
def test_host_patterns_match_as_openssh_has_them(hosts: str, name: str, found: bool) -> None:
    assert matches(hosts, name) is found


def test_a_hash_made_by_openssh_is_recognised() -> None:
    hashed = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="  # sshd(8), for 192.168.1.61
    assert matches(hashed, "192.168.1.61") and not matches(hashed, "192.168.1.62")
    assert matches(known_hosts.hash_name("vps"), "vps")


def test_broken_lines_are_passed_over(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
    kind, blob = key.split()[:2]
    file = tmp_path / "known_hosts"
    file.write_bytes(
        f"\n# {key}\nvps\nvps {kind}\nvps {kind} @@@@\nvps ssh-rsa {blob}\n@odd vps {key}\n".encode()
        + b"\xff\xfe \x00 \x01\n"
        + f"  vps\t{kind}  {blob}  a comment\r\n".encode()
    )
    (line,) = KnownHosts([file, tmp_path / "none", tmp_path]).lines
    assert (line.number, line.hosts, line.kind) == (9, "vps", "ssh-ed25519")


async def test_the_question_says_under_which_names_the_key_is_known(server: Server, ssh: Make) -> None:
    await server.start()
    asked, ask = answering(None)
    file = server.configure(known=False)
    (server.folder / "known_hosts").write_text(f"old.example.org {server.public()}\n")
    with pytest.raises(NoWayIn):
        await ssh(file, ask=ask).open()
    assert "the same key is known as old.example.org" in asked[0].detail


async def test_a_place_that_cannot_be_written_is_said(server: Server, ssh: Make) -> None:
    await server.start()
    _, ask = answering("yes")
    file = server.configure(known=False)
    (server.folder / "known_hosts").mkdir()
    with pytest.raises(NoWayIn, match="cannot be written"):
        await ssh(file, ask=ask).open()


def test_fingerprints_are_those_of_ssh_keygen() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    assert known_hosts.fingerprint(key.public_data) == key.get_fingerprint()
    assert known_hosts.kind_of(key.public_data) == "ssh-ed25519"
    assert known_hosts.kind_of(os.urandom(3)) == ""
