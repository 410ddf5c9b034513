"""The table of suspects: every component in every mode it can be in. A new mode is one row here, and one fault in
tests/drill/faults.py.

Costs are the minus logarithm of how likely a mode is. A row says what the mode produces (`covers`), which pass clears
it (`forbids`), what must be well for it (`needs`), which fact proves it, and what would tell it from its rivals."""

from __future__ import annotations

from console.diagnosis import proofs_back as back
from console.diagnosis import proofs_drift as drift
from console.diagnosis import proofs_front as front
from console.diagnosis import proofs_servers as servers
from console.diagnosis.mode import Mode, row
from console.diagnosis.scopes import (
    astray,
    each,
    everything,
    families,
    of_dovecot,
    service,
    services,
    silent_from_here,
    speaks_tls,
    to_plain_port,
    web,
    where,
    with_header,
)

END = "talk here,itself"
FAR = f"connect vm,door: timeout unreachable; {END}; check haproxy; ping host,large"
NEAR = "connect vm,door; talk vm; ping host"
INSIDE = f"connect vm,inside; talk vm,inside; {END}; check haproxy"
TAKEN = "out-of-step closed-0 tls not-tls odd says-no says-5xx says-4xx"
LOGIN = "logins talk vm,inside,here,itself; logins check haproxy"

HERE = (
    row(
        "here/offline", "this machine has no way to the Internet", 2.0, "public", everything,
        covers="connect here: timeout unreachable; name here: unheard; ping gateway; way proxy,mail",
        forbids="connect here; ping gateway; way proxy: pass shut", fact=front.offline, finding="CH033", kin="CH031",
        tells="ping another address from here", remedy="mend this machine's own network, or look from another",
    ),
    row(
        "name/none", "{said}", 0, "public", everything, covers="name here: none", fact=front.unresolved,
        finding="CH034", remedy="publish the name again: an A record, and AAAA where HAProxy listens on IPv6",
    ),
    row(
        "here/resolver-silent", "the public name could not be asked here: {said}", 0, "public", everything,
        covers="name here: unheard", fact=front.unheard, finding="CH035",
        remedy="look at /etc/resolv.conf and the resolver of this machine, or look from another one",
    ),
    row(
        "name/wrong-address", "the public name {also}leads to {wrong}, which is no address of {vps} ({own})", 0.5,
        "public",
        astray, covers=f"connect here,itself; {END}", forbids="talk here,itself", fact=front.misled, finding="CH036",
        tells="ip addr on {vps}", remedy="set the name's A and AAAA records to {own}",
    ),
    row(
        "here/blocks-25", "this line probably blocks port 25 on its way out", 1.0, "public",
        lambda world: [scope for scope in silent_from_here(world) if scope.ports == (25,)],
        covers="connect here: timeout", forbids="connect here", fact=front.blocked_here, finding="CH028", kin="CH028",
        tells="dial 25 from another network",
    ),
    row(
        "vps-filter/drop", "packets to {ports} are dropped before HAProxy: by a firewall of {vps}, of its provider or "
        "of this network", 2.2, "public", silent_from_here, covers="connect here: timeout unreachable",
        forbids="connect here", fact=front.filtered, finding="CH037", kin="CH028 CH031",
        tells="nft list ruleset on {vps}; dial from another network",
        remedy="nft list ruleset on {vps}, and its provider's firewall: let {ports} in",
    ),
    row(
        "vps-filter/drop-family", "over {family} nothing reaches {vps} from here: a firewall drops it, {vps} has lost "
        "its address or route, or this network has no way", 1.8, "public", families,
        covers="connect here: timeout unreachable", forbids="connect here", fact=front.filtered, finding="CH038",
        tells="nft list ruleset and ip route on {vps}; dial from another network",
        remedy="nft list ruleset, ip addr and ip route on {vps}; dial another {family} address from here",
    ),
    row(
        "vps/lost-family", "{vps} has no {family} address of its own, though the public name has one", 1.6, "public",
        families, covers="connect here,itself", forbids="connect here,itself", fact=front.familyless, finding="CH081",
        tells="ip addr on {vps}",
        remedy="ip addr on {vps}: give it back its {family} address, or take it out of the name",
    ),
    row(
        "vps-filter/reject", "a firewall before HAProxy rejects {ports} from outside", 1.5, "public", each,
        covers="connect here: refused", forbids="connect here", needs="connect itself", fact=front.rejected,
        finding="CH039", kin="CH021", tells="nft list ruleset on {vps}",
        remedy="nft list ruleset on {vps}, and its provider's firewall: let {ports} in",
    ),
    row(
        "vps-filter/redirect", "on {ports} something else answers from here than HAProxy: a NAT rule, or something in "
        "between", 1.8, "public", each, covers=END, forbids="talk here", needs="talk itself",
        fact=front.substituted, finding="CH040", tells="nft list ruleset on {vps}; dial from another network",
        remedy="nft list ruleset on {vps}: look for dnat or redirect of {ports}",
    ),
    row(
        "vps/off", "{vps} is off, or cut off from here", 1.5, "public", everything,
        covers="connect here: timeout unreachable; way proxy", forbids="connect here; way proxy: pass shut",
        fact=back.guess(),
        finding="CH031", kin="CH031", tells="the provider's console; another network",
    ),
)  # fmt: skip

