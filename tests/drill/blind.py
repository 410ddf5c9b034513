"""Faults that were written down, with their truth, before anybody saw what is told of them: none was in a row of the
table as it stood. `BLIND_TRUTH` says where each breaks, why, and what would be false to say; the rows named in `BLIND`
came, or were worded so that they hold, after that look."""

from __future__ import annotations

import re

from msgspec import Struct

from tests.drill.acts import (
    both,
    deny,
    dovecot,
    haproxy,
    hold,
    hosts,
    ip,
    kill,
    location,
    main_cf,
    nft,
    nginx,
    same,
    section,
)
from tests.drill.faults import ALL, DOVECOT, Drill, _drill
from tests.drill.unseen import _sysctl
from tests.reallab import network
from tests.reallab.addresses import CLIENT, MAILCOW, OPER_HOME, ROUTER, TAILNET, TUNNEL, VPS, VPS6, Machine
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


def _listens(lab: RealLab, machine: Machine, port: int, script: str) -> None:
    """Start a program of somebody's, whose listener on that port is `s` and whose connections `kept` keeps."""
    head = f"import socket\ns=socket.create_server(('',{port}))\nkept=[]\n"
    lab.do(machine, "sh", "-c", f'nohup python3 -c "{head}{script}" >/dev/null 2>&1 & echo $! >/run/own.pid')
    lab.wait(lambda: f":{port}" in lab.run(machine, ["ss", "-Hltn"]).stdout, "the program did not start")


def _ends(lab: RealLab, machine: Machine) -> None:
    lab.run(machine, ["sh", "-c", "kill $(cat /run/own.pid)"])


def _scanner(lab: RealLab) -> None:
    """A virus scanner of this machine's takes its own connections to 993, and speaks its own language."""
    _listens(lab, "oper", 9993, "while True:\n c=s.accept()[0]; c.sendall(b'* OK scanner\\r\\n'); kept.append(c)")
    nft("oper", "prerouting", "accept; } chain nat { type nat hook output priority -100; "
        "tcp dport 993 redirect to :9993;")[0](lab)  # fmt: skip


def _no_scanner(lab: RealLab) -> None:
    nft("oper", "prerouting", "")[1](lab)
    _ends(lab, "oper")


def _left_listening(lab: RealLab) -> None:
    """Dovecot has lost its listener of sieve, and something that was left behind holds the port and says nothing."""
    dovecot(lambda t: re.sub(r"  inet_listener sieve_haproxy \{[^}]*\}\n", "", t))[0](lab)
    _listens(lab, "mailcow", 14190, "while True: kept.append(s.accept())")


def _not_left(lab: RealLab) -> None:
    _ends(lab, "mailcow")
    dovecot(same)[1](lab)


def _deaf_backend(lab: RealLab) -> None:
    """nginx asks a program of its own that takes connections and never answers."""
    _listens(lab, "mailcow", 7788, "while True: kept.append(s.accept())")
    nginx(location("proxy_pass http://127.0.0.1:7788;"))[0](lab)


def _no_backend(lab: RealLab) -> None:
    _ends(lab, "mailcow")
    nginx(same)[1](lab)


def _leftover(lab: RealLab) -> None:
    """An HAProxy of before the last reload did not end: it shares 993, by a file that was corrected meanwhile."""
    good = lab.read("vps", "/run/shared/mail.cfg")
    lab.write("vps", "/etc/haproxy/mail.cfg", good.replace(":10993 send", ":10999 send"))
    lab.do("vps", "sh", "-c", "haproxy -W -D -p /run/leftover.pid -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/mail.cfg")
    lab.write("vps", "/etc/haproxy/mail.cfg", good)


def _no_leftover(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/leftover.pid)"])
    lab.wait(lambda: lab.run("vps", ["sh", "-c", "kill -0 $(cat /run/leftover.pid)"]).returncode != 0, "it runs on")
    haproxy(same)[1](lab)


