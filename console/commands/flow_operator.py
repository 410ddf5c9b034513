"""Who answers a flow's prompts without screens: the options of the command line, and the terminal."""

from __future__ import annotations

import asyncio
import getpass
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from console.events import (
    Prompt,
)
from console.runner.answers import several
from console.text import clean

if TYPE_CHECKING:
    pass
from console.commands.flow_options import FlowOptions
from console.commands.flow_printer import Printer

LONGEST = 500
"""Characters of a prompt."""


class Operator:
    """Answers prompts from the options of the command line, and from the terminal when there is one."""

    def __init__(self, asked: FlowOptions, printer: Printer) -> None:
        self.asked, self.printer = asked, printer
        self.present = sys.stdin.isatty() and not asked.json and not asked.yes

    async def ask(self, prompt: Prompt) -> str | None:
        """Return the answer; None when there is neither an option for it nor a terminal."""
        if prompt.kind == "confirm" and self.asked.yes:
            return "yes"
        if prompt.kind == "answer" and not self.present and self.asked.yes:
            return prompt.default
        if not self.present:
            return None
        if prompt.kind == "confirm":
            return await self._confirm(prompt)
        if prompt.choices:
            return await self._choose(prompt)
        if prompt.wrong:
            self.printer.say(f"  {prompt.wrong}")
        offer = prompt.last if prompt.last is not None else prompt.default
        said = await self._type(f"  {_counted(prompt)}{f' [{offer}]' if offer else ''}: ", prompt.secret)
        return offer if said == "" and offer is not None else said

    async def _confirm(self, prompt: Prompt) -> str | None:
        letters = {"y": "yes", "yes": "yes", "a": "all", "all": "all", "s": "skip", "skip": "skip"}
        offered = "".join(f", {key[0]} {words}" for key, words in prompt.choices.items() if key not in ("yes", "stop"))
        said = await self._type(f"  {prompt.text} [y/N{offered}] ", False)
        if said is None:
            return None
        wanted = letters.get(said.strip().lower(), "stop")
        return wanted if wanted in prompt.choices else "stop"

    async def _choose(self, prompt: Prompt) -> str | None:
        if prompt.wrong:
            self.printer.say(f"  {prompt.wrong}")
        self.printer.say(f"  {_counted(prompt)}")
        values = list(prompt.choices)
        for number, value in enumerate(values, 1):
            self.printer.say(f"    {number}  {value}  {prompt.choices[value]}")
        offer = prompt.last if prompt.last is not None else prompt.default
        which = "which ones, with commas between" if prompt.wants == "several" else "which one"
        said = await self._type(f"  {which}{f' [{offer}]' if offer else ''}? ", False)
        if said is None:
            return None
        said = said.strip() or offer or ""
        picked = [values[int(each) - 1] if each.isdecimal() and 1 <= int(each) <= len(values) else each
                  for each in (several(said) if prompt.wants == "several" else [said])]  # fmt: skip
        return ",".join(picked)

    async def _type(self, text: str, secret: bool) -> str | None:
        """Read a line in a thread that is abandoned when the run is cut; None at the end of the input."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str | None] = loop.create_future()
        text = _asked(text)
        if not secret:
            self.printer.ask(text)

        def settle(line: str | None) -> None:
            if not typed.done():
                typed.set_result(line)

        def read() -> None:
            line: str | None = None
            with suppress(EOFError, OSError):
                line = getpass.getpass(text) if secret else _line()
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, line)

        threading.Thread(target=read, name="typing", daemon=True).start()
        return await typed


def _asked(text: str) -> str:
    """Return a prompt as it is printed: one line, and nothing in it steers the terminal or looks like another's words.

    The blanks around it are ours. What is asked may quote a host or a file."""
    inner = text.strip(" ")
    indent, rest = text[: len(text) - len(text.lstrip(" "))], text[len(text.rstrip(" ")) :]
    return f"{indent}{clean(inner, LONGEST)}{rest}"


def _counted(prompt: Prompt) -> str:
    """The question, with its number when several are asked together."""
    number, count = prompt.part
    return f"{number} of {count}: {prompt.text}" if count > 1 else prompt.text


def _line() -> str | None:
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None