HAPROXY = (
    row(
        "haproxy-process/stopped", "HAProxy is stopped on {vps}: every port{socket} refuses", 1.0, "public",
        everything, covers="connect here,itself: refused", forbids=END, fact=front.stopped,
        finding="CH030", kin="CH030", tells="ps -C haproxy on {vps}",
    ),
    row(
        "haproxy-process/frozen", "HAProxy on {vps} hangs: connections are accepted, and nothing is answered", 2.0,
        "haproxy", everything, covers=f"{END}: silent timeout closed", forbids=END, fact=front.frozen,
        finding="CH041", tells="ps -C haproxy -o stat,args on {vps}",
        remedy="kill -CONT its processes on {vps}, or systemctl restart haproxy",
    ),
    row(
        "haproxy-process/maxconn", "HAProxy on {vps} has reached its global maxconn {limit}", 2.5, "haproxy",
        everything, covers=f"{END}: silent timeout", forbids=END, fact=front.full,
        finding="CH042", tells="show info on HAProxy's stats socket",
        remedy="raise maxconn in the global section on {vps}; show sess tells who holds the connections",
    ),
    row(
        "haproxy-process/two", "two HAProxies run on {vps} and share ports{files}", 2.8, "haproxy", everything,
        covers=END, fact=front.doubled, finding="CH043", tells="ps -C haproxy -o args on {vps}",
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
        "haproxy-listener/loopback-only", "HAProxy listens on {ports} of {vps} at {places} only", 1.9, "public", each,
        covers="connect here,itself: refused", forbids="connect here", fact=front.inward, finding="CH045",
        kin="CH021", tells="ss -ltnp on {vps}", remedy="bind {ports} to every address in haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-listener/disabled", "HAProxy's frontend of {ports} was disabled by hand ({status})", 2.6, "public",
        each, covers=f"connect here,itself; {END}", forbids=END, fact=front.disabled, finding="CH046",
        remedy="enable frontend on HAProxy's stats socket, or reload it",
    ),
    row(
        "haproxy-listener/maxconn", "HAProxy takes no more connections on {ports}{count}", 2.2, "haproxy", each,
        covers=f"{END}: silent timeout", forbids=END, fact=front.crowded,
        finding="CH047", tells="show stat on HAProxy's stats socket: scur and slim",
        remedy="raise maxconn of that listener in haproxy.cfg; show sess tells who holds the connections",
    ),
    row(
        "haproxy-listener/rejects-us", "a rule of HAProxy's on {ports} turns this machine away", 2.0, "haproxy", each,
        covers="talk here: closed-0 closed; connect here: refused", forbids="talk here", needs="talk itself; talk vm",
        fact=front.denied, finding="CH048", kin="CH021", tells="show stat: dcon and dses; dial from another network",
        remedy="look for tcp-request … reject in the deployed haproxy.cfg where {ports} is described",
    ),
    row(
        "haproxy-listener/denies", "clients of {ports} are told {said}, and the server behind HAProxy tells it better: "
        "a rule of HAProxy's, or what it adds to a request", 1.8, "haproxy", where(web),
        covers=f"{END}: says-4xx says-5xx says-no", forbids=END, needs="talk vm", fact=servers.answers_odd,
        finding="CH049", tells="the deployed haproxy.cfg where {ports} is described",
        remedy="look for http-request deny or return in the deployed haproxy.cfg where {ports} is described",
    ),
    row(
        "haproxy-server/absent", "HAProxy has no server {server}: who connects to {ports} is hung up on", 1.8,
        "haproxy", each, covers=f"{END}", forbids=END, fact=servers.absent, finding="CH050",
        remedy="compare the deployed haproxy.cfg with this line, then reload it",
    ),
    row(
        "haproxy-server/maintenance", "HAProxy's server {server} is in maintenance: it sends nobody there", 1.8,
        "haproxy", each, covers=f"{END}; check haproxy", forbids=END, fact=servers.put_away("MAINT"), finding="CH051",
        tells="show stat on HAProxy's stats socket", remedy="enable server {server} on HAProxy's stats socket",
    ),
    row(
        "haproxy-server/drain", "HAProxy's server {server} is drained: it sends nobody new there", 2.2, "haproxy",
        each, covers=f"{END}; check haproxy", forbids=END, fact=servers.put_away("DRAIN"), finding="CH052",
        tells="show stat on HAProxy's stats socket", remedy="set server {server} state ready on HAProxy's stats "
        "socket, and its weight to 100%",
    ),
    row(
        "haproxy-server/wrong-target", "the running HAProxy sends {names} to {to}", 1.6, "haproxy", each,
        covers=f"{END}; check haproxy", fact=servers.elsewhere, finding="CH053",
        tells="show servers state on HAProxy's stats socket",
        remedy="compare the deployed haproxy.cfg with this line, then reload it",
    ),
    row(
        "haproxy-check/teaser", "HAProxy calls {server} down {why}, though it answers", 0.1, "haproxy", each,
        covers=f"{END}; check haproxy", forbids="check haproxy", needs="talk vm", fact=servers.teaser, finding="CH005",
    ),
    row(
        "haproxy-check/false-alarm", "HAProxy calls {server} down though it answers: its check is wrong", 1.2,
        "haproxy", each, covers=f"{END}; check haproxy", forbids="check haproxy", needs="talk vm",
        fact=servers.false_alarm, finding="CH054", tells="show servers state: the port that is checked",
        remedy="correct check and port on the server line in haproxy.cfg, then reload it",
    ),
    row(
        "haproxy-check/late", "HAProxy has not noticed yet that {server} answers again", 1.5, "haproxy", each,
        covers=f"{END}; check haproxy", forbids="check haproxy", needs="talk vm", fact=servers.hemmed, finding="CH055",
        tells="look again after HAProxy's check interval",
    ),
    row(
        "vps-filter/haproxy-outbound", "HAProxy cannot reach {server}, and {vps} can: a rule on its user or its source "
        "address", 1.7, "haproxy", each, covers=f"{END}; check haproxy", forbids="check haproxy", needs="talk vm",
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
        "not-tls closed-0", forbids=END, fact=servers.headerless, finding="CH002", spreads=True,
        remedy="the running HAProxy sends no header: compare its file with this line, add send-proxy, reload",
        tells="the daemon's log",
    ),
    row(
        "haproxy-server/header-to-plain", "HAProxy sends a PROXY header to a plain port, {lanes}", 1.2, "vm",
        where(to_plain_port), covers=f"{END}: {TAKEN}; talk vm: {TAKEN}; check haproxy", forbids=f"talk vm; {END}",
        fact=servers.to_plain, finding="CH003", spreads=True, tells="the daemon's log",
    ),
    row(
        "haproxy-server/header-to-plain", "HAProxy sends a PROXY header to a plain port, {lanes}", 1.6, "haproxy", each,
        covers=f"{END}: {TAKEN}; check haproxy", forbids=END, needs="talk vm", fact=servers.to_plain_astray,
        finding="CH003", spreads=True, tells="show servers state on HAProxy's stats socket",
    ),
)  # fmt: skip

