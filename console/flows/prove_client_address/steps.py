"""Prove whose address the mail server believes it talks to, for each lane over IPv4 and IPv6.

Each port is asked once: a greeting, a refused recipient or a page that is nowhere. What the server saw is read from its
answer and its log. Nothing is logged in to, relayed or changed."""

from __future__ import annotations

from collections.abc import Sequence

from console.errors import Unresolved
from console.flows import CheckResult, Flow, Step, StepContext, done, refused, skipped, wrong
from console.flows.asking import AskAll, Round, Unchanged, standing_as
from console.flows.prove_client_address.judging import Verdict, blocked, found, judge
from console.flows.prove_client_address.known import Known, learn, titled
from console.ladders import IMPLICIT_TLS
from console.model import Lane, Protocol
from console.probes.knock import Knock, Question
from console.text import join_words

PORTS = (25, 465, 587, 993, 4190, 443)
"""The lanes whose servers tell whom they saw."""

MOST = 4
"""Public addresses that are asked."""

QUESTIONS: dict[Protocol, Question] = {
    "smtp": "greeting", "smtps": "recipient", "submission": "recipient", "imap": "greeting", "imaps": "greeting",
    "sieve": "greeting", "https": "request", "http": "request",
}  # fmt: skip
"""What each protocol is asked."""


class Proof(Round):
    """The questions of this run, and what is known of the estate's own addresses."""

    def __init__(self, context: StepContext) -> None:
        super().__init__(context)
        self.lanes = lanes(context)
        self.known = Known()
        self.addresses: tuple[str, ...] = ()

    async def resolve(self, context: StepContext) -> tuple[str, ...]:
        """The addresses that clients dial, by this machine's resolver."""
        found: list[str] = []
        for name in context.estate.topology.public:
            try:
                found += await context.host("here").resolve(name)
            except Unresolved:
                continue
        self.addresses = tuple(dict.fromkeys(found))[:MOST]
        return self.addresses

    def first(self, context: StepContext, lane: Lane, address: str) -> Knock:
        """The question to a lane at an address."""
        names = [
            name for name in context.estate.topology.public if not name.replace(".", "").isdigit() and ":" not in name
        ]
        return Knock(
            "here", address, lane.port, lane.protocol, QUESTIONS[lane.protocol],
            f"{self.nonce}-{lane.port}-{self.addresses.index(address)}",
            tls=lane.protocol in IMPLICIT_TLS or lane.protocol == "https",
            starttls=lane.protocol == "submission",
            name=names[0] if names else None,
        )  # fmt: skip

    def judged(self, context: StepContext, lane: Lane) -> dict[str, Verdict]:
        """What each address of a lane proves, by the family."""
        verdicts: dict[str, Verdict] = {}
        for address in self.addresses:
            knock = self.first(context, lane, address)
            told = self.told(knock)
            if told is None:
                continue
            verdict = judge(told, self.told(second(knock)), self.lines(lane.service or usual(lane)), self.known)
            if blocked(told, tuple(self.knocker.told.values())):
                words = f"cannot tell: port 25 is silent from here, others at {address} answer ({titled('CH028')})"
                verdict = Verdict("unknown", words, (), "CH028")
            verdicts[self.family(address)] = verdict
        return verdicts

    def family(self, address: str) -> str:
        """What an address is called: its family, and itself where there are several."""
        name = "IPv6" if ":" in address else "IPv4"
        alike = [each for each in self.addresses if (":" in each) == (":" in address)]
        return name if len(alike) == 1 else f"{name} {address}"


def lanes(context: StepContext) -> tuple[Lane, ...]:
    """The lanes that are asked, in the usual order; the first of each port."""
    known: dict[int, Lane] = {}
    for lane in context.estate.topology.lanes:
        if lane.port in PORTS and lane.protocol in QUESTIONS:
            known.setdefault(lane.port, lane)
    return tuple(known[port] for port in PORTS if port in known)


def usual(lane: Lane) -> str:
    """Who answers on a public port, where the files do not say."""
    return {443: "nginx-mailcow", 993: "dovecot-mailcow", 4190: "dovecot-mailcow"}.get(lane.port, "postfix-mailcow")


def second(knock: Knock) -> Knock:
    """The recipient that is offered on port 25 where the log does not tell our connection by its port."""
    return Knock(knock.vantage, knock.address, knock.port, knock.protocol, "recipient", knock.nonce, name=knock.name)


