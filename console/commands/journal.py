"""`journal`: lists the runs of flows, or shows one."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import EXIT_DONE, emit

if TYPE_CHECKING:
    from console.store.journal import Entry, Record


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", metavar="RUN", nargs="?", help='a run, or the beginning of its name, or "last"')
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """List the runs of the site, or show one; returns the exit status."""
    from console.store import journal

    folder = journal.place(opening.site_file(arguments), arguments.lab)
    if arguments.run is None:
        return _runs(journal.runs(folder), arguments.json)
    record = journal.find(folder, arguments.run)
    if arguments.json:
        emit({**_summary(record), "entries": [_flat(entry) for entry in record.entries]})
        return EXIT_DONE
    print(_headline(record))
    for entry in record.entries:
        for row in _rows(entry):
            print(row)
    if record.torn:
        print("a line of this journal is not whole: the console or its disk was cut off while it was written")
    return EXIT_DONE


def _runs(records: tuple[Record, ...], as_json: bool) -> int:
    if as_json:
        emit({"runs": [_summary(record) for record in records]})
    elif not records:
        print("no flow has run here", file=sys.stderr)
    else:
        for record in records:
            print(_headline(record))
    return EXIT_DONE


def _summary(record: Record) -> dict[str, Any]:
    return {
        "run": record.run, "flow": record.flow, "site": record.site, "state": record.state, "began": record.began,
        "ended": record.ended or None, "open": record.open, "torn": record.torn,
    }  # fmt: skip


def _headline(record: Record) -> str:
    from console.text import clean

    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.began))
    row = f"{record.run}  {when}  {clean(record.flow or '?', 40)}  {clean(record.state, 40)}"
    if record.open and record.state != "running":
        row += f"; no result is known of: {clean(str(record.open.get('text', '')), 200)}"
    return row


def _flat(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at, "kind": entry.kind, **entry.data}


def _rows(entry: Entry) -> list[str]:
    """Return the lines that show an entry."""
    from console.text import clean

    said = {key: value for key, value in entry.data.items() if isinstance(value, str | int | float)}
    text = {
        "began": "{flow} by {user} on {host}, process {pid}",
        "answer": "answered {key}: {value}",
        "intent": "{step}: about to change",
        "do": "{step}: on {host}: {text}",
        "did": "{step}: {outcome} ({seconds} s)",
        "step": "{step}: {state}: {words}",
        "ended": "{outcome}: {words}",
    }.get(entry.kind, "{kind}")
    if entry.kind == "did":
        status = said.get("status")
        said["outcome"] = said.get("problem") or ("well" if status is None else f"status {status}")
    clock = time.strftime("%H:%M:%S", time.localtime(entry.at))
    rows = [f"  {clock}  {clean(text.format_map(_Known(said, kind=entry.kind)), 2000)}"]
    rows += [f"            {clean(line, 2000)}" for line in str(entry.data.get("output", "")).split("\n") if line]
    rows += [f"            {clean(str(line), 2000)}" for line in entry.data.get("evidence", ())]
    return rows


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
