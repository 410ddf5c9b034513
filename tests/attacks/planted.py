"""An estate with a secret in every place that real ones have them: each value is there once, and nowhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.attacks.forms import FORMS, OVER_LINES
from tests.attacks.forms_listed import LISTED, TOLD
from tests.attacks.planted_files import COMPOSE, HAPROXY, TOFU

MAILCOW = """
MAILCOW_HOSTNAME=mail.example.org
HTTP_PORT=8080
DBPASS=~
DBROOT=~
REDISPASS=~
API_KEY=~
API_KEY_READ_ONLY=~
SPAMD_PASS=~
SOGO_URL_ENCRYPTION_KEY=~
ACME_ACCOUNT_KEY=~
TS_AUTHKEY=~
PW=~
SALT=~
KEY=~
ENC_KEY=~
RELAY_URL=mysql://bob:~@relay.example.org
SENTRY_DSN=https://~@sentry.example.org/1
WATCHDOG_NOTIFY_WEBHOOK=https://hooks.slack.com/services/T0/B0/~
QUOTED_PASS="~ # ~"
DOUBLE_PASS="~ and ~"
SINGLE_PASS='~ and ~'
BEARER=Bearer ~
VAULT=hvs.~
PUSHOVER_USER=~
PUSHOVER_APP=~
PING=https://hc-ping.com/~
UPTIME=https://uptime.example.org/api/push/~?status=up
FERNET=~
# DBPASS=~
"""

EXTRA_CF = """
smtp_helo_name = mail.example.org
relayhost = [relay.example.org]:587
smtp_sasl_password_maps = static:bob:~
smtp_sasl_secret = ~
  ~
"""

EXTRA_CONF = """
haproxy_trusted_networks = 127.0.0.1
doveadm_password = ~
imapc_password = "~ and ~"
passdb {
  driver = static
  args = password=~ nopassword=n
}
# master_password = ~
"""

SCRIPT = """#!/bin/sh
set -e
TOKEN="~" true
PASSWORD='~ and ~'
export DB_PASSWORD=~
MYSQL_PWD=~ mysql mailcow
mysqldump -uroot -p~ mailcow > /dev/null
curl -sS -u bob:~ https://example.org/
curl -H "X-Api-Key: ~" "https://example.org/?token=~&x=1"
curl -d '{"password":"~"}' https://bob:~@example.org/
sshpass -p ~ ssh root@vm
sshpass -p'~' ssh root@vm
echo "root:~" | chpasswd
echo ~ | docker login --password-stdin
docker login -u bob -p ~ registry.example.org
tailscale up --authkey=~
wget --password ~ https://example.org/
openssl enc -pass pass:~ -in x
curl -u \\
  bob:~ https://example.org/
restic --password-command x \\
  --password \\
  ~
