"""`completion`: the script that completes the command line in a shell."""

from __future__ import annotations

import argparse

from console.commands.output import EXIT_WELL


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's argument."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def run(arguments: argparse.Namespace) -> int:
    """Print the script; returns the exit status."""
    import shtab

    from console.commands.main import build, learn
    from console.flows import registry

    parser = build()
    name = next(each for each in learn(parser)["flow"]._actions if each.dest == "name")
    name.choices = registry.names()
    print(shtab.complete(parser, shell=arguments.shell))
    return EXIT_WELL
