"""Static rules, tested by estates: a folder of files each, with the lanes and findings that belong to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.diagnosis.catalogue import CATALOGUE
from console.diagnosis.diagnose import GRAVITY
from console.diagnosis.lint import lint
from console.diagnosis.rule import STATIC
from console.model import Span
from console.site import DeclaredLane, Site
from console.sources import compose, haproxy, opentofu
from console.topology.build import build
from console.topology.sources import Sources
from tests.console.estates import CASES, SEED, findings, read, whole

ESTATES = sorted((CASES / "estates").iterdir())


def expected(folder: Path) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads((folder / "expected.json").read_text())
    return found


def test_the_operators_own_files_give_the_table_that_is_checked_in():
    table = json.loads((CASES / "seed.json").read_text())
    assert findings(whole(SEED)) == table["findings"]


def test_without_the_scripts_the_three_files_give_their_part_of_it():
    sources = read(SEED)
    bare = Sources(haproxy=sources.haproxy, tofu=sources.tofu, compose=sources.compose)
    ids = [finding.id for finding in lint(bare, build(bare))]
    assert sorted(ids) == ["CH004"] * 4 + ["CH006", "CH009", "CH017", "CH019"] + ["CH021"] * 4 + ["CH024", "CH025"]


@pytest.mark.parametrize("folder", ESTATES, ids=lambda folder: folder.name)
def test_an_unseen_estate_lints_to_its_own_table(folder: Path):
    sources = whole(folder) if (folder / "site.toml").exists() else read(folder)
    assert findings(sources) == expected(folder)["findings"]


@pytest.mark.parametrize("folder", [SEED, *ESTATES], ids=lambda folder: folder.name)
def test_findings_stand_in_lines_that_exist_and_say_so_plainly(folder: Path):
    sources = read(folder)
    for finding in lint(sources, build(sources)):
        assert finding.name == CATALOGUE[finding.id].name
        assert finding.summary.isprintable() and len(finding.summary) < 240 and not finding.summary.endswith(".")
        for place in (finding.where, *finding.also):
            assert isinstance(place, Span)
            line = (folder / place.file).read_text().split("\n")[place.line - 1]
            assert line[place.column - 1 : place.end - 1 if place.end else None].strip()


def test_the_gravest_come_first_then_file_and_line():
    sources = read(SEED)
    found = lint(sources, build(sources))
    keys = [(GRAVITY[each.severity], str(getattr(each.where, "file", "")), each.where.line) for each in found]  # type: ignore[union-attr]
    assert keys == sorted(keys)


def test_a_blind_check_is_said_with_lane_port_daemon_and_target():
    sources = read(SEED)
    first = next(each for each in lint(sources, build(sources)) if each.id == "CH004")
    assert first.summary == (
        "smtp (25): HAProxy checks only that 10.10.10.214:10025 accepts a connection,"
        " so it stays UP while Postfix is dead"
    )
    assert first.lanes == ("25/smtp",)
    assert first.hop == "haproxy"


def test_one_cause_at_many_lines_is_one_finding_that_names_them_all():
    sources = read(SEED)
    by_id = {each.id: each for each in lint(sources, build(sources))}
    assert [place.line for place in by_id["CH006"].also] == [9, 10, 11, 12, 16, 17, 18]
    assert [place.line for place in by_id["CH024"].also] == [13, 20, 27]
    assert [place.line for place in by_id["CH019"].also] == [8, 15, 22]
    assert by_id["CH019"].lanes == ("25/smtp", "465/smtps", "993/imaps", "4190/sieve")


def test_no_compose_file_means_nothing_about_what_is_published():
    sources = Sources(haproxy=read(SEED).haproxy, folder="mailcow")
    assert {each.id for each in lint(sources, build(sources))} == {"CH004", "CH009", "CH019"}


def test_a_cut_haproxy_cfg_is_not_blamed_for_the_listeners_that_were_cut_off():
    sources = read(SEED)
    cut = Sources(haproxy=haproxy.parse("listen smtp\n    bind :25\n    serv", "h.cfg"), compose=sources.compose)
    assert "CH021" not in {each.id for each in lint(cut, build(cut))}


def test_a_lane_that_the_site_declares_counts_as_a_listener():
    text = 'services:\n  postfix-mailcow:\n    ports: ["10.0.0.1:10587:10587"]\n'
    lane = DeclaredLane(587, "submission", "10.0.0.1:10587", proxy_protocol="v1")
    sources = Sources(
        folder="mailcow",
        site=Site(lane=(lane,)),
        compose=compose.read(text, "c.yml", {}),
        declared=(Span("site.toml", 7),),
    )
    assert lint(sources, build(sources)) == ()


NIC = """
resource "incus_instance" "m" {
  name  = "m"
  image = "x"
  device {
    name = "eth0"
    type = "nic"
    properties = { %s }
  }
}
"""
ONE = """
listen smtp
    bind :25
    mode tcp
    timeout client 1h
    timeout server 1h
    timeout connect 5s
    option tcp-check
    tcp-check connect default
    tcp-check expect string 220
    server m {target}:10025 send-proxy check
