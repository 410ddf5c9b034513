"""Logging in: keys, passphrases, agents, passwords, codes; a login that was refused is not tried again."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import asyncssh
import pytest

from console.errors import NoWayIn
from console.questions import Credentials
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, agent, answering

SECRET = "correct horse battery staple"


def lock(server: Server, passphrase: str = SECRET, form: str = "openssh") -> None:
    """Put the client's key under a passphrase."""
    server.key_file.write_bytes(
        server.client_key.export_private_key(form, passphrase, rounds=1, ignore_few_rounds=True)
    )


async def test_a_login_that_was_refused_is_not_tried_again_until_asked(server: Server, ssh: Make) -> None:
    await server.start()
    right, server.client_key = server.client_key, asyncssh.generate_private_key("ssh-ed25519")
    host = ssh(server.configure())
    for _ in range(3):
        with pytest.raises(NoWayIn) as caught:
            await host.run(["true"], 5)
    said = str(caught.value)
    assert said.startswith("vps does not let deploy in: keys: ") and "id_ed25519" in said
    assert "it takes publickey" in said and "not tried again until you ask" in said
    assert (server.dials, server.tries) == (1, 1)
    server.client_key = right
    host.forget()
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 2


async def test_without_a_key_it_is_said_that_there_is_none(server: Server, ssh: Make) -> None:
    await server.start()
    with pytest.raises(NoWayIn, match="there is no key to offer"):
        await ssh(server.configure(key=False)).run(["true"], 5)


async def test_a_locked_key_is_named_when_nobody_can_be_asked(server: Server, ssh: Make) -> None:
    await server.start()
    lock(server)
    with pytest.raises(NoWayIn, match=r"id_ed25519: needs its passphrase \(ssh-add .*id_ed25519\)"):
        await ssh(server.configure()).run(["true"], 5)


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
async def test_the_passphrase_is_asked_for_once_and_serves_every_host(server: Server, ssh: Make, form: str) -> None:
    await server.start()
    lock(server, form=form)
    asked, ask = answering(SECRET)
    credentials, file = Credentials(ask), server.configure()
    for host in (ssh(file, ask=credentials), ssh(file, ask=credentials)):
        await host.open()
        assert (await host.run(["true"], 5)).status == 0
    (question,) = asked
    assert (question.kind, question.secret, question.text) == (
        "passphrase",
        True,
        f"passphrase of {server.key_file}",
    )


async def test_a_wrong_passphrase_costs_no_login_and_three_are_enough(server: Server, ssh: Make) -> None:
    await server.start()
    lock(server)
    asked, ask = answering("wrong", SECRET)
    await ssh(server.configure(), ask=ask).open()
    assert "that was not the passphrase" in asked[1].text
    asked, ask = answering("a", "b", "c")
    with pytest.raises(NoWayIn, match="needs its passphrase"):
        await ssh(server.configure(), ask=ask).open()
    assert len(asked) == 3


async def test_a_passphrase_is_not_asked_for_when_the_server_does_not_want_the_key(server: Server, ssh: Make) -> None:
    await server.start()
    lock(server)
    server.client_key = asyncssh.generate_private_key("ssh-ed25519")
    asked, ask = answering(SECRET)
    with pytest.raises(NoWayIn, match="does not let deploy in"):
        await ssh(server.configure(), ask=ask).open()
    assert asked == []


async def test_batch_mode_asks_nothing(server: Server, ssh: Make) -> None:
    server.password = SECRET
    await server.start()
    lock(server)
    asked, ask = answering(SECRET, SECRET)
    with pytest.raises(NoWayIn, match="needs its passphrase"):
        await ssh(server.configure("BatchMode yes"), ask=ask).open()
    assert asked == []


async def test_a_key_that_others_can_read_is_not_used(server: Server, ssh: Make) -> None:
    await server.start()
    server.key_file.chmod(0o644)
    with pytest.raises(NoWayIn, match=r"its mode 0644 lets others read it \(chmod 600 "):
        await ssh(server.configure()).run(["true"], 5)
    assert server.tries == 0


async def test_a_key_file_that_is_no_key_is_said(server: Server, ssh: Make) -> None:
    await server.start()
    server.key_file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(NoWayIn, match="id_ed25519: "):
        await ssh(server.configure()).run(["true"], 5)


def with_agent(server: Server, *lines: str, key: bool = False) -> Path:
    """A configuration that names an agent."""
    file = server.configure(*lines, key=key)
    file.write_text(file.read_text().replace("IdentityAgent none", f"IdentityAgent {server.folder}/agent.sock"))
    return file


async def test_the_agents_keys_are_offered(server: Server, ssh: Make) -> None:
    await server.start()
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with await agent(server.folder / "agent.sock", other, server.client_key):
        assert (await ssh(with_agent(server)).run(["true"], 5)).status == 0
    assert server.offered == [other.get_fingerprint(), *[server.client_key.get_fingerprint()] * 2]


async def test_a_locked_key_that_the_agent_holds_needs_no_passphrase(server: Server, ssh: Make) -> None:
    await server.start()
    lock(server)
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with await agent(server.folder / "agent.sock", other, server.client_key):
        assert (await ssh(with_agent(server, key=True)).run(["true"], 5)).status == 0
    assert other.get_fingerprint() not in server.offered


async def test_identities_only_keeps_the_agents_other_keys_back(server: Server, ssh: Make) -> None:
    await server.start()
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with await agent(server.folder / "agent.sock", other):
        with pytest.raises(NoWayIn):
            await ssh(with_agent(server, "IdentitiesOnly yes")).run(["true"], 5)
    assert server.offered == []


