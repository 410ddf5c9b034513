"""rotate-certificate where certificate-sync has been: certbot is a script that lays a second pair and runs the hook.

The hook is the real one; ssh, docker and the deploy script are certificate-sync's stand-ins."""

from __future__ import annotations

import os
import shutil
import time
from functools import lru_cache
from pathlib import Path

import assets
from console.flows import registry
from console.flows.certificate_sync import lines
from console.flows.certificate_sync.ground import Ground
from tests.console.flows.case import Case
from tests.console.flows.cases import certificate_sync as sync

SETTINGS = "vps/etc/cowhand/certificate.conf"
STATE = "vps/var/lib/cowhand/certificate/state"
MONTHS = 80 * 86400.0

CERTBOT = f"""\
case "$*" in
--version) echo 'certbot 2.1.0' ;;
*--dry-run*) echo "$*" > "$ROOT/dry" ;;
renew*)
  sleep "${{SLOW:-0}}"
  echo "$*" >> "$ROOT/orders"
  cp "$ROOT/next/fullchain.pem" "$ROOT/{sync.LIVE}/fullchain.pem.new"
  cp "$ROOT/next/privkey.pem" "$ROOT/{sync.LIVE}/privkey.pem"
  mv "$ROOT/{sync.LIVE}/fullchain.pem.new" "$ROOT/{sync.LIVE}/fullchain.pem"
  RENEWED_LINEAGE=$ROOT/{sync.LIVE} "$ROOT/{sync.HOOK}" || echo 'Hook failed' >&2 ;;
esac
"""


@lru_cache(maxsize=4)
def pair(days: int) -> tuple[str, str]:
    """A certificate of ninety days with this many left, and its key; made once a process."""
    return sync.pair(days, life=90, left=days)


def build(root: Path, left: int = 10) -> None:
    """A set-up that pushes, with a certificate that is nearly at its end."""
    sync.build(root, 2)
    for name, text in (("fullchain.pem", pair(left)[0]), ("privkey.pem", pair(left)[1])):
        (root / sync.LIVE / name).write_text(text)
        os.utime(root / sync.LIVE / name, (time.time() - MONTHS, time.time() - MONTHS))
    (root / sync.SSL / "cert.pem").write_text(pair(left)[0])
    (root / sync.SSL / "key.pem").write_text(pair(left)[1])
    (root / "next").mkdir()
    (root / "next/fullchain.pem").write_text(pair(89)[0])
    (root / "next/privkey.pem").write_text(pair(89)[1])
    for path in ("vps/etc/cowhand", "vps/etc/letsencrypt/renewal", f"vps/etc/letsencrypt/archive/{sync.NAME}"):
        (root / path).mkdir(parents=True)
    (root / f"vps/etc/letsencrypt/renewal/{sync.NAME}.conf").write_text("server = https://ca.example.org/directory\n")
    ours = Path(assets.__file__).parent
    shutil.copy(ours / "certificate_push.sh", root / sync.HOOK)
    shutil.copy(ours / "certificate_deploy.sh", root / "vm/usr/local/bin/mailcow-cert-deploy.sh")
    for path in (sync.HOOK, "vm/usr/local/bin/mailcow-cert-deploy.sh"):
        (root / path).chmod(0o755)
    lineage = f"/etc/letsencrypt/live/{sync.NAME}"
    ground = Ground(sync.NAME, lineage, "", sync.ADDRESS, "/opt/mailcow-dockerized", f"/{sync.HOOK.partition('/')[2]}")
    (root / SETTINGS).write_text(lines.settings(ground))
    (root / sync.KEY).write_text("made\n")
    (root / f"{sync.KEY}.pub").write_text(f"{sync.PUBLIC} a comment\n")
    (root / "vps/etc/cowhand/certificate_known_hosts").write_text(f"{sync.ADDRESS} ssh-ed25519 AAAAHostKey\n")
    entry = f'restrict,from="10.10.10.1",command="/usr/local/bin/mailcow-cert-deploy.sh {sync.NAME}" {sync.PUBLIC}\n'
    (root / "vm/root/.ssh/authorized_keys").write_text(entry)
    (root / "vm/etc/ssh").mkdir()
    (root / "vm/etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAHostKey root@vm\n")
    certbot = root / "vps/bin/certbot"
    certbot.write_text(f"#!/bin/sh\nROOT='{root}'\n{CERTBOT}")
    certbot.chmod(0o755)


def holds(root: Path, step: str) -> bool:
    live = (root / sync.LIVE / "fullchain.pem").read_text()
    if step == "renew":
        return live == pair(89)[0]
    return step != "push" or (root / sync.SSL / "cert.pem").read_text() == live


CASE = Case(registry.find("rotate-certificate"), build, sync.hosts, holds, sync.end, answers={"renew": "due"})
