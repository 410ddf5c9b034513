"""Try from every machine there is whether a forged PROXY header is believed; only the proxy's may be.

Each PROXY port gets a header with an address of TEST-NET (RFC 5737), which nobody has. Who is believed may claim any
address, one that may relay included. Nothing is logged in to, relayed or changed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from console.diagnosis.log_lines import untrusted_peers
from console.diagnosis.sightings import logins, named, plain, rejection, screenings
from console.errors import HostError, NoWayIn
from console.facts import tailscale
from console.flows import CheckResult, Flow, Step, StepContext, done, refused, skipped, wrong
from console.flows.asking import AskAll, Log, Round, Unchanged
from console.flows.prove_client_address.judging import SERVICES
from console.flows.prove_client_address.known import titled
from console.mask import mask
from console.model import Protocol
from console.probes.knock import Knock, Told, inner
from console.text import address as place
from console.text import join_words
from console.topology.listeners import reaches

CLAIMS = {4: "192.0.2.77", 6: "2001:db8::77"}
"""Addresses for documentation: nobody has them, and netfilter-mailcow never bans them."""

State = Literal["believed", "turned away", "unanswered"]


class Port(Struct, frozen=True):
    """One PROXY port of the mail server: where it is, what answers, whether with TLS, and whether a lane uses it."""

    host: str
    number: int
    protocol: Protocol
    tls: bool
    service: str
    used: bool = True


class Tried(Struct, frozen=True):
    """What came of one forged header, in words, with the lines that say so."""

    state: State
    words: str
    evidence: tuple[str, ...] = ()
    id: str = ""


class Vantage(Struct, frozen=True):
    """A machine from which headers are forged. `lawful` is the proxy's own; `to` is dialled in place of each port's."""

    host: str
    words: str
    lawful: bool = False
    to: str = ""
    within: bool = False
    """Whether it is the mail server itself: what runs there passes every filter on the way, and is told, not blamed."""


class Forgery(Round):
    """The forged headers of this run. `absent` says why a vantage is not asked, by its words."""

    def __init__(self, context: StepContext) -> None:
        super().__init__(context)
        self.ports = ports(context)
        self.vantages = vantages(context)
        self.internet: Vantage | None = None
        self.absent: dict[str, str] = {}
        self.first = 20000 + secrets.randbelow(20000)

    @property
    def all(self) -> tuple[Vantage, ...]:
        """The vantages that are asked from."""
        found = (*self.vantages, *([self.internet] if self.internet else []))
        return tuple(each for each in found if each.words not in self.absent)

    def knock(self, vantage: Vantage, port: Port) -> Knock:
        """One forged header; its source port is nobody else's."""
        every = (*self.vantages, *([self.internet] if self.internet else []))
        number = every.index(vantage) * len(self.ports) + self.ports.index(port)
        address = vantage.to or port.host
        echoes = port.protocol in ("smtps", "submission")
        return Knock(
            vantage.host, address, port.number, port.protocol, "recipient" if echoes else "greeting",
            f"{self.nonce}-{number}", tls=port.tls, starttls=echoes and not port.tls,
            claim=(CLAIMS[6 if ":" in address else 4], self.first + number),
        )  # fmt: skip

    def tried(self, vantage: Vantage) -> dict[Port, Tried]:
        """What came of the headers of a vantage."""
        found = {}
        for port in self.ports:
            told = self.told(self.knock(vantage, port))
            if told is not None:
                rest = [self.told(self.knock(each, port)) for each in self.all if each != vantage]
                others = frozenset(plain(each.local[0]) for each in rest if each and each.local)
                found[port] = judge(told, self.lines(port.service), others)
        return found


