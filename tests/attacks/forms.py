"""Forms in which secrets stand in files and answers of mail hosts, one a line with ~ for the secret; and what is none.

`test_forms.py` masks each alone; `planted.py` plants them in an estate, through which every command is led."""

FORMS = """
relay.example.org bob:~
relay.example.org user:~
relay.example.org:587 bob:~
# relay.example.org bob:~
bob@example.org bob@relay.example.org:~
@example.org	bob:~
snmp-server community ~ RO
com2sec readonly default ~
trapcommunity ~
trap2sink 10.0.0.1 ~
    community: ~
redis://~@redis:6379/0
rediss://~@redis.example.org:6380
redis-cli -u redis://~@redis:6379 ping
https://example.org/cb?code=~&state=x
GET /oauth/callback?code=~ HTTP/1.1
https://blob.example.org/x?sv=2020&sig=~
https://example.org/?session=~
https://example.org/?ticket=~
https://example.org/x?id=1&SAMLResponse=~
<key name="api" value="~"/>
<property name='password'>~</property>
<meta content="~" name="csrf-token">
cat <(echo ~)
wg set wg0 private-key <(echo ~)
openssl enc -pass file:<(printf %s ~)
-p~
  -p~ \\

- -p~
mysql -u net -p~
mysql -D login mailcow -p~
docker exec x mysql -uroot mailcow -p~
mariadb-dump '-p~' mailcow
["mysqladmin","-uroot","-p~","ping"]
$2$abcdefgh$~
$2x$10$abcdefghijklmnopqrstuv~
enable_password = "$2$abcdefgh$~";
"bob:~"@tcp(db:3306)
users="bob:~"
master_users = bob*master:~
db.example.org:5432:mailcow:bob:~
*:*:*:postgres:~
UPSTREAM=db.example.org:5432:mailcow:bob:~
BORG_PASSCOMMAND='echo ~'
RESTIC_PASSWORD_COMMAND="echo ~"
passwordeval "echo ~"
rclone config create x s3 access_key_id k secret_access_key ~
rclone obscure ~
http-request deny unless { urlp(code) -m str ~ }
user default on >~ +@all
user default on #~ allcommands
ACL SETUSER bob on >~ +@all
sentinel auth-pass mymaster ~
client-key-data: ~
etcdctl --user root:~ get x
--proxy-user bob:~
vault operator unseal ~
Unseal Key 1: ~
b2 authorize-account 0012345 ~
mc alias set x https://h AKEY ~
ssh-keygen -t ed25519 -N ~ -f x
ssh-keygen -p -P ~ -N "" -f x
pppd user bob password ~
"bob" * "~" *
bob * ~ *
bob vpn "~" 10.0.0.1
: PSK "~"
bob : EAP "~"
bob : XAUTH ~
: RSA key.pem "~"
nsupdate -y hmac-sha256:k:~
dig -y k:~ @ns.example.org x
dovecot: auth: Debug: ldap(bob): bind with password ~
C: AUTH PLAIN AGJvYgB~
a login bob ~
activation_code: ~
nats://~@h:4222
WATCHTOWER_NOTIFICATION_URL=telegram://~@telegram?channels=x
gotify://push.example.org/~
https://ntfy.sh/~
--proxy-pass ~
echo ~ > /run/secrets/db
echo "~" | tee /etc/x/secret
yes ~ | passwd bob
expect "Password:"; send "~\\r"
send -- "~\\r"
su - bob <<< ~
virtual_router_id 51; auth_pass ~
authentication { auth_type PASS; auth_pass ~ }
pre-shared-key ~
username bob secret 9 ~
neighbor 10.0.0.1 password ~
radius-server host h key ~
ntp authentication-key 1 md5 ~
PUSHBULLET=~
pushbullet ~
swaks -ap ~ -t x
doctl auth init -t ~
drone -t ~ ls
export OVH_AS=~
OVH_CK=~
LicenseKey ~
api_id_hash = ~
echo ~ | base64
krbPrincipalKey:: ~
    wireless-key ~
doveadm auth login bob ~
update-key ~
password root ~
PIN=~
pin: ~
LICENSE=~
MAXMIND_LICENSE=~
https://outlook.office.com/webhook/~
https://matrix.example.org/_webhooks/~
https://chat.example.org/api/v4/webhooks/~
https://events.pagerduty.com/integration/~/enqueue
otpauth-migration://offline?data=~
sip:bob:~@sip.example.org
sips:bob:~@sip.example.org
turn:bob:~@turn.example.org
borg init bob:~@host:/repo
const password = `~`
api_token: `~`,
secure_link_md5 "$secure_link_expires$uri ~";
INSERT INTO users VALUES ('bob', PASSWORD('~'));
ATTACH DATABASE 'x' AS y KEY '~';
EXEC sp_addlogin 'bob', '~'
HELLO 3 AUTH bob ~
CONFIG SET requirepass ~
USER bob / PASS ~
APOP bob ~
OPER bob ~
net user bob ~ /add
tsig-key x hmac-sha256 ~
ssh-add <<< ~
echo '~' > /etc/x.secret
Password for bob is ~
<key>SOGoSecret</key><string>~</string>
api_hash = ~
rspamc -P ~ stat
$db = new PDO('mysql:host=h', 'bob', '~');
mysqli_connect('h', 'bob', '~', 'x');
smtp.login("bob", "~")
ss://~@h:8388
trojan://~@h:443
vmess://~
ansible-vault encrypt_string ~
cmdkey /add:h /user:x /pass:~
net use \\\\h\\x ~ /user:bob
TLSPSKValue=~
MONITOR ups@h 1 bob ~ master
d-i passwd/root-password password ~
echo "postfix postfix/sasl_pw string ~" | debconf-set-selections
echo ~ | systemd-creds encrypt - x
keyctl add user x ~ @u
prosodyctl register bob h ~
bcp x in y -U sa -P ~
"""

