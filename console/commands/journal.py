"""`journal`: lists the runs of flows, or shows one."""

from __future__ import annotations

import argparse
import sys
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
    from console.formats.journal import headline, lines

    print(headline(record))
    for row in lines(record):
        print(row)
    return EXIT_DONE


def _runs(records: tuple[Record, ...], as_json: bool) -> int:
    from console.formats.journal import headline

    if as_json:
        emit({"runs": [_summary(record) for record in records]})
    elif not records:
        print("no flow has run here", file=sys.stderr)
    else:
        for record in records:
            print(headline(record))
    return EXIT_DONE


def _summary(record: Record) -> dict[str, Any]:
    return {
        "run": record.run, "flow": record.flow, "site": record.site, "state": record.state, "began": record.began,
        "ended": record.ended or None, "open": record.open, "torn": record.torn,
    }  # fmt: skip


def _flat(entry: Entry) -> dict[str, Any]:
    return {"at": entry.at, "kind": entry.kind, **entry.data}
