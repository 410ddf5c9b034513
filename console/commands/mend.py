"""`lint --diff` and `lint --fix`: what can be mended is shown, asked about, written, and looked at again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from console.errors import InputError
from console.formats.text import Paint
from console.mend.plan import Plan, diffs, plan
from console.mend.write import write

Say = Callable[[str], None]

Outcome = Literal["shown", "nothing", "declined", "written"]


def run(path: Path, arguments: argparse.Namespace, say: Say, paint: Paint) -> Outcome:
    """Show the diffs, and with --fix write them. Raises `InputError`."""
    if arguments.fix and arguments.lab:
        raise InputError("--fix", 0, 0, "the rehearsal estate's files are cowhand's own; mend your own with --site")
    if arguments.fix and arguments.read_only:
        raise InputError("--fix", 0, 0, "writes files, and --read-only forbids it; --diff shows them")
    made = plan(path)
    # What machines read on stdout stays what they asked for.
    out = sys.stderr if arguments.fix and arguments.format != "text" else sys.stdout
    for shown in diffs(made).values():
        print("\n".join(_row(row, paint) for row in shown.split("\n")), file=out, flush=True)
    say(_sum(made))
    if not arguments.fix:
        return "shown"
    if not made.texts:
        return "nothing"
    if not arguments.yes and not _agreed(made, say):
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


def _agreed(made: Plan, say: Say) -> bool:
    if not sys.stdin.isatty():
        raise InputError("--fix", 0, 0, "asks before it writes, and here is no terminal to ask on; add --yes")
    files = ", ".join(made.texts)
    print(f"write {files}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("nothing was written")
    return False


def _row(row: str, paint: Paint) -> str:
    if row.startswith(("---", "+++", "@@")):
        return paint(row, "dim")
    return paint(row, {"+": "ok", "-": "failed"}[row[0]]) if row[:1] in ("+", "-") else row
