"""More set-ups by kind: trust lists, health checks, Incus's forwards, IPv6, and what files leave open."""

from __future__ import annotations

from tests.console.diagnosis.kinds import CF, OVERRIDE, PROXIED, Case, lane, published

TRUSTED = {
    "cut off": (["CH001 critical"], "172.0.0./8"),
    "a name": (["CH001 critical"], "vps.example.org"),
    "a prefix too long": (["CH001 critical"], "10.0.0.0/33"),
    "a number too large": (["CH001 critical"], "10.0.0.300"),
    "a mask": (["CH001 critical"], "10.0.0.0/255.0.0.0"),
    "IPv6 that is none": (["CH001 critical"], "fd00:::1/64"),
    "a good one first": (["CH001 high"], "10.9.9.1, relay.lan"),
    "nothing": (["CH001 critical"], ""),
    "everybody": (["CH006 high"], "0.0.0.0/0"),
    "everybody over IPv6": (["CH006 high"], "10.9.9.1 ::/0"),
    "half of everybody": (["CH006 high"], "0.0.0.0/1, 128.0.0.0/1"),
    "one address": ([], "10.9.9.1"),
    "both families": ([], "10.9.9.0/24 [fd42::]/64, fd7a:115c:a1e0::/48"),
    "three numbers": ([], "10.9.9/24"),
    "a variable": ([], "$mine"),
    "over several lines": ([], "\\\n  10.9.9.1 \\\n  fd42::/64"),
    "over several lines, one bad": (["CH001 high"], "10.9.9.1 \\\n  relay.lan"),
    "over several lines with a comment between, which drops all": (["CH001 critical"], "10.9.9.1 \\\n  # x\n"),
}

SCREENED = " option tcp-check\n tcp-check connect default\n tcp-check expect "
CHECKED = {
    "smtpchk on 25": Case(
        "listen s\n bind :25\n option smtpchk\n server m 10.9.9.9:25 check\n", ["CH005 high", "CH002 high"]
    ),
    "smtpchk on a moved 25": Case(
        "listen s\n bind :25\n option smtpchk EHLO x\n server m 10.9.9.9:2525 check\n",
        ["CH005 high", "CH002 high"],
        {"mailcow.conf": "SMTP_PORT=2525\n"},
    ),
    "smtpchk on submission": Case(
        "listen s\n bind :587\n option smtpchk\n server m 10.9.9.9:10587 send-proxy check\n", []
    ),
    "smtpchk without TLS on smtps": Case(
        "listen s\n bind :465\n option smtpchk\n server m 10.9.9.9:10465 send-proxy check\n", ["CH005 high"]
    ),
    "smtpchk on IMAP": Case(
        "listen s\n bind :143\n option smtpchk\n server m 10.9.9.9:10143 send-proxy check\n", ["CH005 high"]
    ),
    "220 and a blank, 2 s": Case(
        f'listen s\n bind :25\n{SCREENED}string "220 "\n server m 10.9.9.9:10025 send-proxy check\n', ["CH005 high"]
    ),
    "the same in hexadecimal": Case(
        f"listen s\n bind :25\n{SCREENED}binary 32323020\n server m 10.9.9.9:10025 send-proxy check\n", ["CH005 high"]
    ),
    "10 s": Case(
        f'listen s\n bind :25\n{SCREENED}string "220 "\n server m 10.9.9.9:10025 send-proxy check inter 10s\n', []
    ),
    "timeout check": Case(
        f'listen s\n bind :25\n timeout check 1s\n{SCREENED}string "220 "\n'
        " server m 10.9.9.9:10025 send-proxy check inter 10s\n",
        ["CH005 high"],
    ),
    "extra.cf waits longer": Case(
        f'listen s\n bind :25\n{SCREENED}string "220 "\n server m 10.9.9.9:10025 send-proxy check inter 10s\n',
        ["CH005 high"],
        {CF: "postscreen_greet_wait = 12s\n"},
    ),
    "bound to the beginning, however long": Case(
        f"listen s\n bind :25\n{SCREENED}rstring ^220\\\\s\n server m 10.9.9.9:10025 send-proxy check inter 30s\n",
        ["CH005 high"],
    ),
    "either form": Case(
        f"listen s\n bind :25\n{SCREENED}rstring ^220[\\ -]\n server m 10.9.9.9:10025 send-proxy check\n", []
    ),
    "the number alone": Case(
        f"listen s\n bind :25\n{SCREENED}string 220\n server m 10.9.9.9:10025 send-proxy check\n", []
    ),
    "another protocol's greeting": Case(
        f"listen s\n bind :4190\n{SCREENED}string *\\ OK\n server m 10.9.9.9:14190 send-proxy check\n", ["CH005 high"]
    ),
    "no TLS to a port that begins with it": Case(
        f"listen s\n bind :993\n{SCREENED}string *\\ OK\n server m 10.9.9.9:10993 send-proxy check\n", ["CH005 high"]
    ),
    "TLS to one that does not": Case(
        "listen s\n bind :143\n option tcp-check\n tcp-check connect default ssl\n tcp-check expect string OK\n"
        " server m 10.9.9.9:10143 send-proxy check verify none\n",
        ["CH005 high"],
    ),
    "no header to a port that waits": Case(
        "listen s\n bind :25\n tcp-check connect port 10025\n tcp-check expect rstring ^220\n"
        " server m 10.9.9.9:10025 send-proxy check\n",
        ["CH002 critical"],
    ),
    "what cannot be told": Case(
        f"listen s\n bind :25\n{SCREENED}rstring (220|421)\n server m 10.9.9.9:10025 send-proxy check\n", []
    ),
}

