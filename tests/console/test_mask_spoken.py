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
