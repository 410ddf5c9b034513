"""Sweeps, one after another: what changed since the last one, what that means, and since when."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from console.diagnosis.diagnose import GRAVITY, judge, overall
from console.diagnosis.early import certain
from console.diagnosis.hops_front import opinion_unseen
from console.diagnosis.judge import judge_lane, verdict
from console.diagnosis.lamps import let_in
from console.diagnosis.reading import milliseconds
from console.engine.awaiting import Awaiting
from console.engine.keeping import Keeping
from console.engine.sentences import shown_only, unasked, unexplained
from console.engine.settling import Settling
from console.errors import FULL, Report, unreported
from console.events import DisksSeen, Event, FindingsChanged, GuestSeen, ReadingsChanged
from console.hosts.host import Host
from console.model import Finding, HopName, Reading, Role, Topology
from console.observation import Drifted, LaneData, SweepData
from console.probes.sweep import NOBODY, sweep
from console.probes.trust import Trust

BATCH = 0.15
"""Seconds for which changes are collected, so that a sweep repaints the screen only a few times."""

COMPARING = 300.0
"""Seconds between two comparisons of files with those on the hosts."""

KEPT = 120
"""Latencies of one hop that are kept: an hour of them, at the usual interval."""

PATIENCE = 10.0
"""Seconds that a comparison beside a sweep may take."""

Compare = Callable[[], Awaitable[tuple[Drifted, ...]]]
"""Returns the files that differ from what their hosts have or run."""


class Sweeps:
    """Keeps the last reading of every hop, and passes to `notify` only what differs."""

    def __init__(
        self,
        topology: Topology,
        hosts: Mapping[Role, Host],
        missing: Mapping[Role, str],
        notify: Callable[[Event], None],
        compare: Compare | None = None,
        report: Report = unreported,
        trust: Trust | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        self.compare, self.report, self.trust, self.keeping = compare, report, trust, keeping
        self._sweeping = False
        if keeping is not None:
            keeping.heard = self._hear_kept
        self.topology, self.hosts, self.missing, self.notify = topology, hosts, missing, notify
        self._awaiting = Awaiting(notify)
        self.readings: dict[tuple[str, HopName], Reading] = {}
        self._overruled: dict[tuple[str, HopName], Reading] = {}
        """What a lane alone tells of a hop, where the diagnosis of all lanes shows it otherwise."""
        self.findings: FindingsChanged | None = None
        self.seen: SweepData | None = None
        self.dark = ""
        """A sentence on what the last sweep could not see, and why; "" when it could see everything."""
        self.early: FindingsChanged | None = None
        """What was told before the sweep under way ended."""
        self._dirty: dict[str, LaneData] = {}
        self._moved: dict[tuple[str, HopName], float] = {}
        """By hop, the time of the sweep that first saw a latency other than the one sent."""
        self._disks: tuple[tuple[str, int], ...] = ()
        self._guest = GuestSeen()
        self._force = False
        self._drifted: tuple[Drifted, ...] = ()
        self._next = 0.0
        self.latencies: dict[tuple[str, HopName], array[float]] = {}
        """By hop, the milliseconds that the last `KEPT` sweeps measured, oldest first, told or not."""
        self._absent: frozenset[tuple[str, HopName]] = frozenset()
        """Hops whose server HAProxy did not know in the last sweep."""
        self._broken: frozenset[tuple[str, HopName]] = frozenset()
        self._settling = Settling()

    @property
    def surprised(self) -> bool:
        """Whether the last sweep may have seen the half of a change."""
        return self._settling.surprised

    def renew(self, topology: Topology) -> None:
        """Replace the topology; readings of lanes that it no longer has are dropped."""
        self.topology = topology
        lanes = {lane.id for lane in topology.lanes}
        self.readings = {key: reading for key, reading in self.readings.items() if key[0] in lanes}
        self._overruled = {key: reading for key, reading in self._overruled.items() if key[0] in lanes}
        self.latencies = {key: kept for key, kept in self.latencies.items() if key[0] in lanes}

    async def sweep(self, force: bool = False, coming: Mapping[Role, asyncio.Future[bool]] = NOBODY) -> SweepData:
        """Probe everything once; `force` sends every reading with new evidence, changed or not.

        Hosts that are `coming` are asked as soon as we are in."""
        self._force, self.early, self._sweeping = force, None, True
        if self.keeping is not None:
            self.keeping.begin(force)
        batches = asyncio.create_task(self._batches())
        comparing = asyncio.create_task(self._comparing())
        try:
            self.seen = await sweep(
                self.topology, self.hosts, self._tell, self.missing, self.report, self.trust, coming
            )
            self.seen.drifted = await comparing
        finally:
            batches.cancel()
            comparing.cancel()
        self._tell(self.seen, None)
        self._flush(self.seen)
        self._tell_disks(self.seen)
        self._tell_guest(self.seen)
        if self._differs():
            self.seen.drifted = await self._comparing()
        if self.keeping is not None:
            self.seen.kept = await self.keeping.settle(self.seen)
        self._sweeping = False
        self._conclude(self.seen)
        self._awaiting.end()
        return self.seen

    def _hear_kept(self) -> None:
        """Conclude again when a look at stored certificates ends between two sweeps."""
        if self.keeping is not None and self.seen is not None and self.seen.ended and not self._sweeping:
            self.seen.kept, self._force = self.keeping.now(), False
            self._conclude(self.seen)

    def _tell_disks(self, seen: SweepData) -> None:
        disks = tuple((disk.place, disk.used) for disk in seen.disks)
        if disks and disks != self._disks:
            self._disks = disks
            self.notify(DisksSeen(disks))

    def _tell_guest(self, seen: SweepData) -> None:
        """Incus is asked after a symptom alone: what it said in another sweep is not true any more."""
        guest = seen.asked.guest if seen.asked else None
        told = GuestSeen(guest.name, guest.status) if guest else GuestSeen()
        if told != self._guest:
            self._guest = told
            self.notify(told)

    def _differs(self) -> bool:
        """Whether files are due to be compared: a server that they name is absent, or is so no more.

        While a file is known to differ that is so with every change of what is broken, for a difference that has gone
        must not be named as its cause."""
        absent = frozenset(key for key, reading in self.readings.items() if reading.word == "absent")
        broken = frozenset(key for key, reading in self.readings.items() if reading.outcome in ("failed", "degraded"))
        due = absent != self._absent or bool(self._drifted and broken != self._broken)
        self._absent, self._broken = absent, broken
        if due:
            self._next = 0.0
        return due

    def _tell(self, seen: SweepData, lane: LaneData | None) -> None:
        self.seen = seen
        if lane is None:
            self._dirty.update(seen.lanes)
        else:
            self._dirty[lane.lane.id] = lane

    async def _comparing(self) -> tuple[Drifted, ...]:
        """Compare files beside the sweep when that is due; an error of cowhand's own there must not end the sweep."""
        if self.compare is None or (time.monotonic() < self._next and not self._force):
            return self._drifted
        try:
            async with asyncio.timeout(PATIENCE):
                self._drifted = await self.compare()
        except TimeoutError:
            pass
        except Exception as error:
            self.report(error)
        self._next = time.monotonic() + COMPARING
        return self._drifted

    async def _batches(self) -> None:
        """Tell what came while the sweep runs, until it ends, or until an error of cowhand's own, which is reported.

        All of it is told at the end once more: what cannot be told before is shown late, and not lost."""
        try:
            while True:
                await asyncio.sleep(BATCH)
                self._tell_so_far()
        except Exception as error:
            self.report(error)

    def _tell_so_far(self) -> None:
        if self._dirty and self.seen is not None:
            self._flush(self.seen)
        if self.seen is None or self.seen.ended or self._known_ill():
            return
        if self.seen.early:
            self._tell_early(self.seen)
        if self.early is None:
            self._awaiting.tell(self.seen, time.time(), self.findings is None)

    def _known_ill(self) -> bool:
        """Whether a sweep before has told what is wrong."""
        known = self.findings
        return known is not None and known is not self.early and known.verdict not in ("well", "unknown")

    def _tell_early(self, seen: SweepData) -> None:
        """Tell what is certain before the slow ladders end, where nothing was known to be wrong."""
        findings = sorted(certain(seen, time.time()), key=lambda each: (GRAVITY[each.severity], -len(each.lanes)))
        if not findings or (self.early is not None and len(findings) <= len(self.early.findings)):
            return
        summed = verdict(list(self.readings.values()))
        summed = summed if summed in ("down", "degraded") else "degraded"
        self.findings = self.early = FindingsChanged(
            tuple(findings), summed, findings[0].summary, findings[0].id, seen.at
        )
        self.notify(self.early)

    def _flush(self, seen: SweepData) -> None:
        dirty, self._dirty = self._dirty, {}
        changed: list[Reading] = []
        for lane in dirty.values():
            for reading in judge_lane(seen, lane):
                if seen.ended and reading.latency_ms is not None:
                    self._measured(reading.key, reading.latency_ms)
                known, shown = self._overruled.get(reading.key) or self.readings.get(reading.key), let_in(reading)
                news = known is None or self._is_news(known, reading, seen) or (self._force and seen.ended)
                # A client's own failure is seen at once; what is to blame for it, only when all has answered.
                if not news and (shown is reading or self.readings[reading.key].outcome != "ok"):
                    continue
                self._overruled.pop(reading.key, None)
                self._moved.pop(reading.key, None)
                if shown is not reading:
                    self._overruled[reading.key] = reading
                changed.append(self._keep(shown, seen.at))
        if changed:
            self.notify(ReadingsChanged(tuple(changed)))

    def _measured(self, key: tuple[str, HopName], ms: float) -> None:
        kept = self.latencies.setdefault(key, array("f"))
        kept.append(ms)
        if len(kept) > KEPT:
            del kept[0]

    def _keep(self, reading: Reading, at: float) -> Reading:
        """Keep a reading as it is shown, with the time from which its outcome is the same."""
        known = self.readings.get(reading.key)
        since = known.since if known is not None and known.outcome == reading.outcome else at
        self.readings[reading.key] = dated = _dated(reading, at, since)
        return dated

    def _is_news(self, known: Reading, reading: Reading, seen: SweepData) -> bool:
        """Return whether to send a reading: an outcome at once, a latency when two sweeps in a row saw the change.

        A single sweep may have measured that this machine was busy. A reading that is not whole is no news while its
        outcome is the known one: what machines tell of themselves comes last."""
        if not reading.whole and known.outcome == reading.outcome:
            return False
        if not alike(known, reading):
            self._moved.pop(reading.key, None)
            return True
        if same(known, reading):
            self._moved.pop(reading.key, None)
            return False
        return self._moved.setdefault(reading.key, seen.at) != seen.at

    def _align(self, seen: SweepData) -> tuple[Finding, ...]:
        """Find what holds, and show every hop as it follows from that."""
        told = {**self.readings, **self._overruled}
        findings, aligned = judge(seen, told.values())
        changed = []
        for reading in aligned:
            alone, shown = told[reading.key], self.readings[reading.key]
            if (reading.outcome, reading.word) == (alone.outcome, alone.word):
                self._overruled.pop(reading.key, None)
            else:
                self._overruled[reading.key] = alone
            if (reading.outcome, reading.word) != (shown.outcome, shown.word):
                changed.append(self._keep(reading, seen.at))
        if changed:
            self.notify(ReadingsChanged(tuple(changed)))
        return findings

    def _conclude(self, seen: SweepData) -> None:
        from console.diagnosis.catalogue import UNSEEN

        findings = self._settling.settle(self._align(seen), seen.at)
        readings = list(self.readings.values())
        first = next((found for found in findings if found.id != UNSEEN), None)
        broken = [reading for reading in readings if reading.outcome == "failed"]
        self.dark = _dark(seen)
        beside, shown = unexplained(broken, findings), shown_only(readings, findings)
        hidden = findings[0].summary if findings and not first else ""
        cause = first.summary if first else beside or shown or self.dark or unasked(readings) or hidden
        if first and beside:
            cause = f"{cause}. Beside it, {beside}" if first.severity in ("critical", "high") else beside
        touched = {*first.lanes} if first else {reading.lane for reading in broken}
        since = [r.since for r in readings if r.lane in touched and r.outcome in ("failed", "degraded")]
        summed = overall(verdict(readings), findings)
        if summed == "well" and _starved(seen):
            summed = "unknown"
        if not since:
            since = [self.findings.since] if self.findings and self.findings.verdict == summed else [seen.at]
        told = FindingsChanged(findings, summed, cause, first.id if first else None, min(since))
        if told != self.findings or self._force:
            self.findings = told
            self.notify(told)


