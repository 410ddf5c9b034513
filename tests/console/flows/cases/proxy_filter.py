"""proxy-filter on one PROXY port of Dovecot's. Folders stand for the hosts, scripts for docker, systemd and iptables.

The script that is laid is the real one. Its tables are a file as `iptables -S` lists them; whoever dials asks there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from console.errors import TimedOut
from console.facts.arrivals import SCRIPT
from console.flows import registry
from console.hosts.host import Completed, Host, Stream
from console.model import Role
from tests.console.flows import rollbacks
from tests.console.flows.case import Case, tree
from tests.console.flows.cases import proxy_override
from tests.console.flows.cases.haproxy_listeners import Proxy
from tests.console.flows.servers import Machine, Talking, sieve

VM, TAILNET, HOME = "10.10.10.214", "100.64.0.1", "10.10.10.50"
RULES, SEEN = "run/iptables", "run/tcp"
WANTS = "etc/systemd/system/docker.service.wants/cowhand-proxy-filter.service"
FOREIGN = """\
-P INPUT ACCEPT
-P FORWARD DROP
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -s 198.51.100.9/32 -j DROP
-A DOCKER-USER -j RETURN
"""

CFG = """\
defaults
    mode tcp
listen sieve
    bind :4190
    server mailcow 10.10.10.214:14190 send-proxy
"""

APPLY = r"""
awk -v table="$ROOT/run/iptables" '
function drop(pattern, once,   n, i, hit) {
  for (i = n = 0; i < count; i++) if (index(line[i], pattern) == 1 && !(once && (hit || line[i] != pattern))) hit = 1
    else line[n++] = line[i]
  count = n
  return hit
}
BEGIN { while ((getline text < table) > 0) line[count++] = text }
{ rest = $0; sub(/^[^ ]+ [^ ]+ ?/, "", rest); sub(/-s [0-9.]+/, "&/32", rest) }
/^:/ { name = substr($1, 2); drop("-A " name " "); if (!drop("-N " name, 1)) ; line[count++] = "-N " name }
$1 == "-A" { line[count++] = "-A " $2 " " rest }
$1 == "-I" { for (at = 0; at < count && index(line[at], "-A " $2 " ") != 1; at++) ;
  for (i = count++; i > at; i--) line[i] = line[i - 1]; line[at] = "-A " $2 " " rest }
$1 == "-D" { if (!drop("-A " $2 " " rest, 1)) exit bad = 1 }
$1 == "-F" { drop("-A " $2 " ") }
$1 == "-X" { if (!drop("-N " $2, 1)) exit bad = 1 }
END { if (bad) exit 1; for (i = 0; i < count; i++) print line[i] }' >"$ROOT/run/iptables.$$" &&
mv "$ROOT/run/iptables.$$" "$ROOT/run/iptables" || { rm -f "$ROOT/run/iptables.$$"; exit 1; }
"""

TOOLS = {
    "iptables": r"""[ "$1" != -w ] || shift 2
case "$1 ${2:-}" in
'-S ') cat "$ROOT/run/iptables" ;;
'-S '*) grep -x -e "-N $2" "$ROOT/run/iptables" || exit 1; grep -e "^-A $2 " "$ROOT/run/iptables" || : ;;
*) echo "$*" |"""
    + APPLY.lstrip()
    + "esac\n",
    "ip6tables": "[ \"$*\" = -S ] && echo '-P FORWARD ACCEPT'\n",
    "iptables-restore": APPLY,
    "systemctl": f"""[ "$1" != --quiet ] || shift
