"""`flow`: a guided change without screens."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import EXIT_DONE, EXIT_FAILED, emit, say
from console.errors import InputError

if TYPE_CHECKING:
    from console.estate.load import Estate
    from console.process.signals import Second
    from console.runner.step import Flow


ORDERLY = 30.0
"""Seconds that a run may take to end after SIGTERM, SIGHUP or a third Ctrl+C.

It writes its journal, and gives its hosts back."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="which one; --list names them")
    parser.add_argument("--list", action="store_true", help="name the flows")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plan", action="store_true", help="print what would be done, and change nothing")
    how.add_argument("--yes", action="store_true", help="agree to every plan; what destroys data is answered apart")
    how.add_argument("--runbook", action="store_true", help="print the plan as a shell script to follow by hand")
    parser.add_argument("--undo", metavar="RUN", help='take back an earlier run of this flow; "last" is the latest')
    parser.add_argument(
        "--answer", metavar="KEY=VALUE", action="append", default=[],
        help="answer a question; destroy=NAME for what cannot be had back",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run, plan or list flows; returns the exit status."""
    from console.flows import registry
    from console.process.signals import PRESSES, Second, attributes

    if arguments.list:
        return _list(arguments.json)
    if not arguments.name:
        raise InputError("flow", 0, 0, "which one? `cowhand flow --list` names them")
    second = Second(attributes(), b"", ORDERLY, presses=PRESSES)  # before there is a thread: it forks
    try:
        return _run(arguments, registry.find(arguments.name), second)
    finally:
        second.end()


def _run(arguments: argparse.Namespace, flow: Flow, second: Second) -> int:
    dry = arguments.plan or arguments.runbook
    if arguments.read_only and not dry:
        raise InputError("--read-only", 0, 0, "nothing is changed; only --plan, --runbook and --list can be had")
    from console.commands import flow_options, flow_terminal
    from console.store import journal

    asked = flow_options.flow_options(arguments.answer, arguments.yes, dry, arguments.json, arguments.runbook)
    estate = opening.load_estate(arguments)
    opening.say_problems(estate)
    try:
        folder = None if dry and not arguments.undo else journal.place(estate.file, arguments.lab)
    except journal.JournalError as error:
        say(str(error))
        return EXIT_FAILED
    record = journal.find(folder, arguments.undo) if folder is not None and arguments.undo else None
    opened = opening.open_vantages(arguments, estate)

    def load() -> Estate:
        return opening.load_estate(arguments, again=True)

    return asyncio.run(flow_terminal.run(flow, estate, opened, asked, folder, load, record, second))


def _list(as_json: bool) -> int:
    from console.flows import registry

    flows = [registry.find(name) for name in registry.names()]
    if as_json:
        emit({"flows": [{"name": each.name, "words": each.words} for each in flows]})
    else:
        for each in flows:
            print(f"{each.name:20} {each.words}")
    return EXIT_DONE
