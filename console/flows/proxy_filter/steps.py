"""Let nobody but the proxy reach Mailcow's PROXY ports on the mail host, by a chain of its own in DOCKER-USER.

As whom the proxy arrives is seen, not guessed. Where a router writes its own address there, nothing is filtered. The
proxy has to be greeted afterwards, and strangers may get no connection any more: else it is taken back."""

from __future__ import annotations

import asyncio
import secrets

from console.errors import HostError, NoWayIn, StreamError
from console.facts.command import explain
from console.flows import (
    CheckResult,
    Flow,
    Group,
    Member,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    Step,
    StepContext,
    Write,
    done,
    make_folder,
    needed,
    refused,
)
from console.flows.forgery_check import Port
from console.flows.forgery_check import ports as known_ports
from console.flows.proxy_filter.arriving import PATIENCE, sources
from console.flows.proxy_filter.rules import (
    CHAIN,
    PROGRAM,
    RULES,
    TABLES,
    UNIT,
    UNIT_FILE,
    UNIT_TEXT,
    USER,
    WANTED_BY,
    Guard,
    chain,
    leads,
    missing,
    program,
    reached,
    written,
)
from console.flows.proxy_override.stack import LOOK, POSTFIX, Binding
from console.flows.proxy_override.steps import stack_of
from console.flows.proxy_override.wanted import needed as work_out
from console.flows.putting_back import back, lay, undone
from console.hosts.host import Host
from console.model import PLAIN_PORTS
from console.probes.knock import Knock, ask
from console.sources.haproxy.addresses import loopback
from console.text import join_words

FILTER = "filter"
"""The name of the step, by which the journal keeps what it did."""

OTHERS = "ports"
"""The step of proxy-override after which other ports are published."""

ACT, SECONDS, TRIES = 60.0, 300, 2
"""Seconds: systemd and iptables, and what the host waits before it goes back by itself; how often a port is asked."""

START = 'systemctl daemon-reload && systemctl --quiet enable "$1" && systemctl restart "$1"'

AWAY = r"""systemctl stop "$3" >/dev/null 2>&1
if [ -e "$1" ] && [ -e "$2" ]; then systemctl daemon-reload && systemctl restart "$3"; exit; fi
rm -f -- "$4" && systemctl daemon-reload
for tables in iptables ip6tables; do
  "$tables" -w 10 -S COWHAND-PROXY >/dev/null 2>&1 || continue
  for each in 1 2 3 4 5; do "$tables" -w 10 -D DOCKER-USER -j COWHAND-PROXY 2>/dev/null || break; done
  "$tables" -w 10 -F COWHAND-PROXY && "$tables" -w 10 -X COWHAND-PROXY || exit
done
"""
"""After the files are as they were: what was filtered before is filtered again, or nothing is."""

TAKEN_BACK = ("sh", "-c", AWAY, "sh", PROGRAM, RULES, UNIT, WANTED_BY)


class Ground:
    """What this run goes by: asked of the machines once between two changes."""

    async def bindings(self, context: StepContext) -> list[Binding]:
        """The PROXY ports that Docker publishes where others can dial them; raises `Refusal` when there is none."""
        stack = await stack_of(context)
        found = [each for each in stack.running if each.target in PLAIN_PORTS and not loopback(each.address)]
        if not found:
            raise Refusal(f"no PROXY port is published on {context.name('mail')}: proxy-override publishes them")
        return found

    async def listed(self, context: StepContext, family: int) -> str:
        """All rules of the filter; raises `Refusal` where Docker does not go by them."""
        tool, name = TABLES[family], context.name("mail")
        said = await context.host("mail").run((tool, "-S"), LOOK)
        if said.status == 127:
            raise Refusal(f"there is no {tool} on {name}: Docker does not filter by it")
        if said.status:
            raise HostError(explain(name, tool, said))
        text = said.stdout.decode("utf-8", "replace")
        if not reached(text):
            why = "Docker does not filter by it (its nftables backend has no such chain)"
            if family == 6:
                why += ", and a process of its own passes IPv6 on: publish the ports on one IPv4 address first"
            raise Refusal(f"{tool} on {name} has no chain DOCKER-USER that what is forwarded passes through: {why}")
        return text

    async def guards(self, context: StepContext) -> list[Guard]:
        """What is to be filtered; raises `Refusal` with the reason why not."""
        return await context.cached("proxy filter", lambda: self._guards(context))

    async def _guards(self, context: StepContext) -> list[Guard]:
        bindings, need = await self.bindings(context), work_out(context.estate)
        if need.why:
            raise Refusal(need.why)
        for family in sorted({_family(each) for each in bindings}):
            await self.listed(context, family)
        here = [each for each in bindings if each.port in need.ports]
        if not here:
            raise Refusal(f"none of HAProxy's ports is published on {context.name('mail')}: proxy-override does that")
        one = min(here, key=lambda each: (each.service != POSTFIX, each.port))  # Postfix waits, Dovecot may hang up
        stack = await stack_of(context)
        found = await sources(context, stack, (need.address, one.port), (one.service, one.target))
        own = 6 if ":" in need.address else 4
        who = tuple(dict.fromkeys(found.values()))
        pairs = sorted({(_family(each), each.port) for each in bindings})
        return [Guard(family, port, who if family == own and port in need.ports else ()) for family, port in pairs]


