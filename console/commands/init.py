"""`init`: the set-up without screens. It proposes, asks what cannot be found out, and writes the site file."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import shutil
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from console.commands.output import say
from console.errors import InputError
from console.setup.kinds import KINDS, Kind
from console.text import clean, escape, is_plain, join_words, replace

if TYPE_CHECKING:
    from console.engine.site_setup import Row, SiteSetup
    from console.questions import Question
    from console.setup.answers import SetupQuestion

EXIT_WRITTEN, EXIT_UNUSABLE, EXIT_NEEDS_ANSWER = 0, 2, 4

MARKS = {"ok": "●", "note": "·", "wrong": "✗"}

SHOWN = 12
"""Choices that are listed; the others can be typed all the same."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    folder = parser.add_argument("folder", metavar="FOLDER", nargs="?", help="where your files are; else .")
    folder.complete = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}  # type: ignore[attr-defined]
    parser.add_argument(
        "--answer", metavar="KEY=VALUE", action="append", default=[],
        help=f"answer a question: names, hosts, https, role.HOST, copy.KIND; or name files: {join_words(KINDS)}",
    )  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="take what is proposed, and write")
    how.add_argument("--plan", action="store_true", help="print the site file, and write nothing")
    parser.add_argument("--untested", action="store_true", help="connect to no machine; roles are given, as vps=proxy")


def run(arguments: argparse.Namespace) -> int:
    """Set a site up; returns the exit status. Raises `InputError` for what cannot be used."""
    from console.engine.site_setup import SiteSetup
    from console.estate.site_names import NAME, place

    if arguments.lab:
        raise InputError("init", 0, 0, "the rehearsal estate has its site file; leave --lab out to make your own")
    if arguments.read_only and not arguments.plan:
        raise InputError("--read-only", 0, 0, "nothing is written; only --plan can be had")
    given = _given(arguments.answer)
    files: dict[Kind, str] = {kind: given.pop(kind) for kind in KINDS if kind in given}
    path = place(arguments.site) if arguments.site else Path(arguments.folder or ".") / "site.toml"
    beside = path.parent if arguments.site and not NAME.fullmatch(arguments.site) else Path()
    folder = Path(arguments.folder) if arguments.folder else beside
    terminal = sys.stdin.isatty() and not arguments.yes
    setup = SiteSetup(folder, path, _ask if terminal else None, tests=not arguments.untested)
    setup.begin(files)
    return asyncio.run(_walk(setup, given, arguments, terminal))


