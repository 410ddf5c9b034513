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
        "publish on the one address HAProxy dials (SMTP_PORT_HAPROXY=10.x.x.x:10025 in mailcow.conf), firewalled to it",
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
    Entry("CH030", "haproxy-stopped", "critical", "check its files with haproxy -c, then systemctl start haproxy"),
    Entry(
        "CH031",
        "proxy-unreachable",
        "critical",
        "look from another network; then the VPS's console, its firewall, its provider",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in _ENTRIES}


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
    )