INSTANCE = """resource "incus_instance" "m" {
  name  = "m"
  image = "images:debian/12"
  device {
    name       = "eth0"
    type       = "nic"
    properties = { network = "incusbr0"%s }
  }
%s}
"""


def forward(ports: str, more: str = "") -> str:
    return (
        'resource "incus_network_forward" "f" {\n  network = "incusbr0"\n  listen_address = "203.0.113.11"\n'
        f"  ports = [{ports}]\n{more}}}\n" + INSTANCE % ("", "")
    )


def port(listen: str, target: str, address: str = "10.10.10.214") -> str:
    return f'{{ protocol = "tcp", listen_port = "{listen}", target_port = "{target}", target_address = "{address}" }}'


def device(listen: str, connect: str, more: str = "") -> str:
    return INSTANCE % (
        "",
        f'  device {{\n    name = "p"\n    type = "proxy"\n    properties = {{\n      listen = "{listen}"\n'
        f'      connect = "{connect}"\n{more}    }}\n  }}\n',
    )


IMAPS = {OVERRIDE: published("dovecot-mailcow", "10.10.10.214:10993:10993")}
INSIDE = {OVERRIDE: published("dovecot-mailcow", "127.0.0.1:10993:10993")}
FORWARDED = lane(993, "203.0.113.11:993 send-proxy", "imaps")
HEADER = '      proxy_protocol = "true"\n'
HOPS = {
    "a forward": Case(FORWARDED, [], {"m.tf": forward(port("993", "10993")), **IMAPS}),
    "of several ports": Case(FORWARDED, [], {"m.tf": forward(port("25,993", "10025,10993")), **IMAPS}),
    "of a range": Case(FORWARDED, [], {"m.tf": forward(port("990-995", "10990-10995")), **IMAPS}),
    "by the default target": Case(
        lane(993, "203.0.113.11:10993 send-proxy", "imaps"),
        [],
        {"m.tf": forward("", '  config = { target_address = "10.10.10.214" }\n'), **IMAPS},
    ),
    "to the plain port": Case(
        FORWARDED, ["CH003 critical", "CH021 medium"], {"m.tf": forward(port("993", "993")), **IMAPS}
    ),
    "without a header": Case(
        lane(993, "203.0.113.11:993", "imaps"), ["CH002 critical"], {"m.tf": forward(port("993", "10993")), **IMAPS}
    ),
    "to where nobody publishes": Case(
        FORWARDED, ["CH021 medium"], {"m.tf": forward(port("993", "10993", "10.10.10.213")), **IMAPS}
    ),
    "to an address nobody knows": Case(
        FORWARDED, [], {"m.tf": forward(port("993", "10993", "${incus_instance.m.ipv4_address}")), **IMAPS}
    ),
    "another port than is dialled": Case(FORWARDED, [], {"m.tf": forward(port("995", "10995")), **IMAPS}),
    "a proxy device": Case(
        lane(993, "100.64.1.2:993 send-proxy", "imaps"),
        [],
        {"m.tf": device("tcp:0.0.0.0:993", "tcp:127.0.0.1:10993"), **INSIDE},
    ),
    "a proxy device on one address": Case(
        lane(993, "100.64.1.2:993 send-proxy", "imaps"),
        [],
        {"m.tf": device("tcp:100.64.1.2:993", "tcp:127.0.0.1:10993"), **INSIDE},
    ),
    "a proxy device inside is no way in": Case(
        lane(993, "10.10.10.214:10993 send-proxy", "imaps"),
        ["CH024 high"],
        {"m.tf": device("tcp:0.0.0.0:10993", "tcp:127.0.0.1:993", '      bind = "instance"\n'), **IMAPS},
    ),
    "a proxy device and its own header": Case(
        lane(993, "100.64.1.2:993 send-proxy", ""),
        ["CH003 critical", "CH004 high"],
        {"m.tf": device("tcp:0.0.0.0:993", "tcp:127.0.0.1:10993", HEADER), **INSIDE},
    ),
    "its header alone": Case(
        lane(993, "100.64.1.2:993", ""),
        ["CH002 high", "CH004 high"],
        {"m.tf": device("tcp:0.0.0.0:993", "tcp:127.0.0.1:10993", HEADER), **INSIDE},
    ),
}

