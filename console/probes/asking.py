"""After a symptom the machines are asked what they know of themselves: everything at once, reading only, in seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from math import ceil

from msgspec.structs import replace

from console.answers import FEW, Asked, Guest, Ping, Route
from console.diagnosis.loss import late_across, late_from_here, unheard_from_here
from console.errors import HostError, Report, unreported
from console.facts import (
    addresses,
    connections,
    containers,
    haproxy_stats,
    incus,
    listeners,
    log,
    pings,
    programs,
    tailscale,
)
from console.facts.pings import MANY
from console.hosts.host import Host
from console.ladders import Ladder, ProbeTarget
from console.model import Role
from console.observation import LaneData, SweepData
from console.probes import ends
from console.probes.ladder import climb
from console.text import clean

PATIENCE = 12.0
"""Seconds that all questions together may take: a ladder that is held up takes as long."""

LINES = 200
"""Lines of a service's log that are read."""

MARGIN = 1.0
"""Seconds before a sweep's begin from which a log counts, for log lines have whole seconds."""

LOOKS, APART = 5, 0.2
"""Looks at what stands unanswered, and the seconds between two of them."""

LATER = 1.0
"""Seconds after which connections that nobody accepts are looked at again: a new process takes far less."""

SSH = 22

ANY = ("192.0.2.1", "2001:db8::1")
"""An address of each family that is nobody's (RFC 5737, RFC 3849): packets to it would leave as to any other."""

MOST_ROUTES = 4
"""Routes of one family that this machine is asked for."""


async def ask(seen: SweepData, hosts: Mapping[Role, Host], report: Report = unreported, brief: bool = False) -> None:
    """Ask every machine there is what it knows, and put the answers into `seen`; returns when all have come.

    What takes many seconds is left out when it shall be `brief`. What a machine cannot tell, or not in time, is missing
    afterwards; nothing here raises."""
    seen.asked = Asked()
    await _all(_questions(_Asking(seen, hosts, seen.asked, brief)), report)


async def ping(seen: SweepData, hosts: Mapping[Role, Host], report: Report = unreported) -> None:
    """Ask alone how long pings of the mail host take, and how many are lost: all is well, and slow or late."""
    seen.asked = Asked()
    asking = _Asking(seen, hosts, seen.asked)
    questions = [asking.pinged] if "proxy" in hosts and asking.target else []
    await _all([*questions, *([asking.front] if "here" in hosts else [])], report)


async def _all(questions: Sequence[Callable[[], Awaitable[None]]], report: Report) -> None:
    async def put(question: Callable[[], Awaitable[None]]) -> None:
        try:
            await question()
        except HostError:
            pass  # what could not be asked is missing
        except Exception as error:  # a fault of ours must not take the other answers away
            report(error)

    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for question in questions:
                group.create_task(put(question))


