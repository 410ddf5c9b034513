"""A folder that stands for the VM: Mailcow's ssl folder, and daemons that load the pair when they are told to reload.

`docker` is a stand-in that records what it was asked for, and does what a reload does. Openssl is the real one; the
daemons are real TLS servers, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import assets
from tests.assets.pairs import NAME, Pair, authority, installed

PROGRAM = (Path(assets.__file__).parent / "certificate_deploy.sh").read_text()
TABLE = PROGRAM[PROGRAM.index("ports='") : PROGRAM.index("\ncase $0")]

DOORS = (("postfix", "smtp"), ("postfix", ""), ("dovecot", ""), ("dovecot", "sieve"), ("nginx", ""))
"""Which daemon, and the protocol that starts TLS."""

DOCKER = r"""#!/bin/sh
printf '%s\n' "$*" >>@/docker.log
read -r pause 2>/dev/null <@/knobs/pause && sleep "$pause"
[ ! -e @/knobs/no-docker ] || exit 1
case "$*" in
"ps "*) for each in postfix dovecot nginx; do case "$*" in
        *"project=mailcowdockerized "*"service=$each-mailcow "*) [ -e @/knobs/stopped-$each ] || cat @/knobs/id-$each ;;
    esac; done ;;
"inspect "*) echo '127.0.0.1 ' ;;
"exec "*)
    id=$2; shift 2
    for each in postfix dovecot nginx; do [ "$(cat @/knobs/id-$each)" != "$id" ] || service=$each; done
    fails=@/knobs/fails-$service-$(printf %s "$1$2" | tr -dc a-z)
    [ ! -e "$fails" ] || { [ -s "$fails" ] || exit 1; rm "$fails"; exit 1; }
    case "$service $*" in
    'postfix postconf -c /opt/postfix/conf' | 'nginx nginx -t') ;;
    'postfix postfix reload' | 'dovecot dovecot reload' | 'nginx nginx -s reload')
        cd @/opt/mailcow-dockerized/data/assets/ssl
        [ -e "@/knobs/deaf-$service" ] || cat cert.pem key.pem >@/loaded/$service ;;
    *) exit 99 ;;
    esac ;;
*) exit 99 ;;
esac
"""


GREETINGS = {
    "smtp": ("220 mail ESMTP\r\n", (("EHLO", "250-mail\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 go\r\n"))),
    "sieve": ('"IMPLEMENTATION" "x"\r\n"STARTTLS"\r\nOK\r\n', (("STARTTLS", "OK\r\n"),)),
}  # fmt: skip


class Door:
    """A TLS server that shows what its daemon loaded last; new for each connection."""

    def __init__(self, loaded: Path, protocol: str) -> None:
        self.loaded, self.protocol = loaded, protocol
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ValueError), peer:
                peer.settimeout(10)
                self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        greeting, talk = GREETINGS.get(self.protocol, ("", ()))
        peer.sendall(greeting.encode())
        for word, reply in talk:
            while word not in peer.recv(1024).decode().upper():
                pass
            peer.sendall(reply.encode())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.loaded)
        with context.wrap_socket(peer, server_side=True) as secure:
            secure.recv(1024)

    def close(self) -> None:
        """Take no connection any more."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


class MailHost:
    """The machine. `knobs` are files that make it misbehave; `asked` is what docker was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.knobs, self.store = root / "knobs", root / "var/lib/cowhand/certificate"
        self.ssl = root / "opt/mailcow-dockerized/data/assets/ssl"
        for folder in (self.knobs, self.ssl, root / "loaded", root / "usr/local/bin", root / "etc/ssl/certs"):
            folder.mkdir(parents=True)
        self.path = root / "usr/local/bin/mailcow-cert-deploy.sh"
        (root / "etc/authority.pem").write_text(authority().root)
        self.executable("docker", DOCKER.replace("@", str(root)))
        for number, name in enumerate(("postfix", "dovecot", "nginx")):
            (self.knobs / f"id-{name}").write_text(f"{number}abc\n")
        self.doors = [Door(root / "loaded" / service, protocol) for service, protocol in DOORS]
        rows = zip(DOORS, self.doors, strict=True)
        table = " ".join(f"{service}:{door.port}:{protocol}" for (service, protocol), door in rows)
        self.lay(PROGRAM.replace(TABLE, f"ports='{table}'\n").replace("settle=20", "settle=0"))

    def executable(self, name: str, text: str) -> None:
        """Lay a program on its PATH."""
        path = self.root / "usr/local/bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def lay(self, program: str) -> None:
        """Lay the deploy script, as it is or changed."""
        self.program = program
        self.path.write_text(program)

    def install(self, pair: Pair) -> None:
        """Have a pair installed and loaded by every daemon."""
        pair.write(self.ssl)
        for service in ("postfix", "dovecot", "nginx"):
            (self.root / "loaded" / service).write_text(pair.chain + pair.key)

    def words(self, *options: str, names: Sequence[str] = (NAME,)) -> list[str]:
        """What starts the script, with the test's own authority unless there are options."""
        return ["sh", str(self.path), *(options or ("--authority", "/etc/authority.pem")), *names]

    def push(self, sent: bytes, *options: str, names: Sequence[str] = (NAME,), under: Sequence[str] = (),
             ) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
        """Run the script with this input."""
        words = [*under, *self.words(*options, names=names)]
        return subprocess.run(words, input=sent, capture_output=True, check=False, timeout=60)

    @property
    def asked(self) -> list[str]:
        """Each command docker was asked for."""
        log = self.root / "docker.log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def reloads(self) -> list[str]:
        """What docker was asked to run in containers, by daemon, checks left out."""
        return [
            " ".join(each.split()[2:]) for each in self.asked if each.startswith("exec") and each.endswith("reload")
        ]

    def shown(self) -> set[str]:
        """What the daemons have loaded, as PEM."""
        return {path.read_text() for path in (self.root / "loaded").iterdir()}

    def holds(self, pair: Pair) -> None:
        """Assert that a pair is installed and loaded everywhere, and that nothing else is left in its folder."""
        assert installed(self.ssl) == pair
        assert self.shown() == {pair.chain + pair.key}
        assert sorted(path.name for path in self.ssl.iterdir()) == ["cert.pem", "key.pem"]
        assert (self.ssl / "key.pem").stat().st_mode & 0o777 == 0o600

    def files(self) -> dict[str, bytes]:
        """Every file below, the laid programs and the record left out."""
        skip = ("docker.log", "usr", "knobs")
        found = (
            path for path in self.root.rglob("*") if path.is_file() and path.relative_to(self.root).parts[0] not in skip
        )
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def knob(self, name: str, text: str = "") -> None:
        """Make it misbehave."""
        (self.knobs / name).write_text(text)

    def close(self) -> None:
        """Close the servers."""
        for door in self.doors:
            door.close()

    def __repr__(self) -> str:
        return json.dumps(self.asked)
