"""What is left when every machine is set up: names, and what only the provider of the address can do."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from console.errors import HostError
from console.facts import addresses
from console.flows import CheckResult, Step, StepContext, done
from console.text import clean, join_words

LOOK = 10.0
"""Seconds a name may take to be looked up on the proxy."""

LANES = "prove-client-address"

_HOME = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7"))
)
"""Addresses that the Internet does not reach."""


class Left(Step):
    """The end: which lanes are well, and the records to add."""

    name, words, patience = "report", "say what is proven, and what is left for other hands", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """It only looks; what nobody here can see is said to be so."""
        rows = await _proven(context)
        public = await _public(context)
        names = list(context.estate.sources.names)
        left = await _records(context, names, public)
        return done(f"{len(left)} things are left for other hands", *rows, *left)


async def _proven(context: StepContext) -> list[str]:
    """How the lanes are, seen from outside."""
    if context.lanes is None:
        return ["how the lanes are cannot be told here: cowhand check"]
    lanes = await context.lanes()
    well = [lane for lane, outcome in lanes if outcome == "ok"]
    rows = [f"well, from here to the service: {join_words(well, 20)}"] if well else []
    return [*rows, *(f"not well: {lane} ({outcome})" for lane, outcome in lanes if outcome != "ok")]


async def _public(context: StepContext) -> tuple[str, ...]:
    """The proxy's own addresses that the Internet may reach; none where nobody can tell."""
    try:
        found = await addresses.ask(context.host("proxy", fresh=True))
    except HostError:
        return ()
    return tuple(each for each in found.found if outside(each))


def outside(address: str) -> bool:
    """Whether an address is none of a home network or a tailnet."""
    known = ip_address(address)
    return not any(known.version == each.version and known in each for each in _HOME)


async def _records(context: StepContext, names: Sequence[str], public: Sequence[str]) -> list[str]:
    if not names:
        return ["DNS: site.toml names nobody, so no record can be told: [public] names = […]"]
    rows = []
    for name in names:
        there = await _resolved(context, name)
        for address in public:
            kind = "AAAA" if ":" in address else "A"
            if address not in there:
                rows.append(f"DNS: {name}. {kind} {address}  (this machine finds {join_words(there) or 'no address'})")
    for address in public:
        rows += await _reverse(context, address, names[0])
    if not public:
        rows.append("DNS: A, AAAA and PTR: the proxy has no address that the Internet reaches; add its router's")
    return [*rows, *records(names[0])]


def records(host: str) -> list[str]:
    """The records of a mail domain behind this host, which nobody here looks up."""
    domain = host.partition(".")[2]
    return [
        f"DNS, not looked up here: {domain}. MX 10 {host}.",
        f'DNS, not looked up here: {domain}. TXT "v=spf1 mx -all"',
        f'DNS, not looked up here: _dmarc.{domain}. TXT "v=DMARC1; p=quarantine"',
        f"DNS, not looked up here: autodiscover.{domain}. and autoconfig.{domain}. CNAME {host}.",
        f"DKIM: add the domain {domain} in Mailcow, which then shows the record of dkim._domainkey.{domain}.",
        "outbound: by which address mail leaves was not looked at; by the home line's unless it is routed through the "
        "proxy (CH025), and SPF and PTR are of the proxy's",
        f"Mailcow begins with an administrator that everybody knows: change it at once, at https://{host}/admin",
    ]


async def _resolved(context: StepContext, name: str) -> list[str]:
    try:
        return list(await context.host("here", fresh=True).resolve(name))
    except HostError:
        return []


async def _reverse(context: StepContext, address: str, name: str) -> list[str]:
    """The PTR record, as the proxy finds it; set by who gave the address."""
    wish = f"PTR, set where {address} was rented: {address} → {name}."
    try:
        said = await context.host("proxy", fresh=True).run(["getent", "hosts", address], LOOK)
    except HostError as error:
        return [f"{wish}  (not looked up: {error})"]
    told = [clean(each, 253) for each in said.stdout.decode("utf-8", "replace").split()[1:]]
    if said.status not in (0, 2):
        return [f"{wish}  (not looked up: {context.name('proxy')} has no getent)"]
    if name in told:
        return []
    return [f"{wish}  (now: {told[0] if told else 'none'})"]
