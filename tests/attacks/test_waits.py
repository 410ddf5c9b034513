"""Nothing waits for ever: a resolver that never answers, a server that drips, a tool or a server that never ends."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncssh
import pytest

from console.errors import NoWayIn, TimedOut, Unresolved
from console.hosts import resolver
from console.hosts.local import Local
from console.hosts.ssh import config, link, transport
from console.ladders import ProbeTarget
from console.probes import ladder
from tests.console.hosts.conftest import Make, server, ssh
from tests.console.hosts.ssh_server import Server

__all__ = ["server", "ssh"]

REAL = socket.getaddrinfo


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A resolver that does not answer until the event is set; numbers need none."""
    answered = threading.Event()

    def ask(host: str, port: object, *rest: int, flags: int = 0, **more: int) -> object:
        if not flags & socket.AI_NUMERICHOST:
            answered.wait()
        return REAL(host, port, *rest, flags=flags | socket.AI_NUMERICHOST, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    monkeypatch.setattr(resolver, "LIMIT", 0.1)
    yield answered
    answered.set()


async def test_a_resolver_that_never_answers_is_said_in_time(silent: threading.Event) -> None:
    with pytest.raises(NoWayIn, match=r"^mail\.example\.org was not resolved within 0\.1 s: this machine's resolver"):
        await Local().resolve("mail.example.org")
    with pytest.raises(NoWayIn, match="was not resolved within"):
        await Local().connect("mail.example.org", 25, 5)
    with pytest.raises(NoWayIn, match="was not resolved within"):
        await transport.dial(config.Resolved("vps", "vps.example.org", 22, "root"))


async def test_an_address_needs_no_resolver(silent: threading.Event) -> None:
    assert await Local().resolve("127.0.0.1") == ("127.0.0.1",)
    assert await Local().resolve("::1") == ("::1",)


async def test_look_ups_that_hang_do_not_gather(silent: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MOST", 3)
    names = (Local().resolve(f"{n}.example.org") for n in range(10))
    outcomes = await asyncio.gather(*names, return_exceptions=True)
    assert all(isinstance(outcome, NoWayIn) for outcome in outcomes)
    assert sum(thread.name == resolver.THREAD for thread in threading.enumerate()) == 3


async def test_a_name_without_an_address_is_still_told_apart() -> None:
    with pytest.raises(Unresolved, match=r"nowhere\.invalid has no address"):
        await Local().resolve("nowhere.invalid")


async def test_a_name_with_thousands_of_addresses_is_not_dialled_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = REAL("127.0.0.1", 1, type=socket.SOCK_STREAM)[0]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, flags=0, **more: _none() if flags else [entry] * 4000)
    assert len(await resolver.look_up("many.example.org", 1)) == resolver.ADDRESSES
    dialled = []
    monkeypatch.setattr(transport, "_prepare", lambda sock, resolved: dialled.append(sock))
    with pytest.raises(NoWayIn, match="refused the connection"):
        await transport.dial(config.Resolved("vps", "many.example.org", 1, "root", timeout=5))
    assert len(dialled) == transport.ADDRESSES


def _none() -> object:
    raise socket.gaierror(socket.EAI_NONAME, "not a number")


HANGING = """
import asyncio, socket, sys, threading
real = socket.getaddrinfo
def ask(host, port, *rest, flags=0, **more):
    if not flags & socket.AI_NUMERICHOST:
        threading.Event().wait()
    return real(host, port, *rest, flags=flags, **more)
socket.getaddrinfo = ask
from console.hosts import resolver
resolver.LIMIT = 0.1
from console.__main__ import main
sys.exit(main(["--site", sys.argv[1], "check"]))
"""


def test_a_look_up_under_way_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    lane = '[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:1"\n'
    site.write_text(f'[public]\nnames = ["mail.example.org"]\n{lane}[hosts.vps]\nrole = "proxy"\nssh = "vps.invalid"\n')
    done = subprocess.run(
        [sys.executable, "-c", HANGING, str(site)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 3
    assert "mail.example.org was not resolved within 0.1 s" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr


ENDLESS = """
import asyncio, os
from console.errors import TimedOut
from console.hosts.local import Local

async def run(*argv):
    for _ in range(5):
        try:
            await Local().run(argv, 0.1, cap=100)
        except TimedOut:
            pass
        else:
            raise SystemExit("it ended")

async def main():
    before = len(os.listdir("/proc/self/fd"))
    await run("yes")
    await run("sh", "-c", "yes & yes >&2")
    for _ in range(6000):
        if len(os.listdir("/proc/self/fd")) == before:
            return
        await asyncio.sleep(0.01)
    raise SystemExit("descriptors are left: " + " ".join(os.listdir("/proc/self/fd")))

asyncio.run(main())
"""


def test_a_tool_that_never_stops_talking_leaves_no_traceback_and_no_descriptor() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", ENDLESS], capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    # On a busy machine asyncio says there what was slow, which is not asked here.
    said = [row for row in done.stderr.splitlines() if not (row.startswith("Executing ") and " took " in row)]
    assert (done.returncode, done.stdout, said) == (0, "", [])


async def test_what_a_command_leaves_running_and_talking_is_ended_with_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    for seconds in (0.3, 3.0, 30.0):  # on a busy machine it may not have begun
        with pytest.raises(TimedOut):
            await Local().run(["sh", "-c", f"yes & echo $! > {file}"], seconds)
        if file.exists() and file.read_text():
            break
    pid = int(file.read_text())
    for _ in range(6000):
        if not Path(f"/proc/{pid}").exists():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it still runs")


@pytest.mark.parametrize("protocol", ["smtp", "imap", "sieve", "http"])
async def test_a_server_that_drips_for_ever_is_given_up_as_one_that_drips(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ladder, "CONVERSATION", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            while not writer.is_closing():
                writer.write(b"220-x\r\n" if protocol == "smtp" else b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.transport.abort()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        climbed = await ladder.climb(ProbeTarget("127.0.0.1", port, protocol), Local())  # type: ignore[arg-type]
    finally:
        listening.close()
    assert climbed.failed is not None and climbed.cause == "unfinished"
    assert climbed.failed.name == "greeting" and "and still no end of the answer" in climbed.failed.detail


async def test_a_server_that_keeps_naming_pages_does_not_hold_the_login_open(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PAGE", 1.0)

    class Talker(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.conn = conn

        async def begin_auth(self, username: str) -> bool:
            while not self.conn.is_closed():
                self.conn.send_auth_banner("visit https://login.example.org/\n")
                await asyncio.sleep(0.05)
            return True

    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Talker, server_host_keys=[server.host_key], encoding=None
    )
    server.port = acceptor.get_port()
    server.key_file.write_bytes(server.client_key.export_private_key("openssh"))
    server.key_file.chmod(0o600)
    try:
        with pytest.raises(NoWayIn, match="nobody did in time"):
            async with asyncio.timeout(60):
                await ssh(server.configure()).open()
    finally:
        acceptor.close()
