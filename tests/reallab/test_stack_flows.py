"""From the seed half-way to every mail lane proven, by the flows that an operator starts, on the real stack."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.reallab.addresses import MAILCOW, MAILCOW6, Machine
from tests.reallab.stack import EXTRA_CONF, OVERRIDE, Stack
from tests.reallab.sweeping import COWHAND

SITE, CFG, MAIL = "/root/site/haproxy.cfg", "/etc/haproxy/haproxy.cfg", "/etc/haproxy/mail.cfg"
SYSTEMCTL = "/run/lab/standins/systemctl"
EMPTIED = """for each in iptables ip6tables; do
    $each -F DOCKER-USER && $each -F COWHAND-PROXY && $each -X COWHAND-PROXY && $each -A DOCKER-USER -j RETURN || exit
done"""
PORT = '      - "${SMTP_PORT_HAPROXY:-0.0.0.0:10025}:10025"'
MAIN = "data/conf/postfix/main.cf"
ONE = f"cat {MAIL} >>{CFG} && rm {MAIL} && systemctl restart haproxy"


@pytest.fixture
def halfway(stack: Stack) -> Iterator[Stack]:
    """The stack half-way, and HAProxy with one file, as the operator has it."""
    stack.reset()
    lab, before = stack.lab, stack.lab.read("oper", SITE)
    lab.do("vps", "sh", "-c", ONE)
    lab.write("oper", SITE, lab.read("vps", CFG))
    yield stack  # what is left in the stack and of HAProxy's folder every test of the stack makes anew
    lab.write("oper", SITE, before)
    lab.snat(False)


def flow(stack: Stack, name: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and events of a flow on the operator's machine, every plan agreed to."""
    argv = [COWHAND, "--site", "/root/site/site.toml", "flow", name, "--yes", "--json"]
    done = stack.lab.run("oper", argv, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def bytes_of(stack: Stack) -> tuple[dict[str, bytes], str]:
    """Mailcow's files and HAProxy's."""
    return stack.files(), stack.lab.read("vps", CFG)


def test_two_flows_lead_from_half_way_to_mail_that_sees_its_clients_and_again_do_nothing(halfway: Stack) -> None:
    main = halfway.read(MAIN)
    halfway.write(MAIN, f"a line of its own\n{main}")
    there, ids = bytes_of(halfway), halfway.ids()
    status, events = flow(halfway, "proxy-override")
    assert (status, "Postfix would not start again" in str(events[-1])) == (1, True), events[-1]
    assert "/opt/postfix/conf/main.cf, line 1: missing '='" in events[-1]["words"]
    assert (bytes_of(halfway), halfway.ids()) == (there, ids)
    halfway.write(MAIN, main)

    for name in ("proxy-override", "haproxy-listeners"):
        status, events = flow(halfway, name)
        assert status == 0, events[-1]["words"]
    assert halfway.read(EXTRA_CONF) == "haproxy_trusted_networks = 100.64.0.1\n"
    assert "10.10.10.214:10025:10025" in halfway.read(OVERRIDE)
    halfway.lab.settle()
    assert {row.check for name, row in halfway.lab.servers().items() if name != "web"} == {"L7OK"}

    there, ids = bytes_of(halfway), halfway.ids()
    for name in ("proxy-override", "haproxy-listeners"):
        status, events = flow(halfway, name)
        assert (status, "nothing to do" in str(events[-1])) == (0, True), events[-1]
    assert (bytes_of(halfway), halfway.ids()) == (there, ids)

    _, events = flow(halfway, "prove-client-address")
    told = str(events)
    assert all(f"{port} over IPv{family}: {word}" in told for family in (4, 6)
               for port, word in ((25, "proven"), (465, "proven"), (993, "likely"), (4190, "likely")))  # fmt: skip
    assert "HAProxy's, on vps" in told

    halfway.lab.snat(True)
    told = proof(halfway)
    halfway.lab.snat(False)
    assert "25 over IPv4: proven" in told, "the header tells the client, whoever brings it"
    assert "Dovecot does not trust 10.10.10.1, the router's, as mailcow has it" in told
    halfway.lab.write("vps", CFG, halfway.lab.read("vps", CFG).replace(" send-proxy", ""))
    halfway.lab.do("vps", "systemctl", "reload", "haproxy")
    told = proof(halfway)
    assert "Postfix waited for a PROXY header and got none" in told
    assert "Dovecot got no PROXY header from 100.64.0.1, HAProxy's, on vps" in told and "does not trust" not in told


def proof(stack: Stack) -> str:
    """The last word of prove-client-address on each lane, as text."""
    return str([event for event in flow(stack, "prove-client-address")[1] if event["event"] == "step"])


def saved(stack: Stack) -> list[str]:
    """All rules of both families, without counters, dates and what is ours."""
    text = "".join(stack.lab.do("mailcow", f"{tool}-save") for tool in ("iptables", "ip6tables"))
    lines = [re.sub(r" \[\d+:\d+\]$", "", line) for line in text.splitlines() if not line.startswith("#")]
    return [line for line in lines if "COWHAND" not in line]


SEND = r"""exec 3<>/dev/tcp/$1/10025 && printf 'PROXY %s 4000 10025\r\n' "$2" >&3 &&
read -r line <&3 && echo "$line"
"""


def believed(stack: Stack, machine: Machine, address: str = MAILCOW, seconds: int = 60) -> bool:
    """Whether a header that claims an address of TEST-NET gets postscreen's greeting."""
    claim = "TCP6 2001:db8::77 2001:db8::78" if ":" in address else "TCP4 192.0.2.77 192.0.2.78"
    argv = ["timeout", str(seconds), "bash", "-c", SEND, "bash", address, claim]
    return stack.lab.run(machine, argv, timeout=90).stdout.startswith("220")


def test_nobody_but_the_proxy_reaches_the_proxy_ports_and_undone_all_rules_are_as_before(stack: Stack) -> None:
    stack.complete()
    lab, override = stack.lab, stack.read(OVERRIDE)
    head, line, rest = override.partition(PORT)
    assert line, override
    stack.write(OVERRIDE, f'{head}{line}\n      - "[{MAILCOW6}]:10025:10025"{rest}')
    stack.do("up", "-d", "postfix-mailcow")
    stack.settle()
    lab.do("mailcow", "ln", "-sf", SYSTEMCTL, "/usr/local/bin/systemctl")
    tables = saved(stack)
    lab.snat(True)
    status, events = flow(stack, "proxy-filter")
    lab.snat(False)
    assert (status, "sees vps as 10.10.10.1, and that is no address of it" in str(events[-1])) == (1, True), events[-1]

    assert believed(stack, "oper") and believed(stack, "oper", MAILCOW6) and believed(stack, "vps")
    status, events = flow(stack, "proxy-filter")
    assert status == 0, events[-1]["words"]
    changed = events[-1]["run"]
    assert saved(stack) == tables
    held(stack)

    stack.do("restart", "--timeout", "1", "postfix-mailcow")
    stack.settle()
    held(stack)
    # as after a reboot: nothing is left of the chains, and the unit makes them again
    lab.do("mailcow", "sh", "-c", EMPTIED)
    assert believed(stack, "oper")
    lab.do("mailcow", SYSTEMCTL, "restart", "docker")
    stack.settle()
    held(stack)

    tables = saved(stack)
    lab.do("oper", COWHAND, "--site", "/root/site/site.toml", "flow", "proxy-filter", "--undo", changed, "--yes")
    assert "COWHAND" not in lab.do("mailcow", "iptables-save") + lab.do("mailcow", "ip6tables-save")
    assert saved(stack) == tables
    assert believed(stack, "oper")
    left = lab.do(
        "mailcow", "find", "/etc/systemd/system", "/usr/local/sbin", "/etc/cowhand", "-name", "*proxy-filter*"
    )
    lab.do("mailcow", "rm", "/usr/local/bin/systemctl")
    assert left == ""


def held(stack: Stack) -> None:
    """The proxy passes, and nobody else does."""
    assert not believed(stack, "oper", seconds=2)
    assert not believed(stack, "oper", MAILCOW6, seconds=2)
    assert believed(stack, "vps")
