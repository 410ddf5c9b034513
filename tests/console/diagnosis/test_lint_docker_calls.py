"""Calls of docker in scripts, written in the ways that people write them; and certificates without their chain."""

from __future__ import annotations

import pytest

from tests.console.diagnosis.test_lint_scripts import said

HANGUPS = [
    ("docker exec mailcowdockerized-dovecot-mailcow-1 kill -HUP 1", True),
    ("docker compose exec -T dovecot-mailcow kill -s HUP 1", True),
    ("docker compose exec -T -u root dovecot-mailcow kill -SIGHUP 1", True),
    ("docker compose exec -T dovecot-mailcow sh -c 'kill -1 1'", True),
    ("docker compose exec -T dovecot-mailcow sh -c 'true; kill -HUP 1'", True),
    ("docker compose exec -T dovecot-mailcow pkill -HUP supervisord", True),
    ("for c in postfix dovecot nginx; do docker kill -s HUP mailcowdockerized-$c-mailcow-1; done", True),
    ("for c in postfix-mailcow dovecot-mailcow; do docker compose kill -s HUP $c; done", True),
    ("S='postfix-mailcow dovecot-mailcow'; docker compose kill -s HUP $S", True),
    ("docker kill -s HUP $(docker ps -qf name=dovecot-mailcow)", True),
    ("C=$(docker ps -qaf name=dovecot-mailcow); docker kill --signal=HUP $C", True),
    ("docker ps -qf name=dovecot-mailcow | xargs -r docker kill -s HUP", True),
    ("docker container kill --signal 1 mailcowdockerized-dovecot-mailcow-1", True),
    ("/usr/bin/docker compose kill -s SIGHUP dovecot-mailcow", True),
    ("sudo -n /usr/bin/docker compose kill -s SIGHUP dovecot-mailcow", True),
    ("timeout 30 docker compose kill -s SIGHUP dovecot-mailcow", True),
    ("DC='docker compose -f /opt/m/docker-compose.yml'; $DC kill -s SIGHUP dovecot-mailcow", True),
    ("DC='docker compose'; C=$DC; $C kill -s SIGHUP dovecot-mailcow", True),
    ("podman kill -s hup dovecot-mailcow", True),
    ("docker compose exec -T dovecot-mailcow doveadm reload", False),
    ("docker compose exec -T dovecot-mailcow kill -HUP $(pidof dovecot)", False),
    ("docker compose exec -T dovecot-mailcow kill -TERM 1", False),
    ("docker compose exec -T dovecot-mailcow sh -c 'echo kill -HUP 1 >&2'", False),
    ("docker compose exec -T nginx-mailcow kill -HUP 1", False),
    ("for c in postfix nginx; do docker kill -s HUP mailcowdockerized-$c-mailcow-1; done", False),
    ("docker ps -qf name=nginx-mailcow | xargs -r docker kill -s HUP", False),
    ("C=dovecot-mailcow; C=nginx-mailcow; docker kill -s HUP $C", False),
    ("docker kill -s HUP $SOMETHING", False),
    ("echo docker kill -s HUP dovecot-mailcow", False),
]


@pytest.mark.parametrize(("command", "blamed"), HANGUPS)
def test_a_hangup_to_dovecots_container_is_found_by_what_docker_is_given(command: str, blamed: bool) -> None:
    assert said(f"#!/bin/bash\nset -euo pipefail\n{command}\n") == ["CH013:3"] * blamed


SSL = "/opt/mailcow-dockerized/data/assets/ssl"
RELOADS = [
    ("for c in postfix dovecot nginx; do docker restart mailcowdockerized-$c-mailcow-1; done", False),
    ("for c in postfix dovecot; do docker restart mailcowdockerized-$c-mailcow-1; done", True),
    ("S='postfix-mailcow dovecot-mailcow'; docker compose restart $S", True),
    ("S='postfix-mailcow dovecot-mailcow nginx-mailcow'; docker compose restart $S", False),
    ("DC='docker compose'; $DC restart postfix-mailcow; $DC exec -T nginx-mailcow nginx -s reload", False),
    ("sudo -n /usr/bin/docker compose restart dovecot-mailcow", True),
]


@pytest.mark.parametrize(("command", "blamed"), RELOADS)
def test_an_nginx_that_is_never_reloaded_is_found_by_what_docker_is_given(command: str, blamed: bool) -> None:
    found = said(f"#!/bin/bash\nset -euo pipefail\n[ -e {SSL}/cert.pem ]\n{command}\n")
    assert [each for each in found if each.startswith("CH010")] == ["CH010:4"] * blamed


CHAINS = [
    ('scp "$RENEWED_LINEAGE/cert.pem" m:/tmp/x', True),
    ('cat "$RENEWED_LINEAGE/cert.pem" "$RENEWED_LINEAGE/privkey.pem" | ssh m receive', True),
    ('ssh m receive < "${RENEWED_LINEAGE}/cert.pem"', True),
    ('cat "$RENEWED_LINEAGE/cert.pem" "$RENEWED_LINEAGE/chain.pem" | ssh m receive', False),
    ('cat "$RENEWED_LINEAGE/fullchain.pem" | ssh m receive', False),
    ('openssl x509 -noout -enddate -in "$RENEWED_LINEAGE/cert.pem"', False),
    (f'openssl x509 -in "$T/in" -out "$T/c.pem"; mv "$T/c.pem" {SSL}/cert.pem', True),
    (f'openssl x509 -in "$T/in" > "$T/c.pem"; install -m 644 "$T/c.pem" {SSL}/cert.pem', True),
    ('openssl x509 -in "$T/in" -out "$T/first.pem"; openssl verify "$T/first.pem"', False),
    (f'openssl x509 -noout -pubkey -in "$T/in" > "$T/k.pem"; mv "$T/in" {SSL}/cert.pem', False),
]


@pytest.mark.parametrize(("command", "blamed"), CHAINS)
def test_a_certificate_without_its_chain_is_found(command: str, blamed: bool) -> None:
    script = f'#!/bin/bash\nset -euo pipefail\nT=$(mktemp -d); [ "$RENEWED_LINEAGE" = x ] || exit 0\n{command}\n'
    assert [each for each in said(script) if each.startswith("CH083")] == ["CH083:4"] * blamed
