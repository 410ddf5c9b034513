"""certificate-sync between two folders that stand for the hosts: the hook is the real one, ssh and docker are scripts.

The stand-in of ssh does what the deploy script would: an empty input is refused, a pair is laid in Mailcow's folder."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import assets
from console.errors import Refused
from console.flows import registry
from console.flows.certificate_sync.commands import RESTORE
from console.flows.certificate_sync.ground import DEPLOY
from console.hosts.host import Host, Stream
from console.model import Role
from tests.console.flows.case import Case, Rooted, tree

NAME = "mail.example.org"
ADDRESS = "10.10.10.214"
LIVE = f"vps/etc/letsencrypt/live/{NAME}"
SSL = "vm/opt/mailcow-dockerized/data/assets/ssl"
HOOK = "vps/etc/letsencrypt/renewal-hooks/deploy/mailcow-cert-push.sh"
KEY = "vps/root/.ssh/id_ed25519_mailcow_deploy"
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG1hZGUgaGVyZSBmb3IgdGhlIHRlc3Qgb2YgYSBwdXNo"
OTHERS = "# mine\nssh-rsa AAAAB3NzaC1yc2E= bob@desk\n"
CONF = "MAILCOW_HOSTNAME=mail.example.org\nSKIP_LETS_ENCRYPT=n\n# the end\n"

TOOLS = {
    "vps/bin/ip": 'echo "$5 dev eth0 src 10.10.10.1 uid 0"\n',
    "vps/bin/ssh-keygen": f"""\
for each do last=$each; done
sleep "${{SLOW:-0}}"
[ "$1" != -y ] || {{ echo '{PUBLIC}'; exit 0; }}
printf '%s\\n' '-----BEGIN OPENSSH PRIVATE KEY-----' made > "$last"
echo '{PUBLIC} a comment' > "$last.pub"
""",
    "vps/bin/ssh": """\
pair=$(cat; echo .)
[ "$pair" != . ] || { echo 'refused: it is empty; nothing was changed' >&2; exit 10; }
grep -q '^restrict,from="10.10.10.1",command=' "$ROOT/vm/root/.ssh/authorized_keys" || exit 255
[ -x "$ROOT/vm/usr/local/bin/mailcow-cert-deploy.sh" ] || exit 127
sleep "${SLOW:-0}"
cd "$ROOT/vm/opt/mailcow-dockerized/data/assets/ssl" || exit 12
printf '%s\\n' "${pair%%---
-----BEGIN*PRIVATE*}" | sed '/^---$/,$d;/^$/d' > cert.pem.new
printf '%s' "${pair%.}" | sed '1,/^---$/d' > key.pem.new
store=$ROOT/vm/var/lib/cowhand/certificate
mkdir -p "$store"
cmp -s cert.pem cert.pem.new || { cat cert.pem; echo ---; cat key.pem; } > "$store/previous.pem"
chmod 644 cert.pem.new
mv cert.pem.new cert.pem && mv key.pem.new key.pem
""",
    "vm/bin/apt-get": """\
case "$*" in purge*) exec rm -r "$ROOT/vm/etc/ssh" ;; *openssh-server*) ;; *) exit 0 ;; esac
sleep "${SLOW:-0}"
mkdir -p "$ROOT/vm/etc/ssh"
echo 'ssh-ed25519 AAAAHostKey root@vm' > "$ROOT/vm/etc/ssh/ssh_host_ed25519_key.pub"
""",
    "vm/bin/docker": """\
case "$*" in
*'ps -q acme-mailcow') echo 0123abcd ;;
inspect*) printf '["%s"]\\n' "$(cat "$ROOT/vm/acme")" ;;
*'up -d --no-deps --pull never acme-mailcow') sleep "${SLOW:-0}"
  grep '^SKIP_LETS' "$ROOT/vm/opt/mailcow-dockerized/mailcow.conf" > "$ROOT/vm/acme.new"
  mv "$ROOT/vm/acme.new" "$ROOT/vm/acme" ;;
*) exit 1 ;;
esac
""",
    "vm/bin/restore": """\
cd "$ROOT/vm/opt/mailcow-dockerized/data/assets/ssl" || exit 12
sed '/^---$/,$d' "$ROOT/vm/var/lib/cowhand/certificate/previous.pem" > cert.pem
sed '1,/^---$/d' "$ROOT/vm/var/lib/cowhand/certificate/previous.pem" > key.pem
""",
    "vm/bin/openssl": """\
