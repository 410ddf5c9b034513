"""What the one-shot commands print: the JSON of the contract, and text that is meant to be looked at."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from textwrap import shorten, wrap
from typing import Any, TextIO

from console.engine.sweeps import Survey
from console.errors import InputError
from console.estate.load import Estate
from console.events import Event, ReadingsChanged
from console.model import HOPS, Finding, Lane, Outcome, Reading, Severity, Span, Topology
from console.text import spell

MARKS: dict[Outcome, str] = {"ok": "●", "degraded": "▲", "failed": "✗", "unknown": "?", "skipped": "·"}
COLOURS: dict[str, str] = {
    "ok": "32", "degraded": "33", "failed": "31;1", "unknown": "35", "skipped": "2",
    "critical": "31;1", "high": "33", "medium": "36", "low": "2", "dim": "2", "bold": "1",
}  # fmt: skip
WIDTH = 80
"""Columns that sentences of the report keep to, where they can be long."""

TITLES = {"public": "internet", "haproxy": "haproxy", "tunnel": "tunnel", "vm": "vm", "service": "service"}

Paint = Callable[[str, str], str]


def paint(file: TextIO) -> Paint:
    """Return a function that colours text by a state's name, when `file` is a terminal that wants colour."""
    wanted = file.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return lambda text, state: f"\x1b[{COLOURS[state]}m{text}\x1b[0m" if wanted and text else text


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def span(source: Span | None) -> dict[str, Any] | None:
    """File, line and column of a place."""
    return {"file": source.file, "line": source.line, "column": source.column} if source else None


def topology(found: Topology) -> dict[str, Any]:
    """`show --json`."""
    return {
        "nodes": [{"id": n.id, "kind": n.kind, "label": n.label, "source": span(n.source)} for n in found.nodes],
        "lanes": [_lane(lane) for lane in found.lanes],
        "volumes": [
            {
                "name": v.name, "device": v.device, "pool": v.pool, "size": v.size, "content_type": v.content_type,
                "mount_path": v.mount_path, "source": span(v.source),
            }
            for v in found.volumes
        ],
        "instances": [
            {
                "name": i.name, "type": i.type, "image": i.image, "cpu": i.cpu, "memory": i.memory,
                "addresses": list(i.addresses), "source": span(i.source),
            }
            for i in found.instances
        ],
    }  # fmt: skip


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "name": lane.name,
        "protocol": lane.protocol,
        "port": lane.port,
        "binds": [{"address": b.address, "port": b.port, "source": span(b.source)} for b in lane.binds],
        "target": {"host": lane.target.host, "port": lane.target.port} if lane.target else None,
        "proxy_protocol": lane.proxy_protocol,
        "tls": lane.tls,
        "service": lane.service,
        "source": span(lane.source),
    }


def finding(found: Finding) -> dict[str, Any]:
    """One finding of `lint --json` and `check --json`."""
    where = {"host": found.where} if isinstance(found.where, str) else span(found.where)
    told: dict[str, Any] = {
        "id": found.id, "name": found.name, "severity": found.severity, "summary": found.summary, "where": where,
        "remedy": found.remedy, "observed": found.observed,
    }  # fmt: skip
    if found.also:
        told["also"] = [span(place) for place in found.also]
    if found.lanes:
        told["lanes"] = list(found.lanes)
    if found.hop:
        told["hop"] = found.hop
    if found.evidence:
        told["evidence"] = list(found.evidence)
    return told


def warning(found: InputError) -> dict[str, Any]:
    """One warning of `lint --json`."""
    return {"file": found.file, "line": found.line, "column": found.column, "text": found.problem}


def check(survey: Survey, static: Sequence[Finding]) -> dict[str, Any]:
    """`check --json`: the verdict, every hop of every lane, and what was found, observed or in the files."""
    told = survey.findings
    assert told is not None
    lanes = []
    for lane in survey.topology.lanes:
        hops = [survey.readings[lane.id, hop] for hop in HOPS if (lane.id, hop) in survey.readings]
        lanes.append({"name": lane.name, "port": lane.port, "hops": [_hop(reading) for reading in hops]})
    return {
        "verdict": told.verdict,
        "cause": told.cause or None,
        "lanes": lanes,
        "findings": [finding(found) for found in (*told.findings, *static)],
    }


def _hop(reading: Reading) -> dict[str, Any]:
    return {
        "hop": reading.hop,
        "vantage": reading.vantage or None,
        "outcome": reading.outcome,
        "word": reading.word,
        "latency_ms": None if reading.latency_ms is None else round(reading.latency_ms, 1),
        "asked": reading.asked or None,
        "evidence": [
            {
                "rung": rung.name,
                "outcome": rung.outcome,
                "detail": rung.detail,
                "ms": None if rung.ms is None else round(rung.ms, 1),
            }
            for rung in reading.evidence
        ],
    }


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def topology_text(estate: Estate) -> str:
    """`show`: lanes, instances and volumes, each with its place."""
    found = estate.topology
    lanes = [
        (
            str(lane.port), lane.protocol, " ".join(dict.fromkeys(_bind(b.address) for b in lane.binds)) or "-",
            f"{lane.target.host}:{lane.target.port}" if lane.target else "-",
            f"PROXY {lane.proxy_protocol}" if lane.proxy_protocol else "no header",
            (lane.service or "-").removesuffix("-mailcow"), str(lane.source),
        )
        for lane in found.lanes
    ]  # fmt: skip
    machines = [
        (i.name, i.type, i.image or "-", f"{i.cpu or '?'} cpu", i.memory or "?", str(i.source)) for i in found.instances
    ]
    volumes = [
        (v.name, v.size or "?", v.content_type or "-", v.mount_path or "-", str(v.source)) for v in found.volumes
    ]
    blocks = [estate.title]
    for title, rows in (("lanes", lanes), ("machines", machines), ("volumes", volumes)):
        if rows:
            blocks.append("\n".join([title, *("  " + line for line in table(rows))]))
    return "\n\n".join(blocks)


