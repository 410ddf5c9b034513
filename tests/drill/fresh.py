"""Faults that were thought of after the table was written, most of them in no row of it: what cannot be named must not
be misnamed. A truth of () is in no row: then only the hop can be told, or rivals with room for something else."""

from __future__ import annotations

import re

from tests.drill.acts import dovecot, haproxy, hosts, ip, kill, location, main_cf, master, nft, nginx, same, section
from tests.drill.faults import ALL, DOVECOT, Drill, _drill
from tests.reallab.addresses import CLIENT6, MAILCOW, VPS6
from tests.reallab.lab import RealLab

HEADERLESS = r"    haproxy = yes\n"


def _squat(lab: RealLab) -> None:
    """Somebody else has Dovecot's sieve port and hangs up."""
    dovecot(_without("sieve_haproxy"))[0](lab)
    script = "import socket\ns=socket.create_server(('',14190))\nwhile True: s.accept()[0].close()"
    lab.do("mailcow", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/squat.pid')


def _unsquat(lab: RealLab) -> None:
    lab.run("mailcow", ["sh", "-c", "kill $(cat /run/squat.pid)"])
    dovecot(same)[1](lab)


def _milter(lab: RealLab) -> None:
    """Postfix asks a milter that accepts and says nothing, before it greets."""
    script = "import socket,time\ns=socket.create_server(('127.0.0.1',7777))\ntime.sleep(600)"
    lab.do("mailcow", "sh", "-c", f'nohup python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/milter.pid')
    main_cf("smtpd_milters = inet:127.0.0.1:7777")[0](lab)


def _unmilter(lab: RealLab) -> None:
    lab.run("mailcow", ["sh", "-c", "kill $(cat /run/milter.pid)"])
    main_cf("")[1](lab)


def _without(listener: str):  # type: ignore[no-untyped-def]
    return lambda text: re.sub(rf"  inet_listener {listener} \{{[^}}]*\}}\n", "", text)


_ALL = (
    _drill(
        "no-way-back", "vm/no-way-back", ALL, ip("mailcow", "route del default", "route add default via 10.10.10.1")
    ),
    _drill("out-drop-10993", "vm-filter/from-proxy", (993,), nft("vps", "output", "tcp dport 10993 drop;")),
    _drill("router-drop-14190", "vm-filter/from-proxy", (4190,), nft("link", "forward", "tcp dport 14190 drop;")),
    _drill(
        "no-haproxy-on-10993",
        "daemon/no-header-wanted",
        (993,),
        dovecot(
            lambda t: re.sub(
                r"(inet_listener imaps_haproxy \{\n    port = 10993\n    ssl = yes\n)    haproxy = yes\n", r"\1", t
            )
        ),
    ),
    _drill(
        "no-proxy-on-10465",
        "daemon/no-header-wanted",
        (465,),
        master(lambda t: t.replace("  -o smtpd_upstream_proxy_protocol=haproxy\n", "", 1)),
    ),
    _drill(
        "no-proxy-on-10025",
        "daemon/no-header-wanted",
        (25,),
        master(lambda t: t.replace("  -o postscreen_upstream_proxy_protocol=haproxy\n", "")),
    ),
    _drill(
        "haproxy-loop",
        "haproxy-listener/redirect-loop",
        (443,),
        haproxy(
            lambda t: t.replace(
                "    default_backend web",
                "    http-request redirect location https://mail.benoit.jp.net/\n    default_backend web",
            ),
            main=True,
        ),
    ),
    _drill(
        "v4-only-993",
        "haproxy-listener/absent",
        (993,),
        haproxy(section("imaps", lambda t: t.replace("    bind :::993 v6only\n", ""))),
    ),
    _drill(
        "vps-lost-v6",
        "vps/lost-family",
        ALL,
        ip("vps", f"addr del {VPS6}/64 dev eth0", f"addr add {VPS6}/64 dev eth0 nodad"),
    ),
    _drill(
        "sieve-off", "daemon/listener-absent", (4190,), dovecot(lambda t: t.replace("imap sieve pop3", "imap pop3"))
    ),
    _drill("no-10025", "daemon/listener-absent", (25,), master(lambda t: re.sub(r"10025 +inet.*\n(?:  .*\n)*", "", t))),
    _drill("nginx-404", "daemon/says-no", (443,), nginx(location("return 404;"))),
    _drill(
        "web-elsewhere",
        "haproxy-server/wrong-target",
        (443,),
        haproxy(lambda t: t.replace("214:80 check", "214:81 check"), main=True),
    ),
    _drill(
        "content-reject",
        "haproxy-listener/rejects-us",
        (993,),
        haproxy(section("imaps", lambda t: t + "    tcp-request content reject\n")),
    ),
    _drill(
        "silent-drop",
        "haproxy-listener/rejects-us",
        (465,),
        haproxy(section("smtps", lambda t: t + "    tcp-request connection silent-drop\n")),
    ),
    Drill("milter-hangs", ("daemon/slow-greeting",), (465,), _milter, _unmilter),
    _drill("milter-dead", "", (465,), main_cf("smtpd_milters = inet:127.0.0.1:7777")),
    _drill("wrong-aaaa", "name/wrong-address", ALL, hosts(lambda t: t.replace(f"{VPS6} ", f"{CLIENT6} "))),
    _drill(
        "unreachable-route",
        "vps/route-missing",
        ALL,
        ip("vps", f"route add unreachable {MAILCOW}/32", f"route del unreachable {MAILCOW}/32"),
    ),
    _drill("nginx-hung", "daemon/hung", (443,), kill("mailcow", "-x", "nginx")),
    _drill("master-hung", "", (465,), kill("mailcow", "-x", "master")),
    Drill("sieve-squatted", (), (4190,), _squat, _unsquat),
    _drill("wan-loss", "here/loss", ALL, nft("vps", "input", 'iifname "eth0" numgen random mod 2 == 0 drop;')),
    _drill(
        "vm-loss", "tunnel/loss", ALL, nft("mailcow", "input", "ip saddr 100.64.0.1 numgen random mod 2 == 0 drop;")
    ),
    _drill(
        "vm-loss20",
        "tunnel/loss",
        ALL,
        nft(
            "mailcow",
            "input",
            "ip saddr 100.64.0.1 numgen random mod 5 == 0 drop; } chain out { type filter hook output priority -10; "
            "ip daddr 100.64.0.1 numgen random mod 5 == 0 drop;",
        ),
    ),
    _drill("wan-loss20", "here/loss", ALL, nft("vps", "input", 'iifname "eth0" numgen random mod 5 == 0 drop;')),
    _drill(
        "two-10993", "haproxy-server/wrong-target", (4190,), haproxy(lambda t: t.replace(":14190 send", ":10993 send"))
    ),
    _drill(
        "dovecot-tls13",
        "",
        (993,),
        dovecot(
            lambda t: t.replace(
                "= TLSv1.2", "= TLSv1.2\nssl_cipher_list = NULL\nssl_cipher_suites = TLS_AES_128_CCM_8_SHA256"
            )
        ),
    ),
    _drill("imaps-starttls", "", DOVECOT, dovecot(lambda t: t.replace("port = 10993\n    ssl = yes", "port = 10993"))),
)

FRESH = {each.id: each for each in _ALL}
"""Every one by its id."""