async def test_a_public_key_file_chooses_one_of_the_agents_keys(server: Server, ssh: Make) -> None:
    await server.start()
    server.key_file.write_bytes(server.client_key.export_public_key("openssh"))
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with await agent(server.folder / "agent.sock", other, server.client_key):
        assert (await ssh(with_agent(server, "IdentitiesOnly yes", key=True)).run(["true"], 5)).status == 0


async def test_an_agent_that_is_not_there_is_said(server: Server, ssh: Make) -> None:
    await server.start()
    with pytest.raises(NoWayIn, match=r"the agent at .*agent\.sock does not answer"):
        await ssh(with_agent(server)).run(["true"], 5)


@pytest.mark.parametrize("held", ["file", "agent"])
async def test_a_certificate_is_offered_with_its_key(server: Server, ssh: Make, held: str) -> None:
    server.authority = asyncssh.generate_private_key("ssh-ed25519")
    mine = server.client_key
    certificate = server.authority.generate_user_certificate(mine, "me", principals=["deploy"])
    await server.start()
    server.client_key = asyncssh.generate_private_key("ssh-ed25519")
    file = server.folder / "some-cert.pub"
    file.write_bytes(certificate.export_certificate())
    if held == "file":
        assert (await ssh(server.configure(f"CertificateFile {file}")).run(["true"], 5)).status == 0
        return
    async with await agent(server.folder / "agent.sock", mine):
        assert (await ssh(with_agent(server, f"CertificateFile {file}")).run(["true"], 5)).status == 0


async def test_too_many_keys_are_said_with_what_to_do(server: Server, ssh: Make) -> None:
    server.most_tries = 5
    await server.start()
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(8)]
    async with await agent(server.folder / "agent.sock", *keys):
        host = ssh(with_agent(server))
        for _ in range(2):
            with pytest.raises(NoWayIn, match="too many keys were offered: set IdentityFile and IdentitiesOnly yes"):
                await host.run(["true"], 5)
    assert server.dials == 1


async def test_a_password_is_asked_for_and_kept_for_the_next_connection(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.hosts.ssh.link.STABLE", 0.0)
    server.password, server.takes_keys = SECRET, False
    await server.start()
    asked, ask = answering(SECRET)
    host = ssh(server.configure(), ask=ask)
    await host.open()
    server.cut()
    assert (await host.run(["true"], 5)).status == 0
    assert [(q.kind, q.secret, q.text) for q in asked] == [("password", True, "password of deploy@127.0.0.1")]
    assert server.dials == 2


async def test_a_wrong_password_is_sent_once(server: Server, ssh: Make) -> None:
    server.password, server.takes_keys = SECRET, False
    await server.start()
    asked, ask = answering("wrong", SECRET)
    host = ssh(server.configure(), ask=ask)
    for _ in range(3):
        with pytest.raises(NoWayIn, match="the password was not taken"):
            await host.open()
    assert (len(asked), server.tries, server.dials) == (1, 1, 1)
    host.forget()
    await host.open()
    assert (len(asked), server.tries) == (2, 2)


async def test_a_password_that_nobody_gives_is_not_asked_for_again(server: Server, ssh: Make) -> None:
    server.password, server.takes_keys = SECRET, False
    await server.start()
    asked, ask = answering(None)
    host = ssh(server.configure(), ask=ask)
    for _ in range(2):
        with pytest.raises(NoWayIn, match="what it asks was not answered"):
            await host.open()
    assert (len(asked), server.tries) == (1, 0)


async def test_a_code_is_asked_for_in_the_servers_words(server: Server, ssh: Make) -> None:
    server.takes_keys = False
    server.challenges = [("Password: ", False, SECRET), ("Code\x1b[2J for you: ", True, "123456")]
    await server.start()
    asked, ask = answering(SECRET, "123456")
    await ssh(server.configure(), ask=ask).open()
    assert [(q.kind, q.secret) for q in asked] == [("password", True), ("code", False)]
    assert asked[1].quoted[-1] == "Code\\x1b[2J for you:"
    assert any("Look at your token" in line for line in asked[1].quoted)


async def test_a_wrong_code_is_not_tried_again(server: Server, ssh: Make) -> None:
    server.takes_keys = False
    server.challenges = [("Code: ", False, "123456")]
    await server.start()
    asked, ask = answering("000000", "123456")
    host = ssh(server.configure(), ask=ask)
    for _ in range(2):
        with pytest.raises(NoWayIn, match=r"it takes publickey|it takes keyboard-interactive"):
            await host.open()
    assert (len(asked), server.dials) == (1, 1)


async def test_no_secret_shows_anywhere(server: Server, ssh: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.password, server.takes_keys = "another secret", False
    await server.start()
    lock(server)
    said: list[str] = []
    asked, ask = answering(SECRET)
    host = ssh(server.configure(), ask=ask, tell=said.append)
    try:
        await host.open()
    except NoWayIn as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert [question.kind for question in asked] == ["password"]
    everything = shown + caplog.text + repr(vars(host)) + repr(vars(host.credentials)) + "".join(said) + repr(asked)
    assert SECRET not in everything and "PRIVATE KEY" not in everything


async def test_a_server_that_lets_everybody_in_needs_no_key(server: Server, ssh: Make) -> None:
    server.free = True
    await server.start()
    assert (await ssh(server.configure(key=False)).run(["true"], 5)).status == 0
    assert server.tries == 0
