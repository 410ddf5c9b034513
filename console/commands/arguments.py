"""Arguments that several commands have in common."""

from __future__ import annotations

import argparse


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="machine-readable, on stdout")


def add_format(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    """Add --format, and --json as another way to write `--format json`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--format", choices=formats, default="text", help="how it is written, on stdout")
    how.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