def _twin(lab: RealLab) -> None:
    """Another machine at home has the mail host's address too, and the router believes that one."""
    oper, link = (network.space(lab.name, machine) for machine in ("oper", "link"))
    mac = network.call("ip", "netns", "exec", oper, "cat", "/sys/class/net/lan0/address").strip()
    network.call("ip", "-n", oper, "addr", "add", f"{MAILCOW}/32", "dev", "lan0")
    network.call("ip", "-n", link, *f"neigh replace {MAILCOW} lladdr {mac} dev br0 nud permanent".split())


def _no_twin(lab: RealLab) -> None:
    network.call("ip", "-n", network.space(lab.name, "oper"), "addr", "del", f"{MAILCOW}/32", "dev", "lan0")
    network.call("ip", "-n", network.space(lab.name, "link"), *f"neigh del {MAILCOW} dev br0".split())


def _no_inodes(lab: RealLab) -> None:
    lab.do("mailcow", "mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=4", "tmpfs", "/var/mail")
    lab.run("mailcow", ["sh", "-c", "for n in 1 2 3 4; do : >/var/mail/$n; done"])


def _inodes(lab: RealLab) -> None:
    lab.do("mailcow", "umount", "/var/mail")


RATE = (
    "    stick-table type ip size 1k expire 60s store conn_rate(60s)\n    tcp-request connection track-sc0 src\n"
    "    tcp-request connection reject if {{ sc_conn_rate(0) gt {} }}\n"
)

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
    Drill("narrow-tunnel", ("tunnel/narrow",), ALL, _narrow, _wide),
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
    # a third time, with other eyes, all of them written and committed before the first was made
    _drill("half-open-443", "", (443,), nft("vps", "output", 'oifname "eth0" tcp sport 443 meta length > 120 drop;')),
    _drill("half-open-10993", "", (993,), nft(
        "mailcow", "input", "ip saddr 100.64.0.1 tcp dport 10993 tcp flags & syn != syn drop;")),
    Drill("too-many-993", ("vps-filter/drop",), (993,),
          both(hold("many", "client", 993, 2, VPS)[0],
               nft("vps", "input", 'iifname "eth0" tcp dport 993 tcp flags & (syn|ack) == syn drop;')[0]),
          both(nft("vps", "input", "")[1], hold("many", "client", 993, 2, VPS)[1])),
    _drill("tarpit-443", "haproxy-listener/denies", (443,), haproxy(deny("http-request tarpit"), main=True)),
    _drill("vm-default-astray", "vm/no-way-back", ALL, ip(
        "mailcow", f"route replace default via {OPER_HOME}", "route replace default via 10.10.10.1")),
    _drill("stale-aaaa", "name/wrong-address", ALL, hosts(lambda t: t.replace(f"{VPS6} ", "2001:db8:113::66 "))),
    _drill("v6-route-gone", "vps-filter/drop-family", ALL, ip(
        "vps", "-6 route del 2001:db8:113::/64 dev eth0", "-6 route add 2001:db8:113::/64 dev eth0")),
    Drill("leftover", ("haproxy-process/two", "haproxy-server/wrong-target"), (993,), _leftover, _no_leftover),
    _drill("bound-to-tunnel", "haproxy-listener/loopback-only", (993,), haproxy(section("imaps", lambda t: t.replace(
        "bind :993", f"bind {TAILNET}:993").replace("    bind :::993 v6only\n", "")))),
    _drill("qmgr-hung", "", (), kill("mailcow", "-f", "^qmgr -l")),
    _drill("tlsmgr-hung", "", (465,), kill("mailcow", "-f", "^tlsmgr -l")),
    _drill("postfix-anvil-hung", "", (465,), kill("mailcow", "-f", "^anvil -l")),
    Drill("twin-address", (), ALL, _twin, _no_twin),
    _drill("rate-limited", "haproxy-listener/rejects-us", (993,), haproxy(
        section("imaps", lambda t: t + RATE.format(0)))),
    Drill("no-inodes", (), (), _no_inodes, _inodes),
    _drill("server-disabled", "haproxy-server/maintenance", (4190,), _server("sieve", r"\g<0> disabled")),
    _drill("two-headers", "haproxy-server/wrong-target", (993,), haproxy(
        lambda t: t.replace(f"{MAILCOW}:10993 send", "127.0.0.1:9993 send")
        + f"listen again\n    bind 127.0.0.1:9993\n    mode tcp\n    server vm {MAILCOW}:10993 send-proxy\n")),
    _drill("sni-only", "haproxy-listener/rejects-us", (465,), haproxy(section(
           "smtps", lambda t: t + "    tcp-request inspect-delay 3s\n"
           "    tcp-request content reject unless { req.ssl_sni -i smtp.other.example }\n"))),
    Drill("deaf-backend", (), (443,), _deaf_backend, _no_backend),
    Drill("left-listening", (), (4190,), _left_listening, _not_left),
    _drill("vm-ttl", "", ALL, _sysctl("mailcow", "net.ipv4.ip_default_ttl", "1", "64")),
    _drill("no-tls-version", "", (465,), main_cf(
        "smtpd_tls_protocols = TLSv1\nsmtpd_tls_mandatory_protocols = TLSv1")),
    _drill("router-no-way-back", "tunnel/down", ALL, ip(
        "link", f"rule add from all to {TAILNET} priority 1 blackhole", f"rule del from all to {TAILNET} priority 1")),
    _drill("mss-dropped", "vm-filter/from-proxy", ALL, nft(
        "link", "forward", f'iifname "{TUNNEL}" tcp flags syn tcp option maxseg size > 1000 drop;')),
    Drill("scanner-here", ("vps-filter/redirect", "vps-filter/reject"), (993,), _scanner, _no_scanner),
    # a fourth time, after what the third look had shown was mended
    _drill("router-resets-14190", "vm-filter/from-proxy", (4190,), nft(
        "link", "forward", f'iifname "{TUNNEL}" tcp dport 14190 reject with tcp reset;')),
    _drill("client-restrictions", "daemon/says-no", (465,), main_cf(
        "smtpd_client_restrictions = reject\nsmtpd_delay_reject = no")),
    _drill("v4-unreachable-here", "", (), ip(
        "oper", f"route add unreachable {VPS}/32", f"route del unreachable {VPS}/32")),
    _drill("switch-off", "", ALL, ip("link", "link set to-mailcow down", "link set to-mailcow up"), "mail"),
    _drill("tunnel-address-gone", "vps/route-missing", ALL, ip(
        "vps", f"addr del {TAILNET}/32 dev {TUNNEL}", f"addr add {TAILNET}/32 peer {ROUTER} dev {TUNNEL}; "
        f"route replace 10.10.10.0/24 via {ROUTER} dev {TUNNEL} onlink")),
    _drill("deny-429", "haproxy-listener/denies", (443,), haproxy(
        deny("http-request deny deny_status 429"), main=True)),
    _drill("web-header", "haproxy-listener/denies", (443,), haproxy(
        lambda t: t.replace("214:80 check", "214:80 check send-proxy"), main=True)),
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
    "half-open-443": Truth("public", "the proxy's own filter drops what HAProxy answers on 443, all but small packets",
                           "HAProxy hangs, nginx, its listener is full"),
    "half-open-10993": Truth("vm", "the mail host lets first packets to 10993 in, and nothing after them",
                             "Dovecot hangs or is crowded, the tunnel's MTU, HAProxy"),
    "too-many-993": Truth("public", "the proxy's filter lets no more connections to 993 in, those that are made go on",
                          "HAProxy's maxconn, no listener"),
    "tarpit-443": Truth("haproxy", "HAProxy lets web clients wait, and answers an error itself",
                        "nginx hangs or answers so, HAProxy hangs"),
    "vm-default-astray": Truth("vm", "the mail host's default route leads to a machine that passes nothing on",
                               "the mail host is off, the tunnel is down, its filter, proven"),
    "stale-aaaa": Truth("public", "the name's AAAA is an address that nobody has",
                        "a firewall, HAProxy has no listener"),
    "v6-route-gone": Truth("public", "the proxy has no IPv6 route to its clients", "the name is wrong, HAProxy"),
    "leftover": Truth("haproxy", "an HAProxy of before the last reload still takes some clients, and leads them astray",
                      "Dovecot, the tunnel, no PROXY header, a check's port"),
    "bound-to-tunnel": Truth("public", "HAProxy listens on 993 at the tunnel's address alone",
                             "a firewall, HAProxy is stopped, at the loopback interface alone"),
    "qmgr-hung": Truth("", "Postfix's queue manager hangs: no client sees it", "anything of a lane"),
    "tlsmgr-hung": Truth("service", "Postfix's tlsmgr hangs: TLS waits for it", "Dovecot, certificates, HAProxy"),
    "postfix-anvil-hung": Truth("service", "Postfix's anvil hangs: smtpd waits for it", "Dovecot, HAProxy, the tunnel"),
    "twin-address": Truth("vm", "another machine at home has the mail host's address",
                          "a firewall, proven; Docker publishes nothing, a daemon does not listen, proven"),
    "rate-limited": Truth("haproxy", "a rate limit of HAProxy's turns clients of 993 away",
                          "Dovecot, no PROXY header, no server"),
    "no-inodes": Truth("", "the mail's disk has no inode left: no lane shows it", "anything of a lane"),
    "server-disabled": Truth("haproxy", "the server line says disabled", "Dovecot, the check"),
    "two-headers": Truth("haproxy", "HAProxy sends imaps through another listener of its own: two headers",
                         "no PROXY header, Dovecot distrusts the proxy, Dovecot's TLS"),
    "sni-only": Truth("haproxy", "HAProxy turns away who asks for another name in TLS", "Postfix, certificates"),
    "deaf-backend": Truth("service", "nginx waits for a program behind it that never answers",
                          "nginx's process is stopped, HAProxy, the tunnel"),
    "left-listening": Truth("vm", "another program than Dovecot holds 14190, and says nothing",
                            "Dovecot's process limit or hang, proven; the tunnel"),
    "vm-ttl": Truth("vm", "the mail host's packets die at the router: their TTL is 1",
                    "the mail host is off, proven; its filter, proven; the tunnel is down"),
    "no-tls-version": Truth("service", "Postfix allows TLS 1.0 alone, which nobody speaks",
                            "certificate and key, no PROXY header"),
    "router-no-way-back": Truth("tunnel", "the router at home has no way back into the tunnel",
                                "the mail host is off, its filter, proven"),
    "mss-dropped": Truth("vm", "the router at home drops connections by the segment size that they offer",
                         "the mail host is off, Docker, a daemon"),
    "scanner-here": Truth("public", "a program of this machine takes connections to 993 before they leave",
                          "Dovecot answers in plain text, a certificate, HAProxy"),
    "router-resets-14190": Truth("vm", "the router at home resets connections to 14190",
                                 "Dovecot does not listen, Docker publishes nothing"),
    "client-restrictions": Truth("service", "Postfix turns every client of 465 away", "HAProxy, no PROXY header"),
    "v4-unreachable-here": Truth("", "this machine has no IPv4 route to the proxy: clients have", "anything of a lane"),
    "switch-off": Truth("vm", "the mail host's cable or switch port at home is dead",
                        "the mail host is off, proven; the tunnel is down"),
    "tunnel-address-gone": Truth("tunnel", "the proxy has lost its own address in the tunnel",
                                 "the mail host is off, its filter, proven"),
    "deny-429": Truth("haproxy", "HAProxy turns web clients away with 429", "nginx says so"),
    "web-header": Truth("haproxy", "HAProxy sends nginx a PROXY header, which it takes for a broken request",
                        "nginx itself turns clients away"),
}  # fmt: skip
"""The truth of each, by its id."""
