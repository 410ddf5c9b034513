"""Set-ups by kind: HAProxy's files alone, or with what says nothing of the mail server behind."""

from __future__ import annotations

from tests.console.diagnosis.kinds import CF, CHECKS, OVERRIDE, Case, lane, published
from tests.console.diagnosis.other_kinds import EDGE_ALONE

NOBODY = {OVERRIDE: "services: {}\n"}
NAMELESS = {
    "a header to 993": Case(lane(993, "10.9.9.9:993 send-proxy", "imaps"), ["CH094 low"], NOBODY),
    "one to 10993": Case(lane(993, "10.9.9.9:10993 send-proxy", "imaps"), ["CH094 low"], NOBODY),
    "none to 10025": Case(lane(25, "10.9.9.9:10025"), ["CH094 low"], NOBODY),
    "one to a tunnel's end, whose server may be any": Case(
        lane(993, "127.0.0.1:10143 send-proxy-v2", "imap"), ["CH094 low"], NOBODY
    ),
    "none to 25: whoever answers sees the proxy": Case(lane(25, "10.9.9.9:25"), ["CH002 high"], NOBODY),
    "the client's own address is kept": Case(lane(25, "10.9.9.9:25 source 0.0.0.0 usesrc clientip"), [], NOBODY),
    "nobody is banned by Mailcow there": Case(lane(25, "9.9.9.9:25"), ["CH002 high"], NOBODY),
    "a proxy alone in the compose file": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH094 low"], {OVERRIDE: EDGE_ALONE}
    ),
    "a check that sees nothing is one everywhere": Case(
        "listen l\n bind :25\n server m 10.9.9.9:25 send-proxy check\n", ["CH004 high", "CH094 low"], NOBODY
    ),
    "what a port speaks by its number": Case(
        lane(993, "10.9.9.9:143 send-proxy", "imap"), ["CH080 critical", "CH094 low"], NOBODY
    ),
    "a web lane": Case(lane(443, "10.9.9.9:443 send-proxy", "web"), [], NOBODY),
    "the name of a server says it": Case(
        f"listen l\n bind :25\n{CHECKS['smtp']} server mailcow 10.9.9.9:25 send-proxy check\n",
        ["CH003 critical"],
        NOBODY,
    ),
    "the name of a target": Case(lane(25, "MailCow.lan:25 send-proxy"), ["CH003 critical"], NOBODY),
    "a comment says no more of it than that somebody knew it": Case(
        "# we left mailcow in May\n" + lane(25, "10.9.9.9:25 send-proxy"), ["CH094 low"], NOBODY
    ),
    "a server that is commented out": Case(
        lane(25, "10.9.9.9:25 send-proxy") + " #server mailcow 10.9.9.8:25\n", ["CH094 low"], NOBODY
    ),
    "a comment behind a line": Case(
        lane(25, "10.9.9.9:25 send-proxy").rstrip() + " # not mailcow\n", ["CH094 low"], NOBODY
    ),
    "a comment in compose": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH094 low"], {OVERRIDE: "# instead of Mailcow\nservices: {}\n"}
    ),
    "a comment in OpenTofu": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH094 low"], {**NOBODY, "a.tf": "// no mailcow\n/* nor\n mailcow */\n"}
    ),
    "an address with its name": Case(
        "listen w\n mode http\n bind :80\n redirect location https://x.example/mailcow\n"
        + lane(25, "10.9.9.9:25 send-proxy"),
        ["CH003 critical"],
        NOBODY,
    ),
    "a file of its Postfix": Case(lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical"], {**NOBODY, CF: "a = b\n"}),
    "a host of the site": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical"], NOBODY, '[hosts.m]\nrole = "mail"\nlocal = true\n'
    ),
}
"""What is true whoever answers is told; what is not is said to be open."""

