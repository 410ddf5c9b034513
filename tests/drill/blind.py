"""Faults that were written down, with their truth, before anybody saw what is told of them: none was in a row of the
table as it stood. `BLIND_TRUTH` says where each breaks, why, and what would be false to say; the rows named in `BLIND`
came, or were worded so that they hold, after that look."""

from __future__ import annotations

import re

from msgspec import Struct

from tests.drill.acts import both, haproxy, hold, ip, kill, main_cf, nft, same, section
from tests.drill.faults import ALL, DOVECOT, Drill, _drill
from tests.reallab import network
from tests.reallab.addresses import CLIENT, TUNNEL, VPS, VPS6
from tests.reallab.lab import RealLab


class Truth(Struct, frozen=True):
    """What is truly wrong: the hop that breaks, the cause in words, and what nobody may say of it."""

    hop: str
    cause: str
    false: str


def _narrow(lab: RealLab) -> None:
    """The tunnel passes some bytes a second: small answers come, a TLS handshake's certificates take many seconds."""
    for machine in ("vps", "link"):
        network.inside(lab.name, machine, "tc", "qdisc", "replace", "dev", TUNNEL, "root", "tbf", "rate", "12kbit",
                       "burst", "1600", "latency", "20s")  # fmt: skip


def _wide(lab: RealLab) -> None:
    for machine in ("vps", "link"):
        network.inside(lab.name, machine, "tc", "qdisc", "del", "dev", TUNNEL, "root")
    lab.tunnel()


