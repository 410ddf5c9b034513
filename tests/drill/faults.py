"""Faults of the real lab that no rule was written for, one at a time: what is broken, and which suspect it truly is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from msgspec import Struct

from console.model import Role
from tests.reallab import network
from tests.reallab.addresses import CLIENT, CLIENT6, MAILCOW, TUNNEL, VPS, VPS6
from tests.reallab.faults import FAULTS as KNOWN
from tests.reallab.faults import Act, _deploy, _renew, compose, forget
from tests.reallab.lab import SOCKET, RealLab

NAME = "mail.benoit.jp.net"
CHAIN = "table inet drill {{\nchain {hook} {{\ntype filter hook {hook} priority -10;\n{rule}\n}}\n}}\n"


class Drill(Struct, frozen=True):
    """One fault: `truth` is what is truly wrong (component/mode), `ports` the lanes it touches.

    `closed` are machines that nobody gets into meanwhile; `told` that the operator's files say what runs."""

    id: str
    truth: tuple[str, ...]
    ports: tuple[int, ...]
    break_: Act
    heal: Act
    closed: tuple[Role, ...] = ()
    told: bool = False


_holders: dict[str, list[subprocess.Popen[bytes]]] = {}


def _nft(machine: str, hook: str, rule: str) -> tuple[Act, Act]:
    text = CHAIN.format(
        hook=hook, rule=rule.replace("; ", ";\n").replace("} chain", "}\nchain").replace("{ type", "{\ntype")
    )

    def add(lab: RealLab) -> None:
        network.inside(lab.name, machine, "nft", text)

    def take(lab: RealLab) -> None:
        network.inside(lab.name, machine, "nft", "delete table inet drill")

    return add, take


def _ip(machine: str, words: str, back: str) -> tuple[Act, Act]:
    def run(said: str) -> Act:
        def apply(lab: RealLab) -> None:
            for line in said.split("; "):
                network.call("ip", "-n", network.space(lab.name, machine), *line.split())

        return apply

    return run(words), run(back)


def _socket(words: str, back: str) -> tuple[Act, Act]:
    def say(line: str) -> Act:
        def apply(lab: RealLab) -> None:
            lab.run("vps", ["socat", "-t", "3", "-", f"UNIX-CONNECT:{SOCKET}"], input=f"{line}\n")

        return apply

    return say(words), say(back)


def _haproxy(change: Callable[[str], str], main: bool = False) -> tuple[Act, Act]:
    path, plain = ("/etc/haproxy/haproxy.cfg", "/run/lab/conf/vps/haproxy.cfg") if main else (
        "/etc/haproxy/mail.cfg", "/run/shared/mail.cfg")  # fmt: skip

    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            before = lab.read("vps", plain)
            after = how(before)
            assert how is _same or after != before, "the fault changes nothing"
            lab.write("vps", path, after)
            lab.do("vps", "systemctl", "restart", "haproxy")

        return apply

    return put(change), put(_same)


def _same(text: str) -> str:
    return text


def _in(name: str, change: Callable[[str], str]) -> Callable[[str], str]:
    """Change one section of the mail listeners."""
    return lambda text: re.sub(rf"listen {name}\n(?: .*\n)*", lambda found: change(found[0]), text)


def _kill(machine: str, *pattern: str) -> tuple[Act, Act]:
    def send(signal: str) -> Act:
        def apply(lab: RealLab) -> None:
            lab.run(machine, ["pkill", signal, *pattern])  # type: ignore[arg-type]

        return apply

    return send("-STOP"), send("-CONT")


def _vm_file(path: str, change: Callable[[str], str], plain: str, service: str) -> tuple[Act, Act]:
    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            before = lab.read("mailcow", plain)
            after = how(before)
            assert how is _same or after != before, "the fault changes nothing"
            lab.write("mailcow", path, after)
            compose(lab, "restart", f"{service}-mailcow")

        return apply

    return put(change), put(_same)


def _dovecot(change: Callable[[str], str]) -> tuple[Act, Act]:
    return _vm_file("/etc/dovecot/dovecot.conf", change, "/run/lab/conf/mailcow/dovecot.conf", "dovecot")