def _family(binding: Binding) -> int:
    return 6 if ":" in binding.address else 4


class Find(Step):
    """The PROXY ports, and as whom the proxy comes to them."""

    name, words = "ports", "find the published PROXY ports, and see as whom the proxy arrives"

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse where the proxy cannot be told from others, or is not greeted even now."""
        if context.expects(OTHERS):
            raise NotYetKnown("the PROXY ports are published first")
        guards = await self.ground.guards(context)
        who = guards_who(guards)
        shut = [f"{port.number} ({words})" for port, words in await context.cached("greeted", lambda: _shut(context))]
        if shut:
            raise Refusal(
                f"{context.name('proxy')} gets no greeting on {join_words(shut)} even now: proxy-override settles that"
            )
        ports = join_words([str(number) for number in dict.fromkeys(each.port for each in guards)], 12)
        return done(f"{ports} are published; {context.name('proxy')} arrives as {join_words(who)}, its own address")


def guards_who(guards: list[Guard]) -> list[str]:
    """All addresses that may reach anything."""
    return list(dict.fromkeys(who for each in guards for who in each.allowed))


class Filter(Member):
    """Script, rules and unit, and the chains made from them."""

    name, words, guarded, patience = "mail", "let nobody but the proxy reach them", ("mail",), 120.0

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while a file is another, the unit is not enabled, or a chain has not the rules."""
        if context.expects(OTHERS):
            raise NotYetKnown("the PROXY ports are published first")
        guards = await self.ground.guards(context)
        lacks = [
            f"{write.path} {'is not there' if write.before is None else 'is another'}"
            for write in await self._writes(context, guards)
            if write.before != write.after
        ]
        enabled = await context.host("mail").run(("systemctl", "is-enabled", UNIT), LOOK)
        if enabled.status:
            lacks.append(f"{UNIT} is not enabled")
        for family in sorted({each.family for each in guards}):
            lacks += [each] if (each := missing(await self.ground.listed(context, family), guards, family)) else []
        if lacks:
            return needed(f"anybody may dial the PROXY ports: {lacks[0]}" if len(lacks) > 3 else join_words(lacks))
        who = join_words(guards_who(guards)) or "nobody"
        return done(f"{who} alone may reach them, also after a restart of Docker ({UNIT})")

    async def _writes(self, context: StepContext, guards: list[Guard]) -> list[Write]:
        script = await context.edit("mail", PROGRAM, program(), 0o755)
        note = f"assets/proxy_filter.sh of this cowhand, {program().count(chr(10))} lines"
        script = Write("mail", PROGRAM, script.before, script.after, 0o755, summary=note)
        rules = await context.edit("mail", RULES, written(guards), 0o644)
        return [script, rules, await context.edit("mail", UNIT_FILE, UNIT_TEXT, 0o644)]

    async def plan(self, context: StepContext) -> Plan:
        """The three files, and a start of the unit."""
        guards = await self.ground.guards(context)
        writes = [each for each in await self._writes(context, guards) if each.before != each.after]
        there = await context.host("mail").run(("test", "-d", "/etc/cowhand"), LOOK)
        folder = () if there.status == 0 else (make_folder("mail", "/etc/cowhand"),)
        start = Run("mail", ("sh", "-c", START, "sh", UNIT), ACT)
        notes = [
            f"{TABLES[family]}: DOCKER-USER begins with -j COWHAND-PROXY, and that has"
            if number < 0
            else f"  {chain(guards, family)[number]}"
            for family in sorted({each.family for each in guards})
            for number in range(-1, len(chain(guards, family)))
        ]
        notes += [
            "what is forwarded to a container is filtered; the mail host's own programs pass by it",
            "while Docker starts, until the unit has run, an emptied chain lets everybody in",
            "no rule of others is touched, and none in INPUT, FORWARD or POSTROUTING, which netfilter-mailcow orders",
        ]
        actions = (*await lay(context, "mail"), *folder, *writes, start)
        rollback = back("mail", writes, TAKEN_BACK, SECONDS)
        return Plan(actions, tuple(notes), undo="chain, unit, rules and script are taken away", rollbacks=(rollback,))

    async def undo(self, context: StepContext) -> Plan | None:
        """The files before, when nobody has changed them since, and the chains as they say."""
        actions = await undone(context, FILTER, "mail")
        return Plan((*actions, Run("mail", TAKEN_BACK, ACT)), undo="start the flow again") if actions else None