unit=$ROOT/etc/systemd/system/cowhand-proxy-filter.service wants=$ROOT/{WANTS}
case "$1" in
daemon-reload | stop) ;;
is-enabled) [ -e "$wants" ] ;;
enable) umask 022; mkdir -p "${{wants%/*}}" && cp "$unit" "$wants" ;;
restart) sleep "${{SLOW:-0}}"; exec "$ROOT/usr/local/sbin/cowhand-proxy-filter" "$ROOT/etc/cowhand/proxy-filter" ;;
*) exit 1 ;;
esac
""",
}


class Mail(Proxy):
    """The mail host; who is connected to its container is a file, as the kernel would list it."""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if tuple(argv[:3]) == ("sh", "-c", SCRIPT):
            return Completed(0, (self.folder / SEEN).read_bytes(), b"")
        return await super().run(argv, timeout, cap)


def passes(mail: Path, source: str) -> bool:
    """Whether the rules let a machine dial the port."""
    rules = (mail / RULES).read_text()
    leads = "-A DOCKER-USER -j COWHAND-PROXY" in rules
    return not leads or "-A COWHAND-PROXY" not in rules or f"-A COWHAND-PROXY -s {source}/32 " in rules


def accept(machine: Machine, source: tuple[str, int], to: tuple[str, int]) -> Stream:
    mail = machine.root / "mail"
    if not passes(mail, source[0]):
        raise TimedOut(f"{to[0]}:{to[1]}: no answer")
    seen = (machine.root / "router").read_text() if (machine.root / "router").exists() else source[0]
    far = "".join(f"{int(part):02X}" for part in reversed(seen.split(".")))
    with (mail / SEEN).open("a") as table:
        table.write(f"   1: 0CFA16AC:{to[1]:04X} {far}:{source[1]:04X} 01 00000000:00000000\n")
    return Talking(sieve, source, to)


class Dialler(Machine):
    """A machine that dials, and knows its own address."""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if tuple(argv) == ("ip", "-o", "addr", "show"):
            return Completed(0, f"3: tailscale0    inet {self.addresses[4]}/32 scope global\n".encode(), b"")
        return await super().run(argv, timeout, cap)


def build(root: Path) -> None:
    proxy_override.build(root)
    mail = root / "mail"
    for folder in ("usr/local/sbin", "etc/systemd/system"):
        (mail / folder).mkdir(parents=True)
    for name, text in TOOLS.items():
        (mail / "bin" / name).write_text(f"#!/bin/sh\nROOT='{mail}'\n{text}")
        (mail / "bin" / name).chmod(0o755)
    (mail / proxy_override.UP).write_text(f"dovecot-mailcow {VM} 14190 14190\n")
    (mail / RULES).write_text(FOREIGN)
    (mail / SEEN).write_text("")
    (root / "haproxy.cfg").write_text(CFG)


def hosts(root: Path) -> dict[Role, Host]:
    return {
        "here": Dialler(root, "here", "here", {4: HOME}, accept),
        "mail": Mail(root / "mail", "mail", "mailcow"),
        "proxy": Dialler(root, "vps", "proxy", {4: TAILNET}, accept),
    }


def holds(root: Path, step: str) -> bool:
    mail = root / "mail"
    return step != "filter" or (passes(mail, TAILNET) and not passes(mail, HOME) and (mail / WANTS).exists())


def end(root: Path) -> tuple[dict[str, object], str]:
    return tree(root / "mail", "etc", "usr/local/sbin"), (root / "mail" / RULES).read_text()


def half(root: Path, argv: Sequence[str]) -> None:
    """A command that dies half-way: the unit is enabled, and not started."""
    mail = root / "mail"
    if any("restart" in word for word in argv) and (mail / "etc/systemd/system/cowhand-proxy-filter.service").exists():
        (mail / WANTS).parent.mkdir(exist_ok=True)
        (mail / WANTS).write_bytes((mail / "etc/systemd/system/cowhand-proxy-filter.service").read_bytes())


def reboot(root: Path) -> None:
    """The kernel's tables are empty, Docker makes its chain again, and the unit runs when it is enabled."""
    mail = root / "mail"
    (mail / RULES).write_text(FOREIGN)
    script = mail / "usr/local/sbin/cowhand-proxy-filter"
    if (mail / WANTS).exists() and script.exists():
        path = {**os.environ, "PATH": f"{mail}/bin:{os.environ['PATH']}"}
        subprocess.run(
            [str(script), str(mail / "etc/cowhand/proxy-filter")], env=path, check=False, capture_output=True
        )
    rollbacks.reboot(mail)


CASE = Case(
    registry.find("proxy-filter"), build, hosts, holds, end, half=half, reboot=reboot, sample=4,
    armed=lambda root: rollbacks.armed(root / "mail"), fire=lambda root: rollbacks.fire(root / "mail"),
)  # fmt: skip