def _nginx(change: Callable[[str], str]) -> tuple[Act, Act]:
    return _vm_file("/etc/nginx/nginx.conf", change, "/run/lab/conf/mailcow/nginx.conf", "nginx")


def _main(line: str) -> tuple[Act, Act]:
    path, plain = "/etc/postfix/main.cf", "/run/lab/conf/mailcow/main.cf"
    return _vm_file(path, lambda text: f"{text}\n{line}\n", plain, "postfix")


def _master(change: Callable[[str], str]) -> tuple[Act, Act]:
    return _vm_file("/etc/postfix/master.cf", change, "/run/lab/conf/mailcow/master.cf", "postfix")


def _hosts(change: Callable[[str], str]) -> tuple[Act, Act]:
    def put(how: Callable[[str], str]) -> Act:
        def apply(lab: RealLab) -> None:
            lab.write("oper", "/etc/hosts", "127.0.0.1 localhost oper\n" + how(lab.read("oper", "/run/shared/hosts")))

        return apply

    return put(change), put(_same)


def _services(verb: str, *names: str) -> Act:
    def apply(lab: RealLab) -> None:
        compose(lab, verb, *(f"{name}-mailcow" for name in names))

    return apply


def _hold(key: str, machine: str, port: int, count: int, address: str) -> tuple[Act, Act]:
    """Connections that somebody keeps open and says nothing on."""

    def hold(lab: RealLab) -> None:
        argv = lab.argv(machine, ["socat", "-u", f"TCP:{address}:{port}", "/dev/null"])  # type: ignore[arg-type]
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


def _both(*acts: Act) -> Act:
    def apply(lab: RealLab) -> None:
        for act in acts:
            act(lab)

    return apply


def _second_haproxy(lab: RealLab) -> None:
    text = "global\n  user haproxy\ndefaults\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n" + (
        f"listen imaps2\n  bind :993\n  bind :::993 v6only\n  mode tcp\n  server mailcow {MAILCOW}:10993\n"
    )
    lab.write("vps", "/etc/haproxy/second.cfg", text)
    lab.do("vps", "/usr/sbin/haproxy", "-D", "-p", "/run/second.pid", "-f", "/etc/haproxy/second.cfg")


def _end_second(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/second.pid)"])