def _agent(lab: RealLab) -> None:
    """Somebody's agent, which HAProxy asks beside its check, says "down"."""
    script = (
        "import socket\ns=socket.create_server(('',9777))\n"
        "while True: c=s.accept()[0]; c.sendall(b'down\\n'); c.close()"
    )
    lab.do("mailcow", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/agent.pid')
    _server("imaps", r"\g<0> agent-check agent-port 9777 agent-inter 1s")[0](lab)


def _no_agent(lab: RealLab) -> None:
    lab.run("mailcow", ["sh", "-c", "kill $(cat /run/agent.pid)"])
    haproxy(same)[1](lab)


def _server(name: str, new: str):  # type: ignore[no-untyped-def]
    """Change a section's server line."""
    return haproxy(section(name, lambda text: re.sub(r" +server .*", new, text)))


_ALL = (
    Drill("server-queue", ("haproxy-server/maxconn",), (993,),
          both(_server("imaps", r"\g<0> maxconn 1")[0], hold("queue", "client", 993, 1, VPS)[0]),
          both(hold("queue", "client", 993, 1, VPS)[1], haproxy(same)[1])),
    _drill("use-backend", "", (993,), haproxy(section("imaps", lambda t: t + "    use_backend sieve\n"))),
    _drill("bind-lo", "", (993,), haproxy(section(
        "imaps", lambda t: re.sub(r"( +bind \S+.*)", r"\1 interface lo", t)))),
    _drill("no-default-backend", "haproxy-listener/denies", (443,), haproxy(
        lambda t: t.replace("    default_backend web\n", ""), main=True)),
    _drill("unresolved-server", "haproxy-server/unresolved", (4190,), haproxy(section("sieve", lambda t: re.sub(
        r"10\.10\.10\.214:14190 send", "vm.home.arpa:14190 init-addr none resolvers gone send", t)
        + "resolvers gone\n    nameserver one 127.0.0.1:5300\n"))),
    _drill("anvil-hung", "", DOVECOT, kill("mailcow", "-f", "^dovecot/anvil")),
    _drill("config-hung", "", DOVECOT, kill("mailcow", "-f", "^dovecot/config")),
    Drill("narrow-tunnel", (), ALL, _narrow, _wide),
    _drill("vps-no-way-back-v4", "vps-filter/drop-family", ALL, ip(
        "vps", f"rule add from {VPS} blackhole", f"rule del from {VPS} blackhole")),
    _drill("here-neighbour-wrong", "vps-filter/drop-family", ALL, ip(
        "oper", f"neigh replace {VPS} lladdr 02:00:00:00:00:02 dev wan0 nud permanent", f"neigh del {VPS} dev wan0")),
    _drill("here-rejects-993", "vps-filter/reject", (993,), nft(
        "oper", "output", "tcp dport 993 reject with tcp reset;")),
    _drill("here-drops-465", "vps-filter/drop", (465,), nft("oper", "output", "tcp dport 465 drop;")),
    _drill("tls-swallowed", "", (465,), nft("vps", "input", 'iifname "eth0" tcp dport 465 meta length > 200 drop;')),
    Drill("agent-down", ("haproxy-check/agent",), (993,), _agent, _no_agent),
    _drill("client-banned-by-name", "", (4190,), haproxy(section(
        "sieve", lambda t: t + f"    tcp-request content reject if {{ src {CLIENT} }}\n    timeout queue 1s\n"))),
    # a second time, after what the first look had shown was mended
    _drill("swapped-binds", "", DOVECOT, haproxy(lambda t: t.replace(":993", ":X").replace(":4190", ":993").replace(
        ":X", ":4190"))),
    _drill("server-speaks-tls", "", (4190,), haproxy(section("sieve", lambda t: re.sub(
        r"(server \S+ \S+)", r"\1 ssl verify none", t)))),
    _drill("vm-dnat", "", (993,), nft("mailcow", "output", "accept; } chain nat { type nat hook prerouting "
                                      "priority -100; tcp dport 10993 redirect to :10110;")),
    _drill("no-certificate-file", "certificate/unusable", (465,), main_cf(
        "smtpd_tls_cert_file = /etc/ssl/mail/gone.pem")),
    _drill("vm-drops-proxy-whole", "", ALL, nft("mailcow", "input", "ip saddr 100.64.0.1 drop;")),
    _drill("small-link", "vps/lost-family", ALL, ip("vps", "link set eth0 mtu 600",
                                     f"link set eth0 mtu 1500; addr replace {VPS6}/64 dev eth0 nodad")),
    _drill("double-bind", "", (993,), haproxy(
        lambda t: t + "\nlisten older\n    bind :993\n    mode tcp\n    server gone 10.10.10.214:10999\n")),
    _drill("wrong-check-text", "haproxy-check/false-alarm", (25,), haproxy(section(
        "smtp", lambda t: t + "    option tcp-check\n    tcp-check expect string HELLO\n"))),
)  # fmt: skip

BLIND = {each.id: each for each in _ALL}
"""Every one by its id."""

BLIND_TRUTH = {
    "server-queue": Truth("haproxy", "the server line's own maxconn is taken: clients wait in HAProxy's queue",
                          "the listener's or the global maxconn, Dovecot hangs, the tunnel"),
    "use-backend": Truth("haproxy", "HAProxy's rule sends clients of 993 to the backend of sieve",
                         "Dovecot answers in plain text on 10993, no PROXY header, a certificate"),
    "bind-lo": Truth("public", "HAProxy listens on 993 at the loopback interface alone",
                     "a firewall of the proxy or its provider, HAProxy is stopped"),
    "no-default-backend": Truth("haproxy", "HAProxy has no backend for requests to 443, and answers 503 itself",
                                "nginx answers 503, nginx is stopped"),
    "unresolved-server": Truth("haproxy", "HAProxy cannot resolve its server's name, and holds it in maintenance",
                               "somebody put it into maintenance, Dovecot"),
    "anvil-hung": Truth("vm", "Dovecot's anvil hangs", "Dovecot's main or auth process hangs, HAProxy"),
    "config-hung": Truth("vm", "Dovecot's config process hangs", "Dovecot's main or auth process hangs, HAProxy"),
    "narrow-tunnel": Truth("tunnel", "the tunnel is too narrow", "its MTU, Dovecot or Postfix hangs, a firewall"),
    "vps-no-way-back-v4": Truth("public", "the proxy has no way back to clients over IPv4",
                                "HAProxy is stopped, nobody listens, the name is wrong"),
    "here-neighbour-wrong": Truth("public", "this machine sends the proxy's IPv4 packets to a wrong neighbour",
                                  "the proxy is off, or its firewall proven"),
    "here-rejects-993": Truth("public", "this machine's own firewall rejects 993",
                              "the proxy's firewall proven, HAProxy has no listener"),
    "here-drops-465": Truth("public", "this machine's own firewall drops 465", "the proxy's firewall proven"),
    "tls-swallowed": Truth("public", "large packets to 465 are dropped on their way in",
                           "Postfix, the tunnel, HAProxy, no PROXY header"),
    "agent-down": Truth("haproxy", "an agent of HAProxy's says down; the server is well", "its check's port, Dovecot"),
    "client-banned-by-name": Truth("", "nobody that is looked from: another client alone is turned away",
                                   "anything"),
    "swapped-binds": Truth("haproxy", "HAProxy listens on 4190 for imaps and on 993 for sieve",
                           "Dovecot answers in plain text, no PROXY header, a certificate"),
    "server-speaks-tls": Truth("haproxy", "HAProxy begins TLS with sieve's plain port",
                               "Dovecot hangs up, no PROXY header, the check's port"),
    "vm-dnat": Truth("vm", "the mail host leads 10993 to pop3's port", "Dovecot's own listener without TLS, proven"),
    "no-certificate-file": Truth("service", "Postfix finds no certificate file",
                                 "certificate and key do not belong together"),
    "vm-drops-proxy-whole": Truth("vm", "the mail host drops all that comes from the proxy",
                                  "the mail host is off, the tunnel is down"),
    "small-link": Truth("public", "the proxy's link has a small MTU: IPv6 is lost, large packets are cut up",
                        "a firewall proven"),
    "double-bind": Truth("haproxy", "a second section of the same HAProxy takes some clients of 993",
                         "no PROXY header, Dovecot, two HAProxies"),
    "wrong-check-text": Truth("haproxy", "HAProxy's check expects other words of Postfix",
                              "Postfix is ill, its check's port, postscreen's teaser"),
}  # fmt: skip
"""The truth of each, by its id."""
