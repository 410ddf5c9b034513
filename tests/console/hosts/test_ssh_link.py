"""The connection itself: made once, made again in time, never hurried, through jump hosts and proxy commands."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import NoWayIn
from console.hosts import relay
from console.hosts.ssh import link
from console.hosts.ssh.link import Link
from console.questions import Credentials
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, answering, echo, shut_port, until


async def test_opening_costs_nothing(server: Server, ssh: Make) -> None:
    await server.start()
    ssh(server.configure())
    assert server.dials == 0


async def test_many_first_callers_make_one_connection(server: Server, ssh: Make) -> None:
    server.slow_login = 0.1
    await server.start()
    host = ssh(server.configure())
    done = await asyncio.gather(*(host.run(["true"], 10) for _ in range(20)))
    assert {each.status for each in done} == {0}
    assert (server.dials, server.logins) == (1, 1)


async def test_a_machine_that_refuses_is_left_alone_for_a_while(server: Server, ssh: Make) -> None:
    server.port = shut_port()
    host = ssh(server.configure())
    with pytest.raises(NoWayIn, match=r"127\.0\.0\.1:\d+ refused the connection$"):
        await host.run(["true"], 5)
    with pytest.raises(NoWayIn, match=r"refused the connection; tried at \d\d:\d\d:\d\d$"):
        await host.run(["true"], 5)
    await server.start()
    host.forget()
    assert (await host.run(["true"], 5)).status == 0


async def test_pauses_double_up_to_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(link, "time", clock)
    made = Link("vps", "vps", Credentials(), print)
    pauses = []
    for _ in range(8):
        made._pause()
        pauses.append(made._next - 100)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_connection_that_breaks_at_once_counts_as_a_failure(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    await host.open()
    server.cut()
    await asyncio.sleep(0.05)
    with pytest.raises(NoWayIn, match="was lost at once; tried at"):
        await host.run(["true"], 5)
    assert server.dials == 1


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.0-old\r\n", b"\0" * 4096])
async def test_what_is_no_ssh_server_is_no_hang(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(link, "LOGIN", 0.5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        with suppress(OSError):
            while await reader.read(100):
                pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as odd:
        server.port = odd.sockets[0].getsockname()[1]
        with pytest.raises(NoWayIn, match=r"vps (took the connection|did not let us connect)"):
            await ssh(server.configure()).run(["true"], 5)


async def test_a_caller_does_not_wait_for_ever_for_a_slow_login(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE", 0.2)
    server.slow_login = 1.0
    await server.start()
    host = ssh(server.configure())
    with pytest.raises(NoWayIn, match="vps is still being connected to"):
        await host.run(["true"], 5)
    await until(lambda: host.link._connection is not None)
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 1


async def test_a_server_that_hangs_up_during_the_login_is_tried_once_more_and_no_more(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CEILING", 0.0)
    server.hangs_up_at_login = True
    await server.start()
    host = ssh(server.configure())
    with pytest.raises(NoWayIn, match="vps hung up while we logged in as deploy"):
        await host.run(["true"], 5)
    for _ in range(2):
        with pytest.raises(NoWayIn, match="vps hung up twice while we logged in"):
            await host.run(["true"], 5)
    assert server.dials == 2


async def test_a_banner_is_kept_cleaned_and_told_once(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "STABLE", 0.0)
    server.banner = "Authorised\x1b[31m use only\nBe good\n"
    await server.start()
    said: list[str] = []
    host = ssh(server.configure(), tell=said.append)
    await host.run(["true"], 5)
    server.cut()
    await host.run(["true"], 5)
    assert server.dials == 2
    assert host.banner == "Authorised\\x1b[31m use only\nBe good"
    assert said == ['says, in its own words: "Authorised\\x1b[31m use only / Be good"']


async def test_a_banner_is_part_of_a_refusal(server: Server, ssh: Make) -> None:
    server.banner, server.takes_keys = "Keys are not enough here\n", False
    server.password = "x"
    await server.start()
    with pytest.raises(NoWayIn, match='It says, in its own words: "Keys are not enough here"'):
        await ssh(server.configure()).run(["true"], 5)


async def test_a_page_to_open_is_said_at_once_and_waited_for(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LOGIN", 0.4)
    server.banner = (
        "# Tailscale SSH requires an additional check.\n# To authenticate, visit: https://login.example.org/a/1\n"
    )
    server.slow_login = 1.0
    await server.start()
    host = ssh(server.configure())
    with pytest.raises(NoWayIn, match=r"vps says, in its own words: \".*visit: https://login\.example\.org/a/1"):
        await host.run(["true"], 5)
    await until(lambda: host.link._connection is not None)
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 1


async def test_a_question_nobody_answers_in_time_is_not_put_again(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "QUESTION", 0.3)
    server.password, server.takes_keys = "x", False
    await server.start()
    asked: list[Any] = []

    async def ask(question: Any) -> str:
        asked.append(question)
        await asyncio.sleep(60)
        return ""

    host = ssh(server.configure(), ask=ask)
    for _ in range(2):
        with pytest.raises(NoWayIn, match="nobody did in time"):
            await host.open()
    assert len(asked) == 1


@pytest.mark.slow
async def test_a_dead_link_is_noticed_by_its_silence(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure("ServerAliveInterval 1", "ServerAliveCountMax 1"))
    await host.open()
    server.connections[0]._transport.pause_reading()  # type: ignore[attr-defined]
    connection = host.link._connection
    assert connection is not None
    await until(connection.is_closed)


async def test_a_jump_host_is_logged_in_to_with_its_own_key_and_checked_itself(
    server: Server, ssh: Make, tmp_path: Path
) -> None:
    (tmp_path / "bastion").mkdir()
    bastion = Server(tmp_path / "bastion")
    await server.start()
    await bastion.start()
    try:
        inner = bastion.configure(alias="bastion").read_text()
        file = server.configure("ProxyJump bastion")
        file.write_text(file.read_text() + inner)
        far, port = await echo()
        host = ssh(file)
        async with far:
            stream = await host.connect("127.0.0.1", port, 5)
            assert await stream.read() == b"220 here\r\n"
            stream.close()
        assert (bastion.logins, server.logins) == (1, 1)
        assert bastion.forwards == [("127.0.0.1", server.port)]
        (bastion.folder / "known_hosts").write_text("")
        other = ssh(file)
        with pytest.raises(NoWayIn, match="the host key of bastion \\(the jump host of vps\\) is not known"):
            await other.run(["true"], 5)
        asked, ask = answering("yes")
        await ssh(file, ask=ask).open()
        assert asked[0].host == "bastion (the jump host of vps)"
    finally:
        await bastion.stop()


async def test_a_jump_host_that_cannot_reach_the_machine_is_told_apart(server: Server, ssh: Make) -> None:
    await server.start()
    inner = server.configure(alias="bastion").read_text()
    file = server.configure(f"ProxyJump bastion\n  Port {shut_port()}")
    file.write_text(file.read_text().replace(f"  Port {server.port}\n", "", 1) + inner)
    with pytest.raises(NoWayIn, match="vps was not reached: its jump host could not connect to it"):
        await ssh(file).run(["true"], 5)


async def test_jump_hosts_that_go_round_in_a_circle_end(server: Server, ssh: Make) -> None:
    await server.start()
    file = server.configure("ProxyJump other")
    file.write_text(file.read_text() + "Host other\n  ProxyJump vps\n")
    with pytest.raises(NoWayIn, match="goes round in a circle"):
        await ssh(file).run(["true"], 5)
    assert server.dials == 0


async def test_a_proxy_command_carries_the_connection_and_ends_with_it(server: Server, ssh: Make) -> None:
    await server.start()
    script = server.folder / "relay.py"
    script.write_text(relay._PYTHON)
    host = ssh(server.configure(f"ProxyCommand {sys.executable} {script} tcp %h %p 5"))
    assert (await host.run(["true"], 5)).status == 0
    proxy = host.link._proxy
    assert proxy is not None and proxy.process.returncode is None
    await host.close()
    assert proxy.process.returncode is not None


async def test_what_a_proxy_command_says_is_said(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure("ProxyCommand sh -c 'echo no route by carrier pigeon >&2; exit 1'"))
    with pytest.raises(NoWayIn, match='its ProxyCommand says "no route by carrier pigeon"'):
        await host.run(["true"], 5)


async def test_a_destination_that_looks_like_an_option_is_refused(ssh: Make, tmp_path: Path) -> None:
    for destination in ("-oProxyCommand=touch /tmp/x", "", "a\nb"):
        with pytest.raises(NoWayIn, match="cannot be an SSH destination"):
            await ssh(tmp_path / "none", alias=destination).run(["true"], 5)
