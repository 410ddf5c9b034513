"""Which client address the containers see, by where the client is and whether Docker's network has IPv6."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.reallab.addresses import MAILCOW, MAILCOW6, OPER_HOME, OPER_HOME6, TAILNET, Machine
from tests.reallab.stack import Stack

GATEWAY, GATEWAY6 = "172.22.1.1", "fd4d:6169:6c63:6f77::1"


@pytest.fixture(scope="module", params=[True, False], ids=["with IPv6", "without IPv6"])
def network(stack: Stack, request: pytest.FixtureRequest) -> Iterator[bool]:
    """The half-way stack, whose network has IPv6 or has none."""
    stack.reset()
    if not request.param:
        stack.write("mailcow.conf", stack.read("mailcow.conf").replace("ENABLE_IPV6=true", "ENABLE_IPV6=false"))
        stack.do("down", "--timeout", "0")
        stack.do("up", "-d")
        stack.settle()
    yield request.param


def logged(stack: Stack) -> list[str]:
    """The clients of Postfix's port 465 so far, by its log."""
    return re.findall(r"smtps/smtpd\[\d+\]: connect from \S+\[(\S+)\]", stack.logs("postfix-mailcow"))


def echo(stack: Stack, machine: Machine, address: str) -> tuple[str, str]:
    """What Postfix on 465 answers to a recipient elsewhere, and the address it logs of the client. Nothing is sent."""
    before = len(logged(stack))
    argv = ["swaks", "--server", address, "--port", "465", "--tlsc", "--ehlo", "cow.test", "--from", "<>",
            "--to", "cow@example.invalid", "--quit-after", "RCPT", "--timeout", "20"]  # fmt: skip
    lines = stack.lab.run(machine, argv).stdout.splitlines()
    asked = next(number for number, line in enumerate(lines) if "RCPT TO" in line)
    stack.lab.wait(lambda: len(logged(stack)) > before, "Postfix logged no client")
    return " ".join(lines[asked + 1].split()[1:3]), logged(stack)[-1]


REFUSED, RELAYED = "554 5.7.1", "250 2.1.5"


def test_a_client_from_outside_is_seen_as_itself_over_ipv4(stack: Stack, network: bool) -> None:
    assert echo(stack, "vps", MAILCOW) == (REFUSED, TAILNET)
    assert echo(stack, "oper", MAILCOW) == (REFUSED, OPER_HOME)


def test_over_ipv6_it_is_itself_only_where_the_network_has_ipv6_and_the_gateway_may_relay(
    stack: Stack, network: bool
) -> None:
    seen = (REFUSED, OPER_HOME6) if network else (RELAYED, GATEWAY)
    assert echo(stack, "oper", MAILCOW6) == seen
    assert stack.exec("postfix-mailcow", "postqueue", "-c", "/opt/postfix/conf", "-p").stdout == "Mail queue is empty\n"


def test_the_vm_itself_is_the_gateway_on_loopback_and_itself_on_its_own_address(stack: Stack, network: bool) -> None:
    assert echo(stack, "mailcow", "127.0.0.1") == (RELAYED, GATEWAY)
    assert echo(stack, "mailcow", "::1") == (RELAYED, GATEWAY6 if network else GATEWAY)
    assert echo(stack, "mailcow", MAILCOW) == (REFUSED, MAILCOW)


def test_where_the_router_masquerades_it_is_the_routers_address(stack: Stack, network: bool) -> None:
    stack.lab.snat(True)
    try:
        assert echo(stack, "vps", MAILCOW) == (REFUSED, "10.10.10.1")
    finally:
        stack.lab.snat(False)
