"""Set-ups by kind, as files: headers, addresses and protocols of lanes, and what lint says of each."""

from __future__ import annotations

import re

from msgspec import Struct

HEAD = "defaults\n mode tcp\n timeout connect 5s\n timeout client 30m\n timeout server 30m\n option tcp-check\n"
QUIET = ("CH009", "CH025")
"""Findings of another kind that these set-ups have anyway: bans at HAProxy, and the way out."""

CF, CONF, MASTER = "data/conf/postfix/extra.cf", "data/conf/dovecot/extra.conf", "data/conf/postfix/master.cf"
OVERRIDE = "docker-compose.override.yml"
CHECKS = {
    "smtp": " tcp-check connect default\n tcp-check expect rstring ^220\n",
    "smtps": " tcp-check connect default ssl\n tcp-check expect rstring ^220\n",
    "imap": " tcp-check connect default\n tcp-check expect string *\\ OK\n",
    "imaps": " tcp-check connect default ssl\n tcp-check expect string *\\ OK\n",
    "sieve": " tcp-check connect default\n tcp-check expect string IMPLEMENTATION\n",
    "web": " option httpchk\n",
}


class Case(Struct, frozen=True):
    """Files, and what lint says of them: "CH002 high", one for each finding."""

    config: str
    found: list[str]
    files: dict[str, str] = {}
    names: str = ""


def lane(port: int, server: str, speaks: str = "smtp", more: str = "") -> str:
    """Return a listen section with a check that passes where the target speaks so."""
    check = CHECKS.get(speaks, "")
    return f"listen l{port}\n bind :{port}\n{more}{check} server m {server} check inter 30s verify none\n"


def published(service: str, *ports: str) -> str:
    return f"services:\n  {service}:\n    ports: {list(ports)}\n"


def override(config: str) -> str:
    """Return an override that publishes the PROXY ports which a configuration dials, where it dials them."""
    services: dict[str, dict[str, None]] = {"postfix-mailcow": {}, "dovecot-mailcow": {}}
    for address, port in re.findall(r"server \w+ (\S+):(1\d{4})\b", config):
        service = "postfix-mailcow" if port in ("10025", "10465", "10587") else "dovecot-mailcow"
        services[service][f"{address}:{port}:{port}"] = None
    rows = [f"  {name}: {{restart: always, ports: {list(ports)}}}\n" for name, ports in services.items()]
    return "services:\n" + "".join(rows)


PROXIED = "postscreen_upstream_proxy_protocol = haproxy\n"
SMTPD = "smtpd_upstream_proxy_protocol = haproxy\n"


def inet(service: str, name: str, *settings: str) -> str:
    rows = "".join(f"    {each}\n" for each in settings)
    return f"service {service} {{\n  inet_listener {name} {{\n{rows}  }}\n}}\n"


TRUST = "haproxy_trusted_networks = 10.9.9.1\n"
SERVICES = (
    "smtp inet n - n - 1 postscreen\n  -o postscreen_upstream_proxy_protocol=haproxy\n"
    "smtpd pass - - n - - smtpd\n10025 inet n - n - 1 postscreen\n"
    "submission inet n - n - - smtpd\n  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
    "2465 inet n - n - - smtpd\n  -o { smtpd_tls_wrappermode = yes }\n  -o smtpd_upstream_proxy_protocol=haproxy\n"
)

