"""Suspects that are a daemon: stopped, hung, crowded, without its listener or its TLS."""

from __future__ import annotations

from console.diagnosis import proofs_daemons as daemons
from console.diagnosis import proofs_servers as servers
from console.diagnosis.mode import Mode, row
from console.diagnosis.patterns import END, INSIDE, LOGIN, TAKEN
from console.diagnosis.scopes import each, of_dovecot, service, services, speaks_tls, web, where, with_header

DAEMONS: tuple[Mode, ...] = (
    row(
        "daemon/stopped", "{daemon} is stopped inside {mail}, {lanes}", 0.8, "service", services,
        covers=f"{INSIDE}; {LOGIN}", forbids=f"connect inside; talk vm,inside; {END}", fact=daemons.daemon_stopped,
        finding="CH029", kin="CH029", tells="docker compose ps on {mail}",
        remedy="docker compose ps {daemon}-mailcow; docker compose up -d {daemon}-mailcow; then read its log",
    ),
    row(
        "daemon/hung", "{daemon} does not answer as it should inside {mail}, {lanes}: its process is stopped by a "
        "signal", 1.8, "service", services,
        covers=f"connect inside,vm: timeout; talk inside,vm: silent; {END}; check haproxy; {LOGIN}",
        forbids=f"talk inside,vm; {END}", fact=daemons.daemon_halted, finding="CH029", kin="CH029",
        tells="ps on {mail}: state T", remedy="docker compose restart {daemon}-mailcow on {mail}; then read its log",
    ),
    row(
        "daemon/hung-port", "the process{process} behind {target} of {mail} is stopped by a signal", 2.4, "vm", each,
        covers=f"talk vm,inside: silent; {END}; check haproxy", forbids=f"talk vm; {END}", fact=daemons.port_halted,
        finding="CH068", remedy="docker compose restart postfix-mailcow on {mail}",
    ),
    row(
        "daemon/hung-port", "the process{process} behind {ports} inside {mail} is stopped by a signal; clients who "
        "come through HAProxy have another", 2.4, "service", each,
        covers="talk inside: silent", forbids="talk inside", needs="talk vm", fact=daemons.inner_port_halted,
        finding="CH099", remedy="docker compose restart postfix-mailcow on {mail}",
    ),
    row(
        "dovecot/auth-hung", "Dovecot's auth process hangs: greetings and logins wait for it", 2.0, "service",
        service("dovecot"),
        covers=f"talk inside,vm: silent; {END}; check haproxy; {LOGIN}", forbids="",
        fact=daemons.auth_halted, finding="CH069", kin="CH029", tells="ps on {mail}: dovecot/auth",
        remedy="docker compose restart dovecot-mailcow on {mail}; then read its log",
    ),
    row(
        "daemon/listener-absent", "{daemon} runs on {mail} and does not listen on {target}", 1.0, "vm", each,
        covers=f"connect vm,inside: refused; {END}; check haproxy", forbids="connect vm",
        fact=daemons.unserved, finding="CH070", kin="CH029", stands="beside", tells="ss -ltn on {mail}",
        remedy="look at {daemon}'s configuration on {mail} for the listener of {target}, then restart it",
    ),
    row(
        "daemon/says-no", "{daemon} itself answers {said} on {ports}", 0.6, "service", each,
        covers="talk vm,inside,here,itself: says-4xx says-5xx says-no loop; check haproxy", forbids="talk inside",
        fact=daemons.says_no, finding="CH071",
        remedy="read {daemon}'s log on {mail}: docker compose logs {daemon}-mailcow",
    ),
    row(
        "daemon/no-header-wanted", "{daemon} expects no PROXY header on {target}, {lanes}", 1.6, "vm",
        where(with_header), covers=f"talk vm: {TAKEN}; {END}: {TAKEN}; check haproxy", forbids=f"talk vm; {END}",
        needs="talk inside", fact=daemons.unwanted, finding="CH084", tells="{daemon}'s configuration of {target}",
        remedy="give {target} its PROXY listener again: haproxy = yes in Dovecot, upstream_proxy_protocol in Postfix",
    ),
    row(
        "daemon/redirect-loop", "https://{name}/ redirects to itself", 1.0, "service", where(web),
        covers=f"{END}: loop", fact=daemons.loops, finding="CH015", kin="CH015", tells="curl -I inside {mail}",
    ),
    row(
        "haproxy-listener/redirect-loop", "HAProxy redirects https://{name}/ to itself", 1.4, "haproxy", where(web),
        covers=f"{END}: loop", fact=servers.loops_itself, finding="CH079", kin="CH015",
        remedy="look for http-request redirect in the deployed haproxy.cfg where {ports} is described",
    ),
    row(
        "daemon/no-tls", "{daemon} answers in plain text on {ports}, where TLS should begin", 1.0, "service",
        where(speaks_tls), covers="talk vm,inside,here,itself: not-tls; check haproxy",
        forbids=f"talk vm; {END}", fact=daemons.plain_text, finding="CH072", tells="openssl s_client inside {mail}",
        remedy="look at {daemon}'s configuration on {mail} for ssl on that listener, then restart it",
    ),
    row(
        "daemon/process-limit", "all of {daemon}'s processes for {target} are taken", 1.8, "vm", each,
        covers=f"talk vm,inside: silent closed-0 timeout; {END}; check haproxy", forbids=f"talk vm; {END}",
        fact=daemons.exhausted, finding="CH073", tells="{daemon}'s log; ss -ltn on {mail}: Recv-Q",
        remedy="raise {daemon}'s process limit on {mail}, and look who holds the connections",
    ),
    row(
        "daemon/slow-greeting", "{daemon} greets on {target} later than anybody waits", 1.8, "vm", each,
        covers=f"talk vm,inside: silent; {END}: silent; check haproxy", forbids=f"talk vm; {END}",
        fact=daemons.tardy, finding="CH074", tells="connect to {target} on {mail} by hand, and wait two minutes",
    ),
    row(
        "daemon/dies", "{daemon} dies as it starts{why}", 1.2, "service", each,
        covers=f"{INSIDE}; {END}", forbids=f"talk vm,inside; {END}", fact=daemons.dies, finding="CH075",
        remedy="docker compose logs {daemon}-mailcow on {mail}",
    ),
    row(
        "dovecot/untrusted-proxy", "Dovecot does not trust the proxy{peer}, {lanes}", 1.0, "vm",
        where(of_dovecot), covers=f"talk vm: closed-0; {END}; check haproxy",
        forbids=f"talk vm; {END}", needs="connect vm", fact=daemons.distrusted, finding="CH001",
        tells="Dovecot's log: not trusted",
        remedy="haproxy_trusted_networks = {address} in data/conf/dovecot/extra.conf, then `dovecot reload`",
    ),
    row(
        "postfix/one-family", "IPv6 clients are refused, IPv4 ones served, {lanes}", 1.5, "vm", each,
        covers=END, needs="talk vm", fact=daemons.one_family, finding="CH018",
        tells="Postfix's log; postconf inet_protocols",
    ),
    row(
        "certificate/key-mismatch", "certificate and key on {mail} do not belong together: no TLS there, {lanes}",
        1.6, "service", where(speaks_tls),
        covers="talk vm,inside,here,itself: tls closed-0 silent not-tls; check haproxy",
        forbids=f"talk vm,inside; {END}", fact=daemons.mismatched, finding="CH011",
        tells="compare the public keys of cert.pem and key.pem in data/assets/ssl",
    ),
    row(
        "certificate/unusable", "{daemon} on {mail} cannot use its certificate or key: no TLS there, {lanes}", 1.6,
        "service", where(speaks_tls), covers="talk vm,inside,here,itself: tls closed-0 silent not-tls; check haproxy",
        forbids=f"talk vm,inside; {END}", fact=daemons.unusable, finding="CH092",
        remedy="look at {daemon}'s log on {mail} for the file that it names: whether it is there, whole, and readable",
    ),
)  # fmt: skip
