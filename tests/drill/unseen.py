"""Faults that were thought of after the table was frozen for the second time: networks, limits, stray programs
and files. A truth of () is in no row of the table: only the hop can be told, or rivals with room for something else."""

from __future__ import annotations

from tests.drill.acts import (
    both,
    dovecot,
    haproxy,
    hold,
    hosts,
    ip,
    kill,
    location,
    master,
    nft,
    nginx,
    same,
    section,
)
from tests.drill.faults import ALL, DOVECOT, MAIL, Drill, _drill
from tests.reallab import network
from tests.reallab.addresses import MAILCOW, TUNNEL, VPS
from tests.reallab.lab import RealLab

DEAD = "/etc/haproxy/old.cfg"


def _nat(machine: str, hook: str, rule: str):  # type: ignore[no-untyped-def]
    priority = "-100" if hook == "prerouting" else "100"
    return nft(machine, "output", "accept; } chain nat { type nat hook " + f"{hook} priority {priority}; {rule}")


def _old_file(lab: RealLab) -> None:
    """Somebody started HAProxy by hand, on an old file in which sieve led elsewhere and imaps was not described."""
    text = lab.read("vps", "/run/shared/mail.cfg").replace(":14190 send", ":10110 send")
    main = lab.read("vps", "/etc/haproxy/haproxy.cfg")
    lab.do("vps", "systemctl", "stop", "haproxy")
    lab.write("vps", DEAD, main + section("imaps", lambda found: "")(text))
    lab.do("vps", "/usr/sbin/haproxy", "-D", "-p", "/run/old.pid", "-f", DEAD)


def _new_file(lab: RealLab) -> None:
    lab.run("vps", ["sh", "-c", "kill $(cat /run/old.pid)"])
    lab.do("vps", "systemctl", "start", "haproxy")


def _sysctl(machine: str, key: str, value: str, back: str):  # type: ignore[no-untyped-def]
    def put(which: str):  # type: ignore[no-untyped-def]
        return lambda lab: network.inside(lab.name, machine, "sysctl", "-qw", f"{key}={which}") and None

    return put(value), put(back)


def _read_only(lab: RealLab) -> None:
    lab.do("mailcow", "mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/mail")


def _writable(lab: RealLab) -> None:
    lab.do("mailcow", "umount", "/var/mail")


