"""Mailcow's stack in a real engine: what a probe sees on every port, and what our facts make of compose's words."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

import pytest

from console.answers import Publisher
from console.facts import compose, containers, log
from console.ladders import Ladder, ProbeTarget
from console.model import Protocol, ProxyVersion
from console.probes.ladder import climb
from tests.reallab.addresses import MAILCOW, VPS
from tests.reallab.inside import Inside
from tests.reallab.stack import SERVICES, Stack

PROXIED: dict[int, Protocol] = {
    10025: "smtp", 10465: "smtps", 10587: "submission", 10143: "imap", 10993: "imaps", 14190: "sieve",
}  # fmt: skip
PLAIN: dict[int, Protocol] = {
    25: "smtp", 465: "smtps", 587: "submission", 143: "imap", 993: "imaps", 4190: "sieve", 80: "http", 443: "https",
}  # fmt: skip
GATEWAY = "172.22.1.1"
"""Who asked Dovecot by the VM's own loopback, as `settle` does."""

Asked = tuple[str, int, ProxyVersion | None]


@pytest.fixture(scope="module")
def whole(stack: Stack) -> Iterator[Stack]:
    """The stack as the seed's page ends; these tests only look, or put back what they stopped."""
    stack.complete()
    yield stack


@pytest.fixture(scope="module")
def ladders(whole: Stack) -> dict[Asked, Ladder]:
    """Every port asked from the proxy, whom Dovecot trusts, and from the home network, which it does not trust."""
    proxy, home = Inside(whole.lab, "vps", "proxy"), Inside(whole.lab, "oper", "here")
    asked: list[tuple[Asked, Inside, Protocol]] = [
        (("proxy", port, header), proxy, protocol)
        for port, protocol in (PROXIED | PLAIN).items()
        for header in (None, "v1")  # type: ignore[attr-defined]
    ]
    asked += [(("home", port, "v1"), home, PROXIED[port]) for port in (10143, 10993, 14190)]

    async def ask() -> list[Ladder]:
        return await asyncio.gather(
            *(climb(ProbeTarget(MAILCOW, at[1], protocol, at[2]), host) for at, host, protocol in asked)
        )

    return {at: ladder for (at, _, _), ladder in zip(asked, asyncio.run(ask()), strict=True)}


def end(ladder: Ladder) -> tuple[str, str]:
    """The rung it stopped at, and why."""
    return ladder.rungs[-1].name, ladder.cause


@pytest.mark.parametrize(("port", "header"), [(port, "v1") for port in PROXIED] + [(port, None) for port in PLAIN])
def test_a_port_asked_as_it_wants_to_be_asked_greets(
    ladders: dict[Asked, Ladder], port: int, header: ProxyVersion | None
) -> None:
    assert end(ladders["proxy", port, header]) == ("greeting", "")


@pytest.mark.parametrize(("port", "rung", "cause", "said"), [
    (10025, "greeting", "refused", "421 4.3.2"), (10587, "greeting", "refused", "421 4.3.0"),
    (10465, "tls", "not-tls", ""), (10993, "tls", "closed", ""),
    (10143, "greeting", "closed", ""), (14190, "greeting", "closed", ""),
])  # fmt: skip
def test_a_proxy_port_asked_without_a_header_refuses(
    ladders: dict[Asked, Ladder], port: int, rung: str, cause: str, said: str
) -> None:
    ladder = ladders["proxy", port, None]
    assert (*end(ladder), ladder.said[: len(said)]) == (rung, cause, said)


@pytest.mark.parametrize(("port", "rung"), [(10143, "greeting"), (10993, "tls"), (14190, "greeting")])
def test_dovecot_closes_at_once_on_a_header_from_whom_it_does_not_trust(
    ladders: dict[Asked, Ladder], port: int, rung: str
) -> None:
    assert end(ladders["home", port, "v1"]) == (rung, "closed")


@pytest.mark.parametrize(("port", "cause", "said"), [
    (25, "out-of-step", ("50", "220")), (587, "out-of-step", ("500 5.5.2", "220 ")),
    (143, "out-of-step", ("PROXY BAD", "* OK [CAP")), (4190, "out-of-step", ("NO ", '"IMPLEMENTATION"')),
    (465, "closed", ""), (993, "closed", ""), (443, "not-tls", ""), (80, "out-of-step", "HTTP/1.1 400"),
])  # fmt: skip
def test_a_header_sent_to_a_plain_port_is_taken_for_a_command_or_breaks_the_handshake(
    ladders: dict[Asked, Ladder], port: int, cause: str, said: str | tuple[str, ...]
) -> None:
    """What is told is the refusal, or the greeting where that came in the same piece and was read first."""
    ladder = ladders["proxy", port, "v1"]
    assert ladder.cause == cause
    assert ladder.said.startswith(said)


def test_haproxys_checks_and_a_client_on_the_internet_reach_the_containers(whole: Stack) -> None:
    whole.lab.settle()
    ask = ["openssl", "s_client", "-quiet", "-connect", f"{VPS}:993"]
    assert "* OK [CAPABILITY IMAP4rev1" in whole.lab.run("client", ask, input="a LOGOUT\r\n").stdout
    whole.lab.wait(lambda: "rip=203.0.113.77, " in whole.logs("dovecot-mailcow"), "Dovecot logged no client")


# ── docker compose, through console/facts ───────────────────────────────────────────────────────────────────────────


def vm(stack: Stack) -> Inside:
    return Inside(stack.lab, "mailcow", "mail")