def same(known: Reading, reading: Reading) -> bool:
    """Return whether two readings are the same to an operator: a latency differs from 20 ms on, doubled or halved."""
    if known.word == reading.word or not alike(known, reading):
        return alike(known, reading)
    old, new = known.latency_ms or 0.0, reading.latency_ms or 0.0
    return abs(new - old) < 20 or (new < 2 * old and old < 2 * new)


def alike(known: Reading, reading: Reading) -> bool:
    """Return whether two readings differ in their latencies at most.

    Of a reading that is not whole yet only outcome and word are compared, because more rungs will follow."""
    if known.outcome != reading.outcome:
        return False
    if reading.whole and [(r.name, r.outcome) for r in known.evidence] != [
        (r.name, r.outcome) for r in reading.evidence
    ]:
        return False
    return known.word == reading.word or (_is_latency(known) and _is_latency(reading))


def _is_latency(reading: Reading) -> bool:
    return reading.latency_ms is not None and reading.word == milliseconds(reading.latency_ms)


def _dated(reading: Reading, at: float, since: float) -> Reading:
    return replace(reading, at=at or time.time(), since=since)


def _starved(seen: SweepData) -> str:
    """Return how much was not asked because this process may open no more files; "" when nothing was left out."""
    lanes = seen.lanes.values()
    ladders = [each for lane in lanes for each in (*lane.public.values(), lane.vm, lane.service) if each is not None]
    left = [each for each in ladders if each.failed is not None and FULL in each.failed.detail]
    return f"{len(left)} of {len(ladders)} probes were left out: {FULL}" if left else ""