SIX = ', "ipv4.address" = "10.9.9.9", "ipv6.address" = "%s"'
OFF = {"mailcow.conf": "ENABLE_IPV6=false\n"}
RELAY = {
    "the VM has a public address": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), ["CH007 critical"], {**OFF, "m.tf": INSTANCE % (SIX % "2001:db8::9", "")}
    ),
    "the VM has a private one": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), ["CH007 critical"], {**OFF, "m.tf": INSTANCE % (SIX % "fd42::9", "")}
    ),
    "HAProxy dials one": Case(lane(25, "[fd42::9]:10025 send-proxy"), ["CH007 critical"], OFF),
    "a port is published on one": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH007 critical"],
        {"mailcow.conf": "ENABLE_IPV6=n\nSUBMISSION_PORT=[2001:db8::9]:587\n"},
    ),
    "cloud-init gives one": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH007 critical"],
        {
            "mailcow.conf": "ENABLE_IPV6=False\n",
            "m.tf": INSTANCE
            % (
                ', "ipv4.address" = "10.9.9.9"',
                '  config = { "cloud-init.network-config" = "addresses: [2001:db8::9/64]" }\n',
            ),
        },
    ),
    "all of Postfix on IPv4": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {
            "mailcow.conf": "ENABLE_IPV6=false\nSMTP_PORT=10.9.9.9:25\nSMTPS_PORT=10.9.9.9:465\n"
            "SUBMISSION_PORT=10.9.9.9:587\n",
            "m.tf": INSTANCE % (SIX % "2001:db8::9", ""),
        },
    ),
    "IPv6 is on": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        [],
        {"mailcow.conf": "ENABLE_IPV6=true\n", "m.tf": INSTANCE % (SIX % "2001:db8::9", "")},
    ),
    "no IPv6 anywhere": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), [], {**OFF, "m.tf": INSTANCE % (', "ipv4.address" = "10.9.9.9"', "")}
    ),
    "mynetworks holds everybody": Case(
        lane(25, "10.9.9.9:10025 send-proxy"), ["CH007 critical"], {CF: "mynetworks = 127.0.0.0/8, 0.0.0.0/0\n"}
    ),
}

