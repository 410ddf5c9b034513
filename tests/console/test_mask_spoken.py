# ruff: noqa: E501
"""What is said to servers, and programs whose last word is a secret: what is hidden, and the nearest that stays."""

from __future__ import annotations

import pytest

from console.mask import mask

BASE64 = "AHVzZXIAaHVudGVyMng="

HIDDEN = {
    "Redis": ["AUTH ~", "redis-cli AUTH ~", "AUTH default ~", "redis-cli AUTH default ~"],
    "SMTP": [
        f"AUTH {each} {BASE64}"
        for each in ("PLAIN", "LOGIN", "XOAUTH2", "CRAM-MD5", "DIGEST-MD5", "NTLM", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS")
    ],
    "IMAP": [
        "a001 login postmaster ~", ". login postmaster ~", 'C: a1 LOGIN "post master" ~', "tag12 LOGIN postmaster ~",
        "a1 LOGIN postmaster HUNTER2X", "a1 LOGIN plain ~", f"a1 LOGIN PLAIN {BASE64}", f"a1 AUTHENTICATE PLAIN {BASE64}",
    ],
    "POP3": ["+OK PASS ~", "PASS ~", "a b PASS xK3f9QzL2mWp8"],
    "checks": [
        'tcp-check send "AUTH ~\\r\\n"', 'tcp-check send "PASS ~\\r\\n"', "tcp-check send HELLO\\ 3\\ AUTH\\ default\\ ~",
        "tcp-check send-binary 41555448 # AUTH", "tcp-check send-binary 50415353",
    ],
    "last words": [
        "htpasswd -nb admin ~", "htpasswd -bB FILE admin ~ > /dev/null", "openssl passwd -6 ~ | tee out",
        "doveadm auth test postmaster ~", "doveadm auth login postmaster ~", "rabbitmqctl add_user mail ~",
        "rabbitmqctl change_password mail ~ && echo done", "wpa_passphrase home ~", "vault login ~",
        "mosquitto_passwd -b FILE user ~",
    ],
    "nginx": [
        'secure_link_md5 "$secure_link_expires$uri ~";', 'secure_link_md5 "$uri${remote_addr}~";',
        'secure_link_md5 "${uri}~";',
    ],
    "rclone": ["rclone config create box sftp host H pass ~", "rclone config create b s3 secret_access_key ~ region eu"],
}  # fmt: skip
"""Lines with a secret (`~`, else the last word that is not a remark)."""

SHOWN = [
    # what logs and manuals say of AUTH and LOGIN
    "SASL LOGIN authentication failed", "warning: LOGIN authentication failed.", "a login for postmaster",
    "no login from client", "AUTH failed", "AUTH required.", "AUTH not supported", "AUTH command rejected",
    "503 5.5.1 Error: authentication not enabled", "Client must authenticate before use",
    "we authenticate users with LDAP", "PASS",
    # what servers offer
    "250-AUTH PLAIN LOGIN CRAM-MD5", "250-AUTH PLAIN LOGIN SCRAM-SHA-256", "AUTH PLAIN", "AUTH LOGIN",
    "a1 AUTHENTICATE PLAIN", "AUTH CRAM-MD5 LOGIN PLAIN NTLM", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LOGIN-REFERRALS",
    # checks that log nobody in
    'tcp-check send "USER postmaster\\r\\n"', "tcp-check send PING\\r\\n", "tcp-check send QUIT\\r\\n",
    "tcp-check send-binary 50494e47",
    # programs that are given no secret there
    "htpasswd FILE admin", "openssl passwd -6 -stdin", "doveadm auth test postmaster", "rabbitmqctl add_user mail",
    "test -f /etc/passwd file", "rclone config create box sftp host H user tom",
    'secure_link_md5 "$secure_link_expires$uri$remote_addr";', "auth-user-pass /etc/openvpn/pass",
]  # fmt: skip


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_is_said_to_log_in_is_hidden(kind: str) -> None:
    for line in HIDDEN[kind]:
        told = line.replace("~", "hunter2x")
        secret = "hunter2x" if "~" in line else line.partition(" #")[0].split()[-1]
        masked = mask(told)
        assert secret not in masked and "••••••" in masked, (told, masked)
        assert masked.startswith(told[: min(told.index(secret), 4)]), (told, masked)


EXACT = {
    # Redis and SMTP: what looks made up is hidden where AUTH is shouted
    "auth hunter2x": "auth ~", "we AUTH abcDEFgh1 now": "we AUTH abcDEFgh1 ~", "AUTH abcDEFgh": "AUTH ~",
    "a1 AUTH abcDEFgh1 |": "a1 AUTH ~", "C: AUTH PLAIN hunter2x tom": "C: AUTH PLAIN ~",
    "an AUTH test": None, "an AUTH mechanism": None, "an AUTH Mechanism": None, "an AUTH MECHANISM": None,
    "an AUTH abC": None, "tcp-check send-binary auth": None,
    "we auth abcDEFgh1 now": None, "AUTH postmaster failed": None, "AUTH default is disabled": None,
    "auth yes": None, "auth required": None, "tcp-check AUTH abcDEFgh1": None,
    # programs whose last word is a secret, by name or by path, and each of several on a line
    "/usr/bin/htpasswd -b f tom hunter2x": "/usr/bin/htpasswd -b f tom ~",
    "./mosquitto_passwd -b f tom hunter2x": "./mosquitto_passwd -b f tom ~",
    "/usr/bin/wpa_passphrase home hunter2x": "/usr/bin/wpa_passphrase home ~",
    "htpasswd -b f tom hunter2x && htpasswd -b f tim hunter3x": "htpasswd -b f tom ~ && htpasswd -b f tim ~",
    "htpasswd -b FILE": None, "htpasswd FILE- tomb hunter2x": None, "htpasswd -n b- hunter2x": None,
    "vi /etc/htpasswd tom jim": None, "AuthUserFile /etc/nginx/htpasswd # for tom": None,
    "openssl passwd": None, "openssl passwd -6": None, "openssl passwd -stdin hunter2x": None,
    "mypasswd passwd hunter2x": None, "passwd tom": None, "sudo passwd tom": None, "passwd": None,
    "htpasswd -n add_user tom jim": None, "htpasswd -bB FILE tom /dev/null": None, "the login: tom jimmy": None,
    "passwd -n openssl": None, "PASS test tom jim": None, "test tom jimmy | auth": None,
    "login vault": None, "doveadm login postmaster tom": None,
    "ngrok authtoken 2abcHunter": "ngrok authtoken ~", "/opt/bin/ngrok authtoken 2abcHunter": "/opt/bin/ngrok authtoken ~",
    "ngrok config add-authtoken 2abcHunter": "ngrok config add-authtoken ~",
    "ngrok authtoken 2abcHunter --log stdout": "ngrok authtoken ~ --log stdout",
    "ngrok authtoken": None, "the authtoken changes": None, "the authtoken changes soon": None,
    "doveadm auth test -x service=imap postmaster hunter2x": "doveadm auth test -x service=imap postmaster ~",
    "doveadm auth test hunter2x": None, "test a b": None, "test auth postmaster tom": None, "sudo test tom jim": None,
    "doveadm auth login tom": None, "we auth login tom jim": None,
    "vault login": None, "vault login -method=userpass hunter2x": "vault login -method=userpass ~",
    "docker login registry": None, "login tom": None,
    "rabbitmqctl authenticate_user tom hunter2x": "rabbitmqctl authenticate_user tom ~",
    "rabbitmqctl change_password tom": None, "add_user tom hunter2x": "add_user tom ~",
    "wpa_passphrase home 12345678": "wpa_passphrase home ~",
    # nginx and rclone: the one word, and what stands behind a name of a secret
    'secure_link_md5 "$uri hunter2x" off;': 'secure_link_md5 "$uri ~" off;',
    "config create box sftp pass hunter2x": None, "rclone config create b s3 pass yes": None,
    "rclone config create box sftp host pass": None,
    "my config create box sftp pass hunter2x": None, "config create box pass hunter2x rclone": None,
    "rclone config create token s3 region eu": None,
    "rclone config create b s3 env_auth true | tee pass hunter2x": None,
    "rclone config update b pass hunter2x": "rclone config update b pass ~",
    # IMAP and POP3: a sentence is none
    "a1 LOGIN tom failed": None, "a1 LOGIN tom": None, "a1 login for postmaster": None, "a1 login tom yes": None,
    "abcdef login tom jim": None, "a12345 login tom jim": None, "the LOGIN PLAIN CRAM-MD5": None,
    "a LOGIN | grep tom": None, "a1 login tom jim later": None, "1;login tom jim now": None,
    "SASL LOGIN tom JIM": None, "the LOGIN PLAIN mechanism": None,
    "PASS letmein": "PASS ~", "PASS tom jim": None, "a b PASS tom": "a b PASS ~", "a b c PASS tom": None,
    "PASS xK3f9QzL2mWp8 more": "PASS ~", "a b PASS hunter2x": "a b PASS ~",
}  # fmt: skip
"""A line → what is shown of it, `~` for what is hidden; None: all of it."""


@pytest.mark.parametrize("line", EXACT)
def test_a_line_is_shown_up_to_its_secret_and_behind_it(line: str) -> None:
    shown = EXACT[line]
    assert mask(line) == (line if shown is None else shown.replace("~", "••••••"))


def test_what_comes_before_and_behind_the_secret_stays() -> None:
    assert mask("AUTH default hunter2x") == "AUTH default ••••••"
    assert mask("redis-cli -h redis AUTH default hunter2x") == "redis-cli -h redis AUTH default ••••••"
    assert mask("a1 LOGIN postmaster hunter2x") == "a1 LOGIN postmaster ••••••"
    assert mask("AUTH SCRAM-SHA-256 biwsbj11c2Vy") == "AUTH SCRAM-SHA-256 ••••••"
    assert mask("rabbitmqctl change_password mail hunter2x && echo done").endswith("•••••• && echo done")
    assert mask("rclone config create b s3 secret_access_key hunter2x region eu").endswith("•••••• region eu")
    assert mask('secure_link_md5 "$uri${remote_addr}hunter2x";') == 'secure_link_md5 "$uri${remote_addr}••••••";'


def test_what_only_tells_of_logging_in_stays() -> None:
    for line in SHOWN:
        assert mask(line) == line