def ports(context: StepContext) -> tuple[Port, ...]:
    """The PROXY ports that lanes lead to, or that are published where lanes lead to."""
    sources, lanes = context.estate.sources, context.estate.topology.lanes
    targets = [lane.target for lane in lanes if lane.target]
    wanted = [(target.host, target.port) for target in targets]
    hosts = list(dict.fromkeys(host for host, _ in wanted))
    for entry in sources.published:
        if sources.ports.wants_header(entry):
            wanted += [(host, entry.port) for host in hosts if reaches(host, entry)]
    found: dict[tuple[str, int], Port] = {}
    for host, number in wanted:
        listener = sources.ports.at(host, number).listener
        if listener.header == "wanted" and listener.protocol and listener.service:
            used = any((target.host, target.port) == (host, number) for target in targets)
            port = Port(host, number, listener.protocol, listener.wire == "tls", listener.service, used)
            found.setdefault((host, number), port)
    return tuple(sorted(found.values(), key=lambda port: (port.host, port.number)))


def vantages(context: StepContext) -> tuple[Vantage, ...]:
    """The machines that there are, the proxy last."""
    found = [Vantage("here", "this machine (here)")]
    found += [Vantage(name, f"the home network ({name})") for name in context.named("hypervisor")]
    found += [Vantage(name, f"the VM itself ({name})", within=True) for name in context.named("mail")]
    found += [Vantage(name, f"the proxy ({name})", True) for name in context.named("proxy")]
    return tuple(found)


def judge(told: Told, log: Log, others: frozenset[str] = frozenset()) -> Tried:
    """Tell whether a forged header was believed: by the echo, by the log, or because it was greeted at all.

    `others` are the addresses that the other vantages of this run left from: a line about one of them is not ours."""
    claim, claimed = told.knock.claim, told.knock.claim[0] if told.knock.claim else ""
    if told.accepted:
        words = f"it took a recipient that is not its own: an open relay ({titled('CH007')})"
        return Tried("believed", words, (f"answer: {told.answer}",), "CH007")
    if echoed := named(told.answer):
        state: State = "believed" if echoed == claimed else "turned away"
        return Tried(state, f"the server saw {echoed}", (f"answer: {told.answer}",))
    seen = rejection(log.lines, told.knock.nonce)
    if seen is None and told.knock.protocol == "smtp":
        seen = next(iter(screenings(log.lines, claim[1] if claim else 0)), None)
    service = SERVICES.get(told.knock.protocol, "")
    if seen is None and service and not told.cause:
        seen = next(
            (
                each
                for each in logins(log.lines, service)
                if each.address == claimed and (", TLS" in each.line) == told.knock.tls
            ),
            None,
        )
    if seen is not None and seen.address == claimed:
        return Tried("believed", f"the server saw {claimed}", (f"log: {mask(seen.line)}",))
    if not told.cause:
        return Tried("believed", "it took the header and greeted", (f"answer: {told.greeting}",))
    if told.cause in ("timeout", "unreachable", "refused", "unresolved"):
        return Tried("unanswered", told.detail)
    lines = tuple(line for line in log.lines if f"{service}-login: " in line) if service else ()
    if line := _distrusted(told, lines, others):
        return Tried("turned away", f"{told.detail}: not trusted", (f"log: {mask(line)}",), "CH001")
    return Tried("turned away", told.detail)


def _distrusted(told: Told, lines: tuple[str, ...], others: frozenset[str]) -> str:
    """The line in which Dovecot turns this one away; "" when none is surely about it.

    It names a peer and no port: ours by the address we left from, else, where that is rewritten on the way, the only
    one that is nobody else's."""
    found = untrusted_peers(lines)
    own = plain(told.local[0]) if told.local else ""
    mine = [each for each in found if each[0] == own] or [each for each in found if each[0] not in others]
    return mine[0][1] if len({peer for peer, _ in mine}) == 1 else ""


