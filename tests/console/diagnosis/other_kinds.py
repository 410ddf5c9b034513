"""Set-ups by kind: other mail servers than Mailcow, names of Docker's network, lines under an .if, drained servers."""

from __future__ import annotations

from tests.console.diagnosis.kinds import CHECKS, CONF, HEAD, MASTER, OVERRIDE, SERVICES, Case, inet, lane, published

SEEN = " option tcp-check\n tcp-check expect rstring ^220\n"


def other(image: str, more: str) -> dict[str, str]:
    return {OVERRIDE: f"services:\n  mx:\n    image: {image}\n    {more}\n"}


STALWART = "ports: ['25:25', '993:993', '10143:10143']"
EDGE_ALONE = "services:\n  edge:\n    image: haproxy:2.9\n    network_mode: host\n    ports: ['25:25']\n"
ANOTHER = {
    "a header to its 25": Case(lane(25, "10.9.9.9:25 send-proxy-v2"), [], other("stalwartlabs/stalwart", STALWART)),
    "a header to its 993": Case(
        lane(993, "10.9.9.9:993 send-proxy", "imaps"), [], other("ghcr.io/mailu/nginx:2024.06", STALWART)
    ),
    "none": Case(lane(25, "10.9.9.9:25"), [], other("ghcr.io/docker-mailserver/docker-mailserver:latest", STALWART)),
    "Mailcow's numbers mean nothing there": Case(
        lane(993, "10.9.9.9:10143 send-proxy", "imaps"), [], other("stalwartlabs/stalwart", STALWART)
    ),
    "on the network of its host": Case(
        lane(25, "10.9.9.9:25 send-proxy"), [], other("boky/postfix", "network_mode: host")
    ),
    "its own files count": Case(
        lane(25, "10.9.9.9:25"), ["CH002 critical"], {**other("boky/postfix", "network_mode: host"), MASTER: SERVICES}
    ),
    "a listener of Dovecot's own that its file turns on": Case(
        lane(993, "10.9.9.9:993", "imaps"),
        ["CH002 critical"],
        {
            OVERRIDE: "services:\n  mx:\n    image: dovecot/dovecot\n    network_mode: host\n",
            CONF: "haproxy_trusted_networks = 10.9.9.1\n" + inet("imap-login", "imaps", "haproxy = yes"),
        },
    ),
    "a second one beside Mailcow": Case(
        lane(25, "10.9.9.9:2525 send-proxy") + lane(465, "10.9.9.9:10465 send-proxy", "smtps"),
        [],
        {
            OVERRIDE: published("postfix-mailcow", "10.9.9.9:10465:10465")
            + "  relay:\n    image: boky/postfix\n    ports: ['10.9.9.9:2525:25']\n"
        },
    ),
    "what stands in front of Mailcow is no mail server": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        ["CH003 critical"],
        {OVERRIDE: EDGE_ALONE, "mailcow.conf": "SMTP_PORT=25\n"},
    ),
}
"""Mail servers of other makers: of their daemons only what a file says is known."""

NAMED = {
    "the service": Case(
        lane(993, "dovecot-mailcow:10993 send-proxy", "imaps"), [], {OVERRIDE: "services: {dovecot-mailcow: {}}\n"}
    ),
    "Mailcow's alias": Case(lane(25, "postfix:25"), ["CH002 high"]),
    "a container_name": Case(
        lane(25, "mx1:10025 send-proxy"),
        [],
        {OVERRIDE: "services:\n  postfix-mailcow:\n    container_name: mx1\n"},
    ),
    "an alias of a network": Case(
        lane(465, "out:10465 send-proxy", "smtps"),
        [],
        {OVERRIDE: "services:\n  postfix-mailcow:\n    networks: {front: {aliases: [out]}}\n"},
    ),
    "another's name": Case(
        lane(25, "relay:10025 send-proxy"),
        [],
        {OVERRIDE: "services:\n  postfix-mailcow: {restart: always}\n  relay: {image: boky/postfix}\n"},
    ),
    "a name with a dot may be anybody's": Case(
        lane(25, "mx.lan:10025 send-proxy"),
        ["CH021 medium"],
        {OVERRIDE: "services:\n  postfix-mailcow:\n    container_name: mx.lan\n"},
    ),
}
"""Containers that are dialled by a name that only Docker's network has."""

