"""The stand-in HAProxy does what another haproxy.cfg would say, too: v2 headers, checks that talk, single binds."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from console.errors import Refused
from console.lab.haproxy.proxy import Frontend
from console.lab.rehearsal import Rehearsal
from console.model import Bind, Check, Lane, Protocol, ProxyVersion, Span, Target, Topology
from tests.console.lab.conftest import PUBLIC, PUBLIC6, VM, until

Start = Callable[..., Awaitable[Rehearsal]]


def lane(
    protocol: Protocol,
    port: int,
    target: int,
    header: ProxyVersion | None = "v1",
    check: Check | None = None,
    binds: tuple[Bind, ...] = (),
    terminated: bool = False,
) -> Lane:
    tls = "terminated" if terminated else "passthrough"
    source = Span("haproxy.cfg", 1)
    return Lane(f"lane{port}", protocol, port, binds, Target(VM, target), header, tls, source, check=check)  # type: ignore[arg-type]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start an lab with these lanes; it is stopped, without a mishap, when the test ends."""
    started: list[Rehearsal] = []

    async def begin(*lanes: Lane) -> Rehearsal:
        lab = Rehearsal(Topology(lanes=lanes))
        started.append(lab)
        await lab.start()
        return lab

    yield begin
    for lab in started:
        await lab.stop()
        await asyncio.sleep(0)
        assert lab.mishaps == []


async def greeting(lab: Rehearsal, port: int, address: str = PUBLIC) -> bytes:
    line = await lab.network.dial("here", address, port)
    try:
        return await line.end.reader.readline()
    finally:
        line.end.reset()


async def request(lab: Rehearsal, text: bytes) -> bytes:
    line = await lab.network.dial("here", PUBLIC, 443)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await line.end.writer.start_tls(context)
    line.end.writer.write(text)
    answer = await line.end.reader.read()
    line.end.close()
    return answer


@pytest.mark.parametrize("header", ["v1", "v2"])
@pytest.mark.parametrize(("address", "client"), [(PUBLIC, "198.51.100.77"), (PUBLIC6, "2001:db8:77::77")])
async def test_the_client_is_carried_in_either_version_and_family(
    start: Start, header: ProxyVersion, address: str, client: str
) -> None:
    lab = await start(lane("submission", 587, 10587, header))
    assert await greeting(lab, 587, address) == b"220 mail.benoit.jp.net ESMTP Postcow\r\n"
    assert any(line.endswith(f": connect from unknown[{client}]") for line in lab.services[0].lines())


async def test_a_header_to_a_plain_port_is_taken_for_a_command(start: Start) -> None:
    lab = await start(lane("imap", 143, 143))
    line = await lab.network.dial("here", PUBLIC, 143)
    assert (await line.end.reader.readline()).startswith(b"* OK ")
    assert await line.end.reader.readline() == b"PROXY BAD TCP4: Unknown command.\r\n"
    line.end.reset()


async def test_a_bind_to_one_address_leaves_the_others_closed(start: Start) -> None:
    lab = await start(lane("sieve", 4190, 14190, binds=(Bind(PUBLIC, 4190), Bind("::", 4191))))
    assert (await greeting(lab, 4190)).startswith(b'"IMPLEMENTATION"')
    assert (await greeting(lab, 4191, PUBLIC6)).startswith(b'"IMPLEMENTATION"')
    for address, port in ((PUBLIC6, 4190), (PUBLIC, 4191)):
        with pytest.raises(Refused):
            await lab.network.dial("here", address, port)


@pytest.mark.parametrize(
    ("protocol", "target", "status"),
    [
        ("smtp", 10025, "L7OK"),
        ("smtps", 10465, "L7OK"),
        ("imaps", 10993, "L7OK"),
        ("sieve", 14190, "L7OK"),
        ("imap", 10587, "L7RSP"),
        ("smtps", 10587, "L6RSP"),
        ("smtp", 10110, "L4CON"),
    ],
)
async def test_a_check_that_talks_says_what_the_daemon_said(
    start: Start, protocol: Protocol, target: int, status: str
) -> None:
    lab = await start(lane(protocol, 2000, target, check=Check("L7", target, sends_proxy=True)))
    health = lab.proxy.all[0].health
    assert health.status == status
    assert health.up is (status == "L7OK")


async def test_a_check_that_talks_sees_what_a_bare_one_does_not(start: Start) -> None:
    lab = await start(
        lane("imaps", 993, 10993, check=Check("L4", 10993)),
        lane("sieve", 4190, 14190, check=Check("L7", 14190, sends_proxy=True)),
    )
    lab.dovecot.trust()
    bare, talking = lab.proxy.all
    assert await until(lambda: status(talking), lambda word: word == "L7RSP") == "L7RSP"
    assert await status(bare) == "L4OK"


async def status(frontend: Frontend) -> str:
    return frontend.health.status


async def test_the_web_is_served_through_tls_that_ends_at_the_proxy(start: Start) -> None:
    lab = await start(lane("https", 443, 80, None, terminated=True))
    head = await request(lab, b"HEAD / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n") and head.endswith(b"\r\n\r\n")
    page = await request(lab, b"GET / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n")
    assert b"mailcow UI" in page


async def test_a_web_server_that_is_gone_is_a_503(start: Start) -> None:
    lab = await start(lane("https", 443, 80, None, terminated=True))
    lab.services[2].stop()
    answer = await request(lab, b"GET / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 503 Service Unavailable\r\n")


async def test_stopping_closes_every_listener_and_drops_every_client(start: Start) -> None:
    lab = await start(lane("sieve", 4190, 14190))
    line = await lab.network.dial("here", PUBLIC, 4190)
    await line.end.reader.readline()
    lab.proxy.running = False
    await lab.proxy.apply()
    with pytest.raises(ConnectionResetError):
        while await line.end.reader.read():
            pass
    with pytest.raises(Refused):
        await lab.network.dial("here", PUBLIC, 4190)
    line.end.close()


async def test_a_stranger_on_this_machine_gets_nothing_from_a_listener(start: Start) -> None:
    lab = await start(lane("sieve", 4190, 14190))
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.network.listener("vps", PUBLIC, 4190))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


def test_the_console_can_join_a_lab_without_loading_what_a_lab_needs() -> None:
    script = "import sys, console.lab.client as c; c.faults(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "aiosmtpd",
        "pymap",
        "proxyprotocol",
        "cryptography",
        "lark",
        "console.lab.load",
        "console.lab.rehearsal",
    }
    assert heavy & set(loaded) == set()
