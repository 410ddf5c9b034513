"""Completion for fish, out of the argument parser: shtab writes that of the other shells."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping

_FIRST = "__fish_use_subcommand"


def render(
    parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser], words: Mapping[str, str]
) -> str:
    """Return the script: commands with their help, and the options and choices of each."""
    rows = [
        "# completion of cowhand for fish; save it as ~/.config/fish/completions/cowhand.fish",
        "complete -c cowhand -f",
    ]
    rows += [_row(_FIRST, "-a", name, f"-d {_quoted(words.get(name, ''))}") for name in commands]
    rows += _options("", parser._actions)
    for name, command in commands.items():
        rows += _options(f"__fish_seen_subcommand_from {name}", command._actions)
    return "\n".join(rows) + "\n"


def _options(when: str, actions: Iterable[argparse.Action]) -> Iterator[str]:
    for action in actions:
        if isinstance(action, argparse._SubParsersAction):
            if when:
                verbs = " ".join(map(str, action.choices or ()))
                yield _row(f"{when}; and not __fish_seen_subcommand_from {verbs}", "-a", verbs)
            continue
        if not action.option_strings:
            if action.choices:
                yield _row(when, "-a", " ".join(map(str, action.choices)))
            elif action.metavar in ("PATH", "FOLDER"):
                yield _row(when, "-F", "")
            continue
        if action.help == argparse.SUPPRESS and not when:
            continue
        takes = action.nargs != 0
        flags = " ".join(
            f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in action.option_strings
        )
        told = "" if action.help in (None, argparse.SUPPRESS) else f"-d {_quoted(str(action.help))}"
        value = ""
        if takes:
            files = "FILE" in str(action.metavar)
            value = (
                f"-x -a {_quoted(' '.join(map(str, action.choices)))}" if action.choices else "-r -F" if files else "-x"
            )
        yield _row(when, flags, "", value, told)


def _row(when: str, what: str, word: str = "", *more: str) -> str:
    parts = ["complete -c cowhand", f"-n {_quoted(when)}" if when else "", what, _quoted(word) if word else "", *more]
    return " ".join(part for part in parts if part)


def _quoted(text: str) -> str:
    """Return a word of fish in single quotes, in which only the quote and the backslash are escaped."""
    return "'" + " ".join(text.replace("%%", "%").split()).replace("\\", "\\\\").replace("'", "\\'") + "'"
