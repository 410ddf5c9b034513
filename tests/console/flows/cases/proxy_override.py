"""The seed's estate half-way: no override, Dovecot trusts nobody. Two folders stand for the hosts, scripts for docker.

What `up -d` has made of the override is a file of its own (`run/up`), and so is whom Dovecot trusts since a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import assets
from console.errors import Refused
from console.flows import registry
from console.hosts.host import Host, Stream
from console.model import Role
from console.runner import guard
from tests.console.flows import rollbacks
from tests.console.flows.case import Case, tree
from tests.console.flows.cases.haproxy_listeners import Proxy

FOLDER = "opt/mailcow-dockerized"
OVERRIDE, EXTRA = f"{FOLDER}/docker-compose.override.yml", f"{FOLDER}/data/conf/dovecot/extra.conf"
UP, TRUSTED, LOG = "run/up", "run/trusted", "run/log"
PEER = "10.10.10.1"

DOCKER = r"""
mailcow=$ROOT/opt/mailcow-dockerized
ports() { # SERVICE ADDRESS PORT TARGET of each entry of the override, with Mailcow's own before it
  echo 'postfix-mailcow 0.0.0.0 25 25'
  echo 'dovecot-mailcow 0.0.0.0 993 993'
  [ -e "$mailcow/docker-compose.override.yml" ] || return 0
  sed -E 's/\$\{[A-Z_]+:-([0-9.:]+)\}/\1/' "$mailcow/docker-compose.override.yml" | tr -d '"' | awk '
    /^  [a-z]/ { sub(":", "", $1); service = $1 }
    /^ +- [0-9.]+:/ { n = split($2, part, ":"); print service, (n > 2 ? part[1] : "0.0.0.0"), part[n - 1], part[n] }'
}
entries() { # the JSON of a service's ports, from lines as above
  awk -v service="$1" -v form="$2" '$1 == service { printf "%s", comma; printf form, $2, $3, $4; comma = "," }'
}
case "$*" in
'info --format {{json .SecurityOptions}}') echo '["name=seccomp,profile=builtin"]'; exit ;;
'compose version --short') echo 2.26.1; exit ;;
'compose ls --all --format json')
  files=/opt/mailcow-dockerized/docker-compose.yml$(cat "$ROOT/run/files" 2>/dev/null)
  echo "[{\"Name\":\"mailcowdockerized\",\"Status\":\"running(18)\",\"ConfigFiles\":\"$files\"}]"; exit ;;
esac
shift 5 # compose --project-directory FOLDER --project-name NAME
case "$*" in
*'config -q')
  ! grep -qs broken "$mailcow/docker-compose.override.yml" "$mailcow/docker-compose.override.yml.cowhand-candidate" ||
    { echo 'services.postfix-mailcow.ports must be a list' >&2; exit 15; } ;;
'config --format json')
  form='{"mode":"ingress","host_ip":"%s","published":"%s","target":%s,"protocol":"tcp"}'
  printf '{"services":{"postfix-mailcow":{"ports":[%s]},"dovecot-mailcow":{"ports":[%s]}}}\n' \
    "$(ports | entries postfix-mailcow "$form")" "$(ports | entries dovecot-mailcow "$form")" ;;
'ps --format json postfix-mailcow dovecot-mailcow')
  form='{"URL":"%s","PublishedPort":%s,"TargetPort":%s,"Protocol":"tcp"}'
  for service in postfix-mailcow dovecot-mailcow; do
    there=$(entries $service "$form" <"$ROOT/run/up")
    printf '{"Service":"%s","State":"running","Publishers":[%s]}\n' $service "$there"
  done ;;
'up -d --no-deps --pull never '*) sleep "${SLOW:-0}"; ports >"$ROOT/run/up.new"; mv "$ROOT/run/up.new" "$ROOT/run/up" ;;
'logs --no-color --no-log-prefix --tail 400 dovecot-mailcow') cat "$ROOT/run/log" ;;
'exec -T postfix-mailcow sh -c '*) [ ! -e "$ROOT/run/refuses" ] || { cat "$ROOT/run/refuses" >&2; exit 65; } ;;
'exec -T dovecot-mailcow sh -c '*)
  sed -n 's/^haproxy_trusted_networks = //p' "$mailcow/data/conf/dovecot/extra.conf" >"$ROOT/run/trusted" ;;