async def proof(context: StepContext) -> CheckResult:
    """The proxy is greeted on each port that a lane uses, and no stranger gets a connection."""
    shut = await _shut(context)
    if shut:
        told = join_words([f"{port.number} ({words})" for port, words in shut])
        return needed(f"{context.name('proxy')} is shut out of {told}")
    ports = [port for port in known_ports(context) if ":" not in port.host or port.used]
    rows, reaching = [], []
    for name in ("here", *context.named("hypervisor")):
        try:
            found = await asyncio.gather(*(_connects(context.host(name, fresh=True), port) for port in ports))
        except NoWayIn as error:
            rows.append(f"not asked: {name}: {error}")
            continue
        numbers = join_words([str(port.number) for port, open_ in zip(ports, found, strict=True) if open_], 12)
        rows.append(f"{context.name(name)} reaches {numbers or 'none of them'}")
        reaching += [f"{context.name(name)} still reaches {numbers}"] if numbers else []
    rows.append("not asked: the internet and other containers; forgery-check asks from each machine there is")
    if reaching:
        return needed(join_words(reaching), *rows)
    used = join_words([str(port.number) for port in ports if port.used], 12)
    return done(f"{context.name('proxy')} is greeted on {used}; nobody else who was asked gets a connection", *rows)


async def _connects(host: Host, port: Port) -> bool:
    try:
        stream = await host.connect(port.host, port.number, PATIENCE)
    except NoWayIn:
        raise
    except StreamError:
        return False
    stream.close()
    return True


async def _shut(context: StepContext) -> list[tuple[Port, str]]:
    """The used ports on which a proxy gets no greeting through its header, and why."""
    asked = [(name, port) for name in context.named("proxy") for port in known_ports(context) if port.used]
    for turn in range(TRIES):
        told = await asyncio.gather(*(_greeted(context, name, port) for name, port in asked))
        shut = [(port, words) for (_, port), words in zip(asked, told, strict=True) if words]
        if not shut or turn == TRIES - 1:
            return shut
    return []


async def _greeted(context: StepContext, name: str, port: Port) -> str:
    """Why a proxy's header gets no greeting; "" when it does. What is claimed is an address that nobody has."""
    claim = ("2001:db8::77" if ":" in port.host else "192.0.2.77", 20000 + secrets.randbelow(20000))
    knock = Knock(name, port.host, port.number, port.protocol, "greeting", "cowhand", port.tls, claim=claim)
    told = await ask(context.host(name, fresh=True), knock)
    return told.detail or told.cause if told.cause else ""


def _steps(context: StepContext) -> list[Step]:
    ground = Ground()
    return [Find(ground), Group(FILTER, "let nobody but the proxy reach them", [Filter(ground)], proof)]


async def standing(context: StepContext) -> CheckResult:
    """Nobody is dialled for a mere list of flows: whether the filter is laid and comes first."""
    if await context.data("mail", RULES) is None:
        return needed("no filter is laid: who reaches the mail host may dial its PROXY ports")
    try:
        listed = await Ground().listed(context, 4)
    except Refusal as error:
        return refused(str(error))
    if not leads(listed):
        return needed(f"{USER} does not begin with {CHAIN}")
    return done(f"{USER} begins with {CHAIN}; who passes is tried when it is started")


FLOW = Flow(_steps, standing=standing)
