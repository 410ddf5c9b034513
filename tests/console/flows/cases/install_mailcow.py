"""A VM as OpenTofu made it, its volumes mounted: no docker, no Mailcow. A folder stands for it, scripts for its tools.

What `git clone` lays is a stand-in: a compose file, and a generate_config.sh that refuses to run twice.
What docker has is files in `run`: images, containers, and what was done once in `run/once`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import assets
from console.errors import Refused
from console.facts import installation
from console.flows import registry
from console.flows.install_mailcow.commands import CLONE, GENERATE, INSTALL
from console.hosts.host import Completed, Host, Stream
from console.model import Role
from tests.console.flows.case import Case, Rooted, tree

FOLDER = "opt/mailcow-dockerized"
ADDRESS = "10.10.10.214"
SERVICES = ("nginx-mailcow", "php-fpm-mailcow", "postfix-mailcow", "dovecot-mailcow", "memcached-mailcow")
IMAGES = ("ghcr.io/mailcow/postfix:3.10.12-1", "memcached:alpine")

REAL = (
    "sh", "bash", "env", "sed", "tr", "ls", "stat", "sort", "tail", "head", "grep", "cat", "rm", "rmdir", "mv", "mkdir",
    "chmod", "chown", "sleep", "openssl", "curl", "awk", "sha1sum", "cut", "sync", "flock", "sha256sum", "date", "find",
    "ln", "cp", "touch", "wc", "readlink", "dirname", "basename", "mktemp", "setsid", "kill", "ps", "timeout", "cmp",
    "python3", "uname", "hostname", "nice", "tee", "od", "expr", "test", "true", "false", "printf", "uniq",
)  # fmt: skip
"""The tools of this machine that the VM has as well; docker and jq are none of them."""

CONFIGURATION = """\
# ------------------------------
MAILCOW_HOSTNAME=$MAILCOW_HOSTNAME
DBPASS=hunter2hunter2hunter2hunter2
DBROOT=hunter3hunter3hunter3hunter3
REDISPASS=hunter4hunter4hunter4hunter4
HTTP_PORT=80
HTTP_BIND=
HTTPS_PORT=443
HTTPS_BIND=
HTTP_REDIRECT=y
SMTP_PORT=25
SMTPS_PORT=465
SUBMISSION_PORT=587
IMAP_PORT=143
IMAPS_PORT=993
POP_PORT=110
POPS_PORT=995
SIEVE_PORT=4190
TZ=$MAILCOW_TZ
SKIP_LETS_ENCRYPT=n
SKIP_CLAMD=$SKIP_CLAMD
ENABLE_IPV6=false
"""
"""The lines of generate_config.sh's own text that matter here."""

INSTALLER = f"""\
[ ! -e mailcow.conf ] || {{ echo 'A config file exists and will be overwritten' >&2; exit 1; }}
[ "$MAILCOW_BRANCH" = master ] || exit 1
cat >mailcow.conf <<EOT
{CONFIGURATION}EOT
chmod 600 mailcow.conf
sleep "${{SLOW:-0}}"
mkdir -p data/assets/ssl
for folder in ssl-example ssl; do echo key >data/assets/$folder/key.pem; chmod 644 data/assets/$folder/key.pem; done
echo generated >>"$ROOT/run/once"
"""

GIT = """\
case "$1" in
clone)
  for word; do target=$word; done
  mkdir "$target"
  echo 'Receiving objects:  50% (2/4)' >&2
  sleep "${SLOW:-0}"
  mkdir -p "$target/.git" "$target/data/assets/ssl-example"
  printf '#!/bin/sh\\nROOT=%s\\n' "'$ROOT'" >"$target/generate_config.sh"
  cat "$ROOT/world/installer" >>"$target/generate_config.sh"
  chmod 755 "$target/generate_config.sh"
  echo services: >"$target/docker-compose.yml"
  echo cloned >>"$ROOT/run/once" ;;
-C) echo 2026-08 ;;
esac
"""

DOCKER = f"""\
case "$*" in
version*) echo 26.1.3; exit ;;
'compose version --short') echo 2.26.1; exit ;;
info*) echo '["name=seccomp,profile=builtin"]'; exit ;;
'ps -a'*working_dir*) [ ! -s "$ROOT/run/containers" ] || cat "$ROOT/world/place"; exit ;;
'ps -a'*) cat "$ROOT/run/containers"; exit ;;
'volume ls'*) cat "$ROOT/run/volumes"; exit ;;
images*) cat "$ROOT/run/images"; exit ;;
'pull '*)
  echo 'a1b2c3d4e5f6: Pulling fs layer'
  sleep "${{SLOW:-0}}"
  grep -qxF "$2" "$ROOT/run/images" && exit 0
  echo "$2" >>"$ROOT/run/images"; echo "$2" >>"$ROOT/run/once"
  echo 'a1b2c3d4e5f6: Pull complete'; exit ;;
esac
shift 5
case "$*" in
'config --services') printf '%s\\n' {" ".join(SERVICES)} ;;
'config --images') printf '%s\\n' {" ".join(IMAGES)} ;;
'config -q') ! grep -q broken "$ROOT/{FOLDER}/mailcow.conf" || {{ echo 'broken: not a port' >&2; exit 15; }} ;;
'up -d --no-recreate --pull never')
  sleep "${{SLOW:-0}}"
  for each in {" ".join(SERVICES)}; do echo "$each running Up 12 minutes"; done >"$ROOT/run/containers.new"
  echo mailcowdockerized_mysql-vol-1 >"$ROOT/run/volumes"
  mv "$ROOT/run/containers.new" "$ROOT/run/containers" ;;
*) echo "unknown: $*" >&2; exit 16 ;;
esac
"""