case "$*" in
x509*) exec /usr/bin/openssl "$@" ;;
*:25\\ *|*:465\\ *|*:993\\ *) cat "$ROOT/vm/opt/mailcow-dockerized/data/assets/ssl/cert.pem" ;;
*) exit 1 ;;
esac
""",
}


class Banner:
    """Stands for a connection to sshd."""

    def __init__(self, said: bytes = b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n") -> None:
        self.said = said

    async def read(self, limit: int = 65536) -> bytes:
        return self.said

    def close(self) -> None: ...


class Machine(Rooted):
    """One of the hosts: its tools come before those of this one, in scripts too."""

    def words(self, argv: Sequence[str]) -> list[str]:
        words = super().words(argv)
        if RESTORE in argv:  # the deploy script needs containers: its own tests have them
            words = [str(self.folder / "bin/restore") if word.endswith(DEPLOY) else word for word in words]
        return ["env", f"PATH={self.folder}/bin:{os.environ['PATH']}", *words]

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        if (address, port) == (ADDRESS, 22) and list(self.folder.parent.glob("vm/etc/ssh/*.pub")):
            return Banner()  # type: ignore[return-value]
        raise Refused(f"{address}:{port} refused the connection")


@lru_cache(maxsize=4)
def pair(serial: int, life: int = 81, left: int = 80) -> tuple[str, str]:
    """A certificate for the name, and its key, in PEM; made once a process."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(serial).not_valid_before(now - datetime.timedelta(days=life - left))
        .not_valid_after(now + datetime.timedelta(days=left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return (
        made.public_bytes(pem).decode(),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def build(root: Path, serial: int = 2) -> None:
    """Two hosts with nothing of the sync, not even an sshd."""
    for folder in (LIVE, SSL, "vps/root/.ssh", "vps/usr/local/bin", "vps/etc/letsencrypt/renewal-hooks/deploy",
                   "vm/root/.ssh", "vm/usr/local/bin", "vm/etc", "vps/bin", "vm/bin"):  # fmt: skip
        (root / folder).mkdir(parents=True)
    for name, text in TOOLS.items():
        tool = root / name
        tool.write_text(f"#!/bin/sh\nROOT='{root}'\n{text}")
        tool.chmod(0o755)
    shutil.copy(root / "vps/bin/ssh", root / "vps/usr/local/bin/ssh")
    (root / LIVE / "fullchain.pem").write_text(pair(serial)[0])
    (root / LIVE / "privkey.pem").write_text(pair(serial)[1])
    (root / SSL / "cert.pem").write_text(pair(1)[0])
    (root / SSL / "key.pem").write_text(pair(1)[1])
    (root / SSL / "cert.pem").chmod(0o644)
    (root / SSL / "key.pem").chmod(0o600)
    (root / "vm/root/.ssh/authorized_keys").write_text(OTHERS)
    (root / "vm/root/.ssh/authorized_keys").chmod(0o600)
    (root / "vm/opt/mailcow-dockerized/mailcow.conf").write_text(CONF)
    (root / "vm/acme").write_text("SKIP_LETS_ENCRYPT=n\n")
    site = f'[certificate]\nname = "{NAME}"\n[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "{ADDRESS}:25"\n'
    site += '[hosts.vps]\nrole = "proxy"\nlocal = true\n[hosts.vm]\nrole = "mail"\nlocal = true\n'
    (root / "site.toml").write_text(site)


def hosts(root: Path) -> dict[Role, Host]:
    return {"proxy": Machine(root / "vps", "proxy", "vps"), "mail": Machine(root / "vm", "mail", "vm")}


def holds(root: Path, step: str) -> bool:
    def text(path: str) -> str:
        return (root / path).read_text() if (root / path).exists() else ""

    ours = Path(assets.__file__).parent
    match step:
        case "sshd":
            return "AAAAHostKey" in text("vm/etc/ssh/ssh_host_ed25519_key.pub")
        case "pin":
            return text("vps/etc/cowhand/certificate_known_hosts") == f"{ADDRESS} ssh-ed25519 AAAAHostKey\n"
        case "key":
            return text(KEY).endswith("made\n") and text(f"{KEY}.pub").startswith(PUBLIC)
        case "script":
            return text("vm/usr/local/bin/mailcow-cert-deploy.sh") == (ours / "certificate_deploy.sh").read_text()
        case "allow":
            command = f'command="/usr/local/bin/mailcow-cert-deploy.sh {NAME}"'
            entry = f'restrict,from="10.10.10.1",{command} {PUBLIC} cowhand certificate push\n'
            return text("vm/root/.ssh/authorized_keys") == OTHERS + entry
        case "acme":
            wanted = CONF.replace("=n", "=y")
            return text("vm/opt/mailcow-dockerized/mailcow.conf") == wanted and text("vm/acme").endswith("=y\n")
        case "hook":
            return text(HOOK) == (ours / "certificate_push.sh").read_text() and "key = /root" in text(
                "vps/etc/cowhand/certificate.conf"
            )
        case "push":
            return text(f"{SSL}/cert.pem") == text(f"{LIVE}/fullchain.pem")
    return True


def end(root: Path) -> object:
    """Both hosts, without what only says when."""
    found = tree(root, "vps/etc", "vps/root", "vps/usr", "vm/etc", "vm/root", "vm/usr", "vm/opt")
    return {path: each for path, each in found.items() if not path.endswith((".previous", ".new"))}


CASE = Case(registry.find("certificate-sync"), build, hosts, holds, end)
