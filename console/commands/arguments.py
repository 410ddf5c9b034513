"""Arguments that several commands have in common."""

from __future__ import annotations

import argparse
from typing import Any

MOST_SECONDS = 86400.0
"""Longest time between two sweeps: a day."""


def interval(text: str) -> float:
    """Return the seconds between two sweeps; raises what argparse tells with the usage."""
    from console.engine.engine import FLOOR
    from console.text import clean

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not FLOOR <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{clean(text, 40)} is not {FLOOR:g} to {MOST_SECONDS:g} seconds")
    return seconds


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json, and --format with text and json: the command looks at `json` alone."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--format", dest="json", action=_Format, choices=("text", "json"), help="how it is written, on stdout"
    )
    how.add_argument("--json", action="store_true", help="the same as --format json")


class _Format(argparse.Action):
    """Keeps whether the format is JSON."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "default": False})

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, values == "json")


def add_format(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    """Add --format, and --json as another way to write `--format json`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--format", choices=formats, default="text", help="how it is written, on stdout")
    how.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
