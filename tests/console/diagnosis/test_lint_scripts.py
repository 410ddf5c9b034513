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
    ("set -e\nname=$(cat a | tr -d x | sed s/a/b/)\ncase $name in a | b) ;; esac\n", []),
    ("set -e\ncat a | tr -d x | timeout 9 ssh m\n", ["CH027:1"]),
    ("set -e\ncat a | tr -d x >y\n", ["CH027:1"]),
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
    ("set -e\nt=$(mktemp -d)\ncp /etc/x/a.pem $t/cert.pem\ncp /etc/x/k.pem ${t}/key.pem\n", []),
    ("cp /etc/x/a.pem /tmp/cert.pem\n", []),
    ("t=/ssl\ncp /etc/x/a.pem $t/cert.pem\n", ["CH027:2"]),
    ("set -e\ncd /ssl\ncp /etc/x/a.pem new.pem\nmv new.pem cert.pem\n", []),
    ("set -e\ncp /etc/x/a.pem /ssl/cert.pem\nmv /other/cert.pem /else\n", ["CH027:2"]),
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


HUP = "docker compose kill -s SIGHUP dovecot-mailcow"
STARTED = [
    (f'ssh deploy@10.9.9.9 "cd /opt/mailcow-dockerized && {HUP}"', 3),
    (f"ssh -i /root/.ssh/k -o BatchMode=yes -p 22 root@m 'cd /opt/mailcow-dockerized; {HUP}'", 3),
    (f"ssh m <<E\ncd /opt/mailcow-dockerized\n{HUP}\nE", 5),
    (f"ssh m <<-'E'\n\t{HUP}\nE", 4),
    (f"ssh m sudo bash -se <<'E'\nset -u\n{HUP}\nE", 5),
    (f"ssh m <<< '{HUP}'", 3),
    (f"ssh m sudo -n sh -c '\"cd /opt && {HUP}\"'", 3),
    (f'ssh m "sudo -u mail sh -c \\"{HUP}\\""', 3),
    (f"ssh m {HUP}", 3),
    (f"timeout 60 ssh m {HUP}", 3),
    (f"ssh m '\ncd /opt/mailcow-dockerized\n{HUP}\n'", 5),
    (f'REMOTE="{HUP}"\nssh "$HOST" "$REMOTE"', 3),
    (f'SSH="ssh -i /root/.ssh/k root@m"\n$SSH {HUP}', 4),
    (f'SSH_OPTIONS="-i x -p 22"\nssh $SSH_OPTIONS root@m "{HUP}"', 4),
    (f'far() {{\n  ssh root@m "$@"\n}}\nfar {HUP}', 6),
    (f"reload() {{\n  {HUP}\n}}\nreload", 4),
    (f"sh -c '{HUP}'", 3),
    (f'su - mail -c "{HUP}"', 3),
    (f'eval "{HUP}"', 3),
    (f"bash <<E\n{HUP}\nE", 4),
]


@pytest.mark.parametrize(("command", "line"), STARTED)
def test_what_a_script_has_another_shell_run_is_read_and_placed_in_the_file(command: str, line: int):
    assert said(f"#!/bin/sh\nset -e\n{command}\n") == [f"CH013:{line}"]


@pytest.mark.parametrize(
    "command", [f"echo '{HUP}'", f"ssh m echo '{HUP}'", f"cat <<E\n{HUP}\nE", f'logger "{HUP}"', f"ssh m # {HUP}"]
)
def test_what_is_only_a_text_is_run_by_nobody(command: str):
    assert said(f"#!/bin/sh\nset -e\n{command}\n") == []


