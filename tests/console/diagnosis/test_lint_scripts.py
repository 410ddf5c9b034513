"""What a deploy script and a hook are blamed for, and what they are not."""

from __future__ import annotations

import pytest

from console.diagnosis.lint import lint
from console.model import Finding
from console.sources import shell
from console.topology.build import build
from console.topology.sources import Sources


def judge(text: str) -> list[Finding]:
    sources = Sources(scripts=(shell.read(text, "s.sh"),))
    return list(lint(sources, build(sources)))


def said(text: str) -> list[str]:
    return [f"{each.id}:{getattr(each.where, 'line', 0)}" for each in judge(text)]


KILLS = [
    ("docker compose kill -s SIGHUP dovecot-mailcow", True),
    ("docker compose kill -s HUP dovecot-mailcow", True),
    ("docker compose kill --signal=SIGHUP postfix-mailcow dovecot-mailcow", True),
    ("docker compose kill --signal hup dovecot-mailcow", True),
    ("docker-compose kill -s 1 dovecot-mailcow", True),
    ("docker kill -sHUP mailcowdockerized-dovecot-mailcow-1", True),
    ("cd /opt && sudo docker compose kill -s SIGHUP dovecot-mailcow", True),
    ("docker compose kill -s SIGHUP", True),
    ("docker compose kill -s SIGHUP nginx-mailcow", False),
    ("docker compose kill dovecot-mailcow", False),
    ("docker compose exec -T dovecot-mailcow dovecot reload", False),
    ("docker compose exec -T dovecot-mailcow kill -HUP 99", False),
    ("kill -HUP 1", False),
    ("echo 'docker compose kill -s SIGHUP dovecot-mailcow'", False),
]


@pytest.mark.parametrize(("command", "blamed"), KILLS)
def test_a_hangup_to_dovecots_container_is_found_however_it_is_written(command: str, blamed: bool):
    assert said(f"#!/bin/sh\nset -e\n{command}\n") == ["CH013:3"] * blamed


HOST_KEYS = [
    ("ssh -o StrictHostKeyChecking=accept-new root@m true", True),
    ("ssh -oStrictHostKeyChecking=no m true", True),
    ("ssh -o 'StrictHostKeyChecking no' m true", True),
    ("scp -o stricthostkeychecking=off a m:b", True),
    ("rsync -e 'ssh -o StrictHostKeyChecking=accept-new' a m:b", True),
    ("ssh -o StrictHostKeyChecking=yes root@m true", False),
    ("ssh root@m true", False),
    ("# ssh -o StrictHostKeyChecking=no m", False),
]


@pytest.mark.parametrize(("command", "blamed"), HOST_KEYS)
def test_a_host_key_that_nobody_checked_is_found(command: str, blamed: bool):
    assert said(f"#!/bin/sh\n{command}\n") == ["CH026:2"] * blamed


def test_the_finding_names_whom_the_hook_trusts_and_every_place():
    text = "ssh -o StrictHostKeyChecking=accept-new root@mail.example.test a\nssh -o StrictHostKeyChecking=no m b\n"
    (found,) = judge(text)
    assert found.summary == (
        "StrictHostKeyChecking=accept-new trusts root@mail.example.test's first answer:"
        " whoever gives it gets the private key"
    )
    assert [str(place) for place in found.also] == ["s.sh:2"]


HOOKS = [
    ("cat /etc/letsencrypt/live/m/fullchain.pem > /tmp/x\nscp /tmp/x m:\n", ["CH027:1"]),
    ('[ "$RENEWED_LINEAGE" = /etc/letsencrypt/live/m ] || exit 0\nscp /etc/letsencrypt/live/m/x m:\n', []),
    ('case "$RENEWED_DOMAINS" in *m*) scp /etc/letsencrypt/live/m/x m: ;; esac\n', []),
    ("cat /etc/letsencrypt/live/m/fullchain.pem\n", []),
    ("set -e\ncat a b | ssh m\n", ["CH027:1"]),
    ("cat a b | ssh m\n", ["CH027:1"]),
    ("set -eo pipefail\ncat a b | ssh m\n", []),
    ("set -e\nset -o pipefail\ncat a b | ssh m\n", []),
    ("set -e\ncat a b | ssh m\n[ ${PIPESTATUS[0]} = 0 ]\n", []),
    ("set -e\necho x | ssh m\n", []),
    ("docker compose exec a b\ndocker compose exec -it a b\n", ["CH027:1"]),
    ("docker compose -f x.yml exec -u root a b\n", ["CH027:1"]),
    ("docker compose exec -T a b\ndocker-compose exec -u root -T a b\ndocker exec a b\n", []),
]


@pytest.mark.parametrize(("text", "expected"), HOOKS)
def test_a_hook_is_blamed_for_what_would_fail_unseen(text: str, expected: list[str]):
    assert said(text) == expected


SCRIPTS = [
    ("in=$(cat)\necho $in > /ssl/cert.pem\n", ["CH011:1", "CH027:2"]),
    ("cat > /ssl/cert.pem\n", ["CH011:1", "CH027:1"]),
    ("in=$(cat)\nopenssl x509 -noout\necho $in > /ssl/cert.pem\n", ["CH027:3"]),
    ("in=$(cat)\necho $in > /ssl/cert.pem.new\nmv /ssl/cert.pem.new /ssl/cert.pem\n", ["CH011:1"]),
    ("in=$(cat)\nopenssl x509\necho $in > $T/cert.pem\nmv $T/cert.pem /ssl/cert.pem\n", []),
    ("read a\ntee /ssl/key.pem\n", ["CH011:1", "CH027:2", "CH026:2"]),
    ("cp /etc/x/a.pem /ssl/cert.pem\n", ["CH027:1"]),
    ("cp /ssl/cert.pem /ssl/cert.pem.old\n", []),
    ("cat a.pem > /var/log/x\n", []),
]


@pytest.mark.parametrize(("text", "expected"), SCRIPTS)
def test_a_deploy_script_is_blamed_for_installing_unseen_and_in_place(text: str, expected: list[str]):
    assert said(text) == expected


def test_installing_whatever_comes_is_the_gravest():
    found = judge("in=$(cat)\necho $in > /ssl/cert.pem\n")
    assert [each.severity for each in found] == ["critical", "high"]


def test_a_name_in_a_script_cannot_steer_the_terminal():
    (found,) = judge("ssh -o StrictHostKeyChecking=no root@m\x1b[2J true\n")
    assert found.summary.isprintable()
