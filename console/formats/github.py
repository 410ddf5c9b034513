"""Findings as workflow commands of GitHub Actions: one line each, shown as annotations of the file."""

from __future__ import annotations

from collections.abc import Sequence

from console.estate.load import Estate
from console.formats.places import path
from console.model import Finding, Severity, Span

COMMANDS: dict[Severity, str] = {"critical": "error", "high": "error", "medium": "warning", "low": "notice"}

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def render(estate: Estate, findings: Sequence[Finding]) -> str:
    """Return one command a line; files that could not be read are errors in their place, warnings notices."""
    lines = []
    for problem in estate.problems:
        place = Span(problem.file, problem.line, problem.column) if problem.line else problem.file
        lines.append(_command(estate, "error", place, "unusable input", problem.problem))
    for found in findings:
        title = f"{found.id} {found.name}"
        lines.append(
            _command(estate, COMMANDS[found.severity], found.where, title, f"{found.summary}\nRemedy: {found.remedy}")
        )
    for warning in estate.warnings:
        place = Span(warning.file, warning.line, warning.column)
        lines.append(_command(estate, "notice", place, "unread", warning.problem))
    return "\n".join(lines)


def _command(estate: Estate, command: str, where: Span | str, title: str, message: str) -> str:
    properties = {"title": title}
    if isinstance(where, Span):
        properties = {"file": path(estate, where.file), "line": str(where.line), "col": str(where.column), **properties}
        if where.end > where.column:
            properties["endColumn"] = str(where.end - 1)
    written = ",".join(f"{name}={_escape(value, _PROPERTY)}" for name, value in properties.items())
    return f"::{command} {written}::{_escape(message, _DATA)}"


def _escape(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)
