"""Findings from the files alone: every static rule, the gravest first."""

from __future__ import annotations

from console.diagnosis.diagnose import GRAVITY
from console.diagnosis.rule import STATIC
from console.model import Finding, Topology
from console.topology import Sources


def lint(sources: Sources, topology: Topology) -> tuple[Finding, ...]:
    """Return the findings that hold, by severity, then by file and line."""
    from console.diagnosis.rules import checks, deploy, headers, ports, timeouts  # noqa: F401  each registers its rules

    found = [finding for _, rule in STATIC for finding in rule(sources, topology)]
    found.sort(key=_order)
    return tuple(found)


def _order(finding: Finding) -> tuple[int, str, int, str]:
    where = finding.where
    if isinstance(where, str):
        return GRAVITY[finding.severity], where, 0, finding.id
    return GRAVITY[finding.severity], where.file, where.line, finding.id
