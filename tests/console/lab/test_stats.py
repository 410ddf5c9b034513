"""The stand-in's statistics are laid out as HAProxy 2.6.12's own, of which a recording stands beside this file."""

from __future__ import annotations

import csv
import ssl
from pathlib import Path

import pytest

from console.facts.haproxy_stats import ask
from console.lab.client import LabHost
from console.lab.haproxy import stats
from console.lab.haproxy.checks import FULL, Health
from console.lab.haproxy.proxy import Proxy
from console.lab.network.network import Network
from console.model import Bind, Check, Lane, Role, Span, Target
from tests.console.lab.conftest import PUBLIC, VM, hear

RECORDED = (Path(__file__).parent / "haproxy_2_6_12.csv").read_text()


def lane(name: str, port: int, check: Check | None = None) -> Lane:
    target = Target("10.10.10.214", 10000 + port)
    binds = (Bind("", port), Bind("::", port))
    source = Span("haproxy.cfg", 1)
    return Lane(name, "imaps", port, binds, target, "v1", "passthrough", source, name, "mailcow", check=check)


@pytest.fixture
async def proxy() -> Proxy:
    check = Check("L4")
    lanes = (lane("smtp", 25, check), lane("imaps", 993, check), lane("sieve", 4190))
    made = Proxy(Network((VM,), ()), lanes, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    for frontend, status, last in zip(made.all, ("L4CON", "L4OK"), ("Connection refused", ""), strict=False):
        frontend.health.note(status, last, 0)
    return made


def rows(text: str) -> dict[tuple[str, str], dict[str, str]]:
    lines = text.splitlines()
    header = lines[0].removeprefix("# ").split(",")
    found = (dict(zip(header, values, strict=True)) for values in csv.reader(line for line in lines[1:] if line))
    return {(row["pxname"], row["svname"]): row for row in found}


async def test_the_header_row_is_haproxys_own(proxy: Proxy) -> None:
    assert stats.show_stat(proxy).splitlines()[0] == RECORDED.splitlines()[0]


@pytest.mark.parametrize("section", ["smtp", "imaps", "sieve"])
@pytest.mark.parametrize("row", ["FRONTEND", "mailcow", "BACKEND"])
async def test_a_row_fills_the_columns_that_haproxy_fills(proxy: Proxy, section: str, row: str) -> None:
    ours, theirs = rows(stats.show_stat(proxy))[section, row], rows(RECORDED)[section, row]
    wanted = {column for column, value in theirs.items() if value and not column.startswith(("ssl_", "h1_", "h2_"))}
    assert {column for column, value in ours.items() if value} == wanted


@pytest.mark.parametrize("section", ["smtp", "imaps", "sieve"])
async def test_what_a_check_found_is_said_in_haproxys_words(proxy: Proxy, section: str) -> None:
    ours, theirs = rows(stats.show_stat(proxy))[section, "mailcow"], rows(RECORDED)[section, "mailcow"]
    for column in ("status", "check_status", "last_chk", "check_desc", "check_rise", "check_fall", "check_health"):
        assert ours[column] == theirs[column], column


async def test_a_server_falls_after_three_failures_and_rises_after_two_successes() -> None:
    noted: list[bool] = []
    health = Health(lane("imaps", 993, Check("L4")), lambda: noted.append(health.up))
    words = []
    for status in ("L4OK", "L4TOUT", "L4TOUT", "L4TOUT", "L4OK", "L4TOUT", "L4OK", "L4OK"):
        health.note(status, "", 0)
        words.append(health.word)
    assert words == ["UP", "UP 2/3", "UP 1/3", "DOWN", "DOWN 1/2", "DOWN", "DOWN 1/2", "UP"]
    assert noted == [True, True, True, False, False, False, False, True]
    assert (health.points, health.failures, health.downs) == (FULL, 3, 1)


async def test_what_haproxy_does_not_know_is_answered_with_its_help(proxy: Proxy) -> None:
    assert stats.answer(proxy, "frobnicate\n").startswith("Unknown command. Please enter one of the following")
    both = stats.answer(proxy, "show version; show frobnicate\n")
    assert both.startswith(f"{stats.VERSION}\n\nUnknown command.")


async def test_show_info_and_show_servers_conn_answer_in_their_shapes(proxy: Proxy) -> None:
    info = dict(line.split(": ", 1) for line in stats.answer(proxy, "show info\n").splitlines() if line)
    assert info["Name"] == "HAProxy" and info["Version"] == stats.VERSION
    servers = stats.answer(proxy, "show servers conn\n").splitlines()
    assert servers[0].startswith("# bkname/svname bkid/svid addr port - ")
    assert servers[1].startswith("smtp/mailcow 2/1 10.10.10.214 10025 - ")


async def test_the_socket_answers_once_and_closes(hosts: dict[Role, LabHost]) -> None:
    stream = await hosts["proxy"].connect_unix("/run/haproxy/admin.sock", 5)
    await stream.write(b"show stat\n")
    text = b""
    while part := await stream.read():
        text += part
    stream.close()
    found = rows(text.decode())
    assert found["imaps", "mailcow"]["addr"] == "10.10.10.214:10993"
    assert found["imaps", "mailcow"]["check_status"].removeprefix("* ") == "L4OK"


async def test_the_facts_of_the_console_read_it(hosts: dict[Role, LabHost]) -> None:
    seen = await ask(hosts["proxy"])
    assert not seen.error
    assert [row.status for row in seen.servers if row.check] == ["UP"] * 4


async def test_a_session_is_counted_with_its_bytes(hosts: dict[Role, LabHost]) -> None:
    async def counters() -> dict[str, str]:
        stream = await hosts["proxy"].connect_unix("/run/haproxy/admin.sock", 5)
        await stream.write(b"show stat\n")
        text = b""
        while part := await stream.read():
            text += part
        stream.close()
        return rows(text.decode())["sieve", "FRONTEND"]

    before = await counters()
    heard = await hear(hosts["here"], PUBLIC, 4190, talk=b"LOGOUT\r\n", lines=99)
    after = await counters()
    assert int(after["stot"]) == int(before["stot"]) + 1
    assert int(after["bin"]) - int(before["bin"]) == len(b"LOGOUT\r\n")
    assert int(after["bout"]) - int(before["bout"]) == len(heard.text.removesuffix("<closed>"))
