"""A whole check on the real lab beside the tools an operator would reach for, asking what of it they can ask."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.reallab import needs
from tests.reallab.lab import RealLab

ROOT = Path(__file__).parents[1]
PLUGINS = "/usr/lib/nagios/plugins"
PUBLIC = ("203.0.113.10", "2001:db8:113::10")
VM = "10.10.10.214"
HELLO = "--quit-after CONNECT --silent 3"


def questions() -> list[str]:
    """The peers' commands, run by the operator: public ports of both families, then through each host's ssh.

    None of them can send a PROXY header inside what it speaks but swaks; where a plugin cannot, it asks less."""
    asked: list[str] = []
    for address in PUBLIC:
        asked += [
            f"{PLUGINS}/check_smtp -H {address} -p 25",
            f"swaks --server {address} --port 465 --tls-on-connect {HELLO}",
            f"{PLUGINS}/check_simap -H {address} -p 993",
            f"{PLUGINS}/check_tcp -H {address} -p 4190 -e IMPLEMENTATION",
            f"openssl s_client -connect [{address}]:443 -servername mail.benoit.jp.net </dev/null",
        ]
    header = f"--proxy-version 1 --proxy-family TCP4 --proxy-source 100.64.0.1 --proxy-source-port 1 --proxy-dest {VM}"
    behind = [
        f"swaks --server {VM} --port 10025 {HELLO} {header} --proxy-dest-port 10025",
        f"swaks --server {VM} --port 10465 --tls-on-connect {HELLO} {header} --proxy-dest-port 10465",
        f"{PLUGINS}/check_tcp -H {VM} -p 10993",
        f"{PLUGINS}/check_tcp -H {VM} -p 14190",
        f"{PLUGINS}/check_tcp -H {VM} -p 80",
        "sh -c 'echo show stat | socat - UNIX-CONNECT:/run/haproxy/admin.sock'",
    ]
    inside = [
        f"{PLUGINS}/check_smtp -H 127.0.0.1 -p 25",
        f"swaks --server 127.0.0.1 --port 465 --tls-on-connect {HELLO}",
        f"{PLUGINS}/check_simap -H 127.0.0.1 -p 993",
        f"{PLUGINS}/check_tcp -H 127.0.0.1 -p 4190 -e IMPLEMENTATION",
        f"{PLUGINS}/check_tcp -H 127.0.0.1 -p 80",
    ]
    asked += [f'ssh -o BatchMode=yes vps "{command}"' for command in behind]
    return asked + [f'ssh -o BatchMode=yes mailcow "{command}"' for command in inside]


def timed(lab: RealLab, script: str) -> float:
    """Seconds a shell script takes on the operator's machine."""
    began = time.perf_counter()
    subprocess.run(lab.argv("oper", ["sh", "-c", script]), capture_output=True, check=False)
    return time.perf_counter() - began


def sweeps(lab: RealLab) -> tuple[float, float, float]:
    """Medians of three sweeps: seconds, its slowest ladder without waits the server imposes, and those waits."""
    script = f"cd {ROOT} && exec {sys.executable} -m tests.sweeps /root/site/site.toml"
    done = subprocess.run(lab.argv("oper", ["sh", "-c", script]), capture_output=True, text=True, check=True)
    rows = [tuple(float(word) for word in line.split()) for line in done.stdout.splitlines()]
    took, slowest, imposed = (statistics.median(column) for column in zip(*rows, strict=True))
    return took, slowest, imposed


def bench() -> None:
    """Print the comparison, or in one line why it was not made."""
    if missing := needs.missing():
        print(f"peers on the real lab: not run, {missing}")
        return
    lab = RealLab(f"cowbench{os.getpid()}")
    lab.up()
    try:
        cowhand = f"{sys.executable} -m console --site /root/site/site.toml check"
        script = f"cd {ROOT} && exec {cowhand}"
        asked = questions()
        for delay in (0.0, 0.04):
            lab.tunnel(delay=delay)
            took, slowest, imposed = sweeps(lab)
            there = f"tunnel {2000 * delay:.0f} ms"
            print(
                f"{f'sweep, {there}':<34} {took * 1000:8.1f} ms   {'its slowest ladder':<26} {slowest * 1000:8.1f} ms"
                f"   {took / slowest:5.2f} ×   goal ≤ 1.3 ×   (waits imposed on it: {imposed:.1f} s)"
            )
            ours = statistics.median(timed(lab, script) for _ in range(3))
            serial = timed(lab, "\n".join(f"{command} >/dev/null 2>&1" for command in asked))
            parallel = timed(lab, "\n".join(f"{command} >/dev/null 2>&1 &" for command in asked) + "\nwait")
            for how, theirs in (("one by one", serial), ("all at once", parallel)):
                print(
                    f"{f'cowhand check, {there}':<34} {ours * 1000:8.1f} ms   {f'{len(asked)} peers, {how}':<26}"
                    f" {theirs * 1000:8.1f} ms   {ours / theirs:5.2f} ×"
                )
    finally:
        lab.down()


if __name__ == "__main__":
    bench()