class _Asking:
    def __init__(self, seen: SweepData, hosts: Mapping[Role, Host], told: Asked, brief: bool = False) -> None:
        self.seen, self.hosts, self.told, self.brief = seen, hosts, told, brief
        self.seen_running = asyncio.Event()
        """Set once it is known how HAProxy's processes are, or that nobody can tell."""

    @property
    def target(self) -> str:
        """The mail host's address, as the lanes name it."""
        found = (lane.lane.target.host for lane in self.seen.lanes.values() if lane.lane.target)
        return next((host for host in found if _numeric(host)), "")

    # ── the proxy's machine ─────────────────────────────────────────────────────────────────────────────────────────

    async def addresses(self) -> None:
        found = await addresses.ask(self.hosts["proxy"])
        self.told.addresses = None if found.error else found.found
        self._note("the proxy's addresses", found.error)

    async def listeners(self, role: Role) -> None:
        found = await listeners.ask(self.hosts[role])
        if not found.error:
            self.told.listeners[role] = found.found
        self._note(f"who listens on {self.hosts[role].name}", found.error)
        if not self.brief and any(each.waiting for each in found.found):  # just now, or for long?
            await asyncio.sleep(LATER)
            again = await listeners.ask(self.hosts[role])
            still = {(each.address, each.port, each.pid): each.waiting for each in again.found}
            self.told.listeners[role] = tuple(
                replace(each, stuck=min(each.waiting, still.get((each.address, each.port, each.pid), 0)))
                for each in found.found
            )

    async def haproxy(self) -> None:
        try:
            found = await programs.ask(self.hosts["proxy"], "haproxy")
            self.told.haproxy = None if found.error else found.found
            self._note("HAProxy's processes", found.error)
        finally:
            self.seen_running.set()

    async def socket(self) -> None:
        stats = self.seen.stats
        if stats is None or stats.error or not stats.socket:
            return
        with suppress(HostError, TimeoutError):
            host = self.hosts["proxy"]
            async with asyncio.timeout(5):
                info = await haproxy_stats.tell(host, stats.socket, haproxy_stats.INFO, 5)
                state = await haproxy_stats.tell(host, stats.socket, haproxy_stats.STATE, 5)
                again = await haproxy_stats.tell(host, stats.socket, "show stat", 5)
            self.told.limits = haproxy_stats.parse_info(info)
            self.told.directed = haproxy_stats.parse_state(state) or None
            with suppress(ValueError):  # what it denied or secured is counted after our own probes only
                servers = haproxy_stats.recounted(stats.servers, again)
                self.seen.stats = replace(stats, servers=servers, frontends=haproxy_stats.parse_frontends(again))
        fresh = self.seen.stats
        if fresh is not None and fresh is not stats and "here" in self.hosts and not self.brief:
            self.told.ended = await ends.ask(self.lanes, fresh, self.hosts["proxy"], self.hosts["here"])

    async def dialling(self) -> None:
        """Where connections of HAProxy's stand unanswered: two or more of them, for one may have lost a packet.

        A check gives up soon and begins again: between two of them there is none to be seen."""
        standing: dict[tuple[str, int], dict[str, int]] = {}
        for look in range(LOOKS):
            found = await connections.unanswered(self.hosts["proxy"], "haproxy")
            if found is None:
                return
            for end, address, port in found:
                looks = standing.setdefault((address, port), {})
                looks[end] = looks.get(end, 0) + 1
            self.told.dialling = tuple(place for place, some in standing.items() if len(some) > 1)
            self.told.standing = tuple(place for place, some in standing.items() if max(some.values()) == LOOKS)
            if look + 1 < LOOKS:
                await asyncio.sleep(APART)

    async def tunnel(self) -> None:
        """The way to the mail host: its route, what Tailscale says, and who on it answers pings."""
        host, target = self.hosts["proxy"], self.target
        if not target:
            return
        await asyncio.gather(self.pinged(large=True), self._door(host, target))

    async def pinged(self, large: bool = False) -> None:
        """Who on the way to the mail host answers pings, large ones as well or not; where some packets seem to be
        lost, how many of many."""
        host = self.hosts["proxy"]
        beside = [self.ping("large", host, self.target, large=True)] if large else []
        await asyncio.gather(self.ping("vm", host, self.target), self._router(host, self.target), *beside)
        late, known = late_across(self.seen), {who: self.told.pings.get(who) for who in ("router", "vm")}
        some = {who: ping for who, ping in known.items() if ping is not None and (late or not ping.lost)}
        asked = (*some.values(), self.told.pings.get("large"))
        partly = [ping for ping in asked if ping is not None and 0 < ping.answered < ping.sent]
        counted = {} if self.brief or not (late or partly) else some
        large_lost = (ping := self.told.pings.get("large")) is not None and ping.lost and not self.brief
        if large_lost and (small := known["vm"]) is not None and not small.lost:
            counted = {**counted, "vm": small}  # a few lost ones of both sizes look like large ones that never pass
            beside = [self.ping("large", host, self.target, large=True, count=MANY)]
        else:
            beside = []
        await asyncio.gather(
            *(self.ping(who, host, ping.address, count=MANY) for who, ping in counted.items()), *beside
        )

    async def front(self) -> None:
        """Where connections from here were late, or some got no answer: how many pings from here to the proxy do."""
        if (late_from_here(self.seen) or unheard_from_here(self.seen)) and not self.brief:
            found = [address for lane in self.lanes for address, ladder in lane.public.items() if ladder.connected]
            address = next((each for each in found if ":" not in each), *found[:1])
            await self.ping("front", self.hosts["here"], address, count=MANY)

    async def _router(self, host: Host, target: str) -> None:
        route, _ = await asyncio.gather(addresses.toward(host, target), self._tailnet(host))
        if isinstance(route, str):
            self._note("the route to the mail host", route)
            return
        self.told.route = route
        peer = self.seen.tailnet.toward(target) if self.seen.tailnet else None
        address = route.via or next((each for each in peer.addresses if ":" not in each), "") if peer else route.via
        router = [self.ping("router", host, address)] if address else []
        await asyncio.gather(*router, self._back(route))

    async def _back(self, route: Route) -> None:
        """The mail host's own route to the proxy, as far as that is in the dark."""
        if self.cut and route.source and "mail" in self.hosts:
            back = await addresses.toward(self.hosts["mail"], route.source)
            self.told.back = back if isinstance(back, Route) else None

    async def _tailnet(self, host: Host) -> None:
        if self.cut:
            self.seen.tailnet = await tailscale.ask(host)

    async def _door(self, host: Host, target: str) -> None:
        asked = ProbeTarget(target, SSH, "tcp", depth="connect")
        self.told.door = await climb(asked, host)

    async def itself(self, lane: LaneData, address: str, planned: Ladder) -> None:
        """What the proxy itself is told at its public address: where HAProxy is halted, whether it is let in at all.

        A halted one says nothing to anybody, for as long as one waits."""
        await self.seen_running.wait()
        running = self.told.haproxy
        halted = bool(running) and all(each.halted for each in running or ())
        target = replace(planned.target, depth="connect") if halted else planned.target
        lane.itself[address] = await climb(target, self.hosts["proxy"])

    # ── the mail host ───────────────────────────────────────────────────────────────────────────────────────────────

    async def containers(self) -> None:
        told = await containers.ask(self.hosts["mail"])
        self.seen.containers, self.seen.containers_error = told.found, told.error

    async def programs(self) -> None:
        found = await programs.ask(self.hosts["mail"])
        self.told.programs = None if found.error else found.found
        self._note("the mail host's processes", found.error)

    async def logs(self) -> None:
        """What the services logged since the sweep began; an older line speaks of another day."""
        services = sorted({lane.lane.service for lane in self.lanes if lane.lane.service and _talked(lane)})
        back = ceil(time.time() - self.seen.at + MARGIN)
        found = await asyncio.gather(
            *(log.ask(self.hosts["mail"], "service", service, since=back, lines=LINES) for service in services)
        )
        for service, told in zip(services, found, strict=True):
            if not told.error:
                self.seen.logs[service] = log.masked(told.lines)

    async def home(self) -> None:
        """Whether the mail host has the address that HAProxy dials, by its own kernel."""
        home = await addresses.toward(self.hosts["mail"], self.target)
        self.told.home = home if isinstance(home, Route) else None

    async def guest(self) -> None:
        """How Incus has the mail host: the instance with the target's address, pinned or had, or else the only one."""
        told = await incus.ask(self.hosts["hypervisor"])
        self._note("the instances of Incus", told.error)
        mine = [each for each in told.found if self.target in (*each.addresses, *each.has)]
        declared = {each.name for each in self.seen.topology.instances}
        named = [each for each in told.found if each.name in declared]
        found = next((some[0] for some in (mine, named, told.found) if len(some) == 1), None)
        if found is not None and found.status:
            self.told.guest = Guest(found.name, found.status, found.has)

    # ── this machine ────────────────────────────────────────────────────────────────────────────────────────────────

    async def gateway(self) -> None:
        address = await addresses.gateway(self.hosts["here"])
        if address:
            await self.ping("gateway", self.hosts["here"], address)

    async def outward(self) -> None:
        """Ask this machine which routes it has to the public addresses, or to nobody's where there are none."""
        dialled = dict.fromkeys(address for lane in self.lanes for address in lane.public)
        kinds = [[each for each in dialled if (":" in each) == six] or [ANY[six]] for six in (False, True)]
        routes = await asyncio.gather(
            *(addresses.toward(self.hosts["here"], each) for some in kinds for each in some[:MOST_ROUTES])
        )
        told = tuple(each for each in routes if isinstance(each, Route))
        self.told.outward = told if len(told) == len(routes) else None

    # ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def lanes(self) -> tuple[LaneData, ...]:
        return tuple(self.seen.lanes.values())

    @property
    def cut(self) -> bool:
        """Whether no answer came through the tunnel from where a lane leads."""
        return any(
            broken(lane.vm) and not reached(lane.vm) and not self._answers(lane) for lane in self.seen.lanes.values()
        )

    def _answers(self, lane: LaneData) -> bool:
        return lane.lane.target is not None and lane.lane.target.host in self.seen.answered

    async def ping(self, who: str, host: Host, address: str, large: bool = False, count: int = FEW) -> None:
        told = await pings.ask(host, address, large, count)
        if isinstance(told, Ping):
            self.told.pings[who] = told
        else:
            self._note(f"a ping of {who} from {host.name}", told)

    def _note(self, what: str, why: str) -> None:
        if why:
            self.told.refused[what] = clean(why, 200)