TOOLS = {
    "git": GIT,
    "id": 'if [ -n "$LOOKING" ]; then echo 0; else exec /usr/bin/id "$@"; fi\n',
    "pgrep": 'cat "$ROOT/run/update" 2>/dev/null\n',
    "ss": 'cat "$ROOT/run/sockets" 2>/dev/null\n',
    "ip": f"""\
case "$*" in
'-o addr show') echo '2: eth0    inet {ADDRESS}/24 scope global eth0 \\       valid_lft forever preferred_lft forever'
  cat "$ROOT/run/six" 2>/dev/null || : ;;
'-6 route show default') cat "$ROOT/run/route6" 2>/dev/null || : ;;
esac
""",
    "findmnt": 'cat "$ROOT/world/mounts"\n',
    "dpkg": "exit 0\n",
    "dpkg-query": "exit 1\n",
    "systemctl": "exit 0\n",
    "apt-cache": """\
found=$(grep "^$2 " "$ROOT/world/candidates" | cut -d' ' -f2)
printf '%s:\\n  Candidate: %s\\n' "$2" "${found:-(none)}"
""",
    "apt-get": """\
case "$*" in *install*) ;; *) exit 0 ;; esac
sleep "${SLOW:-0}"
echo "$*" >"$ROOT/run/installed"
cp "$ROOT/world/docker" "$ROOT/bin/docker"; cp "$ROOT/world/docker" "$ROOT/bin/jq"
""",
}

MOUNTS = (
    '{"filesystems":[{"target":"/","source":"/dev/sda2","fstype":"ext4","options":"rw","size":1,"avail":1,"children":['
    '{"target":"/opt","source":"/dev/sdc","fstype":"ext4","options":"rw","size":1,"avail":10737418240},'
    '{"target":"/var/lib/docker","source":"/dev/sdb","fstype":"ext4","options":"rw","size":1,"avail":53687091200}]}]}'
)

ETH0 = f"2: eth0    inet {ADDRESS}/24 scope global eth0 \\       valid_lft forever preferred_lft forever"

ANSWERS = {25: b"220 mail ESMTP\r\n", 143: b"* OK Dovecot ready.\r\n", 80: b"HTTP/1.1 200 OK\r\n\r\n"}
BEHIND = {25: "postfix-mailcow", 143: "dovecot-mailcow", 80: "nginx-mailcow"}


class Answer:
    """A connection to a service that says its line."""

    def __init__(self, line: bytes) -> None:
        self.line = line

    async def write(self, data: bytes) -> None: ...

    async def read(self, most: int = 65536) -> bytes:
        await asyncio.sleep(0)
        line, self.line = self.line, b""
        return line

    def close(self) -> None: ...


class Vm(Rooted):
    """The machine: it has its own tools and no others. What they would say to a look is told without them, in no time.

    `slow`: they are asked all the same."""

    slow = False

    def words(self, argv: Sequence[str]) -> list[str]:
        looking = ["LOOKING=yes"] if list(argv[2:3]) == [installation.SCRIPT] else []
        return ["env", f"PATH={self.folder}/bin", *looking, *super().words(argv)]

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if self.slow:
            return await super().run(argv, timeout, cap)
        if list(argv[2:3]) == [installation.SCRIPT]:
            return Completed(0, look(self.folder).encode(), b"")
        if argv[0] == "findmnt":
            return Completed(0, MOUNTS.encode(), b"")
        if argv[0] == "ip":
            return Completed(0, f"{ETH0}\n".encode(), b"")
        return await super().run(argv, timeout, cap)

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        silent = (self.folder / "run/silent").read_text() if (self.folder / "run/silent").exists() else ""
        up = (self.folder / "run/containers").read_text()
        if address not in (ADDRESS, "127.0.0.1") or BEHIND.get(port, "") not in up or str(port) in silent.split():
            raise Refused(f"{address} port {port}: connection refused")
        return Answer(ANSWERS[port])  # type: ignore[return-value]


