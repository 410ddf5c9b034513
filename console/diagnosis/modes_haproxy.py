"""Suspects that are HAProxy: its process, its listeners, its servers, and how it checks them."""

from __future__ import annotations

from console.diagnosis import proofs_drift as drift
from console.diagnosis import proofs_front as front
from console.diagnosis import proofs_headers as headers
from console.diagnosis import proofs_listeners as listeners
from console.diagnosis import proofs_servers as servers
from console.diagnosis.mode import Mode, row
from console.diagnosis.patterns import CLOSED, END, NOBODY, TAKEN
from console.diagnosis.scopes import (
    each,
    each_unheard,
    everything,
    mail,
    speaks_tls,
    to_plain_port,
    web,
    where,
    with_header,
)

_RULE = "look for reject or silent-drop in the deployed haproxy.cfg where {ports} is described"

HAPROXY: tuple[Mode, ...] = (
    row(
        "haproxy-process/stopped", "HAProxy is stopped on {vps}: {how}{socket} refuses", 1.0, "haproxy",
        everything, covers="connect here,itself: refused", forbids=END, fact=front.stopped, stands="apart",
        finding="CH030", kin="CH030", tells="ps -C haproxy on {vps}",
    ),
    row(
        "haproxy-process/frozen", "HAProxy on {vps} hangs: connections are accepted, and nothing is answered", 2.0,
        "haproxy", everything, covers=f"{END}: silent timeout closed", forbids=END, fact=front.frozen, stands="beside",
        finding="CH041", tells="ps -C haproxy -o stat,args on {vps}",
        remedy="kill -CONT its processes on {vps}, or systemctl restart haproxy",
    ),
    row(
        "haproxy-process/maxconn", "HAProxy on {vps} has reached its global maxconn {limit}", 2.5, "haproxy",
        everything, covers=f"{END}: silent timeout", forbids=END, fact=front.full, stands="beside",
        finding="CH042", tells="show info on HAProxy's stats socket",
        remedy="raise maxconn in the global section on {vps}; show sess tells who holds the connections",
    ),
    row(
        "haproxy-process/two", "two HAProxies run on {vps} and share ports{files}", 2.8, "haproxy", everything,
        covers=END, fact=front.doubled, stands="beside", finding="CH043", tells="ps -C haproxy -o args on {vps}",
        remedy="stop the one that should not run on {vps}: systemctl status haproxy tells which is the unit's",
    ),
    row(
        "vps/other-program", "{ports} of {vps} belongs to {who}, not to HAProxy", 0, "public", each,
        covers=f"{END}; connect here,itself: refused", fact=front.stranger, finding="CH044",
        remedy="stop {who} on {vps}, then start HAProxy",
    ),
    row(
        "haproxy-listener/absent", "nobody listens on public {ports}{only} ({names})", 1.0, "public", each,
        covers="connect here,itself: refused", fact=front.unlistened,
        finding="CH021", kin="CH021", tells="ss -ltnp on {vps}",
        remedy="the running HAProxy has no such listener: compare its file with this line, then reload it",
    ),
    row(
        "haproxy-listener/absent", "nobody listens on public {ports}{only} ({names})", 1.0, "public", each_unheard,
        covers="connect here: timeout unreachable", fact=front.unlistened_too, stands="beside",
        finding="CH021", kin="CH021", tells="ss -ltnp on {vps}",
        remedy="the running HAProxy has no such listener: compare its file with this line, then reload it",
    ),
    row(
        "haproxy-listener/loopback-only", "HAProxy listens on {ports} of {vps} at {places} only", 1.9, "public", each,
        covers="connect here,itself: refused", forbids="connect here", fact=front.inward, finding="CH045",
        kin="CH021", tells="ss -ltnp on {vps}", remedy="bind {ports} to every address in haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-listener/disabled", "HAProxy's frontend of {ports} was disabled by hand ({status})", 2.6, "public",
        each, covers=f"connect here,itself; {END}", forbids=END, fact=front.disabled, stands="beside", finding="CH046",
        remedy="enable frontend {frontend} on HAProxy's stats socket",
    ),
    row(
        "haproxy-listener/maxconn", "HAProxy takes no more connections on {ports}{count}", 2.2, "haproxy", each,
        covers=f"{END}: silent timeout", forbids=END, fact=front.crowded,
        finding="CH047", tells="show stat on HAProxy's stats socket: scur and slim",
        remedy="raise maxconn of that listener in haproxy.cfg; show sess tells who holds the connections",
    ),
    row(
        "haproxy-listener/rejects-us", "a rule of HAProxy's on {ports} turns this machine away", 2.0, "haproxy", each,
        covers="talk here: closed-0 closed; connect here: refused", forbids="talk here",
        needs="connect itself", stands="beside",
        fact=front.denied, finding="CH048", kin="CH021",
        tells="show stat: dcon, dses and dreq; dial from another network",
        remedy=_RULE,
    ),
    row(
        "haproxy-listener/rejects-us", "a rule of HAProxy's on {ports} turns this machine away", 1.0, "haproxy", each,
        covers="talk here,itself: closed-0 closed silent; connect here,itself: refused",
        fact=front.denied_too, finding="CH048", stands="beside",
        tells="show stat: dcon, dses and dreq; dial from another network", remedy=_RULE,
    ),
    row(
        "haproxy-listener/denies", "clients of {ports} are told {said}, {though}: HAProxy says so itself (a rule, or "
        "no backend for them), or by what it adds to a request", 1.8, "haproxy",
        where(web),
        covers=f"{END}: says-4xx says-5xx says-no", forbids=END, fact=servers.answers_odd, stands="beside",
        finding="CH049", tells="the deployed haproxy.cfg where {ports} is described",
        remedy="look for http-request deny or return, and for default_backend, in the deployed haproxy.cfg where "
        "{ports} is described",
    ),
    row(
        "haproxy-listener/mode-http", "HAProxy treats {ports} as the web's (mode http): it waits for a request, "
        "and clients of {daemon} send none", 1.8, "haproxy", where(mail), covers=END, forbids=END,
        fact=listeners.for_web, stands="beside", finding="CH096",
        remedy="say mode tcp where {ports} is described in the deployed haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-listener/wraps-tls", "HAProxy ends the TLS of clients of {ports} itself, and passes on without any "
        "to {target} of {mail}, where {daemon} waits for TLS", 1.8, "haproxy", where(speaks_tls),
        covers=f"{END}: silent {CLOSED}", forbids=END, fact=listeners.ends_tls, stands="beside",
        finding="CH097",
        remedy="take ssl and crt from the bind lines of {ports} in the deployed haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-listener/timeout", "HAProxy hangs up on clients of {ports} after {patience} s, and {daemon} "
        "greets after {greets} s: timeout client, timeout server or a rule is shorter than that", 1.8, "haproxy",
        where(mail), covers=f"{END}: {CLOSED}", forbids=END, needs="talk vm", fact=listeners.impatient, finding="CH098",
        remedy="give {ports} at least a minute: timeout client and timeout server in the deployed haproxy.cfg",
    ),
    row(
        "haproxy-server/absent", "HAProxy has no server {server}: who connects to {ports} is hung up on", 1.8,
        "haproxy", each, covers=f"{NOBODY}", forbids=END, fact=servers.absent, stands="beside", finding="CH050",
        remedy="compare the deployed haproxy.cfg with this line, then reload it",
    ),
    row(
        "haproxy-server/shared", "HAProxy shares clients of {ports} between {server}, which answers, and {others}",
        0.9, "haproxy", each, covers=END, needs="talk vm", fact=servers.shared,
        finding="CH085", tells="show stat on HAProxy's stats socket",
        remedy="take {others} out of the deployed haproxy.cfg, or mend it and have it checked",
    ),
    row(
        "haproxy-server/maintenance", "HAProxy's server {server} is in maintenance: it sends nobody there", 1.8,
        "haproxy",
        each, covers=f"{NOBODY}; check haproxy: idle", fact=servers.put_away("MAINT"), finding="CH051",
        stands="beside",
        tells="show stat on HAProxy's stats socket", remedy="enable server {server} on HAProxy's stats socket",
    ),
    row(
        "haproxy-server/drain", "HAProxy's server {server} is drained: it sends nobody new there", 2.2, "haproxy",
        each, covers=f"{NOBODY}; check haproxy: idle", fact=servers.put_away("DRAIN"), finding="CH052",
        stands="beside",
        tells="show stat on HAProxy's stats socket", remedy="set server {server} state ready on HAProxy's stats "
        "socket, and its weight to 100%",
    ),
    row(
        "haproxy-server/unresolved", "HAProxy knows no address of its server {server}: it cannot resolve the name, and "
        "sends nobody there", 1.8, "haproxy", each, covers=f"{NOBODY}; check haproxy: idle", fact=servers.unresolved,
        stands="beside", finding="CH089", tells="show servers state on HAProxy's stats socket",
        remedy="look at the server's name and the resolvers section in the deployed haproxy.cfg, or give the address",
    ),
    row(
        "haproxy-server/maxconn", "all connections that HAProxy may make to {server} are taken{count}: clients wait in "
        "its queue", 2.2, "haproxy", each, covers=END, forbids=END, fact=servers.queued, finding="CH090",
        stands="beside", tells="show stat on HAProxy's stats socket: qcur, scur and slim",
        remedy="raise maxconn on the server line in haproxy.cfg; show sess tells who holds the connections",
    ),
    row(
        "haproxy-server/wrong-target", "the running HAProxy sends {names} to {to}", 1.6, "haproxy", each,
        covers=f"{END}; check haproxy", fact=servers.elsewhere, stands="beside", finding="CH053",
        tells="show servers state on HAProxy's stats socket",
        remedy="compare the deployed haproxy.cfg with this line, then reload it",
    ),
    row(
        "haproxy-check/teaser", "HAProxy calls {server} down {why}, though it answers", 0.1, "haproxy", each,
        covers=f"{NOBODY}; check haproxy", forbids="check haproxy", needs="talk vm", fact=servers.teaser,
        finding="CH005",
    ),
    row(
        "haproxy-check/false-alarm", "HAProxy calls {server} down though it answers: its check is wrong", 1.2,
        "haproxy", each, covers=f"{NOBODY}; check haproxy", forbids="check haproxy", needs="talk vm",
        fact=servers.false_alarm, finding="CH054", tells="show servers state: the port that is checked",
        remedy="correct check and port on the server line in haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-check/false-alarm", "HAProxy checks {server} at port {checked} instead of {meant}", 1.9, "haproxy",
        each, covers=f"{NOBODY}; check haproxy", forbids="check haproxy", fact=servers.checks_astray, stands="beside",
        finding="CH054", tells="show servers state: the port that is checked",
        remedy="correct the check's port on the server line in haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-check/agent", "an agent that HAProxy asks calls {server} {state}{though}", 0.9, "haproxy", each,
        covers=f"{NOBODY}; check haproxy", forbids="check haproxy", fact=servers.agent_says, finding="CH091",
        stands="beside", tells="show stat on HAProxy's stats socket",
        remedy="ask the agent why (agent-check, agent-port and agent-addr "
        "on the server line in haproxy.cfg), or take agent-check out and reload HAProxy",
    ),
    row(
        "haproxy-check/late", "HAProxy has not noticed yet that {server} answers again", 1.5, "haproxy", each,
        covers=f"{NOBODY}; check haproxy", forbids="check haproxy", needs="talk vm", fact=servers.late,
        finding="CH055",
        tells="look again after HAProxy's check interval",
    ),
    row(
        "vps-filter/haproxy-outbound", "HAProxy cannot reach {server}, and {vps} can: a rule on its user or its source "
        "address", 1.7, "haproxy", each, covers=f"{NOBODY}; check haproxy", needs="connect vm",
        fact=servers.hemmed, finding="CH056", tells="nft list ruleset on {vps}: skuid, output",
    ),
    row(
        "haproxy-config/drift", "{file} on {on} is not yours where {names} is described: {lines}", 0.9, "haproxy",
        each, covers=f"{END}; check haproxy; connect here,itself: refused", forbids=END, needs="talk vm",
        fact=drift.changed_here, finding="CH082",
        remedy="cowhand drift shows it; apply the repository's file on {on} and reload HAProxy, or adopt the host's",
    ),
    row(
        "haproxy-server/no-header", "HAProxy sends no PROXY header, {lanes}", 1.4, "haproxy", where(with_header),
        covers=f"{END}: headerless closed-3 closed-5 tls not-tls closed-0; talk vm: headerless closed-3 closed-5 tls "
        "not-tls closed-0", forbids=END, fact=headers.headerless, finding="CH002", spreads=True,
        remedy="the running HAProxy sends no header: compare its file with this line, add send-proxy, reload",
        tells="the daemon's log",
    ),
    row(
        "haproxy-server/header-to-plain", "HAProxy sends a PROXY header to a plain port, {lanes}", 1.2, "vm",
        where(to_plain_port), covers=f"{END}: {TAKEN}; talk vm: {TAKEN}; check haproxy", forbids=f"talk vm; {END}",
        fact=headers.to_plain, finding="CH003", spreads=True, tells="the daemon's log",
    ),
    row(
        "haproxy-server/header-to-plain", "HAProxy sends a PROXY header to a plain port, {lanes}", 1.6, "haproxy", each,
        covers=f"{END}: {TAKEN}; check haproxy", forbids=END, needs="talk vm", fact=headers.to_plain_astray,
        finding="CH003", spreads=True, tells="show servers state on HAProxy's stats socket",
    ),
)  # fmt: skip