def _given(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise InputError("--answer", 0, 0, f'"{clean(word, 60)}" is not KEY=VALUE')
        found[key] = value
    return found


async def _walk(setup: SiteSetup, given: dict[str, str], arguments: argparse.Namespace, terminal: bool) -> int:
    told: Counter[Row] = Counter()
    asked = 0
    while (question := setup.question()) is not None:
        _tell(setup, told)
        if question.key in given:
            if wrong := await setup.answer(question.key, given.pop(question.key)):
                raise InputError(f"--answer {question.key}", 0, 0, wrong)
            continue
        if not terminal:
            if not arguments.yes or question.default is None:
                say(f"init: needs an answer: {question.text} (--answer {question.key}=…{_offer(question)})")
                return EXIT_NEEDS_ANSWER
            if wrong := await setup.answer(question.key, question.default):
                raise InputError(question.key, 0, 0, wrong)
            continue
        asked += 1
        line = await asyncio.to_thread(_put, question, asked)
        if line is None:
            say("nothing was written")
            return EXIT_NEEDS_ANSWER
        if not line and question.default is None:
            continue
        if wrong := await setup.answer(question.key, line):
            say(f"  {wrong}")
    _tell(setup, told)
    if given:
        raise InputError("--answer", 0, 0, f"{join_words([clean(key, 40) for key in given])} was not asked")
    return await _finish(setup, arguments, terminal)


async def _finish(setup: SiteSetup, arguments: argparse.Namespace, terminal: bool) -> int:
    text = setup.text()
    if arguments.plan:
        print(_plainly(text), end="")
        return EXIT_WRITTEN
    if text == setup.before and not setup.copies:
        say(f"{setup.path} says all of this already; nothing was written")
        return EXIT_WRITTEN
    print(_plainly(setup.diff()), file=sys.stderr, flush=True)
    for words in setup.lacks:
        say(f"· {words}")
    if not arguments.yes:
        if not terminal:
            say("init: needs an answer: write it? (--yes)")
            return EXIT_NEEDS_ANSWER
        said = await asyncio.to_thread(_line, f"write {clean(str(setup.path), 200)}? [Y/n] ")
        if said is None or said.strip().lower() not in ("", "y", "yes"):
            say("nothing was written")
            return EXIT_NEEDS_ANSWER
    setup.write()
    for name in setup.copies:
        say(f"{setup.path.parent / name} written")
    say(f"{setup.path} written; `cowhand{_how(arguments)}` opens it")
    return EXIT_WRITTEN


def _plainly(text: str) -> str:
    """Return lines with an escape for what steers a terminal, as comments of a site file may."""
    return "\n".join(line if is_plain(line) else replace(line, escape) for line in text.split("\n"))


def _how(arguments: argparse.Namespace) -> str:
    if arguments.site:
        return f" --site {clean(arguments.site, 200)}"
    return "" if arguments.folder in (None, ".") else f" --site {clean(str(Path(arguments.folder) / 'site.toml'), 200)}"


def _tell(setup: SiteSetup, told: Counter[Row]) -> None:
    """Print what has become known since; two machines may say the same."""
    for row in (Counter(setup.rows) - told).elements():
        told[row] += 1
        for line in folded(f"{MARKS[row.mark]} {row.label}{'  ' if row.label else ''}{row.words}", "  "):
            say(line)


def folded(text: str, indent: str) -> list[str]:
    """Return a line broken between words where a terminal would break it inside one; elsewhere it stays a line."""
    if not sys.stderr.isatty():
        return [text]
    width = max(shutil.get_terminal_size().columns, 40)
    return wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _offer(question: SetupQuestion) -> str:
    known = join_words(list(question.choices), 8)
    proposed = f"{question.default} is proposed" if question.default is not None else ""
    said = "; ".join(part for part in (f"one of {known}" if known else "", proposed) if part)
    return f"; {said}" if said else ""


def _put(question: SetupQuestion, number: int) -> str | None:
    """Ask in the terminal; None at the end of the input."""
    print(file=sys.stderr)
    for note in question.notes:
        for line in folded(f"  {note}", "    "):
            say(line)
    for value, words in list(question.choices.items())[:SHOWN]:
        say(f"  {value:<14} {words}")
    if len(question.choices) > SHOWN:
        say(f"  … and {len(question.choices) - SHOWN} more")
    default = f" [{question.default}]" if question.default is not None else ""
    *rows, last = folded(f"{number}  {clean(question.text, 300)}{clean(default, 200)}", "   ")
    for row in rows:
        say(row)
    return _line(f"{last} ")


def _line(prompt: str) -> str | None:
    print(prompt, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


async def _ask(question: Question) -> str | None:
    """Put a question of SSH's in the terminal: cowhand's own words first, a host's in a quotation."""

    def put() -> str | None:
        say(question.heading)
        for line in (question.text, *question.detail.splitlines()) if question.kind != "code" else ():
            say(f"  {line}")
        for line in question.quoted:
            say(f"  | {line}")
        say(f"  -> {question.destination}")
        prompt = "type yes to trust this key: " if question.kind == "host-key" else "answer (empty: cancel): "
        if question.secret:
            with suppress(EOFError, OSError):
                return getpass.getpass(prompt) or None
            return None
        return _line(prompt) or None

    return await asyncio.to_thread(put)
