"""What changes Mailcow's stack and what does not: the ground that any flow over it stands on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.answers import Publisher
from tests.reallab.stack import EXTRA_CF, EXTRA_CONF, OVERRIDE, Stack


@pytest.fixture
def halfway(stack: Stack) -> Iterator[Stack]:
    """The stack as the seed's page leaves it half-way, built again."""
    stack.reset()
    yield stack


def greets(stack: Stack, port: int) -> bool:
    """Whether an SMTP daemon greets on a port of the VM."""
    read = f"exec 3<>/dev/tcp/127.0.0.1/{port} && read -t 8 -r line <&3 && echo $line"
    said = stack.lab.run("mailcow", ["bash", "-c", read])
    return said.stdout.startswith("220")


def test_a_reset_is_true_to_the_byte_on_both_machines(halfway: Stack) -> None:
    files, haproxy = halfway.files(), halfway.lab.read("vps", "/etc/haproxy/mail.cfg")
    halfway.write(OVERRIDE, "services: {}\n")
    halfway.write(EXTRA_CF, "myhostname = other.test\nsmtp_helo_name = $myhostname\n")
    halfway.write("mailcow.conf", "")
    halfway.write("data/conf/dovecot/extra.conf~", "x")
    halfway.do("kill", "postfix-mailcow")
    halfway.lab.write("vps", "/etc/haproxy/mail.cfg", "")
    halfway.lab.write("vps", "/etc/haproxy/mail.cfg.previous", "")
    halfway.reset()
    assert halfway.files() == files
    assert halfway.states() == dict.fromkeys(halfway.states(), "running")
    assert halfway.lab.read("vps", "/etc/haproxy/mail.cfg") == haproxy
    assert "mail.cfg.previous" not in halfway.lab.do("vps", "ls", "/etc/haproxy")
    assert {name for name, row in halfway.lab.servers().items() if row.status == "UP"} <= {"web"}


def test_half_way_no_proxy_port_is_published_and_dovecot_trusts_nobody(halfway: Stack) -> None:
    published = {port.port for service in ("postfix-mailcow", "dovecot-mailcow") for port in halfway.ports(service)}
    assert published == {25, 465, 587, 110, 143, 993, 995, 4190}
    assert OVERRIDE not in halfway.files() and EXTRA_CONF not in halfway.files()
    assert halfway.exec("dovecot-mailcow", "doveconf", "-h", "haproxy_trusted_networks").stdout == "\n"
    assert "myhostname = mail.benoit.jp.net\n" in halfway.read(EXTRA_CF)


def test_up_recreates_only_what_changed_and_never_for_a_file_that_only_a_daemon_reads(halfway: Stack) -> None:
    before = halfway.ids()
    halfway.write(OVERRIDE, "services:\n  postfix-mailcow:\n    environment:\n      - MAILCOW_HOSTNAME=relay.test\n")
    halfway.do("up", "-d")
    after = halfway.ids()
    assert {name for name in after if after[name] != before[name]} == {"postfix-mailcow"}
    halfway.settle()
    assert halfway.read(EXTRA_CF) == "myhostname = relay.test\n\n"

    halfway.write(EXTRA_CF, "myhostname = ignored.test\nsmtp_helo_name = helo.$myhostname\n")
    assert halfway.compose("up", "-d").returncode == 0
    assert halfway.ids() == after

    def helo() -> str:
        argv = ("postconf", "-c", "/opt/postfix/conf", "-xh", "smtp_helo_name")
        return halfway.exec("postfix-mailcow", *argv).stdout

    halfway.exec("postfix-mailcow", "postfix", "reload")
    assert helo() == "relay.test\n"
    halfway.do("restart", "postfix-mailcow")
    halfway.settle()
    assert (helo(), halfway.ids()) == ("helo.relay.test\n", after)
    assert halfway.read(EXTRA_CF) == "myhostname = relay.test\nsmtp_helo_name = helo.$myhostname\n"


def test_a_change_of_enable_ipv6_is_not_made_by_up(halfway: Stack) -> None:
    def ipv6() -> str:
        network = "mailcowdockerized_mailcow-network"
        return halfway.lab.do("mailcow", "docker", "network", "inspect", "-f", "{{.EnableIPv6}}", network).strip()

    halfway.write("mailcow.conf", halfway.read("mailcow.conf").replace("ENABLE_IPV6=true", "ENABLE_IPV6=false"))
    halfway.do("up", "-d")
    assert ipv6() == "true"
    halfway.do("down", "--timeout", "0")
    halfway.do("up", "-d")
    assert ipv6() == "false"


def test_a_second_line_for_a_published_port_leaves_the_service_created_and_mail_down(halfway: Stack) -> None:
    halfway.write(OVERRIDE, 'services:\n  postfix-mailcow:\n    ports:\n      - "10.10.10.214:25:25"\n')
    done = halfway.compose("up", "-d")
    assert done.returncode == 1 and "address already in use" in done.stderr
    assert halfway.states()["postfix-mailcow"] == "created"
    assert not greets(halfway, 25)

    halfway.write(OVERRIDE, 'services:\n  postfix-mailcow:\n    ports: !override\n      - "10.10.10.214:25:25"\n')
    halfway.do("up", "-d")
    assert halfway.ports("postfix-mailcow") == (Publisher("10.10.10.214", 25, 25),)


def test_a_reload_with_a_broken_main_cf_succeeds_and_ends_postfix_in_a_container_that_is_up(halfway: Stack) -> None:
    assert greets(halfway, 25)
    halfway.write("data/conf/postfix/main.cf", halfway.read("data/conf/postfix/main.cf") + "a line of its own\n")
    assert halfway.exec("postfix-mailcow", "postfix", "check").returncode == 0
    assert halfway.exec("postfix-mailcow", "postconf", "-c", "/opt/postfix/conf").returncode == 1
    assert halfway.exec("postfix-mailcow", "postfix", "reload").returncode == 0
    halfway.lab.wait(lambda: not greets(halfway, 25), "Postfix still answers")
    assert halfway.states()["postfix-mailcow"] == "running"
    assert "missing '=' after attribute name" in halfway.logs("postfix-mailcow")


def test_sighup_ends_dovecots_container_for_good_and_a_program_that_dies_restarts_it(halfway: Stack) -> None:
    before = halfway.ids()["dovecot-mailcow"]
    halfway.exec("dovecot-mailcow", "pkill", "-x", "dovecot")
    count = ["docker", "inspect", "-f", "{{.RestartCount}}", before]
    halfway.lab.wait(lambda: halfway.lab.do("mailcow", *count).strip() == "1", "the container was not started again")
    halfway.settle()
    halfway.do("kill", "-s", "SIGHUP", "dovecot-mailcow")
    halfway.lab.wait(lambda: halfway.states()["dovecot-mailcow"] == "exited", "SIGHUP did not end the container")
    assert halfway.lab.do("mailcow", *count).strip() == "1"
