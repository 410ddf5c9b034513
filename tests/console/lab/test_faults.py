"""Each fault changes what it claims and nothing else, and healing restores it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from cryptography import x509

from console.answers import Server
from console.diagnosis.catalogue import CATALOGUE
from console.errors import LabError, Refused, TimedOut
from console.facts.haproxy_stats import ask
from console.hosts.host import Stream
from console.lab.client import Lab, LabHost, faults
from console.lab.faults import FAULTS
from console.lab.plan import site_file
from console.model import HOPS, Role
from console.probes.tls import TlsStream
from tests.console.lab.conftest import PUBLIC, PUBLIC6, V1, VM, hear, logged, until

pytestmark = pytest.mark.slow

Hosts = dict[Role, LabHost]
Look = Callable[[Hosts], Awaitable[str]]

GREETED = "greeted"
CHECKED = ("smtp", "smtps", "imaps", "sieve")


async def servers(hosts: Hosts) -> dict[str, Server]:
    """HAProxy's servers by the name of their section."""
    return {row.proxy: row for row in (await ask(hosts["proxy"])).servers}


async def look(host: LabHost, address: str, port: int, header: bytes = b"", tls: bool = False) -> str:
    """One word: greeted, refused, timeout, closed, 421, or how TLS failed."""
    try:
        heard = await hear(host, address, port, header, tls)
    except Refused:
        return "refused"
    except TimedOut:
        return "timeout"
    if heard.text.startswith(("220", "* OK", '"IMPL')):
        return GREETED
    return heard.text[:3] if heard.text[:1] == "4" else heard.text.strip("<>")


def public(port: int, tls: bool = False, address: str = PUBLIC) -> Look:
    return lambda hosts: look(hosts["here"], address, port, tls=tls)


def impatient(port: int) -> Look:
    """A client that talks first, so that a daemon without its header need not wait five seconds."""

    async def talk(hosts: Hosts) -> str:
        heard = await hear(hosts["here"], PUBLIC, port, talk=b"EHLO cow\r\n")
        return GREETED if heard.text.startswith("220") else heard.text[:3]

    return talk


def inner(port: int, tls: bool = False) -> Look:
    return lambda hosts: look(hosts["proxy"], VM, port, V1, tls)


def plain(port: int, tls: bool = False) -> Look:
    return lambda hosts: look(hosts["mail"], "127.0.0.1", port, tls=tls)


async def web(hosts: Hosts) -> str:
    """The status of https://mail.benoit.jp.net/, or "refused"."""
    try:
        stream = await hosts["here"].connect(PUBLIC, 443, 5)
    except Refused:
        return "refused"
    secured = TlsStream(stream, "mail.benoit.jp.net")
    await secured.handshake()
    await secured.write(b"GET / HTTP/1.1\r\nHost: mail.benoit.jp.net\r\n\r\n")
    text = await secured.read()
    stream.close()
    return text[9:12].decode()


def served(role: Role, address: str, port: int, header: bytes = b"") -> Look:
    async def validity(hosts: Hosts) -> str:
        """Whether the certificate served there, for the mail server's name, still holds."""
        stream: Stream = await hosts[role].connect(address, port, 5)
        secured = TlsStream(stream, "mail.benoit.jp.net", header)
        await secured.handshake()
        stream.close()
        found = x509.load_der_x509_certificate(secured.tls.getpeercert(binary_form=True) or b"")
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["mail.benoit.jp.net"]
        return "expired" if found.not_valid_after_utc.timestamp() < time.time() else "holds"

    return validity


async def stats_socket(hosts: Hosts) -> str:
    return "refused" if (await ask(hosts["proxy"])).stopped else "answers"


async def configuration(hosts: Hosts) -> str:
    ours = (site_file().parent / "haproxy.cfg").read_bytes()
    return "ours" if await hosts["proxy"].read("/etc/haproxy/haproxy.cfg") == ours else "other"


async def dovecot_container(hosts: Hosts) -> str:
    command = ["docker", "compose", "ps", "-a", "--format", "json", "dovecot-mailcow"]
    return "running" if b'"State":"running"' in (await hosts["mail"].run(command, 5)).stdout else "exited"


