"""A difference is told by name; what stands behind a name is shown only when that name is known to be harmless."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import assets
from console.differences import changes
from console.drift.shown import diff
from tests.console.estates import CASES

PLACES = {
    "mailcow.conf": "/opt/mailcow-dockerized/mailcow.conf",
    "haproxy.cfg": "/etc/haproxy/haproxy.cfg",
    "compose": "/opt/mailcow-dockerized/docker-compose.override.yml",
    "extra.cf": "/opt/mailcow-dockerized/data/conf/postfix/extra.cf",
    "extra.conf": "/opt/mailcow-dockerized/data/conf/dovecot/extra.conf",
    "script": "/usr/local/bin/deploy.sh",
    "authorized_keys": "/root/.ssh/authorized_keys",
    "fstab": "/etc/fstab",
    "drop-in": "/etc/systemd/system/docker.service.d/mounts.conf",
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0vGmYB7Lx7xWbQ5Yw0m0S0b0h0a root@vps"

HIDDEN = [
    ("mailcow.conf", "DBROOT=~", "DBROOT"),
    ("mailcow.conf", "SOMETHING=~", "SOMETHING"),
    ("mailcow.conf", "SKIP_SOMETHING=~", "SKIP_SOMETHING"),
    ("mailcow.conf", "# the old one was ~", "a comment"),
    ("haproxy.cfg", "    user bob insecure-password ~", "user bob"),
    ("haproxy.cfg", "    setenv VAULT ~", "setenv VAULT"),
    ("haproxy.cfg", "    http-request set-header X-Thing ~", "http-request set-header"),
    ("haproxy.cfg", "    acl known hdr(X-Thing) ~", "acl known"),
    ("haproxy.cfg", "    option mysql-check user ~", "option mysql-check"),
    ("haproxy.cfg", "    tcp-check send ~", "tcp-check send"),
    ("haproxy.cfg", "    cookie ~ insert", "cookie"),
    ("haproxy.cfg", "    # ~", "a comment"),
    ("haproxy.cfg", "    server a 10.0.0.1:25 cookie ~", "server"),
    ("haproxy.cfg", "    stats auth bob:~", "stats auth"),
    ("compose", "      VAULT: ~", "VAULT"),
    ("compose", "      - VAULT=~", "VAULT"),
    ("compose", "    command: run ~", "command"),
    ("compose", "      - ~", "a line"),
    ("compose", "    image: x/y:1 # ~", "image"),
    ("extra.cf", "something = ~", "something"),
    ("extra.cf", "smtp_sasl_password_maps = static:bob:~", "smtp_sasl_password_maps"),
    ("extra.conf", "something = ~", "something"),
    ("script", "VAULT=~", "VAULT"),
    ("script", "curl https://example.org/~", "curl"),
    ("script", "cat <<< '~ x'", "cat"),
    ("script", "# ~", "a comment"),
    ("authorized_keys", f'environment="VAULT=~" {KEY}', "a key of type ssh-ed25519"),
    ("authorized_keys", f'command="run.sh ~" {KEY}', "a key of type ssh-ed25519"),
    ("fstab", "//nas/x /mnt cifs username=x,pass=~ 0 0", "the mount /mnt"),
    ("drop-in", "Environment=VAULT=~", "Environment"),
    ("drop-in", "ExecStart=/bin/x ~", "ExecStart"),
]


@pytest.mark.parametrize(("kind", "line", "name"), HIDDEN)
def test_what_may_be_a_secret_differs_by_name(kind: str, line: str, name: str) -> None:
    ours, theirs = (line.replace("~", secret) for secret in ("Zq9-ours", "Zq9-theirs"))
    shown = diff(["x", ours], ["x", theirs], "ours", "theirs", PLACES[kind])
    assert "Zq9" not in shown
    assert f"~ {name} differs" in shown.split("\n")


@pytest.mark.parametrize(("kind", "line", "name"), HIDDEN)
def test_what_only_one_side_has_is_told_by_name_too(kind: str, line: str, name: str) -> None:
    shown = diff(["x"], ["x", line.replace("~", "Zq9-theirs")], "ours", "theirs", PLACES[kind])
    assert "Zq9" not in shown
    assert shown.split("\n")[-1].startswith("+")
    shown = diff(["x", line.replace("~", "Zq9-both")], ["y", line.replace("~", "Zq9-both")], "a", "b", PLACES[kind])
    assert "Zq9" not in shown


SHOWN = [
    ("mailcow.conf", "HTTP_PORT=8080"),
    ("mailcow.conf", "SMTP_PORT_HAPROXY=10.10.10.214:10025"),
    ("mailcow.conf", "SKIP_LETS_ENCRYPT=y"),
    ("mailcow.conf", "MAILCOW_HOSTNAME=mail.example.org"),
    ("haproxy.cfg", "    server mailcow 10.10.10.214:10025 send-proxy check port 10025"),
    ("haproxy.cfg", "    bind :25 ssl crt /etc/haproxy/certs/mail.pem"),
    ("haproxy.cfg", "listen smtp"),
    ("haproxy.cfg", "    option tcplog"),
    ("haproxy.cfg", "    timeout client 30s"),
    ("compose", '      - "${SMTP_PORT_HAPROXY:-127.0.0.1:10025}:10025"'),
    ("compose", "      - 25:25"),
    ("compose", "  postfix-mailcow:"),
    ("compose", "      - ./x.conf:/etc/x.conf:ro"),
    ("compose", "      - MAILCOW_HOSTNAME=relay.example.org"),
    ("extra.cf", "mynetworks = 127.0.0.0/8 172.22.1.0/24"),
    ("extra.cf", "smtp_helo_name = mail.example.org"),
    ("extra.conf", "haproxy_trusted_networks = 10.10.10.1"),
    ("extra.conf", "service imap-login {"),
    ("script", "chmod 600 /opt/mailcow-dockerized/data/assets/ssl/key.pem"),
    ("script", "docker compose restart postfix-mailcow dovecot-mailcow"),
    ("script", "ssl=/opt/mailcow-dockerized/data/assets/ssl"),
    ("script", 'mv "$new/cert.pem" "$ssl/cert.pem"'),
    ("authorized_keys", f'restrict,command="/usr/local/bin/deploy.sh",from="10.10.10.1" {KEY}'),
    ("fstab", "UUID=0a1b2c3d-0000-4000-8000-00805f9b34fb /opt ext4 defaults,nofail 0 2"),
    ("drop-in", "RequiresMountsFor=/opt /var/lib/docker"),
    ("drop-in", "[Unit]"),
]


@pytest.mark.parametrize(("kind", "line"), SHOWN)
def test_what_is_known_to_be_harmless_is_shown(kind: str, line: str) -> None:
    rows = diff(["x"], [line, "x"], "ours", "theirs", PLACES[kind]).split("\n")
    assert rows[3] == f"+{line}"


def test_most_of_the_sample_files_is_shown() -> None:
    folder = Path(assets.__file__).parent / "lab"
    for name, kind in (("haproxy.cfg", "haproxy.cfg"), ("docker-compose.override.yml", "compose")):
        rows = [row for row in (folder / name).read_text().split("\n") if not row.startswith("#")]
        assert diff([], rows, "a", "b", PLACES[kind]).split("\n")[3:] == [f"+{row}" for row in rows]


def test_a_line_of_a_key_is_no_line_like_any_other() -> None:
    rows = ["-----BEGIN PRIVATE KEY-----", "cat", "Zq9", "cp Zq9 Zq9", "-----END PRIVATE KEY-----"]
    shown = diff(rows, [*rows[:3], "cp Zq9 Zq8", rows[4]], "ours", "theirs", PLACES["script"])
    assert "Zq" not in shown


@given(st.lists(st.sampled_from("abcdefgh"), max_size=40), st.lists(st.sampled_from("abcdefgh"), max_size=40))
def test_the_rows_are_those_of_a_unified_diff(before: list[str], after: list[str]) -> None:
    rows = diff(before, after, "one", "other").split("\n")
    there = [row for row in rows[2:] if row[:1] in (" ", "-", "+")]
    assert [row[1:] for row in there if row[0] == "-"] == _marked(before, after, 1, 2)
    assert [row[1:] for row in there if row[0] == "+"] == _marked(before, after, 3, 4)
    if before[:1] != after[:1] and before[-1:] != after[-1:]:
        assert rows == [row.rstrip("\n") for row in difflib.unified_diff(before, after, "one", "other", lineterm="")]


def _marked(before: list[str], after: list[str], start: int, stop: int) -> list[str]:
    side = before if start == 1 else after
    return [line for each in changes(before, after) for line in side[each[start] : each[stop]]]


def test_an_estate_of_the_cases_differs_from_nothing_without_failing() -> None:
    for file in (CASES / "estates" / "corrected").rglob("*"):
        if file.is_file():
            for place in PLACES.values():
                diff([], file.read_text().split("\n"), "a", "b", place)
