"""A site's hosts as vantages: what opens, what cannot and why, and what the command log says of it."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

import pytest

from console.engine.vantages import open_site
from console.errors import NoWayIn
from console.estate.site_file import parse
from console.hosts.ssh import Ssh
from console.ladders import ProbeTarget
from console.probes.ladder import climb
from console.site import HostEntry, Site
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, answering, echo

SITE = """
[hosts.vps]
role = "proxy"
ssh = "vps"
[hosts.home]
role = "hypervisor"
ssh = "nobody@home"
[hosts.mailcow]
role = "mail"
ssh = "mail"
become = "sudo"
"""


def test_every_host_with_ssh_is_a_vantage_and_nothing_is_dialled() -> None:
    opened = open_site(parse(SITE, "site.toml"))
    assert {role: host.name for role, host in opened.hosts.items()} == {
        "here": "here",
        "proxy": "vps",
        "mail": "mailcow",
        "hypervisor": "home",
    }
    assert opened.missing == {}
    mail = opened.hosts["mail"].host  # type: ignore[attr-defined]
    assert isinstance(mail, Ssh) and mail.root is not None and mail.destination == "mail"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (HostEntry("mail", via="home", incus="home:mailcow"), "home has neither ssh nor local"),
        (HostEntry("mail", ssh="mail", become="doas"), 'become = "doas" is not known, only "sudo"'),
        (HostEntry("mail"), "neither ssh, local nor incus is set"),
    ],
)
def test_a_host_that_cannot_be_opened_says_why(entry: HostEntry, words: str) -> None:
    opened = open_site(Site(hosts={"mailcow": entry}))
    assert "mail" not in opened.hosts and words in opened.missing["mail"]
    assert opened.missing["proxy"] == 'no way in: no host has role = "proxy" in site.toml'


async def test_opening_asks_once_and_the_command_log_tells(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.banner = "Be\x1b[2J good\n"
    await server.start()
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(server.configure(known=False)))
    asked, ask = answering("yes")
    log: deque[str] = deque()
    opened = open_site(Site(hosts={"vps": HostEntry("proxy", ssh="vps")}), log, ask)
    await opened.open()
    assert (await opened.hosts["proxy"].run(["echo", "out"], 5)).stdout == b"out\n"
    await opened.close()
    assert [question.kind for question in asked] == ["host-key"]
    text = "\n".join(log)
    assert 'vps  says, in its own words: "Be\\x1b[2J good"' in text and "vps  host key accepted" in text
    assert "vps  echo out  status 0" in text


async def test_what_was_refused_is_tried_again_when_the_operator_asks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.start()
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(server.configure(known=False)))
    asked, ask = answering("no", "yes")
    opened = open_site(Site(hosts={"vps": HostEntry("proxy", ssh="vps")}), None, ask)
    for _ in range(2):
        await opened.open()
    with pytest.raises(NoWayIn, match="you did not accept it"):
        await opened.hosts["proxy"].run(["true"], 5)
    opened.forget()
    await opened.open()
    assert (await opened.hosts["proxy"].run(["true"], 5)).status == 0
    assert len(asked) == 2
    await opened.close()


async def test_a_ladder_whose_way_is_lost_is_not_judged(server: Server, ssh: Make) -> None:
    await server.start()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError, OSError):
            await reader.read()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as silent:
        target = ProbeTarget("127.0.0.1", silent.sockets[0].getsockname()[1], "smtp")
        ladder = await climb(target, ssh(server.configure()), lambda ladder: server.cut())
    assert (ladder.cause, ladder.rungs[-1].outcome) == ("no-way", "unknown")
    assert "the connection to vps was lost" in ladder.rungs[-1].detail


async def test_a_ladder_through_ssh_knows_where_it_asks_from(server: Server, ssh: Make) -> None:
    await server.start()
    far, port = await echo()
    async with far:
        ladder = await climb(ProbeTarget("127.0.0.1", port, "smtp"), ssh(server.configure()))
    assert ladder.source is not None and ladder.source[0] == "127.0.0.1"
    assert ladder.rung("greeting") is not None
