"""Set-ups by kind, of the rarer ways: containers dialled at their own addresses, the client's port, mode http."""

from __future__ import annotations

from tests.console.diagnosis.kinds import CF, CHECKS, CONF, MASTER, OVERRIDE, Case, lane, published

AS_IS = "services: {postfix-mailcow: {restart: always}, dovecot-mailcow: {restart: always}}\n"
CONTAINERS = {
    "Mailcow's own address of Postfix": Case(lane(25, "172.22.1.253:10025 send-proxy"), [], {OVERRIDE: AS_IS}),
    "a plain port of it": Case(lane(25, "172.22.1.253:25 send-proxy"), ["CH003 critical"], {OVERRIDE: AS_IS}),
    "Dovecot's, in another network": Case(
        lane(993, "10.77.0.250:10993 send-proxy", "imaps"),
        [],
        {OVERRIDE: AS_IS, "mailcow.conf": "IPV4_NETWORK=10.77.0\n", CONF: "haproxy_trusted_networks = 10.77.0.1\n"},
    ),
    "an address pinned on the LAN": Case(
        lane(25, "192.168.7.25:10025 send-proxy"),
        [],
        {OVERRIDE: "services: {postfix-mailcow: {image: x, networks: {lan: {ipv4_address: 192.168.7.25}}}}\n"},
    ),
    "an IPv6 address pinned there": Case(
        lane(25, "[fd42::25]:10025 send-proxy"),
        [],
        {OVERRIDE: "services: {postfix-mailcow: {image: x, networks: {lan: {ipv6_address: 'fd42::25'}}}}\n"},
    ),
    "another container's address": Case(
        lane(25, "192.168.7.25:10025 send-proxy"),
        [],
        {OVERRIDE: "services: {relay: {image: x, networks: {lan: {ipv4_address: 192.168.7.25}}}}\n"},
    ),
    "the host's network": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {OVERRIDE: "services: {postfix-mailcow: {image: x, network_mode: host}}\n"},
    ),
    "the host's network, of another service": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH021 medium"],
        {OVERRIDE: "services: {postfix-mailcow: {image: x}, dovecot-mailcow: {image: x, network_mode: host}}\n"},
    ),
    "a forwarder of the host, whose file nobody reads": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        [],
        {
            OVERRIDE: "services: {stream: {image: 'nginx:alpine', network_mode: host},"
            " postfix-mailcow: {image: x, ports: ['127.0.0.1:10025:10025']}}\n"
        },
    ),
    "a program of the host that forwards nothing": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        ["CH003 critical", "CH021 medium", "CH021 medium"],
        {
            OVERRIDE: "services: {watch: {image: node-exporter, network_mode: host},"
            " postfix-mailcow: {image: x, ports: ['127.0.0.1:10025:10025']}}\n"
        },
    ),
    "the host's network, through another service's": Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps"),
        [],
        {
            OVERRIDE: "services: {a: {network_mode: host}, b: {network_mode: 'service:a'},"
            " dovecot-mailcow: {image: x, network_mode: 'service:b'}}\n"
        },
    ),
}
"""Containers that nobody publishes, and that HAProxy dials nevertheless."""

CLIENTS_PORT = {
    "the client's, to plain ports": Case(
        "listen s\n bind :25,:465\n server m 10.9.9.9 send-proxy\n",
        ["CH003 critical", "CH003 critical", "CH004 high", "CH004 high"],
        {OVERRIDE: "services: {postfix-mailcow: {}}\n"},
    ),
    "the client's and 10000": Case(
        "listen s\n bind :25,:465\n server m 10.9.9.9:+10000 send-proxy\n",
        ["CH004 high", "CH004 high"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025", "10.9.9.9:10465:10465")},
    ),
    "the client's, without a header": Case(
        "listen s\n bind :25,:587\n server m 10.9.9.9\n",
        ["CH002 high", "CH002 high", "CH004 high", "CH004 high"],
        {OVERRIDE: "services: {postfix-mailcow: {}}\n"},
    ),
    "the client's, which it sees": Case(
        "listen s\n bind :25\n source 0.0.0.0 usesrc clientip\n server m 10.9.9.9\n",
        ["CH004 high"],
        {OVERRIDE: "services: {postfix-mailcow: {}}\n"},
    ),
}
"""Server lines without a port of their own."""

BROWSERS = {
    "mode http in front of imaps": Case(
        "listen s\n bind :993\n mode http\n server m 10.9.9.9:10993 send-proxy check\n",
        ["CH080 critical", "CH004 high"],
    ),
    "mode http from defaults": Case(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30m\n timeout server 30m\n"
        "listen s\n bind :25\n server m 10.9.9.9:10025 send-proxy check\n",
        ["CH080 critical", "CH004 high"],
    ),
    "mode http in front of an unknown port": Case(
        "listen s\n bind :587\n mode http\n server m 10.9.9.9:2626\n", ["CH080 critical", "CH004 high", "CH021 medium"]
    ),
    "mode http for a backend of two frontends": Case(
        "frontend a\n bind :25\n mode http\n default_backend b\n"
        "frontend c\n bind :4190\n mode http\n default_backend b\n"
        "backend b\n mode http\n server m 10.9.9.9:10025 send-proxy check\n",
        ["CH080 critical", "CH080 critical", "CH004 high"],
    ),
    "mode http for the web": Case("listen s\n bind :80\n mode http\n server m 10.9.9.9:8080\n", []),
}
"""Mail lanes that HAProxy takes for web browsers."""

INCLUDED = {
    word: Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps"),
        found,
        {CONF: f"{line}\n", OVERRIDE: published("dovecot-mailcow", "10.9.9.9:10993:10993")},
    )
    for word, line, found in (
        ("another file", "!include more.conf", []),
        ("one that may be missing", "  !include_try /etc/dovecot/conf.d/*.conf", []),
        ("a comment about one", "# !include more.conf", ["CH001 critical"]),
        ("Dovecot 2.4's block", "haproxy_trusted_networks {\n  10.9.9.1 = yes\n}", []),
        ("nothing", "mail_debug = yes", ["CH001 critical"]),
    )
}
"""What Dovecot's file includes is in no given file, and may say more."""