OVER_LINES = """
mysqldump \\
  --single-transaction \\
  -uroot -p~ \\
  mailcow
---
command:
  - mysqldump
  - -uroot
  - -p~
---
"command": [
  "mysqldump",
  "-uroot",
  "-p~"
]
---
curl https://h/ \\
  -X POST \\
  -u bob:~ \\
  -d x
---
curl https://h/ \\
  --user bob:~
---
apiVersion: v1
kind: Secret
data:
  a: ~
  b: ~
---
secrets:
  db: ~
  relay: ~
port: 25
---
client_secret = join("", [
  "~",
  "~",
])
port = 25
---
set_sensitive {
  name  = "x"
  value = "~"
}
---
write_files:
  - path: /etc/secret.key
    content: ~
---
<server>
  <username>bob</username>
  <passphrase>
    ~
  </passphrase>
</server>
---
<entry key="password">
  ~
</entry>
---
<property name="password"
          value="~"/>
"""
"""Texts apart by ---."""

SHOWN = """
IPV6_NETWORK=fd4d:6169:6c63:6f77::/64
example.org smtp:[relay.example.org]:25
example.org	smtp:relay.example.org
example.org smtp-ipv4:relay.example.org:25
mail.example.org 10.0.0.1:25
10.0.0.1 tag:prod
alpine.example mailcow:latest
postfix.example mailcow:1.80
/etc/ssl/x.pem root:ssl-cert
./x.txt root:root
2001:db8:0:0:0:0:0:1
aa:1234:cc:dd:ee
site.toml:12:5: CH012 words
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
  -print0 \\

  -prune \\

  -p 2222 \\

  -p2222
  -p25:25 \\

  -p 127.0.0.1:25:25
0 3 * * * root /usr/bin/x
5 4 * * 7 root certbot renew
acl x src 10.0.0.0/8
select * from t
https://example.org/?code=404
https://example.org/?page=2&lang=de&state=x
<key name="port" value="25"/>
<key name="host" value="mail.example.org"/>
<key name="log_level" value="x"/>
<property name="user" value="bob"/>
<meta name="viewport" content="width=device-width">
diff <(echo 25) <(echo mail.example.org)
users: [bob, alice]
user: "1000:1000"
docker run --user www-data:www-data x
mysql -u login -h db -P 3306 mailcow
ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
redis-cli -h redis -p 6379 ping
redis://redis:6379/0
redis://default@redis:6379
LoadCredential=tls.pem:/etc/ssl/x.pem
community = 65000:100
eab_hmac_key_file = /etc/x
example.org : eap is used
dig +short -t txt _dmarc.example.org
v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA
Nov 28 00:00:01 mail dovecot: imap-login: Login: user=<bob@example.org>, method=PLAIN, rip=10.0.0.1
Nov 28 00:00:01 mail postfix/smtpd[12]: connect from x[10.0.0.1]:25
account = 0123456789abcdef
authenticator = standalone
pref_challs = http-01,
archive_dir = /etc/letsencrypt/archive/x
250-AUTH PLAIN LOGIN DIGEST-MD5 SCRAM-SHA-256
235 AUTH PLAIN failed
235 AUTH PLAIN Mechanism
a user with password authentication
the key was opened with password protection.
proxy_pass http://127.0.0.1:8080;
ProxyPass / http://127.0.0.1:8080/
echo mail.example.org | tee /etc/mailname
echo 1 > /proc/sys/net/ipv4/ip_forward
send "exit\\r"
send "show version\\r"
a login for bob
nats://h:4222
yes | apt-get install x
authentication { auth_type PASS }
http_auth_pass on
enable password authentication
username bob privilege 15
neighbor 10.0.0.1 remote-as 65000
auth_pass $PASS
user haproxy
user www-data www-data;
10.10.10.214 mail.example.org mail
ADDITIONAL_SAN=imap.*,smtp.*
git commit -m "token handling"
git commit -m "password policy"
password incorrect
password authentication is disabled
password expires in 3 days
# password of the database
Enter password for bob
AUTH failed
AUTH required
tokens_per_second = 10
max_tokens: 4096
gpg --keyserver keys.openpgp.org --recv-keys 0123456789ABCDEF
<sip:bob@10.0.0.1:5060>
sip:sip.example.org:5060;transport=tcp
mailto:bob@mail.example.org:25
license: MIT
License: GPL-3.0-or-later
LICENSE=Apache-2.0
"license": "MIT OR Apache-2.0",
accept_license: yes
pinned: true
Pin: release o=Debian
Pin-Priority: 500
borg init bob@host:/repo
scp x bob@host:/y
const title = `hello`
https://docs.mailcow.email/manual-guides/u_e-webhooks/
https://example.org/hooks
secure_link $arg_md5,$arg_expires;
secure_link_md5 "$secure_link_expires$uri";
config set maxmemory 1gb
<key>SOGoLanguage</key><string>English</string>
the user may identify himself by mail
wss://mail.example.org/ws
mysql -uroot -p"$DBROOT" mailcow
mysqldump -u root -p$DBPASS mailcow
postfix/smtpd[3]: warning: x[10.0.0.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6
s.login(user, password)
key_value: x
monitor mail.example.org 25
net use is not known
"""