*) echo "unknown: $*" >&2; exit 16 ;;
esac
"""

TOOLS = {
    "docker": DOCKER,
    "pgrep": 'cat "$ROOT/run/update" 2>/dev/null\n',
    "ip": "echo '2: eth0    inet 10.10.10.214/24 scope global eth0 \\       valid_lft forever preferred_lft forever'\n",
}


class Answer:
    """A connection to Dovecot: it greets whom it trusts, and closes on others."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting

    async def write(self, data: bytes) -> None:
        assert data == b"PROXY UNKNOWN\r\n"

    async def read(self, most: int = 65536) -> bytes:
        await asyncio.sleep(0)
        return self.greeting

    def close(self) -> None: ...


class Vps(Proxy):
    """The proxy: what it reaches is what the mail host's containers publish."""

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        mail = self.folder.parent / "mail"
        up = [line.split()[1:] for line in (mail / UP).read_text().splitlines()]
        if [address, str(port), str(port)] not in up and ["0.0.0.0", str(port), str(port)] not in up:
            raise Refused(f"{address} port {port}: connection refused")
        trusts = PEER in (mail / TRUSTED).read_text().split()
        if not trusts:
            with (mail / LOG).open("a") as log:
                log.write(f"dovecot: managesieve-login: Warning: haproxy: Client not trusted (rip={PEER})\n")
        return Answer(b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n' if trusts else b"")  # type: ignore[return-value]


def build(root: Path) -> None:
    lab = Path(assets.__file__).parent / "lab"
    mail = root / "mail"
    for folder in ("bin", "run", "usr/local/bin", f"{FOLDER}/data/conf/dovecot"):
        (mail / folder).mkdir(parents=True)
    (root / "vps").mkdir()
    rollbacks.lay(mail)
    (mail / guard.STORE.lstrip("/")).mkdir(parents=True)
    program = mail / guard.PROGRAM.lstrip("/")
    program.write_text(guard.program())
    program.chmod(0o700)
    for name, text in TOOLS.items():
        (mail / "bin" / name).write_text(f"#!/bin/sh\nROOT='{mail}'\n{text}")
        (mail / "bin" / name).chmod(0o755)
    (mail / FOLDER / "mailcow.conf").write_text("MAILCOW_HOSTNAME=mail.example.org\nHTTP_REDIRECT=n\n")
    (mail / EXTRA).write_text("# mine\nmail_max_userip_connections = 20\n")
    for path, text in (
        (UP, "postfix-mailcow 0.0.0.0 25 25\ndovecot-mailcow 0.0.0.0 993 993\n"),
        (TRUSTED, ""),
        (LOG, ""),
    ):
        (mail / path).write_text(text)
    (root / "haproxy.cfg").write_bytes((lab / "haproxy.cfg").read_bytes())
    (root / "site.toml").write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n')


def hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Proxy(root / "mail", "mail", "mailcow"), "proxy": Vps(root / "vps", "proxy", "vps")}


def holds(root: Path, step: str) -> bool:
    mail = root / "mail"
    up = (mail / UP).read_text()
    published = all(f"10.10.10.214 {port} {port}" in up for port in (10025, 10465, 10993, 14190))
    if step == "ports":
        return published and (mail / OVERRIDE).exists()
    if step == "trust":
        return PEER in (mail / TRUSTED).read_text().split()
    return True


def end(root: Path) -> object:
    mail = root / "mail"
    return tree(mail, "opt"), [(mail / path).read_bytes() for path in (UP, TRUSTED)]


def half(root: Path, argv: Sequence[str]) -> None:
    """A command that dies half-way: one of the two containers is recreated."""
    if "up" in argv:
        (root / "mail" / UP).write_text("postfix-mailcow 0.0.0.0 25 25\n")


def reboot(root: Path) -> None:
    rollbacks.reboot(root / "mail")


CASE = Case(
    registry.find("proxy-override"), build, hosts, holds, end, half=half, reboot=reboot,
    armed=lambda root: rollbacks.armed(root / "mail"), fire=lambda root: rollbacks.fire(root / "mail"),
)  # fmt: skip
