"""What a command opens before its work: the site file, the estate that it names, and the ways to its hosts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.output import say
from console.errors import InputError

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate

OPENING = 20.0
"""Seconds that connecting to the hosts may take; then a command goes on without those that are still not connected."""


def site_file(arguments: argparse.Namespace) -> Path:
    """Return the path of the site file; raises `InputError` when there is none."""
    from console.estate.site_file import find

    if arguments.lab:
        return lab_site()
    found = find(Path(arguments.site) if arguments.site else None)
    if found is None:
        raise InputError(
            "site.toml", 0, 0, "no site file here; cowhand init makes one, --site names one, --lab is the rehearsal"
        )
    return found


def lab_site() -> Path:
    """Return the site file of the rehearsal estate, as shipped."""
    import assets

    return Path(assets.__file__).parent / "lab" / "site.toml"


def load_estate(arguments: argparse.Namespace, *, network: bool = True, again: bool = False) -> Estate:
    """Read the estate, with values from OpenTofu's state where it can be asked.

    Without `network`, states that a remote backend keeps are not asked for; `again` does not repeat the remark."""
    from console.estate.load import load
    from console.process import collector
    from console.tofu.refine import refined

    collector.seldom()
    found = load(site_file(arguments))
    collector.usual()
    if not arguments.lab:
        found = refined(found, network=network)
        if found.remark and not again:
            say(found.remark)
    return found


def open_vantages(arguments: argparse.Namespace, estate: Estate) -> Vantages:
    """Return the vantages of the lab or of the site."""
    from console.engine.vantages import open_lab, open_site

    return open_lab(empty=arguments.empty_lab) if arguments.lab else open_site(estate.site, file=estate.file)


def say_problems(estate: Estate) -> bool:
    """Print what is unusable in the estate's files; returns whether there is anything."""
    for problem in estate.problems:
        say(str(problem))
    return bool(estate.problems)


def say_doubts(estate: Estate) -> bool:
    """Print what is unusable and what is probably wrong; returns whether anything is unusable."""
    unusable = say_problems(estate)
    for warning in estate.warnings:
        say(f"{warning.file}:{warning.line}:{warning.column}: warning: {warning.problem}")
    return unusable