def _dark(seen: SweepData) -> str:
    """Return which host could not probe, or what gave no answer, and why; "" when nothing was missing."""
    if starved := _starved(seen):
        return starved
    for role in ("proxy", "mail"):
        ladders = [lane.vm if role == "proxy" else lane.service for lane in seen.lanes.values()]
        asked = [ladder for ladder in ladders if ladder is not None]
        if asked and all(ladder.cause == "no-way" for ladder in asked):
            failed = asked[0].failed
            if failed is not None and " changed: " in failed.detail and "host key" in failed.detail:
                return failed.detail.replace(" changed: ", " CHANGED, nothing was asked from there: ", 1)
            return f"could not look from {asked[0].vantage}: {failed.detail if failed else 'no way in'}"
    if (why := opinion_unseen(seen)) and any(lane.lane.proxy and lane.connected for lane in seen.lanes.values()):
        return f"could not look into HAProxy: {why}"
    return ""


def blind(seen: SweepData) -> str:
    """Return why no host could be asked; "" when one could."""
    ladders = [*(ladder for lane in seen.lanes.values() for ladder in (*lane.public.values(), lane.vm, lane.service))]
    asked = [ladder for ladder in ladders if ladder is not None]
    if not asked or any(ladder.cause != "no-way" for ladder in asked):
        return ""
    failed = asked[0].failed
    return failed.detail if failed else "no host could be asked"