UNSERVED = {
    "a frontend": Case("frontend f\n bind :993\n", ["CH095 high"]),
    "a listen": Case("listen f\n bind :25\n", ["CH095 high"]),
    "a web frontend": Case("frontend f\n mode http\n bind :8080\n", ["CH095 high"]),
    "an empty backend": Case("frontend f\n bind :25\n default_backend b\nbackend b\n", ["CH095 high"]),
    "empty ones by rules": Case(
        "frontend f\n bind :25\n use_backend b if { src 1.2.3.4 }\nbackend b\n", ["CH095 high"]
    ),
    "one behind HAProxy's own socket": Case(
        "frontend f\n bind :443\n default_backend b\nbackend b\n server s unix@/run/h.sock send-proxy-v2\n"
        "frontend i\n mode http\n bind unix@/run/h.sock accept-proxy ssl crt /x\n",
        ["CH095 high"],
    ),
    "one behind HAProxy's own port": Case(
        "frontend f\n bind :993\n default_backend b\nbackend b\n server s 127.0.0.1:9993 send-proxy-v2\n"
        "frontend i\n bind 127.0.0.1:9993 accept-proxy\n default_backend e\nbackend e\n",
        ["CH095 high"],
    ),
    "a socket that redirects": Case(
        "frontend f\n bind :443\n default_backend b\nbackend b\n server s unix@/run/h.sock send-proxy-v2\n"
        "frontend i\n mode http\n bind unix@/run/h.sock accept-proxy ssl crt /x\n redirect prefix https://a.example\n",
        [],
    ),
    "a redirect": Case("frontend f\n mode http\n bind :80\n http-request redirect scheme https\n", []),
    "the old redirect": Case("frontend f\n mode http\n bind :80\n redirect scheme https if !{ ssl_fc }\n", []),
    "a page of its own": Case("frontend f\n mode http\n bind :80\n http-request return status 200\n", []),
    "a backend that answers": Case(
        "frontend f\n mode http\n bind :80\n default_backend b\n"
        "backend b\n mode http\n http-request return status 200\n",
        [],
    ),
    "a page for 503": Case("frontend f\n mode http\n bind :80\n errorfile 503 /etc/soon.http\n", []),
    "a trap": Case("frontend f\n bind :23\n tcp-request connection silent-drop\n", []),
    "some are turned away, and the rest is given to nobody": Case(
        "frontend f\n bind :25\n tcp-request connection reject if { src 1.2.3.4 }\n", ["CH095 high"]
    ),
    "a name that each connection makes": Case("frontend f\n bind :25\n use_backend %[dst_port]\n", []),
    "dispatch": Case("listen f\n bind :25\n dispatch 10.9.9.9:25\n", ["CH002 high", "CH004 high"]),
    "transparent": Case("listen f\n bind :25\n option transparent\n", []),
    "a disabled server is kept for later": Case("listen f\n bind :25\n server m 10.9.9.9:25 disabled\n", []),
    "statistics": Case("listen stats\n mode http\n bind :8404\n stats enable\n stats uri /\n", []),
    "statistics in a backend": Case(
        "frontend f\n mode http\n bind :8404\n default_backend s\nbackend s\n mode http\n stats uri /\n", []
    ),
    "metrics": Case(
        "frontend m\n mode http\n bind :8405\n http-request use-service prometheus-exporter if { path /metrics }\n", []
    ),
}
"""Ports that HAProxy gives to nobody, and those that need nobody."""

MAIN = f"listen s\n bind :25\n{CHECKS['smtp']} server mc 10.9.9.9:10025 send-proxy check inter 30s\n"
SPARE = {
    "another's MX, with a header": Case(f"{MAIN} server mx2 203.0.113.9:25 send-proxy backup check inter 30s\n", []),
    "another's MX, without": Case(f"{MAIN} server mx2 mx.example.net:25 backup check inter 30s\n", ["CH002 high"]),
    "the same machine's plain port": Case(
        f"{MAIN} server mc2 10.9.9.9:25 send-proxy backup check inter 30s\n", ["CH003 critical"]
    ),
    "an address that Docker publishes Mailcow on": Case(
        f"{MAIN} server mc2 10.9.9.8:25 send-proxy backup check inter 30s\n",
        ["CH003 critical"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025", "10.9.9.8:25:25")},
    ),
    "every server is a spare": Case(lane(25, "10.9.9.9:25 send-proxy backup"), ["CH003 critical"]),
}
"""Spare servers on machines of their own."""

ASLEEP = "    profiles: [debug]\n"
PROFILES = {
    "a port of a service that is asleep": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {OVERRIDE: published("postfix-mailcow", "0.0.0.0:10025:10025") + ASLEEP},
    ),
    "one that .env wakes": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH006 critical"],
        {
            OVERRIDE: published("postfix-mailcow", "0.0.0.0:10025:10025") + ASLEEP,
            "mailcow.conf": "COMPOSE_PROFILES=debug\n",
        },
    ),
}
"""Services that are started only when they are asked for."""