SSL = "/opt/mailcow-dockerized/data/assets/ssl"
GUARDED = 'set -e; [ "$RENEWED_LINEAGE" = /etc/letsencrypt/live/m ] || exit 0'
FAR = [
    (f'scp "$RENEWED_LINEAGE/privkey.pem" d@m:{SSL}/key.pem\n', ["CH027:2"]),
    (f'scp "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" d@m:{SSL}/\n', ["CH027:2"]),
    (f'scp "$RENEWED_LINEAGE/privkey.pem" d@m:{SSL}/key.pem.new\nssh m mv {SSL}/key.pem.new {SSL}/key.pem\n', []),
    (f'rsync -tL "$RENEWED_LINEAGE/privkey.pem" d@m:{SSL}/key.pem\n', []),
    (f'rsync -L --inplace "$RENEWED_LINEAGE/privkey.pem" d@m:{SSL}/key.pem\n', ["CH027:2"]),
    (f"ssh m 'cat > {SSL}/cert.pem' < \"$RENEWED_LINEAGE/fullchain.pem\"\n", ["CH011:2", "CH027:2"]),
    (f"ssh m 'docker compose -f /opt/x.yml restart dovecot-mailcow' # {SSL}\n", []),
    (f"ssh m '[ -e {SSL}/cert.pem ]; docker compose restart dovecot-mailcow'\n", ["CH010:2"]),
    (f"ssh m '[ -e {SSL}/cert.pem ]; docker compose restart dovecot-mailcow nginx-mailcow'\n", []),
    (f"ssh m '[ -e {SSL}/cert.pem ]; docker compose restart dovecot-mailcow; docker compose restart'\n", []),
    ("ssh m 'docker compose exec dovecot-mailcow dovecot reload'\n", ["CH027:2"]),
    ("cp a /etc/haproxy/certs/mail.pem\n", ["CH027:2"]),
]


@pytest.mark.parametrize(("text", "expected"), FAR)
def test_what_reaches_the_other_machine_is_judged_as_if_it_were_here(text: str, expected: list[str]):
    assert [each for each in said(f"{GUARDED}\n{text}") if not each.startswith("CH012")] == expected


def test_haproxys_one_file_is_no_pair():
    (found,) = judge("cp a /etc/haproxy/certs/mail.pem\n")
    assert found.summary == "the certificate is written in place: stopped half way, it leaves a PEM that is cut"


WRITES = [
    (f"install -m 600 k.pem {SSL}/key.pem", True),
    (f"install -d {SSL}", False),
    (f"install -m 600 k.pem {SSL}/key.pem.new && mv {SSL}/key.pem.new {SSL}/key.pem", False),
    (f"rsync -L k.pem {SSL}/key.pem", False),
    (f"mv k.pem {SSL}/key.pem", False),
]


@pytest.mark.parametrize(("command", "blamed"), WRITES)
def test_what_writes_the_file_itself_is_told_from_what_renames(command: str, blamed: bool):
    found = [each for each in judge(f"#!/bin/sh\nset -e\n{command}\n") if "written in place" in each.summary]
    assert [each.id for each in found] == ["CH027"] * blamed


GONE_ON = [
    ("scp a m:/x\nssh m true\n", ["CH027:1"]),
    ("#!/bin/sh\nscp a m:/x\nscp b m:/y\nsystemctl reload haproxy\n", ["CH027:2"]),
    ("scp a m:/x && scp b m:/y\nlogger done\n", ["CH027:1"]),
    ("for h in a b; do\n  rsync x $h:/x\ndone\nlogger done\n", ["CH027:2"]),
    ("push() {\n  scp a m:/x\n  logger sent\n}\npush\n", ["CH027:2"]),
    ("if [ -e a ]; then\n  scp a m:/x\nfi\nlogger done\n", ["CH027:2"]),
    ("cat a | ssh m deploy\nlogger done\n", ["CH027:1", "CH027:1"]),
    ("cp a /opt/mailcow-dockerized/data/assets/ssl/x\nlogger done\n", ["CH027:1"]),
    ("scp a m:/x\nexit 0\n", ["CH027:1"]),
    ("ssh m 'cp a /ssl/.new; mv /ssl/.new /ssl/key.pem; logger done'\n", ["CH027:1"]),
    ("scp a m:/x\nset -e\nssh m true\n", ["CH027:1"]),
    ("cd /x\nscp a m:/x\nset -euo pipefail\nscp b m:/x\nssh m true\n", ["CH027:2"]),
    ("set -e\nset +e\nscp a m:/x\nssh m true\n", ["CH027:3"]),
    ("set -e\nset +o errexit\nscp a m:/x\nset -e\nssh m true\n", ["CH027:3"]),
    ("#!/bin/sh -e\nset +e\nscp a m:/x\nssh m true\n", ["CH027:3"]),
    ("set +e\nset -e\nscp a m:/x\nssh m true\n", []),
    ("push() {\n  scp a m:/x\n  ssh m true\n}\nset -e\npush\nlogger done\n", []),
    ("set -e\nscp a m:/x\nssh m true\n", []),
    ("set -o errexit\nscp a m:/x\nssh m true\n", []),
    ("#!/bin/sh -e\nscp a m:/x\nssh m true\n", []),
    ("#!/bin/bash\ntrap 'exit 1' ERR\nscp a m:/x\nssh m true\n", []),
    ("scp a m:/x || exit 1\nssh m true\n", []),
    ("scp a m:/x && ssh m true\n", []),
    ("if scp a m:/x; then ssh m true; fi\n", []),
    ("if ! scp a m:/x; then exit 1; fi\nssh m true\n", []),
    ("if [ -e a ]; then\n  scp a m:/x\nelse\n  logger none\nfi\n", []),
    ("case $1 in\n  a) scp a m:/x ;;\n  b) logger none ;;\nesac\n", []),
    ("scp a m:/x\ncode=$?\nlogger done\nexit $code\n", []),
    ("push() {\n  scp a m:/x\n}\npush || exit 1\nlogger done\n", []),
    ("scp a m:/x\n", []),
]


