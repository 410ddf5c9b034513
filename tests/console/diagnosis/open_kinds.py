"""Set-ups by kind: HAProxy's files alone, or with what says nothing of the mail server behind."""

from __future__ import annotations

from tests.console.diagnosis.kinds import CF, CHECKS, OVERRIDE, Case, lane
from tests.console.diagnosis.other_kinds import EDGE_ALONE

NOBODY = {OVERRIDE: "services: {}\n"}
NAMELESS = {
    "a header to 993": Case(lane(993, "10.9.9.9:993 send-proxy", "imaps"), ["CH094 low"], NOBODY),
    "one to 10993": Case(lane(993, "10.9.9.9:10993 send-proxy", "imaps"), ["CH094 low"], NOBODY),
    "none to 10025": Case(lane(25, "10.9.9.9:10025"), ["CH094 low"], NOBODY),
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
    "a file of its Postfix": Case(lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical"], {**NOBODY, CF: "a = b\n"}),
    "a host of the site": Case(
        lane(25, "10.9.9.9:25 send-proxy"), ["CH003 critical"], NOBODY, '[hosts.m]\nrole = "mail"\nlocal = true\n'
    ),
}
"""What is true whoever answers is told; what is not is said to be open."""