BESIDE = {
    "another server, with a header": Case(MAIN + lane(993, "10.9.9.20:993 send-proxy", "imaps"), ["CH094 low"]),
    "another, without": Case(MAIN + lane(587, "10.9.9.20:587"), ["CH002 high"]),
    "a provider's relay, by its name": Case(MAIN + lane(465, "smtp.example.net:465", "smtps"), ["CH002 high"]),
    "its address is published nowhere, and need not be": Case(
        MAIN + lane(587, "10.9.9.20:2626"), [], {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")}
    ),
    "the port of one is published on the mail server alone": Case(
        MAIN + lane(25, "10.9.9.20:25 send-proxy", "smtp").replace("l25", "other"),
        ["CH094 low"],
        {
            OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025", "10.9.9.9:25:25"),
        },
    ),
    "no nic has its address, and none has to": Case(
        MAIN + lane(587, "10.9.9.20:587"),
        ["CH002 high"],
        {
            "m.tf": 'resource "incus_instance" "m" {\n  name = "m"\n  image = "i"\n  device {\n    name = "eth0"\n'
            '    type = "nic"\n    properties = { "ipv4.address" = "10.9.9.9" }\n  }\n}\n'
        },
    ),
    "the same server, at its plain port": Case(
        MAIN + lane(993, "10.9.9.9:993 send-proxy", "imaps"), ["CH003 critical"]
    ),
    "its other address, of IPv6": Case(MAIN + lane(993, "[fd42::9]:993 send-proxy", "imaps"), ["CH003 critical"]),
    "one that is called Mailcow too": Case(
        MAIN + lane(993, "mailcow2.lan:993 send-proxy", "imaps"), ["CH003 critical"]
    ),
    "where nothing tells them apart, none is called Mailcow's": Case(
        lane(25, "10.9.9.9:25 send-proxy") + lane(993, "10.9.9.20:993 send-proxy", "imaps"),
        ["CH094 low"],
    ),
    "not told apart, and no header": Case(
        lane(25, "10.9.9.9:25") + lane(993, "10.9.9.20:993", "imaps"), ["CH002 high", "CH002 high"]
    ),
    "one machine by its two addresses": Case(
        lane(25, "10.9.9.9:25 send-proxy") + lane(993, "[fd00::9]:993 send-proxy", "imaps"),
        ["CH003 critical", "CH003 critical"],
    ),
    "an address that a file publishes tells them apart": Case(
        lane(25, "10.9.9.9:25 send-proxy") + lane(993, "10.9.9.20:993 send-proxy", "imaps"),
        ["CH003 critical", "CH094 low"],
        {"mailcow.conf": "SMTP_PORT=10.9.9.9:25\nSKIP_LETS_ENCRYPT=y\n"},
    ),
    "a spare is no other machine": Case(
        lane(25, "10.9.9.9:25 send-proxy").rstrip() + "\n server b 10.9.9.20:25 send-proxy backup check inter 30s\n",
        ["CH003 critical"],
    ),
}
"""Machines beside the mail server's: nothing says what answers there."""

_BESIDE_IT = lane(25, "127.0.0.1:10025 send-proxy")
_LOCAL = {OVERRIDE: published("postfix-mailcow", "127.0.0.1:10025:10025"), "mailcow.conf": "SKIP_LETS_ENCRYPT=y\n"}


def _moved(value: str) -> dict[str, str]:
    return {**_LOCAL, "mailcow.conf": f"SKIP_LETS_ENCRYPT=y\nSMTP_PORT={value}\n"}


_INSIDE = "services:\n  haproxy: {{image: haproxy, ports: ['{}']}}\n  postfix-mailcow: {{restart: always}}\n"
TAKEN = {
    "Mailcow's own port 25": Case(_BESIDE_IT, ["CH101 high"], _LOCAL),
    "moved away": Case(_BESIDE_IT, [], _moved("127.0.0.1:2525")),
    "on another address of the machine": Case(
        _BESIDE_IT.replace("bind :25", "bind 203.0.113.5:25"), [], _moved("127.0.0.1:25")
    ),
    "on the very address": Case(
        _BESIDE_IT.replace("bind :25", "bind 203.0.113.5:25"), ["CH101 high"], _moved("203.0.113.5:25")
    ),
    "on one address, where HAProxy wants all": Case(_BESIDE_IT, ["CH101 high"], _moved("203.0.113.5:25")),
    "an IPv6 listener beside IPv4 alone": Case(
        _BESIDE_IT.replace("bind :25", "bind :::25 v6only"), [], _moved("0.0.0.0:25")
    ),
    "nobody says whether mailcow.conf moves it": Case(_BESIDE_IT, [], {OVERRIDE: _LOCAL[OVERRIDE]}),
    "another machine": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {**_LOCAL, OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "HAProxy in the same compose file": Case(
        lane(25, "postfix-mailcow:10025 send-proxy"),
        ["CH101 high"],
        {**_LOCAL, OVERRIDE: _INSIDE.format("25:25")},
    ),
    "HAProxy's own compose file, of another machine": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH021 medium"],
        {**_LOCAL, OVERRIDE: _INSIDE.format("25:25")},
    ),
    "HAProxy there, Mailcow's port moved": Case(
        lane(25, "postfix-mailcow:10025 send-proxy"),
        [],
        {**_moved("127.0.0.1:2525"), OVERRIDE: _INSIDE.format("25:25")},
    ),
}
"""HAProxy on Mailcow's own machine: whether both want one port."""

_DISPATCHED = "listen l\n bind :{}\n dispatch {}\n"
DISPATCH = {
    "to a port that wants the header": Case(
        _DISPATCHED.format(25, "10.9.9.9:10025"),
        ["CH002 critical", "CH004 high"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "to a plain port": Case(_DISPATCHED.format(993, "10.9.9.9:993"), ["CH002 high", "CH004 high"]),
    "to one that speaks otherwise": Case(
        _DISPATCHED.format(993, "10.9.9.9:143"), ["CH080 critical", "CH002 high", "CH004 high"]
    ),
    "of a backend": Case(
        "frontend f\n bind :465\n default_backend b\nbackend b\n dispatch 10.9.9.9:465\n", ["CH002 high", "CH004 high"]
    ),
    "beside a server it is not used": Case(lane(25, "10.9.9.9:10025 send-proxy") + " dispatch 10.9.9.8:25\n", []),
    "of a web port": Case("listen w\n mode http\n bind :80\n dispatch 10.9.9.9:80\n", []),
}
"""Lanes that `dispatch` leads on: without header, TLS or check."""

_ON_25 = {OVERRIDE: published("postfix-mailcow", "10.9.9.9:25:10025")}


def _also(*ports: str) -> dict[str, str]:
    first = "services:\n  postfix-mailcow:\n    image: x\n    ports: "
    return {OVERRIDE: f"{first}{list(ports)}\n"}


OVERLAPPING = {
    "Mailcow's own entry, and one of the override": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH101 high"], {**_ON_25, "mailcow.conf": "SKIP_LETS_ENCRYPT=y\n"}
    ),
    "Mailcow's own, moved to another address": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        [],
        {**_ON_25, "mailcow.conf": "SKIP_LETS_ENCRYPT=y\nSMTP_PORT=127.0.0.1:25\n"},
    ),
    "Mailcow's own, and who knows where": Case(lane(25, "10.9.9.9:25 send-proxy"), [], _ON_25),
    "every address and one": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH101 high"], _also("25:25", "10.9.9.9:25:10025")
    ),
    "two addresses": Case(lane(25, "10.9.9.9:25 send-proxy"), [], _also("127.0.0.1:25:25", "10.9.9.9:25:10025")),
    "one address of two families": Case(
        lane(25, "10.9.9.9:25 send-proxy"), [], _also("[::]:25:25", "10.9.9.9:25:10025")
    ),
    "the same twice, which compose takes for one": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), [], _also("10.9.9.9:10025:10025", "10.9.9.9:10025:10025")
    ),
    "two containers": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH101 high"],
        {OVERRIDE: _also("10.9.9.9:10025:10025")[OVERRIDE] + "  other: {image: y, ports: ['10.9.9.9:10025:80']}\n"},
    ),
    "one of the host's network, of which docker publishes nothing": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {
            OVERRIDE: _also("10.9.9.9:10025:10025")[OVERRIDE]
            + "  other: {image: y, network_mode: host, ports: ['10.9.9.9:10025:80']}\n"
        },
    ),
}
"""Two entries of compose files on one port of the machine."""