CASES: dict[str, tuple[dict[str, tuple[Look, str]], dict[str, tuple[Look, str]]]] = {
    "dovecot-untrusted-proxy": (
        {"10993": (inner(10993, True), "closed in TLS"), "14190": (inner(14190), "closed")},
        {"10025": (inner(10025), GREETED), "993": (plain(993, True), GREETED), "public 25": (public(25), GREETED)},
    ),
    "proxy-header-missing": (
        {
            "465": (public(465, True), "TLS WRONG_VERSION_NUMBER"),
            "993": (public(993, True), "closed in TLS"),
            "25": (impatient(25), "421"),
        },
        {"10465": (inner(10465, True), GREETED), "10993": (inner(10993, True), GREETED), "web": (web, "200")},
    ),
    "listener-down": (
        {"v4": (public(993, True), "refused"), "v6": (public(993, True, PUBLIC6), "refused")},
        {"465": (public(465, True), GREETED), "sieve": (inner(14190), GREETED), "stats": (stats_socket, "answers")},
    ),
    "service-stopped": (
        {
            "10993": (inner(10993, True), "refused"),
            "993": (plain(993, True), "refused"),
            "4190": (plain(4190), "refused"),
            "container": (dovecot_container, "exited"),
        },
        {"10025": (inner(10025), GREETED), "25": (plain(25), GREETED), "web": (web, "200")},
    ),
    "certificate-expired": (
        {
            "public 993": (served("here", PUBLIC, 993), "expired"),
            "10465": (served("proxy", VM, 10465, V1), "expired"),
            "993": (served("mail", "127.0.0.1", 993), "expired"),
            "web": (served("here", PUBLIC, 443), "expired"),
        },
        {"25": (public(25), GREETED), "public 993": (public(993, True), GREETED)},
    ),
    "haproxy-stopped": (
        {
            "25": (public(25), "refused"),
            "4190 v6": (public(4190, address=PUBLIC6), "refused"),
            "web": (web, "refused"),
            "stats": (stats_socket, "refused"),
        },
        {"10025": (inner(10025), GREETED), "25 inside": (plain(25), GREETED)},
    ),
    "config-drift": (
        {"file": (configuration, "other")},
        {"25": (public(25), GREETED), "stats": (stats_socket, "answers")},
    ),
}  # fmt: skip
"""Fault → (what it changes, what it leaves), each a name, a look and the word it then gives."""


async def words(hosts: Hosts, looks: dict[str, tuple[Look, str]]) -> dict[str, str]:
    found = await asyncio.gather(*(look(hosts) for look, _ in looks.values()))
    return dict(zip(looks, found, strict=True))


def expected(looks: dict[str, tuple[Look, str]]) -> dict[str, str]:
    return {name: word for name, (_, word) in looks.items()}


@pytest.mark.parametrize("fault", list(CASES))
async def test_a_fault_changes_what_it_claims_and_nothing_else(calm: Lab, hosts: Hosts, fault: str) -> None:
    changed, kept = CASES[fault]
    whole = await words(hosts, changed | kept)
    assert not any(whole[name] == word for name, (_, word) in changed.items())
    assert calm.break_(fault) == [fault]
    assert await words(hosts, changed) == expected(changed)
    assert await words(hosts, kept) == expected(kept)
    assert calm.heal(fault) == []
    await until(lambda: ask(hosts["proxy"]), lambda stats: all(s.status in ("UP", "no check") for s in stats.servers))
    assert await words(hosts, changed | kept) == whole


async def test_an_untrusted_proxy_is_named_in_the_log_by_the_address_dovecot_sees(calm: Lab, hosts: Hosts) -> None:
    calm.break_("dovecot-untrusted-proxy")
    await hear(hosts["here"], PUBLIC, 993, tls=True)
    log = await logged(hosts, "dovecot-mailcow")
    assert "imap-login: Warning: haproxy: Client not trusted (rip=10.10.10.1)" in log


async def test_nobody_can_submit_while_dovecot_whom_postfix_asks_for_logins_is_stopped(calm: Lab, hosts: Hosts) -> None:
    calm.break_("service-stopped")
    heard = await hear(hosts["proxy"], VM, 10465, V1, tls=True)
    assert heard.text == "<closed>"
    assert "/smtpd[311]: fatal: no SASL authentication mechanisms\n" in await logged(hosts, "postfix-mailcow")


