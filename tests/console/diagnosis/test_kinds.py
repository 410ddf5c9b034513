"""Set-ups of many kinds, as files: what lint finds in them, and what it must not, each kind in several variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.diagnosis.lint import lint
from console.estate.load import load
from console.mend.plan import plan
from console.probes.sweep import inside
from tests.console.diagnosis.kinds import (
    ADDRESS,
    BY_THE_FILES,
    CF,
    CONF,
    HEAD,
    OVERRIDE,
    PROXIED,
    QUIET,
    SPEECH,
    WITHOUT_HEADER,
    Case,
    lane,
    override,
)
from tests.console.diagnosis.more_kinds import CHECKED, HOPS, INNER, LEFT_OPEN, RELAY, SMALL, TRUSTED
from tests.console.diagnosis.open_kinds import BESIDE, DISPATCH, NAMELESS, OVERLAPPING, PROFILES, SPARE, TAKEN, UNSERVED
from tests.console.diagnosis.other_kinds import (
    ANOTHER,
    ASKED_ELSEWHERE,
    CHECKED_AS,
    DRAINED,
    MAYBE,
    NAMED,
    NAMELESS_WEB,
    NEAR,
    RETARGETED,
    RULED,
    SHARING,
    TWICE,
    WEB_ONLY,
)
from tests.console.diagnosis.rare_kinds import (
    ASKED_THERE,
    BROWSERS,
    CLIENTS_PORT,
    CONTAINERS,
    ENDED_EARLY,
    GIVEN_BY_RULE,
    INCLUDED,
    INSIDE,
    LOGINS,
    SETTINGS,
    TWINS,
    UNDECIDED,
)


def estate(case: Case, folder: Path) -> Path:
    files = {OVERRIDE: override(case.config), **case.files, "haproxy.cfg": HEAD + case.config}
    named = ['haproxy = ["haproxy.cfg"]', f'compose = ["{OVERRIDE}"]']
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        named += [f'opentofu = ["{name}"]'] if name.endswith(".tf") else []
    site = folder / "site.toml"
    site.write_text("[sources]\n" + "\n".join(named) + "\n" + case.names)
    return site


def says(case: Case, folder: Path) -> list[str]:
    found = load(estate(case, folder))
    assert found.problems == ()
    return [f"{each.id} {each.severity}" for each in lint(found.sources, found.topology) if each.id not in QUIET]


ALL = {
    f"{kind}: {name}": case
    for kind, cases in (
        ("no header", WITHOUT_HEADER), ("by the files", BY_THE_FILES), ("address", ADDRESS), ("speech", SPEECH),
        ("checks", CHECKED), ("hops", HOPS), ("relay", RELAY), ("open", LEFT_OPEN), ("small", SMALL), ("inner", INNER),
        ("containers", CONTAINERS), ("client's port", CLIENTS_PORT), ("browsers", BROWSERS), ("included", INCLUDED),
        ("undecided", UNDECIDED), ("twins", TWINS), ("settings", SETTINGS), ("by rule", GIVEN_BY_RULE),
        ("asked there", ASKED_THERE),
        ("ended early", ENDED_EARLY), ("inside", INSIDE), ("logins", LOGINS),
        ("another mail server", ANOTHER), ("named", NAMED), ("perhaps", MAYBE),
        ("web alone", WEB_ONLY), ("nameless web", NAMELESS_WEB), ("TLS twice", TWICE),
        ("checked as", CHECKED_AS), ("retargeted", RETARGETED), ("near", NEAR), ("sharing", SHARING),
        ("asked elsewhere", ASKED_ELSEWHERE), ("nameless", NAMELESS),
        ("unserved", UNSERVED), ("spare", SPARE), ("beside", BESIDE), ("profiles", PROFILES),
        ("taken", TAKEN), ("dispatch", DISPATCH), ("overlapping", OVERLAPPING),
    )
    for name, case in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_lint_says_of_it_this_and_no_more(case: Case, tmp_path: Path) -> None:
    assert sorted(says(case, tmp_path)) == sorted(case.found)


@pytest.mark.parametrize(("found", "value"), TRUSTED.values(), ids=TRUSTED)
def test_a_trust_list_is_read_as_dovecot_reads_it(found: list[str], value: str, tmp_path: Path) -> None:
    case = Case(lane(993, "10.9.9.9:10993 send-proxy", "imaps"), found, {CONF: f"haproxy_trusted_networks = {value}\n"})
    assert says(case, tmp_path) == found


WISHES = {
    "10025": (lane(25, "10.9.9.9:10025 send-proxy"), {}, True),
    "25": (lane(25, "10.9.9.9:25 send-proxy"), {}, False),
    "25, by extra.cf": (lane(25, "10.9.9.9:25 send-proxy"), {CF: PROXIED}, True),
    "who knows": (lane(25, "10.9.9.9:2626 send-proxy"), {}, None),
}


@pytest.mark.parametrize(("config", "files", "wanted"), WISHES.values(), ids=WISHES)
def test_a_lane_knows_whether_its_daemon_waits_for_the_header(
    config: str, files: dict[str, str], wanted: bool | None, tmp_path: Path
) -> None:
    (found,) = load(estate(Case(config, [], files), tmp_path)).topology.lanes
    assert found.header_wanted is wanted
    # Where the plain port itself waits for the header, nobody inside the VM can ask without one.
    asked = inside(found, None)
    assert (asked.port if asked else None) == (None if wanted is None or files else 25)


def test_a_lane_of_two_branches_is_told_once_with_what_either_may_do(tmp_path: Path) -> None:
    either = Case(
        ".if defined(V6)\nlisten s\n bind :::25\n server m 10.9.9.9:10025 send-proxy\n"
        ".else\nlisten s\n bind :25\n server m 10.9.9.9:25\n.endif\n",
        [],
    )
    found = load(estate(either, tmp_path))
    (lane,) = found.topology.lanes
    assert [bind.address for bind in lane.binds] == ["::", ""]
    assert lane.leads == "10.9.9.9:10025 or 10.9.9.9:25"
    assert not [each for each in lint(found.sources, found.topology) if "s (25) and s (25)" in each.summary]


HELD = {
    "default-server gives the header": "where .if defined(A) on line 11 does not hold",
    "default-server gives one that is not wanted": "where .if defined(A) on line 11 holds",
    "smtpchk in .elif": "where .if defined(A) on line 11 does not hold and .elif defined(B) on line 13 holds",
    "what is wrong either way is said once, of no condition": "is dead",
}


@pytest.mark.parametrize("name", HELD)
def test_what_a_setting_under_an_if_brings_about_is_said_with_the_condition(name: str, tmp_path: Path) -> None:
    found = load(estate(SETTINGS[name], tmp_path))
    told = [each for each in lint(found.sources, found.topology) if each.id not in QUIET]
    assert HELD[name] in told[0].summary


HEADERS = {
    "default-server gives the header": "PROXY v1 or no header",
    "one branch gives v1, the other v2: either is read": "PROXY v1 or PROXY v2",
    "smtpchk in .else": "PROXY v1",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_an_if_decides_is_shown_open(name: str, tmp_path: Path) -> None:
    (lane,) = load(estate(SETTINGS[name], tmp_path)).topology.lanes
    assert lane.header == HEADERS[name]


def test_of_two_machines_that_nothing_tells_apart_none_is_called_a_daemon_of_mailcows(tmp_path: Path) -> None:
    found = load(estate(BESIDE["not told apart, and no header"], tmp_path))
    assert "ovecot" not in repr((found.topology.lanes, lint(found.sources, found.topology)))


def test_a_machine_beside_the_mail_servers_is_no_service_of_mailcows(tmp_path: Path) -> None:
    config = lane(25, "10.9.9.9:10025 send-proxy") + lane(587, "10.9.9.20:587") + lane(443, "10.9.9.20:443", "web")
    found = load(estate(Case(config, []), tmp_path)).topology.lanes
    assert [(lane.port, lane.service) for lane in found] == [(25, "postfix-mailcow"), (587, None), (443, None)]


SHOWN = {
    "statistics": ("listen stats\n mode http\n bind :8404\n stats uri /\n", []),
    "statistics by a name of its own": ("frontend f\n mode http\n bind :443 ssl crt /x\n stats enable\n", []),
    "metrics": ("frontend m\n mode http\n bind :9\n http-request use-service prometheus-exporter\n", []),
    "beside a lane": ("listen w\n mode http\n bind :80\n stats uri /s\n server m 10.9.9.9:80\n", [80]),
    "a redirect is a lane": ("frontend f\n mode http\n bind :80\n redirect scheme https\n", [80]),
}


@pytest.mark.parametrize(("config", "ports"), SHOWN.values(), ids=SHOWN)
def test_where_haproxy_shows_itself_alone_is_no_lane(config: str, ports: list[int], tmp_path: Path) -> None:
    assert [lane.port for lane in load(estate(Case(config, []), tmp_path)).topology.lanes] == ports


SEEING = [
    (lane(25, "10.9.9.9:10025 send-proxy", ""), "through the PROXY header"),
    (lane(80, "10.9.9.9:80", ""), "ask for a page: option httpchk"),
    (
        lane(443, "10.9.9.9:443 send-proxy", ""),
        "httpchk, with check-ssl verify none and check-send-proxy on the server",
    ),
    (lane(443, "10.9.9.9:443", ""), "httpchk, with check-ssl verify none on the server line"),
    (lane(25, "10.9.9.9:25", "", " source 0.0.0.0 usesrc clientip\n"), "option tcp-check with connect and expect"),
]


@pytest.mark.parametrize(("config", "remedy"), SEEING)
def test_a_blind_check_is_mended_by_one_that_its_daemon_can_pass(config: str, remedy: str, tmp_path: Path) -> None:
    files = {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\n" if "443 send-proxy" in config else "HTTP_PORT=80\n"}
    found = load(estate(Case(config.replace("option tcp-check", ""), [], files), tmp_path))
    (blind,) = [each for each in lint(found.sources, found.topology) if each.id == "CH004"]
    assert remedy in (blind.remedy or "")


@pytest.mark.parametrize("config", [DRAINED, RULED])
def test_a_lane_ends_at_the_server_that_takes_new_clients_from_everywhere(config: str, tmp_path: Path) -> None:
    (found,) = load(estate(Case(config, []), tmp_path)).topology.lanes
    assert (found.server, found.proxy_protocol) == ("new", "v1")


CONDITIONS = {
    "an .if": (".if defined(PLAIN)\n{bad}.endif\n", "where .if defined(PLAIN) on line {n} holds"),
    "an .else": (".if defined(GOOD) # ours\n.else\n{bad}.endif\n", "where .if defined(GOOD) on line {n} does not hold"),
    "an .elif": (
        ".if feature(A)\n.elif feature(B)\n{bad}.endif\n",
        "where .elif feature(B) on line {m} holds",
    ),
    "the inner one of two": (
        ".if feature(A)\n.if feature(B)\n{bad}.endif\n.endif\n",
        "where .if feature(B) on line {m} holds",
    ),
    "the outer one, where the inner is known": (
        ".if feature(A)\n.if 1\n{bad}.endif\n.endif\n",
        "where .if feature(A) on line {n} holds",
    ),
}


@pytest.mark.parametrize(("under", "said"), CONDITIONS.values(), ids=CONDITIONS)
def test_what_stands_under_an_if_is_as_grave_as_ever_and_says_the_condition(
    under: str, said: str, tmp_path: Path
) -> None:
    config = "listen s\n bind :25\n" + under.format(bad=" server m 10.9.9.9:25 send-proxy check\n")
    line = (HEAD + config).split("\n").index(under.split("\n")[0]) + 1
    found = load(estate(Case(config, []), tmp_path))
    (sent,) = [each for each in lint(found.sources, found.topology) if each.id == "CH003"]
    assert sent.severity == "critical"
    assert sent.summary.endswith(f"({said.format(n=line, m=line + 1)}, which the files do not tell)")


def test_a_daemon_is_called_by_its_service_where_it_is_not_mailcow_s(tmp_path: Path) -> None:
    found = load(
        estate(Case("listen l\n bind :25\n server m 10.9.9.9:25 check\n", [], ANOTHER["none"].files), tmp_path)
    )
    (blind,) = [each for each in lint(found.sources, found.topology) if each.id == "CH004"]
    assert "while mx is dead" in blind.summary


def test_a_line_of_dispatch_is_not_told_to_take_options(tmp_path: Path) -> None:
    site = estate(DISPATCH["to a port that wants the header"], tmp_path)
    found = load(site)
    remedies = [each.remedy for each in lint(found.sources, found.topology) if each.id not in QUIET]
    assert all(remedy.startswith("write a server line in place of dispatch: ") for remedy in remedies)
    (lane,) = found.topology.lanes
    assert (lane.proxy, lane.server, lane.leads) == ("", "", "10.9.9.9:10025")  # no statistics, so none are missed
    assert plan(site).texts == {}


ELSEWHERE = "services:\n  postfix-mailcow:\n    ports: ['[::]:10025:10025']\n"


def test_an_address_that_stands_for_all_is_no_address_to_dial(tmp_path: Path) -> None:
    found = load(estate(Case(lane(25, "10.9.9.9:10025 send-proxy"), [], {OVERRIDE: ELSEWHERE}), tmp_path))
    (absent,) = [each for each in lint(found.sources, found.topology) if each.id == "CH021"]
    assert "publishes on every IPv6 address only" in absent.summary
    assert absent.remedy == "publish it on 10.9.9.9"


def test_a_server_that_only_redirects_is_not_told_to_read_headers(tmp_path: Path) -> None:
    files = {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\nHTTP_REDIRECT=y\n"}
    found = load(estate(Case(lane(80, "10.9.9.9:80 send-proxy", "web"), [], files), tmp_path))
    (sent,) = [each for each in lint(found.sources, found.topology) if each.id == "CH003"]
    assert (sent.remedy or "").startswith("drop send-proxy")
    assert "(mailcow.conf:2)" in sent.summary


FORWARD = """resource "incus_network_forward" "f" {
  network = "b"
  listen_address = "203.0.113.9"
  ports = [{ listen_port = "993", target_port = "993", target_address = "10.9.9.9" }]
}
"""


@pytest.mark.parametrize(("header", "id"), [("send-proxy", "CH003"), ("", "CH002")])
def test_behind_a_forward_it_is_the_forward_that_is_mended(header: str, id: str, tmp_path: Path) -> None:
    found = load(estate(Case(lane(993, f"203.0.113.9:993 {header}", "imaps"), [], {"net.tf": FORWARD}), tmp_path))
    (said,) = [each for each in lint(found.sources, found.topology) if each.id == id]
    assert "let net.tf:1 lead to port 10993" in (said.remedy or "")


def test_a_trust_list_that_is_missing_in_the_given_file_is_asked_for_there(tmp_path: Path) -> None:
    files = {OVERRIDE: override("server m 10.9.9.9:10993"), CONF: "mail_debug = yes\n"}
    found = load(estate(Case(lane(993, "10.9.9.9:10993 send-proxy", "imaps"), [], files), tmp_path))
    (said,) = [each for each in lint(found.sources, found.topology) if each.id == "CH001"]
    assert "[sources]" not in (said.remedy or "")


def test_a_spare_elsewhere_is_not_called_postfix(tmp_path: Path) -> None:
    found = load(estate(SPARE["another's MX, without"], tmp_path))
    (said,) = [each.summary for each in lint(found.sources, found.topology) if each.id == "CH002"]
    assert "whatever answers at mx.example.net:25" in said


def test_a_request_without_a_name_is_told_of_its_own_lane_and_leads_to_no_flow(tmp_path: Path) -> None:
    found = load(estate(NAMELESS_WEB["one frontend of two"], tmp_path))
    (said,) = [each for each in lint(found.sources, found.topology) if each.id == "CH002"]
    assert (said.summary[:51], said.flow) == ("w (443): neither X-Forwarded-For nor a PROXY header", None)


LATIN = {
    "docker-compose.override.yml": "services: {postfix-mailcow: {ports: ['0.0.0.0:10025:10025']}}\n",
    "data/conf/dovecot/extra.conf": "haproxy_trusted_networks = 0.0.0.0/0\n",
}


@pytest.mark.parametrize("name", LATIN)
def test_a_file_with_a_byte_that_is_no_text_is_read_and_the_byte_told(name: str, tmp_path: Path) -> None:
    site = estate(Case(lane(25, "10.9.9.9:10025 send-proxy"), [], LATIN), tmp_path)
    (tmp_path / name).write_bytes(b"# Gr\xfc\xdfe\n" + LATIN[name].encode())
    found = load(site)
    assert [str(each) for each in found.problems] == [
        f"{name}:1:5: not UTF-8: byte 0xfc stands here; save the file as UTF-8"
    ]
    assert [each.id for each in lint(found.sources, found.topology)].count("CH006") == 2


MX = "MAILCOW_HOSTNAME=mail.example.org\nSKIP_LETS_ENCRYPT=y\nHTTP_REDIRECT=n\n"
LIVE = '#!/bin/sh\nset -e\n[ "$RENEWED_LINEAGE" = /etc/letsencrypt/live/{} ] || exit 0\n'
SPLITS = {
    "another": ('[certificate]\nname = "mx.example.org"\n', "", True),
    "the same": ('[certificate]\nname = "mail.example.org"\n', "", False),
    "a wildcard above it": ('[certificate]\nname = "*.example.org"\n', "", False),
    "a wildcard of another name": ('[certificate]\nname = "*.example.net"\n', "", True),
    "a wildcard two labels above": ('[certificate]\nname = "*.org"\n', "", True),
    "certbot's folder": ("", LIVE.format("mail.example.org"), False),
    "certbot's second folder": ("", LIVE.format("mail.example.org-0001"), False),
    "certbot's folder of the name above, which may hold this one": ("", LIVE.format("example.org"), False),
    "certbot's folder of another name": ("", LIVE.format("mx.example.org"), True),
}


@pytest.mark.parametrize(("names", "hook", "split"), SPLITS.values(), ids=SPLITS)
def test_a_name_is_split_from_its_certificate_only_where_that_cannot_hold_it(
    names: str, hook: str, split: bool, tmp_path: Path
) -> None:
    files = {"mailcow.conf": MX, **({"hook.sh": hook} if hook else {})}
    names = ('deploy_hook = "hook.sh"\n' if hook else "") + names
    case = Case(lane(25, "10.9.9.9:10025 send-proxy"), ["CH020 medium"] if split else [], files, names)
    assert says(case, tmp_path) == case.found


WAYS_OUT = {
    "none": ("", "", True),
    "a relayhost": ("", "relayhost = [100.64.0.1]:2525\n", False),
    "an address for what leaves": ("SNAT_TO_SOURCE=203.0.113.5\n", "", False),
    "one over IPv6": ("SNAT6_TO_SOURCE=2001:db8::5\n", "", False),
    "one that is empty": ("SNAT_TO_SOURCE=\n", "", True),
}


@pytest.mark.parametrize(("conf", "extra", "told"), WAYS_OUT.values(), ids=WAYS_OUT)
def test_mail_that_leaves_by_an_address_of_its_own_is_not_said_to_leave_at_home(
    conf: str, extra: str, told: bool, tmp_path: Path
) -> None:
    files = {"mailcow.conf": MX + conf, CF: "smtp_helo_name = mail.example.org\n" + extra}
    found = load(estate(Case(lane(25, "10.9.9.9:10025 send-proxy"), [], files), tmp_path))
    assert ("CH025" in [each.id for each in lint(found.sources, found.topology)]) is told


SWITCHES = [
    ("y", None),
    ("Yes", None),
    ("n", "say SKIP_LETS_ENCRYPT=y: acme"),
    ("true", "takes y or yes alone for a yes: acme"),
]


@pytest.mark.parametrize(("value", "said"), SWITCHES)
def test_a_switch_is_read_as_mailcow_s_own_scripts_read_it(value: str, said: str | None, tmp_path: Path) -> None:
    files = {"mailcow.conf": f"SKIP_LETS_ENCRYPT={value}\n", "hook.sh": "set -e\nrsync -L a m:/opt/data/assets/ssl/\n"}
    found = load(estate(Case(lane(25, "10.9.9.9:25"), [], files, 'deploy_hook = "hook.sh"\n'), tmp_path))
    told = [each.summary for each in lint(found.sources, found.topology) if each.id == "CH012"]
    assert [said is not None and said in each for each in told] == [True] * (said is not None)


def test_a_port_that_speaks_otherwise_names_no_flow_that_would_not_mend_it(tmp_path: Path) -> None:
    found = load(estate(Case(lane(993, "10.9.9.9:10143 send-proxy", "imap"), []), tmp_path))
    (mismatch,) = [each for each in lint(found.sources, found.topology) if each.id == "CH080"]
    assert (mismatch.flow, mismatch.remedy) == (None, "point the server line at port 10993")
