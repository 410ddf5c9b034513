"""From the engine's thread to the screens': by post_message only, and never more than the latest of each thing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from textual.message import Message

from console.events import (
    Asked,
    Awaited,
    CertificateSurvey,
    DisksSeen,
    EngineFailed,
    EstateRead,
    Event,
    FindingsChanged,
    GuestSeen,
    ReadingsChanged,
    RunsRead,
    SweepOverdue,
)
from console.model import HopName, Reading

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen
    from console.engine.shells import ShellWay
    from console.runner.state import RunStatus

TRAIL = 120
"""How many changes of one cell are kept."""


class EnginePort(Protocol):
    """What the screens may ask of the engine. Safe from any thread; nothing blocks but `close` and `run_shell`."""

    def start(self, notify: Callable[[Event], None]) -> None:
        """Begin to read, sweep and tell."""

    def sweep(self) -> None:
        """Sweep now."""

    def watch(self, on: bool) -> None:
        """Say whether somebody looks."""

    def answer(self, id: str, text: str | None) -> None:
        """Answer a question; None cancels."""

    def close(self, timeout: float = 0.5) -> bool:
        """End; True when it has ended within `timeout` seconds."""

    def recent(self) -> tuple[str, ...]:
        """Return the latest lines of the command log, oldest first."""

    def latencies(self, lane: str, hop: HopName) -> tuple[float, ...]:
        """Return what the last sweeps measured of a hop, in milliseconds, oldest first."""

    def flow_names(self) -> tuple[str, ...]:
        """Return the names of the flows there are."""

    def flows(self) -> tuple[FlowSeen, ...]:
        """Return the flows, as far as they were looked at."""

    def look_flows(self, name: str | None = None) -> None:
        """Ask how the steps of all flows stand, or of one."""

    def flow(self) -> RunStatus | None:
        """Return the run that is on, or was last."""

    def look_runs(self) -> None:
        """Read the runs of the journal; `RunsRead` follows."""

    def look_certificates(self) -> None:
        """Look at every place of a certificate; `CertificateSurvey` follows."""

    def shells(self) -> tuple[ShellWay, ...]:
        """Return where a shell can be opened."""

    def run_shell(self, way: ShellWay) -> str:
        """Open a shell on this terminal and return how it ended; blocks until then."""

    def start_flow(
        self, name: str, answers: Mapping[str, str] | None = None, dry: bool = False, undoing: str = ""
    ) -> None:
        """Start a run, unless one is on; `undoing` names the run of this flow that is undone."""

    def answer_flow(self, id: str, text: str | None) -> None:
        """Answer what a run waits for."""

    def stop_flow(self, cut: bool = False) -> None:
        """End the run between two actions; `cut` ends the action under way too."""


class EngineSpoke(Message):
    """There is news to drain."""


class News(Struct, frozen=True):
    """What came since the last look; readings are in order, the latest of a cell last."""

    estate: EstateRead | None = None
    readings: tuple[Reading, ...] = ()
    findings: FindingsChanged | None = None
    overdue: SweepOverdue | None = None
    failed: EngineFailed | None = None
    asked: Asked | None = None
    runs: RunsRead | None = None
    disks: DisksSeen | None = None
    certificates: CertificateSurvey | None = None
    guest: GuestSeen | None = None
    awaited: Awaited | None = None
    flows: bool = False
    """Whether the engine has anything new to say of flows."""


class Bridge:
    """Keeps news until it is drained; `wake` is called once for all that has gathered, from the engine's thread."""

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._lock = Lock()
        self._asleep = True
        self._estate: EstateRead | None = None
        self._readings: dict[tuple[str, HopName], deque[Reading]] = {}
        self._findings: FindingsChanged | None = None
        self._overdue: SweepOverdue | None = None
        self._failed: EngineFailed | None = None
        self._asked: Asked | None = None
        self._runs: RunsRead | None = None
        self._disks: DisksSeen | None = None
        self._certificates: CertificateSurvey | None = None
        self._guest: GuestSeen | None = None
        self._awaited: Awaited | None = None
        self._flows = False

    def notify(self, event: Event) -> None:
        """Take an event; called by the engine, returns at once."""
        with self._lock:
            if isinstance(event, ReadingsChanged):
                for reading in event.readings:
                    self._readings.setdefault(reading.key, deque(maxlen=TRAIL)).append(reading)
            elif isinstance(event, EstateRead):
                self._estate = event
            elif isinstance(event, FindingsChanged):
                self._findings = event
            elif isinstance(event, SweepOverdue):
                self._overdue = event
            elif isinstance(event, Asked):
                self._asked = event
            elif isinstance(event, EngineFailed):
                self._failed = event
            elif isinstance(event, RunsRead):
                self._runs = event
            elif isinstance(event, DisksSeen):
                self._disks = event
            elif isinstance(event, GuestSeen):
                self._guest = event
            elif isinstance(event, Awaited):
                self._awaited = event
            elif isinstance(event, CertificateSurvey):
                self._certificates = event
            else:
                self._flows = True  # the engine has folded it: what is kept here cannot grow
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._wake()

    def drain(self) -> News:
        """Return what has gathered, and forget it."""
        with self._lock:
            news = News(
                self._estate,
                tuple(reading for trail in self._readings.values() for reading in trail),
                self._findings,
                self._overdue,
                self._failed,
                self._asked,
                self._runs,
                self._disks,
                self._certificates,
                self._guest,
                self._awaited,
                self._flows,
            )
            self._estate = self._findings = self._overdue = self._failed = self._asked = None
            self._runs = self._disks = self._certificates = self._guest = self._awaited = None
            self._readings, self._flows = {}, False
            self._asleep = True
        return news
