"""Faults of the real lab that no rule was written for, one at a time: what is broken, and which suspect it truly is.

A new mode is one row in console/diagnosis/modes_*.py and one entry here; `python -m tests.drill.record ID`, as root,
records what a sweep sees of it, and `make drill` tells how well that is explained."""

from __future__ import annotations

import re

from msgspec import Struct

from console.model import Role
from tests.drill.acts import (
    NAME,
    both,
    deny,
    dovecot,
    empty,
    end_second,
    fill,
    haproxy,
    hold,
    hosts,
    ip,
    kill,
    location,
    main_cf,
    master,
    mismatch,
    nft,
    nginx,
    no_socket,
    restart,
    route,
    same,
    second_haproxy,
    section,
    services,
    socket,
    squat,
    unsquat,
)
from tests.reallab import network
from tests.reallab.addresses import CLIENT, CLIENT6, MAILCOW, TUNNEL, VPS, VPS6
from tests.reallab.faults import FAULTS as KNOWN
from tests.reallab.faults import Act, _deploy, _renew, forget


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


def _drill(id: str, truth: str, ports: tuple[int, ...], acts: tuple[Act, Act], *closed: Role) -> Drill:
    return Drill(id, tuple(truth.split()), ports, *acts, closed)


ALL, MAIL, DOVECOT, POSTFIX = (25, 465, 993, 4190, 443), (25, 465, 993, 4190), (993, 4190), (25, 465)