chpasswd <<EOF
root:~
EOF
cat > /run/secrets/db_password <<'END'
~
END
cat > /root/key <<EOF
-----BEGIN PRIVATE KEY-----
~
~
-----END PRIVATE KEY-----
EOF
npm_token=npm_0123456789~
# the token is sk-0123456789~
vault kv put secret/x value=~
unrar x -p~ y
curl -E cert.pem:~ https://example.org/
mysql -e "CREATE USER bob IDENTIFIED BY PASSWORD '~'"
# SG.abcdefghij.~ pypi-AgEIcHlwaS5vcmc~ dop_v1_~ github_pat_11_~
"""

HOOK = """#!/bin/sh
AUTH="Bearer ~"
curl -H "Authorization: $AUTH" https://example.org/
PGPASSWORD=~ psql -h db
redis-cli -a ~ ping
ldapsearch -w ~ -x
htpasswd -nbB bob ~
"""

KEYS = """
command="/usr/local/bin/deploy.sh",restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0vGmYB7Lx7xWbQ5Yw0m0S0b0h0a root@vps
environment="API_TOKEN=~" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0vGmYB7Lx7xWbQ5Yw0m0S0b0h0b root@x
command="run --password ~" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0vGmYB7Lx7xWbQ5Yw0m0S0b0h0c root@y
"""

FSTAB = """
UUID=0a1b2c3d-0000-4000-8000-00805f9b34fb /opt ext4 defaults 0 2
//nas/x /mnt cifs username=bob,password=~,vers=3 0 0
https://bob:~@dav.example.org/ /dav davfs defaults 0 0
"""

STATE = {
    "version": 4,
    "terraform_version": "1.11.4",
    "outputs": {"root_password": {"value": "~", "type": "string", "sensitive": True}},
    "resources": [
        {
            "mode": "managed", "type": "random_password", "name": "x", "provider": "p",
            "instances": [{"attributes": {"result": "~", "bcrypt_hash": "$2y$10$~", "length": 20}}],
        }
    ],
}  # fmt: skip

ANSWER = """
Authorization: Bearer ~
{"password": "~", "port": 25}
DBPASS=~
mysql: [Warning] Using a password: ~
postfix/smtpd: AUTH PLAIN ~0123456789
-----BEGIN RSA PRIVATE KEY-----
~
-----END RSA PRIVATE KEY-----
root:$y$j9T$salt$~:19000:0:99999:7:::
user bob insecure-password ~
https://bob:~@example.org/
dovecot: auth: Debug: client in: AUTH 1 PLAIN service=imap resp=~AAAA
{"kty": "RSA", "n": "abc", "e": "AQAB", "d": "~", "p": "~", "qi": "~"}
{"kty":"oct","k":"~"}
{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$~$~
createUser bob SHA "~" AES "~"
rocommunity ~
<property name="password">~</property>
<entry key="password">~</entry>
hmacEncoded: ~
privkey:~
"""

MORE = OVER_LINES.replace("---\n", "") + FORMS + LISTED.replace("---\n", "") + TOLD

FILES = {
    "haproxy.cfg": HAPROXY,
    "mailcow.tf": TOFU,
    "docker-compose.override.yml": COMPOSE,
    "mailcow.conf": MAILCOW,
    "data/conf/postfix/extra.cf": EXTRA_CF,
    "data/conf/dovecot/extra.conf": EXTRA_CONF,
    "deploy.sh": SCRIPT + MORE,
    "hook.sh": HOOK,
    "authorized_keys": KEYS,
    "fstab": FSTAB,
    "terraform.tfstate": json.dumps(STATE, indent=2),
    "answer": ANSWER + MORE,
}


class Planted:
    """The files with their secrets; `place` says of each value in which file and line it stands."""

    def __init__(self, ports: dict[str, str]) -> None:
        self.place: dict[str, str] = {}
        self.files = {name: self._plant(name, text, ports) for name, text in FILES.items()}

    def _plant(self, name: str, text: str, ports: dict[str, str]) -> str:
        if "{vm}" in text:
            said = f"AUTH {self._new(f'{name}, in hexadecimal')}".encode().hex()
            text = text.format(**ports, hex=said)
        rows = []
        for number, line in enumerate(text.lstrip("\n").split("\n"), 1):
            first, *pieces = line.split("~")
            rows.append(first + "".join(self._new(f"{name}:{number}: {line.strip()}") + piece for piece in pieces))
        return "\n".join(rows)

    def _new(self, place: str) -> str:
        """A value that is nowhere else; half of them look made up, and half like words."""
        number = len(self.place)
        letters = "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")
        made_up = number % 2 or any(each in place for each in ("Basic", "PLAIN", "npm_", "sk-"))
        value = f"Qx{number:03d}zWk" if made_up else f"plantedqx{letters}zwk"
        self.place[value] = place
        return value

    def lay(self, folder: Path) -> None:
        """Write the files below a folder."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def on_hosts(self) -> dict[str, str]:
        """The files as the hosts have them: each secret is another one there, which has ours in it."""
        found = {}
        for name, text in self.files.items():
            for value in self.place:
                text = text.replace(value, f"{value}9")
            found[name] = text
        return found

    def leaks(self, data: str | bytes) -> list[str]:
        """Return the places of the secrets that can be read in something: as they are, in base64 or in hexadecimal."""
        text = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        found = []
        for value, place in self.place.items():
            raw = value.encode()
            if raw in text or raw.hex().encode() in text or base64.b64encode(raw)[:-4] in text:
                found.append(f"{value} of {place}")
        return found