def look(root: Path) -> str:
    """What the look's script says of this machine; test_install_mailcow.py holds it against the script."""
    run, folder = root / "run", root / FOLDER
    rows = ["root\t0"]
    docker = (root / "bin/docker").exists()
    rows += [f"lacking\t{name}" for name in ("docker", "jq") if not (root / "bin" / name).exists()]
    rows += ["apt\t/usr/bin/apt-get", "memory\t8000000", "zone\tEurope/Berlin"]
    whole = (folder / "generate_config.sh").exists() and (folder / "docker-compose.yml").exists()
    rows.append(f"kind\t{'mailcow' if whole else 'other' if folder.exists() else 'none'}")
    rows += ["version\t2026-08"] if whole else []
    conf, keys = folder / "mailcow.conf", ("data/assets/ssl/key.pem", "data/assets/ssl-example/key.pem")
    rows += [f"settings\t{conf.stat().st_mode & 0o777:o}"] if conf.exists() else []
    rows += ["half\tyes"] if (folder / installation.MARK).exists() else []
    rows += [f"key\t{(folder / key).stat().st_mode & 0o777:o} {key}" for key in keys if (folder / key).exists()]
    rows.append(f"system\t{(root / 'world/system').read_text().strip()}")
    if not docker:
        offered = dict(line.split() for line in (root / "world/candidates").read_text().splitlines())
        rows.append(f"offered\t{offered.get('docker.io', '(none)')}")
    if docker:
        containers = (run / "containers").read_text().splitlines()
        rows += ["engine\t26.1.3", "compose\t2.26.1", *(f"container\t{each}" for each in containers)]
        rows += [f"place\t/{FOLDER}"] if containers else []
        rows += [f"volume\t{each}" for each in (run / "volumes").read_text().split()]
        rows += [f"image\t{each}" for each in (run / "images").read_text().split()]
    if docker and conf.exists():
        rows += [f"service\t{each}" for each in SERVICES] + [f"wanted\t{each}" for each in IMAGES]
    return "".join(f"{row}\n" for row in rows)


@lru_cache(maxsize=1)
def real() -> dict[str, str]:
    """Where the tools of this machine are."""
    return {name: found for name in REAL if (found := shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"))}


def build(root: Path) -> None:
    for folder in ("bin", "run", "world", "opt", "usr/local/bin"):
        (root / folder).mkdir(parents=True)
    for name, place in real().items():
        (root / "bin" / name).symlink_to(place)
    for name, text in TOOLS.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\nROOT='{root}'\n{text}")
        (root / "bin" / name).chmod(0o755)
    (root / "world/docker").write_text(f"#!/bin/sh\nROOT='{root}'\n{DOCKER}")
    (root / "world/docker").chmod(0o755)
    (root / "world/installer").write_text(INSTALLER)
    (root / "world/mounts").write_text(MOUNTS)
    (root / "world/place").write_text(f"/{FOLDER}\n")
    (root / "world/system").write_text("debian bookworm\n")
    (root / "world/candidates").write_text("docker.io 26.1.3-0ubuntu1\ndocker-compose-v2 2.26.1\n")
    for name in ("images", "containers", "volumes", "once"):
        (root / "run" / name).write_text("")
    lab = Path(assets.__file__).parent / "lab"
    for name in ("haproxy.cfg", "mailcow.tf"):
        (root / name).write_bytes((lab / name).read_bytes())
    (root / "site.toml").write_text(
        '[sources]\nhaproxy = ["haproxy.cfg"]\nopentofu = ["mailcow.tf"]\n[public]\nnames = ["mail.example.org"]\n'
    )


def hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Vm(root, "mail", "mailcow")}


def holds(root: Path, step: str) -> bool:
    conf = root / FOLDER / "mailcow.conf"
    match step:
        case "programs":
            return (root / "bin/docker").exists() and (root / "bin/jq").exists()
        case "clone":
            return (root / FOLDER / "generate_config.sh").exists()
        case "generate":
            return conf.exists() and not (root / FOLDER / installation.MARK).exists()
        case "settings":
            text = conf.read_text()
            return "HTTP_REDIRECT=n\n" in text and f"SMTP_PORT={ADDRESS}:25\n" in text
        case "pull":
            return set((root / "run/images").read_text().split()) == {*IMAGES}
        case "up":
            return (root / "run/containers").read_text().count("running") == len(SERVICES)
    return True


def end(root: Path) -> object:
    return tree(root, "opt"), sorted((root / "run/images").read_text().split()), (root / "run/containers").read_text()


def once(root: Path) -> dict[str, int]:
    lines = (root / "run/once").read_text().split()
    return {word: lines.count(word) for word in ("cloned", "generated", *IMAGES)}


def half(root: Path, argv: Sequence[str]) -> None:
    """What a command leaves that dies half-way."""
    if CLONE in argv:
        (root / f"{FOLDER}.cowhand-new").mkdir()
        (root / f"{FOLDER}.cowhand-new/part").write_text("")
    elif GENERATE in argv:
        (root / FOLDER / installation.MARK).write_text("")
        (root / FOLDER / "mailcow.conf").write_text("MAILCOW_HOSTNAME=mail.example.org\n")
    elif INSTALL in argv:
        shutil.copy(root / "world/docker", root / "bin/jq")
    elif "up" in argv:
        (root / "run/containers").write_text(f"{SERVICES[0]} running Up 12 minutes\n")


CASE = Case(
    registry.find("install-mailcow"), build, hosts, holds, end, once, half,
    answers={"zone": "Europe/Berlin"}, sample=5,
)  # fmt: skip
