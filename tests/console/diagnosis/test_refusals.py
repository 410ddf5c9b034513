"""Whether what HAProxy refuses keeps Mailcow's bans: a list of clients does, a rate limit does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.diagnosis.lint import lint
from console.estate.load import load
from tests.console.diagnosis.kinds import OVERRIDE, Case, published
from tests.console.diagnosis.test_kinds import estate

BOTH = published("dovecot-mailcow", "10.9.9.9:10993:10993", "10.9.9.9:10143:10143")
FRONTEND = "frontend f\n bind :993,:143\n{}"
BACK = " use_backend s if {{ dst_port 993 }}\n default_backend p\n"
BACKENDS = "backend s\n{}server m 10.9.9.9:10993 send-proxy\nbackend p\n{}server m 10.9.9.9:10143 send-proxy\n"
CONNECTION, CONTENT = " tcp-request connection ", " tcp-request content "
RULES: dict[str, tuple[str, str]] = {
    "no rule": ("", "f (993) and f (143)"),
    "a list": (CONNECTION + "reject if { src -f /etc/banned }\n", ""),
    "a list by name": (" acl bad src -f /etc/banned\n" + CONNECTION + "reject if bad\n", ""),
    "a map": (CONNECTION + "silent-drop if { src,map_ip(/etc/banned.map,0) 1 }\n", ""),
    "who is not on a list": (CONNECTION + "reject unless { src -f /etc/friends }\n", ""),
    "who is not in a network": (CONNECTION + "reject if !{ src 10.0.0.0/8 }\n", ""),
    "one address": (CONNECTION + "reject if { src 198.51.100.7 }\n", "f (993) and f (143)"),
    "a rate": (CONNECTION + "reject if { src_conn_rate gt 10 }\n", "f (993) and f (143)"),
    "a rate that is tracked": (
        CONNECTION + "track-sc0 src\n" + CONNECTION + "reject if { sc0_conn_rate gt 10 }\n",
        "f (993) and f (143)",
    ),
    "a rate by a converter": (CONTENT + "reject if { src,table_conn_rate(t) gt 10 }\n", "f (993) and f (143)"),
    "a number": (CONTENT + "reject if { fe_conn gt 100 }\n", "f (993) and f (143)"),
    "a rate that spares one's own": (
        CONNECTION + "reject if { src_conn_rate gt 10 } !{ src 10.0.0.0/8 }\n",
        "f (993) and f (143)",
    ),
    "a rate or a list": (CONNECTION + "reject if { src_conn_rate gt 10 } or { src -f /etc/banned }\n", ""),
    "an acl that is both": (
        " acl bad src_conn_rate gt 10\n acl bad src -f /etc/banned\n" + CONNECTION + "reject if bad\n",
        "",
    ),
    "a mark that this file sets": (
        CONTENT + "sc-inc-gpc0(0) if { src_conn_rate gt 9 }\n" + CONNECTION + "reject if { src_get_gpc0 gt 0 }\n",
        "f (993) and f (143)",
    ),
    "a mark that somebody else sets": (CONNECTION + "reject if { src_get_gpt0 gt 0 }\n", ""),
    "a word of an agent": (CONTENT + "reject if { var(sess.crowdsec.remediation) -m str ban }\n", ""),
    "one port of two": (CONTENT + "reject if { dst_port 993 } { src -f /etc/banned }\n", "f (143)"),
    "behind an accept": (
        CONNECTION + "accept\n" + CONNECTION + "reject if { src -f /etc/banned }\n",
        "f (993) and f (143)",
    ),
    "TLS alone": (CONTENT + "reject if !{ req.ssl_hello_type 1 }\n", "f (993) and f (143)"),
    "a rule for requests, of which there are none": (
        " http-request deny if { src -f /etc/banned }\n",
        "f (993) and f (143)",
    ),
}


def told(config: str, folder: Path) -> list[str]:
    found = load(estate(Case(config, [], {OVERRIDE: BOTH}), folder))
    return [each.summary for each in lint(found.sources, found.topology) if each.id == "CH009"]


@pytest.mark.parametrize(("rules", "lanes"), RULES.values(), ids=RULES)
def test_a_ban_counts_where_a_list_of_clients_is_refused(rules: str, lanes: str, tmp_path: Path) -> None:
    said = told(FRONTEND.format(rules) + BACK.format() + BACKENDS.format(" ", " "), tmp_path)
    assert [each.split(":")[0] for each in said] == ([lanes] if lanes else [])
    assert not said or said[0].endswith("rejects it") is not ("reject" in rules)


def test_a_backend_refuses_for_the_lanes_that_end_there(tmp_path: Path) -> None:
    refuse = CONTENT + "reject if { src -f /etc/banned }\n "
    (said,) = told(FRONTEND.format("") + BACK.format() + BACKENDS.format(" ", refuse), tmp_path)
    assert said.startswith("f (993): ")


INNER = (
    "listen f\n bind :993\n server inner 127.0.0.1:2993 {header}\n"
    "frontend in\n bind 127.0.0.1:2993 accept-proxy\n{rule} default_backend s\n"
    "backend s\n server m 10.9.9.9:10993 send-proxy\n"
)
INSIDE = {
    "a list that is told who comes": ("send-proxy-v2", CONNECTION + "reject if { src -f /etc/banned }\n", False),
    "a list that sees HAProxy alone": ("", CONNECTION + "reject if { src -f /etc/banned }\n", True),
    "a rate": ("send-proxy-v2", CONNECTION + "reject if { src_conn_rate gt 9 }\n", True),
    "no rule": ("send-proxy-v2", "", True),
}


@pytest.mark.parametrize(("header", "rule", "blamed"), INSIDE.values(), ids=INSIDE)
def test_a_frontend_inside_refuses_where_it_is_told_who_comes(
    header: str, rule: str, blamed: bool, tmp_path: Path
) -> None:
    assert len(told(INNER.format(header=header, rule=rule), tmp_path)) == blamed


HERE = {
    "another machine": ("10.9.9.9:10993", "services: {dovecot-mailcow: {restart: always}}\n", True),
    "HAProxy in the same compose file": (
        "10.9.9.9:10993", "services: {front: {image: 'haproxy:3.0'}, dovecot-mailcow: {tty: true}}\n", False,
    ),
    "a name in Docker's network": ("dovecot-mailcow:10993", "services: {dovecot-mailcow: {tty: true}}\n", False),
    "Mailcow's own address of it": ("172.22.1.250:10993", "services: {dovecot-mailcow: {tty: true}}\n", False),
    "loopback": ("127.0.0.1:10993", published("dovecot-mailcow", "127.0.0.1:10993:10993"), False),
}  # fmt: skip


@pytest.mark.parametrize(("target", "compose", "holds"), HERE.values(), ids=HERE)
def test_bans_hit_the_clients_of_an_haproxy_on_the_same_machine(
    target: str, compose: str, holds: bool, tmp_path: Path
) -> None:
    config = f"listen f\n bind :993\n server m {target} send-proxy\n"
    found = load(estate(Case(config, [], {OVERRIDE: compose}), tmp_path))
    assert any(each.id == "CH009" for each in lint(found.sources, found.topology)) is holds
