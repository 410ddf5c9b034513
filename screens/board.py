"""What the screens know: the latest of everything the engine said."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from console.events import (
    CertificateSurvey,
    EngineFailed,
    EstateRead,
    FindingsChanged,
    GuestSeen,
    RunsRead,
    SweepOverdue,
)
from console.model import HOPS, Finding, HopName, Lane, Outcome, Reading, Span
from console.questions import Question
from screens.bridge import TRAIL, News
from screens.memory import Memory

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen
    from console.runner.state import RunStatus

WORST_FIRST: tuple[Outcome, ...] = ("failed", "degraded", "unknown", "ok", "skipped")

RANKS = {"critical": 0, "high": 1, "medium": 2, "low": 3}

Key = tuple[str, HopName]


class Change(Struct, frozen=True):
    """What one drain changed."""

    estate: bool
    cells: frozenset[Key]
    findings: bool
    health: bool
    flows: bool = False
    runs: bool = False
    certificates: bool = False

    @property
    def only_flows(self) -> bool:
        """Whether nothing but flows changed."""
        return self.flows and not (
            self.estate or self.cells or self.findings or self.health or self.runs or self.certificates
        )


class Board:
    """State, and the few questions that panes ask of it."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.choosing = False
        """Whether no site is open yet, because the operator has to choose one."""
        self.estate: EstateRead | None = None
        self.readings: dict[Key, Reading] = {}
        self.trails: dict[Key, deque[Reading]] = {}
        self.observed: FindingsChanged | None = None
        self.overdue: SweepOverdue | None = None
        self.failed: EngineFailed | None = None
        self.questions: tuple[Question, ...] = ()
        self.flow: RunStatus | None = None
        self.flows: tuple[FlowSeen, ...] = ()
        self.runs: RunsRead | None = None
        self.disks: dict[str, int] = {}
        """The mail host's file systems: where → how full, in percent; empty when nobody told."""
        self.guest = GuestSeen()
        self.awaited = ""
        """Whose answer the sweep under way waits for; "" when nobody's."""
        self.certificates: CertificateSurvey | None = None
        self.noted = 0.0
        """When the run began whose end the operator has seen."""
        self.counted: tuple[int, int] | None = None
        """How many lanes were well, of how many, when the verdict was given."""
        self.memory = Memory()
        self._split = Memory()
        """Files by their lines: split once, and not again with each reading."""
        self.now = 0.0
        """The latest time any reading was taken: what "today" is measured against."""

    def take(self, news: News) -> Change:
        """Take in what was drained and return what it touched."""
        self.memory.forget()
        if news.estate is not None:
            self._split.forget()
            self.estate = news.estate
            self.title = news.estate.title or self.title
        for reading in news.readings:
            before = self.readings.get(reading.key)
            self.readings[reading.key] = reading
            if before is None or _seen(before) != _seen(reading):
                self.trails.setdefault(reading.key, deque(maxlen=TRAIL)).append(reading)
            self.now = max(self.now, reading.at)
        if news.findings is not None:
            self.observed = news.findings
            self.now = max(self.now, news.findings.since)
        if news.findings is not None or news.estate is not None:
            blamed = self._blamed()
            self.counted = self._count(blamed), len(self.lanes)
        recounted = self._recount() if news.findings is None and news.readings else False
        if news.overdue is not None:
            self.overdue = news.overdue if news.overdue.why else None
        if news.failed is not None:
            self.failed = news.failed
        if news.asked is not None:
            self.questions = news.asked.questions
        if news.disks is not None:
            self.disks = dict(news.disks.disks)
        if news.guest is not None:
            self.guest = news.guest
        if news.awaited is not None:
            self.awaited = news.awaited.words
        if news.runs is not None:
            self.runs = news.runs
        if news.certificates is not None:
            self.certificates = news.certificates
        return Change(
            news.estate is not None or news.disks is not None or news.guest is not None,
            frozenset(reading.key for reading in news.readings),
            news.findings is not None or recounted,
            news.overdue is not None or news.failed is not None or news.awaited is not None,
            news.flows,
            news.runs is not None,
            news.certificates is not None,
        )

    @property
    def unusable(self) -> bool:
        """Whether nothing of the estate can be used for what is wrong with its files."""
        return self.estate is not None and bool(self.estate.problems) and not self.lanes

    @property
    def busy(self) -> bool:
        """Whether a run is on; it is not, when the engine has stopped."""
        return self.flow is not None and self.flow.outcome is None and self.failed is None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """All lanes, in the order of the sources."""
        return self.estate.topology.lanes if self.estate else ()

    def lane(self, id: str) -> Lane | None:
        """Return a lane by its id."""
        return next((lane for lane in self.lanes if lane.id == id), None)

    def outcomes(self, lane: Lane) -> list[Outcome | None]:
        """Return what each hop of a lane said last, left to right; None where nobody has asked yet."""
        found = (self.readings.get((lane.id, hop)) for hop in HOPS)
        return [reading.outcome if reading else None for reading in found]

    def _count(self, blamed: frozenset[str]) -> int:
        return sum(self.well(lane) and lane.id not in blamed for lane in self.lanes)

    def _recount(self) -> bool:
        """Count lanes that broke since a verdict that is not well; those that recovered wait for the next one."""
        if self.counted is None or self.observed is None or self.observed.verdict == "well":
            return False
        now = self._count(self._blamed())
        fewer = now < self.counted[0]
        if fewer:
            self.counted = now, self.counted[1]
        return fewer

    def _blamed(self) -> frozenset[str]:
        """The lanes that a critical finding names: its cause may be told before their own probes have ended."""
        found = self.observed.findings if self.observed is not None else ()
        return frozenset(id for each in found if each.severity == "critical" for id in each.lanes)

    def well(self, lane: Lane) -> bool:
        """Whether something of a lane answered and nothing of it is broken."""
        outcomes = self.outcomes(lane)
        return "ok" in outcomes and "failed" not in outcomes and "degraded" not in outcomes

    def break_hop(self, lane: Lane) -> HopName | None:
        """Return the first failed hop from the left, else the first degraded one."""
        outcomes = self.outcomes(lane)
        for bad in ("failed", "degraded"):
            if bad in outcomes:
                return HOPS[outcomes.index(bad)]
        return None

    def worst(self, lane: Lane, *hops: HopName) -> Reading | None:
        """Return the worst reading of some hops of a lane; of two alike the one that is named first."""
        found = [reading for hop in hops if (reading := self.readings.get((lane.id, hop))) is not None]
        return min(found, key=lambda reading: WORST_FIRST.index(reading.outcome), default=None)

    def troubled(self) -> list[Key]:
        """Return one cell for each lane that is not well: those of the first cause, then ✗ before ▲, by lane."""
        return self.memory.once("troubled", self._troubled)

    def _troubled(self) -> list[Key]:
        first = self.observed.findings[0] if self.observed and self.observed.findings else None
        found: list[tuple[bool, bool, int, Key]] = []
        for at, lane in enumerate(self.lanes):
            hop = self.break_hop(lane)
            if hop is None:
                continue
            caused = first is not None and lane.id in first.lanes
            if first is not None and first.hop and caused:
                there = self.readings.get((lane.id, first.hop))
                hop = first.hop if there is not None and there.outcome in ("failed", "degraded") else hop
            reading = self.readings[lane.id, hop]
            failed = reading.outcome == "failed"
            found.append((not (caused and failed), not failed, at, reading.key))
        return [key for *_, key in sorted(found)]

    @property
    def more(self) -> list[str]:
        """The ids of further grave causes that were observed, beside the one that the first sentence names."""
        seen = self.observed.findings if self.observed else ()
        return [found.id for found in seen[1:] if found.severity in ("critical", "high")]

    @property
    def blind(self) -> bool:
        """Whether all is well that could be asked, and something could not be asked."""
        unknown = "unknown" in self.outcomes_seen
        return self.observed is not None and self.observed.verdict == "well" and unknown

    @property
    def outcomes_seen(self) -> frozenset[Outcome]:
        """The outcomes that any hop has."""
        return self.memory.once("outcomes", lambda: frozenset(each.outcome for each in self.readings.values()))

    def shared(self, hop: HopName) -> bool:
        """Whether a hop is broken on every lane, of more than one."""
        return self.memory.once(("shared", hop), lambda: self._shared(hop))

    def _shared(self, hop: HopName) -> bool:
        readings = [self.readings.get((lane.id, hop)) for lane in self.lanes]
        return len(readings) > 1 and all(each is not None and each.outcome == "failed" for each in readings)

    def findings(self) -> list[Finding]:
        """Return all findings: observed before read, then by severity, id and place."""
        return self.memory.once("findings", self._findings)

    def _findings(self) -> list[Finding]:
        seen = self.observed.findings if self.observed else ()
        read = self.estate.findings if self.estate else ()
        return sorted((*seen, *read), key=_rank)

    def causes(self, lane: Lane) -> list[Finding]:
        """Return what was observed to break a lane, at whatever hop."""
        seen = self.observed.findings if self.observed else ()
        return [found for found in seen if lane.id in found.lanes]

    def touching(self, lane: Lane, hop: HopName) -> list[Finding]:
        """Return the findings about one cell: of its hop, or of its lane as a whole."""
        return self.memory.once(("touching", lane.id, hop), lambda: self._touching(lane.id, hop))

    def _touching(self, lane: str, hop: HopName) -> list[Finding]:
        return [found for found in self.findings() if found.hop in (hop, None) and lane in found.lanes]

    def row(self, span: Span) -> str | None:
        """Return the text of a place's line; None when its file was not read."""
        rows = self.rows(span.file)
        return rows[span.line - 1] if 0 < span.line <= len(rows) else None

    def rows(self, file: str) -> list[str]:
        """Return the lines of a file without their ends; none when it was not read."""
        return self._split.once(file, lambda: self._lines(file))

    def _lines(self, file: str) -> list[str]:
        text = self.estate.texts.get(file, "") if self.estate else ""
        rows = [row.rstrip("\r") for row in text.split("\n")]
        return rows[:-1] if rows[-1] == "" else rows


def _seen(reading: Reading) -> tuple[str, str, float | None]:
    return reading.outcome, reading.word, reading.latency_ms


def _rank(found: Finding) -> tuple[bool, int, str, str, int]:
    where = found.where
    file, line = (where.file, where.line) if isinstance(where, Span) else (where, 0)
    return not found.observed, RANKS[found.severity], found.id, file, line
