"""The proxy of the seed: a folder with its file, small scripts that stand for its tools, and a stats socket.

Its flow's case begins without HAProxy's package; the file is there, as its operator laid it.

What `systemctl reload` has read is a file of its own, and the stats socket answers from that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import assets
from console.flows import registry
from console.hosts.host import Host, Stream
from console.model import Role
from console.runner import guard
from console.sources import haproxy
from tests.console.flows import rollbacks
from tests.console.flows.case import Case, Rooted, tree

CONFIGURATION = "etc/haproxy/haproxy.cfg"
LOADED = "run/loaded.cfg"
WORDS = ("dumb", "closed")
LATE = "run/late"
"""How many answers after a reload still come from the process before, as under systemd; none where it is absent."""

TOOLS = {
    "haproxy": """\
[ -e "$ROOT/run/installed" ] || { echo 'haproxy: not found' >&2; exit 127; }
[ "$1" = -v ] && exit 0
[ "$1 $2" = '-c -f' ] || exit 2
[ -z "$(tail -c 1 "$3")" ] && grep -q '^listen' "$3" && exit 0
echo '[ALERT]    (1) : config : parsing: Missing LF on last line, file might have been truncated.' >&2
exit 1
""",
    "systemctl": """\
case "$*" in
'reload haproxy') [ -e "$ROOT/run/running" ] || exit 1; sleep "${SLOW:-0}" ;;
'enable --now haproxy.service') [ -e "$ROOT/run/running" ] && exit 0; : >"$ROOT/run/running" ;;
*) exit 5 ;;
esac
cp "$ROOT/etc/haproxy/haproxy.cfg" "$ROOT/run/loaded.cfg.new"
[ ! -e "$ROOT/run/late" ] || exit 0
mv "$ROOT/run/loaded.cfg.new" "$ROOT/run/loaded.cfg"
""",
    "apt-get": """\
[ "$1" = install ] || exit 0
echo installed >>"$ROOT/run/installed"
cp "$ROOT/etc/haproxy/haproxy.cfg" "$ROOT/run/loaded.cfg"
: >"$ROOT/run/running"
""",
    "dpkg": "exit 0\n",
    "ss": """\
[ ! -e "$ROOT/run/sockets" ] || cat "$ROOT/run/sockets"
""",
    "ps": """\
[ -e "$ROOT/run/running" ] || exit 1
echo 'Ss   /usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid -S /run/haproxy-master.sock'
""",
    "ip": """\
echo '2: eth0    inet6 2001:db8:113::10/64 scope global \\       valid_lft forever preferred_lft forever'
""",
}


class Socket:
    """Stands for HAProxy's stats socket: one answer, made of the file that was loaded."""

    def __init__(self, text: str) -> None:
        self.told = text.encode()

    async def write(self, data: bytes) -> None:
        assert data == b"show stat\n"

    async def read(self, most: int = 65536) -> bytes:
        told, self.told = self.told, b""
        return told

    def close(self) -> None: ...


class Proxy(Rooted):
    """The machine: its tools come before those of this one, in scripts too."""

    def words(self, argv: Sequence[str]) -> list[str]:
        return ["env", f"PATH={self.folder}/bin:{os.environ['PATH']}", *super().words(argv)]

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        told = stats(self.folder)
        late, read = self.folder / LATE, self.folder / f"{LOADED}.new"
        if late.exists() and read.exists():  # the process before answers still, that often
            left = int(late.read_text()) - 1
            late.write_text(str(left))
            if not left:
                read.rename(self.folder / LOADED)
        return Socket(told)  # type: ignore[return-value]


def stats(root: Path) -> str:
    """What runs: a check that talks finds the daemon, unless `run/dumb` names its listener; the rest just connects.

    Behind the listeners that `run/closed` names nobody answers."""
    dumb, closed = ((root / "run" / name).read_text() if (root / "run" / name).exists() else "" for name in WORDS)
    rows = ["# pxname,svname,status,type,check_status,last_chk,"]
    for proxy in haproxy.parse((root / LOADED).read_text(), "loaded").proxies:
        rows.append(f"{proxy.name},FRONTEND,OPEN,0,,,")
        for server in proxy.servers:
            talks = server.check.kind == "L7"
            status, check = ("UP", "L7OK" if talks else "L4OK")
            if proxy.name in closed.split():
                status, check = "DOWN", "L4CON"
            elif talks and proxy.name in dumb.split():
                status, check = "DOWN", "L7TOUT"
            rows.append(f"{proxy.name},{server.name},{status},2,{check},,")
    return "\n".join(rows) + "\n"


def build(root: Path) -> None:
    lab = Path(assets.__file__).parent / "lab"
    for folder in ("bin", "etc/haproxy", "run", "usr/local/bin"):
        (root / folder).mkdir(parents=True)
    rollbacks.lay(root)
    (root / guard.STORE.lstrip("/")).mkdir(parents=True)
    program = root / guard.PROGRAM.lstrip("/")
    program.write_text(guard.program())
    program.chmod(0o700)
    for name, text in TOOLS.items():
        tool = root / "bin" / name
        tool.write_text(f"#!/bin/sh\nROOT='{root}'\n{text}")
        tool.chmod(0o755)
    text = (lab / "haproxy.cfg").read_bytes().replace(b"    bind :::993 v6only\n", b"    # of mine\n")
    (root / "haproxy.cfg").write_bytes((lab / "haproxy.cfg").read_bytes())
    for path in (CONFIGURATION, LOADED):
        (root / path).write_bytes(text)
    (root / CONFIGURATION).chmod(0o640)
    for mark in ("run/installed", "run/running"):
        (root / mark).touch()
    (root / "site.toml").write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n[hosts.vps]\nrole = "proxy"\nlocal = true\n')


def bare(root: Path) -> None:
    """The same machine before HAProxy's package is there."""
    build(root)
    for path in ("run/installed", "run/running", LOADED):
        (root / path).unlink()


def hosts(root: Path) -> dict[Role, Host]:
    return {"proxy": Proxy(root, "proxy", "vps")}


def holds(root: Path, step: str) -> bool:
    if step in ("program", "file"):
        return (root / "run/running").exists()
    there, read = (root / CONFIGURATION).read_text(), (root / LOADED).read_text()
    return there == read and there.count("tcp-check connect") == 5 and "bind :::993 v6only\n    # of mine\n" in there


def end(root: Path) -> object:
    loaded = root / LOADED
    return tree(root, "etc"), loaded.read_bytes() if loaded.exists() else b"", (root / "run/running").exists()


CASE = Case(
    registry.find("haproxy-listeners"), bare, hosts, holds, end, reboot=rollbacks.reboot, armed=rollbacks.armed,
    fire=rollbacks.fire, answers={"submission": "yes"},
)  # fmt: skip