async def test_ps_tells_every_container_and_where_its_ports_are_published(whole: Stack) -> None:
    told = await containers.ask(vm(whole))
    assert told.error == ""
    assert {each.service: each.state for each in told.found} == dict.fromkeys(SERVICES, "running")
    (postfix,) = [each for each in told.found if each.service == "postfix-mailcow"]
    assert postfix.name == "mailcowdockerized-postfix-mailcow-1"
    assert re.match(r"Up (Less than a second|About a minute|\d+ (seconds?|minutes))$", postfix.status)
    both = {Publisher(address, port, port) for address in ("0.0.0.0", "::") for port in (25, 465, 587)}
    assert set(postfix.publishers) == both | {Publisher("0.0.0.0", port, port) for port in (10025, 10465, 10587)}


async def test_ps_tells_a_stopped_container_with_its_exit_code(whole: Stack) -> None:
    whole.do("stop", "memcached-mailcow")
    try:
        (stopped,) = [e for e in (await containers.ask(vm(whole))).found if e.service == "memcached-mailcow"]
    finally:
        whole.do("start", "memcached-mailcow")
    assert (stopped.state, stopped.exit_code, stopped.publishers) == ("exited", 143, ())
    assert re.match(r"Exited \(143\) (Less than a second|\d+ seconds?) ago$", stopped.status)


async def test_logs_erase_the_line_before_each_and_the_fact_does_not_show_it(whole: Stack) -> None:
    raw = whole.logs("dovecot-mailcow").split("\n")
    assert all(line.startswith(log.ERASE) for line in raw if line), raw[:3]
    stamped = rf"^[A-Z][a-z]{{2}} [ \d]\d [\d:]{{8}} [0-9a-f]{{12}} dovecot: .*rip={re.escape(GATEWAY)}, "
    whole.lab.wait(lambda: f"rip={GATEWAY}, " in whole.logs("dovecot-mailcow"), "Dovecot logged nobody")
    told = await log.ask(vm(whole), "service", "dovecot-mailcow", pattern=stamped)
    assert told.error == "" and told.lines
    assert [line for line in told.lines if "\\x1b" in line or "\\r" in line] == []


async def test_logs_since_a_time_leave_out_what_is_older(whole: Stack) -> None:
    whole.exec("dovecot-mailcow", "sh", "-c", "echo old >/proc/1/fd/1")
    whole.lab.wait(lambda: "old" in whole.logs("dovecot-mailcow"), "the line did not come")
    everything = await log.ask(vm(whole), "service", "dovecot-mailcow", lines=1000)
    recent = await log.ask(vm(whole), "service", "dovecot-mailcow", since=3600, lines=1000)
    assert everything.lines == recent.lines
    assert everything.lines[-1] == "old"


async def test_exec_runs_in_the_container_and_tells_its_status(whole: Stack) -> None:
    well = await compose.run(vm(whole), ["exec", "-T", "postfix-mailcow", "cat", "/proc/1/comm"])
    assert (well.text, well.error) == ("supervisord\n", "")
    wrong = await compose.run(vm(whole), ["exec", "-T", "postfix-mailcow", "false"])
    assert (wrong.status, wrong.error) == (1, "docker on mailcow ended with status 1")


async def test_exec_into_a_stopped_service_is_refused(whole: Stack) -> None:
    whole.do("stop", "memcached-mailcow")
    try:
        refused = await compose.run(vm(whole), ["exec", "-T", "memcached-mailcow", "true"])
    finally:
        whole.do("start", "memcached-mailcow")
    assert (refused.status, refused.error) == (1, 'docker on mailcow: service "memcached-mailcow" is not running')


async def test_config_adds_the_overrides_ports_to_the_base_files(whole: Stack) -> None:
    told = await compose.run(vm(whole), ["config", "--format", "json"])
    service = json.loads(told.text)["services"]["postfix-mailcow"]
    published = {(port.get("host_ip", ""), port["published"], port["target"]) for port in service["ports"]}
    assert published == {("", "25", 25), ("", "465", 465), ("", "587", 587)} | {
        ("0.0.0.0", str(port), port) for port in (10025, 10465, 10587)
    }
    assert service["environment"] == {"MAILCOW_HOSTNAME": "relay.benoit.jp.net"}


@pytest.mark.parametrize(("words", "status", "said"), [
    (("logs", "nosuch"), 0, ""),
    (("ps", "nosuch"), 0, ""),
    (("exec", "-T", "nosuch", "true"), 1, 'service "nosuch" is not running\n'),
    (("nosuch",), 16, "unknown docker command: \"compose nosuch\"\n"),
    (("ps", "--nosuch"), 16, "unknown flag: --nosuch\n"),
    (("logs", "--tail", "many", "postfix-mailcow"), 0, ""),
    (("logs", "--since", "long ago", "postfix-mailcow"), 1,
     'invalid value for "since": failed to parse value as time or duration: "long ago"\n'),
])  # fmt: skip
def test_what_compose_says_of_a_wrong_word(whole: Stack, words: tuple[str, ...], status: int, said: str) -> None:
    done = whole.compose(*words)
    assert (done.returncode, done.stderr) == (status, said)


def test_a_folder_without_a_project_is_refused(whole: Stack) -> None:
    elsewhere = whole.lab.run("mailcow", ["docker", "compose", "--project-directory", "/root", "ps"])
    assert (elsewhere.returncode, elsewhere.stderr) == (14, "no configuration file provided: not found\n")


def test_compose_wants_root(whole: Stack) -> None:
    command = "docker compose --project-directory /opt/mailcow-dockerized ps"
    done = whole.lab.run("oper", ["ssh", "mailcow-cow", command])
    assert done.returncode == 1
    assert "permission denied while trying to connect to the Docker daemon socket" in done.stderr
    assert whole.lab.run("oper", ["ssh", "mailcow-cow", f"sudo -n {command}"]).returncode == 0
