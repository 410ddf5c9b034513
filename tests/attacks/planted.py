"""An estate with a secret in every place that real ones have them: each value is there once, and nowhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

HAPROXY = """
global
    stats socket {admin} mode 660 level admin
    setenv VAULT ~
    setenv DB_KEY ~
    setenv MAIL_HOST 127.0.0.1
    presetenv MYTOKEN "~ and ~"
    presetenv API_URL https://bob:~@example.org/
    # the old password was ~
    # stats auth admin:~
    set-var proc.api_key str(~)

userlist team
    user bob insecure-password ~
    user eve insecure-password "~ and ~"
    user tom groups g insecure-password ~
    user ann password $6$salt$~
    user amy password $2y$10$~
    user joe password $5$rounds=5000$salt$~
    user kim insecure-password ~\\ ~

backend keyed
    mode http
    cookie SRV insert indirect dynamic
    dynamic-cookie-key ~
    http-request set-var(txn.h) req.hdr(x),hmac(sha256,~)
    http-request set-var(txn.c) str(x),aes_gcm_enc(128,txn.nonce,~,txn.tag)
    http-request deny unless {{ http_auth_bearer,jwt_verify(txn.alg,"~") 1 }}
    # eab-mac-key ~ in acme le
    server web 127.0.0.1:{vm}

listen smtp
    bind 127.0.0.1:{smtp}
    mode tcp
    option tcp-check
    tcp-check send AUTH\\ ~\\r\\n
    tcp-check send "LOGIN bob ~\\r\\n"
    tcp-check send-binary {hex}
    server mailcow 127.0.0.1:{vm} send-proxy check port {vm}

frontend web
    bind 127.0.0.1:{web}
    mode http
    stats auth admin:~
    stats auth eve:~\\ ~
    http-request set-header Authorization "Bearer ~"
    http-request set-header X-Api-Key ~
    http-request add-header X-Auth-Token "~ and ~"
    http-request set-header Cookie "session=~" if {{ path /x }}
    http-request set-var(txn.secret) str(~)
    http-request deny unless {{ req.hdr(x-api-key) -m str ~ }}
    http-request redirect location https://bob:~@example.org/?token=~
    http-response set-header Set-Cookie "sid=~; Path=/"
    acl is_ok req.hdr(X-Token) -m str ~
    acl is_known hdr(Authorization) -m sub "Basic ~"
    acl is_sure url_param(token) -m str ~ ~
    default_backend web

backend web
    mode http
    cookie SRV insert indirect
    option httpchk GET /x HTTP/1.1\\r\\nAuthorization:\\ Basic\\ ~
    http-check send meth GET uri /x hdr Cookie "a=~"
    http-check send meth GET uri /y hdr X-Api-Key ~
    server web 127.0.0.1:{vm} cookie ~ check

backend db
    option mysql-check user haproxy
    # option mysql-check user haproxy password ~
    server db 127.0.0.1:{vm}
"""

TOFU = """
variable "root_password" {
  type    = string
  default = "~"
}

variable "plain" {
  default   = "~"
  sensitive = true
}

variable "map" {
  sensitive = true
  default = {
    one = "~"
    two = ["~", "~ and ~"]
  }
}

output "admin_token" {
  value = "~"
}

locals {
  db_password = "~"
  pw          = ["~", "~"]
  authkey     = "~"
  relay_dsn   = "smtp://bob:~@relay.example.org"
  api_key     = coalesce(var.plain, "~")
  tskey       = "tskey-auth-~"
  github      = "ghp_0123456789~"
  gitlab      = "glpat-~"
  slack       = "xoxb-1-~"
  vault       = "hvs.~"
  aws         = "AKIA~"
  age         = "AGE-SECRET-KEY-1~"
  wireguard   = "PresharedKey = ~"
  jwt         = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.~"
  hook        = "https://hooks.slack.com/services/T0/B0/~"
  bearer      = "Authorization: Bearer ~"
  brevo       = "xsmtpsib-~"
  mailersend  = "mlsn.~abcdef"
  hidden      = sensitive("~")
  hashed      = bcrypt("~")
  qemu        = "-object secret,id=sec0,data=~"
  totp_seed   = "~"
}

resource "incus_instance" "mailcow" {
  name  = "mailcow"
  image = "images:ubuntu/24.04"
  type  = "virtual-machine"

  config = {
    "user.token" = "~"
    "cloud-init.user-data" = <<-EOT
      #cloud-config
      password: ~
      chpasswd:
        list: |
          root:~
      users:
        - name: bob
          passwd: $6$salt$~
      runcmd:
        - tailscale up --authkey=~ --ssh
        - [tailscale, up, --authkey, ~]
        - curl -u bob:~ https://example.org/
        - mysql -uroot -p~ mailcow
      write_files:
        - path: /root/key
          content: |
            -----BEGIN OPENSSH PRIVATE KEY-----
            ~
            -----END OPENSSH PRIVATE KEY-----
    EOT
  }
}

resource "vault_generic_secret" "db" {
  path      = "secret/db"
  data_json = "~"
}

resource "local_file" "private_key" {
  filename = "/root/x"
  content  = <<EOT
~
~ and ~
EOT
}

resource "local_file" "pgp" {
  filename = "/root/y"
  content  = <<EOT
-----BEGIN PGP PRIVATE KEY BLOCK-----

~
=~
-----END PGP PRIVATE KEY BLOCK-----
EOT
}
"""

COMPOSE = """
services:
  postfix-mailcow:
    ports:
      - "127.0.0.1:{vm}:10025"
    environment:
      - SMTP_AUTHKEY=~
      - "RELAY_PASSWORD=~ and ~"
      - DATABASE_URL=postgres://bob:~@db/x
      - REDIS_URL=redis://:~@redis:6379/0
      - DBPASS=${{DBPASS:-~}}
      - SENTRY=https://~@sentry.example.org/1
    command: ["server", "--password", "~", "--token=~", "--port", "25"]
  dovecot-mailcow:
    environment:
      TS_AUTHKEY: ~
      JWT: ~
      ENC_KEY: "~"
      SALT: '~'
      RECOVERY_CODE: ~
      BACKUP_CODES: [~, ~]
      VAPID_PRIVATE: ~
      JWT_SIGNING: ~
      TOTP_SEED: "~"
      password: >-
        ~
        ~
      passwd: |
        ~
      client_secret: !!str ~
    command: serve --password ~ --authkey=~ --token ~ -p ~
    labels:
      - "traefik.http.middlewares.a.basicauth.users=bob:~"
      - "traefik.http.middlewares.b.basicauth.users=bob:$$2y$$05$$~"
    healthcheck:
      test: ["CMD", "redis-cli", "-a", "~", "ping"]
  other-mailcow:
    command:
      - --password
      - ~
      - --authkey
      - "~"
    # the token is {{ "token": "~" }}
    entrypoint: 'sh -c "curl -H Authorization:Bearer\\ ~ https://example.org/?token=~"'
"""

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
privkey:~
"""

FILES = {
    "haproxy.cfg": HAPROXY,
    "mailcow.tf": TOFU,
    "docker-compose.override.yml": COMPOSE,
    "mailcow.conf": MAILCOW,
    "data/conf/postfix/extra.cf": EXTRA_CF,
    "data/conf/dovecot/extra.conf": EXTRA_CONF,
    "deploy.sh": SCRIPT,
    "hook.sh": HOOK,
    "authorized_keys": KEYS,
    "fstab": FSTAB,
    "terraform.tfstate": json.dumps(STATE, indent=2),
    "answer": ANSWER,
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
