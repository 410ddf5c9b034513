"""A host that talks without end fills nobody's memory: not the other host's, and not the console's."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import pytest

from console.errors import NoWayIn
from console.facts import installation
from console.flows.certificate_sync.commands import TRY
from console.hosts.ssh.login import SLICE
from tests.assets.mail_host import MailHost
from tests.assets.pairs import new, old
from tests.assets.proxy_host import ProxyHost
from tests.console.hosts.conftest import Make, server, ssh
from tests.console.hosts.ssh_server import Server

__all__ = ["server", "ssh"]

ROOM = 160 << 20
"""Bytes of memory that a shell may have here; a host says more than twice as much."""

TALKS = "head -c 400000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo 'refused: the end' >&2; exit 12"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ProxyHost]:
    mail = MailHost(tmp_path / "vm")
    made = ProxyHost(tmp_path / "vps", mail)
    made.serve(old())
    made.renew(new())
    yield made
    made.door.close()
    mail.close()


def little_room() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))


def test_a_mail_host_that_talks_at_a_push_does_not_fill_the_proxys_memory(proxy: ProxyHost) -> None:
    ssh = proxy.root / "usr/local/bin/ssh"
    ssh.write_text(f"#!/bin/sh\ncat >/dev/null\n{TALKS}\n")
    done = subprocess.run(
        ["sh", str(proxy.hook)],
        env={"PATH": os.environ["PATH"], "RENEWED_LINEAGE": str(proxy.live)},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300, preexec_fn=little_room,
    )  # fmt: skip
    assert done.returncode == 23, done
    assert done.stderr == b"certificate push: root@10.10.10.214 did not take it (status 12): refused: the end\n"


@pytest.fixture(params=["dash", "bash", "busybox sh"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """A shell that hosts have; CI installs each, and takes a skipped test for a failed one."""
    words = str(request.param).split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]}")
    return words


def test_nor_where_the_key_is_tried(shell: list[str], tmp_path: Path) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\n{TALKS.replace('exit 12', 'exit 10')}\n")
    ssh.chmod(0o755)
    done = subprocess.run(
        [*shell, "-c", TRY, "sh", "/key", "/known", "root@host"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300, preexec_fn=little_room,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("a command and sftp both reach the deploy script alone")


def test_the_key_of_the_lineage_is_in_no_environment(proxy: ProxyHost) -> None:
    seen = proxy.root / "seen"
    openssl = proxy.root / "usr/local/bin/openssl"
    openssl.write_text(f"#!/bin/sh\nenv >>'{seen}'\nexec /usr/bin/openssl \"$@\"\n")
    openssl.chmod(0o755)
    variables = dict.fromkeys(("chain", "secret", "half", "told", "said"), "x")
    done = subprocess.run(
        ["sh", str(proxy.hook)],
        env={"PATH": os.environ["PATH"], "RENEWED_LINEAGE": str(proxy.live), **variables},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert seen.exists() and new().key.split("\n")[1] not in seen.read_text()


# ── the console ─────────────────────────────────────────────────────────────────────────────────────────────────────

SAYS = 96
"""MiB that a server says to a command that says nothing."""


@pytest.fixture
async def talker(server: Server) -> AsyncIterator[Server]:
    """A server that answers each command with as much as it can."""
    piece = b"x" * (1 << 20)

    async def talk(process: asyncssh.SSHServerProcess[bytes]) -> None:
        for _ in range(SAYS):
            process.stdout.write(piece)
            await process.stdout.drain()
        process.exit(0)

    class Front(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Front, server_host_keys=[server.host_key], process_factory=talk, encoding=None
    )
    server.port = acceptor.get_port()
    yield server
    acceptor.close()


def test_nor_does_what_mailcows_machine_says_where_one_looks_before_an_installation(
    shell: list[str], tmp_path: Path
) -> None:
    for name in ("docker", "ss", "pgrep", "ip", "git"):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text("#!/bin/sh\nhead -c 400000000 /dev/zero | tr '\\0' x\n")
        tool.chmod(0o755)
    folder = tmp_path / "mailcow"
    (folder / ".git").mkdir(parents=True)
    for name in ("mailcow.conf", "docker-compose.yml", "generate_config.sh"):
        (folder / name).write_text("")
    done = subprocess.run(
        [*shell, "-c", installation.SCRIPT, "sh", str(folder), installation.PROJECT, installation.UPDATING],
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300, preexec_fn=little_room,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "") and len(done.stdout) < 1 << 20
    found = installation.parse(done.stdout)
    assert found.kind == "mailcow" and found.engine.startswith("xxx") and not found.silent and not found.complaint


async def test_what_a_server_says_to_the_first_question_is_not_kept(talker: Server, ssh: Make) -> None:
    host = ssh(talker.configure(key=False))
    tracemalloc.start()
    try:
        await host.open()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < SAYS << 19


async def test_a_server_that_talks_without_end_leaves_the_other_hosts_their_turn(
    talker: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All hosts are asked by one thread: what it does with one read of a server is what all others wait for."""
    taken: list[int] = []
    take = asyncssh.SSHClientConnection.data_received

    def count(connection: asyncssh.SSHClientConnection, data: bytes, datatype: int | None = None) -> None:
        taken.append(len(data))
        take(connection, data, datatype)

    monkeypatch.setattr(asyncssh.SSHClientConnection, "data_received", count)
    await ssh(talker.configure(key=False)).open()
    assert sum(taken) > 1 << 20 and max(taken) <= SLICE


async def test_a_server_that_only_speaks_compressed_is_not_spoken_to(server: Server, ssh: Make) -> None:
    """One packet of it may unfold to a thousand times its size."""
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[server.host_key], encoding=None, compression_algs=["zlib@openssh.com", "zlib"]
    )
    server.port = acceptor.get_port()
    try:
        with pytest.raises(NoWayIn, match="no algorithm in common"):
            await ssh(server.configure(key=False)).open()
    finally:
        acceptor.close()
