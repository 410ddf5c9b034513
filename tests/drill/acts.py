"""Ways to break the real lab, each with the way back: a rule of a firewall, a changed file, a stopped process."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from tests.reallab import network
from tests.reallab.addresses import MAILCOW
from tests.reallab.faults import Act, compose
from tests.reallab.lab import SOCKET, RealLab

HEADER = "PROXY TCP4 203.0.113.77 203.0.113.10 40000 465\\r\\n"
NAME = "mail.benoit.jp.net"
CHAIN = "table inet drill {{\nchain {hook} {{\ntype filter hook {hook} priority -10;\n{rule}\n}}\n}}\n"


_holders: dict[str, list[subprocess.Popen[bytes]]] = {}


def nft(machine: str, hook: str, rule: str) -> tuple[Act, Act]:
    text = CHAIN.format(
        hook=hook, rule=rule.replace("; ", ";\n").replace("} chain", "}\nchain").replace("{ type", "{\ntype")
    )

    def add(lab: RealLab) -> None:
        network.inside(lab.name, machine, "nft", text)

    def take(lab: RealLab) -> None:
        network.inside(lab.name, machine, "nft", "delete table inet drill")

    return add, take


def ip(machine: str, words: str, back: str) -> tuple[Act, Act]:
    def run(said: str) -> Act:
        def apply(lab: RealLab) -> None:
            for line in said.split("; "):
                network.call("ip", "-n", network.space(lab.name, machine), *line.split())

        return apply

    return run(words), run(back)


def socket(words: str, back: str) -> tuple[Act, Act]:
    def say(line: str) -> Act:
        def apply(lab: RealLab) -> None:
            lab.run("vps", ["socat", "-t", "3", "-", f"UNIX-CONNECT:{SOCKET}"], input=f"{line}\n")

        return apply

    return say(words), say(back)


def haproxy(change: Callable[[str], str], main: bool = False) -> tuple[Act, Act]:
    path, plain = ("/etc/haproxy/haproxy.cfg", "/run/lab/conf/vps/haproxy.cfg") if main else (
        "/etc/haproxy/mail.cfg", "/run/shared/mail.cfg")  # fmt: skip

    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            before = lab.read("vps", plain)
            after = how(before)
            assert how is same or after != before, "the fault changes nothing"
            lab.write("vps", path, after)
            lab.do("vps", "systemctl", "restart", "haproxy")

        return apply

    return put(change), put(same)


def same(text: str) -> str:
    return text


def section(name: str, change: Callable[[str], str]) -> Callable[[str], str]:
    """Change one section of the mail listeners."""
    return lambda text: re.sub(rf"listen {name}\n(?: .*\n)*", lambda found: change(found[0]), text)


def kill(machine: str, *pattern: str) -> tuple[Act, Act]:
    def send(signal: str) -> Act:
        def apply(lab: RealLab) -> None:
            done = lab.run(machine, ["pkill", signal, *pattern])  # type: ignore[arg-type]
            assert signal != "-STOP" or not done.returncode, "the fault changes nothing"

        return apply

    return send("-STOP"), send("-CONT")


def vm_file(path: str, change: Callable[[str], str], plain: str, service: str) -> tuple[Act, Act]:
    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            before = lab.read("mailcow", plain)
            after = how(before)
            assert how is same or after != before, "the fault changes nothing"
            lab.write("mailcow", path, after)
            compose(lab, "restart", f"{service}-mailcow")

        return apply

    return put(change), put(same)


def dovecot(change: Callable[[str], str]) -> tuple[Act, Act]:
    return vm_file("/etc/dovecot/dovecot.conf", change, "/run/lab/conf/mailcow/dovecot.conf", "dovecot")


def nginx(change: Callable[[str], str]) -> tuple[Act, Act]:
    return vm_file("/etc/nginx/nginx.conf", change, "/run/lab/conf/mailcow/nginx.conf", "nginx")


def main_cf(line: str) -> tuple[Act, Act]:
    path, plain = "/etc/postfix/main.cf", "/run/lab/conf/mailcow/main.cf"
    return vm_file(path, lambda text: f"{text}\n{line}\n", plain, "postfix")


def master(change: Callable[[str], str]) -> tuple[Act, Act]:
    return vm_file("/etc/postfix/master.cf", change, "/run/lab/conf/mailcow/master.cf", "postfix")


def hosts(change: Callable[[str], str]) -> tuple[Act, Act]:
    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            lab.write("oper", "/etc/hosts", "127.0.0.1 localhost oper\n" + how(lab.read("oper", "/run/shared/hosts")))

        return apply

    return put(change), put(same)


def services(verb: str, *names: str) -> Act:
    def apply(lab: RealLab) -> None:
        compose(lab, verb, *(f"{name}-mailcow" for name in names))

    return apply


def hold(key: str, machine: str, port: int, count: int, address: str) -> tuple[Act, Act]:
    """Connections that somebody keeps open and says nothing on."""

    def hold(lab: RealLab) -> None:
        say = f"(printf '{HEADER}'; sleep 600) | socat - TCP:{address}:{port}" if port > 10000 else ""
        command = ["sh", "-c", say] if say else ["socat", "-u", f"TCP:{address}:{port}", "/dev/null"]
        argv = lab.argv(machine, command)  # type: ignore[arg-type]
        pipes = subprocess.DEVNULL
        _holders[key] = [subprocess.Popen(argv, stdin=pipes, stdout=pipes, stderr=pipes) for _ in range(count)]
        wanted = f":{port}"
        lab.wait(lambda: lab.run(machine, ["ss", "-Htn", "state", "established"]).stdout.count(wanted) >= count,  # type: ignore[arg-type]
                 "the connections were not made")  # fmt: skip

    def let_go(lab: RealLab) -> None:
        for process in _holders.pop(key, []):
            process.kill()
            process.wait()
        lab.run(machine, ["pkill", "-x", "socat"])  # type: ignore[arg-type]

    return hold, let_go


def both(*acts: Act) -> Act:
    def apply(lab: RealLab) -> None:
        for act in acts:
            act(lab)

    return apply


def second_haproxy(lab: RealLab) -> None:
    text = "global\n  user haproxy\ndefaults\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n" + (
        f"listen imaps2\n  bind :993\n  bind :::993 v6only\n  mode tcp\n  server mailcow {MAILCOW}:10993\n"
    )
    lab.write("vps", "/etc/haproxy/second.cfg", text)
    lab.do("vps", "/usr/sbin/haproxy", "-D", "-p", "/run/second.pid", "-f", "/etc/haproxy/second.cfg")


def end_second(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/second.pid)"])


def squat(lab: RealLab) -> None:
    lab.do("vps", "systemctl", "stop", "haproxy")
    script = "import socket,time\ns=socket.create_server(('',443))\ntime.sleep(600)"
    lab.do("vps", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/squat.pid')


def unsquat(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/squat.pid)"])
    lab.do("vps", "systemctl", "start", "haproxy")


def fill(lab: RealLab) -> None:
    lab.do("mailcow", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/var/mail")
    lab.run("mailcow", ["dd", "if=/dev/zero", "of=/var/mail/full", "bs=1k"])


def empty(lab: RealLab) -> None:
    lab.do("mailcow", "umount", "/var/mail")


def mismatch(lab: RealLab) -> None:
    lab.do("mailcow", "cp", "/run/shared/second.key", "/opt/mailcow-dockerized/data/assets/ssl/key.pem")
    compose(lab, "restart", "postfix-mailcow")
    compose(lab, "restart", "dovecot-mailcow")


def no_socket(lab: RealLab) -> None:
    lab.do("vps", "rm", "-f", SOCKET)


def restart(lab: RealLab) -> None:
    lab.do("vps", "systemctl", "restart", "haproxy")


def deny(how: str) -> Callable[[str], str]:
    return lambda text: text.replace("    default_backend web", f"    {how}\n    default_backend web")


def location(rule: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"location / \{.*\}", "location / { " + rule + " }", text)


def route(lab: RealLab) -> None:
    network.call("ip", "-n", network.space(lab.name, "vps"), "route", "del", "10.10.10.0/24")