class Lanes(Step):
    """Which ports at which addresses."""

    name, words = "lanes", "find what clients dial"

    def __init__(self, proof: Proof) -> None:
        self.proof = proof

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse where nothing can be asked."""
        if not self.proof.lanes:
            return refused(f"no lane is known on {join_words([str(port) for port in PORTS])}")
        found = await self.proof.resolve(context)
        if not found:
            names = join_words(list(context.estate.topology.public))
            return refused(f"{names} has no address here" if names else "site.toml names nobody: [public] names = […]")
        ports = join_words([str(lane.port) for lane in self.proof.lanes])
        absent = [str(port) for port in PORTS if port not in {lane.port for lane in self.proof.lanes}]
        rows = (f"no listener: {join_words(absent)}",) if absent else ()
        if not any(":" in each for each in found):
            rows = (*rows, "no IPv6 address: only IPv4 is asked")
        return done(f"{ports} at {join_words(list(found))}", *rows)


class Ask(AskAll):
    """Every lane at every address, once."""

    words = "ask each lane whom it sees"

    def __init__(self, proof: Proof) -> None:
        super().__init__(proof)
        self.proof = proof

    async def knocks(self, context: StepContext) -> Sequence[Knock]:
        """Port 25 has two: the second is left out where the log tells the first by its port."""
        addresses = await self.proof.resolve(context)
        made: list[Knock] = []
        for lane in self.proof.lanes:
            for address in addresses:
                knock = self.proof.first(context, lane, address)
                made += [knock, second(knock)] if lane.protocol == "smtp" else [knock]
        return made

    def notes(self, count: int) -> tuple[str, ...]:
        """What is sent and logged."""
        return (
            f"at most {count} connections: the servers log each; 465, 587 and 25 log a refused recipient",
            f"nothing is logged in to, and no message is sent; the nonce of this run is {self.proof.nonce}",
            "port 25 is asked again, with a recipient, only where its log does not tell the connection by its port",
        )

    async def unneeded(self, knock: Knock) -> bool:
        """A second question to port 25 where the first was found in the log, or did not come through."""
        told = self.proof.told(Knock(knock.vantage, knock.address, knock.port, knock.protocol, "greeting", knock.nonce,
                                     name=knock.name))  # fmt: skip
        if knock.question != "recipient" or knock.protocol != "smtp" or told is None:
            return False
        if told.cause:
            return True
        lane = next(lane for lane in self.proof.lanes if lane.port == knock.port)
        service = lane.service or usual(lane)
        await self.proof.read(self.context, [service], lambda: found(told, self.proof.lines(service), self.proof.known))
        return found(told, self.proof.lines(service), self.proof.known)

    async def check(self, context: StepContext) -> CheckResult:
        """Also keep what the log is read by."""
        self.context = context
        return await super().check(context)

    async def learn(self, context: StepContext) -> None:
        """The estate's own addresses, and the logs of all services that were asked."""
        self.proof.known = await learn(context, self.proof.addresses)
        services = sorted({lane.service or usual(lane) for lane in self.proof.lanes})

        def whole() -> bool:
            verdicts = [each for lane in self.proof.lanes for each in self.proof.judged(context, lane).values()]
            return all(each.state != "unknown" for each in verdicts)

        await self.proof.read(context, services, whole)


class Judge(Step):
    """What one lane proves."""

    def __init__(self, proof: Proof, lane: Lane) -> None:
        self.proof, self.lane = proof, lane
        self.name, self.words = f"port {lane.port}", f"{lane.port} {lane.protocol}: whom did it see?"

    async def check(self, context: StepContext) -> CheckResult:
        """Judge both families."""
        if waiting := self.proof.wait(context):
            return waiting
        verdicts = self.proof.judged(context, self.lane)
        rows = [row for family, each in verdicts.items() for row in (f"{family}: {each.words}", *each.evidence)]
        states = {family: each.state for family, each in verdicts.items()}
        if bad := standing_as(states, "wrong"):
            return wrong(_joined({family: verdicts[family].words for family in bad}), *rows)
        if unknown := standing_as(states, "unknown"):
            return skipped(_joined({family: verdicts[family].words for family in unknown}), *rows)
        return done(join_words([f"{state} over {family}" for family, state in states.items()]), *rows)


def _joined(words: dict[str, str]) -> str:
    """What is to be said of each family, once where it is the same."""
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return "; ".join(f"{family}: {each}" for family, each in words.items())


class Summary(Step):
    """The last word."""

    name, words, sums_up = "summary", "say what is proven", True

    def __init__(self, proof: Proof) -> None:
        self.proof = proof

    async def check(self, context: StepContext) -> CheckResult:
        """Wrong when one lane is; open while one cannot be told."""
        if waiting := self.proof.wait(context):
            return waiting
        all_ = {
            f"{lane.port} over {family}": each
            for lane in self.proof.lanes
            for family, each in self.proof.judged(context, lane).items()
        }
        states = {name: each.state for name, each in all_.items()}
        if bad := standing_as(states, "wrong"):
            named = [f"{name} ({all_[name].id})" if all_[name].id else name for name in bad]
            return wrong(f"the server does not see the client: {join_words(named, 12)}", *_rows(all_))
        proven, likely = standing_as(states, "proven"), standing_as(states, "likely")
        if unknown := standing_as(states, "unknown"):
            words = f"{len(proven) + len(likely)} of {len(all_)} answers name the real client; cannot tell: "
            return skipped(words + join_words(unknown, 12), *_rows(all_))
        rest = f", {len(likely)} more likely so: Dovecot's log has no session=" if likely else ""
        return done(
            f"the server sees the real client: {len(proven)} of {len(all_)} answers prove it{rest}", *_rows(all_)
        )


def _rows(verdicts: dict[str, Verdict]) -> tuple[str, ...]:
    return tuple(f"{name}: {each.state}" for name, each in verdicts.items())


def steps(context: StepContext) -> Sequence[Step]:
    """All is asked before anything is judged."""
    proof = Proof(context)
    if not proof.lanes:
        return (Lanes(proof),)
    return (Lanes(proof), Ask(proof), *(Judge(proof, lane) for lane in proof.lanes), Unchanged(proof), Summary(proof))


async def standing(context: StepContext) -> CheckResult:
    """Nothing is asked for a mere list of flows."""
    return skipped("asks when it is started: yesterday's answer proves nothing")


FLOW = Flow(steps, standing=standing)