def _banner(lab: RealLab) -> None:
    """Another program took Postfix's port of 465, and speaks another language."""
    master(lambda t: t.replace("10465     inet", "10466     inet"))[0](lab)
    script = (
        "import socket,time\ns=socket.create_server(('',10465))\nkept=[]\n"
        "while True:\n c=s.accept()[0]; c.sendall(b'SSH-2.0-dropbear\\r\\n'); kept.append(c)"
    )
    lab.do("mailcow", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/banner.pid')


def _unbanner(lab: RealLab) -> None:
    lab.run("mailcow", ["sh", "-c", "kill $(cat /run/banner.pid)"])
    master(same)[1](lab)


def _imaps(line: str):  # type: ignore[no-untyped-def]
    return haproxy(section("imaps", lambda t: t + f"    {line}\n"))


_ALL = (
    _drill("mtu-out", "tunnel/mtu", (465, 993), nft("vps", "output", f'oifname "{TUNNEL}" meta length > 400 drop;')),
    _drill("vm-blackhole-back", "vm/no-way-back", ALL,
           ip("mailcow", "route add blackhole 100.64.0.1/32", "route del blackhole 100.64.0.1/32")),
    _drill("new-rate-vps", "vps-filter/drop", ALL, nft("vps", "input", 'iifname "eth0" tcp flags & (syn|ack) == syn '
                                        "limit rate over 6/minute burst 3 packets drop;")),
    _drill("new-rate-vm", "vm-filter/from-proxy", ALL,
           nft("mailcow", "input", "ip saddr 100.64.0.1 tcp flags & (syn|ack) == syn "
                                       "limit rate over 1/second burst 2 packets drop;")),
    Drill("old-file", ("haproxy-listener/absent", "haproxy-server/wrong-target"), DOVECOT, _old_file, _new_file),
    Drill("port-stolen", (), (465,), _banner, _unbanner),
    Drill("mail-read-only", (), (), _read_only, _writable),
    _drill("name-at-home", "name/wrong-address", ALL, hosts(lambda t: t.replace(f"{VPS} ", f"{MAILCOW} "))),
    _drill("name-third", "name/wrong-address", ALL,
           hosts(lambda t: t + "203.0.113.99 mail.benoit.jp.net\n")),
    _drill("v6-reject", "vps-filter/reject", (25, 465),
           nft("vps", "input", 'iifname "eth0" ip6 nexthdr tcp tcp dport {25,465} reject with tcp reset;')),
    Drill("router-snat", ("dovecot/untrusted-proxy",), DOVECOT, lambda lab: lab.snat(True),
          lambda lab: lab.snat(False)),
    Drill("relayed", (), (), lambda lab: lab.tunnel(delay=0.15, jitter=0.05), lambda lab: lab.tunnel()),
    Drill("haproxy-full", ("haproxy-process/maxconn",), ALL,
          both(haproxy(lambda t: t.replace("global\n", "global\n    maxconn 4\n"), main=True)[0],
               hold("full", "client", 993, 4, VPS)[0]),
          both(hold("full", "client", 993, 4, VPS)[1], haproxy(same, main=True)[1])),
    _drill("nginx-444", "", (443,), nginx(location("return 444;"))),
    _drill("client-cert", "", (443,), haproxy(lambda t: t.replace(
        "certs/\n", "certs/ verify required ca-file /etc/ssl/certs/ca-certificates.crt\n"), main=True)),
    _drill("accept-proxy", "", (993,), haproxy(section("imaps", lambda t: t.replace(
        "bind :993", "bind :993 accept-proxy").replace("v6only", "v6only accept-proxy")))),
    _drill("wrong-source", "vps-filter/haproxy-outbound", (993,),
           haproxy(lambda t: t.replace("10993 send-proxy", "10993 source 192.0.2.7 send-proxy"))),
    _drill("inspect-delay", "", (465,), haproxy(section(
        "smtps", lambda t: t + "    tcp-request inspect-delay 20s\n    tcp-request content accept if WAIT_END\n"))),
    _drill("second-dead", "haproxy-server/shared", (993,), _imaps("server old 10.10.10.214:10999 send-proxy")),
    _drill("smtps-plain", "daemon/no-tls", (465,), master(lambda t: t.replace(
        "smtpd_upstream_proxy_protocol=haproxy\n  -o smtpd_tls_wrappermode=yes",
        "smtpd_upstream_proxy_protocol=haproxy\n  -o smtpd_tls_wrappermode=no"))),
    _drill("dovecot-no-ssl", "daemon/listener-absent", (993,), dovecot(lambda t: t + "\nssl = no\n")),
    _drill("nginx-inward", "publication/inward", (443,), nginx(
        lambda t: t.replace("listen 80;", "listen 127.0.0.1:80;").replace("[::]:80", "[::1]:80"))),
    _drill("imaps-inward", "publication/inward", (993,), dovecot(
        lambda t: t.replace("port = 10993", "port = 10993\n    address = 127.0.0.1"))),
    _drill("arp-wrong", "", ALL, ip("link", f"neigh replace {MAILCOW} lladdr 02:00:00:00:00:01 dev br0 nud permanent",
                                    f"neigh del {MAILCOW} dev br0")),
    _drill("no-forwarding", "home-router/does-not-forward", ALL, _sysctl("link", "net.ipv4.ip_forward", "0", "1")),
    _drill("prohibited", "vps/route-missing", ALL,
           ip("vps", f"route add prohibit {MAILCOW}/32", f"route del prohibit {MAILCOW}/32")),
    _drill("route-astray", "vps/route-missing", ALL, ip("vps", f"route add {MAILCOW}/32 via 203.0.113.1 dev eth0",
                                       f"route del {MAILCOW}/32 via 203.0.113.1 dev eth0")),
    _drill("web-check-wrong", "haproxy-check/false-alarm", (443,),
           haproxy(lambda t: t.replace(":80 check", ":80 check port 81"), main=True)),
    _drill("here-mtu", "here/large-packets", (), nft("oper", "input", 'iifname "wan0" meta length > 700 drop;')),
    _drill("banned-here", "vps-filter/drop-family", ALL, nft("vps", "input", "ip saddr 203.0.113.50 drop;")),
    _drill("router-dnat", "", (4190,), _nat("link", "prerouting", "tcp dport 14190 dnat ip to 10.10.10.214:10993;")),
    _drill("dovecot-halted", "daemon/hung", DOVECOT, kill("mailcow", "-f", "^(/usr/sbin/)?dovecot")),
    _drill("vm-only-large", "", MAIL, nft("mailcow", "output", "tcp sport {10025,10465,10993,14190} meta length > 300 "
                                          "drop;")),
)  # fmt: skip

UNSEEN = {each.id: each for each in _ALL}
"""Every one by its id."""
