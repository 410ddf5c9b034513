"""Whether Mailcow's own settings fit a proxy in front of it: trust, certificates, redirects, names and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from console.diagnosis import networks, words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.commands import all_commands
from console.model import PLAIN_PORTS, Finding, Lane, Severity, Span, Topology
from console.sources.settings import Settings
from console.sources.shell import Script
from console.text import clean, join_words
from console.topology.daemons import YES
from console.topology.lanes import SERVICES
from console.topology.sources import Sources

TRUST = "haproxy_trusted_networks"
_LINEAGE = re.compile(r"letsencrypt/live/([\w.*-]+)")
_SECOND = re.compile(r"-\d{4}$")
"""What certbot adds to the folder of a second certificate for a name."""
_WAYS_OUT = (
    "relayhost", "default_transport", "transport_maps", "sender_dependent_relayhost_maps",
    "sender_dependent_default_transport_maps", "smtp_bind_address", "smtp_bind_address6",
)  # fmt: skip

_SOURCES = ("SNAT_TO_SOURCE", "SNAT6_TO_SOURCE")
"""The addresses that netfilter-mailcow gives to what leaves."""

_INCLUDES = re.compile(r"^[ \t]*!include(?:_try)?\b", re.MULTILINE)
_BLOCK = re.compile(rf"^[ \t]*{TRUST}[ \t]*\{{", re.MULTILINE)
"""Dovecot 2.4 takes the list as a block too."""


@static("CH001")
def dovecot_untrusted_proxy(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Dovecot trusts nobody by default: a setting that is empty, or one that a comment asks for and no file gives."""
    lanes = [lane for lane in topology.lanes if lane.service == "dovecot-mailcow" and lane.proxy_protocol]
    published = any(
        SERVICES.get(PLAIN_PORTS.get(each.container_port, 0)) == "dovecot-mailcow" for each in topology.published
    )
    if not lanes and not published:
        return
    severity: Severity = "critical"
    if sources.dovecot is not None:
        if sources.dovecot.get(TRUST):
            yield from _unreadable(sources.dovecot, lanes)
            return
        text = sources.texts.get(sources.dovecot.file, "")
        if _INCLUDES.search(text) or _BLOCK.search(text):
            return  # what it includes is in no given file, and may set it
        where, gap = sources.dovecot.place(TRUST), f"{sources.dovecot.file} sets no {TRUST}"
    else:
        asked = _comment(sources, TRUST)
        if asked is None:
            return
        where, gap, severity = asked, f"{TRUST} is named here, and set in none of the given files", "high"
    touched = words.lanes(lanes) or "every lane to Dovecot"
    yield finding(
        "CH001",
        f"{gap}: until it is, Dovecot closes {touched} at once",
        where,
        lanes=words.ids(lanes),
        hop="vm",
        severity=severity,
        remedy=f"set {TRUST} in data/conf/dovecot/extra.conf to the peer Dovecot logs (rip=), then `dovecot reload`"
        + ('; name the file: dovecot_conf = "…" in [sources]' if sources.dovecot is None else ""),
    )


def _unreadable(dovecot: Settings, lanes: list[Lane]) -> Iterator[Finding]:
    """A trust list that Dovecot stops reading: all that stands behind the bad entry is trusted by nobody."""
    entries = networks.entries(dovecot.get(TRUST))
    for number, entry in enumerate(entries):
        if "$" in entry or entry.startswith("<"):
            return
        problem = networks.unreadable(entry)
        if not problem:
            continue
        touched = words.lanes(lanes) or "every lane to Dovecot"
        before = f"only {join_words([clean(each, 40) for each in entries[:number]], 4)} can get in" if number else ""
        yield finding(
            "CH001",
            f"{TRUST} = {clean(dovecot.get(TRUST), 80)}: Dovecot says Invalid network '{clean(entry, 60)}' ({problem}):"
            f" {before or f'it trusts nobody, and closes {touched} at once'}",
            dovecot.place(TRUST),
            lanes=words.ids(lanes),
            hop="vm",
            severity="high" if number else "critical",
            remedy=f"write {TRUST} as addresses or networks such as 10.10.10.1 or 172.22.1.0/24: the peer Dovecot logs",
        )
        return


