"""An estate with every problem mended lints to nothing; take one correction away, and its rule says so, alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import assets
from console.diagnosis.lint import lint
from console.diagnosis.rule import STATIC
from console.sources import haproxy
from console.topology.build import build
from console.topology.sources import Sources
from tests.console.estates import CASES, findings, whole

CORRECTED = CASES / "estates" / "corrected"

DAMAGE: list[tuple[str, str, str, list[tuple[str, str, int]]]] = [
    ("data/conf/dovecot/extra.conf", "= 10.10.10.1", "=", [("CH001", "extra.conf", 1)]),
    ("data/conf/dovecot/extra.conf", "haproxy_t", "#haproxy_t", [("CH001", "extra.conf", 1)]),
    ("haproxy.cfg", "connect default ssl", "connect ssl", [("CH002", "haproxy.cfg", 43)]),
    ("haproxy.cfg", " send-proxy\n\nlisten smtp ", "\n\nlisten smtp ", [
        ("CH002", "haproxy.cfg", 20), ("CH002", "haproxy.cfg", 29), ("CH002", "haproxy.cfg", 36),
        ("CH002", "haproxy.cfg", 43), ("CH002", "haproxy.cfg", 50),
    ]),
    ("docker-compose.override.yml", ":14190\"", ":4190\"", [("CH003", "haproxy.cfg", 50)]),
    ("haproxy.cfg", "    option tcp-check\n", "", [
        ("CH004", "haproxy.cfg", 19), ("CH004", "haproxy.cfg", 28), ("CH004", "haproxy.cfg", 35),
        ("CH004", "haproxy.cfg", 42), ("CH004", "haproxy.cfg", 49),
    ]),
    ("haproxy.cfg", "tcp-check expect rstring ^220\n    server mailcow 10.10.10.214:10025", (
        "option smtpchk\n    server mailcow 10.10.10.214:10025"
    ), [("CH005", "haproxy.cfg", 19)]),
    ("docker-compose.override.yml", "10.10.10.214:10993:", "0.0.0.0:10993:", [
        ("CH006", "docker-compose.override.yml", 6),
    ]),
    ("haproxy.cfg", (
        "    tcp-request connection reject if { src -f /etc/haproxy/banned.lst }\n    tcp-check connect port 10465"
    ), "    tcp-check connect port 10465", [("CH009", "haproxy.cfg", 22)]),
    ("mailcow.conf", "HTTP_REDIRECT", "ENABLE_IPV6=false\nSMTP_PORT=[2001:db8::1]:25\nHTTP_REDIRECT", [
        ("CH007", "mailcow.conf", 2),
    ]),
    ("haproxy.cfg", "10.10.10.214:10587", "10.10.10.214:10025", [
        ("CH080", "haproxy.cfg", 36), ("CH021", "docker-compose.override.yml", 13),
    ]),
    ("deploy.sh", "docker compose exec -T nginx-mailcow nginx -s reload\n", "", [("CH010", "deploy.sh", 15)]),
    ("deploy.sh", "openssl", "echo", [("CH011", "deploy.sh", 7)]),
    ("mailcow.conf", "SKIP_LETS_ENCRYPT=y", "SKIP_LETS_ENCRYPT=n", [("CH012", "mailcow.conf", 3)]),
    ("mailcow.conf", "SKIP_LETS_ENCRYPT=y\n", "", [("CH012", "mailcow.conf", 1)]),
    ("deploy.sh", "exec -T dovecot-mailcow dovecot reload", "kill -s HUP dovecot-mailcow", [
        ("CH013", "deploy.sh", 16),
    ]),
    ("mailcow.conf", "HTTP_REDIRECT=n", "HTTP_REDIRECT=y", [("CH015", "mailcow.conf", 2)]),
    ("fstab", "UUID=5f0c2b3e-8a52-4b8e-9d3c-1f0a5c9be001", "/dev/sdb", [("CH017", "fstab", 2)]),
    ("fstab", "UUID=5f0c2b3e-8a52-4b8e-9d3c-1f0a5c9be002", "#", [("CH017", "mailcow.tf", 10)]),
    ("docker.service.d/mounts.conf", "/var/lib/docker /opt", "/opt", [("CH017", "fstab", 2)]),
    ("data/conf/postfix/extra.cf", "relayhost", "inet_protocols = ipv4\nrelayhost", [("CH018", "extra.cf", 1)]),
    ("haproxy.cfg", "timeout client 30m", "timeout client 29m", [("CH019", "haproxy.cfg", 10)]),
    ("data/conf/postfix/extra.cf", "relayhost", "myhostname = mail.example.test\nrelayhost", [
        ("CH020", "extra.cf", 1),
    ]),
    ("data/conf/postfix/extra.cf", "relayhost", "smtp_helo_name = relay.example.test\nrelayhost", [
        ("CH020", "extra.cf", 1),
    ]),
    ("docker-compose.override.yml", "HOSTNAME=mail", "HOSTNAME=relay", [
        ("CH020", "docker-compose.override.yml", 15),
    ]),
    ("docker-compose.override.yml", '      - "10.10.10.214:14190', '      - "10.10.10.214:10143:10143"\n'
     '      - "10.10.10.214:14190', [("CH021", "docker-compose.override.yml", 7)]),
    ("mailcow.tf", '"ipv4.address" = "10.10.10.214"', '"ipv4.address" = "10.10.10.213"', [
        ("CH024", "haproxy.cfg", 20),
    ]),
    ("data/conf/postfix/extra.cf", "relayhost = [100.64.0.1]:2525", "", [
        ("CH025", "docker-compose.override.yml", 15),
    ]),
    ("hook.sh", "StrictHostKeyChecking=yes", "StrictHostKeyChecking=no", [("CH026", "hook.sh", 9)]),
    ("authorized_keys", 'from="10.10.10.1",', "", [("CH026", "authorized_keys", 2)]),
    ("authorized_keys", "restrict,", "", [("CH026", "authorized_keys", 2)]),
    ("deploy.sh", 'umask 077\nssl=/opt/mailcow-dockerized/data/assets/ssl\nnew=$(mktemp -d "$ssl/.new.XXXXXX")', (
        "ssl=/opt/mailcow-dockerized/data/assets/ssl\nnew=$ssl/new"
    ), [("CH026", "deploy.sh", 8)]),
    ("hook.sh", "\nsystemctl reload haproxy", "", []),
    ("hook.sh", "/etc/haproxy/certs/mail.pem.new\nmv /etc/haproxy/certs/mail.pem.new /etc/haproxy/certs/mail.pem"
     "\nsystemctl reload haproxy", "/dev/null", [("CH027", "hook.sh", 9)]),
    ("hook.sh", "systemctl reload", "certbot renew --dry-run\nsystemctl reload", [("CH027", "hook.sh", 12)]),
    ("hook.sh", "RENEWED_LINEAGE", "LINEAGE", [("CH027", "hook.sh", 4)]),
    ("hook.sh", "set -euo pipefail", "set -eu", [("CH027", "hook.sh", 2)]),
    ("hook.sh", "fullchain.pem", "cert.pem", [("CH083", "hook.sh", 6)]),
    ("deploy.sh", "exec -T dovecot", "exec dovecot", [("CH027", "deploy.sh", 16)]),
]  # fmt: skip


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CORRECTED, tmp_path / "estate"))


def test_a_corrected_estate_has_no_findings():
    assert findings(whole(CORRECTED)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "found"), DAMAGE, ids=[f"{at}-{case[0]}-{case[3][:1]}" for at, case in enumerate(DAMAGE)]
)
def test_one_correction_taken_away_is_one_rule_that_fires(
    file: str, old: str, new: str, found: list[tuple[str, str, int]], estate: Path
):
    text = (estate / file).read_text()
    assert old in text
    (estate / file).write_text(text.replace(old, new))
    assert [tuple(each) for each in findings(whole(estate))] == found


def test_every_static_rule_has_a_case_that_fires():
    seen = {id for *_, found in DAMAGE for id, _, _ in found}
    assert seen == {id for id, _ in STATIC} - {"CH008", "CH094", "CH095", "CH100", "CH101", "CH102"}


def test_a_setting_that_a_comment_asks_for_and_no_file_gives_is_said_at_the_comment(estate: Path):
    (estate / "data/conf/dovecot/extra.conf").unlink()
    assert findings(whole(estate)) == [["CH001", "docker-compose.override.yml", 1]]
    override = estate / "docker-compose.override.yml"
    override.write_text(override.read_text().partition("\n")[2])
    assert findings(whole(estate)) == []


def test_what_the_operator_accepts_is_silent_on_that_line_alone(estate: Path):
    config = (estate / "haproxy.cfg").read_text().replace("timeout client 30m", "timeout client 1m")
    for comment, ids in ((" # cowhand: ignore CH019", []), (" # cowhand: ignore CH004", ["CH019"])):
        (estate / "haproxy.cfg").write_text(config.replace("client 1m", f"client 1m{comment}"))
        assert [each[0] for each in findings(whole(estate))] == ids
    above = config.replace("    timeout client", "    # known, cowhand: ignore CH002, CH019\n    timeout client")
    (estate / "haproxy.cfg").write_text(above)
    assert findings(whole(estate)) == []


@pytest.mark.parametrize(
    ("server", "blamed"),
    [
        ("m 100.64.0.7:993", True),
        ("m 198.18.0.1:993", False),
        ("m 9.9.9.9:143", True),
        ("m 10.0.0.7:993", False),
        ("m 100.64.0.7:10993 send-proxy", False),
        ("m mailcow.incus:993", False),
    ],
)
def test_a_proxy_that_stands_for_all_clients_is_banned_where_its_address_is_not_private(server: str, blamed: bool):
    text = f"listen imaps\n bind :993\n mode tcp\n timeout client 1h\n timeout server 1h\n server {server}\n"
    sources = Sources(haproxy=haproxy.parse(text, "h.cfg"), folder="mailcow")
    found = [each for each in lint(sources, build(sources)) if each.id == "CH008"]
    assert [str(each.where) for each in found] == ["h.cfg:6"] * blamed


@pytest.mark.parametrize(("own", "place"), [("certificate_deploy.sh", "deploy.sh"), ("certificate_push.sh", "hook.sh")])
def test_the_scripts_that_cowhand_lays_have_no_finding(tmp_path: Path, own: str, place: str) -> None:
    estate = tmp_path / "estate"
    shutil.copytree(CORRECTED, estate)
    shutil.copy(Path(assets.__file__).parent / own, estate / place)
    assert not findings(whole(estate))