async def test_a_cut_tunnel_times_out_stalls_what_is_open_and_goes_on_where_it_was(calm: Lab, hosts: Hosts) -> None:
    stream = await hosts["proxy"].connect(VM, 14190, 5)
    calm.break_("tunnel-cut")
    with pytest.raises(TimedOut):
        await hosts["proxy"].connect(VM, 14190, 0.3)
    await stream.write(V1)
    reading = asyncio.create_task(stream.read())
    status = await hosts["proxy"].run(["tailscale", "status", "--json"], 5)
    assert b'"Online": false' in status.stdout
    assert await look(hosts["mail"], "127.0.0.1", 25) == GREETED
    assert not reading.done()
    calm.heal("tunnel-cut")
    assert (await reading).startswith(b'"IMPLEMENTATION"')
    stream.close()


@pytest.mark.slow
async def test_haproxy_calls_its_servers_down_when_the_tunnel_is_cut_and_up_when_it_heals(
    calm: Lab, hosts: Hosts
) -> None:
    calm.break_("tunnel-cut")
    rows = await until(lambda: servers(hosts), lambda rows: all(rows[name].status == "DOWN" for name in CHECKED))
    assert [(rows[name].status, rows[name].check) for name in CHECKED] == [("DOWN", "L4TOUT")] * 4
    assert await look(hosts["here"], PUBLIC, 25) == "closed"
    calm.heal()
    await until(lambda: servers(hosts), lambda rows: all(rows[name].status == "UP" for name in CHECKED))
    assert await look(hosts["here"], PUBLIC, 25) == GREETED


async def test_a_stopped_service_is_down_for_haproxy_and_its_clients_are_closed(calm: Lab, hosts: Hosts) -> None:
    calm.break_("service-stopped")
    rows = await until(lambda: servers(hosts), lambda rows: rows["imaps"].status == "DOWN")
    assert (rows["imaps"].check, rows["imaps"].last) == ("L4CON", "Connection refused")
    assert rows["smtp"].status == "UP"
    assert await look(hosts["here"], PUBLIC, 993, tls=True) == "closed in TLS"


async def test_a_slow_tunnel_costs_a_round_trip_of_over_a_second_and_breaks_nothing(calm: Lab, hosts: Hosts) -> None:
    calm.break_("tunnel-slow")
    through = asyncio.create_task(look(hosts["here"], PUBLIC, 4190))
    began = time.monotonic()
    stream = await hosts["proxy"].connect(VM, 10025, 5)
    assert time.monotonic() - began >= 1.2
    stream.close()
    assert await through == GREETED
    rows = await servers(hosts)
    assert [rows[name].status for name in CHECKED] == ["UP"] * 4


async def test_a_missing_listener_is_missing_in_the_statistics_too(calm: Lab, hosts: Hosts) -> None:
    calm.break_("listener-down")
    rows = await servers(hosts)
    assert "imaps" not in rows and "smtps" in rows


async def test_a_restarted_haproxy_keeps_the_other_faults(calm: Lab, hosts: Hosts) -> None:
    calm.break_("listener-down")
    calm.break_("proxy-header-missing")
    assert calm.break_("haproxy-stopped") == ["listener-down", "proxy-header-missing", "haproxy-stopped"]
    assert calm.heal("haproxy-stopped") == ["listener-down", "proxy-header-missing"]
    assert await look(hosts["here"], PUBLIC, 993, tls=True) == "refused"
    assert await look(hosts["here"], PUBLIC, 465, tls=True) == "TLS WRONG_VERSION_NUMBER"


async def test_breaking_twice_and_healing_twice_changes_nothing_more(calm: Lab, hosts: Hosts) -> None:
    assert calm.break_("service-stopped") == calm.break_("service-stopped") == ["service-stopped"]
    assert calm.heal("service-stopped") == calm.heal("service-stopped") == []
    assert await look(hosts["mail"], "127.0.0.1", 993, tls=True) == GREETED


def test_an_unknown_fault_is_refused_with_the_names_there_are(lab: Lab) -> None:
    for act in (lab.break_, lab.heal):
        with pytest.raises(LabError, match=r"no fault is called coffee-empty; there are dovecot-untrusted-proxy, .*"):
            act("coffee-empty")


def test_every_fault_names_a_finding_of_the_catalogue_and_a_hop() -> None:
    assert [fault["fault"] for fault in faults()] == list(FAULTS)
    for fault in faults():
        assert set(fault) == {"fault", "words", "finding", "hop", "outcome"}
        assert fault["finding"] in CATALOGUE
        assert fault["hop"] in HOPS
        assert fault["outcome"] in ("failed", "degraded")
