"""The runs of a site as the screens show them, read from the journal."""

from __future__ import annotations

from pathlib import Path

from console.errors import CowhandError
from console.events import RunShown, RunsRead
from console.flows import registry
from console.formats.journal import lines, unknown
from console.runner.undo import UndoRefused, refuse
from console.store import journal
from console.store.left_down import of_record
from console.text import clean

MOST = 100
"""Runs that are read; `cowhand journal` lists all."""

LINES = 2000
"""Lines that are kept of one run: its last ones."""


def read(site: Path, lab: bool) -> RunsRead:
    """Return the latest runs of a site; the problem says why they cannot be read. Blocks: call it in a thread."""
    try:
        records = journal.runs(journal.place(site, lab=lab), MOST)
    except CowhandError as error:
        return RunsRead((), clean(str(error), 400))
    return RunsRead(tuple(_shown(record) for record in records))


def _shown(record: journal.Record) -> RunShown:
    last = record.entries[-1] if record.entries else None
    down = [] if record.state == "running" else of_record(record)
    words = str(last.data.get("words", "")) if last is not None and last.kind == "ended" else unknown(record)
    return RunShown(
        record.run,
        clean(record.flow, 40),
        clean(record.state, 40),
        clean("; ".join([*(each.words for each in down), words]), 400),
        record.began,
        clean(record.undo, 40),
        _refusal(record),
        tuple(lines(record)[-LINES:]),
    )


def _refusal(record: journal.Record) -> str:
    if record.flow not in registry.names():
        return f"{record.run} cannot be undone: there is no flow “{clean(record.flow or '?', 40)}”"
    try:
        refuse(record.flow, record)
    except UndoRefused as error:
        return clean(str(error), 200)
    return ""
