"""Suspects between HAProxy and a daemon: route, tunnel, router, the mail host, and what it publishes."""

from __future__ import annotations

from console.diagnosis import proofs_back as back
from console.diagnosis.mode import Mode, row
from console.diagnosis.patterns import END, FAR, INSIDE, NEAR, STUCK
from console.diagnosis.scopes import each, everything

HOME: tuple[Mode, ...] = (
    row(
        "vps/route-missing", "{vps} has no route to {host}{astray}", 1.5, "tunnel", everything, covers=FAR,
        forbids=NEAR, fact=back.unrouted, finding="CH057", kin="CH016", tells="ip route get on {vps}",
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
        "home-router/does-not-forward", "{router} answers and passes nothing on to {host}", 2.0, "vm",
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
        covers=f"{FAR}; way mail", forbids=NEAR, fact=back.moved, finding="CH061",
        needs="ping router",
        tells="incus list: its state and address",
    ),
    row(
        "vm/no-way-back", "{mail} has no way back to {vps}: its route there is missing or wrong", 2.0, "vm", everything,
        covers=FAR, forbids=NEAR, needs="ping router", fact=back.backless, finding="CH078", kin="CH016",
        tells="ip route on {mail}",
        remedy="ip route get, on {mail}, of {vps}'s address in the tunnel: it leads to the router",
    ),
    row(
        "tunnel/loss", "packets are lost between {vps} and {mail}{count}: by the tunnel, or at home", 2.4, "tunnel",
        everything,
        covers=f"connect vm,door: timeout; talk vm: silent closed-3 closed-5 closed headerless; {END}: silent closed-3 "
        "closed-5 closed headerless not-tls; check haproxy; ping router,host,large", fact=back.lossy, stands="apart",
        finding="CH062",
        tells="ping the router's end of the tunnel twenty times from {vps}",
        remedy="tailscale ping from {vps} tells whether it goes through a relay; look at the line at home",
    ),
    row(
        "tunnel/narrow", "what {mail} says at once takes seconds to {vps}: the tunnel, or the line at home, carries "
        "too little, or loses much of it", 2.2, "tunnel", everything,
        covers=f"connect vm,door: timeout; talk vm: silent closed-3 closed-5 closed; {END}: silent closed-0 closed-3 "
        "closed-5 closed says-5xx; check haproxy; ping router,host,large", fact=back.crawling, finding="CH093",
        tells="a transfer between {vps} and {mail}; ping of the router's end of the tunnel while it runs",
        remedy="look what fills the line at home (a backup, an update), and whether tailscale goes through a relay",
    ),
    row(
        "tunnel/mtu", "large packets are lost between {vps} and {mail}, small ones pass", 2.0, "tunnel", everything,
        covers=f"talk vm: {STUCK}; {END}: silent; ping large", forbids="ping large", needs="ping host",
        fact=back.cramped, finding="CH063", tells="ping -M do -s 1232 from {vps}",
        remedy="clamp the MSS at the router (nft: tcp option maxseg size set rt mtu), or lower the tunnel's MTU",
    ),
    row(
        "vm-filter/from-proxy", "packets from {vps} to {target} of {mail} are dropped or rejected on their way: by a "
        "firewall or a ban there, or by a rule of the router between or of {vps}", 1.2, "vm", each,
        covers=f"connect vm: timeout unreachable refused; {END}; check haproxy", forbids=f"connect vm; {END}",
        fact=back.dropped, finding="CH064", stands="beside",
        tells="nft list ruleset and netfilter-mailcow's bans on {mail}",
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