def _squat(lab: RealLab) -> None:
    lab.do("vps", "systemctl", "stop", "haproxy")
    script = "import socket,time\ns=socket.create_server(('',443))\ntime.sleep(600)"
    lab.do("vps", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/squat.pid')


def _unsquat(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/squat.pid)"])
    lab.do("vps", "systemctl", "start", "haproxy")


def _fill(lab: RealLab) -> None:
    lab.do("mailcow", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/var/mail")
    lab.run("mailcow", ["dd", "if=/dev/zero", "of=/var/mail/full", "bs=1k"])


def _empty(lab: RealLab) -> None:
    lab.do("mailcow", "umount", "/var/mail")


def _mismatch(lab: RealLab) -> None:
    lab.do("mailcow", "cp", "/run/shared/second.key", "/opt/mailcow-dockerized/data/assets/ssl/key.pem")
    compose(lab, "restart", "postfix-mailcow")
    compose(lab, "restart", "dovecot-mailcow")


def _no_socket(lab: RealLab) -> None:
    lab.do("vps", "rm", "-f", SOCKET)


def _restart(lab: RealLab) -> None:
    lab.do("vps", "systemctl", "restart", "haproxy")


def _deny(how: str) -> Callable[[str], str]:
    return lambda text: text.replace("    default_backend web", f"    {how}\n    default_backend web")


def _location(rule: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"location / \{.*\}", "location / { " + rule + " }", text)


def _drill(id: str, truth: str, ports: tuple[int, ...], acts: tuple[Act, Act], *closed: Role) -> Drill:
    return Drill(id, tuple(truth.split()), ports, *acts, closed)


def _route(lab: RealLab) -> None:
    network.call("ip", "-n", network.space(lab.name, "vps"), "route", "del", "10.10.10.0/24")


ALL, MAIL, DOVECOT, POSTFIX = (25, 465, 993, 4190, 443), (25, 465, 993, 4190), (993, 4190), (25, 465)

_SINGLE = (
    _drill("maint", "haproxy-server/maintenance", (25,), _socket("disable server smtp/mailcow", "enable server smtp/mailcow")),
    _drill("haproxy-frozen", "haproxy-process/frozen", ALL, _kill("vps", "-x", "haproxy")),
    Drill("maxconn", ("haproxy-listener/maxconn",), (993,),
          _both(_haproxy(_in("imaps", lambda t: t + "    maxconn 1\n"))[0], _hold("maxconn", "client", 993, 1, VPS)[0]),
          _both(_hold("maxconn", "client", 993, 1, VPS)[1], _haproxy(_same)[1])),
    _drill("no-server", "haproxy-server/absent", (465,), _haproxy(_in("smtps", lambda t: re.sub(r" +server .*\n", "", t)))),
    _drill("wrong-port", "haproxy-server/wrong-target", (4190,), _haproxy(lambda t: t.replace(":14190 send", ":14191 send"))),
    _drill("wrong-address", "haproxy-server/wrong-target", (465,), _haproxy(lambda t: t.replace("214:10465", "215:10465"))),
    _drill("swapped", "haproxy-server/wrong-target", DOVECOT, _haproxy(
        lambda t: t.replace(":10993 send", ":X send").replace(":14190 send", ":10993 send").replace(":X send", ":14190 send"))),
    _drill("loopback-only", "haproxy-listener/loopback-only", (993,), _haproxy(
        _in("imaps", lambda t: t.replace("bind :993", "bind 127.0.0.1:993").replace("bind :::993", "bind ::1:993")))),
    _drill("not-reloaded", "haproxy-listener/absent", (4190,), _haproxy(_in("sieve", lambda t: ""))),
    _drill("two-haproxies", "haproxy-process/two", (993,), (_second_haproxy, _end_second)),
    _drill("bad-check", "haproxy-check/false-alarm", (993,), _haproxy(lambda t: t.replace("check port 10993", "check port 10999"))),
    _drill("http-403", "haproxy-listener/denies", (443,), _haproxy(_deny("http-request deny"), main=True)),
    _drill("http-500", "haproxy-listener/denies", (443,), _haproxy(_deny("http-request return status 500"), main=True)),
    _drill("no-stats", "", ALL, (_no_socket, _restart)),
    _drill("fw-drop-993", "vps-filter/drop", (993,), _nft("vps", "input", 'iifname "eth0" tcp dport 993 drop;')),
    _drill("fw-reject-465", "vps-filter/reject", (465,), _nft("vps", "input", 'iifname "eth0" tcp dport 465 reject with tcp reset;')),
    _drill("vps-off", "vps/off", ALL, _ip("vps", "link set eth0 down",
           f"link set eth0 up; addr replace {VPS6}/64 dev eth0 nodad"), "proxy"),
    _drill("v6-blackhole", "vps-filter/drop-family", ALL, _nft("vps", "input", 'iifname "eth0" ip6 nexthdr tcp drop;')),
    _drill("mtu", "tunnel/mtu", (465, 993), _nft("link", "forward", f'oifname "{TUNNEL}" meta length > 500 drop;')),
    _drill("one-way", "tunnel/down", ALL, _nft("link", "output", f'oifname "{TUNNEL}" drop; }} chain forward {{ type filter hook forward priority -10; oifname "{TUNNEL}" drop;')),
    Drill("loss30", ("tunnel/loss",), ALL, lambda lab: lab.tunnel(loss=0.3), lambda lab: lab.tunnel()),
    _drill("home-router-down", "home-router/down", ALL, _nft(
        "link", "input", "drop; } chain forward { type filter hook forward priority -10; drop;"), "mail"),
    Drill("route-missing", ("vps/route-missing",), ALL, _route, lambda lab: network.route(lab.name)),
    _drill("vm-off", "vm/off", ALL, _ip("mailcow", "link set eth0 down", "link set eth0 up; route replace default via 10.10.10.1"), "mail"),
    _drill("vm-moved", "vm/other-address", ALL, _ip("mailcow", f"addr del {MAILCOW}/24 dev eth0; addr add 10.10.10.99/24 dev eth0",
           f"addr del 10.10.10.99/24 dev eth0; addr add {MAILCOW}/24 dev eth0; route replace default via 10.10.10.1"), "mail"),
    _drill("vm-fw-drop", "vm-filter/from-proxy", MAIL, _nft("mailcow", "input", "ip saddr 100.64.0.1 tcp dport {10025,10465,10993,14190} drop;")),
    _drill("vm-fw-reject", "vm-filter/from-proxy", (993,), _nft("mailcow", "input", "ip saddr 100.64.0.1 tcp dport 10993 reject;")),
    _drill("auth-hung", "dovecot/auth-hung", DOVECOT, _kill("mailcow", "-f", "^dovecot/auth")),
    _drill("listener-removed", "daemon/listener-absent", (993,), _dovecot(lambda t: re.sub(r"  inet_listener imaps_haproxy \{[^}]*\}\n", "", t))),
    _drill("imap-off", "daemon/listener-absent", (993,), _dovecot(lambda t: t.replace("protocols = imap sieve pop3", "protocols = sieve pop3"))),
    _drill("imaps-plain", "daemon/no-tls", (993,), _dovecot(lambda t: t.replace("    ssl = yes\n", "").replace(
        "  inet_listener imap_haproxy", "  inet_listener imaps {\n    port = 993\n    ssl = no\n  }\n  inet_listener imap_haproxy"))),
    _drill("disk-full", "", (), (_fill, _empty)),
    Drill("smtpd-busy", ("daemon/process-limit",), (465,),
          _both(_master(lambda t: re.sub(r"(?m)^(10465 .*?)-( +smtpd)$", r"\g<1>1\2", t))[0], _hold("busy", "vps", 10465, 1, MAILCOW)[0]),
          _both(_hold("busy", "vps", 10465, 1, MAILCOW)[1], _master(_same)[1])),
    _drill("key-mismatch", "certificate/key-mismatch", (465, 993), (_mismatch, _renew)),
    _drill("postscreen-drops", "daemon/says-no", (25,), _main("postscreen_access_list = static:reject\npostscreen_denylist_action = drop")),
    _drill("nginx-502", "daemon/says-no", (443,), _nginx(_location("proxy_pass http://127.0.0.1:9999;"))),
    Drill("nginx-stopped", ("daemon/stopped",), (443,), _services("stop", "nginx"), _services("start", "nginx")),
    _drill("nginx-moved", "daemon/listener-absent", (443,), _nginx(lambda t: t.replace("listen 80;", "listen 8080;").replace("[::]:80;", "[::]:8080;"))),
    _drill("redirect-loop", "daemon/redirect-loop", (443,), _nginx(_location(f"return 301 https://{NAME}/;"))),
    Drill("all-containers-stopped", ("vm/docker-down",), ALL, _services("stop", "postfix", "dovecot", "nginx"), _both(
        _services("start", "dovecot"), _services("start", "postfix", "nginx"))),
    _drill("dns-wrong", "name/wrong-address", ALL, _hosts(lambda t: t.replace(f"{VPS} ", f"{CLIENT} ").replace(f"{VPS6} ", f"{CLIENT6} "))),
    _drill("dns-none", "name/none", ALL, _hosts(lambda t: t.replace(f" {NAME}", ""))),
    _drill("only-aaaa", "", (), _hosts(lambda t: t.replace(f"{VPS} {NAME}", VPS))),
    _drill("one-a-wrong", "name/wrong-address", ALL, _hosts(lambda t: t.replace(f"{VPS} ", f"{CLIENT} "))),
    _drill("here-offline", "here/offline", ALL, _ip("oper", "link set wan0 down", "link set wan0 up; addr replace 2001:db8:113::50/64 dev wan0 nodad"), "proxy"),
    _drill("25-blocked-here", "here/blocks-25", (25,), _nft("oper", "output", "tcp dport 25 drop;")),
    Drill("timeouts", ("haproxy-listener/timeout",), (25,), _both(_haproxy(_in(
        "smtp", lambda t: t + "    timeout server 2s\n"))[0], forget), _haproxy(_same)[1]),
    _drill("wraps-tls", "haproxy-listener/wraps-tls", (993,), _haproxy(
        _in("imaps", lambda t: t.replace("bind :993", "bind :993 ssl crt /etc/haproxy/certs/").replace(
            "bind :::993 v6only", "bind :::993 v6only ssl crt /etc/haproxy/certs/")))),
    _drill("mode-http", "haproxy-listener/mode-http", (4190,), _haproxy(_in("sieve", lambda t: t.replace("mode tcp\n    option tcplog", "mode http\n    option httplog")))),
    _drill("rejects-us", "haproxy-listener/rejects-us", (993,), _haproxy(_in("imaps", lambda t: t + "    tcp-request connection reject if { src 203.0.113.50 2001:db8:113::50 }\n"))),
    _drill("other-program-on-443", "haproxy-process/stopped vps/other-program", ALL, (_squat, _unsquat)),
    _drill("nat-993-to-22", "vps-filter/redirect", (993,), _nft("vps", "output", '} chain pre { type nat hook prerouting priority -100; iifname "eth0" tcp dport 993 redirect to :22;')),
    _drill("weight-0", "haproxy-server/drain", (25,), _socket("set server smtp/mailcow weight 0", "set server smtp/mailcow weight 100%")),
    _drill("drain", "haproxy-server/drain", (465,), _socket("set server smtps/mailcow state drain", "set server smtps/mailcow state ready")),
    _drill("frontend-disabled", "haproxy-listener/disabled", (993,), _socket("disable frontend imaps", "enable frontend imaps")),
    _drill("haproxy-outbound", "vps-filter/haproxy-outbound", (25,), _nft("vps", "output", "meta skuid haproxy tcp dport 10025 drop;")),
    _drill("postscreen-frozen", "daemon/hung-port", (25,), _kill("mailcow", "-x", "postscreen")),
    Drill("expired-443", (), (443,), _deploy("expired", "well", "well"), _renew),
    Drill("wrong-name-vm", (), (465, 993), _deploy("well", "other", "other"), _renew),
    _drill("dovecot-process-limit", "daemon/process-limit", (993,), _dovecot(lambda t: t.replace(
        "service imap-login {\n", "service imap-login {\n  process_limit = 1\n  client_limit = 1\n"))),
)  # fmt: skip

TRUTHS = {
    "dovecot-untrusted-proxy": "dovecot/untrusted-proxy", "dovecot-wrong-peer": "dovecot/untrusted-proxy",
    "proxy-header-missing": "haproxy-server/no-header", "proxy-header-missing-said": "haproxy-server/no-header",
    "proxy-header-on-plain-port": "haproxy-server/header-to-plain",
    "proxy-header-on-plain-port-unsaid": "haproxy-server/header-to-plain",
    "smtpchk-on-postscreen": "haproxy-check/teaser", "haproxy-stopped": "haproxy-process/stopped",
    "listener-down": "haproxy-listener/absent", "tunnel-cut": "tunnel/down", "tunnel-slow": "",
    "tunnel-lossy": "", "postfix-stopped": "daemon/stopped", "service-stopped": "daemon/stopped",
    "service-silent": "daemon/hung", "ipv6-client-refused": "postfix/one-family",
    "certificate-expired": "", "certificate-of-another-name": "", "certificate-stale": "",
}  # fmt: skip

_OWN = tuple(
    Drill(f"own-{id}", tuple(truth.split()), KNOWN[id].lanes, KNOWN[id].break_, KNOWN[id].heal, (), KNOWN[id].told)
    for id, truth in TRUTHS.items()
)

FAULTS = {each.id: each for each in (*_SINGLE, *_OWN)}
"""Every single fault by its id."""