NO_BINDS = "listen s\n bind :25\n" + CHECKS["smtp"]
SERVERS = " server a 10.9.9.9:10025 send-proxy check inter 30s\n", " server b 10.9.9.9:25 check inter 30s\n"
ON_10025 = {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")}
MAYBE = {
    "a version that every HAProxy with .if has": Case(
        f"{NO_BINDS}.if version_atleast(2.4)\n{SERVERS[0]}.else\n{SERVERS[1]}.endif\n", [], ON_10025
    ),
    "one that not all have": Case(
        f"{NO_BINDS}.if version_atleast(2.8)\n{SERVERS[0]}.else\n{SERVERS[1]}.endif\n", ["CH002 high"], ON_10025
    ),
    "a variable of HAProxy's own": Case(
        f"{NO_BINDS}.if defined(PLAIN)\n{SERVERS[1]}.else\n{SERVERS[0]}.endif\n", ["CH002 high"], ON_10025
    ),
    "a whole section": Case(
        f'{NO_BINDS}{SERVERS[0]}.if streq("$WHERE",test)\n'
        "listen t\n bind :465\n server x 10.9.9.9:465 send-proxy\n.endif\n",
        ["CH003 critical", "CH004 high"],
        ON_10025,
    ),
    "beside it what is sure is said as ever": Case(
        f"{NO_BINDS}{SERVERS[1]}.if defined(MORE)\n{SERVERS[0]}.endif\n", ["CH002 high"], ON_10025
    ),
}
"""What stands under an .if that the files do not decide is told as such."""

WEB = "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
CONFIGURED = {"mailcow.conf": "HTTP_REDIRECT=y\nSKIP_LETS_ENCRYPT=y\n"}
WEB_ONLY = {
    "chosen by Host": Case(
        WEB + "frontend w\n bind :443 ssl crt /x\n use_backend other if { hdr(host) -i auth.example.org }\n"
        " use_backend mc if { hdr(host) -i mail.example.org }\n"
        "backend mc\n option httpchk\n server m 10.9.9.9:80 check\nbackend other\n server a 10.9.9.7:8080\n",
        ["CH002 medium", "CH015 high"],
        CONFIGURED,
        '[public]\nnames = ["mail.example.org"]\n',
    ),
    "the only backend": Case(
        WEB + "listen w\n bind :443 ssl crt /x\n option httpchk\n server m 10.9.9.9:80 check\n",
        ["CH002 medium", "CH015 high"],
        CONFIGURED,
    ),
    "two web servers, and nobody says which": Case(
        WEB + "frontend w\n bind :443 ssl crt /x\n use_backend b if { src_get_gpc0 gt 1 }\n default_backend c\n"
        "backend b\n server m 10.9.9.9:80\nbackend c\n server m 10.9.9.8:80\n",
        [],
        CONFIGURED,
    ),
}
"""Estates whose HAProxy carries the web alone: its one web server is Mailcow's."""

SECURE = WEB + "frontend w\n bind :443 ssl crt /x\n default_backend mc\n"
SERVED = "backend mc\n option httpchk\n server m 10.9.9.9:443 ssl verify none check\n"
PLAIN_WEB = {"mailcow.conf": "HTTP_REDIRECT=n\nSKIP_LETS_ENCRYPT=y\nNGINX_USE_PROXY_PROTOCOL=n\n"}


def web(front: str, back: str = "", found: str = "") -> Case:
    """Return a web lane with lines in the frontend and the backend."""
    mail = HEAD + lane(25, "10.9.9.9:10025 send-proxy")
    return Case(SECURE + front + SERVED + back + mail, [found] if found else [], PLAIN_WEB)


NAMELESS_WEB = {
    "nothing": web("", "", "CH002 medium"),
    "a header of another name": web(" option forwardfor header X-Client-IP\n", "", "CH002 medium"),
    "RFC 7239's, which nginx does not read": web("", " option forwarded\n", "CH002 medium"),
    "taken out": web(" http-request del-header X-Forwarded-For\n", "", "CH002 medium"),
    "in front": web(" option forwardfor except 127.0.0.1\n"),
    "behind": web("", " option forwardfor if-none\n"),
    "by its own name": web(" option forwardfor header x-forwarded-for\n"),
    "by a rule": web(" http-request set-header X-Forwarded-For %[src]\n"),
    "by a rule with a condition": web("", " http-request add-header X-FORWARDED-FOR %[src] if { src 10.0.0.0/8 }\n"),
    "a program may": web(" http-request lua.client\n"),
    "in the defaults": Case(web("").config.replace(WEB, WEB + " option forwardfor\n"), [], PLAIN_WEB),
    "the client's own address": web("", " source 0.0.0.0 usesrc clientip\n"),
    "one frontend of two": Case(
        web("").config + "frontend v\n mode http\n bind :8443 ssl crt /x\n option forwardfor\n default_backend mc\n",
        ["CH002 medium"],
        PLAIN_WEB,
    ),
    "TLS passed through": Case(
        lane(443, "10.9.9.9:443 check-ssl", "", " option httpchk\n") + lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH002 medium"],
        PLAIN_WEB,
    ),
    "nobody knows whether a PROXY header is wanted": Case(web("").config, ["CH002 medium"]),
}
"""Requests that tell Mailcow's web server nothing of the client, and those that do."""

DRAINED = HEAD + NO_BINDS + " server old 10.9.9.9:25 weight 0 check\n server new 10.9.9.9:10025 send-proxy check\n"
RULED = (
    HEAD + NO_BINDS + " use-server inner if { src 10.0.0.0/8 }\n server new 10.9.9.9:10025 send-proxy check\n"
    " server inner 10.9.9.9:25 check\n"
)

TWICE = {
    "465": Case(lane(465, "10.9.9.9:10465 send-proxy ssl", "smtps"), ["CH080 critical"]),
    "993, by default-server": Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps", " default-server ssl verify none\n"), ["CH080 critical"]
    ),
    "993 to a plain port": Case(lane(993, "10.9.9.9:10143 send-proxy ssl", "imap"), ["CH080 critical", "CH005 high"]),
    "443": Case(lane(443, "10.9.9.9:443 ssl", "", " option httpchk\n"), ["CH080 critical"]),
    "TLS ended before is begun anew": Case(
        "listen i\n bind :465 ssl crt /x\n"
        + CHECKS["smtps"]
        + " server m 10.9.9.9:10465 send-proxy ssl verify none check\n",
        [],
    ),
    "STARTTLS in front, TLS behind": Case(lane(587, "10.9.9.9:10465 send-proxy ssl", "smtps"), []),
    "no-ssl takes it back": Case(
        lane(993, "10.9.9.9:10993 send-proxy no-ssl", "imaps", " default-server ssl verify none\n"), []
    ),
}
"""`ssl` on the server line of a lane whose client speaks TLS already."""

