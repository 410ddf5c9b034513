"""`drift`: the repository's files, those on the hosts, and what runs, compared."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import EXIT_BLIND, EXIT_FINDINGS, EXIT_UNUSABLE, EXIT_WELL, emit

if TYPE_CHECKING:
    from console.drift.compared import Compared
    from console.engine.vantages import Vantages
    from console.estate.load import Estate


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print every tracked file with its state; returns the exit status."""
    from console.diagnosis.rules.drift import found_by
    from console.drift.compared import drifted
    from console.formats import document, text
    from console.formats import drift as formats

    estate = opening.load_estate(arguments)
    unusable = opening.say_problems(estate)
    compared = asyncio.run(_compare(estate, opening.open_vantages(arguments, estate)))
    differing = drifted(compared)
    if arguments.json:
        findings = [document.finding(found) for found in found_by(differing)]
        emit({"files": formats.document(compared), "findings": findings})
    else:
        print(formats.text(compared, text.paint(sys.stdout)))
    if unusable:
        return EXIT_UNUSABLE
    if differing:
        return EXIT_FINDINGS
    return EXIT_WELL if any(each.state == "same" for each in compared) else EXIT_BLIND


async def _compare(estate: Estate, opened: Vantages) -> tuple[Compared, ...]:
    from console.drift.look import look

    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(opening.OPENING):
                await opened.open()
        return await look(estate, opened.hosts, opened.missing)
    finally:
        await opened.close()
