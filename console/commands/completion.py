"""`completion`: the script that completes the command line in a shell."""

from __future__ import annotations

import argparse

from console.commands.output import EXIT_WELL


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's argument."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    """Print the script; returns the exit status."""
    from console.commands.main import COMMANDS, build, learn
    from console.flows import registry

    parser = build()
    commands = learn(parser)
    name = next(each for each in commands["flow"]._actions if each.dest == "name")
    name.choices = registry.names()
    if arguments.shell == "fish":
        from console.formats import fish

        print(fish.render(parser, commands, COMMANDS), end="")
    else:
        import shtab

        print(shtab.complete(parser, shell=arguments.shell))
    return EXIT_WELL
