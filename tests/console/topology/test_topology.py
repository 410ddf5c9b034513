"""From sources to lanes, nodes and volumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.model import Lane, Span, Target, Topology
from console.site import DeclaredLane, HostEntry, PublicEntry, Site
from console.sources import compose, haproxy, opentofu
from console.topology.build import build
from console.topology.sources import Sources
from tests.console.estates import CASES, SEED, lanes, read

ESTATES = sorted((CASES / "estates").iterdir())


def of(config: str, **others: object) -> Topology:
    return build(Sources(haproxy=haproxy.parse(config, "h.cfg"), folder="mailcow", **others))  # type: ignore[arg-type]


def only(config: str, **others: object) -> Lane:
    (lane,) = of(config, **others).lanes
    return lane


def test_the_operators_own_files_give_four_lanes():
    assert lanes(read(SEED)) == json.loads((CASES / "seed.json").read_text())["lanes"]


@pytest.mark.parametrize("folder", ESTATES, ids=lambda folder: folder.name)
def test_an_unseen_estate_has_its_own_lanes(folder: Path):
    assert lanes(read(folder)) == json.loads((folder / "expected.json").read_text())["lanes"]


def test_the_operators_own_files_give_the_vm_its_services_and_volumes_each_with_its_place():
    nodes = build(read(SEED)).nodes
    assert [(node.id, node.kind, str(node.source)) for node in nodes] == [
        ("internet", "internet", "haproxy.cfg:2"),
        ("proxy", "proxy", "haproxy.cfg:1"),
        ("tunnel", "tunnel", "haproxy.cfg:6"),
        ("vm:mailcow", "vm", "mailcow.tf:19"),
        ("service:dovecot-mailcow", "service", "docker-compose.override.yml:8"),
        ("service:postfix-mailcow", "service", "docker-compose.override.yml:16"),
        ("volume:mailcow_var_lib_docker", "volume", "mailcow.tf:1"),
        ("volume:mailcow_opt", "volume", "mailcow.tf:10"),
    ]


def test_a_lane_ends_at_the_service_that_the_compose_file_publishes():
    services = [(lane.port, lane.service, lane.service_port) for lane in build(read(SEED)).lanes]
    assert services == [
        (25, "postfix-mailcow", 10025), (465, "postfix-mailcow", 10465),
        (993, "dovecot-mailcow", 10993), (4190, "dovecot-mailcow", 14190),
    ]  # fmt: skip


def test_a_lane_that_the_site_declares_is_the_fifth():
    sources = read(SEED)
    site = Site(lane=(DeclaredLane(443, "https", "10.10.10.214:80"),))
    topology = build(Sources(site, sources.haproxy, sources.tofu, sources.compose, declared=(Span("site.toml", 12),)))
    assert [lane.port for lane in topology.lanes] == [25, 465, 993, 4190, 443]
    declared = topology.lanes[-1]
    assert (declared.name, declared.protocol, declared.tls) == ("https", "https", "terminated")
    assert declared.target == Target("10.10.10.214", 80, Span("site.toml", 12))
    assert (declared.service, declared.service_port, str(declared.source)) == ("nginx-mailcow", 80, "site.toml:12")


@pytest.mark.parametrize(
    ("target", "tls", "expected"),
    [
        ("10.0.0.1:443", None, "passthrough"), ("10.0.0.1:8080", None, "terminated"),
        ("10.0.0.1:80", "passthrough", "passthrough"), ("10.0.0.1:443", "terminated", "terminated"),
    ],
)  # fmt: skip
def test_a_declared_https_lane_ends_tls_at_the_proxy_when_its_target_speaks_http(target, tls, expected):
    site = Site(lane=(DeclaredLane(443, "https", target, tls=tls),))
    assert build(Sources(site)).lanes[0].tls == expected


def test_a_declared_lane_without_a_usable_target_has_none():
    site = Site(lane=(DeclaredLane(25, "smtp", "10.0.0.1"), DeclaredLane(465, "smtps", "[fd00::1]:10465", "x")))
    first, second = build(Sources(site)).lanes
    assert first.target is None
    assert second.target == Target("fd00::1", 10465, Span("site.toml", 1))


def test_a_declared_lane_gives_way_to_the_listener_that_is_there():
    site = Site(lane=(DeclaredLane(25, "smtp", "10.9.9.9:25"),))
    lane = only("listen a\n bind :25\n server s 10.0.0.1:10025\n", site=site)
    assert lane.frontend == "a"


def test_v4_and_v6_of_one_port_are_one_lane():
    lane = only("listen a\n bind :25\n bind :::25 v6only\n bind 192.0.2.1:25\n server s 10.0.0.1:10025\n")
    assert [(bind.address, str(bind.source)) for bind in lane.binds] == [
        ("", "h.cfg:2"), ("::", "h.cfg:3"), ("192.0.2.1", "h.cfg:4"),
    ]  # fmt: skip


PROTOCOLS = [
    (25, "tcp", ":10025", "", "smtp"), (2525, "tcp", ":10025", "", "smtp"), (2465, "tcp", ":10465", "", "smtps"),
    (2587, "tcp", ":587", "", "submission"), (9999, "tcp", ":14190", "", "sieve"),
    (2993, "tcp", ":143", "ssl", "imaps"), (2995, "tcp", ":10110", "ssl", "pop3s"),
    (993, "tcp", ":10143", "ssl", "imaps"),
    (8080, "http", ":8080", "", "http"),
    (8443, "http", ":8080", "ssl", "https"), (8443, "tcp", ":443", "", "https"), (22, "tcp", ":22", "", "tcp"),
    (80, "http", ":80", "", "http"), (443, "tcp", ":443", "", "https"),
]  # fmt: skip


@pytest.mark.parametrize(("port", "mode", "target", "options", "protocol"), PROTOCOLS)
def test_a_lane_speaks_what_its_port_says_else_what_its_daemon_does(port, mode, target, options, protocol):
    lane = only(f"listen a\n mode {mode}\n bind :{port} {options}\n server s 10.0.0.1{target}\n")
    assert lane.protocol == protocol
    assert lane.tls == ("terminated" if options else "passthrough")


def test_the_first_server_that_is_neither_off_nor_a_spare_is_the_target():
    lane = only(
        "listen a\n bind :25\n server x 10.0.0.1:1 disabled\n server y 10.0.0.2:2 backup\n server z 10.0.0.3:3\n"
    )
    assert (lane.server, lane.target and lane.target.host) == ("z", "10.0.0.3")


def test_a_spare_server_is_the_target_when_there_is_no_other():
    assert only("listen a\n bind :25\n server y 10.0.0.2:2 backup\n").server == "y"


ROUTES = [
    ("default_backend b", "b"),
    ("use_backend c if X\n default_backend b", "b"),
    ("use_backend c\n default_backend b", "c"),
    ("use_backend c if X", "c"),
    ("use_backend %[var(x)]\n default_backend b", "b"),
]


@pytest.mark.parametrize(("routes", "backend"), ROUTES)
def test_a_frontends_backend_is_the_one_most_connections_take(routes: str, backend: str):
    config = f"frontend a\n bind :25\n {routes}\nbackend b\n server s 10.0.0.1:1\nbackend c\n server s 10.0.0.2:2\n"
    lane = only(config)
    assert (lane.proxy, lane.frontend, lane.name) == (backend, "a", "a")


def test_of_several_backends_the_one_at_the_mail_server_counts():
    config = (
        "listen smtp\n bind :25\n server m 10.0.0.1:10025\nfrontend web\n bind :443\n use_backend ours if X\n"
        " default_backend other\nbackend other\n server s 10.0.0.2:443\nbackend ours\n server m 10.0.0.1:8080\n"
    )
    lane = of(config).lanes[1]
    assert (lane.proxy, lane.service) == ("ours", None)


def test_another_machines_web_server_is_not_mailcows_nginx():
    config = "listen smtp\n bind :25\n server m 10.0.0.1:10025\nlisten web\n bind :443\n server s %s:443\n"
    assert of(config % "10.0.0.2").lanes[1].service is None
    assert of(config % "10.0.0.1").lanes[1].service == "nginx-mailcow"


def test_a_listener_for_the_machine_itself_is_no_lane_but_a_lane_on_loopback_is():
    assert of("listen stats\n mode http\n bind 127.0.0.1:8404\n stats enable\n").lanes == ()
    assert only("listen smtp\n bind 127.0.0.1:2525\n server m 10.0.0.1:10025\n").port == 2525
    chain = "listen a\n bind :25\n server s 127.0.0.1:2525 send-proxy\nlisten b\n bind 127.0.0.1:2525 accept-proxy\n"
    lane = only(chain + " server m 10.0.0.1:10025 send-proxy\n")
    assert (lane.name, lane.proxy, lane.target and lane.target.port) == ("a", "b", 10025)


def test_frontends_that_dial_each_other_in_a_circle_end():
    chain = "listen a\n bind 127.0.0.1:1\n server s 127.0.0.1:2\nlisten b\n bind 127.0.0.1:2\n server s 127.0.0.1:1\n"
    assert [lane.target for lane in of(chain + "listen c\n bind :25\n server s 127.0.0.1:1\n").lanes] == [None]


def test_a_proxy_that_is_disabled_or_without_tcp_port_has_no_lane():
    config = "listen a\n bind :25\n disabled\nlisten b\n bind unix@/x,quic4@:443\nbackend c\n server s 1.1.1.1:1\n"
    assert of(config).lanes == ()


def test_without_opentofu_files_the_vm_is_the_address_that_is_dialled():
    nodes = [node.id for node in of("listen a\n bind :25\n server m 10.0.0.1:10025\n").nodes]
    assert nodes == ["internet", "proxy", "tunnel", "vm:10.0.0.1", "service:postfix-mailcow"]


def test_a_target_that_no_declared_vm_has_is_a_node_of_its_own():
    tofu = opentofu.read([("m.tf", (CASES / "estates" / "corrected" / "mailcow.tf").read_text())])
    config = "listen a\n bind :25\n server m 10.10.10.214:10025\nlisten b\n bind :22\n server g 10.10.10.9:22\n"
    nodes = [node.id for node in of(config, tofu=tofu).nodes if node.kind == "vm"]
    assert nodes == ["vm:mailcow", "vm:10.10.10.9"]


def test_a_port_that_names_an_address_is_preferred_to_one_that_does_not():
    text = 'services:\n  a:\n    ports: ["25:1"]\n  b:\n    ports: ["10.0.0.1:25:2"]\n'
    lane = only("listen x\n bind :25\n server m 10.0.0.1:25\n", compose=compose.read(text, "c.yml", {}))
    assert (lane.service, lane.service_port) == ("b", 2)


def test_the_sites_names_and_the_proxys_name_are_taken_over():
    site = Site(hosts={"vps": HostEntry(role="proxy", ssh="vps")}, public=PublicEntry(names=("mail.example.test",)))
    topology = of("global\n stats socket /run/x\nlisten a\n bind :25\n server m 10.0.0.1:10025\n", site=site)
    assert topology.public == ("mail.example.test",)
    assert topology.stats_sockets == ("/run/x",)
    assert topology.nodes[1].label == "vps"


def test_what_could_steer_a_terminal_never_gets_into_the_map():
    lane = only('listen "\x1b[2J"\n bind :25\n server \'m\x07\' "1.1.1.1\x1b":25\n')
    assert (lane.name, lane.target) == ("\\x1b[2J", None)


def test_nothing_at_all_is_an_empty_map():
    assert build(Sources()) == Topology()


@given(st.lists(st.sampled_from([
    "listen a\n", "listen b\n", "frontend f\n", "frontend g\n", "backend a\n", "backend c\n", "defaults\n",
    " bind :25\n",
    " bind :1-65535\n", " bind 127.0.0.1:25,abns@x\n", " server s 127.0.0.1:25\n", " server s abns@x\n", " disabled\n",
    " server s 10.0.0.1:+1 check\n", " default_backend c\n", " use_backend a if X\n", " server s h:10025 send-proxy\n",
    ".if feature(X)\n", ".else\n", ".endif\n", " server-template t 1-9 h:25\n", " timeout client 5s\n",
]), max_size=30))  # fmt: skip
def test_any_sections_in_any_order_give_a_map_whose_lanes_are_told_apart(pieces: list[str]):
    topology = of("".join(pieces))
    ids = [lane.id for lane in topology.lanes]
    assert len(ids) == len(set(ids))
    assert all(lane.binds and 0 < lane.port < 65536 for lane in topology.lanes)


def test_limits_that_a_profile_gives_are_the_instances():
    text = (
        'resource "incus_profile" "big" {\n  name = "big"\n  config = { "limits.cpu" = 4, '
        '"limits.memory" = "8GiB" }\n}\n'
        'resource "incus_instance" "m" {\n  name = "m"\n  image = "x"\n  profiles = ["big"]\n'
        '  config = { "limits.memory" = "6GiB" }\n}\n'
    )
    (instance,) = build(Sources(tofu=opentofu.read([("m.tf", text)]))).instances
    assert (instance.cpu, instance.memory) == ("4", "6GiB")