@pytest.mark.parametrize(("text", "expected"), GONE_ON)
def test_a_copy_that_fails_unnoticed_is_found_and_one_that_is_looked_at_is_not(text: str, expected: list[str]):
    assert [each for each in said(text) if not each.startswith("CH012")] == expected


def test_a_set_e_that_comes_too_late_is_told_with_its_line():
    (found,) = [each for each in judge("scp a m:/x\nset -e\nssh m true\n") if each.id == "CH027"]
    assert found.summary == "set -e on line 2 comes too late: a failed scp before it is not noticed"


L = "$RENEWED_LINEAGE"
WHICHEVER = [
    (f'scp "{L}/privkey.pem" m:/srv/key\n', True),
    (f'rsync -L "{L}/fullchain.pem" m:/srv/c\n', True),
    (f'cat "{L}/fullchain.pem" "{L}/privkey.pem" > /etc/haproxy/certs/mail.pem.new\n', True),
    (f'cat "{L}/fullchain.pem" | ssh m receive\n', True),
    (f'ssh m receive < "{L}/fullchain.pem"\n', True),
    (f'cp "{L}/privkey.pem" /srv/key.new\n', True),
    (f'from={L}\nscp "$from/privkey.pem" m:/srv/key\n', True),
    (f'[ -d "{L}" ] || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', True),
    (f'[ -n "{L}" ] && scp "{L}/privkey.pem" m:/srv/key\n', True),
    (f'echo "renewed {L}" | logger\nscp "{L}/privkey.pem" m:/srv/key\n', True),
    (f'[ "{L}" = /etc/letsencrypt/live/m ] || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'if [[ "{L}" != */m ]]; then exit 0; fi\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'name=$(basename "{L}")\n[ "$name" = m ] || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    ("n=${RENEWED_LINEAGE##*/}\n" + f'case "$n" in m) scp "{L}/privkey.pem" m:/srv/key ;; esac\n', False),
    (f'for d in $RENEWED_DOMAINS; do\n[ "$d" = m ] && scp "{L}/privkey.pem" m:/srv/key\ndone\n', False),
    (f'echo "$RENEWED_DOMAINS" | grep -qw m || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'grep -q m <<< "$RENEWED_DOMAINS" || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'ours "{L}" || exit 0\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'openssl x509 -checkhost m -in "{L}/cert.pem"\nscp "{L}/privkey.pem" m:/srv/key\n', False),
    (f'scp "{L}/privkey.pem" m:/srv/$(basename {L}).key\n', False),
    (f'openssl x509 -noout -enddate -in "{L}/cert.pem"\n', False),
]


@pytest.mark.parametrize(("text", "blamed"), WHICHEVER)
def test_a_hook_that_takes_whichever_certificate_was_renewed_is_found(text: str, blamed: bool):
    found = [each for each in judge(f"#!/bin/bash\nset -eo pipefail\n{text}") if "whichever" in each.summary]
    assert [each.severity for each in found] == ["medium"] * blamed


LINKS = [
    ("rsync -a $RENEWED_LINEAGE/fullchain.pem m:/ssl/cert.pem", True),
    ("rsync -rt --chmod=F600 /etc/letsencrypt/live/mail.example.org/ m:/ssl/", True),
    ("LIVE=/etc/letsencrypt/live/mail.example.org\nrsync -a $LIVE/ m:/ssl/", True),
    ("BASE=/etc/letsencrypt\nLIVE=${BASE}/live/mail.example.org\nrsync -a ${LIVE}/fullchain.pem m:/ssl/", True),
    ("from=$RENEWED_LINEAGE\nrsync -a $from/ m:/ssl/", True),
    ("LIVE=/etc/letsencrypt/live/mail.example.org\nLIVE=/srv/copies\nrsync -a $LIVE/ m:/ssl/", False),
    ("LIVE=/srv/copies\nrsync -a $LIVE/ m:/ssl/", False),
    ("rsync -aL $RENEWED_LINEAGE/fullchain.pem m:/ssl/cert.pem", False),
    ("rsync -a --copy-links ${RENEWED_LINEAGE}/fullchain.pem m:/ssl/cert.pem", False),
    ('rsync -a "$(readlink -f $RENEWED_LINEAGE/fullchain.pem)" m:/ssl/cert.pem', False),
    ("rsync -a /root/certs/ m:/ssl/", False),
    ("cp -a $RENEWED_LINEAGE/. /srv/certs/", True),
    ("cp -dp /etc/letsencrypt/live/m/privkey.pem /srv/certs/", True),
    ("cp -aL $RENEWED_LINEAGE/. /srv/certs/", False),
    ("cp $RENEWED_LINEAGE/fullchain.pem /srv/certs/", False),
    ("scp $RENEWED_LINEAGE/fullchain.pem m:/srv/certs/", False),
]


@pytest.mark.parametrize(("command", "blamed"), LINKS)
def test_links_that_are_copied_as_links_are_found(command: str, blamed: bool):
    found = [each for each in judge(f"#!/bin/sh\nset -e\n{command}\n") if "symbolic links" in each.summary]
    assert [each.id for each in found] == ["CH027"] * blamed


READABLE = [
    ("cat privkey.pem > /srv/ssl/key.pem", True),
    ("cat fullchain.pem privkey.pem > /etc/haproxy/mail.pem", True),
    ("cat fullchain.pem > /etc/haproxy/mail.pem", False),
    ("cp privkey.pem /srv/ssl/key.pem", False),
    ("acme.sh --install-cert -d m --key-file /srv/ssl/key.pem --fullchain-file /srv/ssl/cert.pem", False),
    ("umask 077\ncat privkey.pem > /srv/ssl/key.pem", False),
    ("install privkey.pem /srv/ssl/key.pem", True),
    ("install -m 644 privkey.pem /srv/ssl/key.pem", True),
    ("install -m600 privkey.pem /srv/ssl/key.pem", False),
    ("install --mode=0640 privkey.pem /srv/ssl/key.pem", False),
    ("chmod 644 /srv/ssl/key.pem", True),
    ("chmod 0640 /srv/ssl/key.pem", False),
    ("chmod 644 /srv/ssl/cert.pem", False),
]


@pytest.mark.parametrize(("command", "blamed"), READABLE)
def test_a_key_that_everybody_can_read_is_found_by_what_makes_it_so(command: str, blamed: bool):
    found = [each for each in judge(f"#!/bin/sh\nset -e\n{command}\n") if each.id == "CH026"]
    assert [each.severity for each in found] == ["medium"] * blamed


def test_a_mode_that_is_mended_later_is_said_to_be():
    (found,) = [each for each in judge("cat k.key > /s/key.pem\nchmod 600 /s/key.pem\n") if each.id == "CH026"]
    assert "until its chmod" in found.summary
    (found,) = [each for each in judge("cat k.key > /s/key.pem\n") if each.id == "CH026"]
    assert "chmod" not in found.summary


RUN_BY = [
    "acme.sh --install-cert -d m --key-file /s/key.pem --reloadcmd 'docker compose restart dovecot-mailcow'",
    "/root/.acme.sh/acme.sh --cron --renew-hook 'docker compose restart dovecot-mailcow' --key-file /s/key.pem",
    "certbot renew --deploy-hook 'docker compose restart dovecot-mailcow' --key-path /s/key.pem",
    "sudo certbot renew --post-hook='docker compose restart dovecot-mailcow' --key-path /s/key.pem",
    "certbot renew --key-path /s/key.pem --deploy-hook \"ssh m 'docker compose restart dovecot-mailcow'\"",
]


@pytest.mark.parametrize("command", RUN_BY)
def test_commands_that_certbot_and_acme_sh_are_given_are_read(command: str):
    assert [each.id for each in judge(f"set -e\n{command}\n") if each.id == "CH010"] == ["CH010"]
    hangup = command.replace("restart", "kill -s HUP")
    assert [each.severity for each in judge(f"set -e\n{hangup}\n") if each.id == "CH013"] == ["critical"]


def test_what_acme_sh_writes_is_written_in_place():
    said = [each.summary for each in judge("acme.sh --installcert -d m --fullchainpath /s/cert.pem\n")]
    assert any("written in place" in each for each in said)