CHECKED_AS = {
    option: Case(
        f"listen s\n bind :25\n option {option}\n server m 10.9.9.9:10025 send-proxy check\n",
        found,
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    )
    for option, found in (
        ("httpchk", ["CH005 high"]), ("redis-check", ["CH005 high"]), ("pgsql-check user x", ["CH005 high"]),
        ("mysql-check", ["CH005 high"]), ("ldap-check", ["CH005 high"]), ("log-health-checks", ["CH004 high"]),
        ("httpchk GET /\n option tcp-check\n tcp-check expect rstring ^220", []),
    )
}  # fmt: skip
CHECKED_AS["httpchk on IMAP"] = Case(
    "listen i\n bind :143\n option httpchk\n server m 10.9.9.9:10143 send-proxy check\n",
    ["CH005 high"],
    {OVERRIDE: published("dovecot-mailcow", "10.9.9.9:10143:10143")},
)
"""Checks that ask for what a mail server does not speak."""

RETARGETED = {
    "in the frontend": Case(
        "frontend f\n bind :25,:465\n tcp-request content set-dst-port int(10025) if { dst_port 25 }\n"
        " default_backend b\nbackend b\n server m 10.9.9.9 send-proxy\n",
        [],
    ),
    "in the backend": Case(
        "frontend f\n bind :25\n default_backend b\n"
        "backend b\n tcp-request content set-dst-port int(10025)\n server m 10.9.9.9 send-proxy\n",
        [],
    ),
    "a server with a port of its own is dialled there": Case(
        "frontend f\n bind :25\n tcp-request content set-dst-port int(10025)\n default_backend b\n"
        "backend b\n server m 10.9.9.9:25 send-proxy\n",
        ["CH003 critical", "CH004 high"],
    ),
}
"""Rules that set the port which is dialled."""

NEAR = {
    "a tunnel's end, and nobody knows what is behind it": Case(
        lane(25, "127.0.0.1:2025 send-proxy"), [], {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")}
    ),
    "the same over IPv6": Case(
        lane(993, "[::1]:9930 send-proxy", "imaps"),
        [],
        {OVERRIDE: published("dovecot-mailcow", "10.9.9.9:10993:10993")},
    ),
    "a number of Mailcow's is taken for Mailcow's": Case(lane(25, "127.0.0.1:25 send-proxy"), ["CH003 critical"]),
    "one that is published elsewhere alone": Case(
        lane(25, "127.0.0.1:10025 send-proxy"),
        ["CH021 medium"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "on another machine it would be published": Case(
        lane(25, "10.9.9.9:2025 send-proxy"),
        ["CH021 medium", "CH021 medium"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
}
"""Targets on HAProxy's own machine."""

EDGE = "  edge:\n    image: tailscale/tailscale\n    ports: ['{}:10025:10025']\n"
INSIDE = "services:\n  postfix-mailcow:\n    network_mode: service:edge\n"
SHARING = {
    "the header is sent": Case(lane(25, "10.9.9.9:10025 send-proxy"), [], {OVERRIDE: INSIDE + EDGE.format("10.9.9.9")}),
    "none is": Case(lane(25, "10.9.9.9:10025"), ["CH002 critical"], {OVERRIDE: INSIDE + EDGE.format("10.9.9.9")}),
    "published for everybody": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), ["CH006 critical"], {OVERRIDE: INSIDE + EDGE.format("0.0.0.0")}
    ),
    "somebody else's network": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {OVERRIDE: INSIDE.replace("edge", "other") + EDGE.format("10.9.9.9")},
    ),
}
"""Containers in the network of another one, which publishes their ports."""

ASKED_ELSEWHERE = {
    name: Case(f"listen s\n bind :25\n{option} server m 10.9.9.9:10025 send-proxy {words}\n", [], ON_10025)
    for name, option, words in (
        ("an agent", "", "agent-check agent-port 9999"),
        ("a program", " option external-check\n external-check command /bin/true\n", "check port 10025"),
        ("a program that asks another port", " option external-check\n", "check port 25 check-send-proxy"),
        ("rules of a section of their own", "", "check healthcheck smtp port 10025"),
    )
}
"""Checks that ask no daemon, or by rules that are not in the section."""