def _bind(address: str) -> str:
    return {"": "*", "::": "[::]"}.get(address, address)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns; rows are all of one length."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


MOST_EVIDENCE = 40
"""Lines of a diff that stand below a finding."""

_DIFF = {"+": "ok", "-": "failed"}


def findings_text(findings: Sequence[Finding], colour: Paint) -> str:
    """Findings as an operator reads them: what, where, and what to do."""
    if not findings:
        return "nothing found"
    blocks = []
    for found in findings:
        places = str(found.where) + (f" (and {len(found.also)} more)" if found.also else "")
        severity: Severity = found.severity
        head = f"{colour(found.id, severity)} {colour(f'{severity:8}', severity)} {colour(places, 'bold')}"
        rows = [f"  {colour(row, _DIFF.get(row[:1], 'dim'))}" for row in found.evidence[:MOST_EVIDENCE]]
        blocks.append("\n".join([head, f"  {found.summary}", *rows, f"  {colour('remedy: ' + found.remedy, 'dim')}"]))
    return "\n".join(blocks)


def matrix_text(survey: Survey, colour: Paint) -> str:
    """The lane matrix, as the console's home shows it."""
    rows: list[list[tuple[str, str]]] = [[("lane", "dim"), *((TITLES[hop], "dim") for hop in HOPS)]]
    for lane in survey.topology.lanes:
        row = [(f"{lane.port:<5} {lane.name}", "bold")]
        for hop in HOPS:
            reading = survey.readings.get((lane.id, hop))
            row.append((f"{MARKS[reading.outcome]} {reading.word}", reading.outcome) if reading else ("", "dim"))
        rows.append(row)
    widths = [max(len(row[column][0]) for row in rows) for column in range(len(HOPS) + 1)]
    lines = [
        "  ".join(colour(text.ljust(width), state) for (text, state), width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def unasked(survey: Survey) -> list[str]:
    """Why cells are unknown, each reason once, with the hops it leaves dark."""
    reasons: dict[str, list[str]] = {}
    for reading in survey.readings.values():
        if reading.outcome == "unknown" and reading.evidence:
            last = next((rung for rung in reversed(reading.evidence) if rung.outcome == "unknown"), None)
            hops = reasons.setdefault((last or reading.evidence[-1]).detail, [])
            if TITLES[reading.hop] not in hops:
                hops.append(TITLES[reading.hop])
    return [f"{spell(hops)}: {reason}" for reason, hops in reasons.items()]


class Watch:
    """Prints sweeps: the whole after the first, then only sweeps that changed something."""

    def __init__(self, estate: Estate, static: Sequence[Finding], as_json: bool) -> None:
        self.estate, self.static, self.as_json = estate, static, as_json
        self.changed: list[Event] = []
        self.sweeps = 0

    def hear(self, event: Event) -> None:
        """Take what the survey tells."""
        self.changed.append(event)

    def tell(self, survey: Survey) -> None:
        """Print the sweep that just ended, if there is anything new in it."""
        changed, self.changed = self.changed, []
        self.sweeps += 1
        if not changed:
            return
        if self.as_json:
            self._tell_json(survey)
        elif self.sweeps == 1:
            self._tell_whole(survey)
        else:
            self._tell_changes(survey, changed)
        sys.stdout.flush()

    def _tell_json(self, survey: Survey) -> None:
        from msgspec.json import encode
        from msgspec.json import format as indent

        document = encode(check(survey, self.static))
        print((indent(document, indent=2) if self.sweeps == 1 else document).decode())

    def _tell_whole(self, survey: Survey) -> None:
        told, colour = survey.findings, paint(sys.stdout)
        assert told is not None
        state = {"well": "ok", "down": "failed", "degraded": "degraded", "unknown": "unknown"}[told.verdict]
        head = f"{self.estate.title}: {told.verdict}"
        cause = told.cause
        if cause and cause == survey.dark:  # it stands below whole
            cause = shorten(cause, max(20, WIDTH - len(head) - 3), placeholder=" …")
        head = f"{self.estate.title}: {colour(told.verdict, state)}"
        print(f"{head} · {cause}" if cause else head)
        print(f"\n{matrix_text(survey, colour)}")
        for reason in unasked(survey):
            lines = wrap(reason, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
            print(f"\n{colour('?', 'unknown')} " + "\n  ".join(lines))
        if told.findings:
            print(f"\n{findings_text(told.findings, colour)}")
        if self.static:
            word = "finding" if len(self.static) == 1 else "findings"
            print(f"\n{len(self.static)} {word} in the files (they change no verdict): cowhand lint")

    def _tell_changes(self, survey: Survey, changed: Sequence[Event]) -> None:
        told, colour, now = survey.findings, paint(sys.stdout), time.strftime("%H:%M:%S")
        assert told is not None
        for event in changed:
            for reading in event.readings if isinstance(event, ReadingsChanged) else ():
                lamp = colour(f"{MARKS[reading.outcome]} {reading.word}", reading.outcome)
                print(f"{now}  {reading.lane}  {TITLES[reading.hop]}  {lamp}")
        print(f"{now}  {told.verdict}" + (f" · {told.cause}" if told.cause else ""))
