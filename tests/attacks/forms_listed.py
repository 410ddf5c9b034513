"""Forms of secrets that are listed, told in words, or given by their place; ~ for the secret; and what is none."""

LISTED = r"""
map $http_x_api_key $ok {
  default 0;
  ~ 1;
}
---
map ${arg_token} $client_name { default ""; "~" acme; '~' b; }
---
map $http_authorization $realm {
    ~* "off";
    "~^Basic ~$" x;
}
---
map $cookie_auth_token $x {
    include /etc/nginx/tokens.map;
    ~*~ 1;
}
---
map $http_x_api_key $ok
{
    default 0;
    ~ 1;
}
---
user_list:
  bob: ~
---
sasl:
  bob: ~
---
split_clients $host $token { 50% ~; * ~; }
---
# map $http_x_token $ok { ~ 1; }
---
users:
  bob: ~
  alice: "~"
  carl:
    password: ~
    email: carl@example.org
---
basic_users: {bob: ~, alice: '~'}
---
{"users": {
  "bob": "~",
  "alice": "~"
}}
---
accounts:
  - bob:~
  - alice: ~
---
users = { bob = "~", alice = "~" }
---
[users]
bob = ~
---
basic_auth /admin/* {
  bob ~
}
---
recovery codes:
  ~
  ~
"""
"""Texts apart by ---."""

TOLD = r"""
one-time code: ~
Your one-time code is ~
2FA code = ~
Backup codes: ~, ~
Recovery phrase: ~ ~ ~
Emergency code -> ~
invite code: ~
pepper: ~
PASSWORD_PEPPER=~
"pepper": "~",
client_assertion: ~
client_assertion=~&grant_type=x
ClientAssertion = "~"
SAMLResponse: ~
set -gx NAME_SECRET ~
set -Ux DB_PASS "~"
set --global --export API_TOKEN ~
set -l token ~
set-env API_TOKEN ~
tmux set-environment -g API_TOKEN ~
setx API_TOKEN ~ /M
SetEnvIf X-Api-Key "~" ok
RewriteCond %{HTTP:X-Api-Key} !^~$
<If "%{HTTP:X-Api-Key} == '~'">
USER x\r\nPASS ~
USER x\nPASS ~\nQUIT
printf "USER x\r\nPASS ~\r\n" | nc mail 110
echo -e "a login bob ~\r\nb logout"
"HELO x\r\nAPOP bob ~\r\n"
USER x%0d%0aPASS ~
cloudflared service install ~
sudo cloudflared.exe --config x service install "~"
pro attach ~
cscli console enroll -e x ~
snyk auth ~
bw unlock ~
tailscale lock disable ~
juju register ~
curl "http://freedns.afraid.org/dynamic/update.php?~"
wget -qO- http://sync.afraid.org/u/~/
mount -t cifs -o username=bob%~,uid=0 //h/x /y
curl -F user=~ https://api.pushover.net/1/messages.json
psycopg2.connect("h", "bob", "~")
HTTPBasicAuth("bob", "~")
client.authenticate('bob', '~')
PEPPER_V1=~
DBPASS_OLD=~
~ is your verification code
Use ~ as your login code
(echo USER bob; echo PASS ~) | nc mail 110
USER bob&#13;&#10;PASS ~
user bob pass ~
netbird up -k ~
gitlab-runner register -r ~
grafana-cli admin reset-admin-password ~
mysqladmin password ~
redis-cli auth ~
"""

SHOWN = r"""
pin: 12
authkeys 600
tokens 0600
http-request set-path /hooks/x
passwd tom
passwd -l thomas
password must change
Password will expire
password field is empty
pass through
pass in quick on eth0
secret must match
verification code: invalid
security code expired
access code is required
status code: 404
exit code: 12
error code: E1234
country code: DE
the code is in x.py
user code: x.py
registration code of conduct
users: 12
accounts: 3
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
map $http_host $backend { default a; mail.example.org b; }
map $uri $new { /a /b; }
set -euo pipefail
set -g theme dark
pro attach
lxc remote add x https://h:8443
make install
docker swarm join
printf "a\r\nb\r\n"
echo -e "host: x\nport: 25"
SetEnvIf Request_URI "^/x" dontlog
RewriteCond %{HTTP:Upgrade} websocket [NC]
tmux set-environment -g EDITOR vim
connect("host", 25)
socket.connect("h", 25, "x")
https://example.org/x.php?page
salt and pepper
use mail as your login name
this is your login code
enter the code below
a user may pass through
https://example.org/reset/password
map.old = x
login_log_format_elements = user=<%u> method=%m rip=%r
assertion failed: x == y
"""

SHOWN_OVER_LINES = """
users:
  - name: bob
    groups: sudo
    shell: /bin/bash
    lock_passwd: true
---
users:
  bob: admin
  alice: readonly
---
auth:
  type: basic
  realm: mailcow
  enabled: true
  url: https://x.example.org/
"""