BOTH = (
    "backend m25\n server m 10.9.9.9:10025 send-proxy check inter 30s\n{}"
    "backend m993\n server m 10.9.9.9:10993 send-proxy check inter 30s verify none\n{}"
).format(CHECKS["smtp"], CHECKS["imaps"])
UNDECIDED = {
    "by the id of the socket": Case(
        "frontend f\n bind :25 id 1\n bind :993 id 2\n use_backend m25 if { so_id 1 }\n"
        " use_backend m993 if { so_id 2 }\n" + BOTH,
        [],
    ),
    "by what nobody knows": Case(
        "frontend f\n bind :25,:993\n use_backend m25 if { src_get_gpc0 gt 1 }\n default_backend m993\n" + BOTH,
        [],
    ),
    "by the port": Case(
        "frontend f\n bind :25,:993\n use_backend m993 if { dst_port 25 }\n default_backend m25\n" + BOTH,
        ["CH080 critical", "CH080 critical"],
    ),
}
"""Frontends with several backends: what takes a lane is known, or nobody is blamed."""

ASKED_THERE = {
    "a header to another machine's plain port": Case(
        "listen s\n bind :25\n server m 10.9.9.9:10025 send-proxy check addr 10.9.9.8 port 25 check-send-proxy\n",
        ["CH004 high"],
    ),
    "to the same machine's": Case(
        "listen s\n bind :25\n server m 10.9.9.9:10025 send-proxy check addr 10.9.9.9 port 25 check-send-proxy\n",
        ["CH003 critical", "CH004 high"],
    ),
    "no header, to another machine": Case(
        "listen s\n bind :25\n option tcp-check\n tcp-check connect addr 10.9.9.8 port 25\n"
        " tcp-check expect rstring ^220\n server m 10.9.9.9:10025 send-proxy check inter 30s\n",
        [],
    ),
}
"""Checks that ask another address than clients are sent to."""

ENDED_EARLY = {
    name: Case(
        f"listen s\n bind {bind} ssl crt /x\n" + CHECKS[speaks] + f" server m 10.9.9.9:{port} send-proxy check\n", found
    )
    for name, bind, speaks, port, found in (
        ("mail of other servers", ":25", "smtp", 10025, ["CH080 critical"]),
        ("mail that users send", ":587", "smtp", 10587, ["CH080 high"]),
        ("imap", ":143", "imap", 10143, ["CH080 high"]),
        ("imaps", ":993", "imap", 10143, []),
        ("behind another proxy", ":25 accept-proxy", "smtp", 10025, []),
        ("for this machine alone", "127.0.0.1:25", "smtp", 10025, []),
    )
}
"""TLS that HAProxy ends where clients begin in plain text."""

GIVEN_BY_RULE = {
    "each daemon its own server": Case(
        "listen s\n bind :25,:993\n use-server i if { dst_port 993 }\n use-server p if { dst_port 25 }\n"
        " server p 10.9.9.9:10025 send-proxy check\n server i 10.9.9.9:10993 send-proxy check\n",
        ["CH004 high", "CH004 high"],
    ),
    "the same daemon twice": Case(
        "listen s\n bind :25\n server a 10.9.9.9:10025 send-proxy check\n server b 10.9.9.9:10025 send-proxy check\n",
        ["CH004 high"],
    ),
}
"""Servers of one section: a blind check is told of each daemon."""