@static("CH006")
def everybody_trusted(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Dovecot's trust list contains every address: any client of a PROXY port can claim any other address."""
    wide = networks.everybody(sources.dovecot.get(TRUST)) if sources.dovecot is not None else ""
    if sources.dovecot is not None and wide:
        yield finding(
            "CH006",
            f"{TRUST} holds {clean(wide, 60)}: whoever reaches Dovecot's PROXY ports can claim any client address",
            sources.dovecot.place(TRUST),
            hop="vm",
            severity="high",
            remedy=f"narrow {TRUST} to the peer that Dovecot logs (rip=)",
        )


def _comment(sources: Sources, word: str) -> Span | None:
    """Return the first place in a compose file's comments that names a word."""
    for file, text in sources.texts.items():
        if file.endswith((".yml", ".yaml")):
            for number, line in enumerate(text.split("\n"), 1):
                at = line.find(word)
                if at >= 0 and "#" in line[:at]:
                    return Span(file, number, at + 1, at + 1 + len(word))
    return None


@static("CH012")
def acme_overwrites(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A certificate is pushed into the folder that acme-mailcow writes, and nothing keeps acme-mailcow from it."""
    installs = [place for script in sources.scripts if (place := _installs(script))]
    pushed = sources.site.certificate is not None
    if not installs and not (pushed and sources.environment is not None):
        return
    if sources.environment is not None:
        if sources.environment.values.get("SKIP_LETS_ENCRYPT", "n").lower() in YES:
            return
        where = sources.environment.spans.get("SKIP_LETS_ENCRYPT", Span(sources.environment_file, 1))
        state = f"{sources.environment_file} does not say SKIP_LETS_ENCRYPT=y"
        if sources.environment.values.get("SKIP_LETS_ENCRYPT", "n").lower() in ("true", "1", "on"):
            state += ", and Mailcow takes y or yes alone for a yes"
    else:
        where, state = installs[0], "no given file says SKIP_LETS_ENCRYPT=y"
    yield finding(
        "CH012",
        f"{state}: acme-mailcow overwrites the certificate that is pushed into data/assets/ssl",
        where,
        hop="service",
        severity=None if sources.environment is not None else "medium",
    )


def _installs(script: Script) -> Span | None:
    """Return where a script works in the folder of Mailcow's certificate."""
    for command in all_commands(script):
        for word in (*command.assignments, *command.words, *(redirect.target for redirect in command.redirects)):
            if "data/assets/ssl" in word.text:
                return word.span
    return None


@static("CH015")
def web_redirect_loop(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """HAProxy ends TLS and asks nginx over HTTP, which sends every client back to HTTPS."""
    lanes = [lane for lane in topology.lanes if lane.tls == "terminated" and _asks_nginx(lane)]
    if not lanes or (sources.environment is None and sources.compose is None):
        return
    if sources.environment is not None:
        if sources.environment.values.get("HTTP_REDIRECT", "n").lower() not in YES:
            return
        where, state = sources.environment.spans["HTTP_REDIRECT"], "HTTP_REDIRECT=y"
    else:
        target = lanes[0].target
        where = (target.source if target else None) or lanes[0].source
        state = "no given file says HTTP_REDIRECT=n, and generate_config.sh writes y"
    yield finding(
        "CH015",
        f"{words.lanes(lanes)}: {state}: behind a proxy that ends TLS nginx answers with a 301 to the same address, for"
        " ever",
        where,
        lanes=words.ids(lanes),
        hop="service",
        severity=None if sources.environment is not None else "medium",
    )


def _asks_nginx(lane: Lane) -> bool:
    return lane.service == "nginx-mailcow" and lane.target is not None and lane.service_port != 443


@static("CH018")
def ipv6_client_refused(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Postfix without IPv6 answers a PROXY header that carries an IPv6 client with 421."""
    if sources.postfix is None or sources.postfix.get("inet_protocols").lower() != "ipv4":
        return
    lanes = [
        lane
        for lane in topology.lanes
        if lane.service == "postfix-mailcow" and lane.proxy_protocol and any(":" in bind.address for bind in lane.binds)
    ]
    if lanes:
        yield finding(
            "CH018",
            f"{words.lanes(lanes)}: HAProxy takes IPv6 clients, and Postfix without IPv6 refuses their PROXY header",
            sources.postfix.place("inet_protocols"),
            lanes=words.ids(lanes),
            hop="service",
        )


@static("CH020")
def hostname_split(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The name Postfix says is not the one on the certificate, or is set where it is deleted again."""
    if sources.postfix is not None and "myhostname" in sources.postfix.values:
        yield finding(
            "CH020",
            "myhostname in extra.cf does not last: Mailcow's start deletes the line and writes MAILCOW_HOSTNAME",
            sources.postfix.place("myhostname"),
            hop="service",
            remedy="MAILCOW_HOSTNAME in mailcow.conf, or smtp_helo_name in extra.cf",
        )
    said, where = _helo(sources)
    names = _certified(sources)
    if said and where and names and not any(_covers(name, said.lower(), sources) for name in names):
        others = sorted(names)
        yield finding(
            "CH020",
            f"Postfix calls itself {clean(said, 80)}, and the certificate is for {clean(others[0], 80)}",
            where,
            hop="service",
        )


def _covers(name: str, said: str, sources: Sources) -> bool:
    """Whether a certificate may be for a name: a wildcard for one label, a folder of certbot's for names below it too.

    Such a folder is called by the first of the certificate's names."""
    if name.startswith("*."):
        return said.partition(".")[2] == name[2:]
    return said == name or (sources.site.certificate is None and said.endswith(f".{name}"))


def _helo(sources: Sources) -> tuple[str, Span | None]:
    """Return the name Postfix says, and its place: extra.cf's before the override's before mailcow.conf's."""
    if sources.postfix is not None and (name := sources.postfix.get("smtp_helo_name")) and "$" not in name:
        return name, sources.postfix.place("smtp_helo_name")
    given = sources.compose.environment.get("postfix-mailcow", {}).get("MAILCOW_HOSTNAME") if sources.compose else None
    if given is not None and given[0]:
        return given[0], given[1]
    if sources.environment is not None:
        name = sources.environment.values.get("MAILCOW_HOSTNAME", "")
        return name, sources.environment.spans.get("MAILCOW_HOSTNAME")
    return "", None


def _certified(sources: Sources) -> set[str]:
    """Return the names that a certificate is known to be for: the site's, else those of certbot's folders."""
    if sources.site.certificate is not None:
        return {sources.site.certificate.name.lower()}
    return {
        _SECOND.sub("", match[1].lower())
        for script in sources.scripts
        for command in all_commands(script)
        for word in (*command.words, *command.assignments)
        for match in _LINEAGE.finditer(word.text)
    }


@static("CH025")
def outbound_not_via_proxy(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Postfix calls itself by the proxy's name, and nothing makes its mail leave there."""
    lanes = [lane for lane in topology.lanes if lane.service == "postfix-mailcow" and _at_home(lane)]
    if not lanes or (sources.postfix is not None and any(sources.postfix.get(name) for name in _WAYS_OUT)):
        return
    values = sources.environment.values if sources.environment is not None else {}
    if any(values.get(name) for name in _SOURCES):
        return  # whose address that is, on the mail host or in the tunnel, no file says
    given = sources.compose.environment.get("postfix-mailcow", {}).get("MAILCOW_HOSTNAME") if sources.compose else None
    if given is not None and given[0]:
        where = given[1]
    elif sources.postfix is not None:
        where = sources.postfix.place("smtp_helo_name")
    else:
        return
    name = _helo(sources)[0]
    calls = f"Postfix calls itself {clean(name, 80)}, and" if name else "Postfix has no relayhost, and"
    yield finding(
        "CH025",
        f"{calls} no given file sends its mail out through the proxy: unless Mailcow's own pages name a relay host, it"
        " leaves with the home line's address, or not at all",
        where,
        hop="service",
        remedy="relayhost in data/conf/postfix/extra.cf, or a route through the tunnel; where one is made elsewhere:"
        " # cowhand: ignore CH025",
    )


def _at_home(lane: Lane) -> bool:
    """Whether a lane goes on to a private address, so that its daemon's own way out is another one."""
    try:
        address = ip_address(lane.target.host if lane.target else "")
    except ValueError:
        return False
    return (address.is_private or not address.is_global) and not address.is_loopback
