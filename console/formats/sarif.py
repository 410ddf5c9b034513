"""Findings as SARIF 2.1.0 (OASIS), the form that code hosts and editors take."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from console.diagnosis.catalogue import CATALOGUE
from console.errors import InputError
from console.estate.load import Estate
from console.formats.places import uri
from console.model import Finding, Severity, Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVELS: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}

_RANKS: dict[Severity, float] = {"critical": 100.0, "high": 75.0, "medium": 50.0, "low": 25.0}

UNREAD: dict[str, Any] = {
    "id": "unread",
    "name": "Unread",
    "shortDescription": {"text": "a word that HAProxy may not know"},
    "help": {"text": "correct the word; leave it where your HAProxy is newer and knows it"},
    "defaultConfiguration": {"level": "note", "rank": _RANKS["low"]},
}


def render(estate: Estate, findings: Sequence[Finding], version: str) -> dict[str, Any]:
    """Return the log of one run; files that could not be read are notifications of a run that was not successful."""
    used = sorted({found.id for found in findings})
    rules = [*map(_rule, used), *([UNREAD] if estate.warnings else [])]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "cowhand",
                "semanticVersion": version,
                "rules": rules,
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(estate)],
        "results": [
            *(_result(estate, found, used.index(found.id)) for found in findings),
            *(_doubt(estate, warning, len(used)) for warning in estate.warnings),
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(id: str) -> dict[str, Any]:
    entry = CATALOGUE[id]
    return {
        "id": id,
        "name": "".join(part.capitalize() for part in entry.name.split("-")),
        "shortDescription": {"text": entry.name.replace("-", " ")},
        "help": {"text": entry.remedy},
        "defaultConfiguration": {"level": LEVELS[entry.severity], "rank": _RANKS[entry.severity]},
        "properties": {"severity": entry.severity},
    }


def _invocation(estate: Estate) -> dict[str, Any]:
    return {
        "executionSuccessful": not estate.problems,
        "toolExecutionNotifications": [_notification(estate, problem) for problem in estate.problems],
    }


def _notification(estate: Estate, problem: InputError) -> dict[str, Any]:
    told: dict[str, Any] = {"level": "error", "message": {"text": problem.problem}}
    place = Span(problem.file, max(problem.line, 1), max(problem.column, 1))
    told["locations"] = [_location(estate, place)]
    return told


def _result(estate: Estate, found: Finding, index: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ruleId": found.id,
        "ruleIndex": index,
        "level": LEVELS[found.severity],
        "rank": _RANKS[found.severity],
        "message": {"text": f"{found.summary}. Remedy: {found.remedy}"},
        "locations": [_location(estate, found.where)] if isinstance(found.where, Span) else [],
        "partialFingerprints": {"cowhand/v1": _fingerprint(estate, found.id, found.where)},
    }
    if found.also:
        told["relatedLocations"] = [
            {"id": number, **_location(estate, place)} for number, place in enumerate(found.also, 1)
        ]
    return told


def _doubt(estate: Estate, warning: InputError, index: int) -> dict[str, Any]:
    place = Span(warning.file, warning.line, warning.column)
    return {
        "ruleId": UNREAD["id"],
        "ruleIndex": index,
        "level": "note",
        "rank": _RANKS["low"],
        "message": {"text": warning.problem},
        "locations": [_location(estate, place)],
        "partialFingerprints": {"cowhand/v1": _fingerprint(estate, UNREAD["id"], place)},
    }


def _location(estate: Estate, place: Span) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column}
    if place.end > place.column:
        region["endColumn"] = place.end
    return {"physicalLocation": {"artifactLocation": {"uri": uri(estate, place.file)}, "region": region}}


def _fingerprint(estate: Estate, id: str, where: Span | str) -> str:
    """Return a fingerprint that stays the same when lines are added above: of rule, file and the line's text."""
    parts = [id, str(where)]
    if isinstance(where, Span):
        rows = estate.texts.get(where.file, "").split("\n")
        row = rows[where.line - 1].strip() if where.line <= len(rows) else ""
        parts = [id, where.file, row]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
