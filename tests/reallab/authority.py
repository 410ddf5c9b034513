"""A certificate authority on the VPS: a real Pebble, for a real certbot that stands beside HAProxy.

authority = Authority(lab)
authority.up()          # Pebble answers, and certbot there trusts it
authority.issue()       # certbot certonly, for the name of the seed
authority.renew()       # certbot renew --force-renewal, as its timer would run it; its deploy hooks run
authority.down()        # neither is left, nor what certbot keeps
"""

from __future__ import annotations

import ssl
import subprocess

from console.lab.network.addresses import MAIL_NAME
from console.sources import x509
from tests.reallab.lab import RealLab

FOLDER = "/var/lib/authority"
KEPT = ("/etc/letsencrypt", "/var/lib/letsencrypt", "/var/log/letsencrypt")
CERTIFICATE = f"/etc/letsencrypt/live/{MAIL_NAME}/cert.pem"
DIRECTORY = "https://127.0.0.1:14000/dir"

_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_UP = r"""
set -eu
mkdir -p "$1" && cd "$1" && cp "$2" before.crt
curve='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $curve -days 30 -subj '/CN=of the authority itself' -keyout ca.key -out ca.pem 2>/dev/null
openssl req $curve -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
echo subjectAltName=DNS:localhost,IP:127.0.0.1 >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile names \
  -out server.pem 2>/dev/null
cat >pebble.json <<JSON
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "httpPort": 80,
 "certificate": "$1/server.pem", "privateKey": "$1/server.key", "tlsPort": 443, "ocspResponderURL": "",
 "externalAccountBindingRequired": false}}
JSON
setsid pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 "" \
  -dns01 127.0.0.1:8053 -management 127.0.0.1:8055 >names.log 2>&1 </dev/null &
echo $! >pids
export PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0
setsid pebble -config pebble.json -dnsserver 127.0.0.1:8053 >pebble.log 2>&1 </dev/null &
echo $! >>pids
cat ca.pem >>"$2"
"""
_ROOT = "import ssl, sys, urllib.request as u; print(u.urlopen('https://127.0.0.1:15000/roots/0', " \
    "context=ssl.create_default_context(cafile=sys.argv[1])).read().decode(), end='')"  # fmt: skip
_DOWN = 'cd "$1" && kill $(cat pids); cat before.crt >"$2"; cd / && rm -rf "$@"'


class Authority:
    """The authority of one lab; `root` is what the certificates that it issues lead to, once it is up."""

    def __init__(self, lab: RealLab) -> None:
        self.lab, self.root = lab, ""

    def up(self) -> None:
        """Start it, and wait until it answers."""
        self.lab.do("vps", "sh", "-c", _UP, "sh", FOLDER, _TRUSTED)
        ask = ["python3", "-c", _ROOT, f"{FOLDER}/ca.pem"]
        self.lab.wait(lambda: self.lab.run("vps", ask).returncode == 0, "the authority did not come up")
        self.root = self.lab.do("vps", *ask)

    def down(self) -> None:
        """End it, and take away what it and certbot left."""
        self.lab.run("vps", ["sh", "-c", _DOWN, "sh", FOLDER, _TRUSTED])
        for each in KEPT:
            self.lab.do("vps", "sh", "-c", 'mkdir -p "$1" && find "$1" -mindepth 1 -delete', "sh", each)

    def issue(self) -> None:
        """Have certbot order a first certificate; it proves the name by a server of its own on port 80."""
        words = ("certonly", "--standalone", "--agree-tos", "-m", "ops@example.test", "--server", DIRECTORY)
        self._certbot(*words, "-d", MAIL_NAME).check_returncode()

    def renew(self) -> subprocess.CompletedProcess[str]:
        """Have certbot renew what it has, due or not."""
        return self._certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")

    def serial(self) -> str:
        """The serial number of the certificate that certbot has now, as ssl.getpeercert writes it."""
        return self._told("-serial").partition("=")[2]

    def fingerprint(self) -> str:
        """The SHA-256 of that certificate, in hex."""
        return self._told("-fingerprint", "-sha256").partition("=")[2].replace(":", "").lower()

    def public_key(self) -> str:
        """The SHA-256 of its public key, in hex: a TLSA record's data (3 1 1)."""
        read = x509.read(ssl.PEM_cert_to_DER_cert(self.lab.read("vps", CERTIFICATE)))
        assert read is not None
        return read.public_key

    def age(self) -> None:
        """Have it look two hours old: what was issued within the hour is used by a retry, and nothing is ordered."""
        self.lab.do("vps", "touch", "-d", "2 hours ago", f"/etc/letsencrypt/live/{MAIL_NAME}/fullchain.pem")

    def keys(self) -> tuple[str, ...]:
        """Every private key that certbot has made for the name."""
        folder = self.lab.root("vps") / f"etc/letsencrypt/archive/{MAIL_NAME}"
        return tuple(path.read_text() for path in folder.glob("privkey*.pem"))

    def _told(self, *words: str) -> str:
        return self.lab.do("vps", "openssl", "x509", "-noout", *words, "-in", CERTIFICATE).strip()

    def _certbot(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.lab.run("vps", ["certbot", *words, "--non-interactive"], timeout=300)
