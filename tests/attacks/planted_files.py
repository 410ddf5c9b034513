"""Files of an estate with a secret in every place that real ones have them: HAProxy's, OpenTofu's and compose's.

Each ~ stands for one of its own."""

from __future__ import annotations

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
    http-request set-header X-Key "%[str(~)]"
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
  secrets = [
    "~",
    "~",
  ]
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
