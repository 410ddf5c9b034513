"""SSH on the wire and on disk: no weak algorithm is taken, and hashed names in known_hosts count as names do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh import kex_dh
from asyncssh.packet import MPInt

from console.errors import NoWayIn
from console.hosts.ssh import known_hosts
from tests.console.hosts.conftest import Make, server, ssh
from tests.console.hosts.ssh_server import Server, answering

__all__ = ["server", "ssh"]

WEAK: dict[str, dict[str, Any]] = {
    "cipher cbc": {"encryption_algs": ["aes256-cbc"]},
    "cipher 3des": {"encryption_algs": ["3des-cbc"]},
    "cipher rc4": {"encryption_algs": ["arcfour256"]},
    "key exchange group1": {"kex_algs": ["diffie-hellman-group1-sha1"]},
    "key exchange group14 sha1": {"kex_algs": ["diffie-hellman-group14-sha1"]},
    "key exchange gex sha1": {"kex_algs": ["diffie-hellman-group-exchange-sha1"]},
    "mac md5": {"mac_algs": ["hmac-md5"], "encryption_algs": ["aes128-ctr"]},
    "mac md5 of 96 bits": {"mac_algs": ["hmac-md5-96"], "encryption_algs": ["aes128-ctr"]},
}


@pytest.fixture
async def weak(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[list[str]]:
    """A server with a known host key that offers weak algorithms alone; what it hears of a login."""
    heard: list[str] = []

    class Front(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            heard.append(username)
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            heard.append(password)
            return True

    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Front, server_host_keys=[server.host_key], encoding=None, **request.param
    )
    server.port = acceptor.get_port()
    yield heard
    acceptor.close()


@pytest.mark.parametrize("weak", WEAK.values(), ids=WEAK, indirect=True)
async def test_a_server_that_offers_weak_algorithms_alone_gets_no_name_and_no_password(
    weak: list[str], server: Server, ssh: Make
) -> None:
    asked, ask = answering("a password")
    with pytest.raises(NoWayIn) as caught:
        await ssh(server.configure(key=False), ask=ask).open()
    assert str(caught.value).isprintable()
    assert weak == [] and asked == []


@pytest.mark.parametrize("has_ssh", [True, False], ids=["with ssh", "without ssh"])
async def test_no_server_has_us_test_whether_its_number_is_a_prime(
    has_ssh: bool, server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For 8,192 bits that takes a minute in which nothing else runs, before anybody has looked at a host key."""
    asked: list[object] = []

    def choose(exchange: kex_dh._KexDHGex, kind: int, number: int, packet: object) -> None:
        asked.append(packet)
        exchange.send_packet(kex_dh.MSG_KEX_DH_GEX_GROUP, MPInt(kex_dh._group14_p), MPInt(5))

    handlers = {**kex_dh._KexDHGex._packet_handlers, kex_dh.MSG_KEX_DH_GEX_REQUEST: choose}
    monkeypatch.setattr(kex_dh._KexDHGex, "_packet_handlers", handlers)
    if not has_ssh:
        monkeypatch.setenv("PATH", "/nowhere")
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[server.host_key], kex_algs=["diffie-hellman-group-exchange-sha256"]
    )
    server.port = acceptor.get_port()
    try:
        with pytest.raises(NoWayIn) as caught:
            await ssh(server.configure(key=False)).open()
    finally:
        acceptor.close()
    assert asked == [] and str(caught.value).isprintable()


async def test_a_host_key_is_not_taken_with_a_signature_of_sha1(server: Server, ssh: Make) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    heard: list[str] = []

    class Front(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            heard.append(username)
            return True

    rsa.sig_algorithms = (b"ssh-rsa",)
    rsa.all_sig_algorithms = {b"ssh-rsa"}
    acceptor = await asyncssh.listen("127.0.0.1", 0, server_factory=Front, server_host_keys=[rsa], encoding=None)
    server.port, server.host_key = acceptor.get_port(), rsa
    try:
        with pytest.raises(NoWayIn):
            await ssh(server.configure(key=False)).open()
    finally:
        acceptor.close()
    assert heard == []


# ── hashed names ────────────────────────────────────────────────────────────────────────────────────────────────────


def hashed(name: str, salt: bytes = b"0123456789abcdef0123") -> str:
    """A name as OpenSSH's HashKnownHosts writes it."""
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


async def test_a_hashed_name_is_known_as_a_plain_one_is(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    (server.folder / "known_hosts").write_text(f"{hashed(f'[127.0.0.1]:{server.port}')} {server.public()}\n")
    host = ssh(file)
    await host.open()
    assert (await host.run(["echo", "in"], 10)).stdout == b"in\n"


async def test_a_changed_key_under_a_hashed_name_is_refused_and_not_asked_about(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    (server.folder / "known_hosts").write_text(f"{hashed(f'[127.0.0.1]:{server.port}')} {other}")
    asked, ask = answering("yes")
    with pytest.raises(NoWayIn, match=r"changed|another|not the one"):
        await ssh(file, ask=ask).open()
    assert asked == []


@pytest.mark.parametrize("mark", ["@revoked ", ""])
async def test_a_hashed_name_that_is_broken_or_revoked_lets_nobody_in(mark: str, server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure()
    name = hashed(f"[127.0.0.1]:{server.port}") if mark else "|1|!!!|===|"
    rest = f"|1||\n|1|a\n|2|a|b x y\n|1|{'A' * 9999}|x y z\n"
    (server.folder / "known_hosts").write_text(f"{mark}{name} {server.public()}\n{rest}")
    with pytest.raises(NoWayIn):
        await ssh(file).open()


def test_a_long_file_of_hashed_names_is_gone_through_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = 1000
    file = tmp_path / "known_hosts"
    key = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip()
    file.write_text("".join(f"{hashed(f'h{n}.example.org')} {key}\n" for n in range(lines)))
    made: list[str] = []
    real = known_hosts.matches
    monkeypatch.setattr(known_hosts, "matches", lambda hosts, name: (made.append(name), real(hosts, name))[1])
    found = known_hosts.KnownHosts([file])
    assert found.check_key("vps.example.org", b"x").state == "unknown"
    assert lines <= len(made) <= 4 * lines


# ── host certificates (B13 h) ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_certificate_that_names_no_host_is_good_for_none(server: Server, ssh: Make) -> None:
    authority = asyncssh.generate_private_key("ssh-ed25519")
    server.host_certificate = authority.generate_host_certificate(server.host_key, "any host", principals=[])
    await server.start()
    file = server.configure()
    line = authority.export_public_key("openssh").decode().strip()
    (server.folder / "known_hosts").write_text(f"@cert-authority * {line}\n")
    _, ask = answering(None)
    with pytest.raises(NoWayIn, match=r"is not known|you did not accept it"):
        await ssh(file, ask=ask).open()
    assert server.logins == 0


@pytest.mark.parametrize("version", [b"SSH-2.0-x\x9b2J\r\n", b"SSH-2.0-\xff\xfe\r\n", b"SSH-1.99-\xc3\x28\r\n"])
async def test_a_server_whose_version_is_no_text_is_told_in_plain_words(
    version: bytes, server: Server, ssh: Make
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(version)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        with pytest.raises(
            NoWayIn, match=r"^vps does not speak SSH as it should: there are bytes \(0x..\) where"
        ) as said:
            await ssh(server.configure(key=False)).open()
    finally:
        listening.close()
    assert "codec" not in str(said.value) and str(said.value).isascii()