class Ports(Step):
    """What there is to be tried, and from where."""

    name, words = "ports", "find the PROXY ports and who can dial them"

    def __init__(self, forgery: Forgery) -> None:
        self.forgery = forgery

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse where no PROXY port is known, or no machine but this one."""
        forgery = self.forgery
        if not forgery.ports:
            return refused("no PROXY port is known: no lane leads to one, and compose publishes none")
        forgery.internet = await _internet(context)
        forgery.absent = {}
        for vantage in forgery.vantages:
            try:
                await context.host(vantage.host).run(["true"], 10.0)
            except NoWayIn as error:
                forgery.absent[vantage.words] = str(error)
        rows = [f"asked from {each.words}" for each in forgery.all]
        rows += [f"not asked: {words}: {why}" for words, why in forgery.absent.items()]
        if not context.named("hypervisor"):
            rows.append('not asked: the home network: no host has role = "hypervisor" in site.toml')
        if forgery.internet is None:
            rows.append("not asked: the internet: the home line's public address is not known to the proxy's Tailscale")
        rows.append("not asked: another container: cowhand has no host there")
        listed = join_words([place(port.host, port.number) for port in forgery.ports], 12)
        return done(f"{listed}", *rows)


class Forge(AskAll):
    """A forged header to each port from each vantage."""

    words = "send a forged header from each machine"

    def __init__(self, forgery: Forgery) -> None:
        super().__init__(forgery)
        self.forgery = forgery

    async def knocks(self, context: StepContext) -> Sequence[Knock]:
        """Vantage by vantage."""
        return [self.forgery.knock(vantage, port) for vantage in self.forgery.all for port in self.forgery.ports]

    def notes(self, count: int) -> tuple[str, ...]:
        """What is sent and logged."""
        return (
            f"{count} connections with a header that claims {CLAIMS[4]}, an address that nobody has (TEST-NET)",
            "the servers log each; the ports with TLS or STARTTLS for mail log a refused recipient",
            f"nothing is logged in to, and no message is sent; the nonce of this run is {self.forgery.nonce}",
        )

    async def learn(self, context: StepContext) -> None:
        """The logs of the services that were asked."""
        services = sorted({port.service for port in self.forgery.ports})

        def whole() -> bool:
            tried = [each for vantage in self.forgery.all for each in self.forgery.tried(vantage).values()]
            return all(
                each.evidence and "took the header" not in each.words for each in tried if each.state == "believed"
            )

        await self.forgery.read(context, services, whole)


class From(Step):
    """What came of the headers from one vantage."""

    def __init__(self, forgery: Forgery, vantage: Vantage | None) -> None:
        self.forgery, self.vantage = forgery, vantage
        self.name = f"from {vantage.host}" if vantage else "from outside"
        self.words = f"was {vantage.words if vantage else 'the internet'} believed?"

    async def check(self, context: StepContext) -> CheckResult:
        """Wrong when a stranger is believed, or the proxy is not."""
        if waiting := self.forgery.wait(context):
            return waiting
        vantage = self.vantage or self.forgery.internet
        if vantage is None:
            return skipped("not asked: the home line's public address is not known")
        if vantage.words in self.forgery.absent:
            return skipped(f"not asked: {self.forgery.absent[vantage.words]}")
        tried = self.forgery.tried(vantage)
        rows = [
            row
            for port, each in tried.items()
            for row in (f"{place(vantage.to or port.host, port.number)} {each.state}: {each.words}", *each.evidence)
        ]
        bad = faults(vantage, tried)
        if bad and vantage.lawful:
            return wrong(f"the proxy is shut out of {_numbers(bad)}{_ids(bad, tried)}", *rows)
        if bad:
            found = _ids(bad, tried, "CH006")
            return wrong(f"critical: {vantage.words} is believed on {_numbers(bad)}{found}", *rows)
        if own := [port for port, each in tried.items() if vantage.within and each.state == "believed"]:
            words = f"{vantage.words} is believed on {_numbers(own)}: a program there may claim any address"
            return done(f"{words}, and no filter on the way can hinder it", *rows)
        if vantage.lawful:
            used = _numbers([port for port in tried if port.used])
            return done(f"the proxy is believed on {used or 'no port that a lane uses'}, as it must be", *rows)
        return done(f"{vantage.words} is believed on none of {_numbers(list(tried))}", *rows)


class Summary(Step):
    """The last word."""

    name, words, sums_up = "summary", "say who is believed", True

    def __init__(self, forgery: Forgery) -> None:
        self.forgery = forgery

    async def check(self, context: StepContext) -> CheckResult:
        """Open where nobody but the proxy could be asked."""
        if waiting := self.forgery.wait(context):
            return waiting
        strangers: list[str] = []
        shut: list[str] = []
        for vantage in self.forgery.all:
            tried = self.forgery.tried(vantage)
            if bad := faults(vantage, tried):
                found = _ids(bad, tried, "" if vantage.lawful else "CH006")
                (shut if vantage.lawful else strangers).append(f"{vantage.words} on {_numbers(bad)}{found}")
        if strangers or shut:
            parts = [f"a forged header is believed from {join_words(strangers)}"] if strangers else []
            parts += [f"shut out: {join_words(shut)}"] if shut else []
            if strangers:
                parts.append(
                    "publish on one address alone (proxy-override), then let only the proxy pass (proxy-filter)"
                )
            return wrong("; ".join(parts))
        others = [vantage.words for vantage in self.forgery.all if not vantage.lawful and not vantage.within]
        if not others:
            return skipped("nobody but the proxy and the mail server itself could be asked")
        asked = f"no forged header is believed from {join_words(others)}"
        if not any(vantage.lawful for vantage in self.forgery.all):
            return skipped(f"{asked}; whether the proxy is believed was not asked: there is no way in to it")
        return done(f"{asked}; the proxy is believed on every port that a lane uses")


def faults(vantage: Vantage, tried: dict[Port, Tried]) -> list[Port]:
    """The ports that believe a stranger, or do not believe the proxy."""
    return [
        port
        for port, each in tried.items()
        if each.id == "CH007"
        or (
            port.used and each.state != "believed"
            if vantage.lawful
            else each.state == "believed" and not vantage.within
        )
    ]


def _ids(bad: list[Port], tried: dict[Port, Tried], usual: str = "") -> str:
    """The findings of some ports."""
    ids = [tried[port].id if tried[port].id != "CH001" or not usual else "" for port in bad]
    found = dict.fromkeys(each or usual for each in ids)
    named_ = [titled(each) for each in found if each]
    return f" ({join_words(named_)})" if named_ else ""


def _numbers(found: Sequence[Port]) -> str:
    return join_words([str(number) for number in dict.fromkeys(port.number for port in found)], 12)


async def _internet(context: StepContext) -> Vantage | None:
    """The proxy as the internet sees the home line: by the address that its Tailscale reaches the home router at."""
    targets = [lane.target.host for lane in context.estate.topology.lanes if lane.target]
    for name in context.named("proxy"):
        try:
            tailnet = await tailscale.ask(context.host(name))
        except HostError:
            continue
        for target in targets:
            peer = tailnet.toward(target)
            address = peer.direct.rpartition(":")[0].strip("[]") if peer else ""
            if address and not inner(address):
                return Vantage(name, f"the internet ({name} to the home line, {address})", to=address)
    return None


def steps(context: StepContext) -> Sequence[Step]:
    """All is tried before anything is judged."""
    forgery = Forgery(context)
    if not forgery.ports:
        return (Ports(forgery),)
    judges = [From(forgery, vantage) for vantage in forgery.vantages]
    return (Ports(forgery), Forge(forgery), *judges, From(forgery, None), Unchanged(forgery), Summary(forgery))


async def standing(context: StepContext) -> CheckResult:
    """Nothing is sent for a mere list of flows."""
    return skipped("asks when it is started: yesterday's answer proves nothing")


FLOW = Flow(steps, standing=standing)
