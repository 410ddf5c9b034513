"""`lint --diff` and `lint --fix`: the edits that mend findings are shown, confirmed and written."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Literal

from console.commands.output import say
from console.errors import InputError
from console.formats.text import Paint, paint
from console.mend.plan import Plan, diffs, plan
from console.mend.write import write
from console.text import clean, join_words

Outcome = Literal["shown", "nothing", "declined", "written"]


def run(path: Path, arguments: argparse.Namespace) -> Outcome:
    """Show the diffs, and with --fix write them; raises `InputError`."""
    if arguments.fix and arguments.lab:
        raise InputError("--fix", 0, 0, "the rehearsal estate's files are cowhand's own; mend your own with --site")
    if arguments.fix and arguments.read_only:
        raise InputError("--fix", 0, 0, "writes files, and --read-only forbids it; --diff shows them")
    made = plan(path)
    # With --format, stdout has the findings in that format and nothing else.
    out = sys.stderr if arguments.fix and arguments.format != "text" else sys.stdout
    colour = paint(sys.stdout)
    for shown in diffs(made).values():
        print("\n".join(_row(row, colour) for row in shown.split("\n")), file=out, flush=True)
    say(_sum(made))
    if not arguments.fix:
        return "shown"
    if not made.texts:
        return "nothing"
    if not arguments.yes and not _agreed(made):
        return "declined"
    for line in write(made):
        say(line)
    return "written"


def _sum(made: Plan) -> str:
    ids = ", ".join(sorted({found.id for found in made.mended}))
    count = len(made.mended)
    if not made.texts:
        return "nothing here has an edit that cowhand can make; lint says in words what to do"
    stay = f"; {len(made.left)} stay" if made.left else ""
    return f"{count} finding{'s' * (count != 1)} mended by this ({ids}){stay}"


def _agreed(made: Plan) -> bool:
    if not sys.stdin.isatty():
        raise InputError("--fix", 0, 0, "asks before it writes, and here is no terminal to ask on; add --yes")
    from console.mend import haproxy

    argv, _ = haproxy.command(made)
    checked = f", and have it checked by {clean(shlex.join(argv), 400)}" if argv else ""
    print(f"write {join_words([*made.texts], 99)}{checked}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("nothing was written")
    return False


def _row(row: str, colour: Paint) -> str:
    if row.startswith(("---", "+++", "@@")):
        return colour(row, "dim")
    return colour(row, {"+": "ok", "-": "failed"}[row[0]]) if row[:1] in ("+", "-") else row
