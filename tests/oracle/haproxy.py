"""`python -m tests.oracle.haproxy FOLDER [HAPROXY]`: our reading of every configuration in a folder beside HAProxy's.

What HAProxy accepts must be read without a problem and written back byte for byte, and its proxies, listeners and
servers must be those of a started instance; what it refuses should have a problem or warning of ours. The instance runs
in a network namespace of its own, so Linux and root are needed. Exit 1 when an accepted file differs.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from console.sources.haproxy import Build, Configuration, Proxy, Server, parse, write
from console.sources.haproxy.build import read
from console.sources.haproxy.edit import Insert, Remove, apply
from tests.oracle.blocks import Block, Ready, find, prepare

# Any address may be bound, as if it were there.
NAMESPACE = """
ip link set lo up; sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1 2>/dev/null
exec "$@"
"""
SYNTAX = re.compile(
    r"unable to stat|No such file|open the ca-file|unknown (?:keyword|fetch|converter|service|sample)|unable to load"
    r"|wrong type|does not provide|could not|cannot open"
    r"|Couldn't open|Can't use a 'program'|Fatal errors found|unknown keyword 'tune\.lua\.",
    re.IGNORECASE,
)
"""What a refusal says when it is for something outside the text: a file, or what the binary was built without."""


class Seen(NamedTuple):
    """Proxies with their sides, listening addresses by proxy, and servers as (backend, name) → (host, port)."""

    proxies: frozenset[tuple[str, str]]
    listeners: frozenset[tuple[str, str, int]]
    servers: dict[tuple[str, str], tuple[str, int] | None]


def ours(configuration: Configuration, passed: Mapping[int, int]) -> Seen:
    """What we read; `passed` are the ports behind descriptors."""
    proxies: set[tuple[str, str]] = set()
    listeners: set[tuple[str, str, int]] = set()
    servers: dict[tuple[str, str], tuple[str, int] | None] = {}
    for proxy in configuration.proxies:
        if proxy.disabled:
            continue
        sides = {"listen": ("FRONTEND", "BACKEND"), "frontend": ("FRONTEND",), "backend": ("BACKEND",)}[proxy.kind]
        proxies |= {(proxy.name, side) for side in sides}
        listeners |= set(_listeners(proxy, passed))
        for server in proxy.servers:
            for number in range(server.count):
                servers[proxy.name, _name(server, number)] = _dialled(server)
    return Seen(frozenset(proxies), frozenset(listeners), servers)


def _listeners(proxy: Proxy, passed: Mapping[int, int]) -> Iterator[tuple[str, str, int]]:
    for bind in proxy.binds:
        prefix, _, number = bind.address.rpartition("fd@")
        if bind.transport == "local" and number.isdigit() and not prefix.strip("streamdg+"):
            yield proxy.name, "127.0.0.1", passed[int(number)]
        if bind.port is not None and bind.last is not None:
            for port in range(bind.port, bind.last + 1):
                yield proxy.name, _host(bind.address), port


def _name(server: Server, number: int) -> str:
    if server.count == 1:
        return server.name
    stem = server.name.rstrip("0123456789")
    return f"{stem}{int(server.name[len(stem) :]) + number}"


def _dialled(server: Server) -> tuple[str, int] | None:
    if server.local:
        return None
    # A port below the client's is printed without its sign.
    return _host(server.host), server.offset % 2**32 if server.port is None else server.port


def _host(address: str) -> str:
    with contextlib.suppress(OSError):
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))
    return {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(address, address)


def theirs(program: str, block: Block, ready: Ready, scratch: Path) -> Seen | str:
    """What a started instance says of itself, or why it did not start."""
    path = scratch / "admin.sock"
    path.unlink(missing_ok=True)
    text = ready.text
    configuration = parse(text, "h.cfg", ready.environment)
    # Only frontends that are asked to tell of each listener.
    headers = [proxy.span.line for proxy in configuration.proxies if proxy.kind != "backend"]
    text = apply(
        text, *[Insert(line, ("option socket-stats",)) for line in headers], *_bound_to_a_machine(configuration)
    )
    run, extra = scratch / "run.cfg", scratch / "extra.cfg"
    run.write_bytes(text.encode("utf-8", "surrogateescape"))
    extra.write_text(f"global\n    stats socket {path} level admin\n    stats timeout 10s\n    maxconn 100\n")
    argv = ["unshare", "-n", "sh", "-c", NAMESPACE, "sh", program, "-db", "-f", str(run), "-f", str(extra)]
    with (scratch / "said").open("wb") as said:
        process = subprocess.Popen(
            argv, cwd=block.folder, env=ready.environment, pass_fds=tuple(ready.passed), stdout=said, stderr=said
        )
    try:
        for _ in range(3000):
            if process.poll() is not None:
                return (scratch / "said").read_text(errors="replace").strip()[-300:] or "it ended"
            if path.exists() and (answer := _ask(path, "show stat;show servers state")):
                return _seen(*answer.split("\n\n", 1))
            time.sleep(0.02)
        return "no answer in time"
    finally:
        process.terminate()
        process.wait()


def _bound_to_a_machine(configuration: Configuration) -> list[Remove]:
    """Lines that suit the machine of the file: its folders, users and limits."""
    return [
        Remove(line.number)
        for section in configuration.sections
        if section.kind == "global"
        for line in section.lines
        if line.words[0] in ("chroot", "user", "group", "uid", "gid", "localpeer", "maxconn", "ulimit-n")
    ]


def _ask(path: Path, question: str) -> str:
    with socket.socket(socket.AF_UNIX) as asking, contextlib.suppress(OSError):
        asking.settimeout(5)
        asking.connect(str(path))
        asking.sendall(question.encode() + b"\n")
        answer = b""
        while piece := asking.recv(65536):
            answer += piece
        return answer.decode(errors="replace")
    return ""


def _seen(statistics: str, state: str) -> Seen:
    proxies: set[tuple[str, str]] = set()
    listeners: set[tuple[str, str, int]] = set()
    for row in csv.DictReader(io.StringIO(statistics.removeprefix("# "))):
        side = row["svname"]
        if side in ("FRONTEND", "BACKEND"):
            proxies.add((row["pxname"], side))
        elif row["type"] == "3" and row["addr"][:1] not in ("", "u", "a", "/"):
            host, _, port = row["addr"].rpartition(":")
            listeners.add((row["pxname"], _host(host.strip("[]")), int(port)))
    servers: dict[tuple[str, str], tuple[str, int] | None] = {}
    rows = [line for line in state.splitlines()[1:] if line[:1].isdigit() or line.startswith("# be_id")]
    for fields in csv.DictReader([row.removeprefix("# ") for row in rows], delimiter=" "):
        local = fields["srv_addr"] in ("-", "") or fields["srv_addr"].startswith(("/", "unix@", "abns"))
        address = None if local else (_host(fields["srv_addr"]), int(fields["srv_port"]))
        servers[fields["be_name"], fields["srv_name"]] = address
    return Seen(frozenset(proxies), frozenset(listeners), servers)


def differences(mine: Seen, other: Seen) -> list[str]:
    """Say what one has and the other has not."""
    found = [f"proxies {sorted(mine.proxies ^ other.proxies)}"] if mine.proxies != other.proxies else []
    if mine.listeners != other.listeners:
        found.append(f"listeners {sorted(mine.listeners ^ other.listeners)[:6]}")
    for key in mine.servers.keys() ^ other.servers.keys():
        found.append(f"server {key}")
    for key in mine.servers.keys() & other.servers.keys():
        here, there = mine.servers[key], other.servers[key]
        # A name is not resolved in a namespace without a way out.
        if here != there and not (here and there is None and not here[0][:1].isdigit()):
            found.append(f"server {key}: {here} is {there}")
    return found


def judge(program: str, build: Build | None, block: Block, scratch: Path, tally: Counter[str]) -> str:
    """Compare one configuration; "" when nothing is to be said."""
    with prepare(block) as ready:
        path = scratch / "whole.cfg"
        path.write_bytes(ready.text.encode("utf-8", "surrogateescape"))
        checked = subprocess.run(
            [program, "-c", "-f", str(path)], cwd=block.folder, env=ready.environment, pass_fds=tuple(ready.passed),
            capture_output=True, text=True, errors="replace", check=False, timeout=60,
        )  # fmt: skip
        configuration = parse(ready.text, str(path), ready.environment, build)
        if write(configuration) != ready.text:
            return "DIFFERS: not written back byte for byte"
        said = checked.stdout + checked.stderr
        if checked.returncode and ("no listener" not in said or "[ALERT]" in said):
            return _refused(configuration, said, tally)
        tally["accepted"] += 1
        if configuration.warnings:
            return f"DIFFERS: HAProxy takes it, we doubt {configuration.warnings[0]}"
        if configuration.problems:
            return f"DIFFERS: HAProxy takes it, we say {configuration.problems[0]}"
        other = theirs(program, block, ready, scratch)
        if isinstance(other, str):
            tally["accepted, not started"] += 1
            return f"not started: {other}"
        found = differences(ours(configuration, ready.passed), other)
        tally["accepted, the same" if not found else "accepted, different"] += 1
        return "DIFFERS: " + "; ".join(found) if found else ""


def _refused(configuration: Configuration, said: str, tally: Counter[str]) -> str:
    alerts = [line for line in said.splitlines() if "[ALERT]" in line and "rror(s) found" not in line]
    outside = bool(alerts) and all(SYNTAX.search(alert) for alert in alerts)
    tally["refused, for what is not in the text" if outside else "refused"] += 1
    if configuration.problems or configuration.warnings:
        tally["refused, located by us"] += 1
        return ""
    return "" if outside else f"refused: {alerts[0] if alerts else said[-200:]}"


def main(argv: list[str]) -> int:
    """Print every difference, then the counts."""
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(argv[1])
    program = str(Path(shutil.which(argv[2] if len(argv) > 2 else "haproxy") or "haproxy").absolute())
    told = subprocess.run([program, "-vv"], capture_output=True, text=True, check=True).stdout
    tally: Counter[str] = Counter()
    failed = False
    with tempfile.TemporaryDirectory(prefix="oracle-") as name:
        for block in find(root.absolute()):
            said = judge(program, read(told), block, Path(name), tally)
            tally["configurations"] += 1
            failed = failed or said.startswith("DIFFERS")
            if said:
                print(f"{block.name}: {said}", flush=True)
    for what, count in sorted(tally.items()):
        print(f"{count:6} {what}")
    return int(failed)


if __name__ == "__main__":
    os.umask(0o077)
    raise SystemExit(main(sys.argv))