def _questions(asking: _Asking) -> list[Callable[[], Awaitable[None]]]:
    """What is worth asking for the symptoms there are."""
    made: list[Callable[[], Awaitable[None]]] = []
    lanes = asking.lanes
    if "proxy" in asking.hosts:
        made += [asking.addresses, lambda: asking.listeners("proxy"), asking.haproxy, asking.socket, asking.tunnel]
        made += [
            lambda lane=lane, address=address, ladder=ladder: asking.itself(lane, address, ladder)  # type: ignore[misc]
            for lane in lanes
            for address, ladder in lane.public.items()
            if any(broken(each) for each in lane.public.values())
        ]
        made += [asking.dialling] if any(broken(each) for lane in lanes for each in lane.public.values()) else []
    if "mail" in asking.hosts:
        made += [asking.containers, asking.programs, lambda: asking.listeners("mail"), asking.logs]
        made += [asking.home] if asking.cut and asking.target else []
    if "hypervisor" in asking.hosts and asking.cut:
        made.append(asking.guest)
    outside = [each for lane in lanes for each in lane.public.values()]
    if "here" in asking.hosts and any(broken(each) and not reached(each) for each in outside):
        made += [asking.gateway, asking.outward]
    made += [asking.front] if "here" in asking.hosts else []
    return made


def _talked(lane: LaneData) -> bool:
    """Whether a lane broke, and its daemon had a chance to say something about it."""
    behind = [each for each in (lane.vm, lane.service) if each is not None and each.connected]
    through = lane.vm is not None and lane.vm.connected and any(map(broken, lane.public.values()))
    return through or any(map(broken, behind))


def broken(ladder: Ladder | None) -> bool:
    """Whether a ladder failed for what the far end did, and not for want of a way to ask."""
    return ladder is not None and ladder.cause not in ("", "no-way", "no-source")


def reached(ladder: Ladder | None) -> bool:
    """Whether the machine was reached: a refusal is an answer."""
    return ladder is not None and (ladder.connected or ladder.cause == "refused")


def _numeric(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