_SINGLE = (
    _drill(
        "maint",
        "haproxy-server/maintenance",
        (25,),
        socket("disable server smtp/mailcow", "enable server smtp/mailcow"),
    ),
    _drill("haproxy-frozen", "haproxy-process/frozen", ALL, kill("vps", "-x", "haproxy")),
    Drill(
        "maxconn",
        ("haproxy-listener/maxconn",),
        (993,),
        both(haproxy(section("imaps", lambda t: t + "    maxconn 1\n"))[0], hold("maxconn", "client", 993, 1, VPS)[0]),
        both(hold("maxconn", "client", 993, 1, VPS)[1], haproxy(same)[1]),
    ),
    _drill(
        "no-server",
        "haproxy-server/absent",
        (465,),
        haproxy(section("smtps", lambda t: re.sub(r" +server .*", "", t))),
    ),
    _drill(
        "wrong-port",
        "haproxy-server/wrong-target",
        (4190,),
        haproxy(lambda t: t.replace(":14190 send", ":14191 send")),
    ),
    _drill(
        "wrong-address", "haproxy-server/wrong-target", (465,), haproxy(lambda t: t.replace("214:10465", "215:10465"))
    ),
    _drill(
        "swapped",
        "haproxy-server/wrong-target",
        DOVECOT,
        haproxy(
            lambda t: (
                t.replace(":10993 send", ":X send")
                .replace(":14190 send", ":10993 send")
                .replace(":X send", ":14190 send")
            )
        ),
    ),
    _drill(
        "loopback-only",
        "haproxy-listener/loopback-only",
        (993,),
        haproxy(
            section(
                "imaps", lambda t: t.replace("bind :993", "bind 127.0.0.1:993").replace("bind :::993", "bind ::1:993")
            )
        ),
    ),
    _drill("not-reloaded", "haproxy-listener/absent", (4190,), haproxy(section("sieve", lambda t: ""))),
    _drill("two-haproxies", "haproxy-process/two", (993,), (second_haproxy, end_second)),
    _drill(
        "bad-check",
        "haproxy-check/false-alarm",
        (993,),
        haproxy(lambda t: t.replace("check port 10993", "check port 10999")),
    ),
    _drill("http-403", "haproxy-listener/denies", (443,), haproxy(deny("http-request deny"), main=True)),
    _drill("http-500", "haproxy-listener/denies", (443,), haproxy(deny("http-request return status 500"), main=True)),
    _drill("no-stats", "", ALL, (no_socket, restart)),
    _drill("fw-drop-993", "vps-filter/drop", (993,), nft("vps", "input", 'iifname "eth0" tcp dport 993 drop;')),
    _drill(
        "fw-reject-465",
        "vps-filter/reject",
        (465,),
        nft("vps", "input", 'iifname "eth0" tcp dport 465 reject with tcp reset;'),
    ),
    _drill(
        "vps-off",
        "vps/off",
        ALL,
        ip("vps", "link set eth0 down", f"link set eth0 up; addr replace {VPS6}/64 dev eth0 nodad"),
        "proxy",
    ),
    _drill("v6-blackhole", "vps-filter/drop-family", ALL, nft("vps", "input", 'iifname "eth0" ip6 nexthdr tcp drop;')),
    _drill("mtu", "tunnel/mtu", (465, 993), nft("link", "forward", f'oifname "{TUNNEL}" meta length > 500 drop;')),
    _drill(
        "one-way",
        "tunnel/down",
        ALL,
        nft(
            "link",
            "output",
            f'oifname "{TUNNEL}" drop; }} chain forward {{ type filter hook forward priority -10; '
            f'oifname "{TUNNEL}" drop;',
        ),
    ),
    Drill("loss30", ("tunnel/loss",), ALL, lambda lab: lab.tunnel(loss=0.3), lambda lab: lab.tunnel()),
    _drill(
        "home-router-down",
        "home-router/down",
        ALL,
        nft("link", "input", "drop; } chain forward { type filter hook forward priority -10; drop;"),
        "mail",
    ),
    Drill("route-missing", ("vps/route-missing",), ALL, route, lambda lab: network.route(lab.name)),
    _drill(
        "vm-off",
        "vm/off",
        ALL,
        ip("mailcow", "link set eth0 down", "link set eth0 up; route replace default via 10.10.10.1"),
        "mail",
    ),
    _drill(
        "vm-moved",
        "vm/other-address",
        ALL,
        ip(
            "mailcow",
            f"addr del {MAILCOW}/24 dev eth0; addr add 10.10.10.99/24 dev eth0",
            f"addr del 10.10.10.99/24 dev eth0; addr add {MAILCOW}/24 dev eth0; route replace default via 10.10.10.1",
        ),
        "mail",
    ),
    _drill(
        "vm-moved-open",
        "vm/other-address",
        ALL,
        ip(
            "mailcow",
            f"addr del {MAILCOW}/24 dev eth0; addr add 10.10.10.99/24 dev eth0",
            f"addr del 10.10.10.99/24 dev eth0; addr add {MAILCOW}/24 dev eth0; route replace default via 10.10.10.1",
        ),
    ),
    _drill(
        "vm-fw-drop",
        "vm-filter/from-proxy",
        MAIL,
        nft("mailcow", "input", "ip saddr 100.64.0.1 tcp dport {10025,10465,10993,14190} drop;"),
    ),
    _drill(
        "vm-fw-reject",
        "vm-filter/from-proxy",
        (993,),
        nft("mailcow", "input", "ip saddr 100.64.0.1 tcp dport 10993 reject;"),
    ),
    _drill("auth-hung", "dovecot/auth-hung", DOVECOT, kill("mailcow", "-f", "^dovecot/auth")),
    _drill(
        "listener-removed",
        "daemon/listener-absent",
        (993,),
        dovecot(lambda t: re.sub(r"  inet_listener imaps_haproxy \{[^}]*\}\n", "", t)),
    ),
    _drill(
        "imap-off",
        "daemon/listener-absent",
        (993,),
        dovecot(lambda t: t.replace("protocols = imap sieve pop3", "protocols = sieve pop3")),
    ),
    _drill(
        "imaps-plain",
        "daemon/no-tls",
        (993,),
        dovecot(
            lambda t: t.replace("    ssl = yes\n", "").replace(
                "  inet_listener imap_haproxy",
                "  inet_listener imaps {\n    port = 993\n    ssl = no\n  }\n  inet_listener imap_haproxy",
            )
        ),
    ),
    _drill("disk-full", "", (), (fill, empty)),
    Drill(
        "smtpd-busy",
        ("daemon/process-limit",),
        (465,),
        both(
            master(lambda t: re.sub(r"(?m)^(10465 .*?)-( +smtpd)$", r"\g<1>1\2", t))[0],
            hold("busy", "vps", 10465, 1, MAILCOW)[0],
        ),
        both(hold("busy", "vps", 10465, 1, MAILCOW)[1], master(same)[1]),
    ),
    _drill("key-mismatch", "certificate/key-mismatch", (465, 993), (mismatch, _renew)),
    _drill(
        "postscreen-drops",
        "daemon/says-no",
        (25,),
        main_cf("postscreen_access_list = static:reject\npostscreen_denylist_action = drop"),
    ),
    _drill("nginx-502", "daemon/says-no", (443,), nginx(location("proxy_pass http://127.0.0.1:9999;"))),
    Drill("nginx-stopped", ("daemon/stopped",), (443,), services("stop", "nginx"), services("start", "nginx")),
    _drill(
        "nginx-moved",
        "daemon/listener-absent",
        (443,),
        nginx(lambda t: t.replace("listen 80;", "listen 8080;").replace("[::]:80;", "[::]:8080;")),
    ),
    _drill("redirect-loop", "daemon/redirect-loop", (443,), nginx(location(f"return 301 https://{NAME}/;"))),
    Drill(
        "all-containers-stopped",
        ("vm/docker-down",),
        ALL,
        services("stop", "postfix", "dovecot", "nginx"),
        both(services("start", "dovecot"), services("start", "postfix", "nginx")),
    ),
    _drill(
        "dns-wrong",
        "name/wrong-address",
        ALL,
        hosts(lambda t: t.replace(f"{VPS} ", f"{CLIENT} ").replace(f"{VPS6} ", f"{CLIENT6} ")),
    ),
    _drill("dns-none", "name/none", ALL, hosts(lambda t: t.replace(f" {NAME}", ""))),
    _drill("only-aaaa", "", (), hosts(lambda t: t.replace(f"{VPS} {NAME}", VPS))),
    _drill("one-a-wrong", "name/wrong-address", ALL, hosts(lambda t: t.replace(f"{VPS} ", f"{CLIENT} "))),
    _drill(
        "here-offline",
        "here/offline",
        ALL,
        ip("oper", "link set wan0 down", "link set wan0 up; addr replace 2001:db8:113::50/64 dev wan0 nodad"),
        "proxy",
    ),
    _drill("25-blocked-here", "here/blocks-25", (25,), nft("oper", "output", "tcp dport 25 drop;")),
    Drill(
        "timeouts",
        ("haproxy-listener/timeout",),
        (25,),
        both(haproxy(section("smtp", lambda t: t + "    timeout server 2s\n"))[0], forget),
        haproxy(same)[1],
    ),
    _drill(
        "wraps-tls",
        "haproxy-listener/wraps-tls",
        (993,),
        haproxy(
            section(
                "imaps",
                lambda t: t.replace("bind :993", "bind :993 ssl crt /etc/haproxy/certs/").replace(
                    "bind :::993 v6only", "bind :::993 v6only ssl crt /etc/haproxy/certs/"
                ),
            )
        ),
    ),
    _drill(
        "mode-http",
        "haproxy-listener/mode-http",
        (4190,),
        haproxy(section("sieve", lambda t: t.replace("mode tcp\n    option tcplog", "mode http\n    option httplog"))),
    ),
    _drill(
        "rejects-us",
        "haproxy-listener/rejects-us",
        (993,),
        haproxy(
            section(
                "imaps", lambda t: t + "    tcp-request connection reject if { src 203.0.113.50 2001:db8:113::50 }\n"
            )
        ),
    ),
    _drill("other-program-on-443", "haproxy-process/stopped vps/other-program", ALL, (squat, unsquat)),
    _drill(
        "nat-993-to-22",
        "vps-filter/redirect",
        (993,),
        nft(
            "vps",
            "output",
            '} chain pre { type nat hook prerouting priority -100; iifname "eth0" tcp dport 993 redirect to :22;',
        ),
    ),
    _drill(
        "weight-0",
        "haproxy-server/drain",
        (25,),
        socket("set server smtp/mailcow weight 0", "set server smtp/mailcow weight 100%"),
    ),
    _drill(
        "drain",
        "haproxy-server/drain",
        (465,),
        socket("set server smtps/mailcow state drain", "set server smtps/mailcow state ready"),
    ),
    _drill(
        "frontend-disabled",
        "haproxy-listener/disabled",
        (993,),
        socket("disable frontend imaps", "enable frontend imaps"),
    ),
    _drill(
        "haproxy-outbound",
        "vps-filter/haproxy-outbound",
        (25,),
        nft("vps", "output", "meta skuid haproxy tcp dport 10025 drop;"),
    ),
    _drill("postscreen-frozen", "daemon/hung-port", (25,), kill("mailcow", "-x", "postscreen")),
    Drill("expired-443", (), (443,), _deploy("expired", "well", "well"), _renew),
    Drill("wrong-name-vm", (), (465, 993), _deploy("well", "other", "other"), _renew),
)

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