WITHOUT_HEADER = {
    "25 to a private address": Case(lane(25, "10.9.9.9:25"), ["CH002 high"]),
    "587": Case(lane(587, "10.9.9.9:587"), ["CH002 high"]),
    "993": Case(lane(993, "192.168.7.7:993", "imaps"), ["CH002 high"]),
    "sieve over IPv6": Case(lane(4190, "[fd42::7]:4190", "sieve"), ["CH002 high"]),
    "to a public address it is banned as well": Case(lane(25, "9.9.9.9:25"), ["CH002 high", "CH008 high"]),
    "a name": Case(lane(25, "mailcow.lan:25"), ["CH002 high"]),
    "TLS ended at HAProxy": Case(
        "listen i\n bind :993 ssl crt /x\n" + CHECKS["imap"] + " server m 10.9.9.9:143 check\n", ["CH002 high"]
    ),
    "a base port moved, with a header": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH021 medium"], {"mailcow.conf": "SMTP_PORT=2525\n"}
    ),
    "a port moved by mailcow.conf": Case(
        lane(25, "10.9.9.9:2525"), ["CH002 high"], {"mailcow.conf": "SMTP_PORT=2525\n"}
    ),
    "two servers, one with": Case(
        "listen s\n bind :25\n" + CHECKS["smtp"] + " server a 10.9.9.9:25 check inter 30s\n"
        " server b 10.9.9.9:10025 send-proxy check inter 30s\n",
        ["CH002 high"],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "no-send-proxy takes it back": Case(lane(25, "10.9.9.9:25 send-proxy no-send-proxy"), ["CH002 high"]),
    "TLS passed on to nginx": Case(
        lane(443, "10.9.9.9:443", ""), ["CH004 high", "CH002 medium"], {"mailcow.conf": "SKIP_LETS_ENCRYPT=y\n"}
    ),
    "the client's own address is kept": Case(lane(25, "10.9.9.9:25 source 0.0.0.0 usesrc clientip"), []),
    "kept by the section": Case(lane(25, "10.9.9.9:25", more=" source 0.0.0.0 usesrc client\n"), []),
    "who answers is not known": Case(lane(25, "10.9.9.9:2626"), ["CH021 medium"]),
}

