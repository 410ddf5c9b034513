"""One sweep: every hop of every lane at once, so that it lasts as long as its slowest ladder and no longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from types import MappingProxyType

from console.diagnosis.early import waiting
from console.diagnosis.loss import late_across, late_from_here
from console.diagnosis.symptoms import ailing
from console.diagnosis.tunnel_time import SLOW
from console.errors import HostError, Report, Unresolved, summarize, unreported
from console.facts import disks, haproxy_stats
from console.hosts.descriptors import at_once
from console.hosts.host import Host
from console.ladders import Ladder, ProbeTarget
from console.model import PLAIN_PORTS, Lane, Outcome, Protocol, Role, Rung, Topology
from console.observation import LaneData, SweepData
from console.probes import asking, tls
from console.probes.ladder import climb
from console.probes.trust import Trust
from console.text import clean

AT_ONCE = 256
"""Ladders under way at once from one host: below the usual limit of 1,024 open files with all hops counted.

Where the limit is lower, so is this (`descriptors.at_once`)."""

MOST_ADDRESSES = 32
"""Addresses of one name that are asked: its DNS may name any number, and each is asked on every lane."""

EARLY = 1.2
"""Seconds after which the machines are asked for the first time, where something has failed or is waited for."""

AGAIN = 0.3
"""Seconds until it is looked again whether something has failed or is waited for, after that."""

BRIEF = 2.5
"""Seconds that these first questions may take together: what was not told by then is not known."""

QUIET = 0.004
"""Seconds in which nothing but the tunnel is asked: what this process does meanwhile would count as its latency."""

Tell = Callable[[SweepData, LaneData | None], None]
"""Called whenever something more was seen: of one lane, or (None) of all."""


NOBODY: Mapping[Role, asyncio.Future[bool]] = MappingProxyType({})
"""No host is still being connected to."""


async def sweep(
    topology: Topology,
    hosts: Mapping[Role, Host],
    tell: Tell,
    missing: Mapping[Role, str] | None = None,
    report: Report = unreported,
    trust: Trust | None = None,
    coming: Mapping[Role, asyncio.Future[bool]] = NOBODY,
) -> SweepData:
    """Ask everything `topology` says there is from the hosts there are; returns when the slowest ladder has ended.

    `missing` says, for a role without a host, why; `report` writes down a fault of cowhand's own and returns the path;
    with `trust`, each certificate that is new to it is asked whether clients would trust it. A host that is `coming`,
    still being connected to, is asked as soon as that has ended. Nothing that a server does raises."""
    await tls.prepare()
    seen = SweepData(
        topology,
        {lane.id: LaneData(lane) for lane in topology.lanes},
        {role: host.name for role, host in hosts.items()},
        dict(missing or {}),
        at=time.time(),
    )
    await _Sweep(seen, hosts, tell, report, trust, coming).run()
    seen.ended = True
    return seen


class _Sweep:
    def __init__(
        self, seen: SweepData, hosts: Mapping[Role, Host], tell: Tell, report: Report, trust: Trust | None,
        coming: Mapping[Role, asyncio.Future[bool]],
    ) -> None:  # fmt: skip
        self.seen, self.hosts, self.tell, self.report, self.trust = seen, hosts, tell, report, trust
        self.coming = coming
        self.room = {role: asyncio.Semaphore(at_once(len(hosts), AT_ONCE)) for role in hosts}
        self.crossing: set[str] = set()
        self.crossed = asyncio.Event()
        self.quiet = asyncio.get_running_loop().time() + QUIET

    async def run(self) -> None:
        for lane in self.seen.lanes.values():
            self._plan(lane)
        early = asyncio.create_task(self._early())
        try:
            await self._climb_all()
        finally:
            early.cancel()
            await asyncio.wait({early})  # who awaits the task itself takes a stop of this sweep for the task's own
            if not early.cancelled():
                early.result()
        await self._facts()

    async def _climb_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in self.seen.lanes.values():
                if lane.vm is not None:
                    self.crossing.add(lane.lane.id)
                    group.create_task(self._climb(lane, lane.vm, "proxy"))
            await self._cross()
            if "proxy" in self.hosts:
                group.create_task(self._stats(self.hosts["proxy"]))
            group.create_task(self._public())
            for lane in self.seen.lanes.values():
                if lane.service is not None:
                    group.create_task(self._climb(lane, lane.service, "mail"))
            if "mail" in self.hosts:
                group.create_task(self._disks(self.hosts["mail"]))
        if self.trust is not None:
            self.seen.distrusted = {print_: why for print_, why in self.trust.known.items() if why}

    async def _early(self) -> None:
        """Ask the machines why something fails while slow ladders still climb; at the end they are asked again.

        Where we get into the proxy's machine only after that, which knows most, they are asked once more."""
        await asyncio.sleep(EARLY)
        while not self.seen.early:
            if not (ailing(self.seen) or waiting(self.seen, time.time())):
                await asyncio.sleep(AGAIN)
                continue
            late = None if self._in("proxy") else self.coming["proxy"]
            with suppress(TimeoutError):
                async with asyncio.timeout(BRIEF):
                    await asking.ask(self.seen, self.hosts, self.report, brief=True)
            self.seen.early = True
            if late is not None:
                await asyncio.wait({late})
                self.seen.early = late.cancelled() or not late.result()  # what is half told proves nothing

    async def _cross(self) -> None:
        """Wait until the tunnel's answers are in, as far as that is a moment."""
        if self.crossing and self._in("proxy"):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self.quiet):
                    await self.crossed.wait()

    def _in(self, role: Role) -> bool:
        return role not in self.coming or self.coming[role].done()

    async def _let_in(self, role: Role) -> None:
        """Wait until it is known whether we are in: what that takes is no latency or silence of what is asked there."""
        if not self._in(role):
            await asyncio.wait({self.coming[role]})

    def _plan(self, lane: LaneData) -> None:
        name = next((name for name in self.seen.topology.public if not _numeric(name)), None)
        if "proxy" in self.hosts and (target := behind(lane.lane, name)):
            lane.vm = Ladder(target, self.hosts["proxy"].name)
        if "mail" in self.hosts and (target := inside(lane.lane, name)):
            lane.service = Ladder(target, self.hosts["mail"].name)

    async def _stats(self, host: Host) -> None:
        await self._let_in("proxy")
        sockets = self.seen.topology.stats_sockets or haproxy_stats.SOCKETS
        self.seen.stats = await haproxy_stats.ask(host, sockets)
        self.tell(self.seen, None)

    async def _public(self) -> None:
        lanes = self.seen.lanes.values()
        if not self.seen.topology.public or "here" not in self.hosts:
            why = (
                self.seen.missing.get("here")
                or "no public name is known: add names = [...] under [public] in site.toml"
            )
            for lane in lanes:
                lane.unresolved = Rung("resolve", "unknown", why)
            self.tell(self.seen, None)
            return
        # its own group: one that is stopped takes no new task, and a name may be resolved at that very moment
        async with asyncio.TaskGroup() as group:
            for name in self.seen.topology.public:
                group.create_task(self._dial(name, group))

    async def _dial(self, name: str, group: asyncio.TaskGroup) -> None:
        host, began = self.hosts["here"], time.perf_counter()
        try:
            addresses = (name,) if _numeric(name) else await host.resolve(name)
        except HostError as error:
            outcome: Outcome = "failed" if isinstance(error, Unresolved) else "unknown"
            rung = Rung("resolve", outcome, str(error), (time.perf_counter() - began) * 1000)
            for lane in self.seen.lanes.values():
                lane.unresolved = rung
            self.tell(self.seen, None)
            return
        if len(addresses) > MOST_ADDRESSES:
            why = f"{clean(name, 80)} has {len(addresses)} addresses: more than {MOST_ADDRESSES} are not asked"
            for lane in self.seen.lanes.values():
                lane.unresolved = Rung("resolve", "unknown", why, (time.perf_counter() - began) * 1000)
            self.tell(self.seen, None)
            return
        server = None if _numeric(name) else name
        for lane in self.seen.lanes.values():
            for address in addresses:
                ladder = Ladder(ProbeTarget(address, lane.lane.port, lane.lane.protocol, name=server), host.name)
                lane.public[address] = ladder
                group.create_task(self._climb(lane, ladder, "here"))

    async def _climb(self, lane: LaneData, planned: Ladder, role: Role) -> None:
        def place(ladder: Ladder) -> None:
            if role == "here":
                lane.public[planned.target.address] = ladder
            elif role == "proxy":
                lane.vm = ladder
                self._answered(ladder)
                self.crossing.discard(lane.lane.id)
                if not self.crossing:
                    self.crossed.set()
            else:
                lane.service = ladder
                self._served(ladder)
            self.tell(self.seen, lane)

        await self._let_in(role)
        async with self.room[role]:
            planned.began = time.time()
            try:
                rest = self._cross if role == "proxy" else None
                ended = await climb(planned.target, self.hosts[role], place, rest)
                place(ended)
                if role == "here" and self.trust is not None:
                    await self.trust.ask(self.hosts[role], ended)
            except Exception as error:  # a fault of ours must not darken the other lanes; it is said where it happened
                place(self._failed(planned, error))

    def _failed(self, planned: Ladder, error: Exception) -> Ladder:
        path = self.report(error)
        words = f"cowhand failed here: {summarize(error)}" + (f"; the report is in {path}" if path else "")
        return Ladder(planned.target, planned.vantage, [Rung("ask", "unknown", words)], "no-way", done=True)

    def _answered(self, ladder: Ladder) -> None:
        rung = ladder.rung("connect")
        if rung is None or rung.ms is None or (rung.outcome != "ok" and ladder.cause != "refused"):
            return
        host = ladder.target.address
        self.seen.answered[host] = min(rung.ms, self.seen.answered.get(host, rung.ms))

    def _served(self, ladder: Ladder) -> None:
        if ladder.certificate is not None:
            name, begins = ladder.certificate.subject, ladder.certificate.not_before
            self.seen.newest[name] = max(begins, self.seen.newest.get(name, begins))

    async def _disks(self, host: Host) -> None:
        """How full the disks are is asked always: a full one shows in no greeting."""
        await self._let_in("mail")
        self.seen.disks = (await disks.ask(host)).found

    async def _facts(self) -> None:
        """Ask the machines themselves why something failed: after the ladders, and only when something did."""
        self.seen.early, self.seen.asked = False, None
        for lane in self.seen.lanes.values():
            lane.itself.clear()
        if ailing(self.seen):
            await asking.ask(self.seen, self.hosts, self.report)
        elif (
            max(self.seen.answered.values(), default=0.0) >= SLOW or late_across(self.seen) or late_from_here(self.seen)
        ):
            await asking.ping(self.seen, self.hosts, self.report)


def behind(lane: Lane, name: str | None) -> ProbeTarget | None:
    """What HAProxy would ask of the VM: the target, with its header, and TLS only when it passes TLS through."""
    if lane.target is None or not lane.target.port:
        return None
    protocol: Protocol = "http" if lane.tls == "terminated" and lane.protocol == "https" else lane.protocol
    tls = False if lane.tls == "terminated" else None
    return ProbeTarget(lane.target.host, lane.target.port, protocol, lane.proxy_protocol, tls, name)


def inside(lane: Lane, name: str | None) -> ProbeTarget | None:
    """The same service's plain port, asked inside the VM without a header; None when no file says which that is."""
    target = behind(lane, name)
    if target is None:
        return None
    port = PLAIN_PORTS.get(lane.service_port or target.port)
    if port is None:
        if lane.wants_header:
            # extra.cf or extra.conf gives the plain port the header: there is no other.
            return None
        if lane.proxy_protocol is not None and target.port not in PLAIN_PORTS.values():
            return None
        port = target.port
    return ProbeTarget("127.0.0.1", port, target.protocol, None, target.tls, name)


def _numeric(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