TWINS = {
    "a listen in either branch": Case(
        f".if defined(OLD)\nlisten s\n bind :25\n{CHECKS['smtp']} server m 10.9.9.9:10025 send-proxy check inter 30s\n"
        f".else\nlisten s\n bind :25\n{CHECKS['smtp']} server m 10.9.9.9:25 send-proxy check inter 30s\n.endif\n",
        ["CH003 critical"],
    ),
    "a backend in either branch": Case(
        "frontend f\n bind :993\n default_backend b\n.if defined(OLD)\nbackend b\n server m 10.9.9.9:10993 send-proxy\n"
        ".else\nbackend b\n server m 10.9.9.9:10143 send-proxy\n.endif\n",
        ["CH080 critical", "CH004 high", "CH004 high"],
    ),
    "listens that speak differently": Case(
        ".if version_atleast(2.7)\nlisten s\n bind :465\n server m 10.9.9.9:10587 send-proxy\n"
        ".else\nlisten s\n bind :465\n server m 10.9.9.9:10465 send-proxy\n.endif\n",
        ["CH080 critical", "CH004 high", "CH004 high"],
    ),
    "a frontend in either branch": Case(
        ".if defined(V6)\nfrontend f\n bind :::25\n default_backend b\n"
        ".else\nfrontend f\n bind :25\n default_backend b\n.endif\n"
        "backend b\n server m 10.9.9.9:10025 check\n",
        ["CH002 critical", "CH004 high"],
    ),
}
"""Sections of one name in the branches of an `.if` that nobody decides: each counts, under its condition."""

