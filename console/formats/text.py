"""What the commands print for an operator: tables, findings and the matrix of lanes, in colour on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TextIO, get_args

from console.model import HOPS, Finding, Lane, Outcome, Readings, Severity, Topology
from console.text import join_words

MARKS: dict[Outcome, str] = {"ok": "●", "degraded": "▲", "failed": "✗", "unknown": "?", "skipped": "·"}
COLOURS: dict[str, str] = {
    "ok": "32", "degraded": "33", "failed": "31;1", "unknown": "35", "skipped": "2",
    "critical": "31;1", "high": "33", "medium": "36", "low": "2", "dim": "2", "bold": "1",
}  # fmt: skip
WIDTH = 80
"""Columns at which long sentences are wrapped."""


Paint = Callable[[str, str], str]
"""Colours a text (first) by the name of a state (second)."""


def paint(file: TextIO) -> Paint:
    """Return the `Paint` for a file: it colours only when `file` is a terminal and NO_COLOR is not set."""
    wanted = file.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return lambda text, state: f"\x1b[{COLOURS[state]}m{text}\x1b[0m" if wanted and text else text


def topology(title: str, found: Topology) -> str:
    """Return the lanes, machines and volumes, each with its place."""
    lanes = [
        (
            str(lane.port), lane.protocol, " ".join(dict.fromkeys(_bind(b.address) for b in lane.binds)) or "-",
            lane.leads or "-",
            _header(lane),
            (lane.service or "-").removesuffix("-mailcow"), _from(lane),
        )
        for lane in found.lanes
    ]  # fmt: skip
    machines = [
        (i.name, i.type, i.image or "-", f"{i.cpu or '?'} cpu", i.memory or "?", str(i.source)) for i in found.instances
    ]
    volumes = [(v.name, v.size or "?", v.content_type or "-", v.place or "-", str(v.source)) for v in found.volumes]
    blocks = [title]
    for heading, heads, rows in (
        ("lanes", ("port", "speaks", "listens on", "leads to", "header", "service", "from"), lanes),
        ("machines", ("name", "type", "image", "cpu", "memory", "from"), machines),
        ("volumes", ("name", "size", "content", "belongs at", "from"), volumes),
    ):
        if rows:
            blocks.append("\n".join([heading, *("  " + line for line in table([heads, *rows]))]))
    return "\n\n".join(blocks)


def _header(lane: Lane) -> str:
    if lane.proxy_protocol or lane.headers:
        return lane.header
    return "-" if not lane.leads else "?" if _unknown(lane) else lane.header


def _from(lane: Lane) -> str:
    """Return a lane's place; the site file, like the files that it names, by its name in its own folder."""
    place = str(lane.source)
    return place if lane.frontend else place.rpartition("/")[2]


def _unknown(lane: Lane) -> bool:
    """Whether the files leave open which server a lane has."""
    return lane.target is None and lane.open == "?"


def _bind(host: str) -> str:
    return "*" if host == "" else f"[{host}]" if ":" in host else host


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with their columns aligned; every row has as many cells."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


MOST_EVIDENCE = 40
"""Lines of evidence shown below a finding."""

_DIFF = {"+": "ok", "-": "failed"}


def terminal_width() -> int:
    """Return the columns of the terminal that is written to; 0 where none is, so that a reader gets whole lines."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _wrapped(row: str, width: int, colour: Paint, tone: str | None) -> str:
    """Return a row of two blanks and words, over several lines where a terminal is narrower."""
    plain = width <= 20 or len(row) <= width - 2 or row[:1] in (" ", "@")  # a diff's rows stay as they are
    rows = [row] if plain else textwrap.wrap(row, width - 2, break_on_hyphens=False)
    return "\n".join(f"  {colour(each, tone) if tone else each}" for each in rows or [row])


def findings(found: Sequence[Finding], colour: Paint, width: int = 0) -> str:
    """Return the findings: what is wrong, where, and what to do; wrapped to a width, 0 for whole lines."""
    if not found:
        return "nothing found"
    blocks = []
    for each in found:
        places = str(each.where) + (f" (and {len(each.also)} more)" if each.also else "")
        severity: Severity = each.severity
        name = colour(each.name, severity)
        head = f"{colour(each.id, severity)} {colour(f'{severity:8}', severity)} {colour(places, 'bold')}  {name}"
        told = [row for row in each.evidence[:MOST_EVIDENCE] if row != each.summary]
        rows = [
            f"  {colour(row, _DIFF[row[:1]])}" if row[:1] in _DIFF else _wrapped(row, width, colour, "dim")
            for row in told
        ]
        remedy = f"remedy: {each.remedy}" + (f" (cowhand flow {each.flow})" if each.flow else "")
        summary = _wrapped(each.summary, width, colour, None)
        blocks.append("\n".join([head, summary, *rows, _wrapped(remedy, width, colour, "dim")]))
    return "\n".join(blocks)


def tally(found: Sequence[Finding]) -> str:
    """Return how many findings there are, and how many of each severity."""
    each = [
        f"{count} {grade}" for grade in get_args(Severity) if (count := sum(one.severity == grade for one in found))
    ]
    return f"{len(found)} {'finding' if len(found) == 1 else 'findings'}: {', '.join(each)}"


def matrix(found: Topology, readings: Readings, colour: Paint) -> str:
    """Return the matrix of lanes and hops, as the screen of lanes shows it."""
    rows: list[list[tuple[str, str]]] = [[("lane", "dim"), *((hop, "dim") for hop in HOPS)]]
    for lane in found.lanes:
        row = [(f"{lane.port:<5} {lane.name}", "bold")]
        for hop in HOPS:
            reading = readings.get((lane.id, hop))
            row.append((f"{MARKS[reading.outcome]} {reading.word}", reading.outcome) if reading else ("", "dim"))
        rows.append(row)
    widths = [max(len(row[column][0]) for row in rows) for column in range(len(HOPS) + 1)]
    lines = [
        "  ".join(colour(text.ljust(width), state) for (text, state), width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def unknown_reasons(readings: Readings) -> list[str]:
    """Return why readings are unknown: each reason once, after the hops that it concerns."""
    reasons: dict[str, list[str]] = {}
    for reading in readings.values():
        if reading.outcome == "unknown" and reading.evidence:
            last = next((rung for rung in reversed(reading.evidence) if rung.outcome == "unknown"), None)
            hops = reasons.setdefault((last or reading.evidence[-1]).detail, [])
            if reading.hop not in hops:
                hops.append(reading.hop)
    return [f"{join_words(hops)}: {reason}" for reason, hops in reasons.items()]