BY_THE_FILES = {
    "extra.cf, header sent": Case(lane(25, "10.9.9.9:25 send-proxy"), [], {CF: PROXIED}),
    "extra.cf, none sent": Case(lane(25, "10.9.9.9:25"), ["CH002 critical"], {CF: PROXIED}),
    "extra.cf turned off again": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical"], {CF: PROXIED + "postscreen_upstream_proxy_protocol =\n"}
    ),
    "extra.cf does not reach a service of its own": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {CF: "postscreen_upstream_proxy_protocol =\n", OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "smtpd's is not postscreen's": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical", "CH100 high"], {CF: SMTPD}
    ),
    "smtpd's, on 465": Case(lane(465, "10.9.9.9:465 send-proxy", "smtps"), ["CH100 high"], {CF: SMTPD}),
    "smtpd's, on 587 without": Case(lane(587, "10.9.9.9:587"), ["CH002 critical", "CH100 high"], {CF: SMTPD}),
    "a value that a variable decides": Case(
        lane(25, "10.9.9.9:25 send-proxy"), [], {CF: "postscreen_upstream_proxy_protocol = $mine\n"}
    ),
    "a variable of the same file": Case(
        lane(25, "10.9.9.9:25"),
        ["CH002 critical"],
        {CF: "mine = haproxy\npostscreen_upstream_proxy_protocol = ${mine}\n"},
    ),
    "a variable of a variable": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        [],
        {CF: "a = haproxy\nb = $(a)\npostscreen_upstream_proxy_protocol = $b\n"},
    ),
    "master.cf, header on 25": Case(lane(25, "10.9.9.9:25"), ["CH002 critical"], {MASTER: SERVICES}),
    "master.cf, none on 10025": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH003 critical"],
        {MASTER: SERVICES, OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "master.cf, a port of its own": Case(
        lane(465, "10.9.9.9:2465 send-proxy", "smtps"),
        [],
        {MASTER: SERVICES, OVERRIDE: published("postfix-mailcow", "10.9.9.9:2465:2465")},
    ),
    "extra.conf, header sent": Case(
        lane(993, "10.9.9.9:993 send-proxy", "imaps"),
        [],
        {CONF: TRUST + inet("imap-login", "imaps", "haproxy = yes", "ssl = yes", "port = 993")},
    ),
    "extra.conf, none sent": Case(
        lane(993, "10.9.9.9:993", "imaps"),
        ["CH002 critical"],
        {CONF: TRUST + inet("imap-login", "imaps", "haproxy = yes")},
    ),
    "extra.conf on one line": Case(
        lane(993, "10.9.9.9:993 send-proxy", "imaps"),
        [],
        {CONF: TRUST + "service imap-login { inet_listener imaps { haproxy = yes ssl = yes port = 993 } }\n"},
    ),
    "extra.conf takes the header away": Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps"),
        ["CH003 critical"],
        {
            CONF: TRUST + inet("imap-login", "imaps_haproxy", "haproxy = no"),
            OVERRIDE: published("dovecot-mailcow", "10.9.9.9:10993:10993"),
        },
    ),
    "extra.conf, a listener of its own": Case(
        lane(993, "10.9.9.9:9930 send-proxy", "imaps"),
        [],
        {
            CONF: TRUST + inet("imap-login", "mine", "port = 9930", "ssl = yes", "haproxy = yes"),
            OVERRIDE: published("dovecot-mailcow", "10.9.9.9:9930:9930"),
        },
    ),
    "extra.conf, sieve": Case(
        lane(4190, "10.9.9.9:4190 send-proxy", "sieve"),
        [],
        {CONF: TRUST + inet("managesieve-login", "sieve", "haproxy = yes")},
    ),
    "nginx, header to none": Case(
        lane(443, "100.64.1.2:443 send-proxy-v2", "web"), ["CH003 critical"], {"mailcow.conf": "HTTP_REDIRECT=n\n"}
    ),
    "nginx, none to header": Case(
        lane(443, "100.64.1.2:443", "web"), ["CH002 critical"], {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\n"}
    ),
    "nginx, header to header": Case(
        lane(443, "100.64.1.2:443 send-proxy-v2", ""),
        ["CH004 high"],
        {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\n"},
    ),
    "nginx, by the override's environment": Case(
        lane(443, "100.64.1.2:443", "web"),
        ["CH002 critical"],
        {
            "mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=n\n",
            OVERRIDE: "services:\n  nginx-mailcow:\n    environment: [NGINX_USE_PROXY_PROTOCOL=y]\n",
        },
    ),
    "nginx, the server that redirects": Case(
        lane(80, "100.64.1.2:80 send-proxy", "web"),
        ["CH003 critical"],
        {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\nHTTP_REDIRECT=y\n"},
    ),
    "nginx, a port of mailcow.conf": Case(
        lane(443, "100.64.1.2:8443 send-proxy", "web"), ["CH003 critical"], {"mailcow.conf": "HTTPS_PORT=8443\n"}
    ),
    **{
        f"nginx, {value}": Case(
            lane(443, "100.64.1.2:443 send-proxy-v2", "web"),
            found,
            {"mailcow.conf": f"NGINX_USE_PROXY_PROTOCOL={value}\n"},
        )
        for value, found in (
            ("YES", ["CH005 high"]),
            ("Y", ["CH005 high"]),
            ("true", ["CH003 critical"]),
            ("1", ["CH003 critical"]),
        )
    },
    "nginx, and no mailcow.conf": Case(lane(443, "100.64.1.2:443 send-proxy-v2", ""), ["CH004 high"]),
}

ADDRESS = {
    "loopback alone": Case(
        lane(25, "100.64.1.2:10025 send-proxy"),
        ["CH021 medium"],
        {OVERRIDE: published("postfix-mailcow", "127.0.0.1:10025:10025")},
    ),
    "by mailcow.conf": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH021 medium"],
        {
            OVERRIDE: published("postfix-mailcow", "${SMTP_PORT_HAPROXY:-10.9.9.9:10025}:10025"),
            "mailcow.conf": "SMTP_PORT_HAPROXY=127.0.0.1:10025\n",
        },
    ),
    "a base port by mailcow.conf": Case(
        lane(25, "10.9.9.9:25"), ["CH002 high", "CH021 medium"], {"mailcow.conf": "SMTP_PORT=127.0.0.1:25\n"}
    ),
    "a base port moved": Case(lane(25, "10.9.9.9:25"), ["CH021 medium"], {"mailcow.conf": "SMTP_PORT=2525\n"}),
    "the long syntax": Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps"),
        ["CH021 medium"],
        {
            OVERRIDE: "services:\n  dovecot-mailcow:\n    ports:\n"
            "      - {target: 10993, published: 10993, host_ip: 10.9.9.8}\n"
        },
    ),
    "IPv6 dialled, IPv4 published": Case(
        lane(25, "[fd42::9]:10025 send-proxy"),
        ["CH006 critical", "CH021 medium"],
        {OVERRIDE: published("postfix-mailcow", "0.0.0.0:10025:10025")},
    ),
    "a name, loopback published": Case(
        lane(25, "mailcow.incus:10025 send-proxy"),
        ["CH021 medium"],
        {OVERRIDE: published("postfix-mailcow", "127.0.0.1:10025:10025")},
    ),
    "the web": Case(
        lane(443, "100.64.1.2:443 send-proxy-v2", ""),
        ["CH004 high", "CH021 medium"],
        {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\nHTTPS_BIND=127.0.0.1\n"},
    ),
    "the web is on the address": Case(
        lane(443, "100.64.1.2:443 send-proxy-v2", ""),
        ["CH004 high"],
        {"mailcow.conf": "NGINX_USE_PROXY_PROTOCOL=y\nHTTPS_BIND=100.64.1.2\n"},
    ),
    "the same address written otherwise": Case(
        lane(25, "[fd42:0::9]:10025 send-proxy"), [], {OVERRIDE: published("postfix-mailcow", "[fd42::9]:10025:10025")}
    ),
    "one of two": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {OVERRIDE: published("postfix-mailcow", "127.0.0.1:10025:10025", "10.9.9.9:10025:10025")},
    ),
    "a name that may be the address": Case(
        lane(25, "mailcow.incus:10025 send-proxy"),
        [],
        {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")},
    ),
    "loopback on one machine": Case(
        lane(25, "127.0.0.1:10025 send-proxy"),
        [],
        {OVERRIDE: published("postfix-mailcow", "127.0.0.1:10025:10025")},
    ),
    "the base ports replaced": Case(
        lane(25, "10.9.9.9:25"),
        ["CH002 high", "CH021 medium"],
        {OVERRIDE: 'services:\n  postfix-mailcow:\n    ports: !override ["127.0.0.1:25:25"]\n'},
    ),
    "the base ports reset": Case(
        lane(25, "10.9.9.9:25"),
        ["CH002 high", "CH021 medium"],
        {OVERRIDE: "services:\n  postfix-mailcow:\n    ports: !reset []\n"},
    ),
}

SPEECH = {
    "TLS to 10143": Case(lane(993, "10.9.9.9:10143 send-proxy", "imap"), ["CH080 critical"]),
    "TLS to 10587": Case(lane(465, "10.9.9.9:10587 send-proxy"), ["CH080 critical"]),
    "TLS to 10110": Case(lane(995, "10.9.9.9:10110 send-proxy", ""), ["CH080 critical", "CH004 high"]),
    "plain to 10993": Case(lane(143, "10.9.9.9:10993 send-proxy", "imaps"), ["CH080 critical"]),
    "ended, and 10993 wants it": Case(
        "listen i\n bind :993 ssl crt /x\n" + CHECKS["imaps"] + " server m 10.9.9.9:10993 send-proxy check\n",
        ["CH080 critical"],
    ),
    "ended, and begun again": Case(
        "listen i\n bind :993 ssl crt /x\n"
        + CHECKS["imaps"]
        + " server m 10.9.9.9:10993 ssl verify none send-proxy check"
        "\n",
        [],
    ),
    "ended, to 10143": Case(
        "listen i\n bind :993 ssl crt /x\n" + CHECKS["imap"] + " server m 10.9.9.9:10143 send-proxy check\n", []
    ),
    "the other daemon's TLS": Case(lane(993, "10.9.9.9:10995 send-proxy", ""), ["CH080 critical", "CH004 high"]),
    "mail from outside to submission": Case(lane(25, "10.9.9.9:10587 send-proxy"), ["CH080 critical"]),
    "submission to postscreen": Case(lane(587, "10.9.9.9:10025 send-proxy"), ["CH080 critical"]),
    "HTTPS to HTTP": Case(
        lane(25, "10.9.9.9:10025 send-proxy") + lane(443, "10.9.9.9:80", "web"),
        ["CH080 critical"],
        {"mailcow.conf": "HTTP_REDIRECT=n\n"},
    ),
    "extra.conf gives 10143 TLS": Case(
        lane(993, "10.9.9.9:10143 send-proxy", "imaps"),
        [],
        {CONF: TRUST + inet("imap-login", "imap_haproxy", "ssl = yes")},
    ),
    "a port of one's own": Case(lane(9993, "10.9.9.9:10143 send-proxy", "imap"), []),
}
