"""What the engine tells its watchers: frozen values, safe to hand to another thread."""

from __future__ import annotations

from msgspec import Struct

from console.errors import InputError
from console.model import Finding, Reading, Topology, Verdict
from console.questions import Question


class EstateRead(Struct, frozen=True):
    """The sources were read (again). `problems` are files that could not be used, as far as they could not."""

    title: str
    topology: Topology
    findings: tuple[Finding, ...]
    problems: tuple[InputError, ...]
    texts: dict[str, str]
    """File name → its text, for the source view."""


class ReadingsChanged(Struct, frozen=True):
    """One batch of readings that differ from the last known ones."""

    readings: tuple[Reading, ...]


class FindingsChanged(Struct, frozen=True):
    """The observed findings, the verdict and the one sentence that names a shared cause ("" when all is well)."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    cause: str
    cause_id: str | None
    since: float


class SweepOverdue(Struct, frozen=True):
    """No sweep has ended since `since` (Unix seconds); `why` says what is known. Sent once, and again when it ends."""

    since: float
    why: str


class Asked(Struct, frozen=True):
    """The questions that wait for the operator, oldest first; told anew whenever one comes or goes."""

    questions: tuple[Question, ...]


class EngineFailed(Struct, frozen=True):
    """The engine stopped; `summary` names the exception and the place, never a value."""

    summary: str


Event = EstateRead | ReadingsChanged | FindingsChanged | SweepOverdue | Asked | EngineFailed
