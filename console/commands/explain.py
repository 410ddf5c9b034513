"""`explain`: what a finding is, how it is recognised, what else looks like it, and how it is mended by hand."""

from __future__ import annotations

import argparse
from textwrap import wrap
from typing import TYPE_CHECKING

from console.commands.arguments import add_json
from console.commands.output import EXIT_UNUSABLE, EXIT_WELL, emit, say

if TYPE_CHECKING:
    from console.diagnosis.about import About


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from console.diagnosis.catalogue import CATALOGUE

    parser.add_argument("id", metavar="ID", nargs="?", choices=sorted(CATALOGUE), help="a finding's id, such as CH016")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what an id means, or without one the list of all; returns the exit status."""
    from console.diagnosis.about import about
    from console.diagnosis.catalogue import CATALOGUE

    if arguments.id is None:
        if arguments.json:
            emit([{"id": entry.id, "name": entry.name, "severity": entry.severity} for entry in CATALOGUE.values()])
        else:
            print("\n".join(f"{entry.id}  {entry.name}" for entry in CATALOGUE.values()))
        return EXIT_WELL
    found = about(arguments.id)
    if found is None:
        say(f"no finding is called {arguments.id}")
        return EXIT_UNUSABLE
    if arguments.json:
        emit(_document(found))
    else:
        print(_text(found))
    return EXIT_WELL


def _document(found: About) -> dict[str, object]:
    return {
        "id": found.entry.id, "name": found.entry.name, "severity": found.entry.severity, "flow": found.entry.flow,
        "what": list(found.words), "seen": list(found.seen), "proven_by": list(found.proofs),
        "alike": [{"id": id, "what": words, "told_by": tells} for id, words, tells in found.alike],
        "remedies": list(found.remedies),
    }  # fmt: skip


def _text(found: About) -> str:
    parts = [f"{found.entry.id} {found.entry.name} ({found.entry.severity})"]
    parts += _section("What it is", list(found.words))
    parts += _section("What is seen", list(found.seen))
    parts += _section("What proves it", list(found.proofs))
    alike = [f"{id}: {words}" + (f" (to tell: {tells})" if tells else "") for id, words, tells in found.alike]
    parts += _section("What else looks like it", alike)
    flow = [f"cowhand flow {found.entry.flow} does it, step by step"] if found.entry.flow else []
    parts += _section("How it is mended", [*found.remedies, *flow])
    return "\n".join(parts)


def _section(title: str, rows: list[str]) -> list[str]:
    from console.formats import text

    if not rows:
        return []
    lines = ["", title]
    for row in rows:
        lines += wrap(row, text.WIDTH - 2, initial_indent="  ", subsequent_indent="    ")
    return lines
