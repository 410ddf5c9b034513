"""`man`: the manual, shown by this machine's `man` on a terminal, else printed as text."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from console.commands.output import EXIT_WELL


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's argument."""
    parser.add_argument("--source", action="store_true", help="print the page in mdoc, to be installed")


def run(arguments: argparse.Namespace) -> int:
    """Show the manual; returns the exit status."""
    import assets
    from console.formats import manual

    mdoc = manual.page((Path(assets.__file__).parent / "cowhand.1").read_text())
    if arguments.source:
        print(mdoc, end="")
    elif not (sys.stdout.isatty() and _shown(mdoc)):
        print(manual.plain(mdoc), end="")
    return EXIT_WELL


def _shown(mdoc: str) -> bool:
    """Show a page by `man`, which takes a path for one; returns whether that was possible."""
    from console.hosts.programs import program

    man = program("man")
    if man is None:
        return False
    with tempfile.NamedTemporaryFile("w", prefix="cowhand-", suffix=".1") as file:
        file.write(mdoc)
        file.flush()
        return subprocess.run([man, file.name], check=False).returncode == 0
