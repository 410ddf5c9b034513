"""What other versions print gives the same reading: every recorded answer through its parser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.diagnosis import log_lines
from console.facts import containers, haproxy_stats, listeners, mounts, tailscale
from console.hosts.host import Stream
from console.probes.ladder import PROBES
from console.probes.wire import Broken, Wire
from tests.console.facts.recorded import SUBJECTS, expected, files, text


def variants(subject: str, *endings: str) -> list[str]:
    return [file for file in files(subject) if file.endswith(endings or ("",))]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_recorded_answer_says_where_it_comes_from(subject: str) -> None:
    table = expected(subject)
    told = set(table["from"]) if "from" in table else {file for file, row in table.items() if row["from"]}
    assert told == set(files(subject))


@pytest.mark.parametrize("file", files("haproxy_stats"))
def test_stat_columns_of_every_version_give_the_same_servers(file: str) -> None:
    table = expected("haproxy_stats")
    wanted = table["instead"].get(file, table["reading"])
    servers = haproxy_stats.parse(text("haproxy_stats", file))
    assert [[s.proxy, s.name, s.status, s.check] for s in servers] == [row[:4] for row in wanted]
    assert all(row[4] in server.last for row, server in zip(wanted, servers, strict=True))


class Recorded:
    """Stands for a stream on which a server says what was recorded, then ends."""

    local = peer = None

    def __init__(self, said: bytes) -> None:
        self.said, self.heard = said, b""

    async def read(self, limit: int = 65536) -> bytes:
        said, self.said = self.said[:limit], self.said[limit:]
        return said

    async def write(self, data: bytes) -> None:
        self.heard += data

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("file", files("greetings"))
async def test_greetings_of_every_version_are_understood(file: str) -> None:
    row = expected("greetings")[file]
    stream: Stream = Recorded(text("greetings", file).replace("\n", "\r\n").encode())
    try:
        answer = await PROBES[row["protocol"]].greet(Wire(stream, 1.0))
    except Broken as broken:
        answer = f"{broken.cause}: {broken.said}"
    assert answer.startswith(row["answer"])
    assert isinstance(stream, Recorded) and stream.heard == b""


@pytest.mark.parametrize("file", files("containers"))
def test_both_shapes_of_compose_ps_give_the_same_containers(file: str) -> None:
    table = expected("containers")
    found = containers.parse(text("containers", file))
    words = 5 if file in table["wordless"] else 4
    code = [-1 if each.exit_code is None else each.exit_code for each in found]
    read = [[each.service, each.state, code[i], each.well, each.words] for i, each in enumerate(found)]
    assert read == [[*row[:4], row[words]] for row in table["reading"]]
    published = [(p.address, p.port, p.inside) for each in found for p in each.publishers]
    assert published == [("10.10.10.214", 10025, 10025)]


@pytest.mark.parametrize("file", files("listeners"))
def test_ss_of_every_version_and_proc_give_the_same_listeners(file: str) -> None:
    table = expected("listeners")
    found = listeners.parse(text("listeners", file))
    wanted = [row for row in table["reading"] if row[1] != 9 or not file.startswith("3.12")]
    if file in table["anonymous"]:
        wanted = [[*row[:2], ""] for row in wanted]
    assert sorted([each.address, each.port, each.process] for each in found) == wanted
    assert [each.port for each in found if each.both] == ([443] if file in table["both"] else [])
    assert all((each.pid > 1) is bool(each.process) for each in found)


@pytest.mark.parametrize("file", files("mounts"))
def test_findmnt_of_every_version_and_mountinfo_give_the_same_mounts(file: str) -> None:
    table = expected("mounts")
    found = mounts.parse(text("mounts", file))
    sizeless = file in table["sizeless"]
    read = [[m.target, m.source, m.kind, "rw" in m.options, -1 if m.free is None else m.free] for m in found]
    assert read == [[*row[:4], -1 if sizeless else row[4]] for row in table["reading"]]


def clock(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S") if seconds else ""


@pytest.mark.parametrize("file", files("tailscale"))
def test_tailscale_of_every_version_tells_the_way_to_the_mail_host(file: str) -> None:
    table = expected("tailscale")
    tailnet = tailscale.parse(text("tailscale", file))
    peer = tailnet.toward("10.10.10.214")
    assert tailnet.own is not None
    read = [tailnet.state, tailnet.own.name, "", "", "", "", False, ""]
    if peer is not None:
        online = {None: "?", True: "true", False: "false"}[peer.online]
        read[2:] = [peer.name, online, clock(peer.last_seen), clock(peer.key_expiry), peer.expired, peer.relay]
    assert read == table["instead"].get(file, table["reading"])


def test_a_machine_of_the_tailnet_is_found_by_its_own_address_in_every_version() -> None:
    for file in files("tailscale"):
        peer = tailscale.parse(text("tailscale", file)).toward("100.64.0.2")
        assert (peer.name if peer else "") == ("" if "logged-out" in file else "home")


def lines(file: str) -> tuple[str, ...]:
    return tuple(text("wording", file).splitlines())


@pytest.mark.parametrize("file", variants("wording", *expected("wording")["dovecot"]))
def test_dovecots_words_about_a_proxy_are_recognised_whatever_the_version(file: str) -> None:
    found = (
        log_lines.untrusted_peer(lines(file)),
        log_lines.waited_peer(lines(file)),
        log_lines.misread_peer(lines(file)),
    )
    wanted = expected("wording")["dovecot"][file]
    if file == "dovecot-2.3.19.1.log":
        assert log_lines.untrusted_peer(lines(file)[:2]) == ("::1", lines(file)[1])
    assert [each[0] if each else "" for each in found] == wanted


@pytest.mark.parametrize("file", variants("wording", *expected("wording")["postfix"]))
def test_postfixs_words_about_clients_and_headers_are_recognised_whatever_the_version(file: str) -> None:
    said = lines(file)
    seen = [each for line in said if (each := log_lines.screened(line))]
    assert [(each.event, each.address, each.proxied) for each in seen][:8] == [
        ("CONNECT", "203.0.113.77", True),
        ("PASS", "203.0.113.77", True),
        ("CONNECT", "127.0.0.1", False),
        ("ALLOWLISTED", "127.0.0.1", False),
        ("PREGREET", "203.0.113.77", True),
        ("HANGUP", "203.0.113.77", True),
        ("DISCONNECT", "203.0.113.77", True),
        ("HANGUP", "203.0.113.77", True),
    ]
    assert seen[0].port == seen[4].port == 55555
    assert seen[4].detail == "EHLO early.example\\r\\n"
    assert ("CONNECT", "2001:db8:113::77") in {(each.event, each.address) for each in seen}
    troubles = [line for line in said if log_lines.header_trouble((line,))]
    assert troubles == [line for line in said if "haproxy read" in line or "fatal" in line]
    family = log_lines.refused_family(said)
    assert family is not None and family[0] == "IPv6"
    assert expected("wording")["postfix"][file] in family[1]


@pytest.mark.parametrize("file", variants("wording", *expected("wording")["netfilter"]))
def test_netfilters_bans_are_recognised_whatever_the_version(file: str) -> None:
    assert list(log_lines.bans(lines(file))) == expected("wording")["netfilter"][file]


@pytest.mark.parametrize("file", variants("wording", *expected("wording")["kernel"]))
def test_the_kernels_words_about_memory_are_recognised_whatever_the_version(file: str) -> None:
    found = log_lines.out_of_memory(lines(file))
    assert found is not None and found[0] == expected("wording")["kernel"][file]
