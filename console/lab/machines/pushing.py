"""What belongs to the way of a certificate to Mailcow on the lab's machines: sshd, its key, folders, and the files."""

from __future__ import annotations

import asyncio
import base64
import posixpath
import secrets
from itertools import count

from console.lab.daemons.certificate import Certificate
from console.lab.daemons.doors import Door, Policy
from console.lab.network.addresses import MAIL, PROXY
from console.lab.network.network import Network

Files = dict[tuple[str, str], bytes]

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
ALLOWED = "/root/.ssh/authorized_keys"
BANNER = b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n"
FOLDER = "/opt/mailcow-dockerized"
CONF = f"{FOLDER}/mailcow.conf"
STORE = "/var/lib/cowhand/certificate"
HOOKS = "/etc/letsencrypt/renewal-hooks/deploy"
DEPLOY = "/usr/local/bin/mailcow-cert-deploy.sh"
KEY = "/root/.ssh/id_ed25519_mailcow_deploy"
KNOWN, SETTINGS = "/etc/cowhand/certificate_known_hosts", "/etc/cowhand/certificate.conf"
ACME = "acme-mailcow"

FOLDERS = {
    PROXY: {"/root/.ssh", "/etc/letsencrypt/renewal-hooks", HOOKS, "/var/lib/cowhand"},
    MAIL: {"/root/.ssh", "/usr/local/bin", FOLDER, "/var/lib/cowhand"},
}
"""Folders that are there from the beginning, and that the sync asks for or writes into."""


_NUMBERS = count()
"""A port for each caller that nobody had before."""


class Greeting(asyncio.Protocol):
    """As much of sshd as is ever asked for: its name."""

    def __init__(self, guests: dict[Greeting, int]) -> None:
        self.guests = guests

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.guests[self] = 50000 + next(_NUMBERS)
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(BANNER)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guests.pop(self, None)


class Pushing:
    """What belongs to the sync alone on both machines; `sshd` says whether the VM has one from the beginning."""

    def __init__(self, network: Network, sshd: bool) -> None:
        self.network, self.sshd = network, sshd
        self.folders = {machine: set(paths) for machine, paths in FOLDERS.items()}
        self.container = "MAILCOW_HOSTNAME=mail.benoit.jp.net"
        """What acme-mailcow was made with."""
        self.door: Door | None = None
        self.guests: dict[Greeting, int] = {}
        """Who is connected, by the port that the VM sees."""

    def start(self) -> None:
        """Let the VM's sshd listen, where it has one."""
        if self.sshd and self.door is None:
            self.door = Door(self.network, Policy(_nobody), lambda visitor: Greeting(self.guests))
            self.network.listeners[MAIL, "", 22] = self.door.open()

    def stop(self) -> None:
        """Close it."""
        if self.door is not None:
            del self.network.listeners[MAIL, "", 22]
            self.door.close()
            self.door = None

    def writable(self, machine: str, path: str) -> bool:
        """Whether a file of that path can be written on a machine."""
        return posixpath.dirname(path) in self.folders.get(machine, ())


def _nobody(reason: str, address: str, detail: str) -> None:
    """Of a caller that leaves nothing is written."""


def lay(files: Files, modes: dict[tuple[str, str], int], issued: Certificate, used: Certificate) -> None:
    """Put what is in use into the files where it belongs on each machine."""
    for machine, _, path, key, held in places(issued, used):
        files[machine, path] = held.pem.encode() + (held.key.encode() if path == key else b"")
        files[machine, key] = files[machine, path] if path == key else held.key.encode()
        modes[machine, key] = 0o600


def places(issued: Certificate, used: Certificate) -> list[tuple[str, str, str, str, Certificate]]:
    """Machine, kind, file, key file, and what is in them."""
    name = issued.name
    live, bundle, ssl = f"/etc/letsencrypt/live/{name}", f"/etc/haproxy/certs/{name}.pem", f"{FOLDER}/data/assets/ssl"
    return [
        (PROXY, "certbot", f"{live}/fullchain.pem", f"{live}/privkey.pem", issued),
        (PROXY, "haproxy", bundle, bundle, issued),
        (MAIL, "mailcow", f"{ssl}/cert.pem", f"{ssl}/key.pem", used),
    ]


def host_key() -> bytes:
    """The public half of a new host key of the VM's."""
    return f"ssh-ed25519 {blob()} root@mailcow\n".encode()


def blob() -> str:
    """A public key in OpenSSH's form; nobody has its other half."""
    kind = b"ssh-ed25519"
    raw = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + secrets.token_bytes(32)
    return base64.b64encode(raw).decode()