HOME = (
    row(
        "vps/route-missing", "{vps} has no route to {host}", 1.5, "tunnel", everything, covers=FAR, forbids=NEAR,
        fact=back.unrouted, finding="CH057", kin="CH016", tells="ip route get on {vps}",
        remedy="tailscale up --accept-routes on {vps}, or add the route to the home network",
    ),
    row(
        "tunnel/down", "tunnel: no answer from {host} to {vps}, {every}", 1.0, "tunnel", everything,
        covers=f"{FAR}; ping router", forbids=f"{NEAR}; ping router", fact=back.untunnelled, finding="CH016",
        kin="CH016", tells="tailscale status on both ends",
    ),
    row(
        "home-router/down", "the router at home is off or offline", 1.6, "tunnel", everything,
        covers=f"{FAR}; ping router; way mail", forbids=f"{NEAR}; ping router; way mail: pass shut", fact=back.guess(),
        finding="CH058", kin="CH016", tells="a way in to the home network that is not the tunnel",
    ),
    row(
        "home-router/does-not-forward", "the router at home answers and passes nothing on to {host}", 2.0, "vm",
        everything, covers=FAR, forbids=NEAR, needs="ping router", fact=back.unforwarded, finding="CH059",
        kin="CH016", tells="sysctl net.ipv4.ip_forward, and the firewall, of the router at home",
    ),
    row(
        "vm/off", "{mail} is off, or hangs", 1.2, "vm", everything, covers=f"{FAR}; way mail",
        forbids=f"{NEAR}; way mail: pass shut; talk inside", fact=back.off, finding="CH060", needs="ping router",
        tells="incus list: its state and address",
    ),
    row(
        "vm/other-address", "{mail} has another address than the one that HAProxy dials", 1.9, "vm", everything,
        covers=f"{FAR}; way mail", forbids=f"{NEAR}; way mail: pass shut", fact=back.moved, finding="CH061",
        needs="ping router",
        tells="incus list: its state and address",
    ),
    row(
        "vm/no-way-back", "{mail} has no way back to {vps}: its default route is missing", 2.0, "vm", everything,
        covers=FAR, forbids=NEAR, needs="ping router", fact=back.unforwarded, finding="CH078", kin="CH016",
        tells="ip route on {mail}", remedy="ip route on {mail}: its default route leads to the router at home",
    ),
    row(
        "tunnel/loss", "packets are lost between {vps} and {mail}: by the tunnel, or at home", 2.4, "tunnel",
        everything,
        covers=f"connect vm,door: timeout; talk vm: silent closed-3 closed-5 closed headerless; {END}: silent closed-3 "
        "closed-5 closed headerless; check haproxy; ping router,host,large", fact=back.lossy, finding="CH062",
        tells="ping the router's end of the tunnel twenty times from {vps}",
        remedy="tailscale ping from {vps} tells whether it goes through a relay; look at the line at home",
    ),
    row(
        "tunnel/mtu", "large packets are lost between {vps} and {mail}, small ones pass", 2.0, "tunnel", everything,
        covers=f"talk vm: silent; {END}: silent; ping large", forbids="ping large", needs="ping host",
        fact=back.cramped, finding="CH063", tells="ping -M do -s 1232 from {vps}",
        remedy="clamp the MSS at the router (nft: tcp option maxseg size set rt mtu), or lower the tunnel's MTU",
    ),
    row(
        "vm-filter/from-proxy", "packets from {vps} to {target} of {mail} are dropped or rejected on their way: by a "
        "firewall or a ban there, or by a rule of the router between or of {vps}", 1.2, "vm", each,
        covers=f"connect vm: timeout unreachable refused; {END}; check haproxy", forbids=f"connect vm; {END}",
        fact=back.dropped, finding="CH064", tells="nft list ruleset and netfilter-mailcow's bans on {mail}",
        remedy="nft list ruleset on {mail}, then on the router at home and on {vps}; docker compose logs "
        "netfilter-mailcow: let {vps} in",
    ),
    row(
        "vm/docker-down", "no container runs on {mail}: Docker, or the whole project, is stopped", 2.2, "service",
        everything, covers=INSIDE, forbids=f"connect vm,inside; {END}", fact=back.no_container, finding="CH065",
        remedy="systemctl start docker on {mail}, then docker compose up -d in /opt/mailcow-dockerized",
    ),
    row(
        "publication/absent", "nothing publishes {target} of {mail}: its override is missing, or not applied", 1.3,
        "vm", each, covers=f"connect vm: refused; {END}; check haproxy", forbids="connect vm",
        fact=back.unpublished, finding="CH066", kin="CH066", tells="docker compose ps: published ports",
        remedy="docker-compose.override.yml in /opt/mailcow-dockerized on {mail}, then docker compose up -d",
    ),
    row(
        "publication/inward", "{target} of {mail} is bound to {places} only: {vps} cannot reach it", 1.5, "vm", each,
        covers=f"connect vm: refused; {END}; check haproxy", forbids="connect vm", fact=back.published_inward,
        finding="CH067", tells="ss -ltn on {mail}",
        remedy="bind {target} to the address that HAProxy dials, then docker compose up -d on {mail}",
    ),
)  # fmt: skip

