"""`show`: the topology, from the files alone."""

from __future__ import annotations

import argparse
from importlib import import_module

from console.commands import opening
from console.commands.arguments import add_format
from console.commands.output import EXIT_UNUSABLE, EXIT_WELL, emit


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_format(parser, ("text", "json", "mermaid", "dot", "svg"))


def run(arguments: argparse.Namespace) -> int:
    """Print the topology; returns the exit status."""
    estate = opening.load_estate(arguments, network=False)
    if arguments.format == "json":
        from console.formats import document

        emit(document.topology(estate.topology))
    elif arguments.format == "text":
        from console.formats import text

        print(text.topology(estate.title, estate.topology))
    else:
        from console.formats import chart

        picture = import_module(f"console.formats.{arguments.format}")
        print(picture.render(chart.draw(estate.topology, estate.title)))
    return EXIT_UNUSABLE if opening.say_doubts(estate) else EXIT_WELL