"""


@pytest.mark.parametrize(
    ("target", "nic", "blamed"),
    [
        ("10.10.10.214", '"ipv4.address" = "10.10.10.214"', False),
        ("10.10.10.214", '"ipv4.address" = "10.10.10.213"', True),
        ("10.10.10.214", 'network = "incusbr0"', True),
        ("10.10.10.214", '"ipv4.address" = var.address', False),
        ("fd00:0::214", '"ipv6.address" = "fd00::214"', False),
        ("fd00::215", '"ipv6.address" = "fd00::214"', True),
        ("100.100.3.4", 'network = "incusbr0"', False),
        ("fd7a:115c:a1e0::7", 'network = "incusbr0"', False),
        ("127.0.0.1", 'network = "incusbr0"', False),
        ("8.8.8.8", 'network = "incusbr0"', False),
        ("mailcow.incus", 'network = "incusbr0"', False),
    ],
)
def test_only_an_address_that_incus_gives_must_be_pinned(target: str, nic: str, blamed: bool):
    sources = Sources(
        folder="mailcow",
        haproxy=haproxy.parse(ONE.format(target=target), "h.cfg"),
        tofu=opentofu.read([("m.tf", NIC % nic)]),
    )
    found = lint(sources, build(sources))
    assert [each.id for each in found] == ["CH024"] * blamed
    assert [str(each.where) for each in found] == ["h.cfg:11"] * blamed


def test_addresses_are_not_judged_without_an_instance():
    sources = Sources(
        haproxy=read(SEED).haproxy, tofu=opentofu.read([("m.tf", 'locals {\n  a = "b"\n}\n')]), folder="mailcow"
    )
    assert "CH024" not in {each.id for each in lint(sources, build(sources))}


def test_a_container_port_counts_not_the_number_it_is_published_under():
    text = (
        "services:\n  dovecot-mailcow:\n    ports:\n"
        '      - "10.0.0.1:10993:993"\n      - "10.0.0.1:993:10993"\n      - "10.0.0.1:10143:10143/udp"\n'
    )
    config = (
        "listen a\n bind :993\n timeout client 1h\n timeout server 1h\n option tcp-check\n"
        " tcp-check expect string OK\n server m 10.0.0.1:10993 send-proxy check\n"
        "listen b\n bind :2993\n timeout client 1h\n timeout server 1h\n option tcp-check\n"
        " tcp-check expect string OK\n server m 10.0.0.1:993 send-proxy check\n"
    )
    sources = Sources(haproxy=haproxy.parse(config, "h.cfg"), compose=compose.read(text, "c.yml", {}))
    assert [found for found in findings(sources) if found[0] != "CH009"] == [
        ["CH003", "h.cfg", 7],
        ["CH005", "h.cfg", 12],  # 10993 is behind 993, and the check begins without TLS
    ]


def test_the_static_rules_are_these_and_no_others():
    lint(Sources(), build(Sources()))
    assert {id for id, _ in STATIC} == {
        "CH001", "CH002", "CH003", "CH004", "CH005", "CH006", "CH007", "CH008", "CH009", "CH010", "CH011", "CH012",
        "CH013", "CH015", "CH017", "CH018", "CH019", "CH020", "CH021", "CH024", "CH025", "CH026", "CH027", "CH080",
        "CH083", "CH094", "CH095", "CH100", "CH101", "CH102",
    }  # fmt: skip


def test_what_a_file_names_cannot_steer_a_terminal_through_a_finding():
    text = "listen x\n    bind :993\n    server m ho\udc88st\x1b[2J" + "a" * 3000 + ":10993 send-proxy check\n"
    sources = Sources(haproxy=haproxy.parse(text, "h.cfg"))
    found = lint(sources, build(sources))
    assert found
    assert all(each.summary.isprintable() and len(each.summary) <= 1000 for each in found)
