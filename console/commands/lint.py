"""`lint`: findings from the files alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.commands import opening
from console.commands.arguments import add_format
from console.commands.output import EXIT_FINDINGS, EXIT_UNUSABLE, EXIT_WELL, VERSION, emit

if TYPE_CHECKING:
    from console.estate.load import Estate
    from console.model import Finding


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_format(parser, ("text", "json", "sarif", "github"))
    mending = parser.add_mutually_exclusive_group()
    mending.add_argument("--diff", action="store_true", help="show what can be mended, as a diff")
    mending.add_argument("--fix", action="store_true", help="show it, ask, then write it; FILE~ is kept")
    parser.add_argument("--yes", action="store_true", help="with --fix: write without asking")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings, or the edits that mend them; returns the exit status."""
    from console.diagnosis.lint import lint

    estate = opening.load_estate(arguments, network=False)
    outcome = ""
    if arguments.diff or arguments.fix:
        from console.commands import mend

        outcome = mend.run(estate.file, arguments)
        if outcome == "written":
            estate = opening.load_estate(arguments, network=False, again=True)
    findings = lint(estate.sources, estate.topology)
    if outcome not in ("shown", "declined"):
        _print(estate, findings, arguments.format)
    if opening.say_doubts(estate):
        return EXIT_UNUSABLE
    return EXIT_FINDINGS if findings else EXIT_WELL


def _print(estate: Estate, findings: Sequence[Finding], how: str) -> None:
    from console.formats import document, github, sarif, text

    if how == "json":
        warnings = [document.warning(found) for found in estate.warnings]
        emit({"findings": [document.finding(found) for found in findings], "warnings": warnings})
    elif how == "sarif":
        emit(sarif.render(estate, findings, VERSION))
    elif how == "github":
        print(github.render(estate, findings))
    elif findings or not estate.problems:
        # Of files that cannot be used, "nothing found" would be said too early.
        print(text.findings(findings, text.paint(sys.stdout), text.terminal_width()))
        if findings:
            print(f"\n{text.tally(findings)}")
