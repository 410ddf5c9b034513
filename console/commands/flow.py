"""The commands `flow` and `journal`: their words, and what they do."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from console.errors import InputError

if TYPE_CHECKING:
    from console.store.journal import Entry, Record

EXIT_DONE, EXIT_FAILED, EXIT_UNUSABLE = 0, 1, 2


def declare(commands: Any) -> None:
    """Add both commands to the command line's parser."""
    flow = commands.add_parser(
        "flow", help="a guided change without screens; 0 done, 1 failed and said why, 4 needs an answer"
    )
    flow.add_argument("name", metavar="NAME", nargs="?", help="which one; --list names them")
    flow.add_argument("--list", action="store_true", help="name the flows")
    how = flow.add_mutually_exclusive_group()
    how.add_argument("--plan", action="store_true", help="print what would be done, and change nothing")
    how.add_argument("--yes", action="store_true", help="agree to every plan; what destroys data is answered apart")
    how.add_argument("--runbook", action="store_true", help="print the plan as a shell script to follow by hand")
    flow.add_argument(
        "--answer", metavar="KEY=VALUE", action="append", default=[],
        help="answer a question; destroy=NAME for what cannot be had back",
    )  # fmt: skip
    journal = commands.add_parser("journal", help="what flows did here: every run, or one")
    journal.add_argument("run", metavar="RUN", nargs="?", help='a run, or the beginning of its name, or "last"')
    for parser in (flow, journal):
        parser.add_argument("--json", action="store_true", help="machine-readable, on stdout")


def flow(arguments: argparse.Namespace) -> int:
    """Run, plan or list flows; returns the exit status."""
    from console.flows import registry

    if arguments.list:
        return _list(arguments.json)
    if not arguments.name:
        raise InputError("flow", 0, 0, "which one? `cowhand flow --list` names them")
    found = registry.find(arguments.name)
    dry = arguments.plan or arguments.runbook
    if arguments.read_only and not dry:
        raise InputError("--read-only", 0, 0, "nothing is changed; only --plan, --runbook and --list can be had")
    import asyncio

    from console.commands import flow_terminal as headless
    from console.commands import main as cli
    from console.store import journal

    asked = headless.flow_options(arguments.answer, arguments.yes, dry, arguments.json, arguments.runbook)
    estate = cli.load(arguments)
    for problem in estate.problems:
        cli.say(str(problem))
    try:
        folder = None if dry else journal.place(estate.file, arguments.lab)
    except journal.JournalError as error:
        cli.say(str(error))
        return EXIT_FAILED
    opened = cli.vantages(arguments, estate)
    return asyncio.run(headless.run(found, estate, opened, asked, folder))


def _list(as_json: bool) -> int:
    from console.commands.main import emit
    from console.flows import registry

    flows = [registry.find(name) for name in registry.names()]
    if as_json:
        emit({"flows": [{"name": each.name, "words": each.words} for each in flows]})
    else:
        for each in flows:
            print(f"{each.name:20} {each.words}")
    return EXIT_DONE


def journal(arguments: argparse.Namespace) -> int:
    """List the runs of the site that is meant, or show one; returns the exit status."""
    from console.commands import main as cli
    from console.store import journal as journals

    folder = journals.place(cli.site_file(arguments), arguments.lab)
    if arguments.run is None:
        return _runs(journals.runs(folder), arguments.json)
    record = journals.find(folder, arguments.run)
    if arguments.json:
        cli.emit({**_summary(record), "entries": [_flat(entry) for entry in record.entries]})
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
        from console.commands.main import emit

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
    """One line of the journal as an operator reads it."""
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


def completing(parser: argparse.ArgumentParser) -> None:
    """Let a completion script know the flows there are."""
    from console.flows import registry

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            name = next(each for each in action.choices["flow"]._actions if each.dest == "name")
            name.choices = registry.names()