DAEMONS = (
    row(
        "daemon/stopped", "{daemon} is stopped inside {mail}, {lanes}", 0.8, "service", services,
        covers=f"{INSIDE}; {LOGIN}", forbids=f"connect inside; talk vm,inside; {END}", fact=back.daemon_stopped,
        finding="CH029", kin="CH029", tells="docker compose ps on {mail}",
        remedy="docker compose ps {daemon}-mailcow; docker compose up -d {daemon}-mailcow; then read its log",
    ),
    row(
        "daemon/hung", "{daemon} does not answer as it should inside {mail}, {lanes}: its process is stopped by a "
        "signal", 1.8, "service", services,
        covers=f"connect inside,vm: timeout; talk inside,vm: silent; {END}; check haproxy; {LOGIN}",
        forbids=f"talk inside,vm; {END}", fact=back.daemon_halted, finding="CH029", kin="CH029",
        tells="ps on {mail}: state T", remedy="docker compose restart {daemon}-mailcow on {mail}; then read its log",
    ),
    row(
        "daemon/hung-port", "the process{process} behind {target} of {mail} is stopped by a signal", 2.4, "vm", each,
        covers=f"talk vm,inside: silent; {END}; check haproxy", forbids=f"talk vm; {END}", fact=back.port_halted,
        finding="CH068", remedy="docker compose restart postfix-mailcow on {mail}",
    ),
    row(
        "dovecot/auth-hung", "Dovecot's auth process hangs: greetings and logins wait for it", 2.0, "service",
        service("dovecot"),
        covers=f"talk inside,vm: silent; {END}; check haproxy; {LOGIN}", forbids="",
        fact=back.auth_halted, finding="CH069", kin="CH029", tells="ps on {mail}: dovecot/auth",
        remedy="docker compose restart dovecot-mailcow on {mail}; then read its log",
    ),
    row(
        "daemon/listener-absent", "{daemon} runs on {mail} and does not listen on {target}", 1.0, "vm", each,
        covers=f"connect vm,inside: refused; {END}; check haproxy", forbids="connect vm",
        fact=back.unserved, finding="CH070", kin="CH029", tells="ss -ltn on {mail}",
        remedy="look at {daemon}'s configuration on {mail} for the listener of {target}, then restart it",
    ),
    row(
        "daemon/says-no", "{daemon} itself answers {said} on {ports}", 0.6, "service", each,
        covers="talk vm,inside,here,itself: says-4xx says-5xx says-no loop; check haproxy", forbids="talk inside",
        fact=back.says_no, finding="CH071",
        remedy="read {daemon}'s log on {mail}: docker compose logs {daemon}-mailcow",
    ),
    row(
        "daemon/no-header-wanted", "{daemon} expects no PROXY header on {target}, {lanes}", 1.6, "vm",
        where(with_header), covers=f"talk vm: {TAKEN}; {END}: {TAKEN}; check haproxy", forbids=f"talk vm; {END}",
        needs="talk inside", fact=back.unwanted, finding="CH084", tells="{daemon}'s configuration of {target}",
        remedy="give {target} its PROXY listener again: haproxy = yes in Dovecot, upstream_proxy_protocol in Postfix",
    ),
    row(
        "daemon/redirect-loop", "https://{name}/ redirects to itself", 1.0, "service", where(web),
        covers=f"{END}: loop", fact=back.loops, finding="CH015", kin="CH015", tells="curl -I inside {mail}",
    ),
    row(
        "haproxy-listener/redirect-loop", "HAProxy redirects https://{name}/ to itself", 1.4, "haproxy", where(web),
        covers=f"{END}: loop", fact=servers.loops_itself, finding="CH079", kin="CH015",
        remedy="look for http-request redirect in the deployed haproxy.cfg where {ports} is described",
    ),
    row(
        "daemon/no-tls", "{daemon} answers in plain text on {ports}, where TLS should begin", 1.0, "service",
        where(speaks_tls), covers="talk vm,inside,here,itself: not-tls; check haproxy",
        forbids=f"talk vm; {END}", fact=back.plain_text, finding="CH072", tells="openssl s_client inside {mail}",
        remedy="look at {daemon}'s configuration on {mail} for ssl on that listener, then restart it",
    ),
    row(
        "daemon/process-limit", "all of {daemon}'s processes for {target} are taken", 1.8, "vm", each,
        covers=f"talk vm,inside: silent closed-0 timeout; {END}; check haproxy", forbids=f"talk vm; {END}",
        fact=back.exhausted, finding="CH073", tells="{daemon}'s log; ss -ltn on {mail}: Recv-Q",
        remedy="raise {daemon}'s process limit on {mail}, and look who holds the connections",
    ),
    row(
        "daemon/slow-greeting", "{daemon} greets on {target} later than anybody waits", 1.8, "vm", each,
        covers=f"talk vm,inside: silent; {END}: silent; check haproxy", forbids=f"talk vm; {END}",
        fact=back.guess(), finding="CH074", tells="wait longer, once",
    ),
    row(
        "daemon/dies", "{daemon} dies as it starts{why}", 1.2, "service", each,
        covers=f"{INSIDE}", forbids=f"talk vm,inside; {END}", fact=back.dies, finding="CH075",
        remedy="docker compose logs {daemon}-mailcow on {mail}",
    ),
    row(
        "dovecot/untrusted-proxy", "Dovecot does not trust the proxy{peer}, {lanes}", 1.0, "vm",
        where(of_dovecot), covers=f"talk vm: closed-0; {END}; check haproxy",
        forbids=f"talk vm; {END}", needs="connect vm", fact=back.distrusted, finding="CH001",
        tells="Dovecot's log: not trusted",
        remedy="haproxy_trusted_networks = {address} in data/conf/dovecot/extra.conf, then `dovecot reload`",
    ),
    row(
        "postfix/one-family", "IPv6 clients are refused, IPv4 ones served, {lanes}", 1.5, "vm", each,
        covers=END, needs="talk vm", fact=back.one_family, finding="CH018",
        tells="Postfix's log; postconf inet_protocols",
    ),
    row(
        "certificate/key-mismatch", "certificate and key on {mail} do not belong together: no TLS there, {lanes}",
        1.6, "service", where(speaks_tls),
        covers="talk vm,inside,here,itself: tls closed-0 silent not-tls; check haproxy",
        forbids=f"talk vm,inside; {END}", fact=back.mismatched, finding="CH011",
        tells="compare the public keys of cert.pem and key.pem in data/assets/ssl",
    ),
)  # fmt: skip

MODES: tuple[Mode, ...] = (*HERE, *HAPROXY, *HOME, *DAEMONS)
"""Every row, as an operator's packets go."""
