"""`certificates`: every place where a certificate is stored or served, side by side."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from console.commands import opening
from console.commands.arguments import add_format
from console.commands.output import EXIT_BLIND, EXIT_FINDINGS, EXIT_UNUSABLE, EXIT_WELL, emit

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.events import CertificateSurvey


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_format(parser, ("text", "json"))


def run(arguments: argparse.Namespace) -> int:
    """Look at every place once and print them; returns the exit status."""
    from console.formats import certificates as formats
    from console.formats import text

    estate = opening.load_estate(arguments)
    unusable = opening.say_problems(estate)
    found = asyncio.run(_look(estate, opening.open_vantages(arguments, estate)))
    entry = estate.site.certificate
    name = entry.name if entry is not None else next(iter(estate.topology.public), "")
    if arguments.format == "json":
        emit(formats.document(found, name))
    else:
        print(formats.text(found, name, text.paint(sys.stdout)))
    if unusable:
        return EXIT_UNUSABLE
    if found.findings:
        return EXIT_FINDINGS
    seen = any(place.certificate is not None for place in found.places)
    return EXIT_WELL if seen and not found.unseen else EXIT_BLIND


async def _look(estate: Estate, opened: Vantages) -> CertificateSurvey:
    from console.engine.certificate_survey import survey

    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(opening.OPENING):
                await opened.open()
        return await survey(estate, opened)
    finally:
        await opened.close()