_OPEN = ".if defined(A)\n{}.endif\n"
_EITHER = ".if defined(A)\n{}.else\n{}.endif\n"
_PLAIN, _HEADED = " server m 10.9.9.9:25 check inter 30s\n", " server m 10.9.9.9:10025 send-proxy check inter 30s\n"
_TOP = "listen s\n bind :25\n"
SETTINGS = {
    "default-server gives the header": Case(
        _TOP
        + CHECKS["smtp"]
        + _OPEN.format(" default-server send-proxy\n")
        + " server m 10.9.9.9:10025 check inter 30s\n",
        ["CH002 critical"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "default-server gives one that is not wanted": Case(
        _TOP + CHECKS["smtp"] + _OPEN.format(" default-server send-proxy-v2\n") + _PLAIN,
        ["CH003 critical", "CH002 high"],
    ),
    "one branch gives v1, the other v2: either is read": Case(
        _TOP
        + CHECKS["smtp"]
        + _EITHER.format(" default-server send-proxy\n", " default-server send-proxy-v2\n")
        + _HEADED.replace(" send-proxy", ""),
        [],
    ),
    "the header of defaults": Case(
        "defaults d\n mode tcp\n timeout connect 5s\n timeout client 30m\n timeout server 30m\n option tcp-check\n"
        + _OPEN.format(" default-server send-proxy\n")
        + "listen s from d\n bind :25\n"
        + CHECKS["smtp"]
        + " server m 10.9.9.9:10025 check inter 30s\n",
        ["CH002 critical"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "smtpchk in .else": Case(
        _TOP + CHECKS["smtp"] + _EITHER.format(" option tcp-check\n", " option smtpchk\n") + _HEADED, ["CH005 high"]
    ),
    "smtpchk before .else": Case(
        _TOP + CHECKS["smtp"] + _EITHER.format(" option smtpchk\n", " option tcp-check\n") + _HEADED, ["CH005 high"]
    ),
    "smtpchk in .elif": Case(
        _TOP
        + CHECKS["smtp"]
        + ".if defined(A)\n option tcp-check\n.elif defined(B)\n option smtpchk\n.else\n option tcp-check\n.endif\n"
        + _HEADED,
        ["CH005 high"],
    ),
    "the way clients keep their address": Case(
        _TOP + CHECKS["smtp"] + _OPEN.format(" source 0.0.0.0 usesrc clientip\n") + _PLAIN, ["CH002 high"]
    ),
    "a section that may be disabled": Case(
        _TOP + CHECKS["smtp"] + _OPEN.format(" disabled\n") + _PLAIN, ["CH002 high"]
    ),
    "a condition asked twice has one answer": Case(
        _TOP
        + CHECKS["smtp"]
        + _OPEN.format(" default-server send-proxy\n")
        + _EITHER.format(
            " server m 10.9.9.9:10025 check inter 30s\n", " server m 10.9.9.9:25 no-send-proxy check inter 30s\n"
        ),
        ["CH002 high", "CH021 medium"],
    ),
    "what is wrong either way is said once, of no condition": Case(
        _TOP
        + _EITHER.format(" option tcplog\n", " option dontlognull\n")
        + " server m 10.9.9.9:10025 send-proxy check\n",
        ["CH004 high"],
    ),
}
"""Settings under an `.if` that nobody decides: what other lines mean is judged for either answer."""

_POSTFIX = "smtpd_upstream_proxy_protocol = haproxy\n"
_SIEVE = "haproxy_trusted_networks = 10.9.9.1\nservice managesieve-login { inet_listener sieve { haproxy = yes } }\n"
_IMAPS = _SIEVE.replace("managesieve", "imap").replace(" sieve ", " imaps ")
_MAIL = lane(993, "10.9.9.9:993 send-proxy", "imaps")
_FILTERS = lane(4190, "10.9.9.9:4190 send-proxy", "sieve")
INSIDE = {
    "all of smtpd": Case(lane(465, "10.9.9.9:465 send-proxy", "smtps"), ["CH100 high"], {CF: _POSTFIX}),
    "postscreen alone": Case(
        lane(25, "10.9.9.9:25 send-proxy"), [], {CF: _POSTFIX.replace("smtpd", "postscreen"), "mailcow.conf": "A=b\n"}
    ),
    "smtpd, turned off again": Case(
        lane(25, "10.9.9.9:25"), ["CH002 high"], {CF: _POSTFIX + "smtpd_upstream_proxy_protocol =\n"}
    ),
    "filters": Case(_FILTERS, ["CH100 high"], {CONF: _SIEVE, "mailcow.conf": "A=b\n"}),
    "filters, and who knows whether SOGo runs": Case(_FILTERS, [], {CONF: _SIEVE}),
    "filters without SOGo": Case(_FILTERS, [], {CONF: _SIEVE, "mailcow.conf": "SKIP_SOGO=y\n"}),
    "the watchdog's look": Case(_MAIL, ["CH100 high"], {CONF: _IMAPS, "mailcow.conf": "SKIP_SOGO=y\n"}),
    "no watchdog": Case(_MAIL, [], {CONF: _IMAPS, "mailcow.conf": "USE_WATCHDOG=n\n"}),
}
"""Mailcow's own services send no header: a port that they dial must not wait for one."""

_TRUSTING = {CONF: "haproxy_trusted_networks = 10.9.9.1\n"}


def _ended(port: int, server: str, speaks: str) -> str:
    return f"listen i\n bind :{port} ssl crt /x\n{CHECKS[speaks]} server m 10.9.9.9:{server} check\n"


LOGINS = {
    "IMAP": Case(_ended(993, "10143 send-proxy-v2", "imap"), ["CH102 critical"], _TRUSTING),
    "IMAP, and who knows what extra.conf says": Case(_ended(993, "10143 send-proxy-v2", "imap"), []),
    "IMAP, and Dovecot is told of the client's TLS": Case(
        _ended(993, "10143 send-proxy-v2-ssl", "imap"), [], _TRUSTING
    ),
    "IMAP, told by another option": Case(
        _ended(993, "10143 send-proxy-v2 proxy-v2-options crc32c,ssl", "imap"), [], _TRUSTING
    ),
    "IMAP, an option that tells another thing": Case(
        _ended(993, "10143 send-proxy-v2 proxy-v2-options authority", "imap"), ["CH102 critical"], _TRUSTING
    ),
    "IMAP, with version 1, which tells nothing": Case(
        _ended(993, "10143 send-proxy proxy-v2-options ssl", "imap"), ["CH102 critical"], _TRUSTING
    ),
    "IMAP, and Dovecot lets them": Case(
        _ended(993, "10143 send-proxy-v2", "imap"), [], {CONF: _TRUSTING[CONF] + "disable_plaintext_auth = no\n"}
    ),
    "IMAP, and it trusts some": Case(
        _ended(993, "10143 send-proxy-v2", "imap"), [], {CONF: _TRUSTING[CONF] + "login_trusted_networks = 10.9.9.1\n"}
    ),
    "IMAP, and another file says more": Case(
        _ended(993, "10143 send-proxy-v2", "imap"), [], {CONF: _TRUSTING[CONF] + "!include_try more.conf\n"}
    ),
    "IMAP with TLS anew": Case(_ended(993, "10993 send-proxy-v2 ssl verify none", "imaps"), [], _TRUSTING),
    "submission": Case(_ended(465, "10587 send-proxy", "smtp"), ["CH102 critical"]),
    "submission, with a master.cf of one's own": Case(
        _ended(465, "10587 send-proxy", "smtp"),
        [],
        {MASTER: "10587 inet n - n - - smtpd\n  -o smtpd_upstream_proxy_protocol=haproxy\n"},
    ),
}
"""HAProxy ends TLS in front of a daemon that wants TLS for a login."""
