"""A folder that stands for the proxy: certbot's lineage, HAProxy's files, and stand-ins that record what was asked.

`haproxy` is the real one where it is installed; `ssh` hands what it is given to a MailHost, or does as a knob says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import assets
from tests.assets.mail_host import Door, MailHost
from tests.assets.pairs import NAME, Pair

PROGRAM = (Path(assets.__file__).parent / "certificate_push.sh").read_text()
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

SETTINGS = """# where the certificate goes
lineage = /etc/letsencrypt/live/{name}
name = {name}
target = root@10.10.10.214
key = /root/deploy
known_hosts = /etc/cowhand/known
bundle = /etc/haproxy/certs/mail.pem
served = 127.0.0.1:{port}
"""
SSH = r"""#!/bin/sh
printf '%s\n' "$*" >>@/ssh.log
[ ! -e @/knobs/ssh-eats ] || cat >/dev/null
[ ! -e @/knobs/ssh ] || { read -r status words <@/knobs/ssh; printf "$words\n" >&2; exit "$status"; }
exec sh @mail --authority /etc/authority.pem mail.example.test
"""
SYSTEMCTL = r"""#!/bin/sh
printf '%s\n' "$*" >>@/systemctl.log
[ "$*" = 'reload haproxy' ] || exit 99
[ ! -e @/knobs/systemctl ] || exit 1
[ -e @/knobs/deaf ] || cat @/etc/haproxy/certs/mail.pem >@/loaded
"""
MAILER = """#!/bin/sh
printf '%s\\n' "$*" >>@/mail
exec cat >>@/mail
"""
CHECK = """#!/bin/sh
for file; do :; done
[ -e "$file" ] && grep -q 'ssl crt' "$file" || exit 1
pem=$(sed -n 's/.* ssl crt //p' "$file")
[ "$(openssl x509 -noout -pubkey -in "$pem")" = "$(openssl pkey -pubout -in "$pem")" ]
"""
"""Stands for `haproxy -c` where there is no HAProxy."""


class ProxyHost:
    """The machine. `mail` is where its pushes arrive."""

    def __init__(self, root: Path, mail: MailHost) -> None:
        self.root, self.mail = root, mail
        self.knobs, self.certs = root / "knobs", root / "etc/haproxy/certs"
        self.live = root / "etc/letsencrypt/live" / NAME
        self.hook = root / "etc/letsencrypt/renewal-hooks/deploy/mailcow-cert-push.sh"
        self.state = root / "var/lib/cowhand/certificate/state"
        for folder in (
            self.knobs,
            self.certs,
            self.live,
            self.hook.parent,
            root / "usr/local/bin",
            root / "etc/cowhand",
        ):
            folder.mkdir(parents=True)
        self.door = Door(root / "loaded", "")
        self.settings(SETTINGS.format(name=NAME, port=self.door.port))
        for name, text in (("ssh", SSH), ("systemctl", SYSTEMCTL), ("sendmail", MAILER), ("haproxy", CHECK)):
            if name != "haproxy" or HAPROXY is None:
                path = root / "usr/local/bin" / name
                path.write_text(text.replace("@mail", str(mail.path)).replace("@", str(root)))
                path.chmod(0o755)
        self.configuration(f"ssl crt {self.certs}/mail.pem")
        self.hook.write_text(PROGRAM.replace("pause=20", "pause=0").replace("settle=20", "settle=0"))

    def settings(self, text: str) -> None:
        """Write the hook's settings."""
        (self.root / "etc/cowhand/certificate.conf").write_text(text)

    def configuration(self, words: str) -> None:
        """Write HAProxy's configuration with one listener."""
        limits = "".join(f"  timeout {each} 1s\n" for each in ("connect", "client", "server"))
        text = f"defaults\n  mode tcp\n{limits}listen web\n  bind 127.0.0.1:9 {words}\n"
        (self.root / "etc/haproxy/haproxy.cfg").write_text(text)

    def renew(self, pair: Pair) -> None:
        """Have certbot's lineage hold a pair."""
        (self.live / "fullchain.pem").write_text(pair.chain)
        (self.live / "privkey.pem").write_text(pair.key)

    def serve(self, pair: Pair) -> None:
        """Have HAProxy serve a pair."""
        (self.certs / "mail.pem").write_text(pair.chain + pair.key)
        (self.certs / "mail.pem").chmod(0o640)
        (self.root / "loaded").write_text(pair.chain + pair.key)

    def run(self, lineage: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run the hook as certbot does."""
        environment = {"PATH": os.environ["PATH"], "RENEWED_LINEAGE": str(self.live) if lineage is None else lineage}
        return subprocess.run(
            ["sh", str(self.hook)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def log(self, name: str) -> list[str]:
        """What a stand-in was asked, a line a call."""
        path = self.root / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def bundle(self) -> str:
        """HAProxy's own file; nothing else is in its folder."""
        assert [path.name for path in self.certs.iterdir()] in (["mail.pem"], [])
        return (self.certs / "mail.pem").read_text()

    def knob(self, name: str, text: str = "") -> None:
        """Make it misbehave."""
        (self.knobs / name).write_text(text)
