"""Findings from the files alone: every static rule, the gravest first."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from msgspec.structs import replace

from console.diagnosis.catalogue import LONGEST
from console.diagnosis.diagnose import GRAVITY
from console.diagnosis.rule import STATIC
from console.model import Finding, Span, Topology
from console.text import clean
from console.topology.build import build
from console.topology.sources import Sources

Doubts = dict[int, tuple[int, bool]]
"""Lines of a file that are only perhaps there: the line of the condition, and whether its `.else` is meant."""


def lint(sources: Sources, topology: Topology) -> tuple[Finding, ...]:
    """Return the findings that hold, by severity, then by file and line.

    `# cowhand: ignore CH025` on a finding's line, or on the one above, takes it out."""
    readings = sources.readings
    if len(readings) == 1:
        return tuple(_found(sources, topology))
    found: dict[tuple[str, Span | str, str], list[tuple[Sources, Finding]]] = {}
    for reading in readings:
        for each in _found(reading, build(reading)):
            found.setdefault((each.id, each.where, each.summary), []).append((reading, each))
    told = [_supposed([reading for reading, _ in rows], rows[0][1], sources) for rows in found.values()]
    _sort(told)
    return tuple(told)


def _supposed(where: list[Sources], finding: Finding, sources: Sources) -> Finding:
    """Say of a finding that not all readings of HAProxy's files have which conditions it needs."""
    if len(where) == len(sources.readings):
        return finding
    decided = [each.haproxy.decided for each in where if each.haproxy]
    both = dict(decided[0].items() & set.intersection(*({*each.items()} for each in decided)))
    # Without one that all of them share, it holds under one reading at least.
    held: dict[str, str] = {}
    for (file, number), holds in sorted((both or decided[0]).items()):
        place = finding.where
        # Conditions in the same words hold together: of those the nearest above is told.
        if (words := _asked(sources.texts, file, number)) not in held or (
            isinstance(place, Span) and place.file == file and number < place.line
        ):
            held[words] = _condition(sources.texts, file, number, not holds)
    return _where(finding, " and ".join(held.values()))


def _found(sources: Sources, topology: Topology) -> list[Finding]:
    from console.diagnosis.rules import (  # noqa: F401  each registers its rules
        bans,
        chains,
        channel,
        checks,
        deploy,
        headers,
        inner,
        inside,
        logins,
        mailcow,
        ports,
        relay,
        speech,
        taken,
        timeouts,
        unserved,
        volumes,
    )

    quiet = {file: ids for file, text in sources.texts.items() if (ids := _accepted(text))}
    doubtful = {each.file: each.doubtful for each in sources.haproxy.sections} if sources.haproxy else {}
    sections = {each.span for each in sources.haproxy.proxies} if any(doubtful.values()) and sources.haproxy else set()
    proxies = sources.haproxy.proxies if sources.haproxy else ()
    dispatched = {server.span for proxy in proxies for server in proxy.servers if not server.name}
    found = [
        _doubted(_instead(finding, dispatched), doubtful, sources.texts, sections)
        for _, rule in STATIC
        for finding in rule(sources, topology)
        if not (quiet and isinstance(finding.where, Span) and finding.id in _spoken(quiet, finding.where))
    ]
    _sort(found)
    return found


def _instead(finding: Finding, dispatched: Container[Span]) -> Finding:
    """Say of a finding on a dispatch line, which takes no options, that a server line has to take its place."""
    if finding.where not in dispatched:
        return finding
    remedy = finding.remedy.replace("add send-proxy to the server line", "send-proxy on it")
    return replace(finding, remedy=f"write a server line in place of dispatch: {remedy}", flow=None)


def _doubted(
    finding: Finding, doubtful: Mapping[str, Doubts], texts: Mapping[str, str], sections: Container[Span]
) -> Finding:
    """Say of a finding in HAProxy's files under which condition it holds, when the files do not decide that."""
    where = finding.where
    if not doubtful or not isinstance(where, Span) or where.line not in doubtful.get(where.file, ()):
        return finding
    doubt = doubtful[where.file][where.line]
    if where in sections and any(
        doubtful.get(place.file, {}).get(place.line) != doubt for place in finding.also if place in sections
    ):
        # It is told of several sections at once, which do not stand under the same condition.
        return finding
    number, otherwise = doubt
    return _where(finding, _condition(texts, where.file, number, otherwise))


def _condition(texts: Mapping[str, str], file: str, number: int, otherwise: bool) -> str:
    return f"{_asked(texts, file, number) or 'the .if'} on line {number} {'does not hold' if otherwise else 'holds'}"


def _asked(texts: Mapping[str, str], file: str, number: int) -> str:
    """Return a condition as it is written."""
    lines = texts.get(file, "").split("\n")
    return clean(lines[number - 1].partition("#")[0].strip(), 60) if number <= len(lines) else ""


def _where(finding: Finding, condition: str) -> Finding:
    told = f"{finding.summary} (where {condition}, which the files do not tell)"
    return replace(finding, summary=clean(told, LONGEST))


_ACCEPTED = re.compile(r"(?:#|//).*?\bcowhand: ignore((?:[ ,]+CH\d{3})+)")


def _accepted(text: str) -> dict[int, set[str]]:
    """Return, by line, the ids that the operator knows of and accepts there."""
    if "cowhand: ignore" not in text:
        return {}
    found: dict[int, set[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if match := _ACCEPTED.search(line):
            found[number] = set(re.findall(r"CH\d{3}", match[1]))
    return found


def _spoken(quiet: dict[str, dict[int, set[str]]], where: Span) -> set[str]:
    """The ids accepted on a line, by a comment there or on the line above."""
    lines = quiet.get(where.file, {})
    return lines.get(where.line, set()) | lines.get(where.line - 1, set())


def _sort(found: list[Finding]) -> None:
    """Sort by severity, file or host, line and id; pass by pass, for keys of many findings weigh much at once."""
    found.sort(key=lambda finding: finding.id)
    found.sort(key=lambda finding: finding.where.line if isinstance(finding.where, Span) else 0)
    found.sort(key=lambda finding: finding.where.file if isinstance(finding.where, Span) else finding.where)
    found.sort(key=lambda finding: GRAVITY[finding.severity])