DOVECOTS = {OVERRIDE: published("dovecot-mailcow", "9.9.9.9:10993:10993")}
LEFT_OPEN = {
    "a port of the environment": Case("listen a\n bind :25\n server m 127.0.0.1:${PB} send-proxy\n", []),
    "quoted": Case('listen a\n bind :25\n server m "10.9.9.9:${PB}" send-proxy\n', [], DOVECOTS),
    "without braces": Case("listen a\n bind :993\n server m 10.9.9.9:$PB send-proxy\n", [], DOVECOTS),
    "a name made of what nobody knows": Case(
        "frontend f\n bind :993\n use_backend m_%[src]\nbackend m_1\n server s 9.9.9.9:10993 send-proxy\n",
        ["CH004 high"],
        DOVECOTS,
    ),
    "an SRV record": Case(
        "listen a\n bind :4190\n server-template m 1-3 _sieve._tcp.x resolvers dns send-proxy\nresolvers dns\n"
        " nameserver a 127.0.0.1:53\n",
        [],
        DOVECOTS,
    ),
    "a listener's port": Case('listen a\n bind ":${PORT}"\n server m 9.9.9.9:10993 send-proxy\n', [], DOVECOTS),
    "a host of the environment": Case(
        lane(25, "${MAIL}:10025 send-proxy"), [], {OVERRIDE: published("postfix-mailcow", "10.9.9.9:10025:10025")}
    ),
}

SMALL = {
    "PROXY ports of Dovecot alone relay nothing": Case(
        lane(993, "10.9.9.9:10993 send-proxy", "imaps"),
        ["CH006 medium"],
        {OVERRIDE: published("dovecot-mailcow", "10993:10993")},
    ),
    "one of Postfix does": Case(
        lane(25, "10.9.9.9:10025 send-proxy"),
        ["CH006 critical"],
        {OVERRIDE: published("postfix-mailcow", "10025:10025")},
    ),
    "a port that extra.cf gives the header": Case(
        lane(25, "10.9.9.9:25 send-proxy"),
        ["CH006 critical"],
        {CF: PROXIED, OVERRIDE: published("postfix-mailcow", "25:25")},
    ),
}


def through(dials: str, binds: str, target: str = "10.9.9.9:10025 send-proxy") -> str:
    """Return a lane through one of HAProxy's own listeners."""
    return (
        f"frontend out\n bind :25\n default_backend l\nbackend l\n server l {dials}\nfrontend in\n bind {binds}\n"
        " default_backend m\nbackend m\n tcp-check connect default\n tcp-check expect rstring ^220\n"
        f" server m {target} check inter 30s\n"
    )


INNER = {
    "the header is handed on": Case(through("127.0.0.1:2525 send-proxy", "127.0.0.1:2525 accept-proxy"), []),
    "over a UNIX socket": Case(through("abns@m send-proxy-v2", "abns@m accept-proxy"), []),
    "it is lost, and replaced by our own": Case(through("127.0.0.1:2525", "127.0.0.1:2525"), ["CH002 critical"]),
    "it is lost on a UNIX socket": Case(through("abns@m", "abns@m"), ["CH002 high"]),
    "it is waited for": Case(through("127.0.0.1:2525", "127.0.0.1:2525 accept-proxy"), ["CH002 critical"]),
    "it is not taken off": Case(through("127.0.0.1:2525 send-proxy", "127.0.0.1:2525"), ["CH003 critical"]),
}
