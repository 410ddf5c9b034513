"""The catalogue: every id cowhand can name, with its words. What makes one hold is in `rules/`."""

from __future__ import annotations

from msgspec import Struct

from console.model import Finding, HopName, Severity, Span
from console.text import clean


class Entry(Struct, frozen=True):
    """One id of the catalogue; `remedy` is the sentence an operator acts on, `flow` the flow that does it."""

    id: str
    name: str
    severity: Severity
    remedy: str
    flow: str | None = None


_ENTRIES = (
    Entry(
        "CH001",
        "dovecot-untrusted-proxy",
        "critical",
        "set haproxy_trusted_networks in data/conf/dovecot/extra.conf to the peer Dovecot logs, then `dovecot reload`",
        "proxy-override",
    ),
    Entry("CH002", "proxy-header-missing", "critical", "add send-proxy to the server line", "haproxy-listeners"),
    Entry(
        "CH003",
        "proxy-header-on-plain-port",
        "critical",
        "send to the PROXY port (10xxx, 14190), or drop send-proxy",
        "haproxy-listeners",
    ),
    Entry(
        "CH004",
        "blind-health-check",
        "high",
        "check what the daemon says, through the PROXY header: option tcp-check with connect … send-proxy and expect",
        "haproxy-listeners",
    ),
    Entry(
        "CH005",
        "smtpchk-on-postscreen",
        "high",
        "replace option smtpchk by tcp-check expect rstring ^220",
        "haproxy-listeners",
    ),
    Entry(
        "CH006",
        "spoofable-proxy-port",
        "critical",
        "publish on the one address HAProxy dials (SMTP_PORT_HAPROXY=10.x.x.x:10025 in mailcow.conf);"
        " if strangers reach that too, flow proxy-filter lets only the proxy pass",
        "proxy-override",
    ),
    Entry(
        "CH007", "docker-source-address", "critical", "give Docker real source addresses: IPv6 on, userland-proxy off"
    ),
    Entry("CH008", "proxy-banned", "critical", "unban the proxy, allow-list it, and repair the PROXY header"),
    Entry("CH009", "bans-without-effect", "high", "enforce the bans at HAProxy, where the client's address is real"),
    Entry(
        "CH010",
        "stale-certificate",
        "high",
        "reload the service that still serves the old certificate",
        "rotate-certificate",
    ),
    Entry(
        "CH011",
        "certificate-key-mismatch",
        "critical",
        "deploy the matching pair again, or put the previous one back",
        "certificate-sync",
    ),
    Entry("CH012", "acme-overwrites", "high", "SKIP_LETS_ENCRYPT=y in mailcow.conf, then docker compose up -d"),
    Entry(
        "CH013",
        "dovecot-exited-after-renewal",
        "critical",
        "reload with `docker compose exec -T dovecot-mailcow dovecot reload`; SIGHUP ends the container",
        "certificate-sync",
    ),
    Entry("CH014", "tlsa-mismatch", "high", "renew with reuse_key and publish 3 1 1"),
    Entry("CH015", "web-redirect-loop", "high", "HTTP_REDIRECT=n in mailcow.conf"),
    Entry(
        "CH016",
        "tunnel-down",
        "critical",
        "tailscale status on the proxy and at home: re-authenticate, or repair the route",
    ),
    Entry(
        "CH017", "volume-not-mounted", "critical", "mount the volumes by UUID, before docker starts", "mount-volumes"
    ),
    Entry("CH018", "ipv6-client-refused", "high", "inet_protocols = all in Postfix, or no AAAA record"),
    Entry(
        "CH019",
        "idle-cut",
        "medium",
        "timeout client 30m and timeout server 30m (IMAP IDLE is 29 minutes)",
        "haproxy-listeners",
    ),
    Entry(
        "CH020",
        "hostname-split",
        "medium",
        "one name for HELO, PTR and certificate: MAILCOW_HOSTNAME or smtp_helo_name",
    ),
    Entry(
        "CH021",
        "listener-missing",
        "medium",
        "add the HAProxy listener, or stop publishing the port",
        "haproxy-listeners",
    ),
    Entry("CH022", "certificate-expiring", "high", "renew and deploy the certificate", "rotate-certificate"),
    Entry("CH023", "config-drift", "medium", "apply the repository's file, or adopt what runs"),
    Entry("CH024", "unpinned-address", "high", "pin ipv4.address on the instance's nic"),
    Entry("CH025", "outbound-not-via-proxy", "high", "route or relay outbound mail through the proxy's address"),
    Entry(
        "CH026",
        "deploy-channel-open",
        "high",
        "restrict the deploy key (from=, restrict, command=) and pin the host key",
        "certificate-sync",
    ),
    Entry(
        "CH027", "unsafe-deploy-hook", "high", "let cowhand write the hook and the deploy script", "certificate-sync"
    ),
    Entry(
        "CH028", "port-25-blocked-here", "low", "judge port 25 from another vantage; this line cannot reach it anywhere"
    ),
    Entry("CH029", "service-stopped", "critical", "start the service: docker compose up -d, then read its log"),
    Entry(
        "CH030",
        "haproxy-stopped",
        "critical",
        "check its files with haproxy -c, then systemctl start haproxy",
        "haproxy-listeners",
    ),
    Entry(
        "CH031",
        "proxy-unreachable",
        "critical",
        "look from another network; then the VPS's console, its firewall, its provider",
    ),
    Entry("CH032", "cause-undecided", "critical", "look at the evidence of these lanes"),
    Entry("CH033", "here-offline", "critical", "mend this machine's own network, or look from another one"),
    Entry("CH034", "name-without-address", "critical", "publish the name again: A, and AAAA where HAProxy has IPv6"),
    Entry("CH035", "resolver-silent", "high", "look at this machine's resolver, or look from another machine"),
    Entry("CH036", "name-leads-elsewhere", "critical", "set the name's A and AAAA records to the proxy's addresses"),
    Entry("CH037", "port-dropped", "critical", "let the port in: nft list ruleset, and the provider's firewall"),
    Entry("CH038", "family-unreachable", "high", "look at that family's address, route and firewall on the proxy"),
    Entry("CH039", "port-rejected", "critical", "let the port in: nft list ruleset, and the provider's firewall"),
    Entry("CH040", "port-redirected", "critical", "nft list ruleset on the proxy: look for dnat or redirect"),
    Entry("CH041", "haproxy-frozen", "critical", "systemctl restart haproxy on the proxy"),
    Entry("CH042", "haproxy-maxconn", "critical", "raise maxconn in the global section; show sess tells who holds it"),
    Entry("CH043", "two-haproxies", "critical", "stop the HAProxy that should not run"),
    Entry("CH044", "port-taken", "critical", "stop the program that has the port, then start HAProxy"),
    Entry("CH045", "listener-inward", "critical", "bind the port to every address, then reload HAProxy"),
    Entry("CH046", "frontend-disabled", "critical", "enable frontend NAME on HAProxy's stats socket"),
    Entry("CH047", "listener-maxconn", "critical", "raise the listener's maxconn; show sess tells who holds it"),
    Entry("CH048", "listener-rejects-here", "high", "look for reject or silent-drop in the deployed haproxy.cfg"),
    Entry("CH049", "listener-denies", "high", "look for http-request deny or return in the deployed haproxy.cfg"),
    Entry("CH050", "server-absent", "critical", "compare the deployed haproxy.cfg with the files, then reload it"),
    Entry("CH051", "server-in-maintenance", "critical", "enable server on HAProxy's stats socket"),
    Entry("CH052", "server-drained", "critical", "set server … state ready, and its weight, on HAProxy's stats socket"),
    Entry("CH053", "server-elsewhere", "critical", "compare the deployed haproxy.cfg with the files, then reload it"),
    Entry("CH054", "check-false-alarm", "critical", "correct check and port on the server line, then reload HAProxy"),
    Entry("CH055", "check-late", "medium", "look again after HAProxy's check interval"),
    Entry(
        "CH056",
        "haproxy-hemmed-in",
        "critical",
        "check the proxy's rules on HAProxy's user (nft list ruleset), and source on the server line",
    ),
    Entry("CH057", "route-missing", "critical", "tailscale up --accept-routes on the proxy, or add the route"),
    Entry("CH058", "home-router-down", "critical", "switch the router at home on, or mend its line"),
    Entry("CH059", "home-router-forwards-not", "critical", "sysctl net.ipv4.ip_forward=1 on the router at home"),
    Entry("CH060", "vm-off", "critical", "incus list on the home server, then incus start"),
    Entry("CH061", "vm-moved", "critical", "incus list on the home server; pin ipv4.address on the instance's nic"),
    Entry("CH062", "tunnel-lossy", "high", "tailscale ping tells whether it goes through a relay; look at the line"),
    Entry("CH093", "tunnel-narrow", "critical", "look what fills the line at home, and at tailscale ping"),
    Entry(
        "CH094",
        "daemon-unknown",
        "low",
        'name the mail server\'s own files: compose = ["…"] or mailcow_conf = "…" in [sources], for Mailcow',
    ),
    Entry("CH095", "port-without-server", "high", "name the backend (default_backend), or take the listener out"),
    Entry("CH101", "port-taken", "high", "give one of the two another port or another address"),
    Entry("CH096", "listener-for-web", "critical", "say mode tcp on that listener, then reload HAProxy"),
    Entry("CH097", "tls-ended-early", "critical", "take ssl and crt from that listener's bind lines, reload HAProxy"),
    Entry("CH098", "haproxy-impatient", "critical", "raise timeout client and timeout server, then reload HAProxy"),
    Entry("CH100", "header-on-inner-port", "high", "let HAProxy dial Mailcow's own PROXY ports (10xxx, 14190)"),
    Entry("CH102", "login-without-tls", "critical", "pass the client's TLS through (no ssl and crt) to the TLS port"),
    Entry("CH063", "tunnel-mtu", "critical", "clamp the MSS at the router, or lower the tunnel's MTU"),
    Entry("CH064", "vm-filters-proxy", "critical", "let the proxy in: nft list ruleset, and netfilter-mailcow's bans"),
    Entry("CH065", "docker-stopped", "critical", "systemctl start docker, then docker compose up -d"),
    Entry(
        "CH066",
        "port-unpublished",
        "critical",
        "restore docker-compose.override.yml, then docker compose up -d",
        "proxy-override",
    ),
    Entry("CH067", "port-published-inward", "critical", "publish the port on the address that HAProxy dials"),
    Entry("CH068", "process-frozen", "critical", "restart the service with docker compose restart"),
    Entry("CH099", "inner-process-frozen", "medium", "restart the service with docker compose restart"),
    Entry("CH069", "dovecot-auth-hung", "critical", "docker compose restart dovecot-mailcow"),
    Entry("CH070", "daemon-not-listening", "critical", "look at the daemon's configuration for that listener"),
    Entry("CH071", "daemon-says-no", "critical", "read the daemon's log: docker compose logs"),
    Entry("CH072", "daemon-without-tls", "critical", "look at the daemon's configuration for ssl on that listener"),
    Entry("CH073", "process-limit", "critical", "raise the process limit, and look who holds the connections"),
    Entry("CH074", "slow-greeting", "high", "read the daemon's log: what does it wait for before it greets?"),
    Entry("CH075", "daemon-dies", "critical", "read the daemon's log: docker compose logs"),
    Entry("CH076", "disk-full", "critical", "make room on the mail host: du -x tells where it went"),
    Entry("CH078", "vm-without-way-back", "critical", "ip route on the mail host: what leads to the proxy"),
    Entry("CH079", "haproxy-redirect-loop", "critical", "look for http-request redirect in the deployed haproxy.cfg"),
    Entry("CH081", "proxy-without-family", "high", "give the proxy its address of that family back"),
    Entry("CH082", "drift-breaks-lane", "critical", "cowhand drift shows it; apply the repository's file, or adopt it"),
    Entry(
        "CH083",
        "certificate-untrusted",
        "high",
        "serve a certificate that clients trust, with its whole chain (fullchain.pem); a private authority is named by "
        "[certificate] authority in site.toml",
        "certificate-sync",
    ),
    Entry("CH084", "daemon-wants-no-header", "critical", "give the port its PROXY listener again"),
    Entry("CH085", "another-server", "high", "take the other server out of the deployed haproxy.cfg, or mend it"),
    Entry("CH086", "large-packets-from-here", "high", "lower this machine's MTU, or mend the line that loses them"),
    Entry("CH087", "loss-from-here", "high", "ping the proxy twenty times from here, and look from another network"),
    Entry(
        "CH089",
        "server-unresolved",
        "critical",
        "look at the server's name and the resolvers section in haproxy.cfg, or give the server's address",
    ),
    Entry(
        "CH092",
        "certificate-unusable",
        "critical",
        "look at the daemon's log for the file that it names: whether it is there, whole, and readable",
        "certificate-sync",
    ),
    Entry(
        "CH091",
        "agent-takes-away",
        "critical",
        "ask the agent why, or take agent-check out of the server line and reload HAProxy",
    ),
    Entry(
        "CH090",
        "server-maxconn",
        "critical",
        "raise maxconn on the server line; show sess on HAProxy's stats socket tells who holds the connections",
    ),
    Entry(
        "CH088",
        "certificates-unseen",
        "low",
        'let the user who looks read them, or add become = "sudo" under that host in site.toml; cowhand certificates '
        "looks again",
    ),
    Entry("CH077", "name-without-ipv4", "high", "publish an A record: IPv4 clients cannot find the name"),
    Entry(
        "CH080",
        "protocol-mismatch",
        "critical",
        "send the lane to the port that speaks what its clients do: TLS from the first byte, or not",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in _ENTRIES}
assert len(CATALOGUE) == len(_ENTRIES), "an id stands for one finding"


UNSEEN = "CH088"
"""It tells nothing that is wrong: whatever else is told comes before it."""

LONGEST = 1000
"""Characters of a summary or remedy: names in it come from files and servers, and may be of any length."""


def finding(
    id: str,
    summary: str,
    where: Span | str,
    *,
    observed: bool = False,
    also: tuple[Span, ...] = (),
    lanes: tuple[str, ...] = (),
    hop: HopName | None = None,
    severity: Severity | None = None,
    remedy: str | None = None,
    evidence: tuple[str, ...] = (),
) -> Finding:
    """Make a finding with the catalogue's words; `severity` and `remedy` replace its own where a case knows better."""
    entry = CATALOGUE[id]
    return Finding(
        id,
        entry.name,
        severity or entry.severity,
        clean(summary, LONGEST),
        where,
        clean(remedy, LONGEST) if remedy else entry.remedy,
        observed,
        also,
        lanes,
        hop,
        entry.flow,
        evidence,
    )
