"""The command line: names, JSON keys and exit codes are a contract. stdout is data, stderr is narration."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from typing import Any, NoReturn

from console.commands.arguments import interval
from console.commands.output import EXIT_UNUSABLE, VERSION, say
from console.errors import CowhandError

COMMANDS = {
    "init": "the set-up without screens: proposes, asks, writes site.toml; 4 needs an answer",
    "show": "the topology, from the files alone",
    "lint": "findings from the files alone; 1 when there are any",
    "check": "one sweep: readings and findings; 0 well, 1 degraded, 2 down, 3 blind",
    "drift": "the repository's files, the hosts' and what runs; 1 when they differ",
    "incus": "what Incus itself says of the VM and its volumes; 1 when the VM does not run, 3 when nobody can tell",
    "certificates": "every place of a certificate, stored or served; 1 when there are findings",
    "explain": "what a finding is, what else looks like it, and how it is mended",
    "lab": "the rehearsal estate: up, down, status, break, heal",
    "flow": "a guided change without screens; 0 done, 1 failed and said why, 4 needs an answer",
    "journal": "what flows did here: every run, or one",
    "trust": "what may run on the files of a folder: asked once, kept outside of it",
    "man": "the manual: commands, keys, catalogue, environment",
    "completion": "print the completion script of a shell",
}
"""Each command is the module of its name in this package: `declare(parser)` adds its arguments, and `run(arguments)`
runs it and returns the exit status."""


class Command(argparse.ArgumentParser):
    """The parser of one command; the command's module is imported only when its arguments are needed."""

    module = ""

    def learn(self) -> None:
        """Add the command's arguments, once, and those that may stand before it as well."""
        module, self.module = self.module, ""
        if module:
            import_module(module).declare(self)
            where = self.add_mutually_exclusive_group()
            where.add_argument("--site", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
            where.add_argument("--lab", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
            hidden: dict[str, Any] = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            self.add_argument("--read-only", action="store_true", **hidden)
            self.add_argument("--empty", dest="empty_lab", action="store_true", **hidden)
            self.add_argument("--every", metavar="SECONDS", type=interval, **hidden)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what follows the command's name."""
        self.learn()
        return super().parse_known_args(args, namespace)


class Whole(argparse.ArgumentParser):
    """The parser of the whole command line: what one command does not know is told with that command's own usage."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all; exits with status 2 and the usage of what was meant."""
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            choices: dict[str, Command] = next(a.choices for a in self._actions if a.dest == "command")  # type: ignore
            choices.get(found.command or "", self).error(f"unrecognized arguments: {' '.join(extra)}")
        return found

    def error(self, message: str) -> NoReturn:
        """Exit with status 2; a command that does not exist is told with the one that is most like it."""
        wrong = re.match(r"argument COMMAND: invalid choice: '([^']*)'", message)
        if wrong is not None:
            from difflib import get_close_matches

            from console.text import clean

            like = get_close_matches(wrong[1], COMMANDS, 1)
            meant = f"did you mean {like[0]}?" if like else "cowhand --help names them"
            message = f"there is no command {clean(wrong[1], 40)}; {meant}"
        super().error(message)


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Whole(
        prog="cowhand",
        description="An operator console for a Mailcow behind HAProxy: every mail port, probed hop by hop.",
        epilog="Without a command the screens open.",
    )
    parser.add_argument("--version", action="version", version=f"cowhand {VERSION}")
    where = parser.add_mutually_exclusive_group()
    site = where.add_argument(
        "--site",
        metavar="FILE|NAME",
        help="the site file, or one of yours; else $COWHAND_SITE, ./site.toml, the XDG place",
    )
    site.complete = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # type: ignore[attr-defined]
    where.add_argument(
        "--lab", action="store_true", help="the rehearsal estate: joins the running one or starts its own"
    )
    parser.add_argument(
        "--empty", dest="empty_lab", action="store_true", help="with --lab: a new one, with nothing installed yet"
    )
    parser.add_argument("--read-only", action="store_true", help="remove every action that changes anything")
    parser.add_argument(
        "--every", metavar="SECONDS", type=interval, default=30.0, help="time between sweeps: 30, at least 2"
    )
    parser.add_argument("--theme", choices=("dark", "light", "terminal"), help="colours of the screens")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Command)
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words).module = f"console.commands.{name}"
    return parser


def learn(parser: argparse.ArgumentParser) -> dict[str, Command]:
    """Add the arguments of every command to the parser of `build`; returns the parsers of the commands by name."""
    choices: dict[str, Command] = next(a.choices for a in parser._actions if a.dest == "command")  # type: ignore
    for command in choices.values():
        command.learn()
    return choices


def run(arguments: argparse.Namespace) -> int:
    """Run a command and return its exit status; a `CowhandError` becomes one line on stderr."""
    try:
        status: int = import_module(f"console.commands.{arguments.command}").run(arguments)
        return status
    except CowhandError as error:
        say(str(error))
        return EXIT_UNUSABLE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
